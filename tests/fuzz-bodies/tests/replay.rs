//! Every seed, and every input that once failed, through the bodies of the
//! fuzz targets.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads files of its own")]

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let mut inputs = 0;
    for kind in ["seeds", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind).join(target);
        for file in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            body(&bytes);
            // Cut anywhere it is an input too.
            for end in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
                body(bytes.get(..end).unwrap());
            }
            inputs += 1;
        }
    }
    assert!(inputs >= 5, "only {inputs} inputs for {target}");
}

#[test]
fn config() {
    replay("config", riposte_fuzz_bodies::config);
}

#[test]
fn alert() {
    replay("alert", riposte_fuzz_bodies::alert);
}

#[test]
fn message() {
    replay("message", riposte_fuzz_bodies::message);
}

#[test]
fn migrate() {
    replay("migrate", riposte_fuzz_bodies::migrate);
}

#[test]
fn wire() {
    replay("wire", riposte_fuzz_bodies::wire);
}
