use ratelog_core::{Cost, Decision};

/// An allowed decision as it would be if its units had not been recorded. A denied one is unchanged.
#[must_use]
pub fn unrecorded(decision: Decision, cost: Cost) -> Decision {
    if !decision.allowed {
        return decision;
    }
    let remaining = decision.remaining.saturating_add(cost.units()).min(decision.limit.units());
    Decision { remaining, ..decision }
}

#[cfg(test)]
mod tests {
    use super::unrecorded;
    use ratelog_core::{Cost, wire};

    #[test]
    fn units_remain_again_up_to_the_limit() {
        let cost = Cost::new(3).unwrap();
        let after = |reply| wire::encode(&unrecorded(wire::decode(reply).unwrap(), cost));
        assert_eq!(after([1, 10, 4, 0, 50, 60]), [1, 10, 7, 0, 50, 60]);
        assert_eq!(after([1, 10, 9, 0, 50, 60]), [1, 10, 10, 0, 50, 60]);
        assert_eq!(after([0, 10, 4, 5, 50, 60]), [0, 10, 4, 5, 50, 60]);
    }
}
