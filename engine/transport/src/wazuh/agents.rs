//! Which agents a manager has, which of them are connected, and which version
//! each runs: what wazuh-db knows.
//!
//! Its socket is a stream; each question and answer is led by its length as
//! four bytes, the least significant first (`src/os_net/os_net.c:
//! OS_SendSecureTCP`). The queries are those of
//! `src/wazuh_db/helpers/wdb_global_helpers.c`.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::message::Version;

/// How long an answer of wazuh-db counts.
const FRESH: Duration = Duration::from_secs(5);
/// How long wazuh-db may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer; wazuh-db's own limit is 65,536 bytes.
const LONGEST: u32 = 1 << 20;
/// Most pages of agents in one list, so that no answer keeps us asking.
const PAGES: usize = 10_000;

/// What is known about one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its version; `None` for one that never reported any.
    pub version: Option<Version>,
    /// Whether it is connected.
    pub active: bool,
}

/// The agents of a manager, asked of wazuh-db at most every few seconds.
#[derive(Debug)]
pub struct Agents {
    socket: PathBuf,
    assumed: Option<Version>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    active: Option<(Instant, Arc<[u32]>)>,
    agents: HashMap<u32, (Instant, Option<Agent>)>,
}

impl Agents {
    /// Asks at `socket`, usually `queue/db/wdb` in Wazuh's home. With
    /// `assumed`, an agent whose version is not to be learnt runs this one and
    /// is connected.
    #[must_use]
    pub fn new(socket: PathBuf, assumed: Option<Version>) -> Self {
        Self { socket, assumed, known: Mutex::default() }
    }

    /// The connected agents, without the manager itself.
    ///
    /// # Errors
    ///
    /// When wazuh-db does not tell.
    pub async fn active(&self) -> Result<Arc<[u32]>, Unanswered> {
        let fresh = |at: &Instant| at.elapsed() < FRESH;
        if let Some((_, active)) = self.known().active.as_ref().filter(|(at, _)| fresh(at)) {
            return Ok(Arc::clone(active));
        }
        let mut active = Vec::new();
        for _ in 0..PAGES {
            let last = active.last().copied().unwrap_or(0);
            let (more, page) =
                self.ask(&format!("global get-agents-by-connection-status {last} active")).await?;
            let page = page.as_array().map(Vec::as_slice).unwrap_or_default();
            // Bare numbers, or objects in older versions.
            let number = |row: &Value| row.get("id").unwrap_or(row).as_u64();
            let before = active.len();
            active.extend(
                page.iter()
                    .filter_map(number)
                    .filter_map(|id| u32::try_from(id).ok())
                    .filter(|id| *id > last),
            );
            // A number that comes twice is one agent.
            active.dedup();
            if !more || active.len() == before {
                break;
            }
        }
        let active: Arc<[u32]> = active.into();
        self.known().active = Some((Instant::now(), Arc::clone(&active)));
        Ok(active)
    }

    /// What is known about agent `id`; `None` when there is no such agent.
    ///
    /// # Errors
    ///
    /// When wazuh-db does not tell, and nothing is assumed.
    pub async fn about(&self, id: u32) -> Result<Option<Agent>, Unanswered> {
        if let Some((_, agent)) = self.known().agents.get(&id).filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(*agent);
        }
        let answer = match (self.ask(&format!("global get-agent-info {id}")).await, self.assumed) {
            (Ok((_, answer)), _) => answer,
            (Err(_), Some(version)) => return Ok(Some(Agent { version: Some(version), active: true })),
            (Err(unanswered), None) => return Err(unanswered),
        };
        let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let agent = answer.get(0).filter(|row| row.is_object()).map(|row| Agent {
            version: text(row, "version").and_then(|version| version.parse().ok()).or(self.assumed),
            active: text(row, "connection_status").is_none_or(|status| status == "active"),
        });
        let mut known = self.known();
        known.agents.retain(|_, (at, _)| at.elapsed() < FRESH);
        known.agents.insert(id, (Instant::now(), agent));
        Ok(agent)
    }

    /// One answer, and whether there is more of it.
    async fn ask(&self, query: &str) -> Result<(bool, Value), Unanswered> {
        let asking = tokio::time::timeout(PATIENCE, self.exchange(query));
        let answer = match asking.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                // What we made of an answer ourselves is no matter of time.
                let passes = error.kind() != io::ErrorKind::Other;
                return Err(Unanswered { passes, ..self.unanswered(error.to_string()) });
            }
            Err(_) => {
                let why = format!("no answer within {} s", PATIENCE.as_secs());
                return Err(Unanswered { passes: true, ..self.unanswered(why) });
            }
        };
        let (status, rest) = answer.split_once(' ').unwrap_or((answer.trim(), "null"));
        let more = match status {
            "ok" => false,
            "due" => true,
            _ => return Err(self.unanswered(riposte_policy::diagnostic::shown(&answer))),
        };
        let value = serde_json::from_str(rest.trim_end_matches('\0'));
        value.map(|value| (more, value)).map_err(|error| self.unanswered(error.to_string()))
    }

    async fn exchange(&self, query: &str) -> io::Result<String> {
        let mut socket = UnixStream::connect(&self.socket).await?;
        let length = u32::try_from(query.len()).map_err(io::Error::other)?;
        let mut question = length.to_le_bytes().to_vec();
        question.extend_from_slice(query.as_bytes());
        socket.write_all(&question).await?;
        let mut length = [0; 4];
        socket.read_exact(&mut length).await?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        socket.read_exact(&mut answer).await?;
        String::from_utf8(answer).map_err(io::Error::other)
    }

    fn unanswered(&self, why: String) -> Unanswered {
        Unanswered { socket: self.socket.clone(), why, passes: false }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is one assignment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// wazuh-db did not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    socket: PathBuf,
    why: String,
    passes: bool,
}

impl Unanswered {
    /// Whether it passes with time: it is away, or slow. What it answered
    /// stays.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.passes
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wazuh-db on {} does not tell: {}", self.socket.display(), self.why)
    }
}

impl std::error::Error for Unanswered {}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// Plays wazuh-db: answers each question from the list, in order, and says
    /// what was asked.
    fn plays(socket: &std::path::Path, answers: &'static [(&str, &str)]) -> tokio::task::JoinHandle<()> {
        let listener = UnixListener::bind(socket).unwrap();
        tokio::spawn(async move {
            for (question, answer) in answers {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut length = [0; 4];
                peer.read_exact(&mut length).await.unwrap();
                let mut asked = vec![0; u32::from_le_bytes(length) as usize];
                peer.read_exact(&mut asked).await.unwrap();
                assert_eq!(std::str::from_utf8(&asked).unwrap(), *question);
                peer.write_all(&u32::try_from(answer.len()).unwrap().to_le_bytes()).await.unwrap();
                peer.write_all(answer.as_bytes()).await.unwrap();
            }
        })
    }

    #[tokio::test]
    async fn pages_of_agents_are_read_to_the_end_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("wdb");
        let peer = plays(
            &socket,
            &[
                ("global get-agents-by-connection-status 0 active", r#"due [{"id":1},{"id":7}]"#),
                ("global get-agents-by-connection-status 7 active", "ok [12]"),
            ],
        );
        let agents = Agents::new(socket, None);
        assert_eq!(*agents.active().await.unwrap(), [1, 7, 12]);
        peer.await.unwrap();
        assert_eq!(*agents.active().await.unwrap(), [1, 7, 12], "nobody is asked again so soon");
    }

    #[tokio::test]
    async fn versions_and_connections() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("wdb");
        let peer = plays(
            &socket,
            &[
                (
                    "global get-agent-info 1",
                    r#"ok [{"id":1,"name":"a","version":"Wazuh v4.7.3","connection_status":"active"}]"#,
                ),
                (
                    "global get-agent-info 2",
                    r#"ok [{"id":2,"version":"Wazuh v4.1.5","connection_status":"disconnected"}]"#,
                ),
                ("global get-agent-info 3", r#"ok [{"id":3,"connection_status":"never_connected"}]"#),
                ("global get-agent-info 4", "ok []"),
                ("global get-agent-info 5", "err Error getting agent information"),
            ],
        );
        let agents = Agents::new(socket, None);
        let version = |text: &str| Some(text.parse().unwrap());
        assert_eq!(agents.about(1).await, Ok(Some(Agent { version: version("4.7.3"), active: true })));
        assert_eq!(agents.about(2).await, Ok(Some(Agent { version: version("4.1.5"), active: false })));
        assert_eq!(agents.about(3).await, Ok(Some(Agent { version: None, active: false })));
        assert_eq!(agents.about(4).await, Ok(None));
        let refused = agents.about(5).await.unwrap_err();
        assert!(refused.to_string().contains("err Error getting") && !refused.passes());
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn without_wazuh_db_only_an_assumption_helps() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none");
        assert!(Agents::new(socket.clone(), None).about(1).await.unwrap_err().passes());
        let assuming = Agents::new(socket, Some("4.2".parse().unwrap()));
        assert_eq!(
            assuming.about(1).await,
            Ok(Some(Agent { version: Some("4.2".parse().unwrap()), active: true }))
        );
        assert!(assuming.active().await.is_err(), "who they are is not to be guessed");
    }
}
