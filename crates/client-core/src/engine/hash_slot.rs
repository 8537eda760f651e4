use crc16::{State, XMODEM};

/// The number of hash slots of a cluster.
pub(super) const SLOT_COUNT: u16 = 16_384;

/// The hash slot of a key, as in `CLUSTER KEYSLOT`. Of a key with a hash tag, such as `{user}:1`, only the tag counts.
///
/// ```
/// use ratelog_client_core::engine::hash_slot;
///
/// assert_eq!(hash_slot(b"foo"), 12_182);
/// assert_eq!(hash_slot(b"{foo}:1"), hash_slot(b"foo"));
/// ```
#[must_use]
pub fn hash_slot(key: &[u8]) -> u16 {
    State::<XMODEM>::calculate(hash_tag(key).unwrap_or(key)) % SLOT_COUNT
}

/// The text between the first `{` and the first `}` after it, unless it is empty.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let start = key.iter().position(|byte| *byte == b'{')? + 1;
    let rest = key.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..end).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::hash_slot;

    #[test]
    fn slots_are_those_of_the_servers() {
        // As `CLUSTER KEYSLOT` of a Redis 7.0 server says.
        let slots = [
            ("", 0),
            ("foo", 12_182),
            ("123456789", 12_739),
            ("{foo}bar", 12_182),
            ("a{foo}{bar}", 12_182),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("}{foo}", 12_182),
        ];
        for (key, slot) in slots {
            assert_eq!(hash_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
