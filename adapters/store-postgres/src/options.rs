//! How a store is opened.

use crate::OpenError;
use core::fmt;
use std::time::Duration;
use tokio_postgres::Config;

/// Where the server is and how to use it; the defaults are the careful ones.
///
/// ```
/// use interbank_store_postgres::Options;
/// let options = Options::from_url("postgresql://bank:secret@127.0.0.1:5432/bank")?.schema("bank_one").create(true);
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), interbank_store_postgres::OpenError>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) config: Config,
    pub(crate) schema: String,
    pub(crate) create: bool,
    pub(crate) tls: Tls,
    pub(crate) connections_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) waiting_max: usize,
    pub(crate) group_max: usize,
    pub(crate) flights_max: usize,
}

impl Options {
    /// The server that a driver's configuration names; of its other settings, time-outs and TLS mode are those of this type.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            schema: String::from("interbank"),
            create: false,
            tls: Tls::ByPlace,
            connections_max: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            waiting_max: 4_096,
            group_max: 128,
            flights_max: 1,
        }
    }

    /// The server that a connection string names: `postgresql://user:password@host:port/database`, or `key=value` pairs.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        url.parse().map(Self::new).map_err(|_| OpenError::Url)
    }

    /// The schema that holds the store, `interbank` unless another is named: small letters, digits, underscores. One database
    /// can hold several stores.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether to make the schema where there is none, and to bring an older one up to date. Off by default: the DBA runs
    /// [`crate::PostgresStore::schema_sql`], and the program's user needs no right to make tables.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether and how the connection is encrypted and the server known.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// How many connections to hold at most, 8 unless another number is given; at least 1.
    #[must_use]
    pub const fn connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = if connections_max == 0 { 1 } else { connections_max };
        self
    }

    /// How long to wait for a connection, new or free: 5 seconds unless set.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may work on one statement: 10 seconds unless set. After a second more without an answer the
    /// connection is given up.
    #[must_use]
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long a commit may wait for one row that another transaction holds: 5 seconds unless set.
    #[must_use]
    pub const fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How many commits may wait for their turn, 4,096 unless set; beyond it [`crate::Error::Busy`].
    #[must_use]
    pub const fn waiting_max(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// How many commits that wait become one transaction, 128 unless set; at least 1, and 1 is no grouping.
    #[must_use]
    pub const fn group_max(mut self, group_max: usize) -> Self {
        self.group_max = if group_max == 0 { 1 } else { group_max };
        self
    }

    /// How many groups may be on their way at a time, 1 unless set; at least 1. More make smaller groups, which costs the server
    /// time, and gain where the way to it is long: try it.
    #[must_use]
    pub const fn flights_max(mut self, flights_max: usize) -> Self {
        self.flights_max = if flights_max == 0 { 1 } else { flights_max };
        self
    }
}

/// The password is left out.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("hosts", &self.config.get_hosts())
            .field("ports", &self.config.get_ports())
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("schema", &self.schema)
            .field("create", &self.create)
            .field("tls", &self.tls)
            .field("connections_max", &self.connections_max)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("waiting_max", &self.waiting_max)
            .field("group_max", &self.group_max)
            .field("flights_max", &self.flights_max)
            .finish()
    }
}

/// Whether and how the connection is encrypted.
///
/// There is no encryption without verification: it would stop only those who merely listen, and a program that asks for a
/// password over it gives that password to whoever answers.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tls {
    /// None on this machine (loopback addresses, Unix sockets), where nobody stands between; elsewhere
    /// [`OpenError::TlsUndecided`], so that forgetting the authority is noticed at the first start.
    #[default]
    ByPlace,
    /// None anywhere.
    Off,
    /// Always, and the certificate must be vouched for by one of these authorities and name the host: PEM, one or more
    /// certificates.
    Verify(Vec<u8>),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByPlace => "ByPlace",
            Self::Off => "Off",
            Self::Verify(_) => "Verify",
        })
    }
}
