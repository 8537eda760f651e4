/// A stored key. A short key needs no allocation.
pub(super) enum Key {
    Short { len: u8, bytes: [u8; Key::SHORT] },
    Long(Box<[u8]>),
}

impl Key {
    const SHORT: usize = 22;

    pub(super) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; Self::SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(key);
                Self::Short { len, bytes }
            }
            _ => Self::Long(key.into()),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// Returns the bytes on the heap, or 0 without an allocation.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn keys_of_any_length_round_trip() {
        for len in [0, 1, 21, 22, 23, 300] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            let key = Key::new(&bytes);
            assert_eq!(key.bytes(), bytes);
            assert_eq!(key.heap_bytes(), if len > 22 { len } else { 0 });
        }
        assert_eq!(size_of::<Key>(), 24);
    }
}
