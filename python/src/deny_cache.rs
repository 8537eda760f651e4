use pyo3::prelude::*;
use ratelog_client_core::{Clock, Source, engine};

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::manual_clock::{self, ManualClock};
use crate::number::number;
use crate::units::Units;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct DenyCache {
    cache: engine::DenyCache,
    clock: Clock,
}

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct KeyVersion(engine::KeyVersion);

#[pymethods]
impl DenyCache {
    #[new]
    #[pyo3(signature = (capacity, *, clock = None))]
    fn new(capacity: &Bound<'_, PyAny>, clock: Option<&ManualClock>) -> PyResult<Self> {
        let capacity = number("capacity", capacity, (0, i64::MAX.unsigned_abs()))?;
        let cache = engine::DenyCache::new(usize::try_from(capacity).unwrap_or(usize::MAX));
        Ok(Self { cache, clock: manual_clock::clock(clock) })
    }

    fn get(&self, key: Key<'_, '_>, limits: &Limits, cost: Units) -> Option<Decision> {
        let decision =
            self.cache.get(key.as_ref(), &limits.check(cost.0), self.clock.monotonic())?;
        Some(Decision::from_source(Source::DenyCache, decision, Some(&key)))
    }

    fn version(&self, key: Key<'_, '_>) -> KeyVersion {
        KeyVersion(self.cache.version(key.as_ref(), self.clock.monotonic()))
    }

    fn insert(
        &self,
        key: Key<'_, '_>,
        limits: &Limits,
        cost: Units,
        decision: &Decision,
        version: &KeyVersion,
    ) {
        let (check, now) = (limits.check(cost.0), self.clock.monotonic());
        self.cache.insert(key.as_ref(), &check, &decision.inner, decision.source, version.0, now);
    }

    fn begin_fetch(&self, key: Key<'_, '_>, limits: &Limits, cost: Units) -> bool {
        self.cache.begin_fetch(key.as_ref(), &limits.check(cost.0), self.clock.monotonic())
    }

    fn end_fetch(&self, key: Key<'_, '_>) {
        self.cache.end_fetch(key.as_ref());
    }

    fn invalidate(&self, key: Key<'_, '_>) {
        self.cache.invalidate(key.as_ref());
    }

    fn invalidate_all(&self) {
        self.cache.invalidate_all();
    }
}
