//! Hexadecimal digits.

use seal::AccountRef;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Bytes out of exactly so many digits.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = Zeroizing::new([0; N]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

/// Digits of bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// An account's token. The text is not repeated: it may be a card number.
pub(crate) fn token(text: &str) -> Result<AccountRef, String> {
    bytes::<16>(text)
        .map(|bytes| AccountRef::from_bytes(*bytes))
        .ok_or_else(|| "a token is 32 hexadecimal digits".into())
}
