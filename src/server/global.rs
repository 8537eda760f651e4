use std::cell::RefCell;

use super::Context;

/// Something of which the node has one.
///
/// The server runs commands, events and callbacks of the data type one at a time, under one lock; what can run
/// beside them (freeing a value, saving in a forked child) touches no such thing, or a copy of it.
pub struct Global<T>(RefCell<Option<T>>);

// SAFETY: it is reached only with proof that the server's lock is held, or by a caller that promises it.
unsafe impl<T> Sync for Global<T> {}

impl<T: Default> Global<T> {
    /// Nothing yet; it is made when it is first asked for.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Lets `body` use it. No call of the server's API may come back to it meanwhile.
    pub fn with<R>(&self, _held: &Context<'_>, body: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: whoever has a context is called by the server, which holds its lock.
        unsafe { self.with_lock_held(body) }
    }

    /// The same, for callbacks that are given no context.
    ///
    /// # Safety
    /// The server must be holding its lock, or be the only thread of a forked child.
    pub(super) unsafe fn with_lock_held<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        body(self.0.borrow_mut().get_or_insert_default())
    }
}
