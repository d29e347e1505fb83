//! From a message to bytes.

use crate::Message;
use crate::coding::{Coding, hex_digit};
use crate::description::Odd;
use crate::dialect::{Dialect, Field};
use crate::error::{Fault, FieldError};
use crate::format::Content;
use alloc::vec::Vec;
use core::ops::Range;
use zeroize::Zeroize as _;

impl Message {
    /// Appends the message as the dialect writes it. The bytes hold card data: erase them when they are sent.
    ///
    /// # Errors
    /// [`FieldError`] for a type or field that the dialect does not describe, or a value that it does not allow; then
    /// nothing is appended, and what was is erased.
    pub fn encode(&self, dialect: &Dialect, to: &mut Vec<u8>) -> Result<(), FieldError> {
        let begun = to.len();
        // Room for all of it at once: a vector that grows leaves copies of its bytes behind.
        to.reserve(self.values.len() * 2 + self.values.iter().count() * 4 + 40);
        self.append(dialect, to).inspect_err(|_| {
            if let Some(written) = to.get_mut(begun..) {
                written.zeroize();
            }
            to.truncate(begun);
        })
    }

    /// Where the message authentication code stands in the encoded message: field 64, or field 128 where the second
    /// bitmap is sent. `None` if it is not there, is not the last field, or these bytes are too short to be this
    /// message.
    ///
    /// Everything in front of it is what the code covers, under ISO 8583:1987. To seal a message: set the field to zeros,
    /// encode, compute the code over [`MacPlace::covered`], set the field, encode again. To check one: parse, and ask for
    /// the place in the bytes that were parsed.
    pub fn mac_place(&self, dialect: &Dialect, encoded: &[u8]) -> Option<MacPlace> {
        let field = if self.is_wide() { 128 } else { 64 };
        let value = self.field(field)?;
        let len = dialect.field(field)?.wire_len(value.len());
        let from = encoded.len().checked_sub(len)?;
        Some(MacPlace { field, place: from..encoded.len() })
    }

    fn append(&self, dialect: &Dialect, to: &mut Vec<u8>) -> Result<(), FieldError> {
        let codings = &dialect.codings;
        if !dialect.knows(self.mti) {
            return Err(FieldError::new(0, Fault::MessageType));
        }
        put_digits(self.mti.digits(), codings.mti, to);
        let bits = self.values.bitmaps() | u128::from(self.is_wide()) << 127;
        let bits = bits.to_be_bytes();
        let (first, second) = bits.split_at(8);
        put_bytes(first, codings.bitmap, to);
        if self.is_wide() {
            put_bytes(second, codings.bitmap, to);
        }
        for (number, value) in self.values.iter() {
            let wrong = |fault| FieldError::new(number, fault);
            let field = dialect.field(number).ok_or(wrong(Fault::Undescribed))?;
            put_value(value, field, to).map_err(wrong)?;
        }
        Ok(())
    }
}

/// Where the message authentication code of an encoded message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MacPlace {
    /// 64 or 128.
    pub field: u8,
    /// The code, in the dialect's coding.
    pub place: Range<usize>,
}

impl MacPlace {
    /// What the code covers: the bytes in front of it.
    pub fn covered<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        encoded.get(..self.place.start).unwrap_or(encoded)
    }
}

fn put_value(value: &[u8], field: &Field, to: &mut Vec<u8>) -> Result<(), Fault> {
    let max = usize::from(field.format.units_max);
    let fixed = field.format.length_digits == 0;
    let least = if fixed { max } else { usize::from(field.min) };
    if value.len() < least || value.len() > max {
        return Err(Fault::Length);
    }
    let content = field.format.content;
    if !content.allows(value) {
        return Err(Fault::Character);
    }
    if !fixed {
        put_length(field.wire_count(value.len()), field, to);
    }
    match (field.contents, content) {
        (Coding::Bcd, Content::Signed) => {
            let (sign, digits) = value.split_at(1);
            put_text(sign, field.sign, to);
            pack(digits, field.odd, to);
        }
        (Coding::Bcd, Content::Track) if value.contains(&b'D') => return Err(Fault::Character),
        (Coding::Bcd, _) => pack(value, field.odd, to),
        (coding, Content::Binary) => put_bytes(value, coding, to),
        (coding, _) => put_text(value, coding, to),
    }
    Ok(())
}

/// A length that the dialect has checked to fit.
fn put_length(count: usize, field: &Field, to: &mut Vec<u8>) {
    let mut ascii = [b'0'; 4];
    let mut left = u16::try_from(count).unwrap_or(u16::MAX);
    if field.length == Coding::Binary {
        let bytes = left.to_be_bytes();
        to.extend_from_slice(bytes.get(2 - field.length_len()..).unwrap_or(&bytes));
        return;
    }
    for digit in ascii.iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    let digits = usize::from(field.format.length_digits);
    put_digits(ascii.get(4 - digits..).unwrap_or(&ascii), field.length, to);
}

fn put_digits(ascii: &[u8], coding: Coding, to: &mut Vec<u8>) {
    if coding == Coding::Bcd { pack(ascii, Odd::ZeroLeft, to) } else { put_text(ascii, coding, to) }
}

fn put_text(ascii: &[u8], coding: Coding, to: &mut Vec<u8>) {
    if coding == Coding::Ascii {
        return to.extend_from_slice(ascii);
    }
    let table = coding.on_wire();
    to.extend(ascii.iter().map(|byte| table[usize::from(*byte)]));
}

fn put_bytes(bytes: &[u8], coding: Coding, to: &mut Vec<u8>) {
    let table = match coding {
        Coding::Hex => Coding::Ascii.on_wire(),
        Coding::HexEbcdic => Coding::Ebcdic1047.on_wire(),
        _ => return to.extend_from_slice(bytes),
    };
    let digit = |nibble: u8| table[usize::from(hex_digit(nibble))];
    to.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// Two characters a byte; only the low nibble of a digit or track character matters.
fn pack(ascii: &[u8], odd: Odd, to: &mut Vec<u8>) {
    let fill = if matches!(odd, Odd::FLeft | Odd::FRight) { 15 } else { 0 };
    let left = matches!(odd, Odd::ZeroLeft | Odd::FLeft);
    let mut ascii = ascii;
    if let (true, true, [first, rest @ ..]) = (ascii.len() % 2 == 1, left, ascii) {
        to.push(fill << 4 | first & 15);
        ascii = rest;
    }
    let (pairs, rest) = ascii.as_chunks::<2>();
    to.extend(pairs.iter().map(|[high, low]| high << 4 | low & 15));
    if let [last] = rest {
        to.push(last << 4 | fill);
    }
}
