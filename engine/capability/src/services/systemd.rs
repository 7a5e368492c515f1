//! systemd, as `org.freedesktop.systemd1` on the message bus
//! (org.freedesktop.systemd1(5)).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;
use zbus::proxy::{CacheProperties, SignalStream};
use zbus::{Connection, DBusError as _, ObjectPath, OwnedObjectPath, Proxy};

use crate::bus::Bus;
use crate::refusal::Refusal;

const SYSTEMD: &str = "org.freedesktop.systemd1";
/// How long a job may take: what units get by default
/// (`DefaultTimeoutStartSec=`), and a little for the stop before a start.
const JOB: Duration = Duration::from_secs(100);

/// The manager of units, spoken to for one act.
pub(super) struct Systemd {
    connection: Connection,
    manager: Proxy<'static>,
}

impl Systemd {
    /// Finds it. `None`: this host has none.
    ///
    /// # Errors
    ///
    /// When there is a bus that does not answer.
    pub(super) async fn find(bus: &Bus) -> Result<Option<Self>, Refusal> {
        let Some(connection) = bus.with(SYSTEMD).await? else { return Ok(None) };
        let path = ObjectPath::from_static_str_unchecked("/org/freedesktop/systemd1");
        let manager = proxy(&connection, path, "org.freedesktop.systemd1.Manager").await?;
        Ok(Some(Self { connection, manager }))
    }

    /// Whether there is such a unit, running or not.
    pub(super) async fn knows(&self, unit: &UnitName) -> Result<bool, Refusal> {
        // Loads what is not loaded, and answers for what is not there too.
        let path: OwnedObjectPath =
            self.manager.call("LoadUnit", &unit.as_str()).await.map_err(|e| refused(unit, &e))?;
        let state: String = self.property(path, "LoadState").await?;
        Ok(state != "not-found")
    }

    pub(super) async fn active(&self, unit: &UnitName) -> Result<bool, Refusal> {
        let path: OwnedObjectPath =
            self.manager.call("LoadUnit", &unit.as_str()).await.map_err(|e| refused(unit, &e))?;
        let state: String = self.property(path, "ActiveState").await?;
        Ok(matches!(state.as_str(), "active" | "activating" | "reloading" | "refreshing"))
    }

    /// Queues the job and waits for its end, unless the engine would end too.
    pub(super) async fn act(&self, unit: &UnitName, action: ServiceAction) -> Result<bool, Refusal> {
        let method = match action {
            ServiceAction::Restart => "RestartUnit",
            ServiceAction::Reload => "ReloadOrRestartUnit",
            ServiceAction::Start if self.active(unit).await? => return Ok(false),
            ServiceAction::Start => "StartUnit",
            ServiceAction::Stop if !self.active(unit).await? => return Ok(false),
            ServiceAction::Stop => "StopUnit",
        };
        // Told of the ends of jobs from before there is one. It only sends what
        // somebody has subscribed to.
        let mut ends = self.manager.receive_signal("JobRemoved").await.map_err(|e| refused(unit, &e))?;
        self.manager.call::<_, _, ()>("Subscribe", &()).await.map_err(|e| refused(unit, &e))?;
        let carried = self.carries_us(unit).await?;
        let job: OwnedObjectPath =
            self.manager.call(method, &(unit.as_str(), "replace")).await.map_err(|e| refused(unit, &e))?;
        if carried {
            tracing::info!(%unit, method, "the engine is restarted with this unit: not waiting for it");
            return Ok(true);
        }
        let result = tokio::time::timeout(JOB, end_of(&mut ends, &job)).await.map_err(|_| {
            Refusal::timeout(format!("systemd has not finished the {} of {unit}", action.as_str()))
        })?;
        let what = action.as_str();
        match result.as_deref() {
            Some("done" | "skipped") => Ok(true),
            Some("canceled") => Err(Refusal::unavailable(format!(
                "the {what} of {unit} was cancelled for another job of systemd: tried again"
            ))),
            Some(result) => Err(Refusal::failed(format!(
                "systemd could not {what} {unit} ({result}): systemctl status {unit} tells more"
            ))),
            None => {
                Err(Refusal::unavailable(format!("the message bus went away during the {what} of {unit}")))
            }
        }
    }

    pub(super) async fn carries_us(&self, unit: &UnitName) -> Result<bool, Refusal> {
        let ours: OwnedObjectPath = match self.manager.call("GetUnitByPID", &std::process::id()).await {
            Ok(path) => path,
            // Started by hand, or in a container: the engine is in no unit.
            Err(zbus::Error::MethodError(..)) => return Ok(false),
            Err(error) => return Err(refused(unit, &error)),
        };
        // A unit may have several names and has one path.
        let named: OwnedObjectPath =
            self.manager.call("LoadUnit", &unit.as_str()).await.map_err(|e| refused(unit, &e))?;
        if named == ours {
            return Ok(true);
        }
        let names: Vec<String> = self.property(named, "Names").await?;
        for bond in ["PartOf", "BindsTo", "Requires"] {
            let bound: Vec<String> = self.property(ours.clone(), bond).await?;
            if bound.iter().any(|bound| bound == unit.as_str() || names.contains(bound)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn property<T>(&self, unit: OwnedObjectPath, name: &str) -> Result<T, Refusal>
    where
        T: serde::de::DeserializeOwned + zbus::Type,
    {
        let unit = proxy(&self.connection, unit.into(), "org.freedesktop.systemd1.Unit").await?;
        unit.get_property(name).await.map_err(|e| silent(&e))
    }
}

async fn proxy(
    connection: &Connection,
    path: ObjectPath<'static>,
    interface: &'static str,
) -> Result<Proxy<'static>, Refusal> {
    let builder = zbus::proxy::Builder::new(connection)
        .destination(SYSTEMD)
        .path(path)
        .interface(interface)
        .cache_properties(CacheProperties::No);
    builder.build().await.map_err(|e| silent(&e))
}

/// How a job ended: `done`, `failed`, `timeout`, ... `None`: the bus went away.
async fn end_of(ends: &mut SignalStream<'_>, job: &OwnedObjectPath) -> Option<String> {
    loop {
        let message = poll_fn(|context| Pin::new(&mut *ends).poll_next(context)).await?;
        let body = message.body();
        match body.deserialize::<(u32, OwnedObjectPath, String, String)>() {
            Ok((_, ended, _, result)) if ended == *job => return Some(result),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "systemd told of the end of a job in a form that is not known");
            }
        }
    }
}

/// What systemd's answer means.
fn refused(unit: &UnitName, error: &zbus::Error) -> Refusal {
    let (name, said) = match error {
        zbus::Error::MethodError(name, said, _) => (name.to_string(), said.clone().unwrap_or_default()),
        zbus::Error::FDO(error) => (error.name().to_string(), error.to_string()),
        error => return silent(error),
    };
    match name.rsplit('.').next().unwrap_or_default() {
        "NoSuchUnit" => Refusal::failed(format!("there is no unit {unit}: {said}")),
        "UnitMasked" => Refusal::failed(format!("{unit} is masked: systemctl unmask {unit}")),
        "AccessDenied" | "InteractiveAuthorizationRequired" => {
            Refusal::denied(format!("systemd does not let the engine act on {unit}: run it as root ({said})"))
        }
        kind => Refusal::failed(format!("systemd refused to act on {unit} ({kind}): {said}")),
    }
}

fn silent(error: &zbus::Error) -> Refusal {
    Refusal::unavailable(format!("systemd does not answer on the message bus: {error}"))
}
