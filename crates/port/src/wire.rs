//! Bytes at rest and on the wire: versioned, big-endian, length-prefixed, canonical.
//!
//! Every stored or sent form of the family is written with [`Writer`] and read with [`Reader`]: a `u8` version first,
//! integers big-endian, variable parts behind a `u8`, `u16` or `u32` length, and nothing after the last field. A form
//! read and written again gives the same bytes. Signed bytes start with `interbank/<crate>/<kind>/v1` and a zero byte.

use alloc::vec::Vec;
use core::fmt;

/// Appends fields to a buffer.
///
/// ```
/// use interbank_port::wire::{Reader, Writer};
/// let mut bytes = Vec::new();
/// Writer::new(&mut bytes, 1).u32(7).lp8(b"order")?;
/// let mut reader = Reader::new(&bytes);
/// reader.version(1)?;
/// assert_eq!((reader.u32()?, reader.lp8()?), (7, &b"order"[..]));
/// reader.finish()?;
/// # Ok::<(), interbank_port::WireError>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    to: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Starts a form of this version.
    #[inline]
    pub fn new(to: &'a mut Vec<u8>, version: u8) -> Self {
        to.push(version);
        Self { to }
    }

    /// Continues in the middle of a form, or writes one that carries its version elsewhere.
    #[inline]
    pub fn bare(to: &'a mut Vec<u8>) -> Self {
        Self { to }
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.to.push(value);
        self
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Eight bytes, two's complement.
    #[inline]
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Bytes whose length both sides know.
    #[inline]
    pub fn fixed(&mut self, value: &[u8]) -> &mut Self {
        self.to.extend_from_slice(value);
        self
    }

    /// Up to 255 bytes behind a `u8` length.
    ///
    /// # Errors
    /// [`WireError::TooLong`]; nothing was written.
    #[inline]
    pub fn lp8(&mut self, value: &[u8]) -> Result<&mut Self, WireError> {
        let len = u8::try_from(value.len()).map_err(|_| WireError::TooLong)?;
        Ok(self.u8(len).fixed(value))
    }

    /// Up to 65,535 bytes behind a `u16` length.
    ///
    /// # Errors
    /// [`WireError::TooLong`]; nothing was written.
    #[inline]
    pub fn lp16(&mut self, value: &[u8]) -> Result<&mut Self, WireError> {
        let len = u16::try_from(value.len()).map_err(|_| WireError::TooLong)?;
        Ok(self.u16(len).fixed(value))
    }

    /// Bytes behind a `u32` length.
    ///
    /// # Errors
    /// [`WireError::TooLong`]; nothing was written.
    #[inline]
    pub fn lp32(&mut self, value: &[u8]) -> Result<&mut Self, WireError> {
        let len = u32::try_from(value.len()).map_err(|_| WireError::TooLong)?;
        Ok(self.u32(len).fixed(value))
    }
}

/// Takes fields from a slice; after an error its position is unspecified.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Checks the leading version byte.
    ///
    /// # Errors
    /// [`WireError::Version`] names the version found, [`WireError::Truncated`].
    #[inline]
    pub fn version(&mut self, known: u8) -> Result<(), WireError> {
        let found = self.u8()?;
        if found == known { Ok(()) } else { Err(WireError::Version(found)) }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// One byte that is 1 for yes and 0 for no.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::Invalid`] for any other byte.
    #[inline]
    pub fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Invalid),
        }
    }

    /// Two bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, two's complement.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Exactly `N` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Exactly `len` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn fixed(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Bytes behind a `u8` length.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn lp8(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u8()?;
        self.fixed(usize::from(len))
    }

    /// Bytes behind a `u16` length.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn lp16(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u16()?;
        self.fixed(usize::from(len))
    }

    /// Bytes behind a `u32` length.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn lp32(&mut self) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.u32()?).map_err(|_| WireError::Truncated)?;
        self.fixed(len)
    }

    /// A UTF-8 text out of bytes just read.
    ///
    /// # Errors
    /// [`WireError::Invalid`].
    #[inline]
    pub fn text(bytes: &'a [u8]) -> Result<&'a str, WireError> {
        core::str::from_utf8(bytes).map_err(|_| WireError::Invalid)
    }

    /// What was not read yet.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the form.
    ///
    /// # Errors
    /// [`WireError::Trailing`] if bytes are left.
    #[inline]
    pub fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}

/// Why bytes are not the form that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// A field holds a value that the form does not allow.
    Invalid,
    /// A part is longer than its length field can say or the form allows.
    TooLong,
    /// Bytes are left after the last field.
    Trailing,
    /// The bytes end within a field.
    Truncated,
    /// This version is not known to this code.
    Version(u8),
}

impl WireError {
    /// Stable number, 110 to 114.
    pub const fn code(self) -> u32 {
        match self {
            Self::Invalid => 110,
            Self::TooLong => 111,
            Self::Trailing => 112,
            Self::Truncated => 113,
            Self::Version(_) => 114,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("a field holds a value that is not allowed"),
            Self::TooLong => f.write_str("a part is too long"),
            Self::Trailing => f.write_str("bytes are left after the last field"),
            Self::Truncated => f.write_str("the bytes end within a field"),
            Self::Version(found) => write!(f, "version {found} is not known"),
        }
    }
}

impl core::error::Error for WireError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn lengths_that_do_not_fit_are_refused_without_a_trace() {
        let mut bytes = vec![];
        let mut writer = Writer::new(&mut bytes, 1);
        assert_eq!(writer.lp8(&[0; 256]).err(), Some(WireError::TooLong));
        assert_eq!(writer.lp16(&vec![0; 65_536]).err(), Some(WireError::TooLong));
        assert_eq!(bytes, [1]);
    }

    #[test]
    fn wrong_ends_are_told_apart() {
        assert_eq!(Reader::new(&[]).version(1), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[2]).version(1), Err(WireError::Version(2)));
        assert_eq!(Reader::new(&[3, 1, 2]).lp8(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0xFF; 4]).lp32(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0]).finish(), Err(WireError::Trailing));
        assert_eq!(Reader::text(&[0xFF]), Err(WireError::Invalid));
        assert_eq!(
            [0, 1, 2].map(|byte| Reader::new(&[byte]).flag()),
            [Ok(false), Ok(true), Err(WireError::Invalid)]
        );
        assert_eq!(Reader::new(&[]).flag(), Err(WireError::Truncated));
    }

    proptest! {
        #[test]
        fn fields_come_back(a in any::<u64>(), b in any::<i64>(), c in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = vec![];
            Writer::new(&mut bytes, 9).u64(a).i64(b).lp16(&c).unwrap().lp32(&c).unwrap();
            let mut reader = Reader::new(&bytes);
            reader.version(9).unwrap();
            prop_assert_eq!(reader.u64(), Ok(a));
            prop_assert_eq!(reader.i64(), Ok(b));
            prop_assert_eq!(reader.lp16(), Ok(&c[..]));
            prop_assert_eq!(reader.lp32(), Ok(&c[..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
