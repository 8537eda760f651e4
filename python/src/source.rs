use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_client_core::Source;

/// A source, given by its name.
#[derive(Clone, Copy)]
pub(crate) struct SourceName(pub(crate) Source);

impl SourceName {
    const ALL: [Source; 5] =
        [Source::Module, Source::Script, Source::Local, Source::DenyCache, Source::Fallback];
}

impl<'a> FromPyObject<'a, '_> for SourceName {
    type Error = PyErr;

    fn extract(name: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        let name = name.extract::<&str>()?;
        let found = Self::ALL.into_iter().find(|source| source.as_str() == name);
        found.map(Self).ok_or_else(|| {
            let all = Self::ALL.map(Source::as_str).join(", ");
            PyValueError::new_err(format!("expected one of {all}, not {name:?}"))
        })
    }
}
