//! Wazuh's own sockets and files, from the side that Riposte stands in for.
//!
//! # Layout
//!
//! An agent's side:
//!
//! * `execq`: what reaches `wazuh-execd`, one message a datagram.
//! * [`ar_conf`]: `etc/shared/ar.conf`: which program a message's name means.
//! * [`ossec_log`]: what `wazuh-execd` says, in the words that others look for.
//!
//! A manager's side:
//!
//! * [`message`]: what a manager says to a stock agent.
//! * `agents`: which agents are connected, and which version each runs.
//! * `ar_queue`: the socket over which a manager reaches its agents.
//!
//! The sockets are Unix ones: Windows has what is read and written, and no more.

#[cfg(unix)]
pub mod agents;
pub mod ar_conf;
#[cfg(unix)]
pub mod ar_queue;
#[cfg(unix)]
pub mod execq;
pub mod message;
pub mod ossec_log;
