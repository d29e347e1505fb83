//! A dialect as data: what a file says, before it is checked.

use crate::Coding;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// What a dialect file says. `docs/spec/wire-iso8583.md` describes it; [`crate::Dialect::new`] checks it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The version of the file's form: 1.
    pub version: u32,
    /// What people call the dialect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The table beneath: `iso8583-1987`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Message types, four digits each; a request or advice stands for its repeat too. None: those of
    /// [`crate::Mti::ALL`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// How things are written where a field does not say otherwise.
    #[serde(default)]
    pub codings: Codings,
    /// Fields by number (`4`) or by a range of numbers (`105-111`).
    #[serde(default)]
    pub fields: FieldEntries,
}

/// How the parts of a message are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Codings {
    /// The message type: text or BCD.
    pub mti: Coding,
    /// The bitmaps: binary or hexadecimal.
    pub bitmap: Coding,
    /// Lengths: text, BCD or binary.
    pub length: Coding,
    /// Contents `n`, `z` and `x+n`: text or BCD.
    pub digits: Coding,
    /// Contents `a`, `an`, `as`, `ns`, `ans`, and the sign of `x+n`: text.
    pub text: Coding,
    /// Contents `b`: binary or hexadecimal.
    pub binary: Coding,
    /// Where the padding of an odd number of BCD digits goes.
    pub odd: Odd,
}

impl Codings {
    /// Everything in ASCII; bitmaps and binary contents hexadecimal.
    pub const ASCII: Self = Self {
        mti: Coding::Ascii,
        bitmap: Coding::Hex,
        length: Coding::Ascii,
        digits: Coding::Ascii,
        text: Coding::Ascii,
        binary: Coding::Hex,
        odd: Odd::ZeroLeft,
    };

    /// Message type, lengths and digits in BCD, bitmaps and binary contents as bytes, text in ASCII.
    pub const PACKED: Self = Self {
        mti: Coding::Bcd,
        bitmap: Coding::Binary,
        length: Coding::Bcd,
        digits: Coding::Bcd,
        text: Coding::Ascii,
        binary: Coding::Binary,
        odd: Odd::ZeroLeft,
    };

    /// All characters in EBCDIC (code page 1047), bitmaps and binary contents as bytes.
    pub const EBCDIC: Self = Self {
        mti: Coding::Ebcdic1047,
        bitmap: Coding::Binary,
        length: Coding::Ebcdic1047,
        digits: Coding::Ebcdic1047,
        text: Coding::Ebcdic1047,
        binary: Coding::Binary,
        odd: Odd::ZeroLeft,
    };
}

impl Default for Codings {
    /// [`Codings::ASCII`].
    fn default() -> Self {
        Self::ASCII
    }
}

/// The nibble that fills an odd number of BCD digits up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Odd {
    /// A zero before the first digit.
    ZeroLeft,
    /// A zero behind the last digit.
    ZeroRight,
    /// An F before the first digit.
    FLeft,
    /// An F behind the last digit.
    FRight,
}

/// What a length counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Counts {
    /// Digits, characters, or bytes of a binary value.
    #[default]
    Value,
    /// Bytes on the wire.
    Wire,
}

/// What a file says about one field, or a range of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldEntry {
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it holds, in the notation of the standard: `n 6`, `n..19`, `x+n 8`. Without it the base's, and
    /// only codings change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The least length of a variable field; 0 if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u16>,
    /// How its length is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Coding>,
    /// How its value is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<Coding>,
    /// Where the padding of an odd number of BCD digits goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odd: Option<Odd>,
    /// What its length counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The base has the field, this dialect does not.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub absent: bool,
}

/// Entries in the order of the file. Unlike a map it keeps two entries of one key, so that they can be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldEntries(pub Vec<(String, FieldEntry)>);

impl Serialize for FieldEntries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, entry) in &self.0 {
            map.serialize_entry(key, entry)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FieldEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl From<BTreeMap<String, FieldEntry>> for FieldEntries {
    fn from(map: BTreeMap<String, FieldEntry>) -> Self {
        Self(map.into_iter().collect())
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = FieldEntries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields by number")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldEntries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            // No table has more keys than there are fields: what is longer is not read to its end.
            if entries.len() > 128 {
                return Err(serde::de::Error::custom("more entries than fields"));
            }
            entries.push(entry);
        }
        Ok(FieldEntries(entries))
    }
}
