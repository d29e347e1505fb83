//! What can go wrong, and what to do.

use core::fmt;
use std::io;

/// Why a frame was not taken; nothing of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer is not connected at present.
    Absent,
    /// As much waits for the peer as [`crate::Limits::outgoing_bytes_max`] allows.
    Full,
    /// The frame is empty.
    Empty,
    /// The peer is none of the contacts.
    Stranger,
    /// The frame is longer than [`crate::Limits::frame_bytes_max`].
    TooLong,
}

impl Error {
    /// Stable number, 9400 to 9404.
    pub const fn code(self) -> u32 {
        match self {
            Self::Absent => 9_400,
            Self::Full => 9_401,
            Self::Empty => 9_402,
            Self::Stranger => 9_403,
            Self::TooLong => 9_404,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the peer is not connected",
            Self::Full => "too much waits for the peer",
            Self::Empty => "a frame has at least one byte",
            Self::Stranger => "the peer is none of the contacts",
            Self::TooLong => "the frame is too long",
        })
    }
}

impl core::error::Error for Error {}

/// Why a link could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The certificate chain or its key is not PEM, or they do not belong together.
    Identity,
    /// The end's own certificate does not carry its name.
    IdentityName,
    /// The roots are no certificates, or there is none.
    Roots,
    /// A name that no certificate can carry: names are DNS names here.
    Name,
    /// A contact is listed twice, or is this end itself.
    Contacts,
    /// Limits that cannot work together.
    Limits,
    /// The address to listen at cannot be had.
    Listen(io::ErrorKind),
}

impl OpenError {
    /// Stable number, 9410 to 9416.
    pub const fn code(self) -> u32 {
        match self {
            Self::Identity => 9_410,
            Self::IdentityName => 9_411,
            Self::Roots => 9_412,
            Self::Name => 9_413,
            Self::Contacts => 9_414,
            Self::Limits => 9_415,
            Self::Listen(_) => 9_416,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("the certificate and its key cannot be used"),
            Self::IdentityName => f.write_str("the certificate does not carry this end's name"),
            Self::Roots => f.write_str("the roots are no certificates"),
            Self::Name => f.write_str("a name is none that a certificate can carry"),
            Self::Contacts => f.write_str("a contact is listed twice or is this end itself"),
            Self::Limits => f.write_str("the limits cannot work together"),
            Self::Listen(kind) => write!(f, "cannot listen: {kind}"),
        }
    }
}

impl core::error::Error for OpenError {}

/// Why a connection ended, or did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The other end's certificate is not acceptable: issued by somebody else, expired, or under another name.
    Certificate,
    /// The other end closed the connection.
    Closed,
    /// A frame was longer than [`crate::Limits::frame_bytes_max`].
    FrameTooLong,
    /// The operating system said so.
    Io(io::ErrorKind),
    /// What came does not begin as this protocol does.
    Protocol,
    /// The other end does not accept this end's certificate or name.
    Refused,
    /// The peer came once more, by a newer connection.
    Replaced,
    /// Nothing came for three times [`crate::Limits::keepalive_ms`].
    Silent,
    /// The other end gave a name that is none of the contacts.
    Stranger,
    /// The handshake took too long.
    Timeout,
    /// Nothing answers at the address.
    Unreachable(io::ErrorKind),
}

impl Ended {
    /// Stable number, 9420 to 9430.
    pub const fn code(self) -> u32 {
        match self {
            Self::Certificate => 9_420,
            Self::Closed => 9_421,
            Self::FrameTooLong => 9_422,
            Self::Io(_) => 9_423,
            Self::Protocol => 9_424,
            Self::Refused => 9_425,
            Self::Replaced => 9_426,
            Self::Silent => 9_427,
            Self::Stranger => 9_428,
            Self::Timeout => 9_429,
            Self::Unreachable(_) => 9_430,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate => f.write_str("the other end's certificate is not acceptable"),
            Self::Closed => f.write_str("the other end closed the connection"),
            Self::FrameTooLong => f.write_str("a frame was too long"),
            Self::Io(kind) => write!(f, "the connection failed: {kind}"),
            Self::Protocol => f.write_str("the other end speaks another protocol"),
            Self::Refused => f.write_str("the other end refuses this end's certificate"),
            Self::Replaced => f.write_str("the peer connected anew"),
            Self::Silent => f.write_str("the other end gave no sign of life"),
            Self::Stranger => f.write_str("the other end is none of the contacts"),
            Self::Timeout => f.write_str("the handshake took too long"),
            Self::Unreachable(kind) => write!(f, "nothing answers at the address: {kind}"),
        }
    }
}

impl core::error::Error for Ended {}
