//! The VFS: SQLite's calls become those of [`State`].
//!
//! All of it is plumbing between C and Rust. What a disk does is decided in
//! [`super::disk`], safely.
#![expect(unsafe_code, reason = "SQLite calls a VFS through pointers; nothing else of the tests needs this")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi;

use super::disk::{Holder, Inode, State};

/// A VFS that SQLite knows, until this is dropped. Every connection that uses
/// it must be closed before.
pub(super) struct Registered {
    vfs: NonNull<ffi::sqlite3_vfs>,
    name: CString,
}

// SAFETY: the pointed-to structure is written once, before SQLite is told of
// it, and afterwards only by SQLite under its own mutex; what it leads to is
// behind a mutex of ours.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    pub(super) fn new(state: Arc<Mutex<State>>) -> Self {
        static SET_UP: Once = Once::new();
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        SET_UP.call_once(|| {
            // Counting memory takes a lock that all threads share.
            // SAFETY: an option with one integer, as SQLite documents it; when
            // SQLite is in use already it refuses, which changes nothing.
            let _ = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int) };
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("simulated-{number}")).unwrap_or_default();
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<OpenFile>() as c_int,
            mxPathname: 512,
            pNext: std::ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: Arc::into_raw(state).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        let vfs = NonNull::from(Box::leak(vfs));
        // SAFETY: it is filled in and lives until it is taken back in `drop`.
        let registered = unsafe { ffi::sqlite3_vfs_register(vfs.as_ptr(), 0) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes no VFS");
        Self { vfs, name }
    }

    pub(super) fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: it was registered in `new`, and its connections are closed,
        // so SQLite forgets it here; box and state are the ones leaked there.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs.as_ptr());
            let vfs = Box::from_raw(self.vfs.as_ptr());
            drop(Arc::from_raw(vfs.pAppData.cast::<Mutex<State>>()));
        }
    }
}

/// A piece of memory that connections share.
pub(super) struct Region {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: whoever uses the memory is SQLite, which orders its accesses by the
// locks of shared memory; Rust only frees it, when nobody uses it any more.
unsafe impl Send for Region {}

impl Region {
    /// Zeros, aligned as SQLite's counters need it.
    pub(super) fn new(bytes: usize) -> Self {
        let words = vec![0_u64; bytes.div_ceil(8)].into_boxed_slice();
        let bytes = words.len() * 8;
        Self { at: NonNull::from(Box::leak(words)).cast(), bytes }
    }

    pub(super) fn address(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let words = NonNull::slice_from_raw_parts(self.at.cast::<u64>(), self.bytes / 8);
        // SAFETY: this is the box leaked in `new`.
        drop(unsafe { Box::from_raw(words.as_ptr()) });
    }
}

/// What SQLite allocates for an open file.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

struct Handle {
    state: Arc<Mutex<State>>,
    inode: Inode,
    holder: Holder,
    /// Removed when it is closed: `name`.
    delete: Option<String>,
    /// Whether its folder is to be synced with its first sync: it may be new.
    new: bool,
    shares: bool,
}

impl Handle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
///
/// `vfs` is one of [`Registered`].
unsafe fn state_of(vfs: *mut ffi::sqlite3_vfs) -> Arc<Mutex<State>> {
    // SAFETY: `pAppData` came from `Arc::into_raw`, and is counted once more
    // for the `Arc` that is returned.
    unsafe {
        let state = (*vfs).pAppData.cast::<Mutex<State>>().cast_const();
        Arc::increment_strong_count(state);
        Arc::from_raw(state)
    }
}

/// # Safety
///
/// `file` is one that [`open`] filled in and [`close`] has not seen.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: SQLite uses a file from one thread at a time, and the handle
    // lives until `close`.
    unsafe { &mut *(*file.cast::<OpenFile>()).handle }
}

fn code(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(ffi::SQLITE_OK)
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives what xOpen is documented to get: our VFS, memory for
    // `szOsFile` bytes, a name that ends with zero or none.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let state = state_of(vfs);
        let named = (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned());
        let mut inside = state.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.refuses_to_open() {
            return ffi::SQLITE_CANTOPEN;
        }
        let creates = flags & ffi::SQLITE_OPEN_CREATE != 0;
        // As SQLite's own VFS has it: also when an earlier process has made it.
        let journals = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
        let new = creates && flags & journals != 0;
        let inode = match &named {
            None => inside.nameless(),
            Some(name) => match inside.find(name) {
                Some(inode) => inode,
                None if creates => match inside.find_or_create(name) {
                    Ok(inode) => inode,
                    Err(code) => return code,
                },
                None => return ffi::SQLITE_CANTOPEN,
            },
        };
        let holder = inside.holder();
        drop(inside);
        let delete = named.filter(|_| flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0);
        let handle = Handle { state, inode, holder, delete, new, shares: false };
        (*file.cast::<OpenFile>()).handle = Box::into_raw(Box::new(handle));
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: our VFS, and a name that ends with zero.
    let (state, name) = unsafe { (state_of(vfs), CStr::from_ptr(name).to_string_lossy()) };
    code(state.lock().unwrap_or_else(PoisonError::into_inner).delete(&name, sync != 0))
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: our VFS, a name that ends with zero, and a place for the answer.
    unsafe {
        let state = state_of(vfs);
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let found = state.find(&CStr::from_ptr(name).to_string_lossy());
        // An empty file is none, as SQLite's own VFS has it.
        let is = found.is_some_and(|inode| flags != ffi::SQLITE_ACCESS_EXISTS || state.size(inode) > 0);
        *out = c_int::from(is);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    bytes: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a name that ends with zero, and `bytes` of room for another.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > size(i64::from(bytes)) {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, bytes: c_int, out: *mut c_char) -> c_int {
    // Only salts of the log and names of temporary files come of it.
    // SAFETY: `bytes` of room.
    unsafe { std::ptr::write_bytes(out, 0x5a, size(i64::from(bytes))) };
    bytes
}

/// No time passes while SQLite waits for a lock: nobody else would let go of it.
unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *out = 2_461_041.5 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *out = 212_633_985_600_000 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the box of `open`, which nobody uses after this.
    let mut handle = unsafe {
        (*file).pMethods = std::ptr::null();
        Box::from_raw((*file.cast::<OpenFile>()).handle)
    };
    let delete = handle.delete.take();
    let mut state = handle.state();
    state.unlock(handle.inode, handle.holder, ffi::SQLITE_LOCK_NONE);
    if handle.shares {
        state.leave_shared(handle.inode, handle.holder);
    }
    if let Some(name) = delete {
        state.unlink(&name);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    bytes: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let bytes = size(i64::from(bytes));
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let mut state = handle.state();
    let there = match state.read(handle.inode, size(at), bytes) {
        Ok(there) => there,
        Err(code) => return code,
    };
    // SAFETY: `bytes` of room, which nobody else has, and no more is written:
    // what is there, and zeros after it.
    unsafe {
        std::ptr::copy_nonoverlapping(there.as_ptr(), into.cast::<u8>(), there.len());
        std::ptr::write_bytes(into.cast::<u8>().add(there.len()), 0, bytes - there.len());
    }
    if there.len() == bytes { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file, and `bytes` to write.
    let (handle, from) =
        unsafe { (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), size(i64::from(bytes)))) };
    code(handle.state().write(handle.inode, size(at), from))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    code(handle.state().truncate(handle.inode, size(to)))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let mut state = handle.state();
    let synced = state.sync(handle.inode);
    // As SQLite's own VFS does it for logs and journals.
    let synced = if handle.new { synced.and_then(|()| state.sync_folder()) } else { synced };
    drop(state);
    if synced.is_ok() {
        handle.new = false;
    }
    code(synced)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file, and a place for the answer.
    unsafe {
        let handle = handle(file);
        *out = i64::try_from(handle.state().size(handle.inode)).unwrap_or(i64::MAX);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    code(handle.state().lock(handle.inode, handle.holder, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    handle.state().unlock(handle.inode, handle.holder, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file, and a place for the answer.
    unsafe {
        let handle = handle(file);
        *out = c_int::from(handle.state().is_reserved(handle.inode));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4_096
}

/// What SQLite's own VFS says of a disk that it knows nothing about.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    number: c_int,
    bytes: c_int,
    make: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file, and a place for the answer.
    unsafe {
        let handle = handle(file);
        if !handle.shares {
            handle.shares = true;
            handle.state().join_shared(handle.inode);
        }
        let (number, bytes) = (size(i64::from(number)), size(i64::from(bytes)));
        let mapped = handle.state().map(handle.inode, number, bytes, make != 0);
        *out = mapped.map_or(std::ptr::null_mut(), <*mut u8>::cast);
        mapped.err().unwrap_or(ffi::SQLITE_OK)
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    from: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let from = size(i64::from(from));
    let slots = from..from.saturating_add(size(i64::from(count)));
    code(handle.state().lock_shared(handle.inode, handle.holder, slots, flags))
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    if std::mem::take(&mut handle.shares) {
        handle.state().leave_shared(handle.inode, handle.holder);
    }
    ffi::SQLITE_OK
}
