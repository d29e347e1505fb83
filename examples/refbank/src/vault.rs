//! Where the bank keeps its rows: an embedded store in the data folder, or a PostgreSQL database that processes share.

use crate::failure::Failure;
use crate::options::Place;
use interbank::port::{Batch, Commit, Fault, ReadSet, Rows, Store, StoreError};
use std::fmt;
use std::path::Path;
use store_postgres::{PostgresStore, Tls};
use store_redb::{Integrity, RedbStore};

/// The store of this program. The crates do not know which one it is.
pub(crate) enum Vault {
    /// In the data folder, for this process alone.
    Folder(RedbStore),
    /// In a database, for any number of processes.
    Postgres(PostgresStore),
}

impl Vault {
    /// Opens the store, or makes an empty one. `folder` is where the embedded one lies.
    pub(crate) async fn open(folder: &Path, place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Folder => {
                let folder = folder.to_path_buf();
                // Opening checks the store, which takes a while after a crash.
                let opened = tokio::task::spawn_blocking(move || open_folder(&folder)).await;
                opened.map_err(|why| Failure::Run(why.to_string()))?.map(Self::Folder)
            }
            Place::Postgres { url, authority } => {
                let refuse = |why: String| Failure::Store { place: "PostgreSQL".into(), why };
                let mut options = store_postgres::Options::from_url(url)
                    .map_err(|why| refuse(why.to_string()))?
                    .create(true);
                if let Some(file) = authority {
                    let pem = std::fs::read(file)
                        .map_err(|why| refuse(format!("cannot read {}: {why}", file.display())))?;
                    options = options.tls(Tls::Verify(pem));
                }
                let opened = PostgresStore::open(options).await;
                opened.map(Self::Postgres).map_err(|why| refuse(why.to_string()))
            }
        }
    }

    /// Whether other processes may change rows too, so that nobody in this one is told.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl Store for Vault {
    type Error = VaultError;

    async fn read(&self, want: &ReadSet) -> Result<Rows, VaultError> {
        match self {
            Self::Folder(store) => Store::read(store, want).await.map_err(VaultError::Folder),
            Self::Postgres(store) => store.read(want).await.map_err(VaultError::Postgres),
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<Commit, VaultError> {
        match self {
            Self::Folder(store) => Store::commit(store, batch).await.map_err(VaultError::Folder),
            Self::Postgres(store) => store.commit(batch).await.map_err(VaultError::Postgres),
        }
    }
}

/// Why the store failed.
#[derive(Debug)]
pub(crate) enum VaultError {
    Folder(store_redb::Error),
    Postgres(store_postgres::Error),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(why) => why.fmt(f),
            Self::Postgres(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for VaultError {}

impl StoreError for VaultError {
    fn fault(&self) -> Fault {
        match self {
            Self::Folder(why) => why.fault(),
            Self::Postgres(why) => why.fault(),
        }
    }
}

/// Every row is verified first, unless the store has grown so large that this would take long: then rows are verified when
/// they are read.
fn open_folder(path: &Path) -> Result<RedbStore, Failure> {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    let size: u64 = files.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum();
    let integrity = if size <= VERIFIED_BYTES_MAX { Integrity::Full } else { Integrity::Quick };
    let options = store_redb::Options::new().create(true).integrity(integrity);
    RedbStore::open(path, options).map_err(|why| {
        use store_redb::OpenError;
        let place = path.display().to_string();
        match why {
            OpenError::Unwritable | OpenError::NotAFolder => {
                Failure::Folder { path: path.into(), why: why.to_string() }
            }
            OpenError::Locked => Failure::Store {
                place,
                why: "another process has it open; stop it, or choose another folder with --data"
                    .into(),
            },
            OpenError::Corrupt(_) | OpenError::NotAStore => Failure::Store {
                place,
                why: format!(
                    "{why}; restore it from a backup, or choose another folder with --data"
                ),
            },
            other => Failure::Store { place, why: other.to_string() },
        }
    })
}

const VERIFIED_BYTES_MAX: u64 = 256 * 1024 * 1024;
