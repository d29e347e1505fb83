//! Hexadecimal digits; coded in constant time, since some are secrets.

use base16ct::{lower, mixed};
use zeroize::Zeroizing;

/// Digits of bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    lower::encode_string(bytes)
}

/// Bytes out of exactly so many digits.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let written = mixed::decode(text, &mut bytes[..]).ok()?.len();
    (written == N).then_some(bytes)
}

/// Bytes out of digits.
pub(crate) fn all(text: &str) -> Option<Vec<u8>> {
    mixed::decode_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back_and_nothing_else_is_taken() {
        assert_eq!(text(&[0, 255, 16]), "00ff10");
        assert_eq!(bytes::<3>("00fF10").as_deref(), Some(&[0, 255, 16]));
        assert_eq!(all("00ff10"), Some(vec![0, 255, 16]));
        for wrong in ["00ff1", "00ff1x", "00ff1000", "ää", "+1ff00", ""] {
            assert!(bytes::<3>(wrong).is_none(), "{wrong}");
        }
    }
}
