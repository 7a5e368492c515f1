//! What a start costs at each level: `cargo run --release -p riposte-capability
//! --example starts [PROGRAM] [ROUNDS]`. Without one, `/bin/true`, 500 times. The
//! time is from the start to the end that was seen, so the program's own is in
//! it, and the first line is the measure for the others.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures, for people")]

use std::path::Path;
use std::time::Instant;

use riposte_capability::process::{Caps, Launch, Program};
use riposte_policy::grant::{Confinement, NewPrivileges};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().unwrap_or_else(|| "/bin/true".to_owned());
    let rounds: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let program = Program::at(Path::new(&program))?;
    let launch = Launch { program: &program, arguments: &[], root: Path::new("/"), caps: Caps::default() };
    let confined = Confinement::Confined {
        write: vec!["/var/log".into()],
        capabilities: vec!["net_admin".to_owned()],
        new_privileges: NewPrivileges::Refused,
    };
    let levels = [
        ("without", None),
        ("default", Some(Confinement::Default)),
        ("confined", Some(confined)),
        ("isolated", Some(Confinement::Isolated { write: Vec::new() })),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (name, level) in levels {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let begin = Instant::now();
            runtime.block_on(async {
                match &level {
                    None => launch.run(Vec::new()).await,
                    Some(level) => launch.under(level).run(Vec::new()).await,
                }
            })?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("{name:9} {:8.0} us median of {rounds}", median.as_secs_f64() * 1e6);
    }
    Ok(())
}
