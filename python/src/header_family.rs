use pyo3::prelude::*;
use ratelog_core::http::Family;

use crate::number::value_error;

pub(crate) struct Fields(pub(crate) Family);

impl FromPyObject<'_, '_> for Fields {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        name.extract::<&str>()?.parse().map(Self).map_err(|error| value_error(&error))
    }
}
