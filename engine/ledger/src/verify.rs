//! Whether a ledger is sound.
