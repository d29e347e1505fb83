//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something failed while running.
    Run(String),
    /// Options that do not fit each other, or the configuration.
    Usage(String),
    /// A file cannot be read, or is not what it should be.
    File { path: PathBuf, why: String },
    /// A request was refused: the stable number of the reason, and its words.
    Refused { code: u32, why: String },
    /// A job did not deliver: the stable number, and its words.
    Undelivered { code: u32, why: String },
    /// A receipt or a trail proves nothing.
    Unproven(String),
    /// A server does not run, or does not answer.
    Away { party: String, why: String },
}

impl Failure {
    pub(crate) fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self::File { path: path.into(), why: why.to_string() }
    }

    pub(crate) fn run(why: impl fmt::Display) -> Self {
        Self::Run(why.to_string())
    }

    /// The exit code: 1 for a failed run, 2 for wrong arguments, and one for each other cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::File { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Undelivered { .. } => 5,
            Self::Unproven(_) => 6,
            Self::Away { .. } => 7,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(why) | Self::Usage(why) | Self::Unproven(why) => f.write_str(why),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Refused { code, why } => write!(f, "the request is refused: {why} ({code})"),
            Self::Undelivered { code, why } => {
                write!(f, "the file was not delivered: {why} ({code})")
            }
            Self::Away { party, why } => write!(f, "the server {party} cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for Failure {}
