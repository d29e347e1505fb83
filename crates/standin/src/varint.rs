//! Whole numbers in as few bytes as they need: an account's row has hundreds of small ones.

use port::WireError;
use port::wire::{Reader, Writer};

/// Appends seven bits a byte, low bits first, the high bit set while more follow (LEB128).
pub(crate) fn write(to: &mut Writer<'_>, mut number: u64) {
    while number >= 0x80 {
        to.u8(low_bits(number) | 0x80);
        number >>= 7;
    }
    to.u8(low_bits(number));
}

/// Reads it; a form with needless bytes is refused, so that each number has one form.
pub(crate) fn read(from: &mut Reader<'_>) -> Result<u64, WireError> {
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
