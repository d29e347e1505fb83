//! Bytes as hexadecimal digits.

/// Lower case.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly so many bytes.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back() {
        assert_eq!(text(&[0, 255, 16]), "00ff10");
        assert_eq!(bytes::<3>("00ff10"), Some([0, 255, 16]));
        assert_eq!(bytes::<2>("+1ff"), None);
        for wrong in ["00ff1", "00ff1x", "00ff1000", "ää"] {
            assert_eq!(bytes::<3>(wrong), None, "{wrong}");
        }
    }
}
