//! One seed, one run.

mod agree;
mod happen;
mod machine;
mod process;
mod start;

use std::fmt;
use std::sync::Arc;

use machine::Machine;

/// How many of its last steps a failure shows.
const SHOWN: usize = 60;

/// A run to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What decides it.
    pub seed: u64,
    /// What is made wrong on purpose, to see that it is noticed.
    pub mutant: Option<Mutant>,
    /// Whether it writes down what happens.
    pub traced: bool,
}

/// What a run may be made with that has to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A disk on which syncing does nothing.
    NoSync,
    /// Claims that answer before they are on the disk.
    EffectBeforeIntent,
    /// An undo that takes no notice of failures.
    IgnoresFailedUndos,
    /// A repeat that is answered while an undo may begin.
    ForgetsRepeats,
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// What.
    pub what: String,
    /// What happened: all of it in a run that writes it down, else the end.
    pub steps: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, steps } = self;
        writeln!(f, "milliseconds since the machine was started, and what happened:")?;
        steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        writeln!(f, "seed {seed}: {what}")?;
        write!(f, "again: cargo run -p riposte-simulate -- --seed {seed} --trace")
    }
}

impl Run {
    /// The run of a seed, with nothing made wrong.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, mutant: None, traced: false }
    }

    /// Makes it.
    ///
    /// # Errors
    ///
    /// What did not hold, with the last steps: a run that failed is made once
    /// more for them.
    pub fn go(self) -> Result<Vec<String>, Failure> {
        let mut machine = Machine::new(self);
        machine.live();
        machine.end();
        let world = Arc::clone(&machine.world);
        machine.stop_at_once();
        drop(machine);
        let Some(what) = world.failure() else { return Ok(world.trace()) };
        if self.traced {
            return Err(Failure { seed: self.seed, what, steps: world.trace() });
        }
        let Err(mut again) = (Self { traced: true, ..self }).go() else {
            let what =
                format!("{what} (but not when it was run again: the same seed must give the same run)");
            return Err(Failure { seed: self.seed, what, steps: Vec::new() });
        };
        again.steps.drain(..again.steps.len().saturating_sub(SHOWN));
        Err(again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory many runs take must not depend on how many.
    #[test]
    fn nothing_is_left_of_a_run() {
        for seed in 0..60 {
            let mut machine = Machine::new(Run::of(seed));
            let is_gone = machine.world.disk.watch();
            let world = Arc::downgrade(&machine.world);
            machine.live();
            if seed % 2 == 0 {
                machine.end();
            }
            machine.stop_at_once();
            assert!(!is_gone(), "seed {seed}: the machine has no disk");
            drop(machine);
            assert!(world.upgrade().is_none(), "seed {seed}: something keeps the world");
            assert!(is_gone(), "seed {seed}: something keeps the disk");
        }
    }
}
