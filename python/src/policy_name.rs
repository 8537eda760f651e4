use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The name of a policy, given as text.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct PolicyName(pub(crate) ratelog_core::PolicyName);

impl FromPyObject<'_, '_> for PolicyName {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let name: &str = name.extract()?;
        name.parse()
            .map(Self)
            .map_err(|error| PyValueError::new_err(format!("{error}, not {name:?}")))
    }
}
