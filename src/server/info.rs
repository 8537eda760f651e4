use std::ffi::{CStr, c_int};
use std::ptr::{null, null_mut};

use redis_module::raw::{
    self, RedisModuleCommand, RedisModuleCommandArg, RedisModuleCommandInfo,
    RedisModuleCommandInfoVersion, RedisModuleCommandKeySpec,
};

use super::{OK, api};

/// The release that brought the commands.
const SINCE: &CStr = c"0.1.0";

/// What the server is told of a command: how to call it, route it and explain it. All have one key, the
/// first argument.
pub struct Spec {
    /// The command's name.
    pub name: &'static CStr,
    /// The server's flags, such as `write fast`.
    pub flags: &'static CStr,
    /// The ACL categories, where the server has them.
    pub acl_categories: &'static CStr,
    /// The number of arguments with the name; negative where it is the least.
    pub arity: c_int,
    /// What it does with its key.
    pub access: KeyAccess,
    /// One sentence.
    pub summary: &'static CStr,
    /// Its time.
    pub complexity: &'static CStr,
    /// The arguments after the key.
    pub args: &'static [Arg],
}

/// What a command does with its key.
#[derive(Clone, Copy)]
pub enum KeyAccess {
    /// Reads it.
    Read,
    /// Reads and changes it.
    Update,
    /// Deletes what it holds.
    Delete,
}

/// An argument, as `COMMAND DOCS` shows it.
pub struct Arg {
    name: &'static CStr,
    kind: ArgKind,
    token: Option<&'static CStr>,
    flags: u32,
}

/// What an argument is.
#[derive(Clone, Copy)]
pub enum ArgKind {
    /// A number.
    Integer,
    /// A text.
    String,
    /// Several arguments that belong together.
    Block(&'static [Arg]),
}

impl Arg {
    /// An argument that must be given.
    pub const fn new(name: &'static CStr, kind: ArgKind) -> Self {
        Self { name, kind, token: None, flags: raw::REDISMODULE_CMD_ARG_NONE }
    }

    /// The same, to be given once or more.
    pub const fn repeated(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_MULTIPLE, ..self }
    }

    /// The same, that need not be given.
    pub const fn may_be_left_out(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }

    /// The same, to be given after a keyword, or not at all.
    pub const fn optional(self, keyword: &'static CStr) -> Self {
        Self { token: Some(keyword), flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }
}

/// The server's arrays, and what they point to; kept until the server has copied them.
#[derive(Default)]
struct Arrays(Vec<Vec<RedisModuleCommandArg>>);

impl Arrays {
    /// The server's array for `args`, ended by an empty element; null where there are none.
    fn of(&mut self, args: &[Arg], key: bool) -> *mut RedisModuleCommandArg {
        let mut array: Vec<_> = key.then(key_arg).into_iter().collect();
        for arg in args {
            let (kind, subargs) = match arg.kind {
                ArgKind::Integer => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, null_mut())
                }
                ArgKind::String => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, null_mut())
                }
                ArgKind::Block(args) => {
                    let subargs = self.of(args, false);
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, subargs)
                }
            };
            array.push(RedisModuleCommandArg {
                name: arg.name.as_ptr(),
                type_: kind,
                key_spec_index: -1,
                token: arg.token.map_or(null(), CStr::as_ptr),
                flags: arg.flags.cast_signed(),
                subargs,
                ..no_arg()
            });
        }
        array.push(no_arg());
        self.0.push(array);
        self.0.last_mut().map_or(null_mut(), Vec::as_mut_ptr)
    }
}

fn no_arg() -> RedisModuleCommandArg {
    RedisModuleCommandArg {
        name: null(),
        type_: raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
        key_spec_index: -1,
        token: null(),
        summary: null(),
        since: null(),
        flags: 0,
        deprecated_since: null(),
        subargs: null_mut(),
        display_text: null(),
    }
}

fn key_arg() -> RedisModuleCommandArg {
    RedisModuleCommandArg {
        name: c"key".as_ptr(),
        type_: raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
        key_spec_index: 0,
        ..no_arg()
    }
}

impl Spec {
    /// Describes `command` to the server. Returns whether the server took it.
    pub(super) fn describe_to(&self, command: *mut RedisModuleCommand) -> bool {
        let version = RedisModuleCommandInfoVersion {
            version: 1,
            sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
            sizeof_keyspec: size_of::<RedisModuleCommandKeySpec>(),
            sizeof_arg: size_of::<RedisModuleCommandArg>(),
        };
        // SAFETY: all-zero is a value of the type, and the one that ends an array of it.
        let mut key_specs: [RedisModuleCommandKeySpec; 2] = unsafe { std::mem::zeroed() };
        let [key_spec, _] = &mut key_specs;
        key_spec.flags = u64::from(match self.access {
            KeyAccess::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
            KeyAccess::Update => {
                raw::REDISMODULE_CMD_KEY_RW
                    | raw::REDISMODULE_CMD_KEY_ACCESS
                    | raw::REDISMODULE_CMD_KEY_UPDATE
            }
            KeyAccess::Delete => raw::REDISMODULE_CMD_KEY_RM | raw::REDISMODULE_CMD_KEY_DELETE,
        });
        key_spec.begin_search_type =
            raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
        key_spec.bs.index.pos = 1;
        key_spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
        key_spec.fk.range.lastkey = 0;
        key_spec.fk.range.keystep = 1;
        key_spec.fk.range.limit = 0;
        let mut arrays = Arrays::default();
        let info = RedisModuleCommandInfo {
            version: &raw const version,
            summary: self.summary.as_ptr(),
            complexity: self.complexity.as_ptr(),
            since: SINCE.as_ptr(),
            history: null_mut(),
            tips: null(),
            arity: self.arity,
            key_specs: key_specs.as_mut_ptr(),
            args: arrays.of(self.args, true),
        };
        // SAFETY: the command was just made; the server copies what `info` points to.
        let status = unsafe { api!(RedisModule_SetCommandInfo)(command, &raw const info) };
        status == OK
    }
}
