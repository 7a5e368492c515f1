//! Whether a component exports the functions of its kind with their types.
//! wasmtime looks at types only when a function is called, and nobody wants to
//! hear of it from an alert.

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
    for (n, (_, ty)) in function.params().take(WIDTH).enumerate() {
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

/// Types may be deeper, wider and longer than anybody wants to read; each bound
/// is more than the types of a plugin have.
const DEPTH: u32 = 8;
const WIDTH: usize = 8;
const LENGTH: usize = 512;

fn describe(ty: &Type, text: &mut String, depth: u32) {
    let Some(depth) = depth.checked_sub(1).filter(|_| text.len() < LENGTH) else {
        return text.push_str("...");
    };
    let or_nothing = |ty: Option<Type>, text: &mut String| match ty {
        Some(ty) => describe(&ty, text, depth),
        None => text.push('_'),
    };
    match ty {
        Type::Bool => text.push_str("bool"),
        Type::U8 => text.push_str("u8"),
        Type::U32 => text.push_str("u32"),
        Type::U64 => text.push_str("u64"),
        Type::String => text.push_str("string"),
        Type::List(list) => {
            text.push_str("list<");
            describe(&list.ty(), text, depth);
            text.push('>');
        }
        Type::Option(option) => {
            text.push_str("option<");
            describe(&option.ty(), text, depth);
            text.push('>');
        }
        Type::Result(result) => {
            text.push_str("result<");
            or_nothing(result.ok(), text);
            text.push_str(", ");
            or_nothing(result.err(), text);
            text.push('>');
        }
        Type::Record(record) => {
            let begin = text.len();
            text.push_str("record { ");
            for (n, field) in record.fields().take(WIDTH).enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                text.extend(field.name.chars().take(LENGTH));
                text.push_str(": ");
                describe(&field.ty, text, depth);
            }
            text.push_str(" }");
            if text.get(begin..) == Some(ERROR) {
                text.truncate(begin);
                text.push_str("error");
            }
        }
        // Nothing that a plugin exports has others.
        _ => text.push_str("another"),
    }
}
