//! What operators settle.

use std::time::Duration;

use riposte_policy::config::Mode;

use super::{Ledger, Wait};
use crate::books;
use crate::error::LedgerError;
use crate::rule::{Allow, By, ModeRule, Pause, Scope};

impl Ledger {
    /// Keeps an address from everything, for good or for a time; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn allow(&self, address: &str, lasts: Option<Duration>, by: By) -> Result<Allow, LedgerError> {
        let address = address.to_owned();
        self.ask(Wait::Durable, move |books| books.allow(&address, lasts, &by)).await
    }

    /// Takes an allow back; returns what it was; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn disallow(&self, address: &str) -> Result<Option<Allow>, LedgerError> {
        let address = address.to_owned();
        self.ask(Wait::Durable, move |books| books.disallow(&address)).await
    }

    /// The allows that have not ended, by address.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn allows(&self) -> Result<Vec<Allow>, LedgerError> {
        let boot_ms = self.0.clock.now().boot_ms;
        self.read_all(move |conn| books::allows(conn, boot_ms)).await
    }

    /// Stops everything new in `scope`, for good or for a time; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn pause(&self, scope: Scope, lasts: Option<Duration>, by: By) -> Result<Pause, LedgerError> {
        self.ask(Wait::Durable, move |books| books.pause(&scope, lasts, &by)).await
    }

    /// Takes a pause of exactly `scope` back; returns what it was; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn resume(&self, scope: Scope) -> Result<Option<Pause>, LedgerError> {
        self.ask(Wait::Durable, move |books| books.resume(&scope)).await
    }

    /// The pauses that have not ended.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        let boot_ms = self.0.clock.now().boot_ms;
        self.read_all(move |conn| books::pauses(conn, boot_ms)).await
    }

    /// Gives `scope` a mode other than the configuration's, or with `None` that
    /// again; returns what held before; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn set_mode(
        &self,
        scope: Scope,
        mode: Option<Mode>,
        lasts: Option<Duration>,
        by: By,
    ) -> Result<Option<ModeRule>, LedgerError> {
        self.ask(Wait::Durable, move |books| books.set_mode(&scope, mode, lasts, &by)).await
    }

    /// The modes that have not ended.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn modes(&self) -> Result<Vec<ModeRule>, LedgerError> {
        let boot_ms = self.0.clock.now().boot_ms;
        self.read_all(move |conn| books::modes(conn, boot_ms)).await
    }
}
