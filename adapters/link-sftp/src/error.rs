//! What can go wrong.

use crate::BadPath;
use core::fmt;
use filexfer::Reason;
use std::io;

/// Why a client does not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The path leads nowhere.
    Path(BadPath),
    /// That is not done here: no other folder is made, no link, nothing is read back that was written.
    Denied,
    /// The job of the file is under way, or another session of the client writes it now.
    Busy,
    /// There is a file of that name.
    Exists,
    /// The client's quota is used up.
    Full,
    /// The bytes would leave a hole: nobody could tell then whether a file is whole.
    Hole,
    /// No such handle.
    Handle,
    /// More handles or files than the limits allow.
    TooMany,
    /// The request for the file was refused.
    Refused(Reason),
    /// Nobody has judged the request yet.
    Unanswered,
    /// The operating system said so.
    Io(io::ErrorKind),
}

impl Error {
    /// Stable number, 9903 to 9912, or the one of the path or the reason.
    pub const fn code(self) -> u32 {
        match self {
            Self::Path(why) => why.code(),
            Self::Denied => 9_903,
            Self::Busy => 9_904,
            Self::Exists => 9_905,
            Self::Full => 9_906,
            Self::Hole => 9_907,
            Self::Handle => 9_908,
            Self::TooMany => 9_909,
            Self::Refused(why) => why.code(),
            Self::Unanswered => 9_911,
            Self::Io(_) => 9_912,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(why) => why.fmt(f),
            Self::Denied => f.write_str("that is not done here"),
            Self::Busy => f.write_str("the file is on its way or being written"),
            Self::Exists => f.write_str("there is a file of that name"),
            Self::Full => f.write_str("the quota is used up"),
            Self::Hole => f.write_str("a file is written without holes"),
            Self::Handle => f.write_str("there is no such handle"),
            Self::TooMany => f.write_str("there are too many files"),
            Self::Refused(why) => why.fmt(f),
            Self::Unanswered => f.write_str("the request is not judged yet"),
            Self::Io(kind) => write!(f, "the file system failed: {kind}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<BadPath> for Error {
    fn from(why: BadPath) -> Self {
        Self::Path(why)
    }
}

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

/// Why a server or a mailbox could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The host's key is no Ed25519 key in OpenSSH's format, or is encrypted.
    HostKey,
    /// A client's key is no `ssh-ed25519` line.
    ClientKey,
    /// Two clients have the same key, or a client has none.
    ClientKeys,
    /// The folder of a destination is no name, or lies in another's.
    Folder,
    /// A limit is 0.
    Bounds,
    /// It cannot listen there.
    Listen(io::ErrorKind),
    /// The folder of a mailbox cannot be used.
    Root(io::ErrorKind),
    /// Another process has the mailbox.
    InUse,
}

impl OpenError {
    /// Stable number, 9920 to 9927.
    pub const fn code(self) -> u32 {
        match self {
            Self::HostKey => 9_920,
            Self::ClientKey => 9_921,
            Self::ClientKeys => 9_922,
            Self::Folder => 9_923,
            Self::Bounds => 9_924,
            Self::Listen(_) => 9_925,
            Self::Root(_) => 9_926,
            Self::InUse => 9_927,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostKey => f.write_str("the host key is no unencrypted Ed25519 key"),
            Self::ClientKey => f.write_str("a client's key is no ssh-ed25519 key"),
            Self::ClientKeys => f.write_str("a client has no key, or two clients have the same"),
            Self::Folder => {
                f.write_str("the folder of a destination is no name, or lies in another's")
            }
            Self::Bounds => f.write_str("a limit is 0"),
            Self::Listen(kind) => write!(f, "cannot listen: {kind}"),
            Self::Root(kind) => write!(f, "a client's folder cannot be used: {kind}"),
            Self::InUse => f.write_str("a client's folder is in use already"),
        }
    }
}

impl core::error::Error for OpenError {}
