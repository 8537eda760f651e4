use std::cell::RefCell;

use super::Context;

/// State that exists once per node.
///
/// The server runs commands, events and callbacks of the data type one at a time, under one lock. The callbacks that
/// run concurrently (freeing a value, saving in a forked child) do not access this state, or access a copy.
pub struct Global<T>(RefCell<Option<T>>);

// SAFETY: every access needs proof that the server's lock is held, or a caller that guarantees it.
unsafe impl<T> Sync for Global<T> {}

impl<T: Default> Global<T> {
    /// Creates an empty cell. The state is created on first use.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Runs `body` with the state. `body` must not call the server in a way that uses the state again.
    pub fn with<R>(&self, _held: &Context<'_>, body: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: a context exists only during a call from the server, which holds its lock.
        unsafe { self.with_lock_held(body) }
    }

    /// Like [`Self::with`], for callbacks that receive no context.
    ///
    /// # Safety
    /// The server must hold its lock, or this must be the only thread of a forked child.
    pub(in crate::server) unsafe fn with_lock_held<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        body(self.0.borrow_mut().get_or_insert_default())
    }
}
