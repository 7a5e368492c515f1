//! What an operator has switched: pauses and modes. The ledger keeps them; this
//! is the copy that every order looks at.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use riposte_ledger::rule::Scope;
use riposte_ledger::{Ledger, LedgerError};
use riposte_policy::config::Mode;

/// The switches in force.
#[derive(Default)]
pub struct Switches(RwLock<Positions>);

#[derive(Default)]
struct Positions {
    /// By command; the empty name is every command. Until when, or until resumed.
    pauses: HashMap<Arc<str>, Option<Until>>,
    modes: HashMap<Arc<str>, Mode>,
}

/// When a pause ends. The clock since the start of the machine decides, which
/// nobody can set; the other is for people.
#[derive(Clone, Copy)]
struct Until {
    boot_ms: i64,
    wall_ms: i64,
}

/// The name that stands for every command.
const EVERY: &str = "";

fn name(scope: Scope) -> Arc<str> {
    scope.subject.map_or_else(|| EVERY.into(), Into::into)
}

impl Switches {
    /// Reads the switches from the ledger again.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read; the switches stay as they were.
    pub async fn read(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let pauses = ledger.pauses().await?;
        let modes = ledger.modes().await?;
        let positions = Positions {
            pauses: pauses
                .into_iter()
                .map(|pause| {
                    let both = pause.note.until_boot_ms.zip(pause.note.until_ms);
                    (name(pause.scope), both.map(|(boot_ms, wall_ms)| Until { boot_ms, wall_ms }))
                })
                .collect(),
            modes: modes.into_iter().map(|rule| (name(rule.scope), rule.mode)).collect(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = positions;
        Ok(())
    }

    /// Whether a command is paused at `boot_ms`, and until when by the wall
    /// clock, in Unix milliseconds.
    #[must_use]
    pub fn paused(&self, command: &str, boot_ms: i64) -> Option<Option<i64>> {
        let positions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let in_force = |until: &&Option<Until>| until.is_none_or(|until| until.boot_ms > boot_ms);
        let found = [command, EVERY].into_iter().filter_map(|name| positions.pauses.get(name)).find(in_force);
        found.map(|until| until.map(|until| until.wall_ms))
    }

    /// The mode an operator chose for a command.
    #[must_use]
    pub fn mode(&self, command: &str) -> Option<Mode> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).modes.get(command).copied()
    }
}
