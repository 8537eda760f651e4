use std::ffi::{CStr, CString, c_int};

use redis_module::raw::{self, RedisModuleCmdFunc, RedisModuleCtx, RedisModuleString};

use super::guard::guard;
use super::spec::Spec;
use super::{Args, Context, OK, api, data_type, events, info, keyspace, settings};
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
    /// Reads the settings, sets the module's options and registers its data type.
    ///
    /// # Errors
    /// What is wrong with the server, or with an argument.
    pub fn new(ctx: *mut RedisModuleCtx, args: &[&[u8]]) -> Result<Self, String> {
        // SAFETY: the pointers are written once, before this; the context is that of the load.
        unsafe {
            let since_7_0 = raw::RedisModule_SetCommandInfo;
            if since_7_0.is_none() {
                return Err("Redis 7.0 or Valkey is needed".into());
            }
            let options =
                HANDLE_IO_ERRORS | NO_IMPLICIT_SIGNAL_MODIFIED | HANDLE_ATOMIC_SLOT_MIGRATION;
            api!(RedisModule_SetModuleOptions)(ctx, options);
            if let Some(add_category) = raw::RedisModule_AddACLCategory {
                add_category(ctx, ACL_CATEGORY.as_ptr());
            }
        }
        // First of all: whoever loads the module may have made a mistake, and Redis 7.0 goes on calling what a
        // module that was then not loaded had asked to be told of.
        settings::register(ctx, args)?;
        if !data_type::register(ctx) {
            return Err("its data type cannot be registered".into());
        }
        if !(keyspace::watch(ctx) && events::watch(ctx)) {
            return Err("it cannot be told of what happens to keys".into());
        }
        if !info::register(ctx) {
            return Err("it cannot add to INFO".into());
        }
        Ok(Self { ctx })
    }

    /// Registers a command that is called by its subcommands alone.
    ///
    /// # Errors
    /// What the server did not take.
    pub fn family(&self, spec: &Spec) -> Result<(), String> {
        self.describe(spec, None)
    }

    /// Registers a command.
    ///
    /// # Errors
    /// What the server did not take.
    pub fn command<C: Command>(&self) -> Result<(), String> {
        self.describe(&C::SPEC, Some(call::<C>))
    }

    fn describe(&self, spec: &Spec, run: RedisModuleCmdFunc) -> Result<(), String> {
        let refused = || format!("{} cannot be registered", spec.name.to_string_lossy());
        let (name, flags) = (spec.name.as_ptr(), spec.flags.as_ptr());
        let (first, last, step) = spec.key_positions();
        // SAFETY: the context is that of the load; the server copies names and flags.
        let command = unsafe {
            let full_name = match spec.parent {
                None => {
                    api!(RedisModule_CreateCommand)(self.ctx, name, run, flags, first, last, step);
                    spec.name.to_owned()
                }
                Some(parent) => {
                    let family = api!(RedisModule_GetCommand)(self.ctx, parent.as_ptr());
                    if family.is_null() {
                        return Err(refused());
                    }
                    api!(RedisModule_CreateSubcommand)(family, name, run, flags, first, last, step);
                    let full = [parent.to_bytes(), spec.name.to_bytes()].join(&b'|');
                    CString::new(full).unwrap_or_default()
                }
            };
            api!(RedisModule_GetCommand)(self.ctx, full_name.as_ptr())
        };
        if command.is_null() || !spec.describe_to(command) {
            return Err(refused());
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
    let (ctx, args) = unsafe {
        let argc = usize::try_from(argc).unwrap_or_default();
        (Context::new(ctx), Args::new(argv, argc, C::SPEC.words()))
    };
    match guard(Err(Error::Panicked), || C::run(&ctx, args)) {
        Ok(()) => {}
        Err(Error::Arity) => ctx.reply().wrong_arity(),
        Err(error) => ctx.reply().error(&error.to_string()),
    }
    OK
}
