use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw::RedisModuleType;

/// The handle of the module's data type. It is null until the type is registered.
pub static TYPE: TypeHandle = TypeHandle(AtomicPtr::new(null_mut()));

/// A handle that is set once, when the data type is registered.
pub struct TypeHandle(AtomicPtr<RedisModuleType>);

impl TypeHandle {
    /// Returns the handle.
    pub fn get(&self) -> *mut RedisModuleType {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the handle.
    ///
    /// # Safety
    /// `raw` must be null or the handle of a data type whose values are `Value`s.
    pub unsafe fn set(&self, raw: *mut RedisModuleType) {
        self.0.store(raw, Ordering::Relaxed);
    }
}
