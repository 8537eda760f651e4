//! Applies effects to keys: the step between a decision and its reply.

use std::ffi::CStr;

use crate::error::Error;
use crate::server::WriteKey;
use crate::server::node::OVERRIDES;
use crate::state::{Effect, Expiry, ExpiryUpdate, IndexChange, Value};

/// Applies the effect of a client's command and replicates it. Returns the number of refunded units.
///
/// # Errors
/// [`Error::OutOfMemory`] if there is no memory for the key. Nothing is changed.
pub fn commit(effect: &Effect, key: &mut WriteKey<'_>) -> Result<u64, Error> {
    key.check_memory(effect.is_permanent())?;
    let refunded = apply(effect, key);
    key.context().replicate(key.name(), effect);
    Ok(refunded)
}

/// Applies `effect` to `key`, updates the key's expiry and publishes the events. Returns the number of refunded units.
pub fn apply(effect: &Effect, key: &mut WriteKey<'_>) -> u64 {
    let value = if effect.creates_value() { Some(key.value_or_create()) } else { key.value() };
    let Some(value) = value else { return 0 };
    let event = event_of(effect, value);
    let outcome = effect.apply(value);
    if let Some(change) = outcome.index_change {
        update_index(key, change);
    }
    if let Some(event) = event {
        key.context().notify(event, key.name());
    }
    update_expiry(key);
    outcome.refunded
}

/// Returns the event of an effect on the override of `value`, or `None` if the effect does not change the override.
fn event_of(effect: &Effect, value: &Value) -> Option<&'static CStr> {
    let Effect::Override { instant, key_override } = effect else { return None };
    match (value.live_override(*instant), key_override) {
        (None, Some(_)) => Some(c"rl.override_set"),
        (Some(_), Some(_)) => Some(c"rl.override_changed"),
        (Some(_), None) => Some(c"rl.override_removed"),
        (None, None) => None,
    }
}

/// Updates the node's index of overrides. Whether an override has ended there depends on this node's clock, not on the time
/// of the effect, which may be replayed much later.
pub fn update_index(key: &mut WriteKey<'_>, change: IndexChange) {
    let (ctx, location) = (key.context(), key.location());
    match (change, key.value().and_then(Value::stored_override_mut)) {
        (IndexChange::Put, Some(stored)) => {
            OVERRIDES.with(ctx, |overrides| overrides.put(location, stored, ctx.now()));
            ctx.schedule_override_ends();
        }
        (IndexChange::Remove(id), _) => {
            OVERRIDES.with(ctx, |overrides| overrides.remove(id, ctx.now()));
        }
        (IndexChange::Put, None) => {}
    }
}

/// Deletes the key if it is empty, updates its expiry if necessary, and signals that the key has changed.
fn update_expiry(key: &mut WriteKey<'_>) {
    let Some(known) = key.value().map(|value| value.meta.expiry()) else { return };
    let current = known.unwrap_or_else(|| key.expiry());
    match key.value().map(|value| value.update_expiry(current)) {
        Some(ExpiryUpdate::Delete) | None => {
            key.delete();
            key.context().notify_deleted(key.name());
        }
        Some(ExpiryUpdate::Set(Expiry::Never)) => key.persist(),
        Some(ExpiryUpdate::Set(Expiry::At(at))) => key.set_expires_at(at),
        Some(ExpiryUpdate::Unchanged) => {}
    }
    key.signal_modified();
}
