//! The connections of the redis crate: how a command gets to its node, or nodes.

use crate::traits::Commands;
use crate::{Error, command::Command};

macro_rules! on_one_node {
    ($connection:ty) => {
        impl Commands for $connection {
            fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error> {
                command.answer(redis::ConnectionLike::req_command(self, command.cmd()))
            }
        }
    };
}

on_one_node!(redis::Connection);
on_one_node!(redis::Client);

#[cfg(feature = "cluster")]
impl Commands for redis::cluster::ClusterConnection {
    fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error> {
        command.answer(self.route_command(command.cmd(), routing(command)))
    }
}

#[cfg(feature = "aio")]
mod asynchronous {
    use redis::aio::ConnectionLike;

    use crate::traits::AsyncCommands;
    use crate::{Error, command::Command};

    macro_rules! on_one_node {
        ($connection:ty) => {
            impl AsyncCommands for $connection {
                async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
                    command.answer(self.req_packed_command(command.cmd()).await)
                }
            }
        };
    }

    on_one_node!(redis::aio::MultiplexedConnection);
    #[cfg(feature = "connection-manager")]
    on_one_node!(redis::aio::ConnectionManager);

    #[cfg(feature = "cluster-async")]
    impl AsyncCommands for redis::cluster_async::ClusterConnection {
        async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
            let routing = super::routing(command);
            command.answer(self.route_command(command.cmd().clone(), routing).await)
        }
    }
}

/// Where a cluster has the command answered.
#[cfg(feature = "cluster")]
fn routing<T>(command: &Command<T>) -> redis::cluster_routing::RoutingInfo {
    use redis::cluster_routing::{
        MultipleNodeRoutingInfo, Route as Slot, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
    };

    use crate::command::Routing;

    let of_key = |index, address| {
        let key = command.cmd().args_iter().nth(index).and_then(|word| match word {
            redis::Arg::Simple(key) => Some(Slot::with_key(key, address)),
            _ => None,
        });
        RoutingInfo::SingleNode(key.into())
    };
    match command.route() {
        Routing::Primary(index) => of_key(index, SlotAddr::Master),
        Routing::Replica(index) => of_key(index, SlotAddr::ReplicaOptional),
        Routing::Any => RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random),
        Routing::EveryPrimary => {
            RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None))
        }
    }
}
