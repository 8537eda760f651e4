//! Applies effects to keys: the step between a decision and its reply.

use crate::error::Error;
use crate::server::WriteKey;
use crate::server::node::OVERRIDES;
use crate::state::{Effect, Expiry, ExpiryUpdate, OverrideChange};

/// Applies the effect of a client's command and replicates it. Returns the number of refunded units.
///
/// # Errors
/// [`Error::OutOfMemory`] if the key does not exist and there is no memory for it. Nothing is changed.
pub fn commit(effect: &Effect, key: &mut WriteKey<'_>) -> Result<u64, Error> {
    key.check_memory()?;
    let refunded = apply(effect, key);
    key.context().replicate(key.name(), effect);
    Ok(refunded)
}

/// Applies `effect` to `key` and updates the key's expiry. Returns the number of refunded units.
pub fn apply(effect: &Effect, key: &mut WriteKey<'_>) -> u64 {
    let value = if effect.creates_value() { Some(key.value_or_create()) } else { key.value() };
    let Some(value) = value else { return 0 };
    let outcome = effect.apply(value);
    if let Some(change) = outcome.override_change {
        track_override(key, change);
    }
    update_expiry(key);
    outcome.refunded
}

/// Updates the node's index of overrides.
pub fn track_override(key: &WriteKey<'_>, change: OverrideChange) {
    let location = key.location();
    OVERRIDES.with(key.context(), |overrides| match change {
        OverrideChange::Added => overrides.insert(location),
        OverrideChange::Removed => overrides.remove(&location),
    });
}

/// Deletes the key if it is empty, updates its expiry if necessary, and signals that the key has changed.
fn update_expiry(key: &mut WriteKey<'_>) {
    let Some(known) = key.value().map(|value| value.meta.expiry()) else { return };
    let current = known.unwrap_or_else(|| key.expiry());
    match key.value().map(|value| value.update_expiry(current)) {
        Some(ExpiryUpdate::Delete) | None => key.delete(),
        Some(ExpiryUpdate::Set(Expiry::Never)) => key.persist(),
        Some(ExpiryUpdate::Set(Expiry::At(at))) => key.set_expires_at(at),
        Some(ExpiryUpdate::Unchanged) => {}
    }
    key.signal_modified();
}
