//! Why something is no pack.

use crate::BadName;
use core::fmt;
use port::WireError;

/// Why bytes are no pack, or files cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// Not the bytes of a manifest.
    NotAPack,
    /// The name of one of its files.
    Name(BadName),
    /// No file, or too many of them, or their names are too long together.
    Count,
    /// It is longer or shorter than its files are.
    Size,
    /// A file is not what its entry says.
    Content,
}

impl PackError {
    /// Stable number: 5084 to 5087, and those of [`BadName`].
    pub const fn code(self) -> u32 {
        match self {
            Self::NotAPack => 5_084,
            Self::Count => 5_085,
            Self::Size => 5_086,
            Self::Content => 5_087,
            Self::Name(why) => why.code(),
        }
    }
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPack => "the file is no pack",
            Self::Count => "a pack has at least one file, and as many as its manifest has room for",
            Self::Size => "the pack is longer or shorter than its files are",
            Self::Content => "a file in the pack is not what its manifest says",
            Self::Name(why) => return why.fmt(f),
        })
    }
}

impl core::error::Error for PackError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Name(why) => Some(why),
            _ => None,
        }
    }
}

impl From<BadName> for PackError {
    fn from(why: BadName) -> Self {
        Self::Name(why)
    }
}

impl From<WireError> for PackError {
    fn from(_: WireError) -> Self {
        Self::NotAPack
    }
}
