//! Bytes that must not be printed, compared carelessly, or outlive their use.

use core::fmt;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret of `N` bytes: zeroized on drop, compared in constant time, absent from `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over; the caller's copy is the caller's to erase.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that needs them.
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
///
/// ```
/// assert!(interbank_seal::equal(b"code", b"code"));
/// assert!(!interbank_seal::equal(b"code", b"codes"));
/// ```
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // Eight bytes at a time: a comparison of single bytes takes several times as long as the MAC's last step.
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a.iter().zip(b);
    let same = words.fold(Choice::from(1), |same, (a, b)| {
        same & u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b))
    });
    (same & rest_of_a.ct_eq(rest_of_b)).into()
}

#[cfg(test)]
mod tests {
    use super::equal;
    use alloc::vec;

    #[test]
    fn every_byte_counts() {
        for len in 0..70 {
            let right = vec![0x5A; len];
            assert!(equal(&right, &right.clone()));
            for at in 0..len {
                let mut wrong = right.clone();
                wrong[at] ^= 0x80;
                assert!(!equal(&right, &wrong), "byte {at} of {len}");
            }
            assert!(!equal(&right, &vec![0x5A; len + 1]));
        }
    }
}
