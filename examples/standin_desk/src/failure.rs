//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Options that do not fit each other.
    Usage(String),
    /// A file cannot be read, or is not what it should be.
    File { path: PathBuf, why: String },
    /// A parameter set is not valid; its faults are printed already.
    Faulty { path: PathBuf, faults: usize },
    /// A signature, a version or a date is not acceptable.
    Refused(String),
    /// A key file is open to others, damaged or missing.
    Key { path: PathBuf, why: String },
    /// A file or folder cannot be written.
    Write { path: PathBuf, why: String },
    /// Something failed while running.
    Run(String),
}

impl Failure {
    pub(crate) fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self::File { path: path.into(), why: why.to_string() }
    }

    pub(crate) fn write(path: &Path, why: impl fmt::Display) -> Self {
        Self::Write { path: path.into(), why: why.to_string() }
    }

    /// The exit code: 1 for a failed run, 2 for wrong arguments, and one for each other cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::File { .. } => 3,
            Self::Faulty { .. } => 4,
            Self::Refused(_) => 5,
            Self::Key { .. } => 6,
            Self::Write { .. } => 7,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Refused(why) | Self::Run(why) => f.write_str(why),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Faulty { path, faults } => {
                let noun = if *faults == 1 { "fault" } else { "faults" };
                write!(f, "{} has {faults} {noun}", path.display())
            }
            Self::Key { path, why } => write!(f, "the key {} is not used: {why}", path.display()),
            Self::Write { path, why } => write!(f, "cannot write {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Failure {}
