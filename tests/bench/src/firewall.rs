//! Addresses added to the kernel's set, one at a time and in bursts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use riposte_capability::claim::Memory;
use riposte_capability::firewall::nftables::Nftables;
use riposte_capability::firewall::{Backend, Target};
use riposte_capability::{Claims, Standing};
use riposte_policy::Address;
use riposte_policy::grant::FirewallGrant;
use riposte_policy::order::EntryId;

use crate::{address, shown};

pub(crate) fn measure() {
    println!("\n3. Adds to the kernel's set, acknowledged by the kernel");
    let claims = Arc::new(Memory::default());
    let nftables = match Nftables::open(Arc::clone(&claims) as Arc<dyn Claims>) {
        Ok(nftables) => nftables,
        Err(refusal) => return println!("   not measured: {refusal}"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let set = FirewallGrant::default().set;
    let target = |n: u32| Target::new(&set, address(n).parse::<Address>().unwrap().into());
    let mut next = 0;
    for burst in [1_u32, 100, 1_000] {
        let rounds = (20_000 / burst).min(2_000);
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            let targets: Vec<_> = (next..next + burst).map(target).collect();
            next += burst;
            for target in &targets {
                claims.set(EntryId(1), target.effect(), Standing::For(Duration::from_secs(600)));
            }
            let begun = Instant::now();
            runtime.block_on(nftables.sync(targets)).unwrap();
            took += begun.elapsed();
        }
        println!("   {burst:>5} at a time: each address            {:>10}", shown(took / (rounds * burst)));
    }
    let (mut times, mut took) = (0, Duration::ZERO);
    for n in 0..100 {
        let element =
            format!("add element inet riposte drop4 {{ 198.51.{}.{} timeout 600s }}", 100 + n / 50, n + 1);
        let begun = Instant::now();
        if std::process::Command::new("nft").arg(&element).status().is_ok_and(|status| status.success()) {
            took += begun.elapsed();
            times += 1;
        }
    }
    if times > 0 {
        println!("   starting nft for each: each address      {:>10}", shown(took / times));
    }
}
