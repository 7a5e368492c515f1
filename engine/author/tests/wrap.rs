//! A core module becomes a component, or says why not.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the author"
)]

use riposte_author::wrap::{Wrap, WrapError};

const WIT: &str = "package active-response:plugin@0.1.0;
    interface types { record error { kind: string, message: string, retry: bool, } }
    interface oneshot { use types.{error}; run: func(alert: string) -> result<_, error>; }
    world plugin { export oneshot; }
    world other { import types; }";

/// A module that says yes to every alert, with this besides.
fn module(more: &str) -> Vec<u8> {
    wat::parse_str(format!(
        "(module {more} (memory (export \"memory\") 1)
           (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 8))
           (func (export \"active-response:plugin/oneshot@0.1.0#run\") (param i32 i32) (result i32) (i32.const 64)))"
    ))
    .unwrap()
}

fn wit() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("world.wit"), WIT).unwrap();
    at
}

#[test]
fn a_module_becomes_a_component_and_is_not_wrapped_twice() {
    let wit = wit();
    let wrap = Wrap { wit: Some(wit.path().to_owned()), world: Some("plugin".to_owned()), ..Wrap::default() };
    let component = wrap.wrap(&module("")).unwrap();
    let wit_component::DecodedWasm::Component(resolve, world) = wit_component::decode(&component).unwrap()
    else {
        panic!("a component");
    };
    let exports: Vec<_> =
        resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(exports, ["active-response:plugin/oneshot@0.1.0"]);
    // Nothing of WASI comes in that the module did not ask for.
    assert!(resolve.worlds[world].imports.keys().all(|key| resolve.name_world_key(key).contains("/types@")));
    assert_eq!(wrap.wrap(&component), Err(WrapError::Component));
}

#[test]
fn what_a_runtime_wants_of_preview_1_is_adapted() {
    let wit = wit();
    let import = "(import \"wasi_snapshot_preview1\" \"random_get\" (func (param i32 i32) (result i32)))";
    for realloc_via_memory_grow in [false, true] {
        let wrap = Wrap {
            wit: Some(wit.path().join("world.wit")),
            world: Some("plugin".to_owned()),
            realloc_via_memory_grow,
            ..Wrap::default()
        };
        let component = wrap.wrap(&module(import)).unwrap();
        let text = String::from_utf8_lossy(&component);
        assert!(text.contains("wasi:random/random@0.2"), "{realloc_via_memory_grow}");
    }
}

#[test]
fn what_does_not_fit_says_what_to_do() {
    let wit = wit();
    let of = |world: Option<&str>| Wrap {
        wit: Some(wit.path().to_owned()),
        world: world.map(str::to_owned),
        ..Wrap::default()
    };
    let empty = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
    let unlinked = module("(import \"env\" \"strlen\" (func (param i32) (result i32)))");
    let nowhere = Wrap { wit: Some("/nonexistent".into()), ..Wrap::default() };
    for (wrap, module, says) in [
        (of(None), module(""), "--world: plugin, other"),
        (of(Some("third")), module(""), "--world: plugin, other"),
        (of(Some("plugin")), empty, "active-response:plugin/reversible@0.1.0#add"),
        (of(Some("plugin")), unlinked, "was not linked"),
        (of(Some("plugin")), b"text".to_vec(), "no WebAssembly module"),
        (Wrap::default(), module(""), "--wit DIR"),
        (nowhere, module(""), "/nonexistent"),
    ] {
        let error = wrap.wrap(&module).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn a_module_describes_itself_by_a_section_and_not_by_a_word() {
    let says = riposte_author::wrap::describes_itself;
    assert!(!says(&module("(data \"component-type\")")));
    assert!(!says(&module("(@custom \"name-of-component-type\" \"\")")));
    let described = module("(@custom \"component-type:x\" \"\")");
    assert!(says(&described));
    for cut in 0..described.len() {
        // Whatever is cut off, it ends.
        let _ = says(&described[..cut]);
    }
    assert!(!says(b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\xff\xff"));
}
