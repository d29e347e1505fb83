//! Keys and random values out of a secret, each under a label of its own (HKDF-SHA-256, RFC 5869).

use crate::Secret;
use hkdf::Hkdf;
use sha2::Sha256;

/// Derives `N` bytes from a secret, bound to a label and to parts.
///
/// Each part stands behind its length (`u16`, big-endian), so that no two lists of parts give the same bytes. `N` is at
/// most 8,160 (RFC 5869 §2.3); more is a mistake of the caller and gives zeros for nothing: it does not compile.
///
/// ```
/// let secret = [7; 32];
/// let a = interbank_seal::derive::<16>(&secret, "example/a", &[b"x"]);
/// let b = interbank_seal::derive::<16>(&secret, "example/b", &[b"x"]);
/// assert!(a != b);
/// ```
pub fn derive<const N: usize>(secret: &[u8], label: &str, parts: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 8_160, "HKDF-SHA-256 gives at most 8,160 bytes") };
    let mut info = alloc::vec::Vec::with_capacity(64);
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    for part in parts {
        let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
        info.extend_from_slice(&len.to_be_bytes());
        info.extend_from_slice(part);
    }
    let mut out = [0; N];
    // Cannot fail: the length was checked when this was compiled.
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(&info, &mut out);
    debug_assert!(expanded.is_ok());
    Secret::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hkdf_with_a_labelled_info() {
        let mut expected = [0; 42];
        let hkdf = Hkdf::<Sha256>::new(None, b"secret");
        hkdf.expand(b"label\0\x00\x02ab\x00\x00", &mut expected).unwrap();
        assert_eq!(derive::<42>(b"secret", "label", &[b"ab", b""]).expose(), &expected);
    }

    #[test]
    fn parts_do_not_run_together() {
        let a = derive::<32>(b"s", "l", &[b"ab", b"c"]);
        let b = derive::<32>(b"s", "l", &[b"a", b"bc"]);
        assert!(a != b);
    }
}
