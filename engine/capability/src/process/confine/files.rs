//! Where a confined program may write (Landlock, landlock(7)).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use riposte_policy::grant::NewPrivileges;
use rustix::fs::FileType;

use super::{Strength, Unconfinable};

/// The youngest Landlock whose rights are used: Linux 6.12. What it can do
/// beyond, a program may.
const NEWEST: ABI = ABI::V6;
/// From this one on (Linux 6.2), a file elsewhere cannot be emptied either.
const WHOLE: ABI = ABI::V3;

/// Devices that hold nothing, and that nearly every program writes to.
const HARMLESS: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty"];

/// Where it may write, and whether it may signal processes other than its own.
pub(super) struct Files<'a> {
    pub(super) write: Vec<&'a Path>,
    pub(super) log: Option<&'a Path>,
    pub(super) signals: Signals,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signals {
    Own,
    All,
}

impl Files<'_> {
    /// Makes it hold for this thread and all that it starts, for good.
    pub(super) fn apply(&self, new: NewPrivileges) -> Result<Strength, Unconfinable> {
        let rules = self.rules()?.no_new_privs(new == NewPrivileges::Refused);
        let status = rules.restrict_self().map_err(|error| no_landlock(&error))?;
        match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, _) => Err(no_landlock(&"the kernel enforces nothing of it")),
            (_, LandlockStatus::Available { effective_abi, .. }) if effective_abi >= WHOLE => {
                Ok(Strength::Whole)
            }
            _ => Ok(Strength::MayEmptyFiles),
        }
    }

    fn rules(&self) -> Result<RulesetCreated, Unconfinable> {
        let all = AccessFs::from_all(NEWEST);
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))
            .and_then(|rules| rules.set_compatibility(CompatLevel::BestEffort).handle_access(all))
            .map_err(|error| no_landlock(&error))?;
        rules = match self.signals {
            Signals::Own => rules.scope(Scope::from_all(NEWEST)),
            Signals::All => rules.scope(Scope::AbstractUnixSocket),
        }
        .map_err(|error| no_landlock(&error))?;
        let mut rules = rules.create().map_err(|error| no_landlock(&error))?;
        rules = allow(rules, Path::new("/"), AccessFs::from_read(NEWEST))?;
        for path in &self.write {
            rules = allow(rules, path, all)?;
        }
        // These may be missing: what is not there is not needed.
        for path in HARMLESS.iter().map(Path::new).chain(self.log) {
            if rustix::fs::stat(path).is_ok() {
                rules = allow(rules, path, all)?;
            }
        }
        Ok(rules)
    }
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Unconfinable> {
    let missing =
        |why: &dyn std::fmt::Display| Unconfinable::NoPath { path: path.to_owned(), why: why.to_string() };
    let found = rustix::fs::stat(path).map_err(|error| missing(&error))?;
    let folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
    let access = if folder { access } else { access & AccessFs::from_file(NEWEST) };
    let opened = PathFd::new(path).map_err(|error| missing(&error))?;
    rules.add_rule(PathBeneath::new(opened, access)).map_err(|error| no_landlock(&error))
}

fn no_landlock(why: &dyn std::fmt::Display) -> Unconfinable {
    Unconfinable::NoLandlock { why: why.to_string() }
}
