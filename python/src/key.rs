use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A key: bytes, or a `str` encoded as UTF-8.
pub(crate) struct Key<'a>(pub(crate) &'a [u8]);

impl<'a> FromPyObject<'a, '_> for Key<'a> {
    type Error = PyErr;

    fn extract(key: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        if key.is_instance_of::<PyString>() {
            return key.extract::<&str>().map(|text| Self(text.as_bytes()));
        }
        key.extract::<&[u8]>().map(Self).map_err(|_| {
            PyTypeError::new_err(format!("a key must be str or bytes, not {}", key.get_type()))
        })
    }
}

impl AsRef<[u8]> for Key<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}
