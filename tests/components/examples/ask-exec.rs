//! Asks the capability `exec` for whatever the alert says.

use riposte_sdk::exec;

hostile_components::ask! {
    "run" => |a, b| exec::run(a, &b.split('|').map(str::to_owned).collect::<Vec<_>>(), b"");
    "flood" => |a, b| exec::run(a, &[b.to_owned()], &vec![b'x'; 2 << 20]);
}
