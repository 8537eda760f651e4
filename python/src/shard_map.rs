use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pyo3::prelude::*;
use pyo3::types::PyString;
use ratelog_client_core::engine;

use crate::key::Key;

/// The state of each shard. A string cannot refer back to the map, so the garbage collector does not need to know it.
type Address = Arc<Py<PyString>>;

#[pyclass(frozen, module = "ratelog._core")]
pub(crate) struct ShardMap(RwLock<engine::ShardMap<Address>>);

impl ShardMap {
    fn read(&self) -> RwLockReadGuard<'_, engine::ShardMap<Address>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, engine::ShardMap<Address>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ShardMap {
    #[new]
    #[pyo3(signature = (ranges = Vec::new()))]
    fn new(py: Python<'_>, ranges: Vec<(u16, u16, String)>) -> Self {
        let ranges = ranges.into_iter().map(|(first, last, address)| (first..=last, address));
        let state = |address: &str| Arc::new(PyString::new(py, address).unbind());
        Self(RwLock::new(engine::ShardMap::from_ranges(ranges, state)))
    }

    fn of_key(&self, py: Python<'_>, key: Key<'_, '_>) -> Option<Py<PyString>> {
        self.read().of_key(key.as_ref()).map(|address| address.clone_ref(py))
    }

    fn of_slot(&self, py: Python<'_>, slot: u16) -> Option<Py<PyString>> {
        self.read().of_slot(slot).map(|address| address.clone_ref(py))
    }

    fn slots_of(&self, address: &str) -> Vec<u16> {
        self.read().slots_of(address)
    }

    fn set_owner(&self, py: Python<'_>, slot: u16, address: &str) -> bool {
        let mut map = self.write();
        map.get_or_insert(address, |address| Arc::new(PyString::new(py, address).unbind()));
        map.set_owner(slot, address)
    }

    fn addresses(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.read().iter().map(|(_, address)| address.clone_ref(py)).collect()
    }

    fn has_same_owners(&self, other: &Bound<'_, Self>) -> bool {
        // A second lock of the same map could wait for itself.
        std::ptr::eq(self, other.get()) || self.read().has_same_owners(&other.get().read())
    }
}

#[pyfunction]
pub(crate) fn hash_slot(key: Key<'_, '_>) -> u16 {
    engine::hash_slot(key.as_ref())
}
