//! The lenient reader: what a payload says, and what is wrong with it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::crc::{crc16, update};
use super::error::{EmvError, Path};
use super::object::{Seen, Template, pair, push_object};
use super::rules::{check_field, check_whole, forbidden_character};
use super::{CRC_ID, MAX_CHARS, Payload, read_crc};

/// Reads `input` as far as it can be understood and lists what is wrong.
///
/// Never fails. At most 2,048 bytes are looked at.
pub fn diagnose(input: &[u8]) -> Diagnosis {
    let (input, cut) = match input.split_at_checked(MAX_CHARS * 4) {
        Some((head, tail)) if !tail.is_empty() => (head, true),
        _ => (input, false),
    };
    let mut reading = Reading::new(input);
    if cut {
        reading.fault(EmvError::TooLong, 0);
    }
    reading.read_objects();
    reading.check_objects();
    reading.check_crc();
    reading.finish(input, cut)
}

/// What [`diagnose`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    findings: Vec<Found>,
    objects: Vec<(u8, String)>,
    payload: Option<Payload<'static>>,
}

impl Diagnosis {
    /// What was noticed, in the order of the text.
    pub fn findings(&self) -> &[Found] {
        &self.findings
    }

    /// The root objects that could be read, in their order: id and value.
    pub fn objects(&self) -> impl Iterator<Item = (u8, &str)> {
        self.objects.iter().map(|(id, value)| (*id, value.as_str()))
    }

    /// The worst that was found; `None` if nothing was.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|found| found.finding.severity()).max()
    }

    /// Whether the strict reader accepts the text as it is.
    pub fn is_strict(&self) -> bool {
        self.severity().is_none_or(|severity| severity == Severity::Note)
    }

    /// The payload, where nothing worse than [`Severity::Cosmetic`] was found: then there is no
    /// doubt about what the text means, and it may be paid.
    pub fn payload(&self) -> Option<&Payload<'static>> {
        self.repaired().filter(|_| self.severity() != Some(Severity::Defect))
    }

    /// The text as it probably should have been, for whoever makes the code. With a
    /// [`Severity::Defect`] it is a guess: show it, never pay it.
    pub fn repaired(&self) -> Option<&Payload<'static>> {
        self.payload.as_ref()
    }
}

/// One finding and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// Byte offset; in the input, or where that is not UTF-8, in its reading as ISO 8859-1.
    pub at: usize,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}; {}", self.at, self.finding, self.finding.advice())
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Allowed, but may trouble some readers.
    Note,
    /// Wrong, but without doubt about the meaning.
    Cosmetic,
    /// Wrong; the text may not be what its maker meant.
    Defect,
}

/// What [`diagnose`] can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The strict reader refuses this.
    Refused(EmvError),
    /// White space or a byte order mark around the text.
    SurroundingSpace,
    /// The text begins with `002001` in place of `000201`.
    FirstHeaderSwapped,
    /// Spaces between an id, its length and its value.
    SpaceInHeader,
    /// Read with lengths in bytes the text is complete, read in characters it is not.
    ByteLengths {
        /// The first object whose length shows it.
        path: Path,
    },
    /// The text is not UTF-8; it was read as ISO 8859-1.
    OtherEncoding,
    /// The checksum is right for one byte per character, as in ISO 8859-1.
    CrcOverCharacters {
        /// What it should be.
        expected: u16,
    },
    /// The checksum was computed without its own `6304`.
    CrcWithoutHeader {
        /// What it should be.
        expected: u16,
    },
    /// The checksum was computed with the start value 0000 (XMODEM) in place of FFFF.
    CrcOtherStart {
        /// What it should be.
        expected: u16,
    },
    /// A name, city or postal code in other letters than ASCII.
    NotAscii {
        /// Which object.
        path: Path,
    },
    /// The amount ends in a point.
    TrailingPoint,
    /// A template without a unique identifier (00): who defined it cannot be known.
    NoIdentifier {
        /// Which template.
        path: Path,
    },
}

impl Finding {
    /// A stable number: that of the [`EmvError`], or 2150 and up.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Refused(error) => error.code(),
            Self::SurroundingSpace => 2150,
            Self::FirstHeaderSwapped => 2151,
            Self::SpaceInHeader => 2152,
            Self::ByteLengths { .. } => 2153,
            Self::OtherEncoding => 2154,
            Self::CrcOverCharacters { .. } => 2155,
            Self::CrcWithoutHeader { .. } => 2156,
            Self::CrcOtherStart { .. } => 2157,
            Self::NotAscii { .. } => 2158,
            Self::TrailingPoint => 2159,
            Self::NoIdentifier { .. } => 2160,
        }
    }

    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NotAscii { .. } | Self::TrailingPoint | Self::NoIdentifier { .. } => {
                Severity::Note
            }
            Self::SurroundingSpace | Self::Refused(EmvError::CrcLowerCase) => Severity::Cosmetic,
            _ => Severity::Defect,
        }
    }

    /// How to put it right, in plain words for whoever makes the code.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Refused(error) => advice(error),
            Self::SurroundingSpace => "write the payload alone, without line breaks",
            Self::FirstHeaderSwapped => "begin with 000201: id 00, length 02, value 01",
            Self::SpaceInHeader => "write id, length and value without spaces between them",
            Self::ByteLengths { .. } => "count characters, not bytes, for the lengths",
            Self::OtherEncoding => "encode the text as UTF-8",
            Self::CrcOverCharacters { .. } => "compute the checksum over the UTF-8 bytes",
            Self::CrcWithoutHeader { .. } => "include 6304 itself in the checksum",
            Self::CrcOtherStart { .. } => "start the checksum with FFFF",
            Self::NotAscii { .. } => {
                "write it in plain letters, and the other script in object 64, for old readers"
            }
            Self::TrailingPoint => "leave the point away where no decimals follow",
            Self::NoIdentifier { .. } => "begin the template with object 00, who defined it",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::SurroundingSpace => f.write_str("white space around the payload"),
            Self::FirstHeaderSwapped => f.write_str("the text begins with 0020 in place of 0002"),
            Self::SpaceInHeader => f.write_str("spaces within the header of an object"),
            Self::ByteLengths { path } => {
                write!(f, "the length of object {path} counts bytes")
            }
            Self::OtherEncoding => f.write_str("the text is not UTF-8; read as ISO 8859-1"),
            Self::CrcOverCharacters { expected } => {
                write!(f, "the checksum was computed over characters and should be {expected:04X}")
            }
            Self::CrcWithoutHeader { expected } => {
                write!(f, "the checksum leaves 6304 out and should be {expected:04X}")
            }
            Self::CrcOtherStart { expected } => {
                write!(f, "the checksum starts with 0000 and should be {expected:04X}")
            }
            Self::NotAscii { path } => write!(f, "object {path} is not plain ASCII"),
            Self::TrailingPoint => f.write_str("the amount ends in a point"),
            Self::NoIdentifier { path } => write!(f, "template {path} has no identifier 00"),
        }
    }
}

const fn advice(error: &EmvError) -> &'static str {
    match error {
        EmvError::NotUtf8 { .. } => "encode the text as UTF-8",
        EmvError::TooLong => "shorten the payload to 512 characters",
        EmvError::Header { .. } => "every object needs two digits id and two digits length",
        EmvError::PastEnd { .. } => "correct the length, or complete the value that was cut off",
        EmvError::Empty { .. } => "leave objects without a value out",
        EmvError::Duplicate { .. } => "write each object once",
        EmvError::FormatNotFirst | EmvError::UnknownFormat => "begin with 000201",
        EmvError::CrcMissing => "end with 6304 and the checksum",
        EmvError::CrcNotLast => "move the checksum to the end and compute it anew",
        EmvError::CrcMalformed => "write the checksum as four hexadecimal digits",
        EmvError::CrcLowerCase => "write the checksum in capitals",
        EmvError::CrcMismatch { .. } => "scan again; if it stays, compute the checksum anew",
        EmvError::Missing { .. } => "add the object, it is mandatory",
        EmvError::FieldTooLong { .. } => "shorten the value",
        EmvError::FieldFormat { .. } => "write the value as the standard says",
        EmvError::TemplateBroken { .. } => "correct the lengths inside the template",
        EmvError::TipConflict => "56 goes with 55 = 02 alone, 57 with 55 = 03 alone",
        EmvError::ForbiddenCharacter { .. } => "take the character out",
        EmvError::AmountNotPositive => "leave the amount out if the payer is to name it",
        EmvError::AmountDecimals => "write as many decimals as the currency has",
        EmvError::AmountRange => "write an amount of at most 13 characters",
        EmvError::PrivateTemplate { .. } => "make the code again with a current version",
        EmvError::SignatureMisplaced => "sign last, directly before the checksum",
        EmvError::AlreadySigned | EmvError::ChallengePresent | EmvError::NoFreeTemplate => {
            "begin from the unsigned payload"
        }
    }
}

/// The state of one diagnosis.
struct Reading {
    /// The text, decoded one way or the other.
    text: String,
    /// Whether the text had to be read as ISO 8859-1.
    latin: bool,
    /// Where reading begins and ends, white space taken off.
    start: usize,
    end: usize,
    found: Vec<Found>,
    spans: Vec<Span>,
    /// Templates written anew, because their lengths counted bytes: start of the header, value.
    recounted: Vec<(usize, String)>,
}

/// Where a root object is, in bytes.
#[derive(Clone, Copy)]
struct Span {
    id: u8,
    at: usize,
    start: usize,
    end: usize,
    /// The value is shorter than its length says.
    cut: bool,
}

/// How the lengths of a text are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    Characters,
    Bytes,
}

impl Reading {
    fn new(input: &[u8]) -> Self {
        let (text, latin) = match core::str::from_utf8(input) {
            Ok(text) => (text.to_owned(), None),
            Err(error) => {
                (input.iter().map(|&byte| char::from(byte)).collect(), Some(error.valid_up_to()))
            }
        };
        let trimmed = text.trim_matches(SPACE);
        let start = text.len() - text.trim_start_matches(SPACE).len();
        let end = start + trimmed.len();
        let mut reading = Self {
            start,
            end,
            latin: latin.is_some(),
            found: Vec::new(),
            spans: Vec::new(),
            recounted: Vec::new(),
            text,
        };
        if reading.end - reading.start != reading.text.len() {
            let at = if reading.start > 0 { 0 } else { reading.end };
            reading.note(Finding::SurroundingSpace, at);
        }
        if let Some(at) = latin {
            reading.note(Finding::OtherEncoding, at);
        }
        reading
    }

    fn note(&mut self, finding: Finding, at: usize) {
        let found = Found { finding, at };
        if !self.found.contains(&found) {
            self.found.push(found);
        }
    }

    fn fault(&mut self, error: EmvError, at: usize) {
        self.note(Finding::Refused(error), at);
    }

    fn value(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Splits the text into objects: as the standard says, or else with lengths in bytes.
    fn read_objects(&mut self) {
        let mut from = self.start;
        let body = self.text.get(from..self.end).unwrap_or_default();
        if body.starts_with("002001") {
            self.note(Finding::FirstHeaderSwapped, from);
            self.spans.push(Span { id: 0, at: from, start: from + 4, end: from + 6, cut: false });
            from += 6;
        }
        let (spans, faults) =
            split(self.text.get(..self.end).unwrap_or_default(), from, Counting::Characters);
        if faults.iter().any(|found| found.finding.severity() == Severity::Defect)
            && !self.text.is_ascii()
        {
            let (by_bytes, byte_faults) =
                split(self.text.get(..self.end).unwrap_or_default(), from, Counting::Bytes);
            let complete = by_bytes.last().is_some_and(|span| span.id == CRC_ID);
            if byte_faults.is_empty() && complete {
                let first = by_bytes.iter().find(|span| !self.value(**span).is_ascii()).copied();
                let (path, at) =
                    first.map_or((Path::root(0), 0), |span| (Path::root(span.id), span.at));
                self.note(Finding::ByteLengths { path }, at);
                self.spans.extend(by_bytes);
                return;
            }
        }
        self.found.extend(faults);
        self.spans.extend(spans);
    }

    /// What each object says, and what all of them together say.
    fn check_objects(&mut self) {
        if self.text.chars().count() > MAX_CHARS {
            self.fault(EmvError::TooLong, self.start);
        }
        if let Some(at) = self.text.get(self.start..self.end).and_then(forbidden_character) {
            let at = self.start + at;
            self.fault(EmvError::ForbiddenCharacter { at }, at);
        }
        let spans = core::mem::take(&mut self.spans);
        if let Some(first) = spans.first()
            && first.id != 0
        {
            self.fault(EmvError::FormatNotFirst, first.at);
        }
        let mut seen = Seen::default();
        let mut tip = None;
        for &span in &spans {
            if !seen.insert(span.id) {
                self.fault(EmvError::Duplicate { path: Path::root(span.id) }, span.at);
                continue;
            }
            let value = self.value(span).to_owned();
            if !value.is_empty()
                && !span.cut
                && let Err(error) = check_field(span.id, &value)
            {
                match recounted(&value).filter(|value| check_field(span.id, value).is_ok()) {
                    Some(value) => {
                        self.note(Finding::ByteLengths { path: Path::root(span.id) }, span.at);
                        self.recounted.push((span.at, value));
                    }
                    None => self.fault(error, span.at),
                }
            }
            if let Some(note) = note_of(span.id, &value) {
                self.note(note, span.at);
            }
            if span.id == 55 {
                tip = Some(value);
            }
        }
        // One missing object after the other, so that all of them are named.
        while let Err(error @ EmvError::Missing { path }) = check_whole(&seen, tip.as_deref()) {
            self.fault(error, self.end);
            if !seen.insert(path.root) {
                break;
            }
        }
        if let Err(error) = check_whole(&seen, tip.as_deref()) {
            self.fault(error, self.end);
        }
        self.spans = spans;
    }

    fn check_crc(&mut self) {
        let Some(place) = self.spans.iter().position(|span| span.id == CRC_ID) else {
            self.fault(EmvError::CrcMissing, self.end);
            return;
        };
        let Some(&span) = self.spans.get(place) else { return };
        if place + 1 < self.spans.len() || span.end < self.end {
            self.fault(EmvError::CrcNotLast, span.at);
        }
        let Some(found) = read_crc(self.value(span)) else {
            self.fault(EmvError::CrcMalformed, span.at);
            return;
        };
        let upper = !self.value(span).bytes().any(|byte| byte.is_ascii_lowercase());
        let covered = self.text.get(self.start..span.start).unwrap_or_default();
        // What was scanned may be another encoding than what we hold.
        let one_byte_each: Option<Vec<u8>> =
            covered.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect();
        let expected = match &one_byte_each {
            Some(latin) if self.latin => crc16(latin),
            _ => crc16(covered.as_bytes()),
        };
        let bare = covered.strip_suffix("6304").unwrap_or(covered);
        if found != expected {
            self.note(
                if one_byte_each.is_some_and(|latin| crc16(&latin) == found) {
                    Finding::CrcOverCharacters { expected }
                } else if crc16(bare.as_bytes()) == found {
                    Finding::CrcWithoutHeader { expected }
                } else if update(0, covered.as_bytes()) == found {
                    Finding::CrcOtherStart { expected }
                } else {
                    Finding::Refused(EmvError::CrcMismatch { expected, found })
                },
                span.at,
            );
        } else if !upper {
            self.fault(EmvError::CrcLowerCase, span.start);
        }
    }

    fn finish(mut self, input: &[u8], cut: bool) -> Diagnosis {
        let strict = if cut { Err(EmvError::TooLong) } else { Payload::parse(input) };
        let clean = self.found.iter().all(|found| found.finding.severity() == Severity::Note);
        match strict {
            // The strict reader has the last word, should it know something that we do not.
            Err(error) if clean => self.fault(error, self.start),
            _ => {}
        }
        self.found.sort_by_key(|found| found.at);
        let mut objects = Vec::with_capacity(self.spans.len());
        for &span in &self.spans {
            let anew = self.recounted.iter().find(|(at, _)| *at == span.at);
            let value = anew.map_or(self.value(span), |(_, value)| value);
            objects.push((span.id, value.to_owned()));
        }
        let payload = Payload::assemble(
            objects.iter().filter(|(id, _)| *id != CRC_ID).map(|(id, value)| (*id, value.as_str())),
        )
        .ok();
        Diagnosis { findings: self.found, objects, payload }
    }
}

/// Reads `text` from byte `at` on as far as there are objects; and what is wrong on the way.
fn split(text: &str, mut at: usize, counting: Counting) -> (Vec<Span>, Vec<Found>) {
    let mut spans = Vec::new();
    let mut faults = Vec::new();
    while at < text.len() {
        let Some((id, chars, start, spaced)) = header(text.as_bytes(), at) else {
            faults.push(Found { finding: Finding::Refused(EmvError::Header { at }), at });
            break;
        };
        if spaced {
            faults.push(Found { finding: Finding::SpaceInHeader, at });
        }
        let path = Path::root(id);
        if chars == 0 {
            faults.push(Found { finding: Finding::Refused(EmvError::Empty { path }), at });
        }
        let rest = text.get(start..).unwrap_or_default();
        let length = match counting {
            Counting::Bytes => Some(chars).filter(|&bytes| rest.is_char_boundary(bytes)),
            Counting::Characters => {
                rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(chars)
            }
        };
        if length.is_none() {
            let error = EmvError::PastEnd { path, at };
            faults.push(Found { finding: Finding::Refused(error), at });
        }
        let end = start + length.unwrap_or(rest.len());
        spans.push(Span { id, at, start, end, cut: length.is_none() });
        at = end;
    }
    (spans, faults)
}

/// Id, length and where the value starts, spaces tolerated; and whether there were any.
fn header(bytes: &[u8], at: usize) -> Option<(u8, usize, usize, bool)> {
    let mut spaced = false;
    let mut place = at;
    let mut number = |place: &mut usize| {
        while bytes.get(*place) == Some(&b' ') {
            spaced = true;
            *place += 1;
        }
        let read = pair(*bytes.get(*place)?, *bytes.get(*place + 1)?)?;
        *place += 2;
        Some(read)
    };
    let id = number(&mut place)?;
    let chars = number(&mut place)?;
    // A space after the length belongs to the value, unless that is a number by definition.
    let numeric = matches!(id, 0 | 1 | 52..=57 | CRC_ID);
    while numeric && bytes.get(place) == Some(&b' ') {
        spaced = true;
        place += 1;
    }
    Some((id, usize::from(chars), place, spaced))
}

/// The template that `value` is when its lengths count bytes, with lengths in characters.
fn recounted(value: &str) -> Option<String> {
    let (spans, faults) = split(value, 0, Counting::Bytes);
    let mut template = String::with_capacity(value.len());
    for span in &spans {
        let inner = value.get(span.start..span.end)?;
        push_object(&mut template, Path::root(span.id), span.id, inner).ok()?;
    }
    (faults.is_empty() && !value.is_ascii()).then_some(template)
}

/// What is allowed but may trouble some readers.
fn note_of(id: u8, value: &str) -> Option<Finding> {
    let path = Path::root(id);
    match id {
        54 if value.ends_with('.') => Some(Finding::TrailingPoint),
        59..=61 if !value.is_ascii() => Some(Finding::NotAscii { path }),
        26..=51 if !value.starts_with("00") => Some(Finding::NoIdentifier { path }),
        80..=99 => Template::read(value)
            .filter(|template| template.guid().is_none())
            .map(|_| Finding::NoIdentifier { path }),
        _ => None,
    }
}

const SPACE: [char; 5] = ['\u{FEFF}', ' ', '\r', '\n', '\t'];
