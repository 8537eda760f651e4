//! The commands as methods of connections. One list makes both traits.

use ratelog_core::{Cost, Policy, PolicyName};

use crate::command::{
    self, Command, Explanation, Hit, HitsOptions, Inspection, ListOptions, ListedOverride,
    Override, OverrideCursor, OverridePage, Ranked, Ranking, Stats,
};
use crate::{Check, Checks, Decision, Decisions, Error};

macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        fn $name:ident $(<$life:lifetime>)? ($($argument:ident: $type:ty),*) -> $output:ty = $command:expr;
    )*) => {
        /// The module's commands, on the blocking connections of the [`redis`] crate.
        ///
        /// A cluster connection sends a command to the shard of its key. It sends changes of policies to every shard,
        /// and collects statistics from all of them.
        ///
        /// # Errors
        /// Every method returns [`Error::Redis`] if the server rejects the command or cannot be reached, and
        /// [`Error::Reply`] if the reply is not the module's. A method that takes a policy's name returns
        /// [`Error::NoPolicy`] if no policy has it.
        pub trait Commands {
            /// Runs a command.
            ///
            /// # Errors
            /// See the trait.
            fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error>;

            /// All overrides of the server, or of all primaries of a cluster: every page, node by node. Those that are
            /// set, or whose key is renamed or moved, while this reads the pages may be missing or listed twice.
            ///
            /// # Errors
            /// See the trait.
            fn rl_list_overrides(
                &mut self,
                options: &ListOptions,
            ) -> Result<Vec<ListedOverride>, Error> {
                let mut all = Vec::new();
                for first in self.rl_override_pages(options)? {
                    let mut page = first;
                    all.append(&mut page.overrides);
                    while let Some(cursor) = page.next {
                        page = self.rl_next_override_page(&cursor, options)?;
                        all.append(&mut page.overrides);
                    }
                }
                Ok(all)
            }

            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See the trait.
                fn $name $(<$life>)? (&mut self, $($argument: $type),*) -> Result<$output, Error> {
                    self.rl_query(&$command)
                }
            )*
        }

        /// The module's commands, on the asynchronous connections of the [`redis`] crate.
        ///
        /// A cluster connection sends a command to the shard of its key. It sends changes of policies to every shard,
        /// and collects statistics from all of them.
        ///
        /// # Errors
        /// Every method returns [`Error::Redis`] if the server rejects the command or cannot be reached, and
        /// [`Error::Reply`] if the reply is not the module's. A method that takes a policy's name returns
        /// [`Error::NoPolicy`] if no policy has it.
        #[cfg(feature = "aio")]
        pub trait AsyncCommands: Send {
            /// Runs a command.
            ///
            /// # Errors
            /// See the trait.
            fn rl_query<T: Send>(
                &mut self,
                command: &Command<T>,
            ) -> impl Future<Output = Result<T, Error>> + Send;

            /// All overrides of the server, or of all primaries of a cluster: every page, node by node. Those that are
            /// set, or whose key is renamed or moved, while this reads the pages may be missing or listed twice.
            ///
            /// # Errors
            /// See the trait.
            fn rl_list_overrides(
                &mut self,
                options: &ListOptions,
            ) -> impl Future<Output = Result<Vec<ListedOverride>, Error>> + Send {
                async move {
                    let mut all = Vec::new();
                    for first in self.rl_override_pages(options).await? {
                        let mut page = first;
                        all.append(&mut page.overrides);
                        while let Some(cursor) = page.next {
                            page = self.rl_next_override_page(&cursor, options).await?;
                            all.append(&mut page.overrides);
                        }
                    }
                    Ok(all)
                }
            }

            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See the trait.
                fn $name $(<$life>)? (
                    &mut self,
                    $($argument: $type),*
                ) -> impl Future<Output = Result<$output, Error>> + Send {
                    let command = $command;
                    async move { self.rl_query(&command).await }
                }
            )*
        }
    };
}

commands! {
    /// Decides whether `key` may use the units of `check` now, and records them if it may.
    fn rl_check<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision =
        command::check(key, check);

    /// Decides a check of one unit under a policy.
    fn rl_check_policy(key: impl AsRef<[u8]>, policy: &PolicyName) -> Decision =
        command::check(key, policy);

    /// The decision that [`Self::rl_check`] would make. Records nothing.
    fn rl_peek<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Decision =
        command::peek(key, check);

    /// The decision of [`Self::rl_peek`], and the reasons for it. Records nothing.
    fn rl_explain<'a>(key: impl AsRef<[u8]>, check: impl Into<Check<'a>>) -> Explanation =
        command::explain(key, check);

    /// Checks several keys, all or nothing. Returns one decision per key, in order.
    fn rl_mcheck(checks: &Checks<'_>) -> Decisions = command::mcheck(checks);

    /// Takes back the newest units, at most `cost`. Returns the units taken back.
    fn rl_refund(key: impl AsRef<[u8]>, cost: Cost) -> u64 = command::refund(key, cost);

    /// Deletes the key's units, and keeps its override. Returns the number of deleted units.
    fn rl_reset(key: impl AsRef<[u8]>) -> u64 = command::reset(key);

    /// The contents of the key; `None` if the key does not exist.
    fn rl_inspect(key: impl AsRef<[u8]>) -> Option<Inspection> = command::inspect(key);

    /// The instants at which the key's units were recorded, newest first: at most 1,000 of them, or as the options say.
    fn rl_hits(key: impl AsRef<[u8]>, options: &HitsOptions) -> Vec<Hit> =
        command::hits(key, options);

    /// Stores a policy, on every shard of a cluster.
    fn rl_set_policy(name: &PolicyName, policy: &Policy) -> () = command::set_policy(name, policy);

    /// The policy of this name, if there is one.
    fn rl_get_policy(name: &PolicyName) -> Option<Policy> = command::get_policy(name);

    /// Deletes a policy, on every shard of a cluster. Returns whether it existed.
    fn rl_del_policy(name: &PolicyName) -> bool = command::del_policy(name);

    /// The names of all policies, in byte order.
    fn rl_list_policies() -> Vec<PolicyName> = command::list_policies();

    /// All policies as JSON.
    fn rl_export_policies() -> String = command::export_policies();

    /// Replaces all policies by those in `json`; all of them or none.
    fn rl_import_policies(json: &str) -> () = command::import_policies(json);

    /// Sets the key's override, and replaces the one that it has.
    fn rl_set_override(key: impl AsRef<[u8]>, key_override: &Override) -> () =
        command::set_override(key, key_override);

    /// The key's override, if it has one.
    fn rl_get_override(key: impl AsRef<[u8]>) -> Option<Override> = command::get_override(key);

    /// Deletes the key's override. Returns whether it had one.
    fn rl_del_override(key: impl AsRef<[u8]>) -> bool = command::del_override(key);

    /// The first page of overrides of the server, or of each primary of a cluster.
    fn rl_override_pages(options: &ListOptions) -> Vec<OverridePage> =
        command::override_pages(options);

    /// The page of overrides of one node at `cursor`.
    fn rl_next_override_page(cursor: &OverrideCursor, options: &ListOptions) -> OverridePage =
        command::next_override_page(cursor, options);

    /// Counts of the server's checks by outcome; in a cluster, summed over all primaries.
    fn rl_stats() -> Stats = command::stats();

    /// The same counts, which are then set to zero.
    fn rl_reset_stats() -> Stats = command::reset_stats();

    /// The keys with the most checks in recent minutes, heaviest first: at most `count` of each node.
    fn rl_top(ranking: Ranking, count: u32) -> Vec<Ranked> = command::top(ranking, count);
}
