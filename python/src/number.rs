use std::fmt::Display;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// The integer, `None` where it is beyond what any bound allows.
pub(crate) fn whole(number: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match number.extract() {
        Ok(number) => Ok(Some(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The integer that `name` is, where `T` holds it.
pub(crate) fn number<T: TryFrom<i64> + Display>(
    name: &str,
    number: &Bound<'_, PyAny>,
    (least, most): (T, T),
) -> PyResult<T> {
    let found = whole(number)?.and_then(|number| T::try_from(number).ok());
    found.ok_or_else(|| {
        PyValueError::new_err(format!("{name} is from {least} to {most}, not {number}"))
    })
}

/// A span of time in seconds, none below zero.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!("{name} is no span of time in seconds: {seconds}"))
    })
}

/// A `ValueError` in the error's own words.
pub(crate) fn value_error(error: &impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}
