//! What can go wrong, whose fault it is, and what to do.

use core::error::Error as _;
use core::fmt;
use port::{BatchError, Fault, StoreError};
use std::io;
use tokio_postgres::error::{DbError, Severity, SqlState};

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
    /// A stored row is none that this store writes.
    Corrupt,
    /// Certainly nothing was written.
    NotApplied(Cause),
    /// A scan wants more rows than [`port::Scan::ROWS_MAX`].
    ScanTooLong,
    /// The server did not say how it ended; the batch may or may not be there.
    Unknown(Cause),
}

impl Error {
    /// Stable number, 9100 to 9105; of [`Error::NotApplied`] the cause's, 9110 to 9139.
    pub const fn code(self) -> u32 {
        match self {
            Self::Batch(_) => 9100,
            Self::Busy => 9101,
            Self::Closed => 9102,
            Self::Corrupt => 9103,
            Self::NotApplied(cause) => cause.code(),
            Self::ScanTooLong => 9104,
            Self::Unknown(_) => 9105,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(why) => write!(f, "nothing was written: {why}"),
            Self::Busy => f.write_str("too many commits wait; nothing was written"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Corrupt => f.write_str("a stored row is none that this store writes"),
            Self::NotApplied(cause) => write!(f, "nothing was written: {cause}"),
            Self::ScanTooLong => f.write_str("a page has at most 1,000 rows"),
            Self::Unknown(cause) => {
                write!(f, "it is not known whether the batch was written: {cause}")
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
            Self::Corrupt => Fault::Corrupt,
            Self::Unknown(_) => Fault::Unknown,
        }
    }
}

/// Why a store could not be opened or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The server cannot be used.
    Cause(Cause),
    /// The schema was made by a later version of this crate.
    Newer {
        /// The format of the schema.
        found: u32,
        /// The newest format that this version works with.
        supported: u32,
    },
    /// There is no store in the schema, and [`crate::Options::create`] does not ask for one.
    Missing,
    /// The schema's name is not of the form `[a-z_][a-z0-9_]*`, at most 63 characters.
    SchemaName,
    /// The certificate authorities that were given cannot be read.
    Roots,
    /// The server is on another machine, and nothing says how to know it: give its authority with [`crate::Tls::Verify`].
    TlsUndecided,
    /// The connection string cannot be read.
    Url,
    /// A runtime for the blocking face could not be started.
    Runtime,
}

impl OpenError {
    /// Stable number, 9140 to 9149; of [`OpenError::Cause`] the cause's, 9110 to 9139.
    pub const fn code(self) -> u32 {
        match self {
            Self::Cause(cause) => cause.code(),
            Self::Newer { .. } => 9140,
            Self::Missing => 9141,
            Self::SchemaName => 9142,
            Self::Roots => 9143,
            Self::TlsUndecided => 9144,
            Self::Url => 9145,
            Self::Runtime => 9146,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(cause) => cause.fmt(f),
            Self::Newer { found, supported } => {
                write!(f, "the schema has format {found}, this program works with up to {supported}")
            }
            Self::Missing => f.write_str("there is no store in this schema"),
            Self::SchemaName => {
                f.write_str("a schema's name has small letters, digits and underscores")
            }
            Self::Roots => f.write_str("the certificate authorities cannot be read"),
            Self::TlsUndecided => f.write_str(
                "the server is on another machine: give its certificate authority, or turn TLS off on purpose",
            ),
            Self::Url => f.write_str("the connection string cannot be read"),
            Self::Runtime => f.write_str("no runtime could be started for the blocking face"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<Cause> for OpenError {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// What stood in the way, in the server's terms or the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The blocking face was called from asynchronous code, which it would hold up.
    Asynchronous,
    /// Others kept changing the same rows, or a deadlock with other statements was broken (40001, 40P01).
    Contention,
    /// No such database (3D000).
    Database,
    /// The server's disk is full (53100).
    DiskFull,
    /// A row lock was not granted within [`crate::Options::lock_timeout`] (55P03).
    LockTimeout,
    /// The connection broke.
    Lost,
    /// The server is out of memory or of locks (53200).
    Memory,
    /// No connection became free within [`crate::Options::connect_timeout`].
    NoConnection,
    /// The user may not do this (42501).
    NoRight,
    /// Any other refusal, by its SQLSTATE.
    Other(Sqlstate),
    /// User or password are refused (28000, 28P01).
    Password,
    /// The server, or this session, only reads: a standby, or `default_transaction_read_only` (25006).
    ReadOnly,
    /// The tables or functions of the store are not there, or not these (3F000, 42P01, 42883).
    Schema,
    /// The server is shutting down (57P01, 57P02).
    ShuttingDown,
    /// The server is starting up (57P03).
    StartingUp,
    /// The statement took longer than [`crate::Options::statement_timeout`], or was cancelled (57014).
    StatementTimeout,
    /// The server did not answer in time.
    Silent,
    /// The server's certificate is not vouched for, does not name the host, or the server has no TLS.
    Tls,
    /// All of the server's connections are taken (53300).
    TooManyConnections,
    /// Nobody answers at that address.
    Unreachable,
}

impl Cause {
    /// Stable number, 9110 to 9129.
    pub const fn code(self) -> u32 {
        match self {
            Self::Asynchronous => 9110,
            Self::Contention => 9111,
            Self::Database => 9112,
            Self::DiskFull => 9113,
            Self::LockTimeout => 9114,
            Self::Lost => 9115,
            Self::Memory => 9116,
            Self::NoConnection => 9117,
            Self::NoRight => 9118,
            Self::Other(_) => 9119,
            Self::Password => 9120,
            Self::ReadOnly => 9121,
            Self::Schema => 9122,
            Self::ShuttingDown => 9123,
            Self::StartingUp => 9124,
            Self::StatementTimeout => 9125,
            Self::Silent => 9126,
            Self::Tls => 9127,
            Self::TooManyConnections => 9128,
            Self::Unreachable => 9129,
        }
    }

    /// What an error of the driver amounts to. Only what the server says about the error's kind is kept: its texts may hold
    /// values.
    pub(crate) fn of(why: &tokio_postgres::Error) -> Self {
        if let Some(said) = why.as_db_error() {
            return Self::of_state(said.code());
        }
        if why.is_closed() {
            return Self::Lost;
        }
        // The driver keeps its kinds to itself; these two have no other mark
        match why.to_string().as_str() {
            "error performing TLS handshake" => return Self::Tls,
            // A password is wanted and none was given
            "authentication error" | "invalid configuration" => return Self::Password,
            _ => {}
        }
        let source = why.source().and_then(|source| source.downcast_ref::<io::Error>());
        source.map_or(Self::Lost, |io| Self::of_io(io.kind()))
    }

    fn of_io(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::TimedOut => Self::Silent,
            // What the driver says of a server that is not the writable one
            io::ErrorKind::PermissionDenied => Self::ReadOnly,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Lost,
            _ => Self::Unreachable,
        }
    }

    fn of_state(state: &SqlState) -> Self {
        match state.code() {
            "IB001" | "23505" | "40001" | "40P01" => Self::Contention,
            "3D000" => Self::Database,
            "53100" => Self::DiskFull,
            "55P03" => Self::LockTimeout,
            "53200" => Self::Memory,
            "42501" => Self::NoRight,
            "28000" | "28P01" => Self::Password,
            "25006" => Self::ReadOnly,
            "3F000" | "42P01" | "42883" | "42703" => Self::Schema,
            "57P01" | "57P02" => Self::ShuttingDown,
            "57P03" => Self::StartingUp,
            "57014" => Self::StatementTimeout,
            "53300" => Self::TooManyConnections,
            other => Self::Other(Sqlstate::new(other)),
        }
    }

    /// Whether another connection may do better at once.
    pub(crate) const fn is_of_the_connection(self) -> bool {
        matches!(self, Self::Lost | Self::ShuttingDown)
    }

    /// Whether one batch of a group may be the reason, so that the others should be tried without it.
    pub(crate) const fn may_be_of_one_batch(self) -> bool {
        matches!(
            self,
            Self::Contention
                | Self::LockTimeout
                | Self::Memory
                | Self::Other(_)
                | Self::StatementTimeout
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asynchronous => "the blocking face was called from asynchronous code",
            Self::Contention => "others keep changing the same rows; try again",
            Self::Database => "the server has no database of this name",
            Self::DiskFull => "the server's disk is full; make room there",
            Self::LockTimeout => "a row stayed locked by another transaction for too long",
            Self::Lost => "the connection to the server broke",
            Self::Memory => {
                "the server is out of memory or locks; see max_locks_per_transaction and its memory"
            }
            Self::NoConnection => "no connection became free in time; see the size of the pool",
            Self::NoRight => "the user may not do this; grant what PostgresStore::grant_sql lists",
            Self::Other(state) => return write!(f, "the server refused with SQLSTATE {state}"),
            Self::Password => "the server refuses user or password; see also its pg_hba.conf",
            Self::ReadOnly => "the server only reads here; connect to the primary",
            Self::Schema => "the store's tables or functions are missing; make them first",
            Self::ShuttingDown => "the server is shutting down",
            Self::StartingUp => "the server is starting up; try again soon",
            Self::StatementTimeout => "the server took too long and was stopped",
            Self::Silent => "the server did not answer in time",
            Self::Tls => "no trusted TLS: the certificate is not vouched for or names another host",
            Self::TooManyConnections => {
                "all connections of the server are taken; see max_connections and the pool's size"
            }
            Self::Unreachable => "nobody answers at the server's address; see host and port",
        })
    }
}

impl core::error::Error for Cause {}

/// The five characters by which the server names an error (PostgreSQL documentation, appendix A).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sqlstate([u8; 5]);

impl Sqlstate {
    fn new(code: &str) -> Self {
        let plain = |code: &&[u8]| code.iter().all(u8::is_ascii_alphanumeric);
        match code.as_bytes().first_chunk().filter(|code| plain(&&code[..])) {
            Some(code) => Self(*code),
            None => Self(*b"XX000"),
        }
    }

    /// The characters.
    pub const fn as_bytes(&self) -> &[u8; 5] {
        &self.0
    }
}

impl fmt::Display for Sqlstate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.0).unwrap_or("XX000"))
    }
}

impl fmt::Debug for Sqlstate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a commit that ended with this error, after it may have been sent.
///
/// The server reports an error that undid the transaction with severity `ERROR`, and before it says that the statement is
/// complete; only a serialization failure may come after that. Whatever else happens leaves the outcome open: with `FATAL`
/// the server also ends sessions that have just committed.
pub(crate) fn after_sending(why: &tokio_postgres::Error, complete: bool) -> Error {
    let cause = Cause::of(why);
    let undone = |said: &DbError| match said.parsed_severity() {
        Some(Severity::Error) => !complete || cause == Cause::Contention,
        _ => false,
    };
    if why.as_db_error().is_some_and(undone) {
        Error::NotApplied(cause)
    } else {
        Error::Unknown(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const CAUSES: [Cause; 20] = [
        Cause::Asynchronous,
        Cause::Contention,
        Cause::Database,
        Cause::DiskFull,
        Cause::LockTimeout,
        Cause::Lost,
        Cause::Memory,
        Cause::NoConnection,
        Cause::NoRight,
        Cause::Other(Sqlstate(*b"XX000")),
        Cause::Password,
        Cause::ReadOnly,
        Cause::Schema,
        Cause::ShuttingDown,
        Cause::StartingUp,
        Cause::StatementTimeout,
        Cause::Silent,
        Cause::Tls,
        Cause::TooManyConnections,
        Cause::Unreachable,
    ];

    #[test]
    fn each_error_is_one_clear_phrase_with_a_code_of_its_own() {
        let opening = [
            OpenError::Newer { found: 2, supported: 1 },
            OpenError::Missing,
            OpenError::SchemaName,
            OpenError::Roots,
            OpenError::TlsUndecided,
            OpenError::Url,
            OpenError::Runtime,
        ];
        let using = [
            Error::Batch(BatchError::KeyTwice),
            Error::Busy,
            Error::Closed,
            Error::Corrupt,
            Error::ScanTooLong,
            Error::Unknown(Cause::Lost),
        ];
        let causes = CAUSES.map(OpenError::Cause);
        let codes: Vec<u32> = (opening.iter().chain(&causes).map(|why| why.code()))
            .chain(using.iter().map(|why| why.code()))
            .collect();
        let texts: Vec<String> = (opening.iter().chain(&causes).map(ToString::to_string))
            .chain(using.iter().map(ToString::to_string))
            .collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len());
        assert!(codes.iter().all(|code| (9100..9200).contains(code)));
        assert!(texts.iter().all(|text| !text.contains('\n') && !text.ends_with('.')));
    }

    #[test]
    fn states_are_told_apart_and_foreign_bytes_are_not_repeated() {
        let cause = |code| Cause::of_state(&SqlState::from_code(code));
        assert_eq!(cause("53100"), Cause::DiskFull);
        assert_eq!(cause("42501"), Cause::NoRight);
        assert_eq!(cause("25006"), Cause::ReadOnly);
        assert_eq!(cause("22P02").to_string(), "the server refused with SQLSTATE 22P02");
        assert_eq!(cause("\u{1b}[31m").to_string(), "the server refused with SQLSTATE XX000");
        assert_eq!(cause("").to_string(), "the server refused with SQLSTATE XX000");
    }

    #[test]
    fn faults_say_what_is_certain() {
        assert_eq!(Error::Busy.fault(), Fault::NotApplied);
        assert_eq!(Error::NotApplied(Cause::Lost).fault(), Fault::NotApplied);
        assert_eq!(Error::Unknown(Cause::Lost).fault(), Fault::Unknown);
        assert_eq!(Error::Corrupt.fault(), Fault::Corrupt);
        assert_eq!(Error::Batch(BatchError::TooManyOps).fault(), Fault::TooLarge);
        assert_eq!(Error::Batch(BatchError::KeyTwice).fault(), Fault::NotApplied);
        assert_eq!(Error::ScanTooLong.fault(), Fault::TooLarge);
    }
}
