//! A checked field table: which fields a network sends, and how each is written.

use crate::coding::Coding;
use crate::description::{Codings, Counts, Description, FieldEntry, Odd};
use crate::format::{Content, Format};
use crate::{Mti, standard};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

/// How one network writes ISO 8583:1987. Made once, then shared; parsing and writing borrow it.
///
/// ```
/// use interbank_wire_iso8583::{Codings, Description, Dialect};
/// let packed = Dialect::iso1987(Codings::PACKED)?;
/// assert_eq!(packed.format_of(4).unwrap().to_string(), "n 12");
///
/// let file = r#"{ "version": 1, "base": "iso8583-1987", "fields": { "48": { "format": "ans...1200" } } }"#;
/// let error = Dialect::new(&serde_json::from_str::<Description>(file)?).unwrap_err();
/// assert_eq!(error.to_string(), "fields.48.format: a length that its digits or a message cannot hold");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Dialect {
    name: String,
    pub(crate) codings: Codings,
    types: Vec<Mti>,
    /// By number; 0, 1 and 65 are never described.
    fields: Box<[Option<Field>; 129]>,
    names: Vec<(u8, String)>,
    /// A byte on the wire becomes at most so many bytes of a value.
    pub(crate) growth: usize,
}

impl Dialect {
    /// Checks a description.
    ///
    /// # Errors
    /// [`DialectError`], with the path of the entry that is wrong.
    pub fn new(description: &Description) -> Result<Self, DialectError> {
        let wrong = |path: &str, why| Err(DialectError { path: path.to_string(), why });
        if description.version != 1 {
            return wrong("version", Why::Version);
        }
        check_codings(&description.codings)?;
        let mut dialect = Self {
            name: description.name.clone(),
            codings: description.codings,
            types: types(description.types.as_deref())?,
            fields: Box::new([None; 129]),
            names: Vec::new(),
            growth: 1,
        };
        match description.base.as_deref() {
            None => {}
            Some(BASE_1987) => {
                for (number, format, name) in standard::FIELDS {
                    let entry = FieldEntry { format: Some(format.into()), ..FieldEntry::default() };
                    dialect.describe(number, &entry, &format!("base.{number}"))?;
                    dialect.rename(number, name);
                }
            }
            Some(_) => return wrong("base", Why::Base),
        }
        let mut seen = 0_u128;
        for (key, entry) in &description.fields.0 {
            let path = path_of(key);
            let Some((first, last)) = numbers(key) else { return wrong(&path, Why::Number) };
            for number in first..=last {
                if matches!(number, 0 | 1 | 65 | 129..) {
                    return wrong(&path, Why::Number);
                }
                let bit = 1_u128 << (number - 1);
                if seen & bit != 0 {
                    return wrong(&path, Why::Overlap);
                }
                seen |= bit;
                dialect.describe(number, entry, &path)?;
                if !entry.name.is_empty() {
                    dialect.rename(number, &entry.name);
                }
            }
        }
        if dialect.fields.iter().flatten().any(|field| field.contents == Coding::Bcd) {
            dialect.growth = 2;
        }
        Ok(dialect)
    }

    /// The table of the standard in these codings.
    ///
    /// # Errors
    /// [`DialectError`] if a coding does not suit its part.
    pub fn iso1987(codings: Codings) -> Result<Self, DialectError> {
        Self::new(&Description::iso1987(codings))
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether messages of this type are read and written.
    pub fn knows(&self, mti: Mti) -> bool {
        self.types.binary_search(&mti.original()).is_ok()
    }

    /// What a field holds; `None` if the dialect does not describe it.
    pub fn format_of(&self, field: u8) -> Option<Format> {
        self.field(field).map(|field| field.format)
    }

    /// What people call a field.
    pub fn name_of(&self, field: u8) -> Option<&str> {
        self.field(field)?;
        self.names.iter().find(|(number, _)| *number == field).map(|(_, name)| name.as_str())
    }

    pub(crate) fn field(&self, number: u8) -> Option<&Field> {
        self.fields.get(usize::from(number)).and_then(Option::as_ref)
    }

    fn rename(&mut self, number: u8, name: &str) {
        self.names.retain(|(named, _)| *named != number);
        self.names.push((number, name.into()));
    }

    fn describe(&mut self, number: u8, entry: &FieldEntry, path: &str) -> Result<(), DialectError> {
        let wrong = |key: &str, why| Err(DialectError { path: format!("{path}.{key}"), why });
        let Some(slot) = self.fields.get_mut(usize::from(number)) else {
            return wrong("number", Why::Number);
        };
        if entry.absent {
            *slot = None;
            return Ok(());
        }
        let format = match (&entry.format, &*slot) {
            (Some(text), _) => match Format::parse(text) {
                Some(format) => format,
                None => return wrong("format", Why::Format),
            },
            (None, Some(base)) => base.format,
            (None, None) => return wrong("format", Why::Format),
        };
        let content = format.content;
        let codings = &self.codings;
        let length = entry.length.unwrap_or(codings.length);
        let contents = entry.contents.unwrap_or(match content {
            Content::Digits | Content::Track | Content::Signed => codings.digits,
            Content::Binary => codings.binary,
            _ => codings.text,
        });
        let suits = match content {
            Content::Binary => contents.is_bytes(),
            _ if content.is_packable() => contents.is_digits(),
            _ => contents.is_text(),
        };
        if !suits {
            return wrong("contents", Why::Coding);
        }
        if !(length.is_digits() || length == Coding::Binary) {
            return wrong("length", Why::Coding);
        }
        let field = Field {
            format,
            min: entry.min.unwrap_or(0),
            length,
            contents,
            sign: if contents == Coding::Bcd { codings.text } else { contents },
            odd: entry.odd.unwrap_or(codings.odd),
            counts: entry.counts.unwrap_or_default(),
        };
        // The greatest count of a variable field has to fit its digits; a message has an end, too.
        let count_max = field.wire_count(usize::from(format.units_max));
        if format.length_digits > 0 && count_max > field.count_max() {
            return wrong("format", Why::Length);
        }
        if entry.min.is_some() && (format.length_digits == 0 || field.min > format.units_max) {
            return wrong("min", Why::Length);
        }
        let filled = matches!(field.odd, Odd::FLeft | Odd::FRight);
        if field.counts == Counts::Wire && contents == Coding::Bcd && !filled {
            // With a zero nobody could tell an even number of digits from an odd one.
            return wrong("counts", Why::Counts);
        }
        *slot = Some(field);
        Ok(())
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let described = self.fields.iter().flatten().count();
        f.debug_struct("Dialect")
            .field("name", &self.name)
            .field("codings", &self.codings)
            .field("fields", &described)
            .finish_non_exhaustive()
    }
}

impl Description {
    /// The table of the standard in these codings, with nothing of one's own.
    pub fn iso1987(codings: Codings) -> Self {
        Self {
            version: 1,
            name: BASE_1987.into(),
            base: Some(BASE_1987.into()),
            types: None,
            codings,
            fields: crate::description::FieldEntries::default(),
        }
    }
}

/// One field of a checked table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) format: Format,
    pub(crate) min: u16,
    pub(crate) length: Coding,
    pub(crate) contents: Coding,
    /// How the sign of `x+n` is written.
    pub(crate) sign: Coding,
    pub(crate) odd: Odd,
    pub(crate) counts: Counts,
}

impl Field {
    /// Bytes on the wire of a value of so many units, without its length.
    pub(crate) const fn wire_len(&self, units: usize) -> usize {
        match (self.contents, self.format.content) {
            (Coding::Bcd, Content::Signed) => 1 + units.saturating_sub(1).div_ceil(2),
            (Coding::Bcd, _) => units.div_ceil(2),
            (Coding::Hex | Coding::HexEbcdic, _) => units * 2,
            _ => units,
        }
    }

    /// What the length says of so many units.
    pub(crate) const fn wire_count(&self, units: usize) -> usize {
        match self.counts {
            Counts::Value => units,
            Counts::Wire => self.wire_len(units),
        }
    }

    /// Bytes of the length.
    pub(crate) const fn length_len(&self) -> usize {
        let digits = self.format.length_digits as usize;
        match self.length {
            Coding::Bcd | Coding::Binary => digits.div_ceil(2),
            _ => digits,
        }
    }

    /// The greatest length that can be written.
    const fn count_max(&self) -> usize {
        match (self.length, self.format.length_digits) {
            (Coding::Binary, 1 | 2) => 0xFF,
            (Coding::Binary, _) => 0xFFFF,
            (_, 1) => 9,
            (_, 2) => 99,
            (_, 3) => 999,
            _ => 9_999,
        }
    }
}

/// Why a description is no dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialectError {
    /// The entry that is wrong, such as `fields.48.format`.
    pub path: String,
    /// What is wrong with it.
    pub why: Why,
}

impl DialectError {
    /// Stable number, 9220 to 9239.
    pub const fn code(&self) -> u32 {
        match self.why {
            Why::Version => 9220,
            Why::Base => 9221,
            Why::MessageType => 9222,
            Why::Coding => 9223,
            Why::Number => 9224,
            Why::Overlap => 9225,
            Why::Format => 9226,
            Why::Length => 9227,
            Why::Counts => 9228,
        }
    }
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Version => "only version 1 is known",
            Why::Base => "no such table",
            Why::MessageType => "not four digits, or given twice",
            Why::Coding => "a coding that does not suit this part",
            Why::Number => "no field has this number",
            Why::Overlap => "the field is described twice",
            Why::Format => "not a format such as `n 6`, `ans..25` or `b 64`",
            Why::Length => "a length that its digits or a message cannot hold",
            Why::Counts => "bytes of packed digits can be counted only where F fills up",
        };
        write!(f, "{}: {why}", self.path)
    }
}

impl core::error::Error for DialectError {}

/// What is wrong with an entry of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A version of the form that is not known.
    Version,
    /// A base that is not known.
    Base,
    /// Not a message type, or given twice.
    MessageType,
    /// A coding that does not suit its part.
    Coding,
    /// No field that can be described.
    Number,
    /// Two entries describe one field.
    Overlap,
    /// Not the notation of the standard, or none where there is no base.
    Format,
    /// A length that its digits cannot say, or a least length that makes no sense.
    Length,
    /// A count of wire bytes that would be ambiguous.
    Counts,
}

/// The name of the built-in table.
const BASE_1987: &str = "iso8583-1987";

fn check_codings(codings: &Codings) -> Result<(), DialectError> {
    let parts = [
        ("mti", codings.mti.is_digits()),
        ("bitmap", codings.bitmap.is_bytes()),
        ("length", codings.length.is_digits() || codings.length == Coding::Binary),
        ("digits", codings.digits.is_digits()),
        ("text", codings.text.is_text()),
        ("binary", codings.binary.is_bytes()),
    ];
    match parts.into_iter().find(|(_, suits)| !suits) {
        Some((part, _)) => Err(DialectError { path: format!("codings.{part}"), why: Why::Coding }),
        None => Ok(()),
    }
}

fn types(given: Option<&[String]>) -> Result<Vec<Mti>, DialectError> {
    let Some(given) = given else { return Ok(Mti::ALL.to_vec()) };
    let mut types = Vec::new();
    for (at, text) in given.iter().enumerate() {
        let digits = <[u8; 4]>::try_from(text.as_bytes()).ok().and_then(Mti::from_digits);
        match digits.map(Mti::original) {
            Some(mti) if !types.contains(&mti) => types.push(mti),
            _ => return Err(DialectError { path: format!("types[{at}]"), why: Why::MessageType }),
        }
    }
    types.sort_unstable();
    Ok(types)
}

/// A number without leading zeros, or two with a hyphen.
fn numbers(key: &str) -> Option<(u8, u8)> {
    let number = |text: &str| {
        let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse::<u8>().ok() } else { None }
    };
    let (first, last) = key.split_once('-').unwrap_or((key, key));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The key as it may be shown: what is not a short word is left out.
fn path_of(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if key.len() <= 8 && key.bytes().all(plain) { format!("fields.{key}") } else { "fields".into() }
}
