use std::num::NonZeroU32;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_client_core::{Clock, Source, engine};
use ratelog_core::Instant;
use ratelog_core::limiter::Limiter;

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::manual_clock::{self, ManualClock};
use crate::number::whole;
use crate::units::{Units, UnixMillis};

pub(crate) const DEFAULT_MAX_BYTES: usize = Limiter::DEFAULT_MAX_BYTES;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct LocalLimiter {
    local: Box<engine::LocalLimiter>,
    clock: Clock,
}

#[pymethods]
impl LocalLimiter {
    #[new]
    #[pyo3(signature = (max_bytes = MaxBytes(DEFAULT_MAX_BYTES), *, instances = Instances(NonZeroU32::MIN), clock = None))]
    fn new(max_bytes: MaxBytes, instances: Instances, clock: Option<&ManualClock>) -> Self {
        Self {
            local: engine::LocalLimiter::new(max_bytes.0, instances.0).into(),
            clock: manual_clock::clock(clock),
        }
    }

    #[pyo3(signature = (key, limits, cost = Units::default(), *, now_ms = None))]
    fn check(
        &self,
        key: Key<'_, '_>,
        limits: &Limits,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Decision> {
        let rules = limits.only_rules()?;
        let decision = self.local.check(key.as_ref(), self.now(now_ms), rules, cost.0);
        Ok(local_decision(decision, &key))
    }

    #[pyo3(signature = (key, limits, cost = Units::default(), *, now_ms = None))]
    fn peek(
        &self,
        key: Key<'_, '_>,
        limits: &Limits,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Decision> {
        let rules = limits.only_rules()?;
        let decision = self.local.peek(key.as_ref(), self.now(now_ms), rules, cost.0);
        Ok(local_decision(decision, &key))
    }

    #[pyo3(signature = (checks, cost = Units::default(), *, now_ms = None))]
    fn mcheck(
        &self,
        checks: Vec<(Bound<'_, PyAny>, Bound<'_, Limits>)>,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Vec<Decision>> {
        let mut keys = Vec::with_capacity(checks.len());
        for (key, limits) in &checks {
            keys.push((key.extract::<Key<'_, '_>>()?, limits.get().only_rules()?));
        }
        let decisions = self.local.mcheck(&keys, self.now(now_ms), cost.0);
        let decisions = decisions.into_iter().zip(&keys);
        Ok(decisions.map(|(decision, (key, _))| local_decision(decision, key)).collect())
    }

    #[pyo3(signature = (key, cost = Units::default(), *, now_ms = None))]
    fn refund(&self, key: Key<'_, '_>, cost: Units, now_ms: Option<UnixMillis>) -> u64 {
        self.local.limiter().refund(key.as_ref(), self.now(now_ms), cost.0.units())
    }

    #[pyo3(signature = (key, *, now_ms = None))]
    fn reset(&self, key: Key<'_, '_>, now_ms: Option<UnixMillis>) -> u64 {
        self.local.limiter().reset(key.as_ref(), self.now(now_ms))
    }

    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.local.limiter().clear());
    }

    fn __len__(&self) -> usize {
        self.local.limiter().len()
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.local.limiter().bytes()
    }

    #[getter]
    fn max_bytes(&self) -> usize {
        self.local.limiter().max_bytes()
    }

    #[getter]
    fn evicted(&self) -> u64 {
        self.local.limiter().evicted()
    }
}

impl LocalLimiter {
    fn now(&self, now_ms: Option<UnixMillis>) -> Instant {
        now_ms.map_or_else(|| self.clock.now(), |now| now.0)
    }
}

fn local_decision(decision: ratelog_core::Decision, key: &Key<'_, '_>) -> Decision {
    Decision::from_source(Source::Local, decision, Some(key))
}

/// A limit on memory.
struct MaxBytes(usize);

impl FromPyObject<'_, '_> for MaxBytes {
    type Error = PyErr;

    fn extract(bytes: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let count = whole(&bytes)?.and_then(|count| usize::try_from(count).ok());
        count.map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("max_bytes must be 0 or more, not {}", &*bytes))
        })
    }
}

/// The number of processes that share the limits.
struct Instances(NonZeroU32);

impl FromPyObject<'_, '_> for Instances {
    type Error = PyErr;

    fn extract(count: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let instances = whole(&count)?.and_then(|count| u32::try_from(count).ok());
        instances.and_then(NonZeroU32::new).map(Self).ok_or_else(|| {
            PyValueError::new_err(format!(
                "instances must be from 1 to {}, not {}",
                u32::MAX,
                &*count
            ))
        })
    }
}
