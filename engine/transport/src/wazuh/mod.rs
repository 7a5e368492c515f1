//! Wazuh's own wires, for an engine that stands in for a part of Wazuh.
//!
//! * [`message`]: what a manager says to a stock agent.
//! * [`agents`]: which agents are connected, and which version each runs.
//! * [`ar_queue`]: the socket over which a manager reaches its agents.

pub mod agents;
pub mod ar_queue;
pub mod message;
