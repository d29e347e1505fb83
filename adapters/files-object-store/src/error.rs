//! What can go wrong.

use core::fmt;
use std::io;

/// Why something was not done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The quota is used up. What was written before stays, and the same can be tried again.
    Full,
    /// The store refuses who asks.
    Denied,
    /// The store failed, or cannot be reached. Whether it did what it was asked for is not known.
    Store,
    /// The proof of a file cannot be kept.
    Work(io::ErrorKind),
    /// The store can have no object of that name.
    Path,
    /// The file is not prepared, or was forgotten since.
    NotPrepared,
    /// No such store, or no spool.
    NoPlace,
    /// There is no unpublished content of that transfer, or not all of it.
    NoContent,
    /// A range that no file has, or that is too long.
    Range,
}

impl Error {
    /// Stable number, 9800 to 9808.
    pub const fn code(self) -> u32 {
        match self {
            Self::Full => 9_800,
            Self::Denied => 9_801,
            Self::Store => 9_802,
            Self::Work(_) => 9_803,
            Self::Path => 9_804,
            Self::NotPrepared => 9_805,
            Self::NoPlace => 9_806,
            Self::NoContent => 9_807,
            Self::Range => 9_808,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the quota is used up"),
            Self::Denied => f.write_str("the store refuses who asks"),
            Self::Store => f.write_str("the store failed"),
            Self::Work(kind) => write!(f, "the proof of a file cannot be kept: {kind}"),
            Self::Path => f.write_str("the store can have no object of that name"),
            Self::NotPrepared => f.write_str("the file is not prepared"),
            Self::NoPlace => f.write_str("there is no such store"),
            Self::NoContent => f.write_str("there is no unpublished content"),
            Self::Range => f.write_str("there is no such range"),
        }
    }
}

impl core::error::Error for Error {}

impl From<object_store::Error> for Error {
    fn from(why: object_store::Error) -> Self {
        match why {
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Denied,
            object_store::Error::InvalidPath { .. } => Self::Path,
            _ => Self::Store,
        }
    }
}

/// Why stores could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// What is unpublished cannot be listed.
    Store(Error),
    /// The folder for proofs cannot be used.
    Work(io::ErrorKind),
    /// A number that makes no sense.
    Bounds,
    /// The roots are no certificates, or there is none.
    Roots,
}

impl OpenError {
    /// Stable number, 9810 to 9813.
    pub const fn code(self) -> u32 {
        match self {
            Self::Store(_) => 9_810,
            Self::Work(_) => 9_811,
            Self::Bounds => 9_812,
            Self::Roots => 9_813,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => write!(f, "a store cannot be used: {why}"),
            Self::Work(kind) => write!(f, "the folder for proofs cannot be used: {kind}"),
            Self::Bounds => f.write_str("at least one file and one piece have to be held"),
            Self::Roots => f.write_str("the roots are no certificates"),
        }
    }
}

impl core::error::Error for OpenError {}
