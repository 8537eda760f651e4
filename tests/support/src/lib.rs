//! What every subject needs: real servers, clients that speak plainly, and patience; and for
//! benchmarks, series of figures.

mod checks;
mod client;
mod cluster;
mod cluster_client;
mod cluster_view;
mod counts;
mod dataset;
mod decision;
mod edition;
mod events;
mod linger;
mod load;
mod locate;
mod oracle;
mod overrides;
mod patience;
mod policies;
mod random;
mod raw;
mod regime;
mod sentinel;
mod series;
mod server;
mod settings;
mod stream;
mod takeover;

pub mod payload;

pub use checks::Checks;
pub use client::Client;
pub use cluster::Cluster;
pub use cluster_client::ClusterClient;
pub use counts::{Counts, counts};
pub use dataset::{assert_same_dataset, dataset, wait_until_in_step};
pub use decision::Decision;
pub use edition::Edition;
pub use events::Events;
pub use linger::MAX_LINGER_MS;
pub use load::{Load, Mix};
pub use oracle::{Oracle, Rule};
pub use overrides::{Put, field};
pub use patience::{patient, until};
pub use policies::{policies, set_policies};
pub use random::Random;
pub use raw::Raw;
pub use regime::Regime;
pub use sentinel::Sentinels;
pub use series::Series;
pub use server::{Server, Stop};
pub use settings::Module;
pub use stream::stream_of;
pub use takeover::Takeover;
