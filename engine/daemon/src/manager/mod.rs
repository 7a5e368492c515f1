//! `riposte manager`: in the place of the part of a Wazuh manager that carries
//! out responses.
//!
//! Orders for this machine run here, as in `riposte run`. Orders for agents go
//! over the manager's own socket to stock agents: [`dispatch`]. Exactly one
//! dispatcher acts: [`beside`] looks for the other, [`takeover`] hands its
//! responses over and back, [`ar_conf`] keeps the names by which agents know
//! them. [`rules`] are what `alerts.json` cannot show; [`away`] is what undoing
//! takes elsewhere; [`place`] writes in Wazuh's home.

pub mod ar_conf;
pub mod args;
pub mod away;
mod beside;
mod dispatch;
mod place;
pub mod rules;
pub mod takeover;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riposte_policy::config::Role;
use riposte_policy::tags;
use riposte_transport::local::Local;
use riposte_transport::route::Identity;
use riposte_transport::wazuh::agents::Agents;
use riposte_transport::wazuh::ar_queue::ArQueue;

use self::beside::{Beside, Conflict};
use crate::commands::{ask, locate};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::{files, run};

/// How often `ar.conf` and the other dispatcher are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What reaches a manager's agents.
pub struct Station {
    /// Their socket.
    pub queue: ArQueue,
    root: PathBuf,
    /// What was said last about `ar.conf`, so that it is not said every second.
    unwritable: Mutex<Option<String>>,
}

/// Runs the engine in the place of a manager's dispatcher.
pub fn run(args: &args::Manager) -> Exit {
    match prepare(args) {
        Ok((run, station)) => run::run_as(&run, Some(station)),
        Err(error) => {
            ask::complain(false, &error);
            Exit::Failed
        }
    }
}

/// Settles what runs, and whether it may act.
fn prepare(args: &args::Manager) -> Result<(crate::cli::Run, Station), String> {
    let mut run = args.run.clone();
    let stock = PathBuf::from("/var/ossec");
    let places = locate(&run.sources).0;
    let root = match (&run.sources.root, &run.sources.at.home) {
        (Some(_), _) => places.root,
        (None, Some(_)) => places.root,
        (None, None) if run.sources.config.is_empty() => stock,
        (None, None) => places.root,
    };
    run.sources.root = Some(root.clone());
    if run.sources.config.is_empty() {
        run.sources.config = ar_conf::sources(&root);
    }
    let read = files::read(&run.sources.config).map_err(|error| error.to_string())?;
    let config = files::config(&read, Role::Manager);
    let beside = Beside::look(&root);
    if let Some(running) = &beside.running {
        match beside.conflict(&config) {
            Some(conflict) if args.enforce => return Err(format!("nothing was started: {conflict}")),
            _ if args.enforce || run.shadow => {}
            conflict => {
                run.shadow = true;
                let why = conflict
                    .map_or_else(|| "--enforce makes it act".to_owned(), |conflict| conflict.to_string());
                ask::tell(&format!("{running}: nothing is carried out, only what would be is shown; {why}"));
            }
        }
    }
    let queue = args.ar_queue.clone().unwrap_or_else(|| queue(&root));
    let wdb = args.wdb.clone().unwrap_or_else(|| root.join("queue/db/wdb"));
    let agents = Arc::new(Agents::new(wdb, args.assume_agents));
    let queue = ArQueue::new(queue, node(&read).into(), agents);
    Ok((run, Station { queue, root, unwritable: Mutex::default() }))
}

/// Looks after what others may change, until the engine ends.
async fn keep(engine: Arc<Engine>, station: Arc<Station>) {
    let mut clock = tokio::time::interval(LOOK);
    loop {
        clock.tick().await;
        let (engine, station) = (Arc::clone(&engine), Arc::clone(&station));
        // A panic here would be a fault of ours; the next look comes anyway.
        let _ = tokio::task::spawn_blocking(move || look(&engine, &station)).await;
    }
}

fn look(engine: &Engine, station: &Station) {
    let armed = engine.armed();
    if !engine.settings().shadow {
        let conflict = Beside::look(&station.root).conflict(&armed.config);
        // A file that is being written is read again at the next look; one that
        // stays unreadable changes nothing about who acts.
        let unknown = matches!(conflict, Some(Conflict::Unknown(_)));
        let before = if unknown {
            engine.yields.load(Ordering::Acquire)
        } else {
            engine.yields.swap(conflict.is_some(), Ordering::AcqRel)
        };
        match (before, conflict) {
            (_, Some(Conflict::Unknown(why))) => {
                tracing::debug!("who carries out responses stays as it is: {why}");
            }
            (false, Some(conflict)) => engine.report.yields(&conflict.to_string()),
            (true, None) => engine.report.acts_again(),
            _ => {}
        }
    }
    if engine.is_shadow() {
        return;
    }
    match ar_conf::complete(&station.root, &armed.config) {
        Ok(0) => station.written(),
        Ok(lines) => {
            engine.report.ar_conf(&ar_conf::path(&station.root), lines);
            station.written();
        }
        Err(error) => station.unwritable(&error.to_string()),
    }
}

impl Station {
    /// Gives an engine its agents: orders for others than `identity` go there.
    /// Before the first order.
    pub fn connect(self, engine: &Arc<Engine>, identity: Identity) {
        let (there, leaving) = Local::new(Identity::new(&[], true), 1024);
        engine.reach(identity, there);
        let station = Arc::new(self);
        tokio::spawn(dispatch::serve(Arc::clone(engine), Arc::clone(&station), leaving));
        tokio::spawn(keep(Arc::clone(engine), station));
    }
}

impl Station {
    fn written(&self) {
        self.unwritable.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn unwritable(&self, why: &str) {
        let mut said = self.unwritable.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_deref() != Some(why) {
            tracing::error!("agents may not know the names of responses: {why}");
            *said = Some(why.to_owned());
        }
    }
}

/// Where this version's network daemon listens.
fn queue(root: &Path) -> PathBuf {
    let (older, newer) = (root.join("queue/alerts/ar"), root.join("queue/sockets/ar"));
    if !older.exists() && newer.exists() { newer } else { older }
}

/// `<cluster><node_name>` of the manager's configuration.
fn node(configs: &[files::File]) -> String {
    for file in configs {
        let text = String::from_utf8_lossy(&file.bytes);
        let (mut cluster, mut opened) = (false, None);
        for tag in tags::tags(&text) {
            match (tag.name, tag.kind) {
                ("cluster", kind) => cluster = kind == tags::Kind::Open,
                ("node_name", tags::Kind::Open) if cluster => opened = Some(tag.span.end),
                ("node_name", tags::Kind::Close) => {
                    if let Some(start) = opened.take() {
                        return tags::plain(text.get(start..tag.span.start).unwrap_or_default());
                    }
                }
                _ => {}
            }
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_daemon_listens_where_its_version_does() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(queue(root.path()), root.path().join("queue/alerts/ar"));
        let make = |folder: &str| {
            std::fs::DirBuilder::new().recursive(true).create(root.path().join(folder)).unwrap();
        };
        make("queue/sockets/ar");
        assert_eq!(queue(root.path()), root.path().join("queue/sockets/ar"));
        make("queue/alerts/ar");
        assert_eq!(
            queue(root.path()),
            root.path().join("queue/alerts/ar"),
            "beside the older one it means nothing"
        );
    }

    #[test]
    fn the_node_has_the_clusters_name_for_it() {
        let file = |text: &str| files::File { path: "f".into(), bytes: text.as_bytes().to_vec() };
        let conf = file(
            "<ossec_config><node_name>x</node_name><cluster><name>c</name><node_name> node01 </node_name></cluster></ossec_config>",
        );
        assert_eq!(node(&[file("<ossec_config/>"), conf]), "node01");
        assert_eq!(node(&[]), "");
    }
}
