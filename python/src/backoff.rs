use std::time::Duration;

use pyo3::prelude::*;
use ratelog_client_core::retry::{self, Idempotency, RetryAction};

use crate::headers::Headers;
use crate::number::{UnixTime, number, seconds};

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct RetryPolicy(retry::RetryPolicy);

#[pymethods]
impl RetryPolicy {
    #[new]
    #[pyo3(signature = (*, max_attempts = None, max_total = None, max_single_wait = None, base = None, factor = None))]
    fn new(
        max_attempts: Option<&Bound<'_, PyAny>>,
        max_total: Option<f64>,
        max_single_wait: Option<f64>,
        base: Option<f64>,
        factor: Option<f32>,
    ) -> PyResult<Self> {
        let mut policy = retry::RetryPolicy::default();
        if let Some(attempts) = max_attempts {
            policy = policy.max_attempts(number("max_attempts", attempts, (0, u32::MAX))?);
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

#[pyclass(module = "ratelog._core")]
pub(crate) struct Backoff {
    backoff: retry::Backoff,
    idempotency: Idempotency,
}

#[pymethods]
impl Backoff {
    #[new]
    #[pyo3(signature = (policy, method, headers, idempotent = None))]
    fn new(policy: &RetryPolicy, method: &str, headers: Headers, idempotent: Option<bool>) -> Self {
        let idempotency = match idempotent {
            None => Idempotency::of_request(method, headers.0),
            Some(true) => Idempotency::Idempotent,
            Some(false) => Idempotency::Never,
        };
        Self { backoff: policy.0.backoff(), idempotency }
    }

    #[staticmethod]
    fn of_checks(max_total: f64) -> PyResult<Self> {
        let policy = retry::RetryPolicy::default().max_total(seconds("max_wait", max_total)?);
        Ok(Self { backoff: policy.backoff(), idempotency: Idempotency::Never })
    }

    fn after_denial(&mut self, retry_after_ms: Option<u64>, elapsed: f64) -> PyResult<Option<f64>> {
        let wait = retry_after_ms.map(Duration::from_millis);
        self.next(wait.map_or(RetryAction::Stop, RetryAction::After), elapsed)
    }

    fn after_response(
        &mut self,
        status: u16,
        headers: Headers,
        now: UnixTime,
        elapsed: f64,
    ) -> PyResult<Option<f64>> {
        self.next(self.idempotency.after_response(status, headers.0, now.0), elapsed)
    }

    fn after_error(&mut self, may_have_arrived: bool, elapsed: f64) -> PyResult<Option<f64>> {
        self.next(self.idempotency.after_error(may_have_arrived), elapsed)
    }
}

impl Backoff {
    fn next(&mut self, action: RetryAction, elapsed: f64) -> PyResult<Option<f64>> {
        let wait = self.backoff.next(action, seconds("elapsed", elapsed)?);
        Ok(wait.map(|wait| wait.as_secs_f64()))
    }
}
