//! Hexadecimal digits; coded in constant time, since some are secrets.

use base16ct::{lower, mixed};
use seal::AccountRef;
use zeroize::Zeroizing;

/// Bytes out of exactly so many digits.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let written = mixed::decode(text, &mut bytes[..]).ok()?.len();
    (written == N).then_some(bytes)
}

/// Digits of bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    lower::encode_string(bytes)
}

/// An account's token. The text is not repeated: it may be a card number.
pub(crate) fn token(text: &str) -> Result<AccountRef, String> {
    bytes::<16>(text)
        .map(|bytes| AccountRef::from_bytes(*bytes))
        .ok_or_else(|| "a token is 32 hexadecimal digits".into())
}
