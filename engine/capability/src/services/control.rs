//! Units without systemd: the control programs of Wazuh and OSSEC, and the
//! scripts of `/etc/init.d`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;

use crate::process::{By, Caps, Exit, Launch, NotStarted, Program};
use crate::refusal::Refusal;

/// How long a program may take. Wazuh's waits ten seconds for each daemon.
const PATIENCE: Duration = Duration::from_secs(100);

/// The program that controls one unit.
#[derive(Debug)]
pub(super) struct Control {
    program: Program,
    /// Where it runs.
    folder: PathBuf,
}

impl Control {
    /// Finds the program of a service: in `root`, Wazuh's home, for Wazuh's and
    /// OSSEC's own, else its script in `init`. `None`: there is none.
    ///
    /// # Errors
    ///
    /// When there is one that is not fit to be started.
    pub(super) fn find(root: &Path, init: &Path, unit: &UnitName) -> Result<Option<Self>, Refusal> {
        if unit.kind() != "service" {
            return Ok(None);
        }
        let (path, folder) = match own(root, unit.stem()) {
            Some(path) => (path, root.to_owned()),
            None => (init.join(unit.stem()), PathBuf::from("/")),
        };
        match Program::at(&path) {
            Ok(program) => Ok(Some(Self { program, folder })),
            Err(crate::process::Unfit::Missing { .. }) => Ok(None),
            Err(unfit) => Err(Refusal::unavailable(unfit.to_string()).for_good()),
        }
    }

    pub(super) async fn active(&self) -> Result<bool, Refusal> {
        // LSB and Wazuh alike: 0 is "runs", for Wazuh "all of it".
        Ok(self.run("status").await?.exit == Exit::Code(0))
    }

    /// Runs it to its end, or lets it go when it would end the engine too.
    pub(super) async fn act(&self, action: ServiceAction) -> Result<bool, Refusal> {
        let what = action.as_str();
        match action {
            ServiceAction::Start if self.active().await? => return Ok(false),
            ServiceAction::Stop if !self.active().await? => return Ok(false),
            _ => {}
        }
        if self.carries_us() {
            let arguments = [what.to_owned()];
            self.launch(&arguments).release().map_err(|e| not_started(&e))?;
            tracing::info!(
                program = self.program.name(),
                what,
                "the engine is restarted too: not waiting for it"
            );
            return Ok(true);
        }
        let ended = self.run(what).await?;
        match (ended.exit, ended.by) {
            (Exit::Code(0), By::Itself) => Ok(true),
            (_, By::Deadline) => Err(Refusal::timeout(format!("{} {what}: {ended}", self.program.name()))),
            _ => Err(Refusal::failed(format!("{} {what}: {ended}", self.program.name()))),
        }
    }

    /// Whether the program ends the engine too: Wazuh's and OSSEC's end every
    /// process that has a file in `var/run` (`DAEMON-PID.pid`).
    pub(super) fn carries_us(&self) -> bool {
        let ours = format!("-{}.pid", std::process::id());
        ["var/run", "var/run/ossec"].iter().any(|folder| {
            let files = std::fs::read_dir(self.folder.join(folder)).into_iter().flatten();
            self.folder != Path::new("/")
                && files.flatten().any(|file| file.file_name().to_string_lossy().ends_with(&ours))
        })
    }

    async fn run(&self, action: &str) -> Result<crate::process::Ended, Refusal> {
        let arguments = [action.to_owned()];
        self.launch(&arguments).run(Vec::new()).await.map_err(|e| not_started(&e))
    }

    fn launch<'a>(&'a self, arguments: &'a [String]) -> Launch<'a> {
        let caps = Caps { run: PATIENCE, ..Caps::default() };
        Launch { program: &self.program, arguments, root: &self.folder, caps }
    }
}

/// The control program of Wazuh or OSSEC, when the unit is theirs and installed.
fn own(root: &Path, stem: &str) -> Option<PathBuf> {
    let there = |name: &str| Some(root.join("bin").join(name)).filter(|path| path.is_file());
    match stem {
        "wazuh-agent" => there("wazuh-agentd").and(there("wazuh-control")),
        "wazuh-manager" => there("wazuh-analysisd").and(there("wazuh-control")),
        "ossec" | "ossec-hids" => there("ossec-control"),
        _ => None,
    }
}

fn not_started(error: &NotStarted) -> Refusal {
    Refusal::unavailable(error.to_string())
}
