//! Suite strings: which inputs a code is computed from, and how (RFC 6287 §6).

use core::fmt;
use core::str::FromStr;

use super::error::OcraError;

/// An OCRA suite, for example `OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1`.
///
/// The full grammar of RFC 6287 §6: hash SHA1, SHA256 or SHA512; 0 (no truncation) or 4 to 10
/// digits; a question of 4 to 64 characters; counter, PIN hash, session and time as the suite
/// says. Numbers have no leading zeros beyond those that the grammar fixes, so a suite has one
/// text only, and [`Display`](fmt::Display) writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    hash: Hash,
    digits: u8,
    counter: bool,
    format: Format,
    question_chars: u8,
    pin: Option<Hash>,
    session_bytes: Option<u16>,
    step: Option<TimeStep>,
    text: SuiteText,
}

impl Suite {
    /// Reads a suite string.
    ///
    /// # Errors
    ///
    /// The `Suite…` variants of [`OcraError`], each for one part of the string.
    pub fn parse(text: &str) -> Result<Self, OcraError> {
        let mut parts = text.split(':');
        let (version, function, data) = match [parts.next(), parts.next(), parts.next()] {
            [Some(version), Some(function), Some(data)] if parts.next().is_none() => {
                (version, function, data)
            }
            _ => return Err(OcraError::SuiteShape),
        };
        if version != "OCRA-1" {
            return Err(OcraError::SuiteVersion);
        }
        let (hash, digits) = parse_function(function)?;
        let mut fields = data.split('-').peekable();
        let counter = fields.next_if_eq(&"C").is_some();
        let (format, question_chars) = parse_question(fields.next().unwrap_or_default())?;
        let pin = match fields.next_if(|field| field.starts_with('P')) {
            Some(field) => Some(Hash::parse(&field[1..]).ok_or(OcraError::SuitePin)?),
            None => None,
        };
        let session_bytes = match fields.next_if(|field| field.starts_with('S')) {
            Some(field) => Some(parse_session(&field[1..])?),
            None => None,
        };
        let step = match fields.next_if(|field| field.starts_with('T')) {
            Some(field) => Some(TimeStep::parse(&field[1..]).ok_or(OcraError::SuiteTime)?),
            None => None,
        };
        if fields.next().is_some() {
            return Err(OcraError::SuiteTrailing);
        }
        let text = SuiteText::of(text).ok_or(OcraError::SuiteShape)?;
        Ok(Self { hash, digits, counter, format, question_chars, pin, session_bytes, step, text })
    }

    /// The suite string.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The suite string and a zero byte, as a message begins: so many bytes of these, and zeros after them.
    pub(super) fn with_zero(&self) -> (&[u8; SUITE_MAX_BYTES], usize) {
        (&self.text.bytes, usize::from(self.text.len) + 1)
    }

    /// The hash of the HMAC.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// How many decimal digits a code has; 0 means the whole HMAC, in hexadecimal.
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Whether a counter goes in.
    pub fn has_counter(&self) -> bool {
        self.counter
    }

    /// What a question is written in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many characters a question may have, 4 to 64.
    pub fn question_chars(&self) -> u8 {
        self.question_chars
    }

    /// The hash of the PIN, if one goes in.
    pub fn pin(&self) -> Option<Hash> {
        self.pin
    }

    /// How many bytes of session information go in, if any.
    pub fn session_bytes(&self) -> Option<u16> {
        self.session_bytes
    }

    /// The time step, if the time goes in.
    pub fn step(&self) -> Option<TimeStep> {
        self.step
    }
}

impl FromStr for Suite {
    type Err = OcraError;

    fn from_str(text: &str) -> Result<Self, OcraError> {
        Self::parse(text)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OCRA-1:HOTP-{}-{}:", self.hash, self.digits)?;
        if self.counter {
            f.write_str("C-")?;
        }
        write!(f, "Q{}{:02}", self.format.letter(), self.question_chars)?;
        if let Some(hash) = self.pin {
            write!(f, "-P{hash}")?;
        }
        if let Some(bytes) = self.session_bytes {
            write!(f, "-S{bytes:03}")?;
        }
        if let Some(step) = self.step {
            write!(f, "-T{step}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({self})")
    }
}

/// A hash function of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Hash {
    /// How many bytes its output has.
    pub const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        })
    }
}

/// What a question is written in (RFC 6287 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ASCII letters and digits.
    Alphanumeric,
    /// Decimal digits.
    Numeric,
    /// Hexadecimal digits of either case.
    Hexadecimal,
}

impl Format {
    const fn letter(self) -> char {
        match self {
            Self::Alphanumeric => 'A',
            Self::Numeric => 'N',
            Self::Hexadecimal => 'H',
        }
    }
}

/// How long one step of the time input lasts: 1 to 59 seconds or minutes, 0 to 48 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeStep {
    /// 1 to 59 seconds.
    Seconds(u8),
    /// 1 to 59 minutes.
    Minutes(u8),
    /// 0 to 48 hours. The grammar allows 0, which no clock can count in.
    Hours(u8),
}

impl TimeStep {
    /// The step in seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Seconds(count) => count as u32,
            Self::Minutes(count) => count as u32 * 60,
            Self::Hours(count) => count as u32 * 3600,
        }
    }

    /// How many whole steps have passed at `unix_s` seconds after the epoch; `None` for `T0H`.
    pub const fn steps_at(self, unix_s: u64) -> Option<u64> {
        unix_s.checked_div(self.seconds() as u64)
    }

    fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let count = text.get(..text.len() - unit.len_utf8())?;
        let digits = (1..=2).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit());
        if !digits || (count.len() == 2 && count.starts_with('0')) {
            return None;
        }
        match (unit, count.parse().ok()?) {
            ('S', count @ 1..=59) => Some(Self::Seconds(count)),
            ('M', count @ 1..=59) => Some(Self::Minutes(count)),
            ('H', count @ 0..=48) => Some(Self::Hours(count)),
            _ => None,
        }
    }
}

impl fmt::Display for TimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(count) => write!(f, "{count}S"),
            Self::Minutes(count) => write!(f, "{count}M"),
            Self::Hours(count) => write!(f, "{count}H"),
        }
    }
}

/// The suite string itself, which is part of each message, with at least one zero byte after it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SuiteText {
    bytes: [u8; SUITE_MAX_BYTES],
    len: u8,
}

impl SuiteText {
    fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; SUITE_MAX_BYTES];
        let (head, tail) = bytes.split_at_mut_checked(text.len())?;
        head.copy_from_slice(text.as_bytes());
        // A zero byte ends it in each message.
        tail.first()?;
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }

    fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.len))
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

fn parse_function(text: &str) -> Result<(Hash, u8), OcraError> {
    let (hash, digits) = text
        .strip_prefix("HOTP-")
        .and_then(|rest| rest.split_once('-'))
        .ok_or(OcraError::SuiteFunction)?;
    let hash = Hash::parse(hash).ok_or(OcraError::SuiteHash)?;
    let digits = match digits {
        "0" => 0,
        "10" => 10,
        _ => match digits.as_bytes() {
            &[digit @ b'4'..=b'9'] => digit - b'0',
            _ => return Err(OcraError::SuiteDigits),
        },
    };
    Ok((hash, digits))
}

fn parse_question(text: &str) -> Result<(Format, u8), OcraError> {
    let (format, length) = match text.as_bytes() {
        [b'Q', b'A', length @ ..] => (Format::Alphanumeric, length),
        [b'Q', b'N', length @ ..] => (Format::Numeric, length),
        [b'Q', b'H', length @ ..] => (Format::Hexadecimal, length),
        _ => return Err(OcraError::SuiteQuestion),
    };
    match length {
        [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
            Some((tens - b'0') * 10 + ones - b'0')
        }
        _ => None,
    }
    .filter(|chars| (4..=64).contains(chars))
    .map(|chars| (format, chars))
    .ok_or(OcraError::SuiteQuestion)
}

fn parse_session(text: &str) -> Result<u16, OcraError> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|bytes| (1..=SESSION_MAX_BYTES).contains(bytes))
        .ok_or(OcraError::SuiteSession)
}

/// The longest session information of a suite, in bytes.
pub const SESSION_MAX_BYTES: u16 = 512;

/// `OCRA-1:HOTP-SHA512-10:C-QN64-PSHA512-S512-T59M` has 46; and a zero byte follows.
pub(super) const SUITE_MAX_BYTES: usize = 48;
