//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something failed while running.
    Run(String),
    /// Options that do not fit each other, or what the register says.
    Usage(String),
    /// A file cannot be read, or is not what it should be.
    File { path: PathBuf, why: String },
    /// The chain refuses it: the stable number of the reason, and its words.
    Refused { code: u32, why: String },
    /// An audit has rejected it.
    Rejected(String),
    /// A proof shows nothing.
    Unproven(String),
    /// A node does not run, or does not answer.
    Away { node: String, why: String },
    /// It was not over in the time that the user gave.
    Unfinished(String),
}

impl Failure {
    pub(crate) fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self::File { path: path.into(), why: why.to_string() }
    }

    pub(crate) fn run(why: impl fmt::Display) -> Self {
        Self::Run(why.to_string())
    }

    pub(crate) fn usage(why: impl fmt::Display) -> Self {
        Self::Usage(why.to_string())
    }

    /// The exit code: 1 for a failed run, 2 for wrong arguments, and one for each other cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::File { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Rejected(_) => 5,
            Self::Unproven(_) => 6,
            Self::Away { .. } => 7,
            Self::Unfinished(_) => 8,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(why) | Self::Usage(why) | Self::Unproven(why) | Self::Unfinished(why) => {
                f.write_str(why)
            }
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Refused { code, why } => write!(f, "the chain refuses it: {why} ({code})"),
            Self::Rejected(why) => write!(f, "the audit has rejected it: {why}"),
            Self::Away { node, why } => write!(f, "the node {node} cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for Failure {}
