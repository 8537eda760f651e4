use pyo3::prelude::*;
use ratelog_caller::Absence;

#[pyfunction]
pub(crate) fn absence(code: &str) -> Option<&'static str> {
    Absence::of_code(code).map(|absence| match absence {
        Absence::Unserved => "unserved",
        Absence::Lost => "lost",
    })
}
