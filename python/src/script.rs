pub(crate) const SCRIPT: &str = include_str!("../../crates/client/src/script/ratelog.lua");
pub(crate) const SCRIPT_SUFFIX: &str = ":ratelog-log";
