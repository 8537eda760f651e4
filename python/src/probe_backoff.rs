use pyo3::prelude::*;
use ratelog_caller as caller;

use crate::number::seconds;

#[pyclass(module = "ratelog._core")]
pub(crate) struct Probes(caller::Probes);

#[pymethods]
impl Probes {
    #[new]
    fn new(least: f64, most: f64) -> PyResult<Self> {
        Ok(Self(caller::Probes::new(seconds("least", least)?, seconds("most", most)?)))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> Option<f64> {
        self.0.next().map(|wait| wait.as_secs_f64())
    }
}
