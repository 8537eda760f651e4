use pyo3::prelude::*;
use ratelog_caller::retry::{Repeat, Repeatable, Waits};

use crate::headers::Headers;
use crate::number::seconds;
use crate::retry_policy::RetryPolicy;
use crate::time::Time;

#[pyclass(module = "ratelog._core")]
pub(crate) struct Tries {
    waits: Waits,
    repeatable: Repeatable,
}

#[pymethods]
impl Tries {
    #[new]
    #[pyo3(signature = (policy, method, headers, repeatable = None))]
    fn new(policy: &RetryPolicy, method: &str, headers: Headers, repeatable: Option<bool>) -> Self {
        let repeatable = match repeatable {
            None => Repeatable::of(method, headers.0),
            Some(true) => Repeatable::Yes,
            Some(false) => Repeatable::No,
        };
        Self { waits: policy.0.waits(), repeatable }
    }

    fn after_response(
        &mut self,
        status: u16,
        headers: Headers,
        now: Time,
        elapsed: f64,
    ) -> PyResult<Option<f64>> {
        self.next(self.repeatable.after(status, headers.0, now.0), elapsed)
    }

    fn after_error(&mut self, connected: bool, elapsed: f64) -> PyResult<Option<f64>> {
        self.next(self.repeatable.after_error(connected), elapsed)
    }
}

impl Tries {
    fn next(&mut self, repeat: Repeat, elapsed: f64) -> PyResult<Option<f64>> {
        let wait = self.waits.next(repeat, seconds("elapsed", elapsed)?);
        Ok(wait.map(|wait| wait.as_secs_f64()))
    }
}
