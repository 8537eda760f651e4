use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use redis_module::raw::{self, RedisModuleKey};

use super::server_info::MemoryFor;
use super::{Context, KeyName, TYPE, api};
use crate::error::Error;
use crate::state::{Expiry, KeyLocation, StoredOverride, Value};

/// A key opened for reading.
pub struct ReadKey<'a> {
    key: Option<OpenKey<'a>>,
}

/// A key opened for writing.
pub struct WriteKey<'a> {
    ctx: &'a Context<'a>,
    name: KeyName<'a>,
    key: OpenKey<'a>,
    value: Option<NonNull<Value>>,
}

/// An open handle. It is closed when it is dropped.
struct OpenKey<'a> {
    raw: NonNull<RedisModuleKey>,
    call: PhantomData<&'a ()>,
}

impl<'a> OpenKey<'a> {
    /// Opens the key. Returns `None` if the key is opened for reading and does not exist.
    fn open(ctx: &Context<'a>, name: KeyName<'a>, mode: u32) -> Option<Self> {
        // SAFETY: context and name are those of the current call.
        let raw = unsafe { api!(RedisModule_OpenKey)(ctx.raw, name.raw, mode.cast_signed()) };
        NonNull::new(raw).map(|raw| Self { raw, call: PhantomData })
    }

    /// Returns the key's database. The selected database may differ: in a transaction, Valkey reports another one to a
    /// callback.
    fn database(&self) -> i32 {
        // SAFETY: the handle is open.
        unsafe { api!(RedisModule_GetDbIdFromModuleKey)(self.raw.as_ptr()) }
    }

    /// Returns the key's value, or `None` if the key is empty.
    fn value(&self) -> Result<Option<NonNull<Value>>, Error> {
        // SAFETY: the handle is open; a key of the module's type holds a `Value`.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType)(self.raw.as_ptr()) == TYPE.get() {
                let value = api!(RedisModule_ModuleTypeGetValue)(self.raw.as_ptr());
                return Ok(NonNull::new(value.cast()));
            }
            match api!(RedisModule_KeyType)(self.raw.as_ptr()) as isize {
                raw::REDISMODULE_KEYTYPE_EMPTY => Ok(None),
                _ => Err(Error::WrongType),
            }
        }
    }
}

impl Drop for OpenKey<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed once.
        unsafe { api!(RedisModule_CloseKey)(self.raw.as_ptr()) };
    }
}

impl<'a> ReadKey<'a> {
    /// Opens the key.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key has a value of another type.
    pub fn open(ctx: &Context<'a>, name: KeyName<'a>) -> Result<Self, Error> {
        let key = OpenKey::open(ctx, name, raw::REDISMODULE_READ);
        if let Some(key) = &key {
            key.value()?;
        }
        Ok(Self { key })
    }

    /// Returns the key's value, or `None` if the key does not exist.
    pub fn value(&self) -> Option<&Value> {
        let value = self.key.as_ref()?.value().ok()??;
        // SAFETY: the value lives as long as the key, and nothing changes it during the call.
        Some(unsafe { value.as_ref() })
    }
}

impl<'a> WriteKey<'a> {
    /// Opens the key.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key has a value of another type.
    pub fn open(ctx: &'a Context<'a>, name: KeyName<'a>) -> Result<Self, Error> {
        let mode = raw::REDISMODULE_READ | raw::REDISMODULE_WRITE;
        let key = OpenKey::open(ctx, name, mode).ok_or(Error::WrongType)?;
        let value = key.value()?;
        Ok(Self { ctx, name, key, value })
    }

    /// Returns the context of the call that opened the key.
    pub fn context(&self) -> &'a Context<'a> {
        self.ctx
    }

    /// Returns the key's name.
    pub fn name(&self) -> KeyName<'a> {
        self.name
    }

    /// Returns the key's value, or `None` if the key does not exist.
    pub fn value(&mut self) -> Option<&mut Value> {
        // SAFETY: the value lives as long as the key, and only this handle accesses it during the call.
        self.value.map(|mut value| unsafe { value.as_mut() })
    }

    /// Returns the key's value. Creates an empty value if the key does not exist.
    pub fn value_or_create(&mut self) -> &mut Value {
        if self.value.is_none() {
            self.set(Value::default());
        }
        match self.value() {
            Some(value) => value,
            None => unreachable!("the value was just set"),
        }
    }

    /// Replaces the key's value.
    pub fn set(&mut self, value: Value) {
        let value = NonNull::from(Box::leak(Box::new(value)));
        // SAFETY: the handle is open for writing. From now on the server owns the value and frees it with the type's
        // `free`.
        unsafe {
            api!(RedisModule_ModuleTypeSetValue)(
                self.key.raw.as_ptr(),
                TYPE.get(),
                value.as_ptr().cast(),
            );
        }
        self.value = Some(value);
    }

    /// Deletes the key.
    pub fn delete(&mut self) {
        self.value = None;
        // SAFETY: the handle is open for writing, and the value is not used afterwards.
        unsafe { api!(RedisModule_DeleteKey)(self.key.raw.as_ptr()) };
    }

    /// Returns the key's expiry.
    pub fn expiry(&self) -> Expiry {
        // SAFETY: the handle is open.
        let at = unsafe { api!(RedisModule_GetAbsExpire)(self.key.raw.as_ptr()) };
        if at >= 0 { Expiry::At(at) } else { Expiry::Never }
    }

    /// Sets the key's expiry, in milliseconds since the Unix epoch.
    pub fn set_expires_at(&mut self, at: i64) {
        // SAFETY: the handle is open for writing.
        unsafe { api!(RedisModule_SetAbsExpire)(self.key.raw.as_ptr(), at) };
    }

    /// Removes the key's expiry.
    pub fn persist(&mut self) {
        self.set_expires_at(i64::from(raw::REDISMODULE_NO_EXPIRE));
    }

    /// Checks that the server has memory for the key. `is_permanent` is whether the key will have an override without an
    /// end, and so no expiry.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the server is out of memory and cannot evict keys, and the key does not exist. If it can
    /// evict keys with an expiry, but has none, only if the key becomes permanent.
    pub fn check_memory(&self, is_permanent: bool) -> Result<(), Error> {
        // SAFETY: the value lives as long as the key, and nothing changes it meanwhile.
        let current = self.value.map(|value| unsafe { value.as_ref() });
        let was_permanent = current.is_some_and(Value::is_permanent);
        let becomes_permanent = is_permanent && !was_permanent;
        if current.is_some() && !becomes_permanent {
            return Ok(());
        }
        match self.ctx.memory() {
            MemoryFor::AllKeys => Ok(()),
            MemoryFor::KeysWithExpiry if !becomes_permanent => Ok(()),
            MemoryFor::ExistingKeys if current.is_some() => Ok(()),
            _ => Err(Error::OutOfMemory),
        }
    }

    /// Returns the key's database and name.
    pub fn location(&self) -> KeyLocation {
        (self.key.database(), self.name.bytes().into())
    }

    /// Signals that the key has changed, to clients that watch or cache it.
    pub fn signal_modified(&self) {
        // SAFETY: context and name are those of the current call.
        unsafe { api!(RedisModule_SignalModifiedKey)(self.ctx.raw, self.name.raw) };
    }
}

/// Clears the cached expiry in the value of `name`, if it is of the module's type.
pub fn forget_expiry(ctx: &Context<'_>, name: KeyName<'_>) {
    with_value(ctx, name, |_, value| value.meta.set_expiry(None));
}

/// Runs `body` with the database of `name` and the override in its value, if there is one.
pub fn with_override(
    ctx: &Context<'_>,
    name: KeyName<'_>,
    body: impl FnOnce(i32, &mut StoredOverride),
) {
    with_value(ctx, name, |key, value| {
        if let Some(stored) = value.stored_override_mut() {
            body(key.database(), stored);
        }
    });
}

impl Context<'_> {
    /// Returns whether a key in the selected database has an override, which may have ended.
    pub fn has_override(&self, name: &[u8]) -> bool {
        with_string(name, |name| {
            with_value(self, name, |_, value| value.key_override().is_some()).unwrap_or(false)
        })
    }
}

/// Runs `body` with `bytes` as a string of the server.
pub fn with_string<R>(bytes: &[u8], body: impl FnOnce(KeyName<'_>) -> R) -> R {
    // SAFETY: the server copies the bytes; the string is freed once, after its last use.
    unsafe {
        let raw = api!(RedisModule_CreateString)(null_mut(), bytes.as_ptr().cast(), bytes.len());
        let result = body(KeyName::new(raw));
        api!(RedisModule_FreeString)(null_mut(), raw);
        result
    }
}

/// Runs `body` with the value of `name`. Returns `None` if the key does not exist or is of another type.
fn with_value<R>(
    ctx: &Context<'_>,
    name: KeyName<'_>,
    body: impl FnOnce(&OpenKey<'_>, &mut Value) -> R,
) -> Option<R> {
    let mode = raw::REDISMODULE_READ | raw::REDISMODULE_OPEN_KEY_NOTOUCH;
    let key = OpenKey::open(ctx, name, mode)?;
    let mut value = key.value().ok()??;
    // SAFETY: the value lives as long as the key, and no command of the module is using it.
    Some(body(&key, unsafe { value.as_mut() }))
}
