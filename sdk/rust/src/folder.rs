//! Reads files. Granted by `<folder/>`, one element for each folder; no other
//! path is there.
//!
//! A last name that is a symbolic link is not followed: who can write into the
//! folder would choose what is read.

use crate::Error;

/// What a file holds.
///
/// # Errors
///
/// `denied` outside of the granted folders, `failed` when there is no such file
/// or it cannot be read.
pub fn read(path: &str) -> Result<Vec<u8>, Error> {
    #[cfg(target_arch = "wasm32")]
    return wasi::read(path);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.files().get(path).cloned()).ok_or_else(|| missing(path))
}

/// How many bytes a file has.
///
/// # Errors
///
/// As [`read`].
pub fn size(path: &str) -> Result<u64, Error> {
    #[cfg(target_arch = "wasm32")]
    return wasi::size(path);
    #[cfg(not(target_arch = "wasm32"))]
    read(path).map(|bytes| bytes.len() as u64)
}

/// The names of what a folder holds, sorted.
///
/// # Errors
///
/// As [`read`].
pub fn names(path: &str) -> Result<Vec<String>, Error> {
    #[cfg(target_arch = "wasm32")]
    return wasi::names(path);
    #[cfg(not(target_arch = "wasm32"))]
    {
        let within = |file: &String| {
            let rest = file.strip_prefix(path.trim_end_matches('/'))?.strip_prefix('/')?;
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<_> = crate::host::with(|host| host.files().keys().filter_map(within).collect());
        names.dedup();
        if names.is_empty() { Err(missing(path)) } else { Ok(names) }
    }
}

fn missing(path: &str) -> Error {
    Error::failed(format!("{path:?} is not there"))
}

#[cfg(target_arch = "wasm32")]
mod wasi {
    use crate::Error;
    use crate::bindings::wasi::filesystem::preopens::get_directories;
    use crate::bindings::wasi::filesystem::types::{
        Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
    };

    /// Bytes that are asked for at a time.
    const CHUNK: u64 = 64 << 10;

    pub(super) fn read(path: &str) -> Result<Vec<u8>, Error> {
        let file = open(path, OpenFlags::empty())?;
        if file.stat().map_err(|code| refused(path, code))?.type_ != DescriptorType::RegularFile {
            return Err(Error::failed(format!("{path:?} is no file")));
        }
        let mut all = Vec::new();
        loop {
            let (bytes, end) = file.read(CHUNK, all.len() as u64).map_err(|code| refused(path, code))?;
            all.extend_from_slice(&bytes);
            if end || bytes.is_empty() {
                return Ok(all);
            }
        }
    }

    pub(super) fn size(path: &str) -> Result<u64, Error> {
        let stat = open(path, OpenFlags::empty())?.stat();
        Ok(stat.map_err(|code| refused(path, code))?.size)
    }

    pub(super) fn names(path: &str) -> Result<Vec<String>, Error> {
        let entries = open(path, OpenFlags::DIRECTORY)?.read_directory();
        let entries = entries.map_err(|code| refused(path, code))?;
        let mut names = Vec::new();
        while let Some(entry) = entries.read_directory_entry().map_err(|code| refused(path, code))? {
            names.push(entry.name);
        }
        names.sort();
        Ok(names)
    }

    /// Opens a path beneath the longest granted folder that it lies in.
    fn open(path: &str, flags: OpenFlags) -> Result<Descriptor, Error> {
        let granted = get_directories();
        let within = granted.iter().filter_map(|(folder, at)| {
            let rest = path.strip_prefix(at.trim_end_matches('/'))?;
            let inside = rest.is_empty() || rest.starts_with('/');
            inside.then(|| (folder, at, rest.trim_start_matches('/')))
        });
        let Some((folder, _, rest)) = within.max_by_key(|(_, at, _)| at.len()) else {
            return Err(Error {
                kind: "denied".to_owned(),
                message: format!("no <folder> of the command holds {path:?}"),
                retry: false,
            });
        };
        let rest = if rest.is_empty() { "." } else { rest };
        let opened = folder.open_at(PathFlags::empty(), rest, flags, DescriptorFlags::READ);
        opened.map_err(|code| refused(path, code))
    }

    fn refused(path: &str, code: ErrorCode) -> Error {
        match code {
            ErrorCode::NoEntry => super::missing(path),
            ErrorCode::Access | ErrorCode::NotPermitted => Error {
                kind: "denied".to_owned(),
                message: format!("{path:?} may not be read"),
                retry: false,
            },
            code => Error::failed(format!("{path:?} cannot be read: {}", code.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn files_of_tests() {
        host::reset();
        host::set_file("/srv/a/b", "text");
        host::set_file("/srv/a/c/d", "");
        assert_eq!(read("/srv/a/b").unwrap(), b"text");
        assert_eq!(size("/srv/a/b"), Ok(4));
        assert_eq!(names("/srv/a").unwrap(), ["b", "c"]);
        assert_eq!(read("/srv/a").unwrap_err().kind, "failed");
    }
}
