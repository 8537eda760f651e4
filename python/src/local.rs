use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_core::limiter::Limiter;
use ratelog_core::{Instant, Rules};

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::rules::whole;
use crate::units::{Units, UnixMillis};

pub(crate) const DEFAULT_MAX_BYTES: usize = Limiter::DEFAULT_MAX_BYTES;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct LocalLimiter {
    limiter: Limiter,
    instances: NonZeroU32,
}

#[pymethods]
impl LocalLimiter {
    #[new]
    #[pyo3(signature = (max_bytes = Bytes(DEFAULT_MAX_BYTES), *, instances = Instances(NonZeroU32::MIN)))]
    fn new(max_bytes: Bytes, instances: Instances) -> Self {
        Self { limiter: Limiter::new(max_bytes.0), instances: instances.0 }
    }

    #[pyo3(signature = (key, limits, cost = Units::default(), *, now_ms = None))]
    fn check(
        &self,
        key: Key<'_>,
        limits: &Limits,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Decision> {
        let check = |rules: &_| self.limiter.check(key.0, now(now_ms), rules, cost.0);
        Ok(Decision::local(self.by_share(limits.only_rules()?, check)))
    }

    #[pyo3(signature = (key, limits, cost = Units::default(), *, now_ms = None))]
    fn peek(
        &self,
        key: Key<'_>,
        limits: &Limits,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Decision> {
        let peek = |rules: &_| self.limiter.peek(key.0, now(now_ms), rules, cost.0);
        Ok(Decision::local(self.by_share(limits.only_rules()?, peek)))
    }

    #[pyo3(signature = (checks, cost = Units::default(), *, now_ms = None))]
    fn mcheck(
        &self,
        checks: Vec<(Bound<'_, PyAny>, Bound<'_, Limits>)>,
        cost: Units,
        now_ms: Option<UnixMillis>,
    ) -> PyResult<Vec<Decision>> {
        let mut shares = Vec::with_capacity(checks.len());
        for (key, limits) in &checks {
            let rules = limits.get().only_rules()?;
            shares.push((key.extract::<Key<'_>>()?, self.by_share(rules, Rules::clone)));
        }
        let shares: Vec<_> = shares.iter().map(|(key, rules)| (key, rules)).collect();
        let decided = self.limiter.mcheck(&shares, now(now_ms), cost.0);
        Ok(decided.into_iter().map(Decision::local).collect())
    }

    #[pyo3(signature = (key, cost = Units::default(), *, now_ms = None))]
    fn refund(&self, key: Key<'_>, cost: Units, now_ms: Option<UnixMillis>) -> u64 {
        self.limiter.refund(key.0, now(now_ms), cost.0.units())
    }

    #[pyo3(signature = (key, *, now_ms = None))]
    fn reset(&self, key: Key<'_>, now_ms: Option<UnixMillis>) -> u64 {
        self.limiter.reset(key.0, now(now_ms))
    }

    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.limiter.clear());
    }

    fn __len__(&self) -> usize {
        self.limiter.len()
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.limiter.bytes()
    }

    #[getter]
    fn max_bytes(&self) -> usize {
        self.limiter.max_bytes()
    }

    #[getter]
    fn evicted(&self) -> u64 {
        self.limiter.evicted()
    }
}

impl LocalLimiter {
    fn by_share<T>(&self, rules: &Rules, decide: impl FnOnce(&Rules) -> T) -> T {
        if self.instances == NonZeroU32::MIN {
            decide(rules)
        } else {
            decide(&rules.shared(self.instances))
        }
    }
}

fn now(given: Option<UnixMillis>) -> Instant {
    given.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Instant::from_clock(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        },
        |now| now.0,
    )
}

/// A bound on memory.
struct Bytes(usize);

impl FromPyObject<'_, '_> for Bytes {
    type Error = PyErr;

    fn extract(bytes: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let count = whole(&bytes)?.and_then(|count| usize::try_from(count).ok());
        count.map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("max_bytes is 0 or more, not {}", &*bytes))
        })
    }
}

/// How many processes share the limits.
struct Instances(NonZeroU32);

impl FromPyObject<'_, '_> for Instances {
    type Error = PyErr;

    fn extract(count: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let instances = whole(&count)?.and_then(|count| u32::try_from(count).ok());
        instances.and_then(NonZeroU32::new).map(Self).ok_or_else(|| {
            PyValueError::new_err(format!("instances is from 1 to {}, not {}", u32::MAX, &*count))
        })
    }
}
