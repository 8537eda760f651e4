use pyo3::prelude::*;
use ratelog_client_core::{Clock, Source, engine};

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::number::number;
use crate::units::Units;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct DenyCache(engine::DenyCache);

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct KeyVersion(engine::KeyVersion);

#[pymethods]
impl DenyCache {
    #[new]
    fn new(capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = number("capacity", capacity, (0, i64::MAX.unsigned_abs()))?;
        Ok(Self(engine::DenyCache::new(usize::try_from(capacity).unwrap_or(usize::MAX))))
    }

    fn get(&self, key: Key<'_>, limits: &Limits, cost: Units) -> Option<Decision> {
        let decision = self.0.get(key.0, &limits.check(cost.0), Clock::monotonic_now())?;
        Some(Decision::from_source(Source::DenyCache, decision))
    }

    fn version(&self, key: Key<'_>) -> KeyVersion {
        KeyVersion(self.0.version(key.0, Clock::monotonic_now()))
    }

    fn insert(
        &self,
        key: Key<'_>,
        limits: &Limits,
        cost: Units,
        decision: &Decision,
        version: &KeyVersion,
    ) {
        let (check, now) = (limits.check(cost.0), Clock::monotonic_now());
        self.0.insert(key.0, &check, &decision.inner, decision.source, version.0, now);
    }

    fn begin_fetch(&self, key: Key<'_>, limits: &Limits, cost: Units) -> bool {
        self.0.begin_fetch(key.0, &limits.check(cost.0), Clock::monotonic_now())
    }

    fn end_fetch(&self, key: Key<'_>) {
        self.0.end_fetch(key.0);
    }

    fn invalidate(&self, key: Key<'_>) {
        self.0.invalidate(key.0);
    }

    fn invalidate_all(&self) {
        self.0.invalidate_all();
    }
}
