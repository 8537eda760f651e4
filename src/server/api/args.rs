use std::marker::PhantomData;

use redis_module::raw::RedisModuleString;

use super::api;

/// The arguments of one command call, without the command's name.
pub struct Args<'a> {
    strings: &'a [*mut RedisModuleString],
}

/// The name of a key, as a string of the server.
#[derive(Clone, Copy)]
pub struct KeyName<'a> {
    pub(super) raw: *mut RedisModuleString,
    call: PhantomData<&'a ()>,
}

impl<'a> KeyName<'a> {
    /// Returns the name's bytes.
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: the name lives for 'a.
        unsafe { bytes(self.raw) }
    }

    /// Wraps a string of the server.
    ///
    /// # Safety
    /// `raw` must live for `'a`.
    pub const unsafe fn new(raw: *mut RedisModuleString) -> Self {
        Self { raw, call: PhantomData }
    }
}

impl<'a> Args<'a> {
    /// Wraps the arguments that the server passed, without the words that name the command.
    ///
    /// # Safety
    /// `argv` must point to `argc` strings that live for `'a`.
    pub unsafe fn new(argv: *const *mut RedisModuleString, argc: usize, name_words: usize) -> Self {
        // SAFETY: the caller guarantees it.
        let all = unsafe { std::slice::from_raw_parts(argv, argc) };
        Self { strings: all.get(name_words..).unwrap_or_default() }
    }

    /// Returns the only argument as a key's name, or `None` if the number of arguments is not one.
    pub fn only_key(self) -> Option<KeyName<'a>> {
        self.split_key().filter(|(_, rest)| rest.strings.is_empty()).map(|(key, _)| key)
    }

    /// Returns the first argument as a key's name and the arguments after it, or `None` if there are no arguments.
    pub fn split_key(self) -> Option<(KeyName<'a>, Self)> {
        let (&raw, strings) = self.strings.split_first()?;
        Some((KeyName { raw, call: PhantomData }, Self { strings }))
    }
}

/// Returns the bytes of a string of the server.
///
/// # Safety
/// The string must live and must not change for `'a`.
pub unsafe fn bytes<'a>(string: *const RedisModuleString) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: the caller guarantees it.
    unsafe {
        let bytes = api!(RedisModule_StringPtrLen)(string, &raw mut len);
        std::slice::from_raw_parts(bytes.cast(), len)
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&string, rest) = self.strings.split_first()?;
        self.strings = rest;
        // SAFETY: the string lives for 'a.
        Some(unsafe { bytes(string) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.strings.len(), Some(self.strings.len()))
    }
}

impl ExactSizeIterator for Args<'_> {}
