//! What every subject needs: real servers, clients that speak plainly, and patience.

mod client;
mod counts;
mod dataset;
mod decision;
mod edition;
mod events;
mod load;
mod locate;
mod oracle;
mod overrides;
mod patience;
pub mod payload;
mod random;
mod raw;
mod server;
mod settings;
mod stream;

pub use client::Client;
pub use counts::{Counts, counts};
pub use dataset::{assert_same_dataset, dataset, wait_until_in_step};
pub use decision::Decision;
pub use edition::Edition;
pub use events::Events;
pub use load::{Load, Mix};
pub use oracle::{Oracle, Rule};
pub use overrides::{Put, field};
pub use patience::{patient, until};
pub use random::Random;
pub use raw::Raw;
pub use server::{Server, Stop};
pub use stream::stream_of;
