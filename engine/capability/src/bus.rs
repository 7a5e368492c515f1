//! The system's message bus, on which systemd and logind listen.

use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use crate::refusal::Refusal;

/// Where the system bus listens (D-Bus specification, "System message bus").
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";
/// How long one call may take. What takes longer, such as the restart of a
/// unit, is a job that the service tells about when it is done.
const ANSWER: Duration = Duration::from_secs(10);

/// A message bus. Connected to for each act: responses that need it are rare,
/// and a bus that was restarted is then no case of its own.
#[derive(Clone, Debug)]
pub struct Bus {
    address: String,
}

impl Bus {
    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self::at(SYSTEM)
    }

    /// The one at a D-Bus address: `unix:path=/run/dbus/system_bus_socket`.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// Connects, when `service` is there. `None`: there is no bus, or nobody
    /// of that name on it; nobody is started for the question.
    ///
    /// # Errors
    ///
    /// When there is a bus that does not answer.
    pub(crate) async fn with(&self, service: &str) -> Result<Option<Connection>, Refusal> {
        let connecting = Builder::address(self.address.as_str()).method_timeout(ANSWER).build();
        let connected = match tokio::time::timeout(ANSWER, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(zbus::Error::Connection(error, _)))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Ok(Err(error)) => return Err(self.silent(&error.to_string())),
            Err(_) => return Err(self.silent("it took too long")),
        };
        let silent = |error: zbus::Error| self.silent(&error.to_string());
        let name = BusName::try_from(service).map_err(|error| self.silent(&error.to_string()))?;
        let bus = DBusProxy::new(&connected).await.map_err(silent)?;
        let there = bus.name_has_owner(name).await.map_err(|error| silent(error.into()))?;
        Ok(there.then_some(connected))
    }

    fn silent(&self, why: &str) -> Refusal {
        Refusal::unavailable(format!("the message bus at {} does not answer: {why}", self.address))
    }
}
