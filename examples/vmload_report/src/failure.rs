//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Options that do not fit each other.
    Usage(String),
    /// The folder cannot be listed, or has no files.
    Folder { path: PathBuf, why: String },
    /// A file is not as the layout says.
    File { path: PathBuf, why: samples::Error },
    /// A report cannot be written.
    Write { path: PathBuf, why: std::io::Error },
    /// Something failed while running.
    Run(String),
}

impl Failure {
    /// The exit code: 1 for a failed run, 2 for wrong arguments, and one for each other cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::Folder { .. } => 3,
            Self::File { .. } => 4,
            Self::Write { .. } => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Run(why) => f.write_str(why),
            Self::Folder { path, why } => {
                write!(f, "cannot use the folder {}: {why}", path.display())
            }
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Write { path, why } => write!(f, "cannot write {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<vmload::Error> for Failure {
    fn from(why: vmload::Error) -> Self {
        Self::Run(why.to_string())
    }
}
