use std::ffi::{CStr, CString, c_int};

use redis_module::raw::{self, RedisModuleCmdFunc, RedisModuleCtx, RedisModuleString};

use super::{config, data_type, events, info, keyspace, override_tracking, policy_sync};
use crate::error::Error;
use crate::server::api::{Args, Context, OK, Spec, api, guard};

/// A command of the module.
pub trait Command {
    /// The command's description.
    const SPEC: Spec;

    /// Runs one call. Either writes one complete reply, or returns an error and writes nothing.
    ///
    /// # Errors
    /// The error for the client. Nothing has been changed or written.
    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error>;
}

/// Registers the module's parts while it is being loaded.
pub struct Registration {
    ctx: *mut RedisModuleCtx,
}

/// The module handles every load error.
const HANDLE_IO_ERRORS: c_int = 1;
/// A key opened for writing counts as modified only when the module signals it.
const NO_IMPLICIT_SIGNAL_MODIFIED: c_int = 2;
/// Valkey may migrate slots with keys of this module.
const HANDLE_ATOMIC_SLOT_MIGRATION: c_int = 32;

const ACL_CATEGORY: &CStr = c"ratelog";

impl Registration {
    /// Sets the module's options, reads its settings, and registers its data type, events and `INFO` sections.
    ///
    /// # Errors
    /// The reason why the server or an argument is rejected.
    pub fn new(ctx: *mut RedisModuleCtx, args: &[&[u8]]) -> Result<Self, String> {
        // SAFETY: the pointers were written once before this call, and the context is that of the load.
        unsafe {
            let since_7_0 = raw::RedisModule_SetCommandInfo;
            if since_7_0.is_none() {
                return Err("it needs Redis 7.0 or later, or Valkey".into());
            }
            let options =
                HANDLE_IO_ERRORS | NO_IMPLICIT_SIGNAL_MODIFIED | HANDLE_ATOMIC_SLOT_MIGRATION;
            api!(RedisModule_SetModuleOptions)(ctx, options);
            if let Some(add_category) = raw::RedisModule_AddACLCategory {
                add_category(ctx, ACL_CATEGORY.as_ptr());
            }
        }
        // Validate arguments before registering callbacks: Redis 7.0 keeps calling a module's callbacks even after its
        // load failed.
        config::register(ctx, args)?;
        override_tracking::mark_main_thread();
        if !data_type::register(ctx) {
            return Err("the data type cannot be registered".into());
        }
        if !(keyspace::subscribe(ctx) && events::subscribe(ctx)) {
            return Err("the events cannot be subscribed to".into());
        }
        // SAFETY: the context is that of the load.
        policy_sync::register(&unsafe { Context::new(ctx) });
        if !info::register(ctx) {
            return Err("the INFO sections cannot be registered".into());
        }
        Ok(Self { ctx })
    }

    /// Registers a command that has subcommands and cannot be called itself.
    ///
    /// # Errors
    /// The name of the command, if the server rejects it.
    pub fn family(&self, spec: &Spec) -> Result<(), String> {
        self.register(spec, None)
    }

    /// Registers a command.
    ///
    /// # Errors
    /// The name of the command, if the server rejects it.
    pub fn command<C: Command>(&self) -> Result<(), String> {
        self.register(&C::SPEC, Some(call::<C>))
    }

    fn register(&self, spec: &Spec, run: RedisModuleCmdFunc) -> Result<(), String> {
        let rejected = || format!("{} cannot be registered", spec.name.to_string_lossy());
        let name = lowercase(spec.name.to_bytes());
        let (raw_name, flags) = (name.as_ptr(), spec.flags.as_ptr());
        let (first, last, step) = spec.key_positions();
        // SAFETY: the context is that of the load, and the server copies names and flags.
        let command = unsafe {
            let full_name = match spec.parent {
                None => {
                    api!(RedisModule_CreateCommand)(
                        self.ctx, raw_name, run, flags, first, last, step,
                    );
                    name
                }
                Some(parent) => {
                    let family = api!(RedisModule_GetCommand)(self.ctx, parent.as_ptr());
                    if family.is_null() {
                        return Err(rejected());
                    }
                    api!(RedisModule_CreateSubcommand)(
                        family, raw_name, run, flags, first, last, step,
                    );
                    lowercase(&[parent.to_bytes(), spec.name.to_bytes()].join(&b'|'))
                }
            };
            api!(RedisModule_GetCommand)(self.ctx, full_name.as_ptr())
        };
        if command.is_null() || !spec.apply_to(command) {
            return Err(rejected());
        }
        // SAFETY: the command was just created. Servers without ACL categories lack the function.
        unsafe {
            if let Some(set_categories) = raw::RedisModule_SetCommandACLCategories {
                set_categories(command, spec.acl_categories.as_ptr());
            }
        }
        Ok(())
    }
}

/// Returns the name as the server's own commands are registered. Cluster clients look a subcommand up by this name.
fn lowercase(name: &[u8]) -> CString {
    CString::new(name.to_ascii_lowercase()).unwrap_or_default()
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
