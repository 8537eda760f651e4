//! The admin dashboard of Ratelog: who is limited, why, and how to change it.
//!
//! [`serve`] polls the servers and answers requests; the program `ratelog-dashboard` calls it with its [`Settings`].
#![forbid(unsafe_code)]

mod api;
mod app;
mod auth;
mod clock;
mod demo;
mod environment;
mod history;
mod metrics;
mod operations;
mod pages;
mod poll;
mod settings;
mod web;

pub use app::{App, AppState};
pub use auth::{StartError, hash_password};
pub use environment::unknown_variables;
pub use settings::{CommandLine, Settings, Subcommands};
pub use web::{Running, serve};
