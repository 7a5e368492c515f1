//! What waits when it is opened, refused: whoever may write below a granted
//! folder could leave a pipe there, and each run that opens it would keep a
//! thread of the engine for good.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor as _, OpenFlags, PathFlags,
};

use crate::state::State;

/// The interface as wasmtime links it; the linker finds the other 0.2 by it.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

type Opened = Result<Resource<Descriptor>, ErrorCode>;

/// Puts a look before each opening of a file.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(INTERFACE)?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store,
         (folder, links, path, how, access): (
            Resource<Descriptor>,
            PathFlags,
            String,
            OpenFlags,
            DescriptorFlags,
        )| {
            Box::new(async move {
                let state: &mut State = store.data_mut();
                let mut wasi = state.filesystem();
                if let Descriptor::Dir(folder) = wasi.table.get(&folder)?
                    && waits(&folder.dir, &path, links)
                {
                    return Ok((Opened::Err(ErrorCode::Unsupported),));
                }
                let opened = match wasi.open_at(folder, links, path, how, access).await {
                    Ok(opened) => Ok(opened),
                    Err(error) => Err(error.downcast()?),
                };
                Ok((opened,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Whether a path leads to a pipe, a socket or a device. What cannot be looked
/// at is left to the opening, which says why.
fn waits(folder: &std::fs::File, path: &str, links: PathFlags) -> bool {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if !links.contains(PathFlags::SYMLINK_FOLLOW) {
        flags |= OFlags::NOFOLLOW;
    }
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(folder, path, flags, Mode::empty(), beneath).and_then(fstat);
    let Ok(found) = found else { return false };
    !matches!(
        FileType::from_raw_mode(found.st_mode),
        FileType::RegularFile | FileType::Directory | FileType::Symlink
    )
}
