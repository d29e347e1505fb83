//! What can go wrong, and whose fault it is.

use core::fmt;
use port::{BatchError, Fault, StoreError};
use std::io::ErrorKind;

/// Why a read or a commit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The batch breaks a limit, or names a key twice; nothing was written.
    Batch(BatchError),
    /// As many commits wait as [`crate::Options::waiting_max`] allows; nothing was written.
    Busy,
    /// The store was closed; nothing was written.
    Closed,
    /// Stored bytes are not what was written.
    Corrupt(Damage),
    /// The operating system failed before anything was written.
    NotApplied(ErrorKind),
    /// A scan wants more rows than [`port::Scan::ROWS_MAX`].
    ScanTooLong,
    /// The operating system failed while the batch was made durable; it may or may not be there.
    Unknown(ErrorKind),
}

impl Error {
    /// Stable number, 9000 to 9009; of [`Error::Corrupt`] the damage's, 9010 to 9019.
    pub const fn code(self) -> u32 {
        match self {
            Self::Batch(_) => 9000,
            Self::Busy => 9001,
            Self::Closed => 9002,
            Self::Corrupt(damage) => damage.code(),
            Self::NotApplied(_) => 9003,
            Self::ScanTooLong => 9004,
            Self::Unknown(_) => 9005,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(why) => write!(f, "nothing was written: {why}"),
            Self::Busy => f.write_str("too many commits wait; nothing was written"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Corrupt(damage) => damage.fmt(f),
            Self::NotApplied(kind) => write!(f, "nothing was written: {kind}"),
            Self::ScanTooLong => f.write_str("a page has at most 1,000 rows"),
            Self::Unknown(kind) => {
                write!(f, "it is not known whether the batch was written: {kind}")
            }
        }
    }
}

impl core::error::Error for Error {}

impl StoreError for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Batch(BatchError::KeyTwice) | Self::Busy | Self::Closed | Self::NotApplied(_) => {
                Fault::NotApplied
            }
            Self::Batch(_) | Self::ScanTooLong => Fault::TooLarge,
            Self::Corrupt(_) => Fault::Corrupt,
            Self::Unknown(_) => Fault::Unknown,
        }
    }
}

/// Why a store could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Stored bytes are not what was written.
    Corrupt(Damage),
    /// The disk is full.
    DiskFull,
    /// The operating system failed.
    Io(ErrorKind),
    /// Another process, or another part of this one, has the store open.
    Locked,
    /// There is no store here, and [`crate::Options::create`] does not ask for a new one.
    Missing,
    /// The store was written by a later version of this crate.
    Newer {
        /// The format of the file.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// The path leads to or through something that is not a folder.
    NotAFolder,
    /// There is a file of the store's name, but no store in it.
    NotAStore,
    /// The folder or a file in it may not be read or written.
    Unwritable,
}

impl OpenError {
    /// Stable number, 9020 to 9029; of [`OpenError::Corrupt`] the damage's, 9010 to 9019.
    pub const fn code(self) -> u32 {
        match self {
            Self::Corrupt(damage) => damage.code(),
            Self::DiskFull => 9020,
            Self::Io(_) => 9021,
            Self::Locked => 9022,
            Self::Missing => 9023,
            Self::Newer { .. } => 9024,
            Self::NotAFolder => 9025,
            Self::NotAStore => 9026,
            Self::Unwritable => 9027,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(damage) => damage.fmt(f),
            Self::DiskFull => f.write_str("the disk is full"),
            Self::Io(kind) => write!(f, "the store's files cannot be used: {kind}"),
            Self::Locked => f.write_str("the store is already open, here or in another process"),
            Self::Missing => f.write_str("there is no store in this folder"),
            Self::Newer { found, supported } => {
                write!(f, "the store has format {found}, this program reads up to {supported}")
            }
            Self::NotAFolder => f.write_str("the path of the store is not a folder"),
            Self::NotAStore => f.write_str("the file in the store's place is not a store"),
            Self::Unwritable => f.write_str("the store's folder may not be read or written"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<std::io::Error> for OpenError {
    fn from(why: std::io::Error) -> Self {
        Self::from(why.kind())
    }
}

impl From<ErrorKind> for OpenError {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Unwritable,
            ErrorKind::NotADirectory => Self::NotAFolder,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(kind),
        }
    }
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> Self {
        Self::Corrupt(damage)
    }
}

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The database file is gone while its mark or its journal is there.
    Gone,
    /// The journal does not go on from the state of the database.
    Journal,
    /// The high-water mark beside the database cannot be read.
    Mark,
    /// A row does not match its checksum.
    Record,
    /// The database is older than its high-water mark.
    RolledBack,
    /// Rows are missing, or rows are there that were deleted.
    Rows,
    /// The store's own account of its rows cannot be read.
    State,
    /// The pages of the database do not hold together.
    Structure,
}

impl Damage {
    /// Stable number, 9010 to 9017.
    pub const fn code(self) -> u32 {
        match self {
            Self::Gone => 9010,
            Self::Journal => 9017,
            Self::Mark => 9011,
            Self::Record => 9012,
            Self::RolledBack => 9013,
            Self::Rows => 9014,
            Self::State => 9015,
            Self::Structure => 9016,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the store is damaged: its database file is gone",
            Self::Journal => "the store is damaged: its journal does not go on from its database",
            Self::Mark => "the store is damaged: its high-water mark cannot be read",
            Self::Record => "the store is damaged: a row does not match its checksum",
            Self::RolledBack => "the store is damaged: it is older than its high-water mark",
            Self::Rows => "the store is damaged: rows are missing or were brought back",
            Self::State => "the store is damaged: its account of its rows cannot be read",
            Self::Structure => "the store is damaged: its pages do not hold together",
        })
    }
}

impl core::error::Error for Damage {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_failure_to_open_is_one_clear_phrase_with_a_code_of_its_own() {
        let all = [
            OpenError::DiskFull,
            OpenError::Io(ErrorKind::Other),
            OpenError::Locked,
            OpenError::Missing,
            OpenError::Newer { found: 2, supported: 1 },
            OpenError::NotAFolder,
            OpenError::NotAStore,
            OpenError::Unwritable,
            OpenError::Corrupt(Damage::Gone),
            OpenError::Corrupt(Damage::Journal),
            OpenError::Corrupt(Damage::Mark),
            OpenError::Corrupt(Damage::Record),
            OpenError::Corrupt(Damage::RolledBack),
            OpenError::Corrupt(Damage::Rows),
            OpenError::Corrupt(Damage::State),
            OpenError::Corrupt(Damage::Structure),
        ];
        let codes: BTreeSet<u32> = all.iter().map(|why| why.code()).collect();
        let texts: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!((codes.len(), texts.len()), (all.len(), all.len()));
        assert!(texts.iter().all(|text| !text.contains(['\n', '.'])));
    }

    #[test]
    fn a_full_disk_and_a_forbidden_folder_are_told_apart() {
        assert_eq!(OpenError::from(ErrorKind::StorageFull), OpenError::DiskFull);
        assert_eq!(OpenError::from(ErrorKind::QuotaExceeded), OpenError::DiskFull);
        assert_eq!(OpenError::from(ErrorKind::PermissionDenied), OpenError::Unwritable);
        assert_eq!(OpenError::from(ErrorKind::ReadOnlyFilesystem), OpenError::Unwritable);
        assert_eq!(OpenError::from(ErrorKind::NotADirectory), OpenError::NotAFolder);
        assert_eq!(OpenError::from(ErrorKind::TimedOut), OpenError::Io(ErrorKind::TimedOut));
    }

    #[test]
    fn faults_say_what_is_certain() {
        assert_eq!(Error::Busy.fault(), Fault::NotApplied);
        assert_eq!(Error::Closed.fault(), Fault::NotApplied);
        assert_eq!(Error::NotApplied(ErrorKind::Other).fault(), Fault::NotApplied);
        assert_eq!(Error::Unknown(ErrorKind::Other).fault(), Fault::Unknown);
        assert_eq!(Error::Corrupt(Damage::Record).fault(), Fault::Corrupt);
        assert_eq!(Error::Batch(BatchError::TooManyOps).fault(), Fault::TooLarge);
        assert_eq!(Error::Batch(BatchError::KeyTwice).fault(), Fault::NotApplied);
        assert_eq!(Error::ScanTooLong.fault(), Fault::TooLarge);
    }
}
