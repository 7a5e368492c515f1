//! The calls of the WIT interface `routes`.

use riposte_policy::address::Prefix;
use riposte_policy::grant::RouteGrant;

use crate::confirm::Confirmation;
use crate::guard::{Guard, Verdict};
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The calls of the WIT interface `routes`. Made by
/// [`crate::Capabilities::routes`] for one call each.
#[derive(Clone, Copy)]
pub struct Routes<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
    confirmation: Confirmation<'a>,
}

impl<'a> Routes<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard, confirmation: Confirmation<'a>) -> Self {
        Self { holding, guard, confirmation }
    }

    /// Lets packets to `address`, an address or a network, go nowhere for as
    /// long as the session's entry holds it. `false`: they did already.
    ///
    /// # Errors
    ///
    /// `invalid-input` for another spelling, `denied` by phase, grant or guard,
    /// else what the claim or the route stands on. After a failure of the
    /// backend the claim stands: the entry's undo releases it. `failed` when a
    /// network was named, what the grant wants confirmed did not answer, and the
    /// route was taken back.
    pub async fn blackhole(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.blackhole")?;
        let grant = granted(session)?;
        let prefix = parsed(address)?;
        within(grant, prefix)?;
        match self.guard.judge(prefix) {
            Verdict::Pass => {}
            Verdict::Never { rule, detail } => {
                return Err(Refusal::denied(format!("{prefix} is never cut off: {detail} (guard: {rule})")));
            }
        }
        let changed = self.holding.hold(session, prefix.to_string()).await?;
        if prefix.single().is_none() {
            let target = prefix.to_string();
            self.confirmation.held(self.holding, session, "routes.blackhole", target, &grant.confirm).await?;
        }
        Ok(changed)
    }

    /// Ends what [`Routes::blackhole`] began. `false`: this response did not
    /// hold it. Guard and width are not asked: only a claim of this entry goes.
    ///
    /// # Errors
    ///
    /// As for [`Routes::blackhole`].
    pub async fn restore(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.restore")?;
        granted(session)?;
        self.holding.let_go(session, parsed(address)?.to_string()).await
    }

    /// Whether packets to `address` go nowhere on behalf of a response: to it,
    /// or to a network around it that this grant could name.
    ///
    /// # Errors
    ///
    /// `invalid-input` for another spelling, `denied` by phase or grant.
    pub async fn blackholed(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.blackholed")?;
        let grant = granted(session)?;
        let prefix = parsed(address)?;
        let mut around = (widest(grant, prefix).1..=prefix.length())
            .filter_map(|length| Prefix::new(prefix.network(), length));
        Ok(around.any(|wider| self.holding.holds(session, wider.to_string()))
            || self.holding.holds(session, prefix.to_string()))
    }
}

fn granted(session: &Session) -> Result<&RouteGrant, Refusal> {
    session.grants.routes.as_ref().ok_or_else(|| {
        Refusal::denied(
            "the command has no <route/> grant: add it to its <capabilities> to allow routes to nowhere",
        )
    })
}

fn parsed(address: &str) -> Result<Prefix, Refusal> {
    address.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))
}

/// The attribute that limits this family, and the fewest leading bits that it
/// allows.
fn widest(grant: &RouteGrant, prefix: Prefix) -> (&'static str, u8) {
    if prefix.network().ip().is_ipv4() { ("widest4", grant.widest4) } else { ("widest6", grant.widest6) }
}

fn within(grant: &RouteGrant, prefix: Prefix) -> Result<(), Refusal> {
    let (attribute, widest) = widest(grant, prefix);
    if prefix.length() >= widest {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "{prefix} is broader than the command's <route {attribute}=\"{widest}\"/> grant allows"
    )))
}
