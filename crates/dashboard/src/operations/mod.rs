//! The operations of pages and of the API, once for both.

pub mod audit;
pub mod counted;
pub mod failure;
pub mod key;
pub mod key_name;
pub mod key_search;
mod known_nodes;
mod long_keys;
pub mod operator_deployment;
pub mod overrides;
pub mod policies;
pub mod policy_differences;
pub mod policy_document;
pub mod policy_nodes;
pub mod policy_sample;
pub mod what_if;
