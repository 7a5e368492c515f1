//! What is refused before it ever runs.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use common::{ALERT, Machine, firewall, invocation};
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_capability::firewall::fake::Fake;
use riposte_capability::{Capabilities, Guard};
use riposte_policy::grant::{Digest, Grants};
use riposte_policy::limit::Limits;
use riposte_policy::order::EntryId;
use riposte_runtime::{Components, LoadError, RuntimeError, Settings};

#[test]
fn an_ungranted_import_names_the_line_that_grants_it() {
    let machine = Machine::new();
    let error = machine.refused("ungranted", Grants::default(), true);
    assert_eq!(
        error.to_string(),
        "it imports what it would not get:\n  firewall is not granted: add <firewall/> to the <capabilities> of its command"
    );
    machine.hostile("ungranted", firewall());
}

#[test]
fn a_grant_that_is_not_used_is_pointed_out() {
    let machine = Machine::new();
    let warnings = machine.hostile("echo", firewall()).warnings().to_vec();
    assert_eq!(warnings, ["<firewall> is granted, but the component never uses it: remove the grant"]);
}

#[test]
fn an_undo_needs_a_reversible_plugin() {
    let machine = Machine::new();
    assert_eq!(machine.refused("oneshot", Grants::default(), true), LoadError::NotReversible);
}

#[test]
fn grants_are_for_the_bytes_they_name() {
    let machine = Machine::new();
    let digest = machine.hostile("echo", Grants::default()).digest();
    let bound = |digests: &[Digest]| Grants { digests: digests.to_vec(), ..Grants::default() };
    machine.hostile("echo", bound(&[Digest([0; 32]), digest]));
    let error = machine.refused("echo", bound(&[Digest([0; 32])]), true);
    assert!(matches!(error, LoadError::WrongDigest { found, .. } if found == digest), "{error}");
}

#[test]
fn what_is_no_plugin_is_refused() {
    let machine = Machine::new();
    let load = |wasm: &[u8]| {
        machine
            .components
            .load("x", wasm, &Arc::new(Grants::default()), &Limits::default(), false)
            .unwrap_err()
    };
    assert_eq!(load(b"\0asm\x01\0\0\0"), LoadError::CoreModule);
    assert_eq!(load(b"\0asm\x0d\0\x01\0"), LoadError::NoKind { exports: vec![] });
    for garbage in [&b""[..], b"\0asm", b"#!/bin/sh\n", b"(component)", b"\0asm\x0d\0\x01\0\xff"] {
        assert!(matches!(load(garbage), LoadError::NotAComponent(_)), "{garbage:?}");
    }
    let cut = riposte_hostile::component("echo");
    assert!(matches!(load(&cut[..cut.len() / 2]), LoadError::NotAComponent(_)));
}

#[test]
fn inspection_shows_the_least_grants() {
    let machine = Machine::new();
    let shown = machine.components.inspect(riposte_hostile::component("ungranted")).unwrap();
    assert_eq!(shown.needs, [r#"<firewall/>"#]);
    assert!(!shown.wasi);
    assert!(machine.components.inspect(riposte_hostile::component("sleeper")).unwrap().wasi);
}

#[tokio::test]
async fn a_plugin_that_was_tampered_with_on_disk_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { cache: Some(folder.path().join("code")), ..Settings::default() };
    Machine::with(&settings).hostile("echo", Grants::default());
    for entry in std::fs::read_dir(folder.path().join("code")).unwrap() {
        let file = entry.unwrap();
        if file.file_name() != "key" {
            #[expect(clippy::disallowed_methods, reason = "a test changes a file")]
            std::fs::write(file.path(), [0xcc; 4096]).unwrap();
        }
    }
    let machine = Machine::with(&settings);
    let added = machine.hostile("echo", Grants::default()).add(&invocation(ALERT)).await;
    assert!(added.result.is_ok());
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let settings = Settings { cache: Some(folder.path().to_owned()), ..Settings::default() };
    let claims: Arc<dyn Claims> = Arc::new(Nobody);
    let firewall = Arc::new(Fake::new(Arc::clone(&claims)));
    let capabilities = Arc::new(Capabilities::new(
        claims,
        riposte_capability::Backends::only_firewall(firewall),
        Arc::new(Guard::new()),
    ));
    let error = Components::new(&settings, capabilities).err().unwrap();
    assert!(matches!(error, RuntimeError::Cache(_)));
    assert!(error.to_string().contains("may be written by others (mode 777)"), "{error}");
}

/// Claims that are never asked.
struct Nobody;

#[async_trait::async_trait]
impl Claims for Nobody {
    async fn claim(&self, _: EntryId, _: &Effect, _: Option<&str>) -> Result<Standing, NotRecorded> {
        Err(NotRecorded("nobody".to_owned()))
    }
    async fn release(&self, _: EntryId, _: &Effect) -> Result<Standing, NotRecorded> {
        Err(NotRecorded("nobody".to_owned()))
    }
    async fn prior(
        &self,
        _: riposte_policy::order::EntryId,
        _: &riposte_capability::Effect,
    ) -> Result<Option<String>, riposte_capability::claim::NotRecorded> {
        Ok(None)
    }

    fn standing(&self, _: &Effect) -> Standing {
        Standing::Free
    }

    fn others(&self, _: EntryId, _: &Effect) -> Standing {
        Standing::Free
    }
}

/// Why a component is refused that exports `reversible` with one function.
fn refused(name: &str, types: &str, ty: &str) -> String {
    let text = format!(
        r#"(component
            (core module $core
                (memory (export "memory") 1)
                (func (export "f") (param i32 i32) (result i32) i32.const 0)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
            (core instance $core (instantiate $core))
            (alias core export $core "memory" (core memory $memory))
            (alias core export $core "realloc" (core func $realloc))
            {types}
            (func $f (param "alert" string) (result {ty})
                (canon lift (core func $core "f") (memory $memory) (realloc $realloc)))
            (instance $plugin (export "{name}" (func $f)))
            (export "active-response:plugin/reversible@0.1.0" (instance $plugin)))"#
    );
    let error = Machine::new().components.inspect(&wat::parse_str(text).unwrap()).unwrap_err();
    let LoadError::Mismatch(why) = error else { panic!("{error}") };
    why
}

#[test]
fn a_function_of_another_type_is_told_with_both() {
    let why = refused("keys", "", "(result (list string) (error string))");
    let is = "(string) -> result<list<string>, string>";
    let wanted = "(string) -> result<list<string>, error>";
    assert_eq!(why, format!("its reversible.keys is of the type {is}, not {wanted}"));
    assert_eq!(refused("other", "", "(list u8)"), "its reversible has no function keys");
}

#[test]
fn a_type_of_any_size_is_told_in_a_line() {
    let mut types = String::from("(type $t0 (result string (error string)))");
    for n in 1..12 {
        let last = n - 1;
        write!(types, "(type $t{n} (result $t{last} (error $t{last})))").unwrap();
    }
    let why = refused("keys", &types, "$t11");
    assert!(why.len() < 1_200 && why.contains("..."), "{} bytes: {why}", why.len());
}
