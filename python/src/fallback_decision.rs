use pyo3::prelude::*;
use ratelog_caller::Grant;

use crate::decision::Decision;
use crate::limits::Limits;
use crate::number::number;
use crate::source::Source;
use crate::units::Units;

#[pyfunction]
pub(crate) fn granted(
    allow: bool,
    limits: Option<&Limits>,
    cost: Units,
    wait_ms: &Bound<'_, PyAny>,
) -> PyResult<Decision> {
    let wait = number("wait_ms", wait_ms, (0, i64::MAX.unsigned_abs()))?;
    let grant = if allow { Grant::Allow } else { Grant::Deny(wait) };
    let rules = limits.map(Limits::only_rules).transpose()?;
    Ok(Decision::new_by(Source::Fallback, ratelog_caller::granted(grant, rules, cost.0)))
}
