//! The module as a part of the server: the protocol, transactions, scripts, ACLs, settings and command metadata.

mod acl;
mod command_info;
mod help;
mod resp;
mod roles;
mod scripts;
mod settings;
mod transactions;
