//! Whether a component exports the functions of its kind with their types.
//! wasmtime looks at types only when a function is called, and nobody wants to
//! hear of it from an alert.

use std::fmt::Write as _;

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use crate::inspect::{Kind, is_exported};

/// Every function of a kind, and its type.
fn wanted(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Reversible => &[
            ("keys", "(string) -> result<list<string>, error>"),
            ("add", "(string) -> result<list<u8>, error>"),
            ("delete", "(string, option<list<u8>>) -> result<_, error>"),
        ],
        Kind::Oneshot => &[("run", "(string) -> result<_, error>")],
    }
}

/// The record `error` of the package.
const ERROR: &str = "record { kind: string, message: string, retry: bool }";

/// Checks what `component` exports as a plugin of this kind.
///
/// # Errors
///
/// The function that is missing or of another type, in words.
pub(crate) fn check(component: &Component, kind: Kind) -> Result<(), String> {
    let engine = component.engine();
    let ty = component.component_type();
    let instance = ty.exports(engine).find_map(|(name, item)| match item.ty {
        ComponentItem::ComponentInstance(instance) if is_exported(name, kind) => Some(instance),
        _ => None,
    });
    let Some(instance) = instance else { return Err(format!("{} is no interface", kind.as_str())) };
    let there: Vec<(String, String)> = instance
        .exports(engine)
        .filter_map(|(name, item)| match item.ty {
            ComponentItem::ComponentFunc(function) => Some((name.to_owned(), signature(&function))),
            _ => None,
        })
        .collect();
    for (name, wanted) in wanted(kind) {
        match there.iter().find(|(there, _)| there == name) {
            Some((_, is)) if is == wanted => {}
            Some((_, is)) => {
                return Err(format!("its {}.{name} is of the type {is}, not {wanted}", kind.as_str()));
            }
            None => return Err(format!("its {} has no function {name}", kind.as_str())),
        }
    }
    Ok(())
}

fn signature(function: &ComponentFunc) -> String {
    let mut text = String::from("(");
    for (n, (_, ty)) in function.params().enumerate() {
        text.push_str(if n > 0 { ", " } else { "" });
        describe(&ty, &mut text, DEPTH);
    }
    text.push(')');
    for ty in function.results() {
        text.push_str(" -> ");
        describe(&ty, &mut text, DEPTH);
    }
    text
}

/// Types may be deeper than anybody wants to read.
const DEPTH: u32 = 8;

fn describe(ty: &Type, text: &mut String, depth: u32) {
    let Some(depth) = depth.checked_sub(1) else { return text.push_str("...") };
    let inner = |ty: Option<Type>| {
        let mut text = String::new();
        match ty {
            Some(ty) => describe(&ty, &mut text, depth),
            None => text.push('_'),
        }
        text
    };
    // Writing to a string does not fail.
    let _ = match ty {
        Type::Bool => write!(text, "bool"),
        Type::U8 => write!(text, "u8"),
        Type::U32 => write!(text, "u32"),
        Type::U64 => write!(text, "u64"),
        Type::String => write!(text, "string"),
        Type::List(list) => write!(text, "list<{}>", inner(Some(list.ty()))),
        Type::Option(option) => write!(text, "option<{}>", inner(Some(option.ty()))),
        Type::Result(result) => write!(text, "result<{}, {}>", inner(result.ok()), inner(result.err())),
        Type::Record(record) => {
            let fields =
                record.fields().take(8).map(|field| format!("{}: {}", field.name, inner(Some(field.ty))));
            let record = format!("record {{ {} }}", fields.collect::<Vec<_>>().join(", "));
            write!(text, "{}", if record == ERROR { "error" } else { &record })
        }
        // Nothing that a plugin exports has others.
        _ => write!(text, "another"),
    };
}
