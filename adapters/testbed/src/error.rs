//! What kept a test from having its server.

use std::fmt;

/// Why a server could not be had, in words for the one who runs the test; with the server's log where there is one.
///
/// Its `Debug` is for people too, so that `unwrap` in a test prints what to do.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    text: String,
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// What was being done when `why` came in the way.
    pub(crate) fn while_doing(doing: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { text: format!("{doing}: {why}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {}
