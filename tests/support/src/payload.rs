//! Splits `DUMP` payloads into body, server version and checksum.

const FOOTER: usize = 10;

/// The type byte and the module's type ID. The server reads them before it calls the module.
pub const HEADER: usize = 10;

/// Returns the payload without its version and its checksum.
pub fn body(dump: &[u8]) -> &[u8] {
    &dump[..dump.len() - FOOTER]
}

/// Returns the two short strings of a value: its log and its override.
pub fn texts(dump: &[u8]) -> [&[u8]; 2] {
    let text = |bytes: &'_ [u8]| {
        assert!(bytes[0] == 5 && bytes[1] < 64, "a short string follows");
        usize::from(bytes[1])
    };
    let values = &body(dump)[HEADER..];
    let (log, rest) = values[2..].split_at(text(values));
    let key_override = &rest[2..2 + text(rest)];
    [log, key_override]
}

/// Adds the version of the original dump and a valid checksum to the body.
pub fn seal(body: &[u8], original: &[u8]) -> Vec<u8> {
    let version = &original[original.len() - FOOTER..original.len() - 8];
    let mut sealed = [body, version].concat();
    sealed.extend_from_slice(&crc64(&sealed).to_le_bytes());
    sealed
}

/// Computes a payload's CRC-64 with the Jones polynomial, as servers do.
fn crc64(bytes: &[u8]) -> u64 {
    const REVERSED_JONES: u64 = 0x95ac_9329_ac4b_c9b5;
    let step = |crc: u64, _| (crc >> 1) ^ (REVERSED_JONES * (crc & 1));
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u64::from(*byte), step))
}
