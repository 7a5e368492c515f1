//! Whether a Wazuh manager carries out responses on this machine.
//!
//! `wazuh-analysisd` is found by the file with its process id, or by the socket
//! on which it takes events. What it carries out is what its configuration
//! said when it was started.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use riposte_policy::Config;
use riposte_policy::stock;
use rustix::process::{Pid, test_kill_process};

use super::place;
use super::takeover::BACKUP;

/// What runs beside us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// How it was found.
    pub running: Option<Running>,
    /// The responses it carries out.
    pub blocks: Vec<Named>,
    /// Whether it was started before responses were taken over.
    pub outdated: bool,
    /// Why it is not known what it carries out.
    pub unknown: Option<String>,
}

/// A running `wazuh-analysisd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// By its process id.
    Process(i32),
    /// By its socket.
    Socket,
}

/// One response of the manager's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The command.
    pub command: String,
    /// Its line in `etc/ossec.conf`.
    pub line: usize,
}

impl Beside {
    /// Looks around in Wazuh's home.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        let Some((running, since)) = analysisd(root) else { return Self::default() };
        // It may carry out anything while we cannot read what.
        let unknown =
            |unknown| Self { running: Some(running.clone()), unknown: Some(unknown), ..Self::default() };
        let text = match place::look(root, "etc/ossec.conf") {
            Ok(text) => text.unwrap_or_default(),
            Err(failed) => return unknown(failed.to_string()),
        };
        let blocks = match stock::blocks(&text) {
            Ok(blocks) => blocks,
            Err(unbalanced) => return unknown(format!("etc/ossec.conf: {unbalanced}")),
        };
        // Edits of other kinds are not ours to worry about.
        let taken = place::written(root, BACKUP).or_else(|| place::written(root, "etc/ossec.conf"));
        let outdated = since.is_some() && taken > since && blocks.iter().any(|block| block.taken);
        let blocks = blocks.into_iter().filter(|block| block.enabled);
        let blocks = blocks.map(|block| Named { command: block.command, line: block.line }).collect();
        Self { running: Some(running), blocks, outdated, unknown: None }
    }

    /// Why we may not carry out `config` beside it.
    #[must_use]
    pub fn conflict(&self, config: &Config) -> Option<Conflict> {
        self.running.as_ref()?;
        if let Some(why) = &self.unknown {
            return Some(Conflict::Unknown(why.clone()));
        }
        if self.outdated {
            return Some(Conflict::Outdated);
        }
        let ours =
            |named: &&Named| config.responses.iter().any(|response| *response.command == named.command);
        let both: Vec<_> = self.blocks.iter().filter(ours).cloned().collect();
        if both.is_empty() { None } else { Some(Conflict::Both(both)) }
    }
}

/// Both would carry out the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// These responses.
    Both(Vec<Named>),
    /// It still carries out what was taken over since it was started.
    Outdated,
    /// What it carries out cannot be read.
    Unknown(String),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(named) => {
                f.write_str("wazuh-analysisd runs and carries out the same responses: ")?;
                for (n, Named { command, line }) in named.iter().enumerate() {
                    let between = if n > 0 { ", " } else { "" };
                    write!(f, "{between}{command} (etc/ossec.conf line {line})")?;
                }
                f.write_str("; hand them over with `riposte takeover --all`, restart the Wazuh manager, and start again")
            }
            Self::Outdated => f.write_str(
                "wazuh-analysisd was started before the takeover and still carries out what was taken over; \
                 restart the Wazuh manager, and start again",
            ),
            Self::Unknown(why) => {
                write!(f, "wazuh-analysisd runs, and what it carries out is not known: {why}")
            }
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(id) => write!(f, "wazuh-analysisd runs as process {id}"),
            Self::Socket => f.write_str("wazuh-analysisd listens on queue/sockets/queue"),
        }
    }
}

/// How it was found, and when it was started, where that is known.
fn analysisd(root: &Path) -> Option<(Running, Option<(i64, i64)>)> {
    let files = std::fs::read_dir(root.join("var/run")).into_iter().flatten().filter_map(Result::ok);
    let living = files.filter_map(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        let id =
            ["wazuh-analysisd-", "ossec-analysisd-"].iter().find_map(|start| name.strip_prefix(start))?;
        let id = id.strip_suffix(".pid")?.parse::<i32>().ok().filter(|id| is_alive(*id))?;
        let since = file.metadata().ok().map(|found| (found.mtime(), found.mtime_nsec()));
        Some((Running::Process(id), since))
    });
    // A file left over from before may name a number that is somebody else's now.
    if let Some(newest) = living.max_by_key(|(_, since)| *since) {
        return Some(newest);
    }
    let listens = |path: &str| match UnixDatagram::unbound() {
        Ok(socket) => match socket.connect(root.join(path)) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::PermissionDenied,
        },
        Err(_) => false,
    };
    ["queue/sockets/queue", "queue/ossec/queue"].into_iter().any(listens).then_some((Running::Socket, None))
}

fn is_alive(id: i32) -> bool {
    match Pid::from_raw(id).map(test_kill_process) {
        Some(Ok(()) | Err(rustix::io::Errno::PERM)) => true,
        Some(Err(_)) | None => false,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;
    use riposte_policy::config::Source;
    use std::path::PathBuf;

    const CONF: &str = "<ossec_config>\n<command><name>drop</name><executable>drop</executable></command>\n\
        <active-response><command>drop</command><location>local</location><level>6</level></active-response>\n\
        <active-response><disabled>yes</disabled><command>tell</command><location>local</location></active-response>\n\
        </ossec_config>";

    fn home() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        for name in ["etc", "var/run", "queue/sockets"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("etc/ossec.conf"), CONF).unwrap();
        (folder, root)
    }

    fn runs(root: &Path) -> PathBuf {
        let path = root.join(format!("var/run/wazuh-analysisd-{}.pid", std::process::id()));
        std::fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn a_process_that_lives_is_found_and_what_it_carries_out() {
        let (_folder, root) = home();
        assert_eq!(Beside::look(&root), Beside::default());
        std::fs::write(root.join("var/run/wazuh-analysisd-2147483646.pid"), "2147483646\n").unwrap();
        assert_eq!(Beside::look(&root).running, None, "nobody has that number");
        runs(&root);
        let found = Beside::look(&root);
        assert!(matches!(found.running, Some(Running::Process(_))));
        assert_eq!(found.blocks, [Named { command: "drop".into(), line: 3 }]);
        let conflict = found.conflict(&Config::read(&[Source::new("f", CONF)])).unwrap();
        assert!(conflict.to_string().contains("drop (etc/ossec.conf line 3)"), "{conflict}");
        assert_eq!(found.conflict(&Config::default()), None);
    }

    #[test]
    fn a_socket_that_is_listened_on_is_found() {
        let (_folder, root) = home();
        let listening = UnixDatagram::bind(root.join("queue/sockets/queue")).unwrap();
        assert_eq!(Beside::look(&root).running, Some(Running::Socket));
        drop(listening);
        assert_eq!(Beside::look(&root).running, None, "the file alone means nothing");
    }

    #[test]
    fn one_that_was_started_before_the_takeover_still_acts() {
        let (_folder, root) = home();
        let process = runs(&root);
        let (taken, _) = stock::take_over(CONF, |_| true).unwrap();
        std::fs::write(root.join("etc/ossec.conf"), taken).unwrap();
        let at = |path: &Path, seconds| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        let conf = root.join("etc/ossec.conf");
        at(&process, 1_000);
        at(&conf, 2_000);
        assert_eq!(Beside::look(&root).conflict(&Config::default()), Some(Conflict::Outdated));
        at(&process, 3_000);
        assert_eq!(Beside::look(&root).conflict(&Config::default()), None);
        // The file that is kept tells when it was; what is edited later means nothing.
        let kept = root.join(BACKUP);
        std::fs::write(&kept, CONF).unwrap();
        at(&kept, 2_000);
        at(&conf, 9_000);
        assert_eq!(Beside::look(&root).conflict(&Config::default()), None);
        at(&kept, 4_000);
        assert_eq!(Beside::look(&root).conflict(&Config::default()), Some(Conflict::Outdated));
    }

    #[test]
    fn of_two_files_the_newer_one_counts() {
        let (_folder, root) = home();
        let (mut ids, at) =
            (vec![std::process::id(), std::os::unix::process::parent_id()], |path: PathBuf, seconds| {
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
                std::fs::File::create(path).unwrap().set_modified(time).unwrap();
            });
        for _ in 0..2 {
            for (n, id) in (1..).zip(&ids) {
                at(root.join(format!("var/run/wazuh-analysisd-{id}.pid")), n * 1_000);
            }
            let newest = i32::try_from(ids[1]).unwrap();
            assert_eq!(Beside::look(&root).running, Some(Running::Process(newest)));
            ids.reverse();
        }
    }

    #[test]
    fn what_cannot_be_read_may_be_anything() {
        let (_folder, root) = home();
        runs(&root);
        let (conf, elsewhere) = (root.join("etc/ossec.conf"), root.join("elsewhere"));
        std::fs::write(&conf, [b"<!-- caf\xe9 -->", CONF.as_bytes()].concat()).unwrap();
        assert_eq!(Beside::look(&root).blocks.len(), 1, "its encoding hides nothing");
        std::fs::rename(&conf, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &conf).unwrap();
        let conflict = Beside::look(&root).conflict(&Config::default()).unwrap();
        assert!(conflict.to_string().contains("it is a link"), "{conflict}");
        std::fs::remove_file(&conf).unwrap();
        std::fs::write(&conf, "<ossec_config>").unwrap();
        assert!(matches!(Beside::look(&root).conflict(&Config::default()), Some(Conflict::Unknown(_))));
    }
}
