//! From bytes to a message.

use crate::coding::{Coding, nibble};
use crate::description::{Counts, Odd};
use crate::dialect::{Dialect, Field};
use crate::error::{Fault, ParseError};
use crate::format::Content;
use crate::values::Values;
use crate::{Message, Mti};

impl Message {
    /// Reads a message, which has to fill the bytes. What is accepted is written again as the same bytes.
    ///
    /// # Errors
    /// [`ParseError`], with the field and the offset; it carries none of the bytes.
    pub fn parse(bytes: &[u8], dialect: &Dialect) -> Result<Self, ParseError> {
        let mut reader = Reader { bytes, at: 0 };
        let mti = mti(&mut reader, dialect)?;
        if !dialect.knows(mti) {
            return Err(ParseError::new(0, 0, Fault::MessageType));
        }
        let mut bits = u128::from(bitmap(&mut reader, dialect)?) << 64;
        let wide = bits >> 127 != 0;
        if wide {
            let at = reader.at;
            bits |= u128::from(bitmap(&mut reader, dialect)?);
            if bits >> 63 & 1 != 0 {
                return Err(ParseError::new(65, at, Fault::ThirdBitmap));
            }
        }
        let left = bytes.len() - reader.at;
        let mut values = Values::with_capacity(left.saturating_mul(dialect.growth));
        // The first field is the highest bit: the one that stands for the second bitmap is none.
        let mut bits = bits << 1;
        let mut number = 2_u8;
        while bits != 0 {
            let skipped = bits.leading_zeros();
            number = number.saturating_add(u8::try_from(skipped).unwrap_or(u8::MAX));
            let Some(field) = dialect.field(number) else {
                return Err(ParseError::new(number, reader.at, Fault::Undescribed));
            };
            value(&mut reader, number, field, &mut values)?;
            bits = bits << skipped << 1;
            number = number.saturating_add(1);
        }
        if reader.at != bytes.len() {
            return Err(ParseError::new(129, reader.at, Fault::Trailing));
        }
        // With a field above 64 the second bitmap goes without saying.
        let wide = wide && !values.is_above_64();
        Ok(Self { mti, values, wide })
    }
}

fn mti(reader: &mut Reader<'_>, dialect: &Dialect) -> Result<Mti, ParseError> {
    let coding = dialect.codings.mti;
    let wire = reader.take(0, if coding == Coding::Bcd { 2 } else { 4 })?;
    let mut digits = [0; 4];
    digits_of(wire, coding, &mut digits)
        .and_then(|()| Mti::from_digits(digits))
        .ok_or(ParseError::new(0, 0, Fault::Character))
}

fn bitmap(reader: &mut Reader<'_>, dialect: &Dialect) -> Result<u64, ParseError> {
    let at = reader.at;
    let coding = dialect.codings.bitmap;
    let wire = reader.take(1, if coding == Coding::Binary { 8 } else { 16 })?;
    let mut bytes = [0; 8];
    bytes_of(wire, coding, &mut bytes).ok_or(ParseError::new(1, at, Fault::Character))?;
    Ok(u64::from_be_bytes(bytes))
}

fn value(
    reader: &mut Reader<'_>,
    number: u8,
    field: &Field,
    values: &mut Values,
) -> Result<(), ParseError> {
    let max = usize::from(field.format.units_max);
    let start = reader.at;
    let (wire, units) = if field.format.length_digits == 0 {
        (reader.take(number, field.wire_len(max))?, max)
    } else {
        let wire = reader.take(number, field.length_len())?;
        let wrong = |fault| ParseError::new(number, start, fault);
        let count = length(wire, field).ok_or(wrong(Fault::LengthPrefix))?;
        if count > field.wire_count(max) {
            return Err(wrong(Fault::Length));
        }
        let (wire, units) = match field.counts {
            Counts::Value => (reader.take(number, field.wire_len(count))?, Some(count)),
            Counts::Wire => {
                let wire = reader.take(number, count)?;
                (wire, units_of(wire, field))
            }
        };
        let allowed = usize::from(field.min)..=max;
        (wire, units.filter(|units| allowed.contains(units)).ok_or(wrong(Fault::Length))?)
    };
    let at = reader.at - wire.len();
    values
        .write(number, units, |to| contents(wire, field, to))
        .map_err(|fault| ParseError::new(number, at, fault))
}

/// The number that a length says.
fn length(wire: &[u8], field: &Field) -> Option<usize> {
    let decimal = |all: usize, digit: &u8| all * 10 + usize::from(digit - b'0');
    let digits = usize::from(field.format.length_digits);
    match field.length {
        Coding::Binary => Some(wire.iter().fold(0, |all, byte| all << 8 | usize::from(*byte))),
        coding => {
            // At most four, which is checked with the dialect; packed, a zero fills three up.
            let mut ascii = [b'0'; 4];
            let width = if coding == Coding::Bcd { digits.next_multiple_of(2) } else { digits };
            let ascii = ascii.get_mut(..width)?;
            digits_of(wire, coding, ascii)?;
            let filled = ascii.len() > digits && ascii.first() != Some(&b'0');
            (!filled).then(|| ascii.iter().fold(0, decimal))
        }
    }
}

/// How many units a value has whose length counts its bytes on the wire.
fn units_of(wire: &[u8], field: &Field) -> Option<usize> {
    match field.contents {
        Coding::Bcd => {
            let filled = match field.odd {
                Odd::FLeft => wire.first().is_some_and(|byte| byte >> 4 == 15),
                _ => wire.last().is_some_and(|byte| byte & 15 == 15),
            };
            Some(wire.len() * 2 - usize::from(filled))
        }
        Coding::Hex | Coding::HexEbcdic => wire.len().is_multiple_of(2).then_some(wire.len() / 2),
        _ => Some(wire.len()),
    }
}

/// Writes a value of exactly the right length as plain characters or bytes.
fn contents(wire: &[u8], field: &Field, to: &mut [u8]) -> Result<(), Fault> {
    let content = field.format.content;
    match (field.contents, content) {
        (Coding::Bcd, Content::Signed) => {
            let ([sign, packed @ ..], [first, digits @ ..]) = (wire, to) else {
                return Err(Fault::Truncated);
            };
            *first = field.sign.to_ascii()[usize::from(*sign)];
            if !matches!(first, b'C' | b'D') {
                return Err(Fault::Character);
            }
            unpack(packed, field.odd, 9, digits)
        }
        // A nibble of a track is its character less 30; F, the end sentinel, is no part of the value.
        (Coding::Bcd, Content::Track) => unpack(wire, field.odd, 14, to),
        (Coding::Bcd, _) => unpack(wire, field.odd, 9, to),
        (coding, Content::Binary) => bytes_of(wire, coding, to).ok_or(Fault::Character),
        (Coding::Ascii, _) => {
            if !content.allows(wire) || wire.len() != to.len() {
                return Err(Fault::Character);
            }
            to.copy_from_slice(wire);
            Ok(())
        }
        (coding, _) => {
            let table = coding.to_ascii();
            to.iter_mut().zip(wire).for_each(|(to, byte)| *to = table[usize::from(*byte)]);
            // What is no printable character has become a zero, which no content allows.
            content.allows(to).then_some(()).ok_or(Fault::Character)
        }
    }
}

/// Two characters a byte, up to the greatest nibble that is one; an odd number is filled up as the dialect says.
fn unpack(wire: &[u8], odd: Odd, nibble_max: u8, to: &mut [u8]) -> Result<(), Fault> {
    let mut nibbles = wire.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let filled = to.len() % 2 == 1;
    let fill = |nibble: Option<u8>| match (odd, nibble) {
        (Odd::ZeroLeft | Odd::ZeroRight, Some(0)) | (Odd::FLeft | Odd::FRight, Some(15)) => Ok(()),
        _ => Err(Fault::Padding),
    };
    if filled && matches!(odd, Odd::ZeroLeft | Odd::FLeft) {
        fill(nibbles.next())?;
    }
    for (to, nibble) in to.iter_mut().zip(&mut nibbles) {
        if nibble > nibble_max {
            return Err(Fault::Character);
        }
        *to = b'0' + nibble;
    }
    if filled && matches!(odd, Odd::ZeroRight | Odd::FRight) {
        fill(nibbles.next())?;
    }
    Ok(())
}

/// ASCII digits from text or packed ones; `None` if there is anything else.
fn digits_of(wire: &[u8], coding: Coding, to: &mut [u8]) -> Option<()> {
    if coding == Coding::Bcd {
        return unpack(wire, Odd::ZeroLeft, 9, to).ok();
    }
    let table = coding.to_ascii();
    to.iter_mut().zip(wire).for_each(|(to, byte)| *to = table[usize::from(*byte)]);
    Content::Digits.allows(to).then_some(())
}

/// Bytes from bytes or hexadecimal digits; `None` if there is anything else.
fn bytes_of(wire: &[u8], coding: Coding, to: &mut [u8]) -> Option<()> {
    let table = match coding {
        Coding::Hex => Coding::Ascii.to_ascii(),
        // Both code pages have the digits and letters at the same places.
        Coding::HexEbcdic => Coding::Ebcdic1047.to_ascii(),
        _ => {
            to.iter_mut().zip(wire).for_each(|(to, byte)| *to = *byte);
            return Some(());
        }
    };
    for (to, pair) in to.iter_mut().zip(wire.as_chunks::<2>().0) {
        let [high, low] = pair.map(|byte| nibble(table[usize::from(byte)]));
        *to = high? << 4 | low?;
    }
    Some(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, field: u8, len: usize) -> Result<&'a [u8], ParseError> {
        let truncated = ParseError::new(field, self.at, Fault::Truncated);
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(truncated)?;
        self.at += len;
        Ok(taken)
    }
}
