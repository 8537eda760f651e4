/// The maximum number of bytes of a key's name that the sketches store.
pub const MAX_NAME: usize = 256;

/// Returns the name as `RL.TOP` shows it. A name of more than [`MAX_NAME`] bytes is shortened to its first bytes,
/// followed by its length and its hash, and remains longer than every name that is not shortened.
pub fn shown_name(name: &[u8], hash: u64) -> Box<[u8]> {
    match name.split_at_checked(MAX_NAME) {
        Some((start, rest)) if !rest.is_empty() => {
            let end = format!("...[{} bytes, {hash:016x}]", name.len());
            [start, end.as_bytes()].concat().into()
        }
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME, shown_name};

    #[test]
    fn only_long_names_are_shortened() {
        for len in [0, 1, MAX_NAME] {
            let name = vec![b'x'; len];
            assert_eq!(*shown_name(&name, 7), name);
        }
        let name = vec![b'x'; MAX_NAME + 1];
        let shown = shown_name(&name, 0x1f);
        assert_eq!(shown[..MAX_NAME], name[..MAX_NAME]);
        assert_eq!(shown[MAX_NAME..], *b"...[257 bytes, 000000000000001f]");
    }

    #[test]
    fn a_shortened_name_is_short_and_is_no_other_name() {
        let (one, other) = (vec![0xff; 1_000_000], vec![0xff; 1_000_001]);
        let shown = shown_name(&one, u64::MAX);
        assert!((MAX_NAME + 1..=MAX_NAME + 64).contains(&shown.len()));
        assert_ne!(shown, shown_name(&other, u64::MAX));
        assert_ne!(shown, shown_name(&one, 1));
    }
}
