//! How digits, characters and bytes are written: ASCII, EBCDIC, packed, hexadecimal.

use serde::{Deserialize, Serialize};

/// One way of writing a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Coding {
    /// One byte a character, ASCII.
    Ascii,
    /// One byte a character, EBCDIC code page 037.
    #[serde(rename = "ebcdic-037")]
    Ebcdic037,
    /// One byte a character, EBCDIC code page 1047.
    #[serde(rename = "ebcdic-1047")]
    Ebcdic1047,
    /// Two digits a byte (BCD).
    Bcd,
    /// The bytes themselves; of a length, a big-endian number.
    Binary,
    /// Two capital hexadecimal digits a byte, ASCII.
    Hex,
    /// Two capital hexadecimal digits a byte, EBCDIC.
    HexEbcdic,
}

impl Coding {
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Ascii | Self::Ebcdic037 | Self::Ebcdic1047)
    }

    pub(crate) const fn is_digits(self) -> bool {
        self.is_text() || matches!(self, Self::Bcd)
    }

    pub(crate) const fn is_bytes(self) -> bool {
        matches!(self, Self::Binary | Self::Hex | Self::HexEbcdic)
    }

    /// The table from a byte on the wire to ASCII; 0 where there is no printable character. Of text codings.
    pub(crate) const fn to_ascii(self) -> &'static [u8; 256] {
        match self {
            Self::Ebcdic037 => &FROM_037,
            Self::Ebcdic1047 => &FROM_1047,
            _ => &FROM_ASCII,
        }
    }

    /// The table from ASCII to the byte on the wire; only printable characters are ever looked up. Of text codings.
    pub(crate) const fn on_wire(self) -> &'static [u8; 256] {
        match self {
            Self::Ebcdic037 => &TO_037,
            Self::Ebcdic1047 => &TO_1047,
            _ => &FROM_ASCII,
        }
    }
}

/// The nibble of a capital hexadecimal digit: small letters would make two spellings of one message.
pub(crate) const fn nibble(ascii: u8) -> Option<u8> {
    match ascii {
        b'0'..=b'9' => Some(ascii - b'0'),
        b'A'..=b'F' => Some(ascii - b'A' + 10),
        _ => None,
    }
}

/// The capital hexadecimal digit of the low nibble.
pub(crate) const fn hex_digit(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[(nibble & 15) as usize]
}

const PRINTABLE: core::ops::Range<usize> = 0x20..0x7F;

/// Code page 037 for ASCII 20 to 7E.
const PAGE_037: [u8; 95] = [
    0x40, 0x5A, 0x7F, 0x7B, 0x5B, 0x6C, 0x50, 0x7D, 0x4D, 0x5D, 0x5C, 0x4E, 0x6B, 0x60, 0x4B, 0x61,
    0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0x7A, 0x5E, 0x4C, 0x7E, 0x6E, 0x6F,
    0x7C, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6,
    0xD7, 0xD8, 0xD9, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xBA, 0xE0, 0xBB, 0xB0, 0x6D,
    0x79, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xC0, 0x4F, 0xD0, 0xA1,
];

/// Code page 1047 differs from 037, among printable ASCII, in the brackets and the caret alone.
const PAGE_1047: [u8; 95] = {
    let mut page = PAGE_037;
    page[b'[' as usize - PRINTABLE.start] = 0xAD;
    page[b']' as usize - PRINTABLE.start] = 0xBD;
    page[b'^' as usize - PRINTABLE.start] = 0x5F;
    page
};

static FROM_ASCII: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = PRINTABLE.start;
    let mut character = 0x20_u8;
    while at < PRINTABLE.end {
        table[at] = character;
        character += 1;
        at += 1;
    }
    table
};
static FROM_037: [u8; 256] = inverse(&PAGE_037);
static FROM_1047: [u8; 256] = inverse(&PAGE_1047);
static TO_037: [u8; 256] = forward(&PAGE_037);
static TO_1047: [u8; 256] = forward(&PAGE_1047);

const fn forward(page: &[u8; 95]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < page.len() {
        table[PRINTABLE.start + at] = page[at];
        at += 1;
    }
    table
}

const fn inverse(page: &[u8; 95]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    let mut character = 0x20_u8;
    while at < page.len() {
        table[page[at] as usize] = character;
        character += 1;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_one_byte_in_every_page() {
        for coding in [Coding::Ascii, Coding::Ebcdic037, Coding::Ebcdic1047] {
            let known = coding.to_ascii().iter().filter(|ascii| **ascii != 0).count();
            assert_eq!(known, 95);
            for ascii in 0x20..0x7F_u8 {
                let wire = coding.on_wire()[usize::from(ascii)];
                assert_eq!(coding.to_ascii()[usize::from(wire)], ascii);
            }
        }
        // Published examples: digits are F0 to F9, and the letters come in three runs.
        let ebcdic = |ascii: u8| Coding::Ebcdic037.on_wire()[usize::from(ascii)];
        assert_eq!(
            b"09AIJRSZaz =".map(ebcdic),
            [0xF0, 0xF9, 0xC1, 0xC9, 0xD1, 0xD9, 0xE2, 0xE9, 0x81, 0xA9, 0x40, 0x7E]
        );
    }

    #[test]
    fn hexadecimal_digits_are_capital() {
        for value in 0..16 {
            assert_eq!(nibble(hex_digit(value)), Some(value));
        }
        assert_eq!(nibble(b'a'), None);
        assert_eq!(nibble(b'G'), None);
    }
}
