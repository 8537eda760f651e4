use pyo3::prelude::*;
use ratelog_caller as caller;

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::number::number;
use crate::source::Source;
use crate::units::Units;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct DenyCache(caller::Denials);

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct KeyVersion(caller::Ticket);

#[pymethods]
impl DenyCache {
    #[new]
    fn new(capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = number("capacity", capacity, (0, i64::MAX.unsigned_abs()))?;
        Ok(Self(caller::Denials::new(usize::try_from(capacity).unwrap_or(usize::MAX))))
    }

    fn get(&self, key: Key<'_>, limits: &Limits, cost: Units) -> Option<Decision> {
        let decision = self.0.get(key.0, &limits.check(cost.0))?;
        Some(Decision::from_source(Source::DenyCache, decision))
    }

    fn version(&self, key: Key<'_>) -> KeyVersion {
        KeyVersion(self.0.ticket(key.0))
    }

    fn insert(
        &self,
        key: Key<'_>,
        limits: &Limits,
        cost: Units,
        decision: &Decision,
        version: &KeyVersion,
    ) {
        let by_server = decision.source.is_server();
        self.0.put(key.0, &limits.check(cost.0), &decision.inner, by_server, version.0);
    }

    fn begin_fetch(&self, key: Key<'_>, limits: &Limits, cost: Units) -> bool {
        self.0.claim(key.0, &limits.check(cost.0))
    }

    fn end_fetch(&self, key: Key<'_>) {
        self.0.settle(key.0);
    }

    fn invalidate(&self, key: Key<'_>) {
        self.0.forget(key.0);
    }

    fn invalidate_all(&self) {
        self.0.forget_all();
    }
}
