//! The units of this host: systemd's where it runs and knows the unit; else
//! what a control program stands for.

use std::path::PathBuf;

use async_trait::async_trait;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;

use super::Backend;
use super::control::Control;
use super::systemd::Systemd;
use crate::bus::Bus;
use crate::refusal::Refusal;

/// The units of this host.
#[derive(Clone, Debug)]
pub struct Host {
    bus: Bus,
    root: PathBuf,
    init: PathBuf,
}

/// Who acts on one unit.
enum Actor {
    Systemd(Systemd),
    Control(Control),
}

impl Host {
    /// Asks systemd on `bus`; `root` is Wazuh's home.
    #[must_use]
    pub fn new(bus: Bus, root: PathBuf) -> Self {
        Self { bus, root, init: PathBuf::from("/etc/init.d") }
    }

    /// The same with another folder of scripts than `/etc/init.d`.
    #[must_use]
    pub fn with_scripts(self, init: PathBuf) -> Self {
        Self { init, ..self }
    }

    /// `None`: there is no such unit.
    async fn actor(&self, unit: &UnitName) -> Result<Option<Actor>, Refusal> {
        if let Some(systemd) = Systemd::find(&self.bus).await?
            && systemd.knows(unit).await?
        {
            return Ok(Some(Actor::Systemd(systemd)));
        }
        Ok(Control::find(&self.root, &self.init, unit)?.map(Actor::Control))
    }
}

#[async_trait]
impl Backend for Host {
    async fn act(&self, unit: &UnitName, action: ServiceAction) -> Result<bool, Refusal> {
        match self.actor(unit).await? {
            Some(Actor::Systemd(systemd)) => systemd.act(unit, action).await,
            Some(Actor::Control(control)) => control.act(action).await,
            None => Err(Refusal::failed(format!(
                "there is no unit {unit}: neither systemd nor a program in {} or below {} knows it",
                self.init.display(),
                self.root.join("bin").display()
            ))),
        }
    }

    async fn active(&self, unit: &UnitName) -> Result<bool, Refusal> {
        match self.actor(unit).await? {
            Some(Actor::Systemd(systemd)) => systemd.active(unit).await,
            Some(Actor::Control(control)) => control.active().await,
            None => Ok(false),
        }
    }

    async fn carries_us(&self, unit: &UnitName) -> Result<bool, Refusal> {
        match self.actor(unit).await? {
            Some(Actor::Systemd(systemd)) => systemd.carries_us(unit).await,
            Some(Actor::Control(control)) => Ok(control.carries_us()),
            None => Ok(false),
        }
    }

    async fn probe(&self) -> Result<(), Refusal> {
        if Systemd::find(&self.bus).await?.is_some() || self.init.is_dir() || self.root.join("bin").is_dir() {
            return Ok(());
        }
        Err(Refusal::unsupported(format!(
            "this host has no systemd on its message bus, no {} and no control program below {}",
            self.init.display(),
            self.root.join("bin").display()
        )))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#[expect(clippy::disallowed_methods, reason = "the tests play the administrator of a machine of their own")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// A machine without systemd.
    struct Bench {
        dir: tempfile::TempDir,
        host: Host,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let bus = Bus::at(&format!("unix:path={}/no-bus", dir.path().display()));
            let host = Host::new(bus, dir.path().join("wazuh")).with_scripts(dir.path().join("init.d"));
            Self { dir, host }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn program(&self, name: &str, script: &str) {
            write(&self.path(name), script);
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o750)).unwrap();
        }

        /// A control program that says what it was asked and keeps a state.
        fn control(&self, name: &str) {
            self.program(
                name,
                &format!(
                    "#!/bin/sh\ncd {}\necho \"$0 $*\" >> said\ncase $1 in\nstatus) test -e runs ;;\n\
                     stop) rm runs ;;\n*) touch runs ;;\nesac\n",
                    self.dir.path().display()
                ),
            );
        }

        fn said(&self) -> String {
            let said = fs::read_to_string(self.path("said")).unwrap_or_default();
            let _ = fs::remove_file(self.path("said"));
            said.replace(&format!("{}/", self.dir.path().display()), "").replace('\n', ";")
        }
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn unit(name: &str) -> UnitName {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn wazuh_is_controlled_by_its_own_program() {
        let bench = Bench::new();
        bench.control("wazuh/bin/wazuh-control");
        write(&bench.path("wazuh/bin/wazuh-agentd"), "");
        let (agent, manager) = (unit("wazuh-agent.service"), unit("wazuh-manager.service"));
        assert_eq!(bench.host.act(&agent, ServiceAction::Restart).await, Ok(true));
        assert_eq!(bench.said(), "wazuh/bin/wazuh-control restart;");
        assert_eq!(bench.host.active(&agent).await, Ok(true));
        assert_eq!(bench.host.active(&manager).await, Ok(false));
        let refusal = bench.host.act(&manager, ServiceAction::Restart).await.unwrap_err();
        assert!(refusal.message.contains("there is no unit wazuh-manager.service"), "{refusal}");
        assert_eq!(bench.said(), "wazuh/bin/wazuh-control status;");
        write(&bench.path("wazuh/bin/wazuh-analysisd"), "");
        assert_eq!(bench.host.act(&manager, ServiceAction::Reload).await, Ok(true));
        assert_eq!(bench.said(), "wazuh/bin/wazuh-control reload;");
    }

    #[tokio::test]
    async fn a_script_starts_and_stops_what_is_not_so() {
        let bench = Bench::new();
        bench.control("init.d/thing");
        let thing = unit("thing.service");
        assert_eq!(bench.host.act(&thing, ServiceAction::Stop).await, Ok(false));
        assert_eq!(bench.host.act(&thing, ServiceAction::Start).await, Ok(true));
        assert_eq!(bench.host.act(&thing, ServiceAction::Start).await, Ok(false));
        assert_eq!(bench.host.act(&thing, ServiceAction::Stop).await, Ok(true));
        let asked = "status;init.d/thing status;init.d/thing start;init.d/thing status;init.d/thing status;";
        assert_eq!(bench.said(), format!("init.d/thing {asked}init.d/thing stop;"));
        for absent in ["thing.socket", "other.service", "ossec.service"] {
            let refusal = bench.host.act(&unit(absent), ServiceAction::Restart).await.unwrap_err();
            assert_eq!(refusal.kind, "failed", "{refusal}");
        }
        assert_eq!(bench.said(), "");
    }

    #[tokio::test]
    async fn a_failure_is_no_success_and_what_others_may_write_is_not_run() {
        let bench = Bench::new();
        bench.program("init.d/broken", "#!/bin/sh\necho no such thing >&2; exit 3\n");
        bench.control("init.d/writable");
        fs::set_permissions(bench.path("init.d/writable"), fs::Permissions::from_mode(0o777)).unwrap();
        let refusal = bench.host.act(&unit("broken.service"), ServiceAction::Restart).await.unwrap_err();
        assert_eq!(refusal.kind, "failed");
        assert!(refusal.message.ends_with("restart: exit code 3, stderr: no such thing"), "{refusal}");
        let refusal = bench.host.act(&unit("writable.service"), ServiceAction::Restart).await.unwrap_err();
        assert!(refusal.message.contains("written by others"), "{refusal}");
        assert_eq!(bench.said(), "");
    }

    #[tokio::test]
    async fn a_restart_that_ends_the_engine_is_let_go() {
        let bench = Bench::new();
        let ends =
            format!("#!/bin/sh\nmkfifo {0}/wait\necho \"$1\" > {0}/wait\n", bench.dir.path().display());
        bench.program("wazuh/bin/ossec-control", &ends);
        let ours = format!("wazuh/var/run/ossec-execd-{}.pid", std::process::id());
        write(&bench.path(&ours), "");
        let ossec = unit("ossec.service");
        assert_eq!(bench.host.carries_us(&ossec).await, Ok(true));
        // It ends only when its word is read, and that is after this.
        assert_eq!(bench.host.act(&ossec, ServiceAction::Restart).await, Ok(true));
        while !bench.path("wait").exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(fs::read_to_string(bench.path("wait")).unwrap(), "restart\n");
    }
}
