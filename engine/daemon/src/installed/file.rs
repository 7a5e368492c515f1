//! A file that is to be a component: read, and told apart from what people
//! take for one.

use std::io::Read as _;
use std::path::Path;

use riposte_author::too_large;

use super::LARGEST;

/// Reads it.
///
/// # Errors
///
/// When it cannot be read, is too large, or is no WebAssembly at all.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let found = std::fs::metadata(path).map_err(|error| format!("cannot read it: {error}"))?;
    if found.is_dir() {
        return Err("this is a folder; name the .wasm file in it".to_owned());
    }
    if found.is_file() && found.len() > LARGEST {
        return Err(too_large(found.len()));
    }
    let bytes = if path.as_os_str() == "/dev/stdin" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes);
        // No part of one is taken for the whole.
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(bytes.len() as u64));
        }
        read.map(|_| bytes)
    } else {
        crate::files::read_at_most(path, LARGEST)
    };
    let bytes = bytes.map_err(|error| format!("cannot read it: {error}"))?;
    what_else(&bytes).map_or(Ok(bytes), Err)
}

/// What a file is that is no WebAssembly at all.
#[must_use]
pub fn what_else(bytes: &[u8]) -> Option<String> {
    let is = match bytes {
        [] => "it is empty",
        [0, b'a', b's', b'm', ..] => return None,
        // Its system is wasmtime.
        [0x7f, b'E', b'L', b'F', _, _, _, 200, ..] => {
            "this is code that was compiled ahead of time (.cwasm), which is never loaded from outside; give the .wasm \
             file that it was made of"
        }
        [0x7f, b'E', b'L', b'F', ..] => {
            "this is a program of Linux; it goes into active-response/bin as it is"
        }
        [b'M', b'Z', ..] => "this is a program of Windows",
        [b'#', b'!', ..] => "this is a script; it goes into active-response/bin as it is",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'P', b'K', 3, 4, ..] => {
            "this is a compressed file; unpack it first"
        }
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            "this is WebAssembly as text; run `wasm-tools parse FILE -o FILE.wasm`"
        }
        _ => "this is no WebAssembly: it does not begin with \\0asm",
    };
    Some(is.to_owned())
}

/// A refusal of a file of this size, with what it most likely comes from.
#[must_use]
pub fn explained(size: usize, error: &str) -> String {
    let ends =
        ["unexpected end", "unexpected-eof", "out of bounds"].iter().any(|words| error.contains(words));
    if ends || size < 8 {
        format!("the file ends in the middle, so it was not copied whole ({error})")
    } else {
        error.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_told_apart() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"\x7fELF\x02", "program of Linux"),
            (b"\x7fELF\x02\x01\x01\xc8", "ahead of time"),
            (b"MZ\x90", "Windows"),
            (b"#!/bin/sh", "script"),
            (b"\x1f\x8b\x08", "compressed"),
            (b"  (component)", "as text"),
            (b"hello", "no WebAssembly"),
        ] {
            assert!(what_else(bytes).is_some_and(|is| is.contains(says)), "{says}");
        }
        assert_eq!(what_else(b"\0asm\x0d\0\x01\0"), None);
    }
}
