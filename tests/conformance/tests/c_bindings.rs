//! The C bindings that are checked in are those that `wit/` gives, so that an
//! author of C needs no tool for WIT.
//!
//! After a change of `wit/`, write them anew:
//! `RIPOSTE_WRITE_BINDINGS=1 cargo test -p riposte-conformance --test c_bindings`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it reads and writes the sources"
)]

use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

/// Each kind has a world of the same name, `plugin`, so that the code over both
/// is one.
const KINDS: [(&str, &str); 2] = [("reversible", "reversible-response"), ("oneshot", "oneshot-response")];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Everything that a plugin may import: what it does not call, the linker takes
/// out again.
fn world(kind: &str) -> String {
    format!(
        "package riposte:built;
         world plugin {{
             include active-response:plugin/{kind}@0.1.0;
             include active-response:plugin/capabilities@0.1.0;
             import wasi:http/outgoing-handler@0.2.0;
             import wasi:filesystem/preopens@0.2.0;
         }}"
    )
}

fn bindings(kind: &str) -> Files {
    let mut resolve = Resolve::default();
    resolve.push_path(repository().join("wit")).unwrap();
    let package = resolve.push_str("plugin.wit", &world(kind)).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files).unwrap();
    files
}

#[test]
fn what_is_checked_in_is_what_the_interfaces_give() {
    let write = std::env::var_os("RIPOSTE_WRITE_BINDINGS").is_some();
    for (kind, world) in KINDS {
        let folder = repository().join("sdk/c/generated").join(kind);
        for (name, bytes) in bindings(world).iter() {
            let file = folder.join(name);
            if write {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, bytes).unwrap();
            }
            assert!(
                std::fs::read(&file).is_ok_and(|kept| kept == bytes),
                "{} is not what wit/ gives: RIPOSTE_WRITE_BINDINGS=1 cargo test -p riposte-conformance \
                 --test c_bindings writes it",
                file.display()
            );
        }
    }
}
