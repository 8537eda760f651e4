use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_core::{Limit, Rule, Rules, TooManyRules, Window};

use crate::number::{value_error, whole};

/// Rules as pairs of limit (units) and window (ms).
pub(crate) struct Pairs(pub(crate) Rules);

impl FromPyObject<'_, '_> for Pairs {
    type Error = PyErr;

    fn extract(pairs: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let mut all: Option<Rules> = None;
        for pair in pairs.try_iter()? {
            let (limit, window) = pair?.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            let rule = Rule::new(read_limit(&limit)?, read_window(&window)?);
            match &mut all {
                None => all = Some(Rules::one(rule)),
                Some(all) => {
                    all.push(rule).map_err(|error: TooManyRules| value_error(&error))?;
                }
            }
        }
        all.map(Self).ok_or_else(|| PyValueError::new_err("expected at least one rule"))
    }
}

fn read_limit(units: &Bound<'_, PyAny>) -> PyResult<Limit> {
    let limit = whole(units)?.and_then(|units| u32::try_from(units).ok()).map(Limit::new);
    limit.ok_or_else(|| {
        let max = Limit::MAX.units();
        PyValueError::new_err(format!("a limit must be from 0 to {max} units, not {units}"))
    })
}

fn read_window(millis: &Bound<'_, PyAny>) -> PyResult<Window> {
    let window = whole(millis)?.and_then(|ms| u64::try_from(ms).ok()).and_then(Window::from_millis);
    window.ok_or_else(|| {
        let max = Window::MAX.millis();
        PyValueError::new_err(format!("a window must be from 1 to {max} ms, not {millis}"))
    })
}

/// Rules as Python sees them: pairs of limit (units) and window (ms).
pub(crate) fn pairs(rules: &Rules) -> Vec<(u64, u64)> {
    rules.iter().map(|rule| (rule.limit().units(), rule.window().millis())).collect()
}
