//! Alerts and reasons are nobody else's business, and nobody else may say what is
//! in force.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::cannot_open;
use crate::error::LedgerError;

/// Makes the file at `path`, empty where there is none, and keeps it from
/// everybody else. SQLite gives its log files the mode of the database.
///
/// # Errors
///
/// When it cannot be made, or is somebody else's: whoever owns a file can write
/// to it whatever its mode.
#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
pub(super) fn make(path: &Path) -> Result<(), LedgerError> {
    let strange = |detail: String| LedgerError::CannotOpen { path: path.to_owned(), detail };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // SQLite would put its log beside what a link leads to, and this beside the link.
    options.custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0));
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => strange(
            "it is a symbolic link; move the file here, or have its folder be where the link leads"
                .to_owned(),
        ),
        _ => cannot_open(path, &error),
    })?;
    let found = file.metadata().map_err(|error| cannot_open(path, &error))?;
    if let Some(detail) = whose(found.uid(), rustix::process::geteuid().as_raw()) {
        return Err(strange(detail));
    }
    if found.permissions().mode() & 0o777 == 0o600 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| cannot_open(path, &error))
}

/// Why a file of this owner is not this user's to trust.
fn whose(owner: u32, own: u32) -> Option<String> {
    let trusted = owner == own || owner == 0;
    (!trusted).then(|| {
        format!(
            "it belongs to user {owner}, who could change it; look at it, and if it is yours, give it to user {own} \
             with chown"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_read_it_nor_say_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
        make(&path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        make(&path).unwrap();
        assert_eq!(mode(), 0o600, "one that anybody could read");
        assert_eq!(whose(0, 1_000), None);
        assert_eq!(whose(1_000, 1_000), None);
        assert!(whose(1_000, 0).is_some_and(|why| why.contains("user 1000") && why.contains("chown")));
        assert!(whose(1_001, 1_000).is_some());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1_234), None).unwrap();
            let refused = make(&path).unwrap_err().to_string();
            assert!(refused.contains("user 1234"), "{refused}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        let refused = make(&path).unwrap_err().to_string();
        assert!(refused.contains("symbolic link"), "{refused}");
        assert!(!folder.path().join("elsewhere").exists());
    }
}
