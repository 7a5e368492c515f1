//! Ending what a user runs.
//!
//! logind, where there is one, is told first: it ends sessions as sessions,
//! with the user's own service manager. Then every process that is left is
//! killed, in rounds, since one may start another meanwhile. Killed and not
//! asked: whoever has taken over the account gets no time to react.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::user::UserName;

use super::read;
use crate::accounts::{Account, Sessions, no_such_user, shadow};
use crate::bus::Bus;
use crate::processes::table::{self, Process};
use crate::refusal::Refusal;

const LOGIND: &str = "org.freedesktop.login1";
/// So often is looked for what was started meanwhile. What forks faster than
/// this is left, and said to be.
const ROUNDS: usize = 32;
/// How long the processes of one round may take to end.
const END: Duration = Duration::from_millis(500);

/// Ends sessions by logind and processes by the number of their user.
#[derive(Clone, Debug)]
pub struct Processes {
    bus: Bus,
}

impl Processes {
    /// Asks logind on this bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Tells logind. What it does not do, killing does.
    async fn terminate(&self, uid: u32) {
        let told = async {
            let Some(connection) = self.bus.with(LOGIND).await? else { return Ok(()) };
            let manager = "org.freedesktop.login1.Manager";
            let path = "/org/freedesktop/login1";
            match connection.call_method(Some(LOGIND), path, Some(manager), "TerminateUser", &uid).await {
                Ok(_) => Ok(()),
                // It knows users only while they are logged in.
                Err(zbus::Error::MethodError(name, ..)) if name.as_str().ends_with(".NoSuchUser") => Ok(()),
                Err(error) => Err(Refusal::unavailable(error.to_string())),
            }
        };
        if let Err(refusal) = told.await {
            tracing::warn!(uid, %refusal, "logind did not end the sessions: their processes are killed");
        }
    }
}

#[async_trait]
impl Sessions for Processes {
    async fn account(&self, user: &UserName) -> Result<Account, Refusal> {
        shadow::account(&read("/etc/passwd")?, user.as_str()).ok_or_else(|| no_such_user(user.as_str()))
    }

    async fn end(&self, uid: u32) -> Result<u32, Refusal> {
        if uid == 0 || uid == rustix::process::getuid().as_raw() {
            let message =
                format!("what uid {uid} runs is never ended: it is root, or the user of the engine");
            return Err(Refusal::denied(message));
        }
        // Counted before logind may have ended them.
        let mut told: BTreeSet<u32> = belonging(uid)?.iter().map(Process::number).collect();
        self.terminate(uid).await;
        for _ in 0..ROUNDS {
            let left = belonging(uid)?;
            if left.is_empty() {
                return Ok(u32::try_from(told.len()).unwrap_or(u32::MAX));
            }
            for process in &left {
                told.insert(process.number());
                process.kill().map_err(|e| {
                    let why = std::io::Error::from(e);
                    Refusal::unavailable(format!("process {} cannot be ended: {why}", process.number()))
                })?;
            }
            for process in left {
                // One that does not end now is found again in the next round.
                let _ = process.ended(END).await;
            }
        }
        Err(Refusal::unavailable(format!(
            "uid {uid} still runs processes after {ROUNDS} rounds of ending them: they start others faster than \
             they end, or wait for a device"
        )))
    }
}

/// The processes of a user, held. One that ended and was not reaped, which
/// runs nothing any more, is none.
fn belonging(uid: u32) -> Result<Vec<Process>, Refusal> {
    let unreadable = |e| Refusal::unavailable(format!("the processes of /proc cannot be read: {e}"));
    let spared = table::ancestry();
    let mut found = Vec::new();
    for number in table::numbers().map_err(unreadable)? {
        let of_user = |number| table::status(number).is_some_and(|status| status.uid == uid && !status.over);
        if number <= 1 || spared.contains(&number) || !of_user(number) || table::contained(number) {
            continue;
        }
        let held = Process::open(number).map_err(|e| unreadable(e.into()))?;
        // Asked again while it is held: the number may have changed hands.
        found.extend(held.filter(|_| of_user(number)));
    }
    Ok(found)
}
