//! `<riposte><ledger>`: how the record of what is in force is kept.

use std::time::Duration;

use super::block::{self, Shape};
use super::findings::Findings;
use super::xml::Element;
use crate::span::{self, Bare};

pub(super) const SHAPE: Shape = Shape { children: &["backup"], unenforced: &[], stock: false };

/// `<riposte><ledger>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// `<backup>`: how often the ledger is copied beside itself; `None`: never.
    /// Default ten minutes.
    pub backup: Option<Duration>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { backup: Some(Duration::from_secs(600)) }
    }
}

impl Keeping {
    /// Reads one `<ledger>`.
    pub(super) fn read(&mut self, ledger: &Element, findings: &mut Findings<'_>) {
        block::check(ledger, &SHAPE, findings);
        let Some(backup) = block::single(ledger, "backup", findings) else { return };
        if backup.value() == "no" {
            self.backup = None;
            return;
        }
        match span::parse(backup.value(), Bare::Seconds) {
            Ok(every) if !every.is_zero() => self.backup = Some(every),
            Ok(_) => block::invalid(backup, "a copy every 0 s is none", "write no, or 10m.", findings),
            Err(wrong) => block::invalid(backup, &wrong.to_string(), "write no, or 10m.", findings),
        }
    }
}
