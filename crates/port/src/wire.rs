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
pub struct Writer<'a, T: Sink = Vec<u8>> {
    to: &'a mut T,
}

impl<'a, T: Sink> Writer<'a, T> {
    /// Starts a form of this version.
    #[inline]
    pub fn new(to: &'a mut T, version: u8) -> Self {
        to.put(&[version]);
        Self { to }
    }

    /// Continues in the middle of a form, or writes one that carries its version elsewhere.
    #[inline]
    pub fn bare(to: &'a mut T) -> Self {
        Self { to }
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.to.put(&[value]);
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
        self.to.put(value);
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

/// What a [`Writer`] writes to.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A buffer of exactly the size of what is written to it: quicker than one that may have to grow.
///
/// What does not fit is not written, and [`Slot::finish`] says so.
///
/// ```
/// use interbank_port::wire::{Slot, Writer};
/// let mut bytes = [0; 5];
/// let mut slot = Slot::new(&mut bytes);
/// Writer::new(&mut slot, 1).u32(7);
/// slot.finish()?;
/// assert_eq!(bytes, [1, 0, 0, 0, 7]);
/// # Ok::<(), interbank_port::WireError>(())
/// ```
#[derive(Debug)]
pub struct Slot<'a> {
    rest: &'a mut [u8],
    is_short: bool,
}

impl<'a> Slot<'a> {
    /// Writes from the start of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes, is_short: false }
    }

    /// Ends the form.
    ///
    /// # Errors
    /// [`WireError::TooLong`] if the buffer was too short, [`WireError::Truncated`] if it is not full.
    #[inline]
    pub const fn finish(self) -> Result<(), WireError> {
        match self {
            Self { is_short: true, .. } => Err(WireError::TooLong),
            Self { rest: [], .. } => Ok(()),
            Self { .. } => Err(WireError::Truncated),
        }
    }
}

impl Sink for Slot<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            Some((room, rest)) => {
                room.copy_from_slice(bytes);
                self.rest = rest;
            }
            // Nothing fits any more.
            None => self.is_short = true,
        }
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

    #[test]
    fn a_slot_takes_exactly_its_size() {
        for size in 0..12 {
            let mut bytes = vec![9; size];
            let mut slot = Slot::new(&mut bytes);
            Writer::bare(&mut slot).u16(1).u32(2);
            let told = match size {
                0..6 => Err(WireError::TooLong),
                6 => Ok(()),
                _ => Err(WireError::Truncated),
            };
            assert_eq!(slot.finish(), told);
            assert!(size < 6 || bytes.starts_with(&[0, 1, 0, 0, 0, 2]));
            assert!(bytes.iter().skip(6).all(|byte| *byte == 9), "nothing behind it is touched");
        }
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
