//! Bytes as hexadecimal digits, in files and in pages; coded in constant time, since some are secrets.

use base16ct::{lower, mixed};
use zeroize::Zeroizing;

/// Two digits for each byte.
pub(crate) fn digits(bytes: &[u8]) -> String {
    lower::encode_string(bytes)
}

/// Exactly so many bytes out of digits; erased when dropped.
pub(crate) fn parse<const N: usize>(digits: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let written = mixed::decode(digits, &mut bytes[..]).ok()?.len();
    (written == N).then_some(bytes)
}

/// As many bytes as there are digits for; for what is no secret.
pub(crate) fn bytes(digits: &str) -> Option<Vec<u8>> {
    mixed::decode_vec(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap());
        assert_eq!(digits(&bytes[..3]), "00070e");
        assert_eq!(*parse::<32>(&digits(&bytes)).unwrap(), bytes);
        assert_eq!(*parse::<2>("0aFF").unwrap(), [0x0A, 0xFF]);
        assert_eq!(super::bytes("0aFF00").unwrap(), [0x0A, 0xFF, 0]);
        for wrong in ["0", "000", "0g", "é0"] {
            assert!(super::bytes(wrong).is_none(), "{wrong}");
        }
        for wrong in ["", "0", "00", "000000", "0g00", "é0"] {
            assert!(parse::<2>(wrong).is_none(), "{wrong}");
        }
    }
}
