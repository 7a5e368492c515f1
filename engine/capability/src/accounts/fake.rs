//! Accounts that are only remembered, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use riposte_policy::user::UserName;

use super::{Account, Sessions, no_such_user};
use crate::held;
use crate::refusal::Refusal;

/// The backend for tests: both of [`held::Backend`] and [`Sessions`].
#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, (u32, Lock)>,
    done: Vec<String>,
    refusal: Option<Refusal>,
}

/// Whether an account is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Whoever may, logs in.
    Open,
    /// Nobody does.
    Locked,
}

impl Fake {
    /// A host with these accounts, by number, all open.
    #[must_use]
    pub fn new(accounts: &[(&str, u32)]) -> Self {
        let fake = Self::default();
        let known = accounts.iter().map(|(name, uid)| ((*name).to_owned(), (*uid, Lock::Open)));
        fake.state().accounts.extend(known);
        fake
    }

    /// Locks or opens an account as an administrator would; `None`: it is gone.
    pub fn set(&self, user: &str, lock: Option<Lock>) {
        let mut state = self.state();
        match lock {
            Some(lock) => state.accounts.entry(user.to_owned()).or_insert((1000, lock)).1 = lock,
            None => drop(state.accounts.remove(user)),
        }
    }

    /// What is locked now, in alphabetical order.
    #[must_use]
    pub fn locked(&self) -> Vec<String> {
        let state = self.state();
        let locked = state.accounts.iter().filter(|(_, (_, lock))| *lock == Lock::Locked);
        locked.map(|(name, _)| name.clone()).collect()
    }

    /// What was done, in order: `lock alice`, `restore alice`, `end 1500`.
    #[must_use]
    pub fn done(&self) -> Vec<String> {
        self.state().done.clone()
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn willing(&self) -> Result<MutexGuard<'_, State>, Refusal> {
        let state = self.state();
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state),
        }
    }
}

#[async_trait]
impl held::Backend for Fake {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let state = self.willing()?;
        let (_, lock) = state.accounts.get(target).ok_or_else(|| no_such_user(target))?;
        Ok(if *lock == Lock::Locked { "locked" } else { "open" }.to_owned())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let mut state = self.willing()?;
        let (_, lock) = state.accounts.get_mut(target).ok_or_else(|| no_such_user(target))?;
        let was = std::mem::replace(lock, Lock::Locked);
        state.done.push(format!("lock {target}"));
        Ok(was == Lock::Open)
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        let mut state = self.willing()?;
        state.done.push(format!("restore {target}"));
        if let Some((_, lock)) = state.accounts.get_mut(target).filter(|_| prior == "open") {
            *lock = Lock::Open;
        }
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.willing().map(drop)
    }
}

#[async_trait]
impl Sessions for Fake {
    async fn account(&self, user: &UserName) -> Result<Account, Refusal> {
        let state = self.willing()?;
        let (uid, _) = state.accounts.get(user.as_str()).ok_or_else(|| no_such_user(user.as_str()))?;
        let names = state.accounts.iter().filter(|(_, (other, _))| other == uid);
        Ok(Account { uid: *uid, names: names.filter_map(|(name, _)| name.parse().ok()).collect() })
    }

    async fn end(&self, uid: u32) -> Result<u32, Refusal> {
        self.willing()?.done.push(format!("end {uid}"));
        Ok(1)
    }
}
