//! A message bus of its own with something on it that answers like systemd and
//! logind, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::runtime::Runtime;
use zbus::{Connection, DBusError, ObjectPath, OwnedObjectPath, interface};

/// Where systemd has its objects.
const ROOT: &str = "/org/freedesktop/systemd1";
/// What systemd answers about a unit that it does not know.
const NO_UNIT: &str = "/org/freedesktop/systemd1/unit/none";

/// The bus, and what is on it. Dropped: ended.
pub struct Units {
    daemon: Child,
    socket: PathBuf,
    state: Shared,
    /// Serves the objects.
    runtime: Runtime,
    connection: Connection,
}

type Shared = Arc<Mutex<State>>;

#[derive(Default)]
struct State {
    asked: Vec<String>,
    units: BTreeMap<String, Unit>,
    /// The unit of whoever asks.
    ours: Option<String>,
    jobs: u32,
}

#[derive(Clone)]
struct Unit {
    active: String,
    /// How its jobs end: `done`, `failed`, ...; nothing: never.
    result: String,
    part_of: Vec<String>,
}

impl Units {
    /// Starts a bus that listens in `folder`, with these units, all active.
    ///
    /// # Panics
    ///
    /// When there is no `dbus-daemon`.
    #[must_use]
    pub fn start(folder: &Path, units: &[&str]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let socket = folder.join("system_bus_socket");
        let config = folder.join("bus.conf");
        let text = format!(
            "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
             </policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--config-file={}", config.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs dbus-daemon; run make test, which installs it");
        let mut address = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:path="), "{address}");
        let state = Shared::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let connection = runtime.block_on(serve(&socket, &state));
        let this = Self { daemon, socket, state, runtime, connection };
        for unit in units {
            this.add(unit, "done");
        }
        this
    }

    /// The address of the bus.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// Adds an active unit whose jobs end like this: `done`, `failed`,
    /// `timeout`, `canceled`; `masked`: they are refused; ``: they never end.
    pub fn add(&self, name: &str, result: &str) {
        let unit = Unit { active: "active".to_owned(), result: result.to_owned(), part_of: Vec::new() };
        self.state().units.insert(name.to_owned(), unit);
        let view = View { name: name.to_owned(), state: Arc::clone(&self.state) };
        self.runtime.block_on(self.connection.object_server().at(path(name), view)).unwrap();
    }

    /// Takes a unit away.
    pub fn remove(&self, name: &str) {
        self.state().units.remove(name);
        let gone = self.connection.object_server().remove::<View, _>(path(name));
        self.runtime.block_on(gone).unwrap();
    }

    /// From now on a unit is in this state: `active`, `inactive`, ...
    pub fn set(&self, name: &str, active: &str) {
        self.state().units.get_mut(name).unwrap().active = active.to_owned();
    }

    /// From now on whoever asks runs in this unit, which is part of others.
    pub fn run_in(&self, name: &str, part_of: &[&str]) {
        let mut state = self.state();
        state.ours = Some(name.to_owned());
        state.units.get_mut(name).unwrap().part_of = part_of.iter().map(|one| (*one).to_owned()).collect();
    }

    /// What was asked for since the last call: `RestartUnit a.service replace`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

async fn serve(socket: &Path, state: &Shared) -> Connection {
    let address = format!("unix:path={}", socket.display());
    let none = View { name: String::new(), state: Arc::clone(state) };
    zbus::connection::Builder::address(address.as_str())
        .serve_at(ROOT, Systemd(Arc::clone(state)))
        .serve_at(NO_UNIT, none)
        .serve_at("/org/freedesktop/login1", Logind(Arc::clone(state)))
        .name("org.freedesktop.systemd1")
        .name("org.freedesktop.login1")
        .build()
        .await
        .unwrap()
}

/// The object of a unit: letters and digits stay, the rest is escaped.
fn path(unit: &str) -> OwnedObjectPath {
    let name: String = unit
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("_{b:02x}") })
        .collect();
    ObjectPath::try_from(format!("{ROOT}/unit/{name}")).unwrap().into()
}

#[derive(Debug, DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum Refused {
    #[zbus(error)]
    Bus(zbus::Error),
    UnitMasked(String),
    NoUnitForPID(String),
}

struct Systemd(Shared);

impl Systemd {
    async fn job(
        &self,
        connection: &Connection,
        method: &str,
        unit: &str,
        mode: &str,
        active: &str,
    ) -> Result<OwnedObjectPath, Refused> {
        let (number, result) = {
            let mut state = self.0.lock().unwrap();
            state.asked.push(format!("{method} {unit} {mode}"));
            state.jobs += 1;
            let number = state.jobs;
            let known = state.units.get_mut(unit);
            let known = known.ok_or_else(|| Refused::UnitMasked(format!("Unit {unit} not found.")))?;
            if known.result == "masked" {
                return Err(Refused::UnitMasked(format!("Unit {unit} is masked.")));
            }
            if known.result == "done" {
                known.active = active.to_owned();
            }
            (number, known.result.clone())
        };
        let job =
            |number| OwnedObjectPath::from(ObjectPath::try_from(format!("{ROOT}/job/{number}")).unwrap());
        // The end of another job comes first, and before the answer.
        tell(connection, number + 1000, &job(number + 1000), "other.service", "failed").await?;
        if !result.is_empty() {
            tell(connection, number, &job(number), unit, &result).await?;
        }
        Ok(job(number))
    }
}

async fn tell(
    connection: &Connection,
    number: u32,
    job: &OwnedObjectPath,
    unit: &str,
    result: &str,
) -> zbus::Result<()> {
    let body = (number, job, unit, result);
    connection.emit_signal(None::<&str>, ROOT, "org.freedesktop.systemd1.Manager", "JobRemoved", &body).await
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    async fn subscribe(&self) {}

    async fn load_unit(&self, name: &str) -> OwnedObjectPath {
        if self.0.lock().unwrap().units.contains_key(name) {
            return path(name);
        }
        ObjectPath::try_from(NO_UNIT).unwrap().into()
    }

    #[zbus(name = "GetUnitByPID")]
    async fn get_unit_by_pid(&self, pid: u32) -> Result<OwnedObjectPath, Refused> {
        let ours = self.0.lock().unwrap().ours.clone();
        ours.map(|ours| path(&ours)).ok_or_else(|| Refused::NoUnitForPID(format!("PID {pid} is in no unit.")))
    }

    async fn restart_unit(
        &self,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        mode: &str,
    ) -> Result<OwnedObjectPath, Refused> {
        self.job(connection, "RestartUnit", name, mode, "active").await
    }

    async fn reload_or_restart_unit(
        &self,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        mode: &str,
    ) -> Result<OwnedObjectPath, Refused> {
        self.job(connection, "ReloadOrRestartUnit", name, mode, "active").await
    }

    async fn start_unit(
        &self,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        mode: &str,
    ) -> Result<OwnedObjectPath, Refused> {
        self.job(connection, "StartUnit", name, mode, "active").await
    }

    async fn stop_unit(
        &self,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        mode: &str,
    ) -> Result<OwnedObjectPath, Refused> {
        self.job(connection, "StopUnit", name, mode, "inactive").await
    }
}

/// One unit, as an object.
struct View {
    name: String,
    state: Shared,
}

impl View {
    fn unit(&self) -> Option<Unit> {
        self.state.lock().unwrap().units.get(&self.name).cloned()
    }
}

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl View {
    #[zbus(property)]
    async fn load_state(&self) -> String {
        self.unit().map_or("not-found", |_| "loaded").to_owned()
    }

    #[zbus(property)]
    async fn active_state(&self) -> String {
        self.unit().map_or_else(|| "inactive".to_owned(), |unit| unit.active)
    }

    #[zbus(property)]
    async fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    #[zbus(property)]
    async fn part_of(&self) -> Vec<String> {
        self.unit().map(|unit| unit.part_of).unwrap_or_default()
    }

    #[zbus(property)]
    async fn binds_to(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    async fn requires(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Logind(Shared);

#[interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    async fn terminate_user(&self, uid: u32) {
        self.0.lock().unwrap().asked.push(format!("TerminateUser {uid}"));
    }
}
