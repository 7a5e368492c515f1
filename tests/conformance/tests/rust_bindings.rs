//! The bindings that `sdk/rust` carries are those that `wit/` gives: an author
//! needs neither a generator nor the WIT to build.
//!
//! `RIPOSTE_WRITE_BINDINGS=1 cargo test -p riposte-conformance --test rust_bindings`
//! writes them anew.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "compares files of the repository, and writes them when asked to"
)]

use std::path::Path;

use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::{Opts, WithOption};
use wit_parser::Resolve;

/// What every component may import, and what one exports. What a plugin does not
/// call is dropped when it is linked.
const WORLDS: &str = "
package riposte:sdk;

world reversible {
    include active-response:plugin/capabilities@0.1.0;
    import wasi:http/outgoing-handler@0.2.0;
    import wasi:filesystem/types@0.2.0;
    import wasi:filesystem/preopens@0.2.0;
    export active-response:plugin/reversible@0.1.0;
}

world oneshot {
    export active-response:plugin/oneshot@0.1.0;
}
";

/// Parts of WASI that the SDK does not call: more than half of the code.
const UNCALLED: [&str; 6] = [
    "]incoming-request",
    "]response-outparam",
    "]outgoing-response",
    "]future-trailers",
    "]descriptor.",
    "filesystem-error-code",
];
/// Of those, what it does call.
const CALLED: [&str; 4] =
    ["descriptor.read", "descriptor.stat", "descriptor.open-at", "descriptor.read-directory"];

/// The module of `sdk/rust` for one of the worlds.
fn bindings(world: &str) -> String {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    resolve.push_dir(&wit).unwrap();
    let package = resolve.push_source("worlds.wit", WORLDS).unwrap();
    let id = resolve.select_world(&[package], Some(world)).unwrap();

    let functions = resolve.interfaces.iter().flat_map(|(_, interface)| interface.functions.keys());
    let uncalled = |name: &&String| {
        UNCALLED.iter().any(|part| name.contains(part)) && !CALLED.iter().any(|called| name.ends_with(called))
    };
    let skip = functions.filter(uncalled).cloned().collect();
    let imported = "riposte_sdk::bindings::reversible::active_response::plugin::types";
    let types = ("active-response:plugin/types@0.1.0".to_owned(), WithOption::Path(imported.to_owned()));
    let opts = Opts {
        format: true,
        generate_all: true,
        skip,
        // Both worlds speak of one error.
        with: if world == "oneshot" { vec![types] } else { vec![] },
        pub_export_macro: true,
        export_macro_name: Some(format!("__export_{world}")),
        default_bindings_module: Some(format!("riposte_sdk::bindings::{world}")),
        bitflags_path: Some("riposte_sdk::rt".to_owned()),
        runtime_path: Some("riposte_sdk::rt".to_owned()),
        // A component of Rust has no constructors of its own to run.
        disable_run_ctors_once_workaround: true,
        ..Opts::default()
    };
    let mut files = Files::default();
    opts.build().generate(&mut resolve, id, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn the_bindings_are_those_of_the_wit() {
    for world in ["reversible", "oneshot"] {
        let at =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../sdk/rust/src/bindings/{world}.rs"));
        let made = bindings(world);
        if std::env::var_os("RIPOSTE_WRITE_BINDINGS").is_some() {
            std::fs::write(&at, &made).unwrap();
        }
        let held = std::fs::read_to_string(&at).unwrap_or_default();
        assert!(
            held == made,
            "{} is not what wit/ gives: run this test with RIPOSTE_WRITE_BINDINGS=1, and commit what it writes",
            at.display()
        );
    }
}
