use pyo3::prelude::*;
use ratelog_caller as caller;

use crate::decision::Decision;
use crate::key::Key;
use crate::limits::Limits;
use crate::number::number;
use crate::source::Source;
use crate::units::Units;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Denials(caller::Denials);

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct Ticket(caller::Ticket);

#[pymethods]
impl Denials {
    #[new]
    fn new(capacity: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capacity = number("capacity", capacity, (0, i64::MAX.unsigned_abs()))?;
        Ok(Self(caller::Denials::new(usize::try_from(capacity).unwrap_or(usize::MAX))))
    }

    fn get(&self, key: Key<'_>, limits: &Limits, cost: Units) -> Option<Decision> {
        let decided = self.0.get(key.0, &limits.check(cost.0))?;
        Some(Decision::new_by(Source::DenyCache, decided))
    }

    fn ticket(&self, key: Key<'_>) -> Ticket {
        Ticket(self.0.ticket(key.0))
    }

    fn put(
        &self,
        key: Key<'_>,
        limits: &Limits,
        cost: Units,
        decision: &Decision,
        ticket: &Ticket,
    ) {
        let by_server = decision.source.is_server();
        self.0.put(key.0, &limits.check(cost.0), &decision.decided, by_server, ticket.0);
    }

    fn claim(&self, key: Key<'_>, limits: &Limits, cost: Units) -> bool {
        self.0.claim(key.0, &limits.check(cost.0))
    }

    fn settle(&self, key: Key<'_>) {
        self.0.settle(key.0);
    }

    fn forget(&self, key: Key<'_>) {
        self.0.forget(key.0);
    }

    fn forget_all(&self) {
        self.0.forget_all();
    }
}
