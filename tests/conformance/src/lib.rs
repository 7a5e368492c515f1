//! What every SDK must pass: one set of scenarios for the same response, written
//! in each language.
