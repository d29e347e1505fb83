//! Whole numbers in as few bytes as they need: an account's row has hundreds of small ones.

use port::WireError;
use port::wire::{Reader, Writer};

/// Appends seven bits a byte, low bits first, the high bit set while more follow (LEB128).
#[inline]
pub(crate) fn write(to: &mut Writer<'_>, number: u64) {
    if number < 0x80 {
        to.u8(low_bits(number));
    } else {
        write_long(to, number);
    }
}

fn write_long(to: &mut Writer<'_>, mut number: u64) {
    while number >= 0x80 {
        to.u8(low_bits(number) | 0x80);
        number >>= 7;
    }
    to.u8(low_bits(number));
}

/// Reads it; a form with needless bytes is refused, so that each number has one form.
#[inline]
pub(crate) fn read(from: &mut Reader<'_>) -> Result<u64, WireError> {
    match *from.rest() {
        [byte @ 0..0x80, ..] => from.u8().map(|_| byte.into()),
        [a @ 0x80..=0xFF, b @ 1..0x80, ..] => {
            from.u16().map(|_| u64::from(a & 0x7F) | u64::from(b) << 7)
        }
        _ => read_long(from),
    }
}

fn read_long(from: &mut Reader<'_>) -> Result<u64, WireError> {
    // Eight bytes at once, where there are as many and the number ends in them.
    if let Some(chunk) = from.rest().first_chunk() {
        let chunk = u64::from_le_bytes(*chunk);
        let ends = !chunk & 0x8080_8080_8080_8080;
        let bits = ends.trailing_zeros();
        if ends != 0 {
            // At least 7, at most 63.
            let bytes = chunk & (u64::MAX >> (63 - bits));
            if bits > 7 && bytes >> (bits - 7) == 0 {
                return Err(WireError::Invalid);
            }
            from.fixed(usize::from(bits.to_le_bytes()[0] / 8 + 1))?;
            return Ok(gathered(bytes));
        }
    }
    read_bytewise(from)
}

/// The low seven bits of each byte, side by side.
const fn gathered(bytes: u64) -> u64 {
    let pairs = bytes & 0x007F_007F_007F_007F | (bytes & 0x7F00_7F00_7F00_7F00) >> 1;
    let fours = pairs & 0x0000_3FFF_0000_3FFF | (pairs & 0x3FFF_0000_3FFF_0000) >> 2;
    fours & 0x0FFF_FFFF | (fours & 0x0FFF_FFFF_0000_0000) >> 4
}

fn read_bytewise(from: &mut Reader<'_>) -> Result<u64, WireError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = from.u8()?;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 || shift > 0 && byte == 0 {
            return Err(WireError::Invalid);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(WireError::Invalid)
}

/// How many bytes it takes.
pub(crate) const fn len(number: u64) -> usize {
    // One bit at least; a u64 has at most 64 significant bits.
    ((64 - (number | 1).leading_zeros()) as usize).div_ceil(7)
}

/// An amount that is never negative.
pub(crate) fn write_minor(to: &mut Writer<'_>, minor: i64) {
    write(to, minor.unsigned_abs());
}

/// Reads [`write_minor`].
pub(crate) fn read_minor(from: &mut Reader<'_>) -> Result<i64, WireError> {
    i64::try_from(read(from)?).map_err(|_| WireError::Invalid)
}

fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn form(number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer::bare(&mut bytes), number);
        bytes
    }

    proptest! {
        #[test]
        fn every_number_comes_back(number: u64, shift in 0..64_u32) {
            let number = number >> shift;
            let bytes = form(number);
            prop_assert_eq!(bytes.len(), len(number));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read(&mut reader), Ok(number));
            prop_assert!(reader.rest().is_empty());
        }
    }

    proptest! {
        /// The quick way and the plain one, over any bytes.
        #[test]
        fn both_ways_of_reading_agree(bytes in prop::collection::vec(0_u8.., 0..12), lead in 0..12_usize) {
            let mut bytes = bytes;
            bytes.iter_mut().take(lead).for_each(|byte| *byte |= 0x80);
            let (mut quick, mut plain) = (Reader::new(&bytes), Reader::new(&bytes));
            let (found, expected) = (read(&mut quick), read_bytewise(&mut plain));
            prop_assert_eq!(found, expected);
            if found.is_ok() {
                prop_assert_eq!(quick.rest(), plain.rest());
            }
        }
    }

    #[test]
    fn each_number_has_one_form() {
        for (number, bytes) in
            [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX, 10)]
        {
            assert_eq!((form(number).len(), len(number)), (bytes, bytes), "{number}");
        }
        for bad in [&[0x80, 0x00][..], &[0xFF; 10], &[0x80]] {
            assert!(read(&mut Reader::new(bad)).is_err(), "{bad:?}");
        }
    }
}
