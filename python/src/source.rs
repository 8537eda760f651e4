use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_client_core::Source;

/// The name of a source in Python.
pub(crate) const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Module => "module",
        Source::Script => "script",
        Source::DenyCache => "deny-cache",
        Source::Local => "local",
        _ => "fallback",
    }
}

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
        let found = Self::ALL.into_iter().find(|source| source_name(*source) == name);
        found.map(Self).ok_or_else(|| {
            let all = Self::ALL.map(source_name).join(", ");
            PyValueError::new_err(format!("expected one of {all}, not {name:?}"))
        })
    }
}
