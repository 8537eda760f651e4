use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where a decision was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    #[default]
    Module,
    Script,
    Local,
    DenyCache,
    Fallback,
}

impl Source {
    const ALL: [Self; 5] =
        [Self::Module, Self::Script, Self::Local, Self::DenyCache, Self::Fallback];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Script => "script",
            Self::Local => "local",
            Self::DenyCache => "deny-cache",
            Self::Fallback => "fallback",
        }
    }

    /// Whether a server made the decision.
    pub(crate) fn is_server(self) -> bool {
        matches!(self, Self::Module | Self::Script)
    }
}

impl<'a> FromPyObject<'a, '_> for Source {
    type Error = PyErr;

    fn extract(name: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        let name = name.extract::<&str>()?;
        let found = Self::ALL.into_iter().find(|source| source.as_str() == name);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            PyValueError::new_err(format!("expected one of {all}, not {name:?}"))
        })
    }
}
