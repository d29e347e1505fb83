//! What a field may hold, in the notation of the standard: `n 6`, `n..19`, `ans...999`, `b 64`, `x+n 8`.

use core::fmt;

/// The content, and how long it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(crate) content: Content,
    /// Digits of the length in front of the value; 0 for a fixed length.
    pub(crate) length_digits: u8,
    /// The fixed or greatest length: characters (with the sign of `x+n`), or bytes of `b`.
    pub(crate) units_max: u16,
}

impl Format {
    /// Reads the notation: a content, then either blanks and the fixed length, or one to four dots and the greatest.
    /// The fixed length of `b` counts bits, a variable one bytes; `x+n 8` has nine characters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.find([' ', '.'])?;
        let (content, rest) = text.split_at(letters);
        let content = Content::parse(content)?;
        let number = rest.trim_start_matches(['.', ' ']);
        let between = &rest[..rest.len() - number.len()];
        if number.len() > 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u16 = number.parse().ok()?;
        let length_digits = match between {
            " " => 0,
            "." => 1,
            ".." => 2,
            "..." => 3,
            "...." => 4,
            _ => return None,
        };
        let units_max = match content {
            Content::Binary if length_digits == 0 && !number.is_multiple_of(8) => return None,
            Content::Binary if length_digits == 0 => number / 8,
            Content::Signed if length_digits != 0 => return None,
            Content::Signed => number + 1,
            _ => number,
        };
        (units_max > 0).then_some(Self { content, length_digits, units_max })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self.content {
            Content::Binary if self.length_digits == 0 => u32::from(self.units_max) * 8,
            Content::Signed => u32::from(self.units_max) - 1,
            _ => u32::from(self.units_max),
        };
        let between = [" ", ".", "..", "...", "...."];
        let between = between.get(usize::from(self.length_digits)).copied().unwrap_or(" ");
        write!(f, "{}{between}{number}", self.content.name())
    }
}

/// Which characters a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// `n`: digits.
    Digits,
    /// `a`: letters; blanks pad.
    Letters,
    /// `an`: letters and digits; blanks pad.
    LettersDigits,
    /// `as`: letters and special characters.
    LettersSpecial,
    /// `ns`: digits and special characters.
    DigitsSpecial,
    /// `ans`: any printable character.
    Printable,
    /// `z`: digits and separators of a magnetic track.
    Track,
    /// `x+n`: `C` or `D`, then digits.
    Signed,
    /// `b`: bytes.
    Binary,
}

impl Content {
    const ALL: [Self; 9] = [
        Self::Digits,
        Self::Letters,
        Self::LettersDigits,
        Self::LettersSpecial,
        Self::DigitsSpecial,
        Self::Printable,
        Self::Track,
        Self::Signed,
        Self::Binary,
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Digits => "n",
            Self::Letters => "a",
            Self::LettersDigits => "an",
            Self::LettersSpecial => "as",
            Self::DigitsSpecial => "ns",
            Self::Printable => "ans",
            Self::Track => "z",
            Self::Signed => "x+n",
            Self::Binary => "b",
        }
    }

    /// Whether two of its characters fit a byte.
    pub(crate) const fn is_packable(self) -> bool {
        matches!(self, Self::Digits | Self::Track | Self::Signed)
    }

    /// Whether the value has these characters alone. Everything, for `b`.
    pub(crate) fn allows(self, value: &[u8]) -> bool {
        match self {
            Self::Binary => true,
            Self::Digits => value.iter().fold(true, |all, byte| all & byte.is_ascii_digit()),
            Self::Signed => match value {
                [b'C' | b'D', digits @ ..] => Self::Digits.allows(digits),
                _ => false,
            },
            _ => {
                let wanted = self.classes();
                value
                    .iter()
                    .fold(true, |all, byte| all & (CLASSES[usize::from(*byte)] & wanted != 0))
            }
        }
    }

    const fn classes(self) -> u8 {
        match self {
            Self::Letters => LETTER | BLANK,
            Self::LettersDigits => LETTER | DIGIT | BLANK,
            Self::LettersSpecial => LETTER | SPECIAL | BLANK,
            Self::DigitsSpecial => DIGIT | SPECIAL | BLANK,
            Self::Track => TRACK,
            Self::Digits | Self::Signed => DIGIT,
            Self::Printable | Self::Binary => LETTER | DIGIT | SPECIAL | BLANK,
        }
    }
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const SPECIAL: u8 = 4;
const BLANK: u8 = 8;
/// ISO 7811 track 2 without the end sentinel, and the `D` that many write for its separator.
const TRACK: u8 = 16;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0x20_u8;
    while byte < 0x7F {
        classes[byte as usize] = match byte {
            b' ' => BLANK,
            b'0'..=b'9' => DIGIT | TRACK,
            b':'..=b'>' => SPECIAL | TRACK,
            b'D' => LETTER | TRACK,
            _ if byte.is_ascii_alphabetic() => LETTER,
            _ => SPECIAL,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn the_notation_is_read_and_written() {
        for text in [
            "n 6",
            "n..19",
            "ans...999",
            "b 64",
            "x+n 8",
            "z..37",
            "b...999",
            "a.3",
            "as 2",
            "ns..28",
            "ans....9999",
        ] {
            assert_eq!(Format::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Format::parse("b 64").unwrap().units_max, 8);
        assert_eq!(Format::parse("x+n 8").unwrap().units_max, 9);
    }

    #[test]
    fn other_notations_are_refused() {
        for text in [
            "", "n", "n6", "n 0", "n  6", "n ", "n..", "n.....5", "q 4", "b 7", "x+n..8",
            "n 10000", "n +6", "n..-1", "n. .5", " n 6", "N 6", "n 6 ",
        ] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contents_allow_what_their_names_say() {
        let all = |class: &str| -> alloc::vec::Vec<u8> {
            let content = Content::parse(class).unwrap();
            (0..=255).filter(|byte| content.allows(&[*byte])).collect()
        };
        assert_eq!(all("n"), b"0123456789");
        assert_eq!(all("z"), b"0123456789:;<=>D");
        assert_eq!(all("a").len(), 53);
        assert_eq!(all("an").len(), 63);
        assert_eq!(all("ans").len(), 95);
        assert_eq!(all("as").len(), 85);
        assert_eq!(all("ns").len(), 43);
        assert_eq!(all("b").len(), 256);
        let signed = Content::Signed;
        assert!(signed.allows(b"C12") && signed.allows(b"D00"));
        assert!(
            !signed.allows(b"12")
                && !signed.allows(b"c1")
                && !signed.allows(b"CC")
                && !signed.allows(b"")
        );
    }
}
