use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Header names and values.
pub(crate) struct Headers(pub(crate) Vec<(PyBackedBytes, PyBackedBytes)>);

impl FromPyObject<'_, '_> for Headers {
    type Error = PyErr;

    fn extract(headers: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        headers.try_iter()?.map(|field| read(&field?)).collect::<PyResult<_>>().map(Self)
    }
}

/// Reads a tuple or, as ASGI allows, any other sequence of two.
fn read(field: &Bound<'_, PyAny>) -> PyResult<(PyBackedBytes, PyBackedBytes)> {
    if let Ok(field) = field.extract() {
        return Ok(field);
    }
    let [name, value] = field.extract()?;
    Ok((name, value))
}
