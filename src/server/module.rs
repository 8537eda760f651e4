use std::ffi::{CStr, c_int};

use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};

use super::guard::guard;
use super::info::Spec;
use super::{Args, Context, OK, api, data_type, expiry, propagation};
use crate::error::Error;

/// A command of the module.
pub trait Command {
    /// What the server is told of it.
    const SPEC: Spec;

    /// Answers one call: one whole reply, or an error and no reply.
    ///
    /// # Errors
    /// What the client is told; nothing has been changed or replied then.
    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error>;
}

/// The module while it is being loaded.
pub struct Registration {
    ctx: *mut RedisModuleCtx,
}

/// Every load error is answered by the module.
const HANDLE_IO_ERRORS: c_int = 1;
/// A key opened for writing counts as modified only when the module says so.
const NO_IMPLICIT_SIGNAL_MODIFIED: c_int = 2;
/// Valkey may move slots with keys of this module by itself.
const HANDLE_ATOMIC_SLOT_MIGRATION: c_int = 32;

const ACL_CATEGORY: &CStr = c"ratelog";

impl Registration {
    /// Sets the module's options and registers its data type.
    ///
    /// # Errors
    /// What is wrong with the server.
    pub fn new(ctx: *mut RedisModuleCtx) -> Result<Self, &'static str> {
        // SAFETY: the pointers are written once, before this; the context is that of the load.
        unsafe {
            let since_7_0 = raw::RedisModule_SetCommandInfo;
            if since_7_0.is_none() {
                return Err("Redis 7.0 or Valkey is needed");
            }
            let options =
                HANDLE_IO_ERRORS | NO_IMPLICIT_SIGNAL_MODIFIED | HANDLE_ATOMIC_SLOT_MIGRATION;
            api!(RedisModule_SetModuleOptions)(ctx, options);
            if let Some(add_category) = raw::RedisModule_AddACLCategory {
                add_category(ctx, ACL_CATEGORY.as_ptr());
            }
        }
        if !data_type::register(ctx) {
            return Err("the data type cannot be registered");
        }
        propagation::watch(ctx);
        if !expiry::watch(ctx) {
            return Err("it cannot be told of changed expiries");
        }
        Ok(Self { ctx })
    }

    /// Registers a command.
    ///
    /// # Errors
    /// What the server did not take.
    pub fn command<C: Command>(&self) -> Result<(), &'static str> {
        let spec = &C::SPEC;
        // SAFETY: the context is that of the load; the server copies names and flags.
        let command = unsafe {
            api!(RedisModule_CreateCommand)(
                self.ctx,
                spec.name.as_ptr(),
                Some(call::<C>),
                spec.flags.as_ptr(),
                1,
                1,
                1,
            );
            api!(RedisModule_GetCommand)(self.ctx, spec.name.as_ptr())
        };
        if command.is_null() {
            return Err("a command cannot be registered");
        }
        if !spec.describe_to(command) {
            return Err("a command cannot be described");
        }
        // SAFETY: the command was just made; servers without categories lack the function.
        unsafe {
            if let Some(set_categories) = raw::RedisModule_SetCommandACLCategories {
                set_categories(command, spec.acl_categories.as_ptr());
            }
        }
        Ok(())
    }
}

unsafe extern "C" fn call<C: Command>(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server passes the context and the arguments of this call.
    let (ctx, args) =
        unsafe { (Context::new(ctx), Args::new(argv, usize::try_from(argc).unwrap_or_default())) };
    match guard(Err(Error::Panicked), || C::run(&ctx, args)) {
        Ok(()) => {}
        Err(Error::Arity) => ctx.reply().wrong_arity(),
        Err(error) => ctx.reply().error(&error.to_string()),
    }
    OK
}
