use std::fmt::Display;
use std::time::{Duration, SystemTime};

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// Reads an integer; `None` if it does not fit into 64 bits.
pub(crate) fn whole(number: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match number.extract() {
        Ok(number) => Ok(Some(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the argument `name` as a `T`, or raises `ValueError` with its bounds.
pub(crate) fn number<T: TryFrom<i64> + Display>(
    name: &str,
    number: &Bound<'_, PyAny>,
    (min, max): (T, T),
) -> PyResult<T> {
    let found = whole(number)?.and_then(|number| T::try_from(number).ok());
    found.ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be from {min} to {max}, not {number}"))
    })
}

/// Reads the argument `name` as a duration in seconds, 0 or more.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!("{name} must be seconds, 0 or more, not {seconds}"))
    })
}

/// Turns an error into a `ValueError` with the same text.
pub(crate) fn value_error(error: &impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Unix time in seconds.
pub(crate) struct UnixTime(pub(crate) SystemTime);

impl FromPyObject<'_, '_> for UnixTime {
    type Error = PyErr;

    fn extract(seconds: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let since = Duration::try_from_secs_f64(seconds.extract()?).ok();
        let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        time.map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("expected Unix time in seconds, not {}", &*seconds))
        })
    }
}
