use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Names and values of a message's fields.
pub(crate) struct Headers(pub(crate) Vec<(PyBackedBytes, PyBackedBytes)>);

impl FromPyObject<'_, '_> for Headers {
    type Error = PyErr;

    fn extract(headers: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        headers.try_iter()?.map(|field| field?.extract()).collect::<PyResult<_>>().map(Self)
    }
}
