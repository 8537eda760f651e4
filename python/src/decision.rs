use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use ratelog_caller::told_under;
use ratelog_core::{Mode, wire};

use crate::number::value_error;
use crate::source::Source;

#[pyclass(frozen, eq, hash, module = "ratelog._core")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) decided: ratelog_core::Decision,
    pub(crate) source: Source,
}

#[pymethods]
impl Decision {
    #[new]
    #[pyo3(signature = (allowed, limit, remaining, retry_after_ms, reset_after_ms, window_ms, source = Source::Module))]
    fn new(
        allowed: bool,
        limit: i64,
        remaining: i64,
        retry_after_ms: Option<i64>,
        reset_after_ms: i64,
        window_ms: i64,
        source: Source,
    ) -> PyResult<Self> {
        if retry_after_ms.is_some_and(|wait| wait < 0) {
            return Err(PyValueError::new_err(
                "retry_after_ms of a decision is 0 or more, or None",
            ));
        }
        let retry_after_ms = retry_after_ms.unwrap_or(-1);
        let fields = [allowed.into(), limit, remaining, retry_after_ms, reset_after_ms, window_ms];
        Self::of(fields, source)
    }

    #[staticmethod]
    fn read(reply: &Bound<'_, PyAny>, source: Source) -> PyResult<Self> {
        let fields = reply.cast::<PyList>().ok().and_then(six).ok_or_else(|| {
            let told = reply.repr().map_or_else(|_| String::new(), |repr| format!(": {repr}"));
            PyValueError::new_err(format!("the reply is not the six integers of a decision{told}"))
        })?;
        Self::of(fields, source)
    }

    #[getter]
    fn allowed(&self) -> bool {
        self.decided.allowed
    }

    #[getter]
    fn limit(&self) -> u64 {
        self.decided.limit.units()
    }

    #[getter]
    fn remaining(&self) -> u64 {
        self.decided.remaining
    }

    #[getter]
    fn retry_after_ms(&self) -> Option<u64> {
        self.decided.retry_after
    }

    #[getter]
    fn reset_after_ms(&self) -> u64 {
        self.decided.reset_after
    }

    #[getter]
    fn window_ms(&self) -> u64 {
        self.decided.window.millis()
    }

    #[getter]
    fn source(&self) -> &'static str {
        self.source.as_str()
    }

    fn unenforced(&self) -> Self {
        Self { decided: told_under(Mode::Shadow, self.decided), ..*self }
    }

    fn __bool__(&self) -> bool {
        self.decided.allowed
    }

    fn __repr__(&self) -> String {
        let [_, limit, remaining, _, reset_after, window] = wire::encode(&self.decided);
        let allowed = if self.decided.allowed { "True" } else { "False" };
        let retry_after =
            self.decided.retry_after.map_or_else(|| "None".to_owned(), |wait| wait.to_string());
        let source = self.source.as_str();
        format!(
            "Decision({allowed}, limit={limit}, remaining={remaining}, retry_after_ms={retry_after}, \
             reset_after_ms={reset_after}, window_ms={window}, source='{source}')"
        )
    }
}

impl Decision {
    pub(crate) fn new_by(source: Source, decided: ratelog_core::Decision) -> Self {
        Self { decided, source }
    }

    fn of(fields: [i64; 6], source: Source) -> PyResult<Self> {
        let decided = wire::decode(fields).map_err(|error| value_error(&error))?;
        Ok(Self { decided, source })
    }
}

fn six(reply: &Bound<'_, PyList>) -> Option<[i64; 6]> {
    let mut fields = [0; 6];
    if reply.len() != fields.len() {
        return None;
    }
    for (field, told) in fields.iter_mut().zip(reply) {
        *field = told.extract().ok()?;
    }
    Some(fields)
}
