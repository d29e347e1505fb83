//! Why the program ends early: one sentence, and an exit code that scripts can tell apart.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the program could not start or go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The demo found a step that does not hold what it claims.
    Demo(String),
    /// The data folder cannot be made or written.
    Folder { path: PathBuf, why: String },
    /// A file with secrets is missing, damaged or readable by others.
    Secrets { path: PathBuf, why: String },
    /// The address cannot be listened on.
    Listen { address: SocketAddr, why: String },
    /// The store cannot be opened.
    Store { place: String, why: String },
    /// Something failed while running.
    Run(String),
}

impl Failure {
    /// The exit code: 1 for a failed run, 2 is taken by wrong arguments, and one for each cause.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Listen { .. } => 3,
            Self::Folder { .. } => 4,
            Self::Store { .. } => 5,
            Self::Secrets { .. } => 6,
            Self::Demo(_) => 7,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo(why) => write!(f, "the demo failed: {why}"),
            Self::Folder { path, why } => {
                write!(f, "cannot use the data folder {}: {why}", path.display())
            }
            Self::Listen { address, why } => write!(f, "cannot listen on {address}: {why}"),
            Self::Run(why) => f.write_str(why),
            Self::Secrets { path, why } => write!(f, "cannot use {}: {why}", path.display()),
            Self::Store { place, why } => write!(f, "cannot open the store in {place}: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<crate::trouble::Trouble> for Failure {
    fn from(why: crate::trouble::Trouble) -> Self {
        Self::Run(why.to_string())
    }
}
