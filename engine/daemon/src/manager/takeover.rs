//! `riposte takeover` and `riposte giveback`: who carries out the responses of
//! a Wazuh manager.
//!
//! Taking over writes them into `etc/riposte.conf`, which only we read, and
//! switches them off in `etc/ossec.conf`, in this order: when it ends in the
//! middle, both have them, and we refuse to act. Giving back goes the other way.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use riposte_policy::config::Role;
use riposte_policy::stock::{self, Block};

use super::args;
use super::place;
use crate::commands::{ask, check};
use crate::exit::Exit;
use crate::files::File;
use crate::places::Places;

/// Below Wazuh's home: the manager's configuration, ours, and what is kept of
/// each.
const CONF: &str = "etc/ossec.conf";
const OWN: &str = "etc/riposte.conf";
pub(super) const BACKUP: &str = "etc/ossec.conf.before-takeover";
const EDITED: &str = "etc/riposte.conf.before-giveback";
/// Around what is put into `etc/riposte.conf`.
const BEGIN: &str =
    "<!-- riposte takeover: responses of ossec.conf; riposte giveback takes this part out -->\n";
const END: &str = "<!-- riposte takeover: end -->\n";
const ROOT: &str = "<ossec_config>\n";
const ROOT_END: &str = "</ossec_config>\n";

/// What to do for the change to count.
const RESTART: &str =
    "Restart the Wazuh manager (systemctl restart wazuh-manager), so that wazuh-analysisd reads it";

/// Takes responses over.
pub fn takeover(args: &args::Takeover) -> Exit {
    ended(take(&args.home, |block| args.all || args.commands.contains(&block.command), &args.commands))
}

/// Gives back what was taken over.
pub fn giveback(args: &args::Giveback) -> Exit {
    ended(give(&args.home))
}

fn ended(said: Result<String, String>) -> Exit {
    match said {
        Ok(said) => {
            ask::say_text(said.trim_end());
            Exit::Done
        }
        Err(error) => {
            ask::complain(false, &error);
            Exit::Failed
        }
    }
}

fn take(
    home: &args::Home,
    chosen: impl Fn(&Block<'_>) -> bool,
    commands: &[String],
) -> Result<String, String> {
    let (conf, own) = (home.root.join(CONF), home.root.join(OWN));
    let text = there(&home.root)?;
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", conf.display());
    let known = stock::blocks(&text).map_err(|error| in_file(&error))?;
    if let Some(unknown) =
        commands.iter().find(|command| !known.iter().any(|block| block.command == **command))
    {
        let mut names: Vec<_> = known.iter().map(|block| block.command.as_str()).collect();
        names.dedup();
        return Err(in_file(&format!("no response runs {unknown}; there are: {}", names.join(", "))));
    }
    let (taken, blocks) = stock::take_over(&text, chosen).map_err(|error| in_file(&error))?;
    if blocks.is_empty() {
        return Ok(format!("{}: nothing to take over", conf.display()));
    }
    let before = place::read(&home.root, OWN).map_err(|failed| failed.to_string())?;
    let ours = with_blocks(before.as_deref().unwrap_or_default(), &text, &taken, &blocks);
    fit(&home.root, [(&conf, &taken), (&own, &ours)])?;
    if home.print {
        return Ok(format!("==> {} <==\n{ours}\n==> {} <==\n{taken}", own.display(), conf.display()));
    }
    let failed = |failed: place::Failed| failed.to_string();
    let backup = home.root.join(BACKUP);
    // Written anew each time: when that was says since when a manager is outdated.
    let kept = if known.iter().any(|block| block.taken) {
        place::read(&home.root, BACKUP).map_err(failed)?
    } else {
        None
    };
    place::replace(&home.root, BACKUP, kept.as_deref().unwrap_or(&text), 0o640).map_err(failed)?;
    place::replace(&home.root, OWN, &ours, 0o640).map_err(failed)?;
    place::replace(&home.root, CONF, &taken, 0o640).map_err(failed)?;
    let mut said = format!("Taken over, into {}:\n", own.display());
    for block in &blocks {
        let _ = writeln!(said, "  {} (line {})", block.command, block.line);
    }
    let _ = writeln!(
        said,
        "{} has them switched off; as it was it is kept as {}.",
        conf.display(),
        backup.display()
    );
    if let Some(shadowed) = shadowed(&taken) {
        let _ = writeln!(
            said,
            "Wazuh 4.x lets a block that is switched off switch off those before it. Enabled, and perhaps without effect: {shadowed}. Take over these too."
        );
    }
    let root = home.root.display();
    if stock::blocks(&taken).unwrap_or_default().iter().any(|block| block.enabled) {
        let _ = writeln!(
            said,
            "{RESTART}. While it carries out the others, riposte manager only shows what it would do; riposte takeover --all ends that."
        );
    } else {
        let _ = writeln!(said, "{RESTART}, then run: riposte manager --root {root} --enforce");
    }
    Ok(said)
}

/// Refuses what `riposte manager` would not start with: between the two nobody
/// would respond.
fn fit(root: &Path, files: [(&PathBuf, &String); 2]) -> Result<(), String> {
    let files = files.map(|(path, text)| File { path: path.clone(), bytes: text.clone().into_bytes() });
    let places = Places::new(None, Some(root), &[]);
    let (armed, _) = check::arm_files(&places, &files, Role::Manager)?;
    let fatal: Vec<_> = armed.fatal(false).map(ToString::to_string).collect();
    match fatal.len() {
        0 => Ok(()),
        wrong => Err(format!(
            "{}\nerrors in the configuration: {wrong}; riposte manager would not start with it, so nothing was taken \
             over. Mend them first: riposte check --role manager --root {}",
            fatal.join("\n"),
            root.display()
        )),
    }
}

/// Whether responses of this manager are taken over, or a takeover was
/// interrupted.
pub fn is_taken_over(root: &Path) -> bool {
    let ours = place::read(root, OWN).ok().flatten();
    ours.as_deref().and_then(part).is_some() || root.join(BACKUP).exists()
}

/// Gives back what was taken over from the manager at `home`.
///
/// # Errors
///
/// When a file cannot be read or written.
pub fn give(home: &args::Home) -> Result<String, String> {
    let (conf, own) = (home.root.join(CONF), home.root.join(OWN));
    let text = there(&home.root)?;
    if !home.print {
        [CONF, OWN, BACKUP, EDITED].into_iter().for_each(|below| place::tidy(&home.root, below));
    }
    let (given, count) = stock::give_back(&text).map_err(|error| format!("{}: {error}", conf.display()))?;
    let ours = place::read(&home.root, OWN).map_err(|failed| failed.to_string())?;
    let part = ours.as_deref().and_then(part);
    let before = place::read(&home.root, BACKUP).map_err(|failed| failed.to_string())?;
    // A kept copy of what is there is left over from a command that was interrupted.
    if count == 0 && part.is_none() && before.as_deref() != Some(&text) {
        return Ok(format!("{}: nothing was taken over", conf.display()));
    }
    let rest = match (&ours, part) {
        (Some(text), Some(part)) => Some(text.replacen(part, "", 1)),
        _ => None,
    };
    if home.print {
        let rest = rest.as_deref().unwrap_or_default();
        return Ok(format!("==> {} <==\n{given}\n==> {} <==\n{rest}", conf.display(), own.display()));
    }
    let failed = |failed: place::Failed| failed.to_string();
    let mut said = match count {
        0 => "What an interrupted command left over is taken out.\n".to_owned(),
        _ => format!("Given back: {count}.\n"),
    };
    place::replace(&home.root, CONF, &given, 0o640).map_err(failed)?;
    if let (Some(rest), Some(part), Some(before)) = (&rest, part, &ours) {
        if !copies(part, &given) {
            let kept = home.root.join(EDITED);
            place::replace(&home.root, EDITED, before, 0o640).map_err(failed)?;
            let _ = writeln!(
                said,
                "{} was changed since; as it was it is kept as {}.",
                own.display(),
                kept.display()
            );
        }
        if rest.trim().is_empty() {
            place::remove(&home.root, OWN).map_err(failed)?;
        } else {
            place::replace(&home.root, OWN, rest, 0o640).map_err(failed)?;
        }
    }
    let backup = home.root.join(BACKUP);
    match before {
        Some(before) if before == given => {
            place::remove(&home.root, BACKUP).map_err(failed)?;
            let _ = writeln!(said, "{} is byte for byte what it was before.", conf.display());
        }
        Some(_) => {
            let _ = writeln!(
                said,
                "{} was changed since: only what the takeover put in was taken out. As it was before, it stays kept as {}.",
                conf.display(),
                backup.display()
            );
        }
        None => {}
    }
    let _ = writeln!(said, "{RESTART}. Stop `riposte manager` first.");
    Ok(said)
}

fn there(root: &Path) -> Result<String, String> {
    match place::read(root, CONF) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => {
            Err(format!("{} is not there; name Wazuh's home with --root DIR", root.join(CONF).display()))
        }
        Err(failed) => Err(failed.to_string()),
    }
}

/// Our file with `blocks`, which were taken from `before` and left `after`.
fn with_blocks(ours: &str, before: &str, after: &str, blocks: &[Block<'_>]) -> String {
    let Some(old) = part(ours) else { return format!("{ours}{}", section(blocks.iter())) };
    // As we wrote it, it is written anew in the order of the file.
    let given = stock::give_back(before).map(|(given, _)| given).unwrap_or_default();
    if old == whole(before, &given) {
        return ours.replacen(old, &whole(after, &given), 1);
    }
    // Otherwise only what is not there yet is added: it is there when the
    // command was interrupted before, or when a block was enabled by hand.
    let mut there: Vec<_> = stock::blocks(old).unwrap_or_default().iter().map(|block| block.text).collect();
    let taken = stock::blocks(before).unwrap_or_default();
    for block in taken.iter().zip(stock::blocks(&given).unwrap_or_default()).filter(|(taken, _)| taken.taken)
    {
        take_out(&mut there, block.1.text);
    }
    let missing: Vec<_> = blocks.iter().filter(|block| !take_out(&mut there, block.text)).collect();
    if missing.is_empty() {
        return ours.to_owned();
    }
    let end = format!("{ROOT_END}{END}");
    let added: String = missing.iter().copied().map(entry).collect();
    let new = match old.strip_suffix(end.as_str()) {
        Some(start) => format!("{start}{added}{end}"),
        None => format!(
            "{}{}",
            old.strip_suffix(END).unwrap_or(old),
            section(missing.into_iter()).replacen(BEGIN, "", 1)
        ),
    };
    ours.replacen(old, &new, 1)
}

/// Takes one `text` out of `texts`, and says whether there was one.
fn take_out(texts: &mut Vec<&str>, text: &str) -> bool {
    let found = texts.iter().position(|one| *one == text);
    found.is_some_and(|at| !texts.remove(at).is_empty())
}

/// Whether our part holds nothing but copies of blocks in `given`.
fn copies(part: &str, given: &str) -> bool {
    let (ours, theirs) = (stock::blocks(part).unwrap_or_default(), stock::blocks(given).unwrap_or_default());
    let mut theirs: Vec<_> = theirs.iter().map(|block| block.text).collect();
    part == section(ours.iter()) && ours.iter().all(|block| take_out(&mut theirs, block.text))
}

/// The part for all blocks that are taken in `taken`, as they stand in `given`.
fn whole(taken: &str, given: &str) -> String {
    let (taken, given) = (stock::blocks(taken).unwrap_or_default(), stock::blocks(given).unwrap_or_default());
    let ours = taken.iter().zip(&given).filter(|(taken, _)| taken.taken).map(|(_, given)| given);
    section(ours)
}

fn section<'a, 't: 'a>(blocks: impl Iterator<Item = &'a Block<'t>>) -> String {
    let entries: String = blocks.map(entry).collect();
    format!("{BEGIN}{ROOT}{entries}{ROOT_END}{END}")
}

fn entry(block: &Block<'_>) -> String {
    format!("  {}\n", block.text)
}

/// What we put into our file.
fn part(ours: &str) -> Option<&str> {
    let start = ours.find(BEGIN)?;
    let end = ours.get(start..)?.find(END)?;
    ours.get(start..start + end + END.len())
}

/// The commands that stay enabled before a block that is switched off: the
/// reader of Wazuh 4.x forgets there that there was any
/// (`src/config/active-response.c`).
fn shadowed(text: &str) -> Option<String> {
    let blocks = stock::blocks(text).unwrap_or_default();
    let last = blocks.iter().rposition(|block| block.enabled)?;
    blocks.get(last + 1..).filter(|behind| !behind.is_empty())?;
    let mut names: Vec<_> =
        blocks.iter().filter(|block| block.enabled).map(|block| block.command.as_str()).collect();
    names.dedup();
    Some(names.join(", "))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;

    const TEXT: &str = "<ossec_config>\r\n  <global/><command><name>drop</name><executable>drop</executable></command><command><name>tell</name><executable>tell</executable></command>\r\n  <active-response>\r\n    <command>drop</command>\r\n    <location>local</location>\r\n  </active-response>\r\n  <active-response><disabled>no</disabled><command>tell</command><location>local</location></active-response>\r\n</ossec_config>\r\n";

    struct Wazuh {
        _folder: tempfile::TempDir,
        home: args::Home,
    }

    impl Wazuh {
        fn new(own: Option<&str>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("etc")).unwrap();
            let wazuh =
                Self { home: args::Home { root: folder.path().to_owned(), print: false }, _folder: folder };
            std::fs::write(wazuh.path("ossec.conf"), TEXT).unwrap();
            if let Some(own) = own {
                std::fs::write(wazuh.path("riposte.conf"), own).unwrap();
            }
            wazuh
        }

        fn path(&self, name: &str) -> PathBuf {
            self.home.root.join("etc").join(name)
        }

        fn text(&self, name: &str) -> Option<String> {
            std::fs::read_to_string(self.path(name)).ok()
        }

        fn take(&self, commands: &[&str]) -> Result<String, String> {
            let commands: Vec<String> = commands.iter().map(ToString::to_string).collect();
            take(&self.home, |block| commands.is_empty() || commands.contains(&block.command), &commands)
        }
    }

    #[test]
    fn there_and_back_leaves_no_trace() {
        for own in [None, Some("<ossec_config><riposte/></ossec_config>"), Some("<!-- ours -->\n")] {
            let wazuh = Wazuh::new(own);
            wazuh.take(&[]).unwrap();
            let ours = wazuh.text("riposte.conf").unwrap();
            assert!(ours.starts_with(own.unwrap_or_default()));
            assert!(
                ours.contains("    <command>drop</command>\r\n") && ours.contains("<command>tell</command>")
            );
            assert_eq!(wazuh.text("ossec.conf.before-takeover").as_deref(), Some(TEXT));
            let said = give(&wazuh.home).unwrap();
            assert!(said.contains("Given back: 2") && said.contains("byte for byte"), "{said}");
            assert_eq!(wazuh.text("ossec.conf").as_deref(), Some(TEXT));
            assert_eq!(wazuh.text("riposte.conf").as_deref(), own);
            let left = std::fs::read_dir(wazuh.home.root.join("etc")).unwrap().count();
            assert_eq!(left, if own.is_some() { 2 } else { 1 });
        }
    }

    #[test]
    fn step_by_step_and_twice_is_the_same() {
        let (steps, once) = (Wazuh::new(None), Wazuh::new(None));
        let said = steps.take(&["tell"]).unwrap();
        assert!(said.contains("without effect: drop.") && said.contains("riposte takeover --all"), "{said}");
        steps.take(&["drop"]).unwrap();
        assert!(steps.take(&["drop"]).unwrap().contains("nothing to take over"));
        once.take(&[]).unwrap();
        for name in ["ossec.conf", "riposte.conf", "ossec.conf.before-takeover"] {
            assert_eq!(steps.text(name), once.text(name), "{name}");
        }
        give(&steps.home).unwrap();
        assert!(give(&steps.home).unwrap().contains("nothing was taken over"));
        assert_eq!(steps.text("ossec.conf").as_deref(), Some(TEXT));
    }

    #[test]
    fn a_command_that_was_interrupted_is_repeated() {
        let wazuh = Wazuh::new(None);
        wazuh.take(&[]).unwrap();
        let (ours, taken) = (wazuh.text("riposte.conf").unwrap(), wazuh.text("ossec.conf").unwrap());
        // Taking over, between our file and the manager's.
        std::fs::write(wazuh.path("ossec.conf"), TEXT).unwrap();
        wazuh.take(&[]).unwrap();
        assert_eq!(wazuh.text("riposte.conf").as_ref(), Some(&ours), "nothing stands there twice");
        assert_eq!(wazuh.text("ossec.conf").as_ref(), Some(&taken));
        // Giving back, between the manager's and ours, and behind ours.
        std::fs::write(wazuh.path("ossec.conf"), TEXT).unwrap();
        for ours in [Some(&ours), None] {
            if let Some(ours) = ours {
                std::fs::write(wazuh.path("riposte.conf"), ours).unwrap();
            }
            std::fs::write(wazuh.path("ossec.conf.before-takeover"), TEXT).unwrap();
            std::fs::write(wazuh.path("riposte.conf.riposte-partial"), "").unwrap();
            let said = give(&wazuh.home).unwrap();
            assert!(said.contains("interrupted") && !said.contains("changed since"), "{said}");
            assert_eq!(std::fs::read_dir(wazuh.home.root.join("etc")).unwrap().count(), 1);
        }
        // A block that was enabled by hand is taken over once more.
        wazuh.take(&[]).unwrap();
        std::fs::write(wazuh.path("ossec.conf"), TEXT.replace("<disabled>no</disabled>", "")).unwrap();
        wazuh.take(&["drop"]).unwrap();
        assert_eq!(wazuh.text("riposte.conf").unwrap().matches("<command>drop").count(), 1);
    }

    #[test]
    fn what_was_changed_since_is_kept() {
        let wazuh = Wazuh::new(None);
        wazuh.take(&[]).unwrap();
        let edited = wazuh.text("ossec.conf").unwrap().replace("<global/>", "<global></global>");
        std::fs::write(wazuh.path("ossec.conf"), edited).unwrap();
        let tuned = wazuh.text("riposte.conf").unwrap().replace("local", "server");
        std::fs::write(wazuh.path("riposte.conf"), &tuned).unwrap();
        let said = give(&wazuh.home).unwrap();
        assert!(said.contains("was changed since"), "{said}");
        assert_eq!(wazuh.text("ossec.conf").unwrap(), TEXT.replace("<global/>", "<global></global>"));
        assert_eq!(wazuh.text("riposte.conf.before-giveback"), Some(tuned));
        assert_eq!(wazuh.text("ossec.conf.before-takeover").as_deref(), Some(TEXT));
    }

    #[test]
    fn printing_writes_nothing() {
        let mut wazuh = Wazuh::new(None);
        wazuh.home.print = true;
        let said = wazuh.take(&[]).unwrap();
        assert!(said.contains("<disabled>yes</disabled><!-- riposte takeover -->"), "{said}");
        assert_eq!((wazuh.text("ossec.conf").as_deref(), wazuh.text("riposte.conf")), (Some(TEXT), None));
    }

    #[test]
    fn what_the_engine_would_not_start_with_stays_with_wazuh() {
        let wazuh = Wazuh::new(None);
        let broken = TEXT.replace("<name>tell</name>", "<name>tel</name>");
        std::fs::write(wazuh.path("ossec.conf"), &broken).unwrap();
        let error = wazuh.take(&[]).unwrap_err();
        assert!(error.contains("command-undefined") && error.contains("nothing was taken over"), "{error}");
        assert_eq!((wazuh.text("ossec.conf"), wazuh.text("riposte.conf")), (Some(broken), None));
    }

    #[test]
    fn refusals_say_what_there_is() {
        let wazuh = Wazuh::new(None);
        let error = wazuh.take(&["dorp"]).unwrap_err();
        assert!(error.contains("no response runs dorp; there are: drop, tell"), "{error}");
        std::fs::remove_file(wazuh.path("ossec.conf")).unwrap();
        assert!(wazuh.take(&[]).unwrap_err().contains("--root DIR"));
    }
}
