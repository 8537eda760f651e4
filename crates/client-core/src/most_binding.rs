use std::cmp::Reverse;

use ratelog_core::Decision;

/// The decision that a caller has to know of several: the denial with the longest retry-after, or, if all are allowed, the
/// decision with the least remaining. The first wins a tie. `None` if there are no decisions.
///
/// `decision_of` reads the decision of an element.
///
/// ```
/// use ratelog_client_core::most_binding;
/// use ratelog_core::wire;
///
/// let decisions = [[0, 5, 0, 700, 1_000, 1_000], [0, 9, 0, 900, 1_000, 1_000], [1, 9, 0, 0, 1, 1_000]];
/// let decisions = decisions.map(|reply| wire::decode(reply).unwrap());
/// assert_eq!(most_binding(&decisions, |decision| decision), Some(&decisions[1]));
/// ```
pub fn most_binding<T>(all: &[T], decision_of: impl Fn(&T) -> &Decision) -> Option<&T> {
    all.iter().min_by_key(|element| order(decision_of(element)))
}

/// The same for an iterator.
#[cfg(feature = "http")]
pub(crate) fn most_binding_of<'a>(
    decisions: impl Iterator<Item = &'a Decision>,
) -> Option<&'a Decision> {
    decisions.min_by_key(|decision| order(decision))
}

/// Orders decisions, the most binding one first.
fn order(decision: &Decision) -> impl Ord + use<> {
    let is_never = decision.retry_after.is_none();
    let wait = Reverse((is_never, decision.retry_after));
    if decision.allowed { (true, None, decision.remaining) } else { (false, Some(wait), 0) }
}
