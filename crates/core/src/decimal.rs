/// Parses a strict decimal integer: ASCII digits only, without sign, spaces or leading zeros.
///
/// Returns `None` for any other text, and for a value that exceeds `u64`.
///
/// ```
/// assert_eq!(ratelog_core::parse_decimal(b"60"), Some(60));
/// assert_eq!(ratelog_core::parse_decimal(b"+60"), None);
/// assert_eq!(ratelog_core::parse_decimal(b"060"), None);
/// ```
#[must_use]
pub fn parse(text: &[u8]) -> Option<u64> {
    match text {
        [] | [b'0', _, ..] => None,
        digits => digits.iter().try_fold(0_u64, |value, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value.checked_mul(10)?.checked_add(u64::from(digit))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn printed_numbers_parse() {
        for value in [0, 1, 9, 10, 4_294_967_296, u64::MAX] {
            assert_eq!(parse(value.to_string().as_bytes()), Some(value));
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "x",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"1\xff"), None);
    }
}
