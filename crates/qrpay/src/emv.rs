//! The EMVCo merchant-presented payload (QRCPS MPM v1.1), with our challenge in it.
//!
//! - Lengths count **characters**; the checksum is over the **UTF-8 bytes**.
//! - [`Payload::parse`] is strict: it accepts exactly the texts that [`Payload::encode`] writes, so
//!   one payload has one text. That includes an upper-case checksum.
//! - [`diagnose`] is the lenient reader: it understands what it can and says what is wrong.
//! - Order and unknown objects are kept: a payload read and written again is the same text.
//! - Free text may be any printable Unicode; characters that could hide what the payer reads
//!   (controls, invisible ones, direction marks) are refused. The standard wants the merchant's
//!   name, city and postal code in ASCII; other letters there are read, and noted by [`diagnose`].
//! - A merchant account 26 to 51 is a template if it begins with a unique identifier (`00`), else
//!   it is kept as it is.
//!
//! [`ChallengeTemplate`] carries order id and challenge; [`Payload::to_be_signed`] adds an issuer's
//! signature over everything before it. Amounts are integers of minor units, never floats.

mod amount;
mod builder;
mod challenge;
mod crc;
mod diagnosis;
mod error;
mod object;
mod rules;
mod scheme;
mod signature;

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

pub use amount::{format_amount, parse_amount};
pub use builder::Builder;
pub use challenge::{CHALLENGE_GUID, ChallengeTemplate, EXPIRES_S_MAX, UID_MAX_CHARS};
pub use crc::crc16;
pub use diagnosis::{Diagnosis, Finding, Found, Severity, diagnose};
pub use error::{EmvError, Path};
pub use object::{Object, Objects, Template};
pub use scheme::Scheme;
pub use signature::{ISSUER_MAX_CHARS, SIGNING_DOMAIN, Signature, ToBeSigned};

use object::{Fault, Seen, Walk, push_object};

/// A payload that was found valid: its text, and a view of the objects in it.
///
/// Borrows the text it was parsed from; [`Payload::into_owned`] lets it live longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    text: Cow<'a, str>,
}

impl<'a> Payload<'a> {
    /// Reads and checks a payload: structure, mandatory objects, the form of each value, and the
    /// checksum. Allocates nothing.
    ///
    /// # Errors
    ///
    /// The first fault in reading order; the checksum comes last.
    pub fn parse<T: AsRef<[u8]> + ?Sized>(input: &'a T) -> Result<Self, EmvError> {
        let bytes = input.as_ref();
        if bytes.len() > MAX_CHARS * 4 {
            return Err(EmvError::TooLong);
        }
        let text = core::str::from_utf8(bytes)
            .map_err(|error| EmvError::NotUtf8 { at: error.valid_up_to() })?;
        check(text)?;
        Ok(Self { text: Cow::Borrowed(text) })
    }

    /// Writes objects, in the order given, and the checksum; what comes out is strictly valid.
    fn assemble<'b>(objects: impl Iterator<Item = (u8, &'b str)>) -> Result<Self, EmvError> {
        let mut text = String::with_capacity(256);
        for (id, value) in objects {
            push_object(&mut text, Path::root(id), id, value)?;
        }
        push_crc(&mut text);
        check(&text)?;
        Ok(Self { text: Cow::Owned(text) })
    }

    /// The same payload with a text of its own.
    pub fn into_owned(self) -> Payload<'static> {
        Payload { text: Cow::Owned(self.text.into_owned()) }
    }

    /// This payload with a challenge of ours in unreserved templates added directly before the
    /// checksum; everything else stays as it is, so the caller sees to it that object 01 says
    /// dynamic.
    ///
    /// # Errors
    ///
    /// `AlreadySigned`, `ChallengePresent`, `NoFreeTemplate`, `TooLong`, and what
    /// [`ChallengeTemplate`] demands of its fields.
    pub fn with_challenge(
        &self,
        challenge: &ChallengeTemplate,
    ) -> Result<Payload<'static>, EmvError> {
        if self.signature()?.is_some() {
            return Err(EmvError::AlreadySigned);
        }
        if self.challenge()?.is_some() {
            return Err(EmvError::ChallengePresent);
        }
        let mut seen = self.ids();
        let mut text = String::from(self.before_crc());
        for value in challenge.values()? {
            push_unreserved(&mut text, &mut seen, &value)?;
        }
        push_crc(&mut text);
        check(&text)?;
        Ok(Payload { text: Cow::Owned(text) })
    }

    /// The text that goes into the symbol.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Writes the payload object by object and computes its checksum: the text it was parsed from.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for object in self.objects().filter(|object| object.id != CRC_ID) {
            // Values of a checked payload are neither empty nor too long.
            if push_object(&mut text, Path::root(object.id), object.id, object.value).is_err() {
                break;
            }
        }
        push_crc(&mut text);
        text
    }

    /// All objects at the root, in their order.
    pub fn objects(&self) -> Objects<'_> {
        Objects::of(&self.text)
    }

    /// The value of the root object `id`, if it is there.
    pub fn value(&self, id: u8) -> Option<&str> {
        self.objects().find(|object| object.id == id).map(|object| object.value)
    }

    /// The root object `id` read as a template.
    pub fn template(&self, id: u8) -> Option<Template<'_>> {
        self.value(id).and_then(Template::read)
    }

    /// Whether the code is for many payments or one (01), if it says so.
    pub fn initiation(&self) -> Option<Initiation> {
        match self.value(1)? {
            "11" => Some(Initiation::Static),
            _ => Some(Initiation::Dynamic),
        }
    }

    /// The merchant's accounts (02 to 51), in their order; at least one.
    pub fn accounts(&self) -> impl Iterator<Item = Object<'_>> {
        self.objects().filter(|object| matches!(object.id, 2..=51))
    }

    /// The account template whose unique identifier is `guid`, ASCII case aside.
    pub fn account_of(&self, guid: &str) -> Option<Template<'_>> {
        self.accounts()
            .filter(|account| account.id >= 26 && account.value.starts_with("00"))
            .filter_map(|account| Template::read(account.value))
            .find(|template| template.guid().is_some_and(|own| own.eq_ignore_ascii_case(guid)))
    }

    /// The ISO 18245 merchant category (52), 0 to 9999.
    pub fn category(&self) -> u16 {
        number(self.value(52))
    }

    /// The ISO 4217 numeric currency (53), 0 to 999.
    pub fn currency(&self) -> u16 {
        number(self.value(53))
    }

    /// The amount (54) as it is written; without one the payer names it.
    pub fn amount_text(&self) -> Option<&str> {
        self.value(54)
    }

    /// The amount (54) in minor units of a currency with `exponent` decimals.
    ///
    /// # Errors
    ///
    /// `AmountDecimals`, `AmountRange`.
    pub fn amount_minor(&self, exponent: u8) -> Result<Option<i64>, EmvError> {
        self.amount_text().map(|text| parse_amount(text, exponent)).transpose()
    }

    /// What is to be paid beside the amount (55 to 57), if anything.
    pub fn tip(&self) -> Option<Tip<'_>> {
        match self.value(55)? {
            "01" => Some(Tip::Ask),
            "02" => self.value(56).map(Tip::Fixed),
            _ => self.value(57).map(Tip::Percentage),
        }
    }

    /// The ISO 3166-1 country (58), two letters.
    pub fn country(&self) -> &str {
        self.value(58).unwrap_or_default()
    }

    /// The merchant's name (59), up to 25 characters.
    pub fn merchant_name(&self) -> &str {
        self.value(59).unwrap_or_default()
    }

    /// The merchant's city (60), up to 15 characters.
    pub fn city(&self) -> &str {
        self.value(60).unwrap_or_default()
    }

    /// The postal code (61), up to 10 characters.
    pub fn postal_code(&self) -> Option<&str> {
        self.value(61)
    }

    /// The additional data (62): 01 bill, 02 mobile, 03 store, 04 loyalty, 05 reference, 06
    /// customer, 07 terminal, 08 purpose, 09 what to ask the payer for, 10 tax id, 11 channel.
    pub fn additional(&self) -> Option<Template<'_>> {
        self.template(62)
    }

    /// The merchant's name in another language (64): 00 language, 01 name, 02 city.
    pub fn language(&self) -> Option<Template<'_>> {
        self.template(64)
    }

    /// The unreserved templates (80 to 99), ours included.
    pub fn unreserved(&self) -> impl Iterator<Item = (u8, Template<'_>)> {
        self.objects()
            .filter(|object| object.id >= 80)
            .filter_map(|object| Some((object.id, Template::read(object.value)?)))
    }

    /// Our order id and challenge, if the payload has them.
    ///
    /// # Errors
    ///
    /// `PrivateTemplate` if a template of ours is there but malformed.
    pub fn challenge(&self) -> Result<Option<ChallengeTemplate>, EmvError> {
        ChallengeTemplate::read(self)
    }

    /// The issuer's signature, if the payload has one. Whether it is right is for the caller to
    /// find out, with the issuer's key over [`Signature::signing_bytes`].
    ///
    /// # Errors
    ///
    /// `PrivateTemplate`, `SignatureMisplaced`.
    pub fn signature(&self) -> Result<Option<Signature<'_>>, EmvError> {
        Signature::read(self)
    }

    /// Adds the signer's name and key id, and gives what has to be signed.
    ///
    /// # Errors
    ///
    /// `AlreadySigned`; `PrivateTemplate` if `issuer` is not 1 to 32 printable ASCII characters;
    /// `NoFreeTemplate`; `TooLong` if the signature would not fit.
    pub fn to_be_signed(&self, issuer: &str, key_id: u8) -> Result<ToBeSigned, EmvError> {
        ToBeSigned::new(self, issuer, key_id)
    }

    fn before_crc(&self) -> &str {
        self.text.get(..self.text.len().saturating_sub(CRC_CHARS)).unwrap_or_default()
    }

    fn ids(&self) -> Seen {
        let mut seen = Seen::default();
        for object in self.objects() {
            seen.insert(object.id);
        }
        seen
    }
}

impl fmt::Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a code serves many payments or one (01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiation {
    /// The same code for many payments.
    Static,
    /// A code of its own for each payment.
    Dynamic,
}

/// What is to be paid beside the amount (55 to 57).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tip<'a> {
    /// The payer is asked for a tip.
    Ask,
    /// A fixed fee; [`parse_amount`] reads it.
    Fixed(&'a str),
    /// A percentage, 0.01 to 99.99.
    Percentage(&'a str),
}

/// All checks of the strict reader.
fn check(text: &str) -> Result<(), EmvError> {
    if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
        return Err(EmvError::TooLong);
    }
    let mut walk = Walk::new(text);
    let mut seen = Seen::default();
    let mut tip = None;
    let mut crc = None;
    while let Some(step) = walk.step() {
        let object = step.map_err(EmvError::from)?;
        let path = Path::root(object.id);
        if object.at == 0 && object.id != 0 {
            return Err(EmvError::FormatNotFirst);
        }
        if !seen.insert(object.id) {
            return Err(EmvError::Duplicate { path });
        }
        match object.id {
            55 => tip = Some(object.value),
            CRC_ID if walk.at < text.len() => return Err(EmvError::CrcNotLast),
            CRC_ID => crc = Some(object),
            _ => {}
        }
        rules::check_field(object.id, object.value)?;
    }
    if let Some(at) = rules::forbidden_character(text) {
        return Err(EmvError::ForbiddenCharacter { at });
    }
    let crc = crc.ok_or(EmvError::CrcMissing)?;
    rules::check_whole(&seen, tip)?;
    check_crc(text, crc)
}

fn check_crc(text: &str, crc: Object<'_>) -> Result<(), EmvError> {
    let found = read_crc(crc.value).ok_or(EmvError::CrcMalformed)?;
    let covered = text.as_bytes().get(..crc.at + 4).unwrap_or_default();
    let expected = crc16(covered);
    if found != expected {
        return Err(EmvError::CrcMismatch { expected, found });
    }
    if crc.value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(EmvError::CrcLowerCase);
    }
    Ok(())
}

/// Four hexadecimal digits, in either case, as a number.
fn read_crc(value: &str) -> Option<u16> {
    let hex = value.len() == 4 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(value, 16).ok())?
}

/// Appends the checksum of what `text` holds so far.
fn push_crc(text: &mut String) {
    text.push_str("6304");
    let crc = crc16(text.as_bytes());
    text.push_str(&alloc::format!("{crc:04X}"));
}

/// Appends a template under the lowest unreserved id that is free.
fn push_unreserved(text: &mut String, seen: &mut Seen, value: &str) -> Result<(), EmvError> {
    let id = (80..=99).find(|&id| !seen.contains(id)).ok_or(EmvError::NoFreeTemplate)?;
    seen.insert(id);
    push_object(text, Path::root(id), id, value)
}

/// Digits of a checked payload as a number.
fn number(digits: Option<&str>) -> u16 {
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

impl From<Fault> for EmvError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Header { at } => Self::Header { at },
            Fault::PastEnd { id, at } => Self::PastEnd { path: Path::root(id), at },
            Fault::Empty { id, .. } => Self::Empty { path: Path::root(id) },
        }
    }
}

/// The longest payload, in characters (QRCPS MPM v1.1 §3.1).
pub const MAX_CHARS: usize = 512;

/// The id of the checksum.
const CRC_ID: u8 = 63;

/// The checksum object: header and four digits.
const CRC_CHARS: usize = 8;
