use std::ffi::{CStr, c_int};
use std::ptr::{null, null_mut};

use redis_module::raw::{
    self, RedisModuleCommand, RedisModuleCommandArg, RedisModuleCommandInfo,
    RedisModuleCommandInfoVersion, RedisModuleCommandKeySpec,
};

use super::{OK, api};

/// The release that introduced the commands.
const SINCE: &CStr = c"0.1.0";

/// The description of a command for the server: its arity, flags, keys and documentation.
pub struct Spec {
    /// The parent command, if this command is a subcommand.
    pub parent: Option<&'static CStr>,
    /// The command's name.
    pub name: &'static CStr,
    /// The server's flags, such as `write fast`.
    pub flags: &'static CStr,
    /// The ACL categories, for servers that support them.
    pub acl_categories: &'static CStr,
    /// The number of arguments including the command's name; negative if it is a minimum.
    pub arity: c_int,
    /// The arguments that are keys, and how the command accesses them.
    pub keys: Keys,
    /// The tips for cluster clients.
    pub tips: Option<&'static CStr>,
    /// The summary, in one sentence.
    pub summary: &'static CStr,
    /// The time complexity.
    pub complexity: &'static CStr,
    /// The descriptions of the arguments.
    pub args: &'static [Arg],
}

impl Spec {
    /// The values that most commands share.
    pub const COMMON: Self = Self {
        parent: None,
        name: c"",
        flags: c"",
        acl_categories: c"",
        arity: -1,
        keys: Keys::None,
        tips: None,
        summary: c"",
        complexity: c"O(1)",
        args: &[],
    };

    /// Returns the number of words that name the command.
    pub const fn words(&self) -> usize {
        if self.parent.is_some() { 2 } else { 1 }
    }

    /// Returns the positions of the first and the last key, and the step between keys, as the server counts them.
    pub(in crate::server) fn key_positions(&self) -> (c_int, c_int, c_int) {
        match self.keys {
            Keys::None => (0, 0, 0),
            Keys::First(_) => {
                let position = if self.parent.is_some() { 2 } else { 1 };
                (position, position, 1)
            }
            Keys::Every { first, step, .. } => (first, -1, step),
        }
    }
}

/// The arguments that are keys.
#[derive(Clone, Copy)]
pub enum Keys {
    /// No arguments.
    None,
    /// The first argument.
    First(KeyAccess),
    /// The first argument of each group of arguments, up to the end.
    Every {
        /// The position of the first key; the command's name is 0.
        first: c_int,
        /// The number of arguments from one key to the next.
        step: c_int,
        /// The command's access to the keys.
        access: KeyAccess,
    },
}

/// The access of a command to its keys.
#[derive(Clone, Copy)]
pub enum KeyAccess {
    /// Reads the keys.
    Read,
    /// Reads and changes the keys.
    Update,
    /// Deletes the values of the keys.
    Delete,
}

impl KeyAccess {
    fn flags(self) -> u64 {
        u64::from(match self {
            Self::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
            Self::Update => {
                raw::REDISMODULE_CMD_KEY_RW
                    | raw::REDISMODULE_CMD_KEY_ACCESS
                    | raw::REDISMODULE_CMD_KEY_UPDATE
            }
            Self::Delete => raw::REDISMODULE_CMD_KEY_RM | raw::REDISMODULE_CMD_KEY_DELETE,
        })
    }
}

/// An argument as `COMMAND DOCS` shows it.
pub struct Arg {
    name: &'static CStr,
    kind: ArgKind,
    token: Option<&'static CStr>,
    flags: u32,
}

/// The kind of an argument.
#[derive(Clone, Copy)]
pub enum ArgKind {
    /// A number.
    Integer,
    /// A string.
    String,
    /// A literal word.
    Word,
    /// A key.
    Key,
    /// A group of arguments.
    Block(&'static [Arg]),
    /// One of several arguments.
    OneOf(&'static [Arg]),
}

impl Arg {
    /// Creates a required argument.
    pub const fn new(name: &'static CStr, kind: ArgKind) -> Self {
        Self { name, kind, token: None, flags: raw::REDISMODULE_CMD_ARG_NONE }
    }

    /// Allows the argument to occur one or more times.
    pub const fn repeated(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_MULTIPLE, ..self }
    }

    /// Makes the argument optional.
    pub const fn optional(self) -> Self {
        Self { flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }

    /// Creates a literal word.
    pub const fn word(name: &'static CStr, word: &'static CStr) -> Self {
        Self { token: Some(word), ..Self::new(name, ArgKind::Word) }
    }

    /// Puts the argument after a keyword.
    pub const fn after(self, keyword: &'static CStr) -> Self {
        Self { token: Some(keyword), ..self }
    }

    /// Makes the argument optional and puts it after a keyword.
    pub const fn optional_after(self, keyword: &'static CStr) -> Self {
        Self { token: Some(keyword), flags: self.flags | raw::REDISMODULE_CMD_ARG_OPTIONAL, ..self }
    }
}

/// The argument arrays for the server, and the arrays that they point to. They must live until the server has copied
/// them.
#[derive(Default)]
struct ArgArrays(Vec<Vec<RedisModuleCommandArg>>);

impl ArgArrays {
    /// Builds the server's array for `args`, terminated by an empty element.
    fn build(&mut self, args: &[Arg]) -> *mut RedisModuleCommandArg {
        let mut array = Vec::with_capacity(args.len() + 1);
        for arg in args {
            let (kind, subargs) = match arg.kind {
                ArgKind::Integer => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, null_mut())
                }
                ArgKind::String => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, null_mut())
                }
                ArgKind::Word => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN, null_mut())
                }
                ArgKind::Key => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, null_mut())
                }
                ArgKind::Block(args) => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, self.build(args))
                }
                ArgKind::OneOf(args) => {
                    (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF, self.build(args))
                }
            };
            array.push(RedisModuleCommandArg {
                name: arg.name.as_ptr(),
                type_: kind,
                key_spec_index: if matches!(arg.kind, ArgKind::Key) { 0 } else { -1 },
                token: arg.token.map_or(null(), CStr::as_ptr),
                flags: arg.flags.cast_signed(),
                subargs,
                ..empty_arg()
            });
        }
        array.push(empty_arg());
        self.0.push(array);
        self.0.last_mut().map_or(null_mut(), Vec::as_mut_ptr)
    }
}

fn empty_arg() -> RedisModuleCommandArg {
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

impl Spec {
    /// Sets the description of `command`. Returns whether the server accepted it.
    pub(in crate::server) fn apply_to(&self, command: *mut RedisModuleCommand) -> bool {
        let version = RedisModuleCommandInfoVersion {
            version: 1,
            sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
            sizeof_keyspec: size_of::<RedisModuleCommandKeySpec>(),
            sizeof_arg: size_of::<RedisModuleCommandArg>(),
        };
        // SAFETY: a value of all zeros is valid for the type, and terminates an array of it.
        let mut key_specs: [RedisModuleCommandKeySpec; 2] = unsafe { std::mem::zeroed() };
        if let Keys::First(access) | Keys::Every { access, .. } = self.keys {
            let [key_spec, _] = &mut key_specs;
            let (first, last, step) = self.key_positions();
            key_spec.flags = access.flags();
            key_spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
            key_spec.bs.index.pos = first;
            key_spec.find_keys_type =
                raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
            // The position of the last key is relative to the first.
            key_spec.fk.range.lastkey = last.min(0);
            key_spec.fk.range.keystep = step;
            key_spec.fk.range.limit = 0;
        }
        let mut arrays = ArgArrays::default();
        let info = RedisModuleCommandInfo {
            version: &raw const version,
            summary: self.summary.as_ptr(),
            complexity: self.complexity.as_ptr(),
            since: SINCE.as_ptr(),
            history: null_mut(),
            tips: self.tips.map_or(null(), CStr::as_ptr),
            arity: self.arity,
            key_specs: key_specs.as_mut_ptr(),
            args: arrays.build(self.args),
        };
        // SAFETY: the command was just created, and the server copies the data that `info` points to.
        let status = unsafe { api!(RedisModule_SetCommandInfo)(command, &raw const info) };
        status == OK
    }
}
