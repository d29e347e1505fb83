//! What drafts of policies have in common: defaults for what is left out, fields that nobody knows, and short texts.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use port::WireError;
use port::wire::{Reader, Writer};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Fields of a draft that no version of the form knows.
pub type Unknown = BTreeMap<String, Ignored>;

/// The value of an unknown field: not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

/// The first unknown field's name. It is foreign text: enough of it to be found.
pub(crate) fn first(unknown: &Unknown) -> Option<String> {
    let field = unknown.keys().next()?;
    Some(field.chars().filter(|c| !c.is_control()).take(64).collect())
}

/// Writes a text behind its length. One that is too long for the form is cut: such a draft is never valid.
pub(crate) fn write_text(writer: &mut Writer<'_>, text: &str) {
    let bytes = text.as_bytes();
    let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    writer.u8(len).fixed(bytes.get(..usize::from(len)).unwrap_or_default());
}

pub(crate) fn read_text(reader: &mut Reader<'_>) -> Result<String, WireError> {
    Ok(Reader::text(reader.lp8()?)?.to_owned())
}

/// Sections of a draft, each with the defaults of what is left out.
macro_rules! drafts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Fields that nobody knows: they are faults.
            #[serde(flatten, skip_serializing)]
            pub unknown: Unknown,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* unknown: Unknown::new() }
            }
        }
    )*};
}

pub(crate) use drafts;
