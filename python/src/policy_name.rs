use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_core::PolicyName;

/// What a policy is called.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Name(pub(crate) PolicyName);

impl FromPyObject<'_, '_> for Name {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let name: &str = name.extract()?;
        name.parse()
            .map(Self)
            .map_err(|error| PyValueError::new_err(format!("{error}, not {name:?}")))
    }
}
