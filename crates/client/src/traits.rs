//! The commands as methods of connections: one list, of which both traits are made.

use ratelog_core::{Cost, Policy, PolicyName};

use crate::command::{
    self, Command, Hit, Inspection, ListedOverride, Override, Ranked, Ranking, Stats,
};
use crate::{Check, Checks, Decision, Error};

macro_rules! commands {
    ($(
        $(#[$text:meta])*
        fn $name:ident $(<$life:lifetime>)? ($($word:ident: $kind:ty),*) -> $answer:ty = $command:expr;
    )*) => {
        /// The module's commands, on the blocking connections of the [`redis`] crate.
        ///
        /// On a cluster connection a command goes to the shard of its key, and what every shard must know (policies)
        /// or tells for itself (statistics) to each of them.
        ///
        /// # Errors
        /// Every method: [`Error::Redis`] if the server cannot be reached or refuses the command, and
        /// [`Error::Reply`] if its answer is not the module's. Those under a policy: [`Error::NoPolicy`].
        pub trait Commands {
            /// Runs a command.
            ///
            /// # Errors
            /// As of every method here.
            fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error>;

            $(
                $(#[$text])*
                ///
                /// # Errors
                /// As of every method here.
                fn $name $(<$life>)? (&mut self, $($word: $kind),*) -> Result<$answer, Error> {
                    self.rl_query(&$command)
                }
            )*
        }

        /// The module's commands, on the asynchronous connections of the [`redis`] crate.
        ///
        /// On a cluster connection a command goes to the shard of its key, and what every shard must know (policies)
        /// or tells for itself (statistics) to each of them.
        ///
        /// # Errors
        /// Every method: [`Error::Redis`] if the server cannot be reached or refuses the command, and
        /// [`Error::Reply`] if its answer is not the module's. Those under a policy: [`Error::NoPolicy`].
        #[cfg(feature = "aio")]
        pub trait AsyncCommands: Send {
            /// Runs a command.
            ///
            /// # Errors
            /// As of every method here.
            fn rl_query<T: Send>(
                &mut self,
                command: &Command<T>,
            ) -> impl Future<Output = Result<T, Error>> + Send;

            $(
                $(#[$text])*
                ///
                /// # Errors
                /// As of every method here.
                fn $name $(<$life>)? (
                    &mut self,
                    $($word: $kind),*
                ) -> impl Future<Output = Result<$answer, Error>> + Send {
                    let command = $command;
                    async move { self.rl_query(&command).await }
                }
            )*
        }
    };
}

commands! {
    /// Decides whether `key` may use the units of `check` now; they are recorded if it may.
    fn rl_check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision =
        command::check(key, check);

    /// Decides a check of one unit under the policy that the server keeps by that name.
    fn rl_check_policy(key: impl AsRef<[u8]>, policy: &PolicyName) -> Decision =
        command::check(key, policy);

    /// The decision that [`Self::rl_check`] would come to, recording nothing.
    fn rl_peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision =
        command::peek(key, check);

    /// Decides one check of several keys, all or nothing: a decision for each key, in their order.
    fn rl_mcheck(checks: &Checks<'_>) -> Vec<Decision> = command::mcheck(checks);

    /// Takes the newest units back, as many as `cost`. Answers how many there were to take.
    fn rl_refund(key: impl AsRef<[u8]>, cost: Cost) -> u64 = command::refund(key, cost);

    /// Forgets the key's units; an override stays. Answers how many there were.
    fn rl_reset(key: impl AsRef<[u8]>) -> u64 = command::reset(key);

    /// What the key holds; `None` if it holds nothing.
    fn rl_inspect(key: impl AsRef<[u8]>) -> Option<Inspection> = command::inspect(key);

    /// When the key's units were recorded, newest first.
    fn rl_hits(key: impl AsRef<[u8]>) -> Vec<Hit> = command::hits(key);

    /// When the newest units were recorded: at most `count` instants.
    fn rl_newest_hits(key: impl AsRef<[u8]>, count: u32) -> Vec<Hit> =
        command::newest_hits(key, count);

    /// Keeps rules by a name, for all callers at once; on every shard of a cluster.
    fn rl_set_policy(name: &PolicyName, policy: &Policy) -> () = command::set_policy(name, policy);

    /// The policy of that name, if there is one.
    fn rl_get_policy(name: &PolicyName) -> Option<Policy> = command::get_policy(name);

    /// Forgets the policy, on every shard of a cluster. Answers whether there was one.
    fn rl_del_policy(name: &PolicyName) -> bool = command::del_policy(name);

    /// The names of all policies, in the order of their bytes.
    fn rl_list_policies() -> Vec<PolicyName> = command::list_policies();

    /// All policies as JSON.
    fn rl_export_policies() -> String = command::export_policies();

    /// Replaces all policies by those in the JSON text; all of them or none.
    fn rl_import_policies(json: &str) -> () = command::import_policies(json);

    /// Puts an override on the key, in place of one it has.
    fn rl_set_override(key: impl AsRef<[u8]>, put: &Override) -> () =
        command::set_override(key, put);

    /// What an operator put on the key, if it still holds.
    fn rl_get_override(key: impl AsRef<[u8]>) -> Option<Override> = command::get_override(key);

    /// Takes the override away. Answers whether one held.
    fn rl_del_override(key: impl AsRef<[u8]>) -> bool = command::del_override(key);

    /// The overrides that hold: all, or the first `count` of each node.
    fn rl_list_overrides(count: Option<u32>) -> Vec<ListedOverride> = command::list_overrides(count);

    /// How the server's checks ended, or those of all primaries of a cluster together.
    fn rl_stats() -> Stats = command::stats();

    /// The same, and begins at zero.
    fn rl_reset_stats() -> Stats = command::reset_stats();

    /// The keys that most checks of these minutes ask about, heaviest first: at most `count` of each node.
    fn rl_top(ranking: Ranking, count: u32) -> Vec<Ranked> = command::top(ranking, count);
}
