//! What a limiter can be asked: each operation in every way that it can be answered.

use ratelog_client_core::{FixedOutcome, Policies, Terms, UnknownPolicy, fallback_decision};
use ratelog_core::{Cost, Mode, Rules};

use super::connection::Connection;
use super::local::Local;
use crate::command::{self, Command};
use crate::{Check, Checks, Decision, Error, Source, script};

/// One thing asked of a limiter.
pub(super) trait Operation: Sync {
    /// What is answered.
    type Answer: Send;

    /// As a command of the module.
    fn command(&self) -> Command<Self::Answer>;

    /// By the script, in a server without the module.
    fn via_script(
        &self,
        wire: &mut Connection,
        policies: &Policies,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    /// In this process.
    ///
    /// # Errors
    /// What it needs is not here: a policy, or the module.
    fn local(&self, local: &Local, policies: &Policies) -> Result<Self::Answer, Error>;

    /// Without looking at any log; `None` if that makes no sense.
    fn outright(&self, _grant: FixedOutcome, _policies: &Policies) -> Option<Self::Answer> {
        None
    }
}

/// A check, or a peek.
pub(super) struct CheckOp<'a> {
    pub(super) key: &'a [u8],
    pub(super) check: Check<'a>,
    pub(super) records: bool,
}

impl Operation for CheckOp<'_> {
    type Answer = Decision;

    fn command(&self) -> Command<Decision> {
        let ask = if self.records { command::check } else { command::peek };
        ask(self.key, self.check)
    }

    async fn via_script(
        &self,
        wire: &mut Connection,
        policies: &Policies,
    ) -> Result<Decision, Error> {
        let terms = known(policies.terms(self.check.under()))?;
        let ask = if self.records { script::check } else { script::peek };
        let check = Check::from(&*terms.rules).cost(self.check.units());
        Ok(script::run(wire, &ask(self.key, check)?).await?.under(terms.mode))
    }

    fn local(&self, local: &Local, policies: &Policies) -> Result<Decision, Error> {
        let terms = known(policies.terms(self.check.under()))?;
        let decide = if self.records { Local::check } else { Local::peek };
        Ok(decide(local, self.key, &terms, self.check.units()))
    }

    fn outright(&self, grant: FixedOutcome, policies: &Policies) -> Option<Decision> {
        Some(outright(grant, policies.terms(self.check.under()), self.check.units()))
    }
}

/// A check of several keys.
pub(super) struct MultiCheckOp<'a>(pub(super) &'a Checks<'a>);

impl MultiCheckOp<'_> {
    fn terms(&self, policies: &Policies) -> Result<Vec<(&[u8], Terms<'_>)>, Error> {
        let of_key = |(key, under)| Ok((key, known(policies.terms_of_one(under))?));
        self.0.keys().map(of_key).collect()
    }
}

impl Operation for MultiCheckOp<'_> {
    type Answer = Vec<Decision>;

    fn command(&self) -> Command<Vec<Decision>> {
        command::mcheck(self.0)
    }

    async fn via_script(
        &self,
        wire: &mut Connection,
        policies: &Policies,
    ) -> Result<Vec<Decision>, Error> {
        let (cost, terms) = (self.0.units(), self.terms(policies)?);
        let decided = match in_force(&terms).as_slice() {
            [] => Vec::new(),
            keys => script::run(wire, &script::mcheck_rules(keys.iter().copied(), cost)).await?,
        };
        let records = decided.iter().all(Decision::allowed);
        let ask = if records { script::check } else { script::peek };
        let mut tried = Vec::new();
        for (key, terms) in terms.iter().filter(|(_, terms)| terms.mode == Mode::Shadow) {
            let check = Check::from(&*terms.rules).cost(cost);
            tried.push(script::run(wire, &ask(key, check)?).await?);
        }
        Ok(in_order(&terms, decided, tried))
    }

    fn local(&self, local: &Local, policies: &Policies) -> Result<Vec<Decision>, Error> {
        let (cost, terms) = (self.0.units(), self.terms(policies)?);
        let decided = local.check_all(&in_force(&terms), cost);
        let records = decided.iter().all(Decision::allowed);
        let decide = if records { Local::check } else { Local::peek };
        let on_trial = terms.iter().filter(|(_, terms)| terms.mode == Mode::Shadow);
        let tried = on_trial.map(|(key, terms)| decide(local, key, terms, cost)).collect();
        Ok(in_order(&terms, decided, tried))
    }

    fn outright(&self, grant: FixedOutcome, policies: &Policies) -> Option<Vec<Decision>> {
        let cost = self.0.units();
        let of_key = |(_, under)| outright(grant, policies.terms_of_one(under), cost);
        Some(self.0.keys().map(of_key).collect())
    }
}

/// The keys whose rules may deny the check. Those on trial deny nothing, so that each is decided by itself.
fn in_force<'a>(terms: &'a [(&'a [u8], Terms<'_>)]) -> Vec<(&'a [u8], &'a Rules)> {
    let in_force = terms.iter().filter(|(_, terms)| terms.mode == Mode::Enforce);
    in_force.map(|(key, terms)| (*key, &*terms.rules)).collect()
}

/// The decisions on the keys in force and on those on trial, in the order of the keys.
fn in_order(
    terms: &[(&[u8], Terms<'_>)],
    decided: Vec<Decision>,
    tried: Vec<Decision>,
) -> Vec<Decision> {
    let (mut decided, mut tried) = (decided.into_iter(), tried.into_iter());
    let of_key = |(_, terms): &(&[u8], Terms<'_>)| match terms.mode {
        Mode::Enforce => decided.next(),
        Mode::Shadow => tried.next().map(|decision| decision.under(Mode::Shadow)),
    };
    terms.iter().filter_map(of_key).collect()
}

/// Taking units back.
pub(super) struct RefundOp<'a> {
    pub(super) key: &'a [u8],
    pub(super) cost: Cost,
}

impl Operation for RefundOp<'_> {
    type Answer = u64;

    fn command(&self) -> Command<u64> {
        command::refund(self.key, self.cost)
    }

    async fn via_script(&self, wire: &mut Connection, _: &Policies) -> Result<u64, Error> {
        script::run(wire, &script::refund(self.key, self.cost)).await
    }

    fn local(&self, local: &Local, _: &Policies) -> Result<u64, Error> {
        Ok(local.refund(self.key, self.cost))
    }
}

/// Forgetting units.
pub(super) struct ResetOp<'a>(pub(super) &'a [u8]);

impl Operation for ResetOp<'_> {
    type Answer = u64;

    fn command(&self) -> Command<u64> {
        command::reset(self.0)
    }

    async fn via_script(&self, wire: &mut Connection, _: &Policies) -> Result<u64, Error> {
        script::run(wire, &script::reset(self.0)).await
    }

    fn local(&self, local: &Local, _: &Policies) -> Result<u64, Error> {
        Ok(local.reset(self.0))
    }
}

/// What only the module has.
pub(super) struct ModuleOnlyOp<T, F: Fn() -> Command<T>> {
    pub(super) name: &'static str,
    pub(super) command: F,
}

impl<T: Send, F: Fn() -> Command<T> + Sync> Operation for ModuleOnlyOp<T, F> {
    type Answer = T;

    fn command(&self) -> Command<T> {
        (self.command)()
    }

    async fn via_script(&self, _: &mut Connection, _: &Policies) -> Result<T, Error> {
        Err(Error::NeedsModule(self.name))
    }

    fn local(&self, _: &Local, _: &Policies) -> Result<T, Error> {
        Err(Error::NeedsModule(self.name))
    }
}

/// A decision without a log, by the rules that are known.
fn outright<E>(grant: FixedOutcome, terms: Result<Terms<'_>, E>, cost: Cost) -> Decision {
    let terms = terms.ok();
    let rules = terms.as_ref().map(|terms| &*terms.rules);
    Decision::new(fallback_decision(grant, rules, cost), Source::Fallback)
}

fn known<T>(terms: Result<T, UnknownPolicy>) -> Result<T, Error> {
    terms.map_err(|unknown| Error::NoPolicy(format!("NOPOLICY {unknown}")))
}
