use pyo3::prelude::*;
use ratelog_caller::retry;

use crate::number::{number, seconds};

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct RetryPolicy(pub(crate) retry::RetryPolicy);

#[pymethods]
impl RetryPolicy {
    #[new]
    #[pyo3(signature = (*, max_tries = None, max_total = None, max_single_wait = None, base = None, factor = None))]
    fn new(
        max_tries: Option<&Bound<'_, PyAny>>,
        max_total: Option<f64>,
        max_single_wait: Option<f64>,
        base: Option<f64>,
        factor: Option<f32>,
    ) -> PyResult<Self> {
        let mut policy = retry::RetryPolicy::default();
        if let Some(tries) = max_tries {
            policy = policy.max_tries(number("max_tries", tries, (0, u32::MAX))?);
        }
        if let Some(total) = max_total {
            policy = policy.max_total(seconds("max_total", total)?);
        }
        if let Some(wait) = max_single_wait {
            policy = policy.max_single_wait(seconds("max_single_wait", wait)?);
        }
        if let Some(wait) = base {
            policy = policy.base(seconds("base", wait)?);
        }
        if let Some(factor) = factor {
            policy = policy.factor(factor);
        }
        Ok(Self(policy))
    }
}
