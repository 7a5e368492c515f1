//! From one version of the tables to the next.
//!
//! A ledger is brought over in steps, one for each version, all of them in one
//! transaction: a crash in the middle leaves it as it was.

use rusqlite::Connection;

use super::tables::{CHAIN, ENTRY, ENTRY_INDEXES, RESERVE, SALVAGE, WAZUH_OFFENCE, with_words};
use super::{FIRST, REFUSALS, VERSION, transitions};

/// What leads from a version to the next.
type Step = fn(&Connection) -> rusqlite::Result<()>;

/// The first leads from version 1 to 2.
const STEPS: [Step; 2] = [to_version_2, to_version_3];

/// Brings a ledger of version `found` over to the current one.
pub(crate) fn migrate(conn: &Connection, found: i64) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    steps(&transaction, found)?;
    transaction.commit()
}

/// Every step that a ledger of version `found` needs; the caller commits.
pub(crate) fn steps(conn: &Connection, found: i64) -> rusqlite::Result<()> {
    for (version, step) in (FIRST..).zip(STEPS) {
        if version >= found {
            step(conn)?;
        }
    }
    conn.pragma_update(None, "user_version", VERSION)
}

/// Version 2 came to
/// have the state `handed-over`, the message that asked for an entry, and what
/// is the same, and an offence, in Wazuh's way.
///
/// The checks of a column cannot be changed in place, so the entries move to a
/// new table. That takes a second for some hundred thousand of them, once.
fn to_version_2(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "ALTER TABLE entry RENAME TO entry_1;\n\
         {entry}\n\
         INSERT INTO entry ({COLUMNS_1}) SELECT {COLUMNS_1} FROM entry_1;\n\
         DROP TABLE entry_1;\n\
         {ENTRY_INDEXES}\n\
         {transitions}\n\
         ALTER TABLE body ADD COLUMN message TEXT;\n\
         ALTER TABLE body ADD COLUMN program TEXT;\n\
         {WAZUH_OFFENCE}",
        entry = with_words(ENTRY),
        transitions = transitions(),
    ))
}

/// The columns that entries of version 1 have.
const COLUMNS_1: &str = "
    id, tenant, command, response, agent, location, keys, kind, state, mode, since, length, due, due_boot, boot,
    closed, offence, attempt, undo_attempts, alert_id, rule_id, actor, reason, cause, ended_by, end_reason, error,
    definition, input, offset, ordinal";

/// Version 3 came to have the head of the audit, space for undos, what became
/// of a damaged ledger, the end of an offence by the boot-time clock, and more
/// that the database itself refuses.
fn to_version_3(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(CHAIN)?;
    conn.execute_batch(RESERVE)?;
    conn.execute_batch(SALVAGE)?;
    conn.execute_batch(
        "ALTER TABLE offence ADD COLUMN ends_boot INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE offence ADD COLUMN boot INTEGER NOT NULL DEFAULT 0;",
    )?;
    conn.execute_batch(REFUSALS)
}
