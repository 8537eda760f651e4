use super::CHECK_ARGS;
use super::rules::{count, effect_of, evaluate, resolve};
use crate::config;
use crate::error::Error;
use crate::reply;
use crate::request;
use crate::server::{Args, Command, Context, KeyAccess, Keys, Spec, WriteKey};

/// `RL.CHECK key limit window [limit window ...]|POLICY name [COST n]`
pub struct Check;

impl Command for Check {
    const SPEC: Spec = Spec {
        name: c"RL.CHECK",
        flags: c"write fast",
        acl_categories: c"ratelog write fast",
        arity: -4,
        keys: Keys::First(KeyAccess::Update),
        summary:
            c"Decides whether a key may use more units under its rules, and records them if it may.",
        complexity: c"O(R*log(N)) for R rules and N units in the log; commonly O(R).",
        args: CHECK_ARGS,
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Check::parse(args, &config::bounds())?;
        let rules = resolve(ctx, &request.source)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let evaluation = evaluate(&rules, &mut key, now, request.cost.units());
        if let Some(effect) = effect_of(&evaluation, &mut key, now, request.cost) {
            effect.commit(&mut key)?;
        }
        count(&rules, &mut key, &evaluation, now);
        reply::decision(ctx, &evaluation.recorded_decision());
        Ok(())
    }
}
