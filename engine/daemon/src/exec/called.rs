//! Under which name the program was called, and where Wazuh's home is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use riposte_plugins::Builtin;
use riposte_policy::config::Role;

use crate::cli;
use crate::files;
use crate::places::Places;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The name, as `origin.name` and the log have it.
    pub name: String,
    strict: bool,
    home: Option<PathBuf>,
    root: PathBuf,
}

/// Wazuh's home where nothing says otherwise.
const ROOT: &str = "/var/ossec";

impl Called {
    /// The call, when the first argument is a link named like a response;
    /// `None`: this is `riposte` itself.
    #[must_use]
    pub fn by_link(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<Self, clap::Error>> {
        let path = PathBuf::from(arguments.next()?);
        let name = path.file_name()?.to_str()?.to_owned();
        let own = std::env::current_exe().ok();
        let own = own.as_deref().and_then(Path::file_name).and_then(|own| own.to_str());
        let among_programs = path.parent().is_some_and(|folder| folder.ends_with("active-response/bin"));
        if builtin(&name).is_none() && !(among_programs && own != Some(name.as_str())) {
            return None;
        }
        let arguments: Vec<OsString> = arguments.collect();
        // Wazuh's programs pass over what they are given; OSSEC's got arguments
        // that are no options of ours.
        let ours = arguments.first().is_some_and(|first| first.to_string_lossy().starts_with("--"));
        let words = ["riposte".into(), "exec".into(), name.into()];
        let words = words.into_iter().chain(arguments.into_iter().filter(|_| ours));
        let root = root_of(&path);
        let parsed = <cli::Cli as clap::Parser>::try_parse_from(words);
        Some(parsed.map(|cli| match cli.command {
            cli::Command::Exec(args) => Self::new(&args, root),
            // The second word is `exec`.
            _ => Self { name: String::new(), strict: false, home: None, root: ROOT.into() },
        }))
    }

    /// `riposte exec NAME`. `linked` is Wazuh's home by the link's own path.
    #[must_use]
    pub fn new(args: &cli::Exec, linked: Option<PathBuf>) -> Self {
        Self {
            name: args.name.clone(),
            strict: args.strict,
            home: args.at.home.clone(),
            root: linked.or_else(|| args.root.clone()).unwrap_or_else(|| ROOT.into()),
        }
    }

    /// The places: the log is in Wazuh's home.
    #[must_use]
    pub fn places(&self) -> Places {
        Places::new(self.home.as_deref(), Some(&self.root), &[])
    }

    /// Whether an unanswered check_keys is a failure, as for Wazuh: on the command
    /// line, or `<exec_strict>` of the usual configuration, which is read only
    /// when that happens.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        let in_files = || {
            let files = files::read(&[self.places().config]).ok()?;
            Some(files::config(&files, Role::Standalone).settings.exec_strict)
        };
        self.strict || in_files().unwrap_or(false)
    }

    /// Where an engine may listen: in its usual place, or in Wazuh's home when
    /// that is its own.
    #[must_use]
    pub fn sockets(&self) -> Vec<PathBuf> {
        let mut sockets = vec![self.places().socket()];
        if self.home.is_none() {
            sockets.push(Places::new(Some(&self.root), None, &[]).socket());
        }
        sockets
    }
}

/// The built-in response that answers to a name.
#[must_use]
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    riposte_plugins::builtins().iter().find(|builtin| builtin.name == name || builtin.aliases.contains(&name))
}

/// The folder above the first `active-response` of a path, as Wazuh's programs
/// find their home (`setup_and_check_message`). A bare name has been found in
/// `PATH`, and says nothing.
fn root_of(path: &Path) -> Option<PathBuf> {
    if path.parent().is_none_or(|folder| folder.as_os_str().is_empty()) {
        return None;
    }
    let path = std::path::absolute(path).ok()?;
    let folder =
        path.ancestors().filter(|folder| folder.file_name().is_some_and(|name| name == "active-response"));
    folder.last()?.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Option<Called> {
        Called::by_link(words.iter().map(OsString::from)).map(Result::unwrap)
    }

    #[test]
    fn a_link_is_known_by_its_name() {
        assert_eq!(called(&["/usr/bin/riposte", "status"]), None);
        assert_eq!(called(&[]), None);
        let link = called(&["/srv/ossec/active-response/bin/firewall-drop.sh"]).unwrap();
        assert_eq!((&*link.name, link.root.as_path()), ("firewall-drop.sh", Path::new("/srv/ossec")));
        assert!(link.sockets().contains(&"/srv/ossec/run/riposte.sock".into()));
        let strict = called(&["firewall-drop", "--strict", "--root", "/srv"]).unwrap();
        assert_eq!((strict.strict, strict.root.as_path()), (true, Path::new("/srv")));
        // OSSEC's arguments are none of ours.
        assert_eq!(called(&["firewall-drop", "add", "-"]).unwrap().root, Path::new(ROOT));
        // A link to something that is not built in says so, in Wazuh's log.
        assert_eq!(called(&["/srv/active-response/bin/nothing"]).unwrap().name, "nothing");
    }
}
