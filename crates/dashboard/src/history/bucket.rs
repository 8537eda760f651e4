use ratelog_client::command::Counts;

/// Counts in a span of time. They are fractions where a count is spread over several spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    /// The seconds of the span for which there are counts.
    pub seconds: f32,
    /// Allowed checks.
    pub allowed: f32,
    /// Denied checks.
    pub denied: f32,
    /// Checks that a shadow policy would have denied.
    pub shadow_denied: f32,
    /// Checks that an override decided.
    pub overridden: f32,
    /// Checks that left at most a fifth of their limit.
    pub near: f32,
}

impl Bucket {
    /// One `seconds`-th of the counts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    pub fn per_second(counts: Counts, seconds: u32) -> Self {
        let share = |count: u64| count as f32 / seconds.max(1) as f32;
        Self {
            seconds: 1.0,
            allowed: share(counts.allowed),
            denied: share(counts.denied),
            shadow_denied: share(counts.shadow_denied),
            overridden: share(counts.overridden),
            near: share(counts.near),
        }
    }

    /// The counts of both, in the same span.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            allowed: self.allowed + other.allowed,
            denied: self.denied + other.denied,
            shadow_denied: self.shadow_denied + other.shadow_denied,
            overridden: self.overridden + other.overridden,
            near: self.near + other.near,
        }
    }

    /// The counts of both, one span after the other.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { seconds: self.seconds + next.seconds, ..self.plus(next) }
    }

    /// The counts of so many equal spans, one after the other.
    #[must_use]
    pub fn times(self, spans: f32) -> Self {
        Self {
            seconds: self.seconds * spans,
            allowed: self.allowed * spans,
            denied: self.denied * spans,
            shadow_denied: self.shadow_denied * spans,
            overridden: self.overridden * spans,
            near: self.near * spans,
        }
    }

    /// The counts in a second; `None` if there are none.
    #[must_use]
    pub fn rate(self) -> Option<Self> {
        (self.seconds > 0.0).then(|| Self {
            seconds: 1.0,
            allowed: self.allowed / self.seconds,
            denied: self.denied / self.seconds,
            shadow_denied: self.shadow_denied / self.seconds,
            overridden: self.overridden / self.seconds,
            near: self.near / self.seconds,
        })
    }

    /// All checks.
    #[must_use]
    pub fn checks(self) -> f32 {
        self.allowed + self.denied
    }

    /// The share of denied checks, from 0 to 1; 0 if there are no checks.
    #[must_use]
    pub fn denial_ratio(self) -> f32 {
        ratio(self.denied, self.checks())
    }

    /// The checks that were denied, or that a shadow policy would have denied.
    #[must_use]
    pub fn denied_with_shadow(self) -> f32 {
        self.denied + self.shadow_denied
    }

    /// The share of these checks.
    #[must_use]
    pub fn denial_ratio_with_shadow(self) -> f32 {
        ratio(self.denied_with_shadow(), self.checks())
    }

    /// The share of checks that left at most a fifth of their limit.
    #[must_use]
    pub fn near_ratio(self) -> f32 {
        ratio(self.near, self.checks())
    }
}

fn ratio(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "all values are exact")]
mod tests {
    use super::Bucket;

    #[test]
    fn ratios_are_shares_of_all_checks() {
        let counts = Bucket { allowed: 6.0, denied: 2.0, near: 4.0, ..Bucket::default() };
        assert_eq!((counts.denial_ratio(), counts.near_ratio()), (0.25, 0.5));
        assert_eq!(counts.denial_ratio_with_shadow(), 0.25);
        let shadow = Bucket { allowed: 8.0, shadow_denied: 6.0, ..Bucket::default() };
        assert_eq!((shadow.denial_ratio(), shadow.denial_ratio_with_shadow()), (0.0, 0.75));
        assert_eq!(Bucket::default().near_ratio(), 0.0);
    }
}
