//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::path::PathBuf;

/// Why it ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The run went through, and the books or the answers are not as they must be.
    Verdict(String),
    /// Options that do not fit each other.
    Usage(String),
    /// A file cannot be read, or is not what it should be.
    File { path: PathBuf, why: String },
    /// A socket cannot be had.
    Socket { address: String, why: std::io::Error },
    /// Something failed while running.
    Run(String),
}

impl Failure {
    /// The exit code: 1 for books or answers that are wrong, 2 for wrong arguments, and one for each other cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Verdict(_) => 1,
            Self::Usage(_) => 2,
            Self::File { .. } => 3,
            Self::Socket { .. } => 4,
            Self::Run(_) => 5,
        }
    }

    /// Something failed while running, in the words of whoever noticed.
    pub(crate) fn run(why: impl fmt::Display) -> Self {
        Self::Run(why.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(why) | Self::Usage(why) | Self::Run(why) => f.write_str(why),
            Self::File { path, why } => write!(f, "cannot use {}: {why}", path.display()),
            Self::Socket { address, why } => write!(f, "cannot use the address {address}: {why}"),
        }
    }
}

impl std::error::Error for Failure {}
