//! What the configuration and an operator's switches change in a running engine.

use std::sync::{Arc, PoisonError};

use riposte_ledger::LedgerError;
use riposte_policy::config::Command;
use riposte_policy::diagnostic::Diagnostic;
use riposte_policy::{Prefix, Severity};

use super::Engine;
use crate::arm::Armed;
use crate::files;

impl Engine {
    /// Reads the configuration again. The new one is used only when nothing in
    /// it is wrong; what is in force keeps the definition it was made with.
    ///
    /// # Errors
    ///
    /// What is wrong, as text for people, and what was found.
    pub fn reload(&self) -> Result<Vec<Diagnostic>, (String, Vec<Diagnostic>)> {
        let _arming = self.arming.lock().unwrap_or_else(PoisonError::into_inner);
        let files = files::read(&self.configs).map_err(|error| (error.to_string(), Vec::new()))?;
        let armed = Armed::new_as(&files, &self.places, &self.components, self.settings.role);
        let found = armed.config.diagnostics.clone();
        if let Some(first) = armed.fatal(self.settings.strict).next() {
            return Err((
                format!("the old configuration stays in use: {}: {}", first.place, first.message),
                found,
            ));
        }
        for found in found.iter().filter(|found| found.severity != Severity::Note) {
            tracing::warn!(place = %found.place, code = found.code, "{}", found.message);
        }
        if let Err(error) = self.report.configure(&self.places, &armed.config.settings.audit) {
            return Err((format!("the old configuration stays in use: {error}"), found));
        }
        self.report.arm(&armed);
        self.capabilities.guard().set_white_list(armed.config.white_list.clone());
        self.capabilities.guard().set(armed.config.settings.guard.clone());
        *self.armed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(armed);
        Ok(found)
    }

    /// Makes commands that stand in no file ready to run, until the next
    /// reload. What is wrong with one is returned, and that one is not ready.
    pub fn arm(&self, commands: &[Arc<Command>]) -> Vec<Diagnostic> {
        let _arming = self.arming.lock().unwrap_or_else(PoisonError::into_inner);
        let (armed, found) = self.armed().with(commands, &self.places, &self.components);
        self.report.arm(&armed);
        *self.armed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(armed);
        found
    }

    /// Reads switches and allows from the ledger again.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn read_switches(&self) -> Result<(), LedgerError> {
        self.switches.read(&self.ledger).await?;
        let allows = self.ledger.allows().await?;
        let allows: Vec<Prefix> = allows.iter().filter_map(|allow| allow.address.parse().ok()).collect();
        self.capabilities.guard().set_allows(allows);
        Ok(())
    }

    /// Tells the ledger what the configuration says about it.
    ///
    /// # Errors
    ///
    /// When the ledger is closed.
    pub async fn configure_ledger(&self) -> Result<(), LedgerError> {
        let usual = riposte_ledger::Settings::default();
        let offence_quiet = self.armed().config.settings.offence_quiet.unwrap_or(usual.offence_quiet);
        self.ledger.configure(riposte_ledger::Settings { offence_quiet, ..usual }).await
    }
}
