//! Wazuh's own sockets and files, from the side that Riposte stands in for.
//!
//! # Layout
//!
//! * [`execq`]: what reaches `wazuh-execd`, one message a datagram.
//! * [`ar_conf`]: `etc/shared/ar.conf`: which program a message's name means.
//! * [`ossec_log`]: what `wazuh-execd` says, in the words that others look for.

pub mod ar_conf;
pub mod execq;
pub mod ossec_log;
