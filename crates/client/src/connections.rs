//! Implements the traits for the connections of the `redis` crate, and routes commands in a cluster.

use crate::command::Command;
use crate::{Commands, Error};

macro_rules! impl_commands {
    ($connection:ty) => {
        impl Commands for $connection {
            fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error> {
                command.parse_result(redis::ConnectionLike::req_command(self, command.cmd()))
            }
        }
    };
}

impl_commands!(redis::Connection);
impl_commands!(redis::Client);

#[cfg(feature = "cluster")]
impl Commands for redis::cluster::ClusterConnection {
    fn rl_query<T>(&mut self, command: &Command<T>) -> Result<T, Error> {
        command.parse_result(self.route_command(command.cmd(), routing_info(command)))
    }
}

#[cfg(feature = "aio")]
mod asynchronous {
    use redis::aio::ConnectionLike;

    use crate::command::Command;
    use crate::{AsyncCommands, Error};

    macro_rules! impl_async_commands {
        ($connection:ty) => {
            impl AsyncCommands for $connection {
                async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
                    command.parse_result(self.req_packed_command(command.cmd()).await)
                }
            }
        };
    }

    impl_async_commands!(redis::aio::MultiplexedConnection);
    #[cfg(feature = "connection-manager")]
    impl_async_commands!(redis::aio::ConnectionManager);

    #[cfg(feature = "cluster-async")]
    impl AsyncCommands for redis::cluster_async::ClusterConnection {
        async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
            let routing = super::routing_info(command);
            command.parse_result(self.route_command(command.cmd().clone(), routing).await)
        }
    }
}

#[cfg(feature = "cluster")]
fn routing_info<T>(command: &Command<T>) -> redis::cluster_routing::RoutingInfo {
    use redis::cluster_routing::{
        MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
    };

    use crate::command::{NodeAddress, Routing};

    let by_key = |address| {
        RoutingInfo::SingleNode(command.key().map(|key| Route::with_key(key, address)).into())
    };
    match command.routing() {
        Routing::Primary(_) => by_key(SlotAddr::Master),
        Routing::Replica(_) => by_key(SlotAddr::ReplicaOptional),
        Routing::Any => RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random),
        Routing::EveryPrimary => {
            RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None))
        }
        Routing::Node(NodeAddress { host, port }) => {
            let (host, port) = (host.clone(), *port);
            RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port })
        }
    }
}
