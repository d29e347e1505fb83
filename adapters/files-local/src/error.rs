//! What can go wrong.

use core::fmt;
use std::io;

/// Why something was not done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full, or the quota used up. What was written before stays, and the same can be tried again.
    Full,
    /// The operating system said so.
    Io(io::ErrorKind),
    /// A part of the name is a link, or no folder: nothing is written through it.
    Path,
    /// The file is not prepared, or was forgotten since.
    NotPrepared,
    /// No such store, or no spool.
    NoPlace,
    /// There is no unpublished content of that transfer.
    NoContent,
}

impl Error {
    /// Stable number, 9500 to 9505.
    pub const fn code(self) -> u32 {
        match self {
            Self::Full => 9_500,
            Self::Io(_) => 9_501,
            Self::Path => 9_502,
            Self::NotPrepared => 9_503,
            Self::NoPlace => 9_504,
            Self::NoContent => 9_505,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full or the quota used up"),
            Self::Io(kind) => write!(f, "the file system failed: {kind}"),
            Self::Path => f.write_str("a part of the name is a link or no folder"),
            Self::NotPrepared => f.write_str("the file is not prepared"),
            Self::NoPlace => f.write_str("there is no such store"),
            Self::NoContent => f.write_str("there is no unpublished content"),
        }
    }
}

impl core::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(why: io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full,
            kind => Self::Io(kind),
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(why: rustix::io::Errno) -> Self {
        io::Error::from(why).into()
    }
}

/// Why stores could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// A root is not there, is no folder, or nothing can be written in it.
    Root(io::ErrorKind),
    /// Another process, or another store, has this root.
    InUse,
    /// The folder for proofs cannot be used.
    Work(io::ErrorKind),
    /// A number that makes no sense.
    Bounds,
}

impl OpenError {
    /// Stable number, 9510 to 9513.
    pub const fn code(self) -> u32 {
        match self {
            Self::Root(_) => 9_510,
            Self::InUse => 9_511,
            Self::Work(_) => 9_512,
            Self::Bounds => 9_513,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(kind) => write!(f, "a store's folder cannot be used: {kind}"),
            Self::InUse => f.write_str("a store's folder is in use already"),
            Self::Work(kind) => write!(f, "the folder for proofs cannot be used: {kind}"),
            Self::Bounds => f.write_str("at least one file has to be served"),
        }
    }
}

impl core::error::Error for OpenError {}
