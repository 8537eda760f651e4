use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A key: bytes, or a `str` encoded as UTF-8.
pub(crate) enum Key<'a, 'py> {
    Bytes(Borrowed<'a, 'py, PyBytes>),
    Text(Borrowed<'a, 'py, PyString>, &'a str),
    /// An object of a subclass.
    Other(Borrowed<'a, 'py, PyAny>, &'a [u8]),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Key<'a, 'py> {
    type Error = PyErr;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "by a call, a check takes 7 % longer")]
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes));
        }
        if let Ok(text) = object.cast_exact::<PyString>() {
            return Ok(Self::Text(text, object.extract()?));
        }
        if object.is_instance_of::<PyString>() {
            return Ok(Self::Other(object, object.extract::<&str>()?.as_bytes()));
        }
        object.extract().map(|bytes| Self::Other(object, bytes)).map_err(|_| {
            PyTypeError::new_err(format!("a key must be str or bytes, not {}", object.get_type()))
        })
    }
}

impl AsRef<[u8]> for Key<'_, '_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Text(_, text) => text.as_bytes(),
            Self::Other(_, bytes) => bytes,
        }
    }
}

/// A key that outlives a call: the object that was passed, because a copy takes longer than a reference.
pub(crate) struct StoredKey(Py<PyAny>);

impl StoredKey {
    pub(crate) fn new(key: &Key<'_, '_>) -> Self {
        Self(match *key {
            Key::Bytes(bytes) => bytes.to_owned().into_any().unbind(),
            Key::Text(text, _) => text.to_owned().into_any().unbind(),
            // It could have a reference back to the decision.
            Key::Other(object, bytes) => PyBytes::new(object.py(), bytes).into_any().unbind(),
        })
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py))
    }

    pub(crate) fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let object = self.0.bind(py);
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(bytes.clone()),
            Err(_) => Ok(PyBytes::new(py, object.extract::<&str>()?.as_bytes())),
        }
    }
}
