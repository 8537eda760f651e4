use ratelog_core::{Log, decide};

use super::RULES_AND_COST;
use crate::effect::Effect;
use crate::error::Error;
use crate::reply;
use crate::request::{self, Bounds};
use crate::server::{Args, Command, Context, KeyAccess, Spec, WriteKey};

/// `RL.CHECK key limit window [limit window ...] [COST n]`
pub struct Check;

impl Command for Check {
    const SPEC: Spec = Spec {
        name: c"RL.CHECK",
        flags: c"write fast",
        acl_categories: c"ratelog write fast",
        arity: -4,
        access: KeyAccess::Update,
        summary:
            c"Decides whether a key may use more units under its rules, and records them if it may.",
        complexity: c"O(R*log(N)) for R rules and N units in the log; commonly O(R).",
        args: RULES_AND_COST,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Check::parse(args, &Bounds::default())?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let mut none = Log::new();
        let log = key.value().map_or(&mut none, |value| &mut value.log);
        let decision = decide(log, now, &request.rules, request.cost);
        let effect = if decision.allowed {
            let window = request.rules.longest_window();
            Some(Effect::Record { instant: now, cost: request.cost, window })
        } else {
            log.is_ahead_of(now).then_some(Effect::Shift { instant: now })
        };
        if let Some(effect) = effect {
            effect.commit(&mut key)?;
        }
        reply::decision(ctx, &decision);
        Ok(())
    }
}
