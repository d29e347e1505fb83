//! Short texts of messages, inline.

use core::fmt;

/// 1 to `N` printable ASCII characters (`0x20` to `0x7E`) that neither start nor end with a blank: a terminal, a reference.
/// Message fields that are padded with blanks have them taken off by whoever reads the message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// Checks and copies.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn new(text: &str) -> Result<Self, TextError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Checks and copies bytes from a wire form.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, TextError> {
        let blank = |byte: Option<&u8>| byte == Some(&b' ');
        if text.is_empty() || blank(text.first()) || blank(text.last()) {
            return Err(TextError);
        }
        if !text.iter().all(|byte| (0x20..=0x7E).contains(byte)) {
            return Err(TextError);
        }
        let mut bytes = [0; N];
        bytes.get_mut(..text.len()).ok_or(TextError)?.copy_from_slice(text);
        Ok(Self { bytes, len: u8::try_from(text.len()).map_err(|_| TextError)? })
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII was taken.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Not a text of this length and alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextError;

impl TextError {
    /// Stable number: 4100.
    pub const fn code(self) -> u32 {
        4_100
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("empty, too long, blank at an end, or not printable ASCII")
    }
}

impl core::error::Error for TextError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_alphabet_are_exact() {
        assert_eq!(Text::<4>::new("AB 1").map(|text| text.as_str().len()), Ok(4));
        for bad in ["", "ABCDE", " A", "A ", "Ä", "A\n"] {
            assert_eq!(Text::<4>::new(bad), Err(TextError), "{bad:?}");
        }
    }
}
