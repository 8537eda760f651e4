use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a callback. Returns `fallback` if the body panics, because a panic must not unwind into C.
pub fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::guard;

    #[test]
    fn a_panic_stops_at_the_guard() {
        assert_eq!(guard(1, || 2), 2);
        assert_eq!(guard(1, || panic!("expected by this test")), 1);
    }
}
