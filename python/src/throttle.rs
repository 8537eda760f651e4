use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ratelog_caller::retry::{self, Turn};

use crate::number::seconds;
use crate::retry_hint::Hint;

#[pyclass(module = "ratelog._core")]
pub(crate) struct Lane {
    lane: retry::Lane,
    /// What stands for the zero of the clock that Python reads.
    zero: Instant,
}

#[pymethods]
impl Lane {
    #[new]
    fn new() -> Self {
        Self { lane: retry::Lane::default(), zero: Instant::now() }
    }

    fn enter(&mut self, now: f64, latest: f64) -> PyResult<Option<f64>> {
        let (now, latest) = (self.at("now", now)?, self.at("latest", latest)?);
        Ok(match self.lane.enter(now, latest) {
            Turn::Now => Some(0.0),
            Turn::At(then) => Some(then.saturating_duration_since(now).as_secs_f64()),
            Turn::AfterAnother => None,
        })
    }

    fn answered(&mut self, refused: bool, hint: &Hint, now: f64) -> PyResult<()> {
        self.lane.answered(refused, &hint.0, self.at("now", now)?);
        Ok(())
    }

    fn left(&mut self) {
        self.lane.left();
    }
}

impl Lane {
    fn at(&self, name: &str, time: f64) -> PyResult<Instant> {
        // More than any clock shows, as infinity is.
        const MOST: f64 = 1e10;
        let time = seconds(name, if time > MOST { MOST } else { time })?;
        let at = self.zero.checked_add(time);
        at.ok_or_else(|| PyValueError::new_err(format!("{name} is beyond all clocks")))
    }
}
