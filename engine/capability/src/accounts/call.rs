//! The calls of the WIT interface `accounts`.

use riposte_policy::config::Mode;
use riposte_policy::grant::{self, AccountGrant};
use riposte_policy::user::UserName;
use tokio::sync::Mutex;

use super::{INTERFACE, Sessions};
use crate::claim::Effect;
use crate::guard::{Guard, Verdict};
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// The calls of the WIT interface `accounts`. Made by
/// [`crate::Capabilities::accounts`] for one call each.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    holding: Holding<'a>,
    sessions: &'a dyn Sessions,
    guard: &'a Guard,
    locking: &'a Mutex<()>,
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(
        holding: Holding<'a>,
        sessions: &'a dyn Sessions,
        guard: &'a Guard,
        locking: &'a Mutex<()>,
    ) -> Self {
        Self { holding, sessions, guard, locking }
    }

    /// Lets nobody log in as this user, for as long as the session's entry
    /// holds it. `false`: a response, or somebody else, had locked it.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no user name, `no-key` for a user that is
    /// not there, `denied` by phase, grant or guard, `unavailable` when the
    /// claim or the lock could not be made now.
    pub async fn lock(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.lock")?;
        let grant = granted(session)?;
        let user = parsed(user)?;
        within(grant, &user)?;
        // One after the other: two that are judged at once could each be the
        // administrator who is left when the other is locked.
        let _one = self.locking.lock().await;
        self.guarded(&user)?;
        if session.mode == Mode::Shadow {
            // Nothing is changed by looking, and who is not there is not locked.
            session.seen(self.holding.backend.prior(user.as_str()).await.map(drop), ())?;
        }
        self.holding.hold(session, user.as_str().to_owned()).await
    }

    /// Restores the account as it was before the first lock. `false`: this
    /// entry did not hold it. Neither the users of the grant nor the guard are
    /// asked: only a claim of this entry can go.
    ///
    /// # Errors
    ///
    /// As for [`Accounts::lock`].
    pub async fn unlock(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.unlock")?;
        granted(session)?;
        self.holding.let_go(session, parsed(user)?.as_str().to_owned()).await
    }

    /// Whether a response holds this account locked.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no user name, `denied` by phase or grant.
    pub async fn locked(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.locked")?;
        granted(session)?;
        Ok(self.holding.holds(session, parsed(user)?.as_str().to_owned()))
    }

    /// Ends what the user runs; how many processes were told to end, of which
    /// shadow counts none.
    ///
    /// # Errors
    ///
    /// As for [`Accounts::lock`]; also `denied` when the number of the account
    /// is that of somebody whom the guard protects.
    pub async fn end_sessions(&self, session: &Session, user: &str) -> Result<u32, Refusal> {
        session.effects_allowed("accounts.end-sessions")?;
        let grant = granted(session)?;
        let user = parsed(user)?;
        within(grant, &user)?;
        if grant.sessions != grant::Sessions::End {
            return Err(Refusal::denied(format!(
                "the command's <account/> grant does not let it end the sessions of {user}: \
                 add sessions=\"end\" to it"
            )));
        }
        self.guarded(&user)?;
        let account = session.seen(self.sessions.account(&user).await.map(Some), None)?;
        // Two names of one number share their processes.
        account.iter().flat_map(|account| &account.names).try_for_each(|name| self.guarded(name))?;
        if session.mode == Mode::Shadow {
            let effect = Effect { interface: INTERFACE, target: format!("end-sessions {user}") };
            session.record.note(WouldBe::Done(effect));
            return Ok(0);
        }
        match account {
            Some(account) => self.sessions.end(account.uid).await,
            None => Ok(0),
        }
    }

    fn guarded(&self, user: &UserName) -> Result<(), Refusal> {
        match self.guard.judge_user(user) {
            Verdict::Pass => Ok(()),
            Verdict::Never { rule, detail } => {
                Err(Refusal::denied(format!("{user} is never acted against: {detail} (guard: {rule})")))
            }
        }
    }
}

fn granted(session: &Session) -> Result<&AccountGrant, Refusal> {
    session.grants.accounts.as_ref().ok_or_else(|| {
        Refusal::denied(
            "the command has no <account/> grant: add <account users=\"*\"/> to its <capabilities> to allow \
             locking accounts",
        )
    })
}

fn parsed(user: &str) -> Result<UserName, Refusal> {
    user.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))
}

fn within(grant: &AccountGrant, user: &UserName) -> Result<(), Refusal> {
    let fits = |patterns: &[grant::Pattern]| patterns.iter().any(|pattern| pattern.matches(user.as_str()));
    if fits(&grant.except) {
        return Err(Refusal::denied(format!("the command's <account/> grant excepts {user}")));
    }
    if fits(&grant.users) {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "the command's <account/> grant does not name {user}: add it to its users=\"\" to allow it"
    )))
}
