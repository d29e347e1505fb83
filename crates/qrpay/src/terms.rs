//! What a payer approves: identifier, amount, payee, expiry.

use crate::{Kind, Misuse};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::Amount;
use seal::derive;

/// The identifier of an order or of a commodity: 1 to 64 letters, digits or `. _ : -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Bytes);

impl Uid {
    /// The longest identifier, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Takes an identifier over.
    ///
    /// # Errors
    /// [`Misuse::Identifier`].
    pub fn new(id: impl Into<Bytes>) -> Result<Self, Misuse> {
        let id = id.into();
        if is_identifier(&id) { Ok(Self(id)) } else { Err(Misuse::Identifier) }
    }

    /// Bytes that [`is_identifier`] was asked about.
    pub(crate) const fn checked(id: Bytes) -> Self {
        Self(id)
    }

    /// Draws one: `O` or `C`, then 128 bits in the Crockford alphabet, which has no letters that look alike.
    pub fn draw(entropy: &[u8; 32], kind: Kind) -> Self {
        let drawn = derive::<16>(entropy, "interbank/qrpay/uid/v1", &[]);
        let number = u128::from_be_bytes(*drawn.expose());
        let mut text = Vec::with_capacity(27);
        text.push(match kind {
            Kind::Order => b'O',
            Kind::Commodity => b'C',
        });
        text.extend((0..26).rev().map(|at| {
            let digit = usize::try_from((number >> (5 * at)) & 31).unwrap_or(0);
            CROCKFORD[digit]
        }));
        Self(text.into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// Who is paid, as the payer sees it: 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payee(Bytes);

impl Payee {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Takes a name over.
    ///
    /// # Errors
    /// [`Misuse::Text`].
    pub fn new(name: impl Into<Bytes>) -> Result<Self, Misuse> {
        let name = name.into();
        if Self::is_name(&name) { Ok(Self(name)) } else { Err(Misuse::Text) }
    }

    /// Bytes that [`Payee::is_name`] was asked about.
    pub(crate) const fn checked(name: Bytes) -> Self {
        Self(name)
    }

    /// Whether it can be a payee's name.
    pub(crate) fn is_name(name: &[u8]) -> bool {
        if name.is_empty() || name.len() > Self::BYTES_MAX {
            return false;
        }
        // Most names are plain, and each row that is read has one.
        name.iter().all(|byte| (0x20..0x7F).contains(byte))
            || core::str::from_utf8(name).is_ok_and(|text| !text.chars().any(is_unprintable))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Display for Payee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Payee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payee({self})")
    }
}

/// What a code carries beside identifier and challenge, and what the reply is bound to.
///
/// The base profile of the described system carries nothing: then the reply binds amount 0, currency `XXX`, an empty payee
/// and expiry 0 (spec: default wire form).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Amount and payee.
    pub price: Option<Price>,
    /// When the challenge expires, in seconds since the Unix epoch: valid before it, refused at it.
    pub expires_s: Option<u64>,
}

/// How much, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// A positive amount.
    pub amount: Amount,
    /// Who is paid.
    pub payee: Payee,
}

/// A random number that is to be answered: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Challenge(pub [u8; 16]);

impl Challenge {
    /// Draws one out of fresh entropy, under its own label.
    pub fn draw(entropy: &[u8; 32]) -> Self {
        Self(*derive::<16>(entropy, "interbank/qrpay/challenge/v1", &[]).expose())
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

pub(crate) fn is_identifier(id: &[u8]) -> bool {
    (1..=Uid::BYTES_MAX).contains(&id.len()) && id.iter().all(|byte| PLAIN[usize::from(*byte)])
}

/// Control characters and the marks that reorder text: a payee's name must read the way it is stored.
fn is_unprintable(c: char) -> bool {
    let reorders = matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What may be in an identifier: letters, digits and `. _ : -`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        byte += 1;
    }
    plain
};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_plain() {
        for byte in u8::MIN..=u8::MAX {
            let is_plain = byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            assert_eq!(is_identifier(&[byte]), is_plain);
        }
        for bad in ["", "a b", "a/b", "é", "a\0"] {
            assert_eq!(Uid::new(bad), Err(Misuse::Identifier));
        }
        assert!(Uid::new("ORDER-0001").is_ok());
        assert_eq!(Uid::new(alloc::vec![b'a'; 65]), Err(Misuse::Identifier));
    }

    #[test]
    fn payees_read_the_way_they_are_stored() {
        for bad in ["", "a\nb", "a\u{202E}b", "\u{2066}x"] {
            assert_eq!(Payee::new(bad), Err(Misuse::Text));
        }
        assert_eq!(Payee::new("最佳运输").unwrap().as_str(), "最佳运输");
    }
}
