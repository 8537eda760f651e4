use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_core::{Cost, Instant, Limit};

use crate::number::whole;

/// The cost of a check: 1 to 1,000,000 units.
pub(crate) struct Units(pub(crate) Cost);

impl FromPyObject<'_, '_> for Units {
    type Error = PyErr;

    fn extract(units: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let max = Limit::DEFAULT_MAX.units();
        let cost = whole(&units)?.and_then(|units| u32::try_from(units).ok()).and_then(Cost::new);
        cost.filter(|cost| cost.units() <= max).map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("a cost must be from 1 to {max} units, not {}", &*units))
        })
    }
}

impl Default for Units {
    fn default() -> Self {
        Self(Cost::ONE)
    }
}

/// Unix time in milliseconds.
pub(crate) struct UnixMillis(pub(crate) Instant);

impl FromPyObject<'_, '_> for UnixMillis {
    type Error = PyErr;

    fn extract(millis: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        whole(&millis)?.and_then(Instant::from_unix_millis).map(Self).ok_or_else(|| {
            let max = Instant::MAX.unix_millis();
            PyValueError::new_err(format!("now_ms must be from 0 to {max}, not {}", &*millis))
        })
    }
}
