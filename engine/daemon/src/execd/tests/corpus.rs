//! The corpus of exchanges and bad input, where `RIPOSTE_CORPUS` names it.
