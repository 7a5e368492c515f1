//! How far alerts were read.

use super::{Ledger, Wait};
use crate::books;
use crate::error::LedgerError;
use crate::input::{FileIdentity, Input};

impl Ledger {
    /// The files read under `path`, newest first.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn inputs(&self, path: &str) -> Result<Vec<Input>, LedgerError> {
        let path = path.to_owned();
        self.read_all(move |conn| books::inputs(conn, &path)).await
    }

    /// The file last read under `path`.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn input_for(&self, path: &str) -> Result<Option<Input>, LedgerError> {
        Ok(self.inputs(path).await?.into_iter().next())
    }

    /// Enters a file that is read from `offset` on; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn new_input(
        &self,
        path: &str,
        identity: FileIdentity,
        offset: u64,
    ) -> Result<i64, LedgerError> {
        let path = path.to_owned();
        self.ask(Wait::Durable, move |books| books.new_input(&path, &identity, offset)).await
    }

    /// Gives a file another identity: a longer head, once it has grown.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn identify_input(&self, input: i64, identity: FileIdentity) -> Result<(), LedgerError> {
        self.ask(Wait::Durable, move |books| books.identify_input(input, &identity)).await
    }

    /// Records that a file was read to its end and will not grow; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn finish_input(&self, input: i64) -> Result<(), LedgerError> {
        self.ask(Wait::Durable, move |books| books.finish_input(input)).await
    }

    /// Notes that everything before `offset` of a file was admitted or needs no
    /// answer. Returns at once; written with the next commit, or by itself
    /// within half a second.
    pub fn mark(&self, input: i64, offset: u64) {
        self.0.writer.mark(input, offset);
    }

    /// What was admitted from `offset` of a file on: offset of the line, and
    /// which of its responses.
    ///
    /// # Errors
    ///
    /// When the ledger is closed.
    pub async fn admitted_after(&self, input: i64, offset: u64) -> Result<Vec<(u64, u32)>, LedgerError> {
        self.ask(Wait::Applied, move |books| Ok(books.admitted_after(input, offset))).await
    }
}
