use std::time::{Duration, SystemTime};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A Unix time in seconds.
pub(crate) struct Time(pub(crate) SystemTime);

impl FromPyObject<'_, '_> for Time {
    type Error = PyErr;

    fn extract(seconds: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let since = Duration::try_from_secs_f64(seconds.extract()?).ok();
        let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        time.map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("{} is no Unix time in seconds", &*seconds))
        })
    }
}
