//! Secrets in files, and the credentials of the service manager.

use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use riposte_policy::diagnostic::shown;
use riposte_policy::grant::SecretSource;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::{Backend, Secret};
use crate::path::HostPath;
use crate::place::{Links, blocking, errno, is_ours, open_folder, refused};
use crate::refusal::Refusal;

/// Longest secret, in bytes.
const LONGEST: u64 = 64 << 10;

/// The files of this host, and the folder of credentials if there is one.
#[derive(Clone, Debug)]
pub struct Files {
    credentials: Option<PathBuf>,
}

impl Files {
    /// With the credentials in `credentials`.
    #[must_use]
    pub fn new(credentials: Option<PathBuf>) -> Self {
        Self { credentials }
    }

    /// With the credentials that systemd set out for this service
    /// (`LoadCredential=`, systemd.exec(5)). Asked once, at the start.
    #[must_use]
    pub fn of_this_service() -> Self {
        Self::new(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))
    }

    fn credential(&self, name: &str) -> Result<(PathBuf, Reach), Refusal> {
        let plain =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if name.is_empty() || !plain || name.starts_with('.') {
            return Err(Refusal::failed(format!("{} cannot be the name of a credential", shown(name))));
        }
        let folder = self.credentials.as_ref().ok_or_else(|| {
            Refusal::failed(format!(
                "the engine has no credentials: start it as a service with LoadCredential={name}:/PATH, or grant the secret with file=\"/PATH\""
            ))
        })?;
        Ok((folder.join(name), Reach::Folder))
    }
}

/// Who may be able to read a secret besides the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nobody: not its group and no other.
    Nobody,
    /// Whoever reaches the folder; systemd shows the engine's own right to
    /// read, when it is not root, as one of the group (an access list).
    Folder,
}

#[async_trait]
impl Backend for Files {
    async fn read(&self, source: &SecretSource) -> Result<Secret, Refusal> {
        let (path, reach) = match source {
            SecretSource::File(path) => (path.clone(), Reach::Nobody),
            SecretSource::Credential(name) => self.credential(name)?,
        };
        blocking(move || read(&path, reach)).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

fn read(path: &Path, reach: Reach) -> Result<Secret, Refusal> {
    let path = HostPath::parse(&path.to_string_lossy())?;
    let failed = |doing: &str, errno| refused(path.as_path(), doing, errno);
    let folder =
        open_folder(path.folder(), Links::Ours).map_err(|errno| failed("reach the secret", errno))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(&folder, path.name(), flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            return Err(Refusal::failed(format!(
                "there is no secret at {path}: write it there, with mode 600"
            )));
        }
        file => file.map_err(|errno| failed("open the secret", errno))?,
    };
    let found = fstat(&file).map_err(|errno| failed("look at the secret", errno))?;
    let unfit = |why: String| Err(Refusal::failed(format!("the secret {path} is not read: {why}")));
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return unfit("it is no regular file".to_owned());
    }
    if !is_ours(&found) {
        return unfit(format!("it belongs to another user, who can change it; run: chown root {path}"));
    }
    let others = match reach {
        Reach::Nobody => 0o077,
        Reach::Folder => 0o027,
    };
    if found.st_mode & others != 0 {
        return unfit(format!("others can read or change it; run: chmod 600 {path}, and replace the value"));
    }
    let mut bytes = Vec::new();
    let mut limited = std::fs::File::from(file).take(LONGEST + 1);
    limited.read_to_end(&mut bytes).map_err(|error| failed("read the secret", errno(&error)))?;
    if bytes.len() as u64 > LONGEST {
        return unfit("it is longer than 64 KiB".to_owned());
    }
    // The bytes of a text that is none are in no message either.
    let Ok(mut value) = String::from_utf8(bytes) else { return unfit("it is no UTF-8 text".to_owned()) };
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    if value.is_empty() {
        return unfit("it is empty".to_owned());
    }
    Ok(Secret::new(value))
}
