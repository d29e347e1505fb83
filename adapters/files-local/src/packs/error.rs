//! Why a pack was not made, or no files of it.

use crate::Error;
use core::fmt;
use filexfer::FileName;
use filexfer::pack::PackError;

/// Why a pack was not made, or no files of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackingError {
    /// There is no file of that name.
    Missing,
    /// It is no pack, or a damaged one.
    Pack(PackError),
    /// Something else has this name, and is not to be replaced.
    Taken(FileName),
    /// The file system did not do its part.
    Files(Error),
}

impl PackingError {
    /// Stable number: 9506 or 9507, those of [`PackError`], or those of [`Error`].
    pub const fn code(&self) -> u32 {
        match self {
            Self::Missing => 9_506,
            Self::Taken(_) => 9_507,
            Self::Pack(why) => why.code(),
            Self::Files(why) => why.code(),
        }
    }

    /// Whether the same pack may do later: a name becomes free, a disk has room again.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Files(_) | Self::Taken(_))
    }
}

impl fmt::Display for PackingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such pack"),
            Self::Pack(why) => why.fmt(f),
            Self::Taken(name) => write!(f, "something else is there as {name}"),
            Self::Files(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for PackingError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Pack(why) => Some(why),
            Self::Files(why) => Some(why),
            Self::Missing | Self::Taken(_) => None,
        }
    }
}

impl From<PackError> for PackingError {
    fn from(why: PackError) -> Self {
        Self::Pack(why)
    }
}

impl From<Error> for PackingError {
    fn from(why: Error) -> Self {
        Self::Files(why)
    }
}

impl From<std::io::Error> for PackingError {
    fn from(why: std::io::Error) -> Self {
        Self::Files(why.into())
    }
}

impl From<rustix::io::Errno> for PackingError {
    fn from(why: rustix::io::Errno) -> Self {
        Self::Files(why.into())
    }
}
