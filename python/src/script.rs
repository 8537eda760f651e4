use ratelog_caller::script;

pub(crate) const SCRIPT: &str = script::TEXT;
pub(crate) const SCRIPT_SUFFIX: &str = script::SUFFIX;
