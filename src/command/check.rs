use super::commit::commit;
use super::rules::{count, effect_of, evaluate, resolve};
use super::{CHECK_ARGS, reply};
use crate::config;
use crate::error::Error;
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
        tips: Some(c"nondeterministic_output"),
        summary: c"Checks a key against its rules and records the units if the check is allowed.",
        complexity: c"O(R*log(N)) for R rules and N units in the log; commonly O(R).",
        args: CHECK_ARGS,
        ..Spec::COMMON
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (name, args) = args.split_key().ok_or(Error::Arity)?;
        let request = request::Check::parse(args, &config::bounds())?;
        let rules = resolve(ctx, &request.rules)?;
        let mut key = WriteKey::open(ctx, name)?;
        let now = ctx.now();

        let evaluation = evaluate(&rules, &mut key, now, request.cost.units());
        if let Some(effect) = effect_of(&evaluation, &mut key, now, request.cost) {
            commit(&effect, &mut key)?;
        }
        count(&rules, &mut key, &evaluation, now);
        reply::decision(ctx, &evaluation.recorded_decision());
        Ok(())
    }
}
