//! How a server is to be.

use crate::{Error, Installation, Postgres};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How a [`Postgres`] is to be. The default is durable, lets everybody on this machine in, and ends with its value.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Options {
    pub(crate) installation: Option<Installation>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) gate: String,
    pub(crate) has_password: bool,
    pub(crate) tls: Option<(String, String)>,
    pub(crate) folder: Option<PathBuf>,
}

impl Options {
    /// Durable, with no password.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing is synced: several times faster, and wrong for any test of durability.
    pub fn fast(self) -> Self {
        ["fsync", "synchronous_commit", "full_page_writes"]
            .into_iter()
            .fold(self, |options, name| options.set(name, "off"))
    }

    /// A setting of `postgresql.conf`.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.insert(name.to_owned(), value.to_string());
        self
    }

    /// A line of `pg_hba.conf`, such as `host all guest all reject`: the first that fits a client decides, and after these
    /// comes the one that lets everybody in.
    pub fn gate(mut self, line: &str) -> Self {
        self.gate.push_str(line);
        self.gate.push('\n');
        self
    }

    /// Everybody needs a password (SCRAM); that of the superuser is drawn, and is in [`Postgres::url`].
    pub fn password(mut self) -> Self {
        self.has_password = true;
        self
    }

    /// The server offers TLS with this certificate chain and key, both PEM.
    pub fn tls(mut self, certificates: impl Into<String>, key: impl Into<String>) -> Self {
        self.tls = Some((certificates.into(), key.into()));
        self
    }

    /// The server lives in this folder, which must not exist yet, and goes on when this process ends.
    /// [`Postgres::attach`] finds it again, [`Postgres::remove`] ends it.
    pub fn detached(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The programs of this installation, and not those that are found.
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installation = Some(installation);
        self
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// There is no PostgreSQL here, or it does not start: the end of its log.
    pub fn start(self) -> Result<Postgres, Error> {
        Postgres::make(self)
    }
}
