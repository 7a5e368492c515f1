//! wasmtime's settings, and the clock that interrupts what runs too long.
//!
//! The settings are those under which a fresh instance costs least: a pool as
//! large as the concurrency, copy-on-write images, and memory that stays
//! resident and is wiped by the kernel's page map.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::state::Memory;
use crate::swap;

/// How often a running component is interrupted: the longest that one holds a
/// thread of the async runtime, and the grain of the processor limit.
const TICK: Duration = Duration::from_millis(1);
/// After so many ticks without a call the clock stops until the next one, so
/// that an idle engine does not wake the processor.
const QUIET: u32 = 1_000;
/// Memory of an instance that stays with its slot of the pool.
const KEEP_RESIDENT: usize = 256 << 10;
/// Bytes of a table that stay with its slot. Where a language's runtime is made
/// of several modules, every call writes all of it: 45 KiB in Python.
const KEEP_TABLE: usize = 64 << 10;
/// Slots of the pool given back to the kernel at a time, where there is no
/// page map scan.
const DECOMMIT: usize = 32;
/// Longest linear memory: all that 32-bit addresses reach. Reserved address
/// space only; what a call may use is its own limit.
const LONGEST_MEMORY: usize = 4 << 30;

/// wasmtime, its clock, and the slots for running components.
pub(crate) struct Engine {
    wasmtime: wasmtime::Engine,
    slots: Semaphore,
    clock: Clock,
}

impl Engine {
    /// Reserves everything for `concurrency` components at a time, and starts
    /// the clock.
    pub(crate) fn new(concurrency: u32) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&config(concurrency))?;
        let clock = Clock::start(wasmtime.clone())?;
        Ok(Self { wasmtime, slots: Semaphore::new(concurrency as usize), clock })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// Waits for a slot to run one component in; the clock ticks while it is
    /// held. `None` is never returned: the slots are never closed.
    pub(crate) async fn slot(&self) -> Option<Slot<'_>> {
        let permit = self.slots.acquire().await.ok()?;
        self.clock.shared.begin();
        Some(Slot { _permit: permit, clock: &self.clock.shared })
    }
}

/// The right to run one component.
pub(crate) struct Slot<'a> {
    _permit: SemaphorePermit<'a>,
    clock: &'a Shared,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.clock.running.fetch_sub(1, SeqCst);
    }
}

fn config(concurrency: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(concurrency)
        .total_core_instances(concurrency.saturating_mul(Memory::INSTANCES))
        .total_memories(concurrency.saturating_mul(Memory::MEMORIES))
        .total_tables(concurrency.saturating_mul(Memory::TABLES))
        .total_stacks(concurrency)
        .max_core_instances_per_component(Memory::INSTANCES)
        .max_memories_per_component(Memory::MEMORIES)
        .max_tables_per_component(Memory::TABLES)
        .table_elements(Memory::ELEMENTS)
        .max_memory_size(LONGEST_MEMORY)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_TABLE);
    let slow = match (PoolingAllocationConfig::is_pagemap_scan_available(), swap::never()) {
        (true, true) => None,
        (false, _) => Some("this kernel has no PAGEMAP_SCAN (Linux 6.7)"),
        (true, false) => Some(
            "this machine swaps, and memory of a component that was swapped out would not be wiped by PAGEMAP_SCAN: \
             run the engine with MemorySwapMax=0, as its unit does",
        ),
    };
    if let Some(why) = slow {
        pool.decommit_batch_size(DECOMMIT);
        tracing::info!("components start about half as fast as they could: {why}");
    } else {
        pool.pagemap_scan(Enabled::Yes);
    }

    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .epoch_interruption(true)
        // Structures for concurrent calls in one instance, which nobody makes.
        .concurrency_support(false);
    config
}

/// The thread that counts ticks. It ends with the engine.
struct Clock {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Calls that are running.
    running: AtomicU64,
    /// Whether the thread sleeps until the next call.
    asleep: AtomicBool,
    ended: AtomicBool,
    /// The thread, once it runs.
    sleeper: std::sync::OnceLock<thread::Thread>,
}

impl Clock {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            sleeper: std::sync::OnceLock::new(),
        });
        let ticking = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("riposte-epoch".to_owned()).spawn(move || ticking.tick(&engine))?;
        let _ = shared.sleeper.set(thread.thread().clone());
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread holds no lock and cannot panic: it ends at once.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn begin(&self) {
        self.running.fetch_add(1, SeqCst);
        // Either the thread sees the call before it sleeps, or we see it asleep.
        if self.asleep.swap(false, SeqCst)
            && let Some(thread) = self.sleeper.get()
        {
            thread.unpark();
        }
    }

    fn tick(&self, engine: &wasmtime::Engine) {
        let mut quiet = 0;
        while !self.ended.load(SeqCst) {
            quiet = if self.running.load(SeqCst) == 0 { quiet + 1 } else { 0 };
            if quiet < QUIET {
                thread::park_timeout(TICK);
                engine.increment_epoch();
                continue;
            }
            self.sleep();
            quiet = 0;
        }
    }

    /// Returns when a call runs, or at the end.
    fn sleep(&self) {
        loop {
            // Before every look, not only the first: whoever woke us has taken
            // the mark away, and the call may be over already. Without it the
            // next call would wake nobody, and could compute for ever.
            self.asleep.store(true, SeqCst);
            if self.running.load(SeqCst) > 0 || self.ended.load(SeqCst) {
                break;
            }
            thread::park();
        }
        self.asleep.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sleeps until it holds; fails when it never does.
    fn until(holds: impl Fn() -> bool) {
        assert!((0..60_000).any(|_| holds() || {
            thread::sleep(std::time::Duration::from_millis(1));
            false
        }));
    }

    #[test]
    fn a_call_that_is_over_before_the_clock_wakes_does_not_keep_the_next_from_waking_it() {
        let shared = Arc::new(Shared {
            running: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            sleeper: std::sync::OnceLock::new(),
        });
        let sleeping = Arc::clone(&shared);
        let thread = thread::spawn(move || sleeping.sleep());
        shared.sleeper.set(thread.thread().clone()).unwrap();
        for _ in 0..100 {
            until(|| shared.asleep.load(SeqCst));
            // What a short call leaves when the clock is slow to wake.
            shared.asleep.store(false, SeqCst);
            thread.thread().unpark();
        }
        until(|| shared.asleep.load(SeqCst));
        shared.begin();
        until(|| thread.is_finished());
        assert!(!shared.asleep.load(SeqCst));
    }

    #[tokio::test]
    async fn the_clock_wakes_for_a_call_and_ends_with_its_engine() {
        let engine = Engine::new(1).unwrap();
        let shared = Arc::clone(&engine.clock.shared);
        // Asleep, as after a quiet second.
        shared.asleep.store(true, SeqCst);
        let slot = engine.slot().await.unwrap();
        assert!(!shared.asleep.load(SeqCst));
        assert_eq!(shared.running.load(SeqCst), 1);
        drop(slot);
        assert_eq!(shared.running.load(SeqCst), 0);
        // Returns only when the thread has ended: the other clone is gone.
        drop(engine);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
