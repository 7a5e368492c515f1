//! What one blocked address costs: alone, and in bursts of several sizes.
//!
//! Runs in a network namespace of its own, so it needs root and harms nothing:
//! `cargo run --release -p riposte-capability --example firewall_throughput`

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::sched::{CloneFlags, unshare};
use riposte_capability::claim::NotRecorded;
use riposte_capability::firewall::nftables::Nftables;
use riposte_capability::firewall::{Backend as _, Target};
use riposte_capability::watch::Watch;
use riposte_capability::{Claims, Effect, Standing};
use riposte_policy::address::Address;
use riposte_policy::grant::FirewallGrant;
use riposte_policy::order::EntryId;
use rustix::time::{ClockId, clock_gettime};

const ADDRESSES: u32 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespace ({e}): run as root"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("Alone:");
    runtime.block_on(measure())?;
    println!("With the kernel telling a watch of every change:");
    runtime.block_on(async {
        let watch = Watch::open();
        tokio::select! {
            measured = measure() => measured,
            () = listen(&watch) => Ok(()),
        }
    })
}

/// As the engine listens.
async fn listen(watch: &Watch) {
    loop {
        drop(watch.touched(&[]).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let set = FirewallGrant::default().set;
    let targets: Vec<Target> = (0..ADDRESSES)
        .map(|n| {
            Target::new(&set, Address::from(std::net::IpAddr::from((0x0b00_0000 + n).to_be_bytes())).into())
        })
        .collect();
    let claims =
        [Standing::For(Duration::from_secs(600)), Standing::For(Duration::from_secs(900)), Standing::Free];
    // Three backends over three answers: no time goes into looking claims up.
    println!("Microseconds for each address: by the clock (processor time of all threads)");
    println!("{:>8} {:>18} {:>18} {:>18}", "burst", "block", "renew", "unblock");
    for burst in [1, 10, 100, 1_000, 10_000, 100_000] {
        let targets = targets.get(..targets.len().min(burst * 5_000)).unwrap_or(&targets);
        let mut line = format!("{burst:>8}");
        for standing in claims {
            let nftables = Nftables::open(Arc::new(Always(standing)))?;
            nftables.list().await?;
            let bursts: Vec<Vec<Target>> = targets.chunks(burst).map(<[Target]>::to_vec).collect();
            let count = f64::from(u32::try_from(targets.len())?);
            let (clock, processor) = (now(ClockId::Monotonic), now(ClockId::ProcessCPUTime));
            for burst in bursts {
                nftables.sync(burst).await?;
            }
            let each = |clock_id, since: f64| (now(clock_id) - since) / count;
            let (clock, processor) =
                (each(ClockId::Monotonic, clock), each(ClockId::ProcessCPUTime, processor));
            line += &format!(" {:>18}", format!("{clock:.2} ({processor:.2})"));
        }
        println!("{line}");
    }
    println!("A burst of one includes waking the writer's thread and being woken by it.");
    Ok(())
}

/// Claims that say the same of everything.
struct Always(Standing);

#[async_trait]
impl Claims for Always {
    async fn claim(&self, _: EntryId, _: &Effect, _: Option<&str>) -> Result<Standing, NotRecorded> {
        Ok(self.0)
    }

    async fn release(&self, _: EntryId, _: &Effect) -> Result<Standing, NotRecorded> {
        Ok(self.0)
    }

    async fn prior(&self, _: EntryId, _: &Effect) -> Result<Option<String>, NotRecorded> {
        Ok(None)
    }

    fn standing(&self, _: &Effect) -> Standing {
        self.0
    }

    fn others(&self, _: EntryId, _: &Effect) -> Standing {
        self.0
    }

    fn marked(&self, _: &Effect) -> (Standing, Option<EntryId>) {
        (self.0, Some(EntryId(123_456)))
    }
}

/// Microseconds on a clock.
fn now(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    Duration::try_from(time).unwrap_or_default().as_secs_f64() * 1e6
}
