use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_core::{Limit, Rule, Rules, TooManyRules, Window};

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
        all.map(Self).ok_or_else(|| PyValueError::new_err("there are no rules"))
    }
}

fn read_limit(units: &Bound<'_, PyAny>) -> PyResult<Limit> {
    let limit = whole(units)?.and_then(|units| u32::try_from(units).ok()).and_then(Limit::new);
    limit.ok_or_else(|| {
        let max = Limit::MAX.units();
        PyValueError::new_err(format!("a limit is from 1 to {max} units, not {units}"))
    })
}

fn read_window(millis: &Bound<'_, PyAny>) -> PyResult<Window> {
    let window = whole(millis)?.and_then(|ms| u64::try_from(ms).ok()).and_then(Window::from_millis);
    window.ok_or_else(|| {
        let max = Window::MAX.millis();
        PyValueError::new_err(format!("a window is from 1 to {max} ms, not {millis}"))
    })
}

/// The integer, `None` where it is beyond what any bound allows.
pub(crate) fn whole(number: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match number.extract() {
        Ok(number) => Ok(Some(number)),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(number.py()) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The error of a text or a number, in its own words.
pub(crate) fn value_error(error: &impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// As Python has them.
pub(crate) fn pairs(rules: &Rules) -> Vec<(u64, u64)> {
    rules.iter().map(|rule| (rule.limit().units(), rule.window().millis())).collect()
}
