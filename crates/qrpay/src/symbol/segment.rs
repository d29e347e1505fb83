//! Segments: stretches of content, each in the mode that suits it.

use alloc::vec;
use alloc::vec::Vec;

use super::{SymbolError, Version};

/// A stretch of content in one mode (ISO/IEC 18004 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    content: Content<'a>,
}

impl<'a> Segment<'a> {
    /// Digits, ten bits for three.
    ///
    /// # Errors
    /// [`SymbolError::NotNumeric`] for any other character than `0` to `9`.
    pub fn numeric(digits: &'a str) -> Result<Self, SymbolError> {
        let digits = digits.as_bytes();
        match digits.iter().position(|byte| !byte.is_ascii_digit()) {
            None => Ok(Self { content: Content::Numeric(digits) }),
            Some(at) => Err(SymbolError::NotNumeric { at }),
        }
    }

    /// Digits, capital letters, space and `$%*+-./:`, eleven bits for two.
    ///
    /// # Errors
    /// [`SymbolError::NotAlphanumeric`] for any other character.
    pub fn alphanumeric(text: &'a str) -> Result<Self, SymbolError> {
        let text = text.as_bytes();
        match text.iter().position(|&byte| alphanumeric_value(byte).is_none()) {
            None => Ok(Self { content: Content::Alphanumeric(text) }),
            Some(at) => Err(SymbolError::NotAlphanumeric { at }),
        }
    }

    /// Bytes as they are.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self { content: Content::Bytes(bytes) }
    }

    /// A mark that names the character set of the bytes after it; 26 is UTF-8.
    ///
    /// # Errors
    /// [`SymbolError::NoSuchEci`] from 1,000,000 on.
    pub fn eci(assignment: u32) -> Result<Self, SymbolError> {
        if assignment < 1_000_000 {
            Ok(Self { content: Content::Eci(assignment) })
        } else {
            Err(SymbolError::NoSuchEci { assignment })
        }
    }

    /// The whole text in the one mode that suits all of it.
    pub(super) fn whole(text: &'a str) -> Self {
        Self::numeric(text)
            .or_else(|_| Self::alphanumeric(text))
            .unwrap_or(Self::bytes(text.as_bytes()))
    }

    /// The text in the modes that take the fewest bits in symbols of `version`.
    pub(super) fn fewest_bits(text: &'a str, version: Version) -> Vec<Self> {
        let bytes = text.as_bytes();
        let modes = best_modes(bytes, version);
        let mut out = Vec::new();
        let mut rest = bytes;
        for run in modes.chunk_by(Mode::eq) {
            let Some((own, after)) = rest.split_at_checked(run.len()) else { break };
            rest = after;
            out.extend(run.first().map(|mode| Self { content: mode.content(own) }));
        }
        out
    }

    /// Bits of the segment with its header in symbols of `version`; `None` when it has more
    /// characters than its header can count.
    pub(super) fn bits(&self, version: Version) -> Option<usize> {
        let (mode, length) = match self.content {
            Content::Numeric(digits) => (Mode::Numeric, digits.len()),
            Content::Alphanumeric(text) => (Mode::Alphanumeric, text.len()),
            Content::Bytes(bytes) => (Mode::Byte, bytes.len()),
            Content::Eci(assignment) => return Some(4 + eci_form(assignment).1),
        };
        let count = mode.count_bits(version);
        (length >> count == 0).then(|| {
            let body = match mode {
                Mode::Numeric => length / 3 * 10 + [0, 4, 7][length % 3],
                Mode::Alphanumeric => length / 2 * 11 + length % 2 * 6,
                Mode::Byte => length * 8,
            };
            4 + count + body
        })
    }

    /// Writes header and content. The segment must have [`Self::bits`].
    pub(super) fn write(&self, version: Version, out: &mut BitWriter) {
        match self.content {
            Content::Numeric(digits) => {
                out.push(0b0001, 4);
                out.push(digits.len(), Mode::Numeric.count_bits(version));
                for group in digits.chunks(3) {
                    let value = group.iter().fold(0, |sum, &b| sum * 10 + usize::from(b & 15));
                    out.push(value, 3 * group.len() + 1);
                }
            }
            Content::Alphanumeric(text) => {
                out.push(0b0010, 4);
                out.push(text.len(), Mode::Alphanumeric.count_bits(version));
                for group in text.chunks(2) {
                    let value = |&byte: &u8| usize::from(alphanumeric_value(byte).unwrap_or(0));
                    let value = group.iter().fold(0, |sum, byte| sum * 45 + value(byte));
                    out.push(value, 5 * group.len() + 1);
                }
            }
            Content::Bytes(bytes) => {
                out.push(0b0100, 4);
                out.push(bytes.len(), Mode::Byte.count_bits(version));
                for &byte in bytes {
                    out.push(usize::from(byte), 8);
                }
            }
            Content::Eci(assignment) => {
                let (value, bits) = eci_form(assignment);
                out.push(0b0111, 4);
                out.push(value, bits);
            }
        }
    }
}

/// Puts bits into bytes, the most significant first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    waiting: usize,
    waiting_bits: usize,
}

impl BitWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends the lowest `bits` of `value`, at most 24.
    pub(super) fn push(&mut self, value: usize, bits: usize) {
        self.waiting = self.waiting << bits | value;
        self.waiting_bits += bits;
        while self.waiting_bits >= 8 {
            self.waiting_bits -= 8;
            let [byte, ..] = (self.waiting >> self.waiting_bits).to_le_bytes();
            self.bytes.push(byte);
        }
    }

    /// Terminator, zero bits up to a whole byte, then the two pad codewords in turn
    /// (ISO/IEC 18004 §7.4.9 and §7.4.10).
    pub(super) fn finish(mut self, codewords: usize) -> Vec<u8> {
        let free = (codewords * 8).saturating_sub(self.bytes.len() * 8 + self.waiting_bits);
        self.push(0, free.min(4));
        self.push(0, (8 - self.waiting_bits) % 8);
        let missing = codewords.saturating_sub(self.bytes.len());
        self.bytes.extend([0xEC, 0x11].into_iter().cycle().take(missing));
        self.bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content<'a> {
    Numeric(&'a [u8]),
    Alphanumeric(&'a [u8]),
    Bytes(&'a [u8]),
    Eci(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Numeric,
    Alphanumeric,
    Byte,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Numeric, Self::Alphanumeric, Self::Byte];

    fn content(self, bytes: &[u8]) -> Content<'_> {
        match self {
            Self::Numeric => Content::Numeric(bytes),
            Self::Alphanumeric => Content::Alphanumeric(bytes),
            Self::Byte => Content::Bytes(bytes),
        }
    }

    /// Bits of the character count (ISO/IEC 18004 table 3).
    fn count_bits(self, version: Version) -> usize {
        let [small, medium, large] = match self {
            Self::Numeric => [10, 12, 14],
            Self::Alphanumeric => [9, 11, 13],
            Self::Byte => [8, 16, 16],
        };
        match version.number() {
            0..10 => small,
            10..27 => medium,
            _ => large,
        }
    }

    /// Sixths of a bit that a character takes, so that all three modes count in whole numbers.
    fn sixths(self, byte: u8) -> Option<usize> {
        match self {
            Self::Numeric => byte.is_ascii_digit().then_some(20),
            Self::Alphanumeric => alphanumeric_value(byte).map(|_| 33),
            Self::Byte => Some(48),
        }
    }
}

/// The mode of each byte in a segmentation with the fewest bits.
fn best_modes(bytes: &[u8], version: Version) -> Vec<Mode> {
    // cost[m]: the cheapest way to write what was read so far, with a segment in mode m open
    let head = Mode::ALL.map(|mode| 6 * (4 + mode.count_bits(version)));
    let mut cost = head;
    // came[i][m]: the mode of byte i when mode m is open after it
    let mut came = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        let mut step = Mode::ALL;
        let mut next = [NEVER; 3];
        for ((next, mode), cost) in next.iter_mut().zip(Mode::ALL).zip(cost) {
            *next = mode.sixths(byte).map_or(NEVER, |sixths| cost.saturating_add(sixths));
        }
        let stayed = next;
        for ((next, head), step) in next.iter_mut().zip(head).zip(&mut step) {
            for (stayed, mode) in stayed.into_iter().zip(Mode::ALL) {
                // a closed segment ends on a whole bit
                let switched = stayed.div_ceil(6).saturating_mul(6).saturating_add(head);
                if switched < *next {
                    (*next, *step) = (switched, mode);
                }
            }
        }
        cost = next;
        came.push(step);
    }
    let closed = cost.map(|cost| cost.div_ceil(6));
    let last = Mode::ALL.into_iter().zip(closed).min_by_key(|&(_, cost)| cost);
    let mut mode = last.map_or(Mode::Byte, |(mode, _)| mode);
    let mut modes = vec![Mode::Byte; bytes.len()];
    for (own, step) in modes.iter_mut().zip(&came).rev() {
        mode = step[mode as usize];
        *own = mode;
    }
    modes
}

/// Value and bits of an ECI assignment.
fn eci_form(assignment: u32) -> (usize, usize) {
    let value = usize::try_from(assignment).unwrap_or(0);
    match assignment {
        0..0x80 => (value, 8),
        0x80..0x4000 => (0b10 << 14 | value, 16),
        _ => (0b110 << 21 | value, 24),
    }
}

fn alphanumeric_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b' ' => Some(36),
        b'$' => Some(37),
        b'%' => Some(38),
        b'*' => Some(39),
        b'+' => Some(40),
        b'-' => Some(41),
        b'.' => Some(42),
        b'/' => Some(43),
        b':' => Some(44),
        _ => None,
    }
}

/// More than any text costs.
const NEVER: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    /// The fewest bits of all ways to cut a text, each tried.
    fn fewest_by_trial(text: &str, version: Version) -> usize {
        let mut fewest = vec![0];
        for end in 1..=text.len() {
            let last = (0..end).flat_map(|start| {
                let own = &text[start..end];
                [
                    Segment::numeric(own),
                    Segment::alphanumeric(own),
                    Ok(Segment::bytes(own.as_bytes())),
                ]
                .into_iter()
                .flatten()
                .map(move |segment| (start, segment.bits(version).unwrap()))
            });
            let best = last.map(|(start, bits)| fewest[start] + bits).min();
            fewest.push(best.unwrap());
        }
        fewest[text.len()]
    }

    #[test]
    fn qd12_segmentation_has_the_fewest_bits() {
        let mut state = 1_u64;
        for round in 0..240 {
            let mut text = alloc::string::String::new();
            let mut kind = 0;
            for _ in 0..round % 60 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = usize::try_from(state >> 40).unwrap();
                // runs of one kind, so that a change of mode is a question
                if random.is_multiple_of(7) {
                    kind = random / 7 % 3;
                }
                let letters = [b"0123456789", b"ABCXYZ $:/", b"abcxyz_=&?"][kind];
                text.push(char::from(letters[random / 21 % 10]));
            }
            for number in [1, 10, 27] {
                let version = Version::new(number).unwrap();
                let segments = Segment::fewest_bits(&text, version);
                let bits: usize = segments.iter().map(|s| s.bits(version).unwrap()).sum();
                assert_eq!(bits, fewest_by_trial(&text, version), "{text}");
                let content: Vec<u8> = segments
                    .iter()
                    .flat_map(|segment| match segment.content {
                        Content::Numeric(own)
                        | Content::Alphanumeric(own)
                        | Content::Bytes(own) => own,
                        Content::Eci(_) => &[],
                    })
                    .copied()
                    .collect();
                assert_eq!(content, text.as_bytes());
            }
        }
    }

    #[test]
    fn qd12_header_counts_no_more_than_it_can() {
        let long = [b'a'; 256];
        assert_eq!(Segment::bytes(&long[1..]).bits(Version::MIN), Some(4 + 8 + 255 * 8));
        assert_eq!(Segment::bytes(&long).bits(Version::MIN), None);
    }
}
