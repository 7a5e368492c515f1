//! Accounts of this machine, locked with `usermod`.
//!
//! The files are never written here: `usermod` takes their locks, keeps their
//! backups and tells the caches. But its exit code is not believed, since it
//! is 0 also when an unlock was refused: `/etc/shadow` is read again.

mod sessions;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::user::UserName;

use super::no_such_user;
use super::shadow::{self, Password, State};
use super::vectors::{self, Opened, System};
use crate::held::{self, Gone};
use crate::process::{By, Caps, Exit, Launch, Program, Unfit};
use crate::refusal::Refusal;

pub use sessions::Processes;

/// The day on which a locked account has expired, in days since 1970.
const EXPIRED: i64 = 1;
/// Where Linux has its system programs.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// The C library waits 15 s for another program that holds the files
/// (lckpwdf(3)); then the program has given up by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Locks and restores accounts in `/etc/passwd` and `/etc/shadow`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;

#[async_trait]
impl held::Backend for Linux {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let state = state(&parsed(target)?)?;
        serde_json::to_string(&state).map_err(|e| Refusal::failed(format!("{target}: {e}")))
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let user = parsed(target)?;
        if is_locked(state(&user)?) {
            return Ok(false);
        }
        run(&vectors::lock(System::Linux, &user)).await?;
        if is_locked(state(&user)?) {
            return Ok(true);
        }
        Err(Refusal::failed(format!(
            "usermod said that it had locked {user}, and /etc/shadow shows that it has not: lock it by hand"
        )))
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        let user = parsed(target)?;
        let prior: State = serde_json::from_str(prior).map_err(|e| {
            Refusal::failed(format!("what was recorded of {user} cannot be read ({e}): unlock it by hand"))
        })?;
        let now = match state(&user) {
            Ok(now) => now,
            Err(gone) if gone.kind == "no-key" => {
                tracing::info!(%user, "the account is gone: there is nothing to restore");
                return Ok(());
            }
            Err(refusal) => return Err(refusal),
        };
        let (password, expires) = differs(now, prior);
        if password.is_some() || expires.is_some() {
            run(&vectors::restore(&user, password, expires)).await?;
        }
        let mut now = state(&user)?;
        if let Some(day) = moved(now, prior) {
            run(&vectors::changed(&user, day)).await?;
            now = state(&user)?;
        }
        if differs(now, prior) == (None, None) && moved(now, prior).is_none() {
            return Ok(());
        }
        Err(Refusal::unavailable(format!(
            "usermod said that it had restored {user}, and /etc/shadow shows that it has not: tried again"
        )))
    }

    /// A lock that somebody has lifted. No account carries a mark: an
    /// administrator locks in the same way.
    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        if claimed.is_empty() {
            return Ok(Gone::default());
        }
        let (passwd, shadow) = (read("/etc/passwd")?, read("/etc/shadow")?);
        let open = |user: &&String| {
            // An account that is gone is not locked again.
            shadow::account(&passwd, user).is_some()
                && shadow::state(&shadow, user).is_some_and(|state| !is_locked(state))
        };
        Ok(Gone { missing: claimed.iter().filter(open).cloned().collect(), ..Gone::default() })
    }

    async fn probe(&self) -> Result<(), Refusal> {
        program("usermod")?;
        program("chage").map(drop)
    }
}

fn is_locked(state: State) -> bool {
    matches!(state.password, Password::Locked | Password::Sealed) && state.expires == Some(EXPIRED)
}

/// What is still as the lock left it and was not so before. What somebody has
/// changed since is theirs: a password set anew, another expiry.
fn differs(now: State, prior: State) -> (Option<Opened>, Option<Option<i64>>) {
    let password = match (prior.password, now.password) {
        (Password::Open, Password::Locked) => Some(Opened::Unlocked),
        (Password::Empty, Password::Sealed) => Some(Opened::Emptied),
        _ => None,
    };
    let expires = (now.expires == Some(EXPIRED) && prior.expires != now.expires).then_some(prior.expires);
    (password, expires)
}

/// The day of the last change, when emptying the password has moved it.
fn moved(now: State, prior: State) -> Option<i64> {
    let emptied = (prior.password, now.password) == (Password::Empty, Password::Empty);
    prior.changed.filter(|_| emptied && prior.changed != now.changed)
}

fn state(user: &UserName) -> Result<State, Refusal> {
    if shadow::account(&read("/etc/passwd")?, user.as_str()).is_none() {
        return Err(no_such_user(user.as_str()));
    }
    shadow::state(&read("/etc/shadow")?, user.as_str()).ok_or_else(|| {
        Refusal::unsupported(format!(
            "/etc/shadow has no usable entry for {user}, so its state could not be restored: pwconv makes one"
        ))
    })
}

#[expect(clippy::disallowed_methods, reason = "this module owns the capability of acting on accounts")]
fn read(path: &str) -> Result<String, Refusal> {
    // Lines of other users may hold anything; what is no UTF-8 is no user of ours.
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) => Err(Refusal::unavailable(format!("{path} cannot be read: {e}")).for_good()),
    }
}

/// A recorded target is a user name; one from another version may not be.
fn parsed(target: &str) -> Result<UserName, Refusal> {
    target.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))
}

/// Runs a vector to its end.
async fn run(vector: &[String]) -> Result<(), Refusal> {
    let Some((name, arguments)) = vector.split_first() else { return Ok(()) };
    let program = program(name)?;
    let caps = Caps { run: PATIENCE, ..Caps::default() };
    let launch = Launch { program: &program, arguments, root: Path::new("/"), caps };
    let ended = launch.run(Vec::new()).await.map_err(|e| Refusal::unavailable(e.to_string()))?;
    match (ended.exit, ended.by) {
        (Exit::Code(0), By::Itself) => Ok(()),
        // useradd(8) and usermod(8): 1 is "can't update password file", which
        // for chage(1) is "permission denied": the files are locked, or busy.
        (Exit::Code(1), By::Itself) | (_, By::Deadline | By::Engine) => Err(Refusal::unavailable(format!(
            "the account files could not be changed now ({name}: {ended}): another program may hold them; \
             if none does, remove a stale /etc/passwd.lock or /etc/shadow.lock"
        ))),
        _ => Err(Refusal::failed(format!("{name} failed: {ended}"))),
    }
}

fn program(name: &str) -> Result<Program, Refusal> {
    for folder in FOLDERS {
        match Program::at(&Path::new(folder).join(name)) {
            Ok(program) => return Ok(program),
            Err(Unfit::Missing { .. }) => {}
            Err(unfit) => return Err(Refusal::unavailable(unfit.to_string()).for_good()),
        }
    }
    Err(Refusal::unsupported(format!(
        "accounts cannot be locked without {name}: install it (Debian: passwd, Fedora: shadow-utils, Alpine: shadow)"
    )))
}

#[cfg(test)]
mod tests;
