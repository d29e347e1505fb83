//! From an HMAC value to what a human types.

use core::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::decimal::Decimal;
use super::error::OcraError;

/// A code: decimal digits with leading zeros kept, or the whole HMAC in lower-case hexadecimal.
///
/// It is a secret until it was used: not shown by `Debug`, compared in constant time, wiped on
/// drop.
#[derive(Clone)]
pub struct Code {
    text: [u8; CODE_MAX_CHARS],
    len: u8,
}

impl Code {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether `typed` is this code, in constant time for texts of the right length; hexadecimal
    /// digits in either case.
    #[inline]
    pub fn matches(&self, typed: &str) -> bool {
        self.choice(typed).into()
    }

    #[inline]
    pub(super) fn choice(&self, typed: &str) -> Choice {
        if typed.len() != usize::from(self.len) {
            return Choice::from(0);
        }
        let difference = typed
            .bytes()
            .zip(self.as_bytes())
            .fold(0, |difference, (typed, own)| difference | (typed.to_ascii_lowercase() ^ own));
        difference.ct_eq(&0)
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    #[inline]
    fn decimal(mut number: u32, digits: u8) -> Self {
        let mut code = Self { text: [0; CODE_MAX_CHARS], len: digits };
        for place in code.text.iter_mut().take(usize::from(digits)).rev() {
            let [digit, ..] = (number % 10).to_le_bytes();
            *place = b'0' + digit;
            number /= 10;
        }
        code
    }

    fn hexadecimal(tag: &[u8]) -> Self {
        let mut code = Self { text: [0; CODE_MAX_CHARS], len: 0 };
        for (pair, byte) in code.text.chunks_exact_mut(2).zip(tag) {
            for (to, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *to = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            }
            code.len += 2;
        }
        code
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} characters)", self.len)
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // The rest was never written.
        self.text.iter_mut().take(usize::from(self.len)).for_each(Zeroize::zeroize);
    }
}

impl ZeroizeOnDrop for Code {}

/// The code of an HMAC value, wherever it was computed: 1 to 10 digits by the dynamic truncation
/// of RFC 4226 §5.3, or with 0 digits the whole value in hexadecimal (RFC 6287 §5.2).
///
/// # Errors
///
/// `TagLength` unless `tag` has 20 to 64 bytes; `Digits`.
#[inline]
pub fn truncate(tag: &[u8], digits: u8) -> Result<Code, OcraError> {
    if !(20..=64).contains(&tag.len()) {
        return Err(OcraError::TagLength);
    }
    match digits {
        0 => Ok(Code::hexadecimal(tag)),
        1..=10 => hotp_truncate(tag, digits),
        _ => Err(OcraError::Digits),
    }
}

/// Dynamic truncation to 1 to 10 digits (RFC 4226 §5.3). The number before the modulus has 31 bits,
/// so with ten digits the first is never above 2.
///
/// # Errors
///
/// `TagLength` if `tag` has fewer than 20 bytes; `Digits`.
#[inline]
pub fn hotp_truncate(tag: &[u8], digits: u8) -> Result<Code, OcraError> {
    // `decimal` keeps the last digits, which is the modulus.
    Ok(Code::decimal(truncated(tag, digits)?, digits))
}

/// Whether `typed` is the code that [`truncate`] makes of `tag`, in constant time for texts of the right length. Numbers are
/// compared where the code is one: digits need not be written down for that.
///
/// # Errors
///
/// As [`truncate`].
#[inline]
pub(super) fn is_code(tag: &[u8], digits: u8, typed: &str) -> Result<Choice, OcraError> {
    if digits == 0 {
        return Ok(truncate(tag, digits)?.choice(typed));
    }
    let number = u64::from(truncated(tag, digits)?);
    // By ten again and again: a division by a constant takes no longer for one number than for another.
    let (mut rest, mut modulus) = (number, 1);
    for _ in 0..digits {
        rest /= 10;
        modulus *= 10;
    }
    let right = number - rest * modulus;
    if typed.len() != usize::from(digits) {
        return Ok(Choice::from(0));
    }
    Ok(Decimal::new().read(typed).is(right))
}

/// The number of 31 bits that the digits are taken from.
#[inline]
fn truncated(tag: &[u8], digits: u8) -> Result<u32, OcraError> {
    if !(1..=10).contains(&digits) {
        return Err(OcraError::Digits);
    }
    if tag.len() < 20 {
        return Err(OcraError::TagLength);
    }
    let offset = tag.last().map_or(0, |last| usize::from(last & 15));
    let word =
        tag.get(offset..).and_then(|rest| rest.first_chunk::<4>()).ok_or(OcraError::TagLength)?;
    Ok(u32::from_be_bytes(*word) & 0x7FFF_FFFF)
}

/// SHA-512 in hexadecimal.
const CODE_MAX_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_code_is_told_as_if_it_were_written_down(tag: [u8; 32], digits in 0..=10_u8, at: prop::sample::Index, other: char) {
            let code = truncate(&tag, digits).unwrap();
            let told = |typed: &str| bool::from(is_code(&tag, digits, typed).unwrap());
            prop_assert!(told(code.as_str()));
            let at = at.index(code.as_str().len());
            let (head, tail) = (&code.as_str()[..at], &code.as_str()[at + 1..]);
            for typed in [format!("{head}{other}{tail}"), format!("{head}9{tail}"), format!("{head}{tail}"), format!("0{head}0{tail}")] {
                prop_assert_eq!(told(&typed), code.matches(&typed), "{}", typed);
            }
        }
    }
}
