//! The database file: opened, created, verified; redb's failures told apart.

use crate::disk::{forget_cached, sync_folder};
use crate::journal::Journal;
use crate::mark::Mark;
use crate::memtable::Memtables;
use crate::number::Number;
use crate::opened::Opened;
use crate::record::Record;
use crate::state::{FORMAT, State, encode_format, parse_format};
use crate::{Damage, Integrity, OpenError, Options};
use redb::{
    CommitError, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, TableError, TransactionError,
};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Where a store's files are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) rows: PathBuf,
    pub(crate) mark: PathBuf,
    pub(crate) journal: [PathBuf; 2],
    #[cfg(test)]
    pub(crate) faults: Option<std::sync::Arc<crate::faults::Faults>>,
}

impl Place {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            rows: dir.join("store.redb"),
            mark: dir.join("store.mark"),
            journal: [dir.join("store.journal.0"), dir.join("store.journal.1")],
            #[cfg(test)]
            faults: None,
        }
    }

    /// Takes the store for this process, and makes an empty one if that was asked for.
    pub(crate) fn claim(&self, options: &Options) -> Result<File, OpenError> {
        match fs::metadata(&self.dir) {
            Ok(found) if !found.is_dir() => return Err(OpenError::NotAFolder),
            Ok(_) => {}
            Err(why) if why.kind() == ErrorKind::NotFound && options.create => {
                fs::create_dir_all(&self.dir)?;
                if let Some(parent) = self.dir.parent() {
                    sync_folder(parent)?;
                }
            }
            Err(why) if why.kind() == ErrorKind::NotFound => return Err(OpenError::Missing),
            Err(why) => return Err(why.into()),
        }
        if !self.rows.try_exists()? {
            let [one, two] = &self.journal;
            if self.mark.try_exists()? || one.try_exists()? || two.try_exists()? {
                return Err(Damage::Gone.into());
            }
            if !options.create {
                return Err(OpenError::Missing);
            }
        }
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.dir.join("store.lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
            // A file system without locks: redb's own lock on the database has to do
            Err(TryLockError::Error(why)) if why.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(why)) => return Err(why.into()),
        }
        if !self.rows.try_exists()? {
            self.create(options)?;
        }
        Ok(lock)
    }

    /// Opens the database, its journal and its mark, and verifies as much as `integrity` says.
    pub(crate) fn open(
        &self,
        options: &Options,
        integrity: Integrity,
    ) -> Result<(Opened, Mark), OpenError> {
        self.check_magic()?;
        let database = guard(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(options.cache_bytes);
            builder.set_check_integrity_on_open(integrity == Integrity::Full);
            self.build(&builder).map_err(Trouble::from)
        })?;
        let (checkpoint, number) = match guard(|| read_meta(&database)) {
            // With a mark beside it, it is ours, and what says so is damaged
            Err(Trouble::Foreign) if self.mark.try_exists()? => return Err(Damage::State.into()),
            other => other?,
        };
        let (journal, memtables) = guard(|| self.open_journal(&checkpoint, number.as_ref()))?;
        let state = memtables.state;
        let mark = Mark::open(&self.mark)?;
        if let Some(mark) = &mark {
            mark.judge(&state)?;
        }
        let is_old = number.is_none();
        let number = number.map_or_else(Number::draw, Ok)?;
        let opened = Opened::new(database, number, journal, memtables);
        guard(|| {
            if is_old {
                // Frames without the number can be read no more once there is one.
                opened.checkpoint_all(options.two_phase)?;
                upgrade(&opened.database, &opened.number)?;
            }
            if integrity == Integrity::Full {
                opened.checkpoint_all(options.two_phase)?;
                verify_rows(&opened.database, &state)?;
            }
            Ok(())
        })?;
        let mark = match mark {
            Some(mut mark) => {
                mark.raise(&state)?;
                mark
            }
            None => Mark::create(&self.mark, &state)?,
        };
        Ok((opened, mark))
    }

    /// Opens again after a failure: what the disk has is the truth.
    pub(crate) fn reopen(&self, options: &Options) -> Result<(Opened, Mark), OpenError> {
        forget_cached(&self.rows);
        self.journal.iter().for_each(|path| forget_cached(path));
        self.open(options, Integrity::Quick)
    }

    /// Builds an empty store under another name, so that a crash leaves either none or a whole one.
    fn create(&self, options: &Options) -> Result<(), OpenError> {
        let fresh = self.dir.join("store.new");
        if fresh.try_exists()? {
            fs::remove_file(&fresh)?;
        }
        let number = Number::draw()?;
        guard(|| {
            let database =
                Database::builder().set_cache_size(options.cache_bytes).create(&fresh)?;
            let transaction = database.begin_write()?;
            transaction.open_table(ROWS)?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert(FORMAT_KEY, encode_format(FORMAT).as_slice())?;
                meta.insert(STATE_KEY, State::default().encode().as_slice())?;
                meta.insert(NUMBER_KEY, number.encode().as_slice())?;
            }
            transaction.commit()?;
            database.close()?;
            Ok(())
        })?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &self.rows)?;
        Ok(sync_folder(&self.dir)?)
    }

    fn open_journal(
        &self,
        checkpoint: &State,
        number: Option<&Number>,
    ) -> Result<(Journal, Memtables), Trouble> {
        Journal::open(
            self.journal.clone(),
            checkpoint,
            number,
            #[cfg(test)]
            self.faults.as_ref(),
        )
    }

    #[cfg(not(test))]
    fn build(&self, builder: &redb::Builder) -> Result<Database, DatabaseError> {
        builder.open(&self.rows)
    }

    #[cfg(test)]
    fn build(&self, builder: &redb::Builder) -> Result<Database, DatabaseError> {
        let Some(faults) = &self.faults else { return builder.open(&self.rows) };
        let file = File::options().read(true).write(true).open(&self.rows)?;
        builder.create_with_backend(faults.backend(&self.rows, file))
    }

    /// A file that redb never wrote is told apart from one that it wrote and something damaged.
    fn check_magic(&self) -> Result<(), OpenError> {
        let mut first = [0; MAGIC.len()];
        let found = File::open(&self.rows)?.read_exact(&mut first);
        match found {
            Ok(()) if first == MAGIC => Ok(()),
            Err(why) if why.kind() != ErrorKind::UnexpectedEof => Err(why.into()),
            _ if self.mark.try_exists()? => Err(Damage::Structure.into()),
            _ => Err(OpenError::NotAStore),
        }
    }
}

/// Reads the state of an open database.
pub(crate) fn read_state(database: &Database) -> Result<State, Trouble> {
    Ok(read_meta(database)?.0)
}

/// Reads the format, the state, and the number, which stores of earlier formats do not have.
fn read_meta(database: &Database) -> Result<(State, Option<Number>), Trouble> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Err(Trouble::Foreign),
        other => other?,
    };
    let format = match meta.get(FORMAT_KEY)? {
        Some(bytes) => parse_format(bytes.value())?,
        None => return Err(Trouble::Foreign),
    };
    if format > FORMAT {
        return Err(Trouble::Newer(format));
    }
    let state = meta.get(STATE_KEY)?.ok_or(Damage::State)?;
    let state = State::parse(state.value())?;
    if format < FORMAT_NUMBERED {
        return Ok((state, None));
    }
    let number = meta.get(NUMBER_KEY)?.ok_or(Damage::State)?;
    Ok((state, Some(Number::parse(number.value())?)))
}

/// A database of an earlier format, whose journal has nothing that it has not, becomes one of this format, which a program of
/// that time refuses.
fn upgrade(database: &Database, number: &Number) -> Result<(), Trouble> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, encode_format(FORMAT).as_slice())?;
        meta.insert(NUMBER_KEY, number.encode().as_slice())?;
    }
    Ok(transaction.commit()?)
}

/// Reads every row, and compares them all together with the state.
pub(crate) fn verify_rows(database: &Database, expected: &State) -> Result<(), Trouble> {
    let transaction = database.begin_read()?;
    let rows = transaction.open_table(ROWS)?;
    let mut found = State { last: expected.last, ..State::default() };
    for row in rows.iter()? {
        let (key, value) = row?;
        let record = Record::parse(key.value(), value.value())?;
        if record.version > expected.last {
            return Err(Damage::Rows.into());
        }
        found.add(record.checksum);
    }
    if found == *expected { Ok(()) } else { Err(Damage::Rows.into()) }
}

/// Runs something inside redb; a panic there means that it met bytes it never wrote.
pub(crate) fn guard<T>(inside: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(inside)).unwrap_or(Err(Trouble::Damage(Damage::Structure)))
}

/// What redb's errors amount to.
#[derive(Debug)]
pub(crate) enum Trouble {
    Damage(Damage),
    /// A redb database that is not one of our stores.
    Foreign,
    Io(ErrorKind),
    Locked,
    Newer(u32),
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<io::Error> for Trouble {
    fn from(why: io::Error) -> Self {
        Self::Io(why.kind())
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damage(damage) => Self::Corrupt(damage),
            Trouble::Foreign => Self::NotAStore,
            Trouble::Io(kind) => Self::from(kind),
            Trouble::Locked => Self::Locked,
            Trouble::Newer(found) => Self::Newer { found, supported: FORMAT },
        }
    }
}

impl From<StorageError> for Trouble {
    fn from(why: StorageError) -> Self {
        match why {
            StorageError::Io(why)
                if matches!(why.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                Self::Damage(Damage::Structure)
            }
            StorageError::Io(why) => Self::Io(why.kind()),
            StorageError::Backend(_) | StorageError::PreviousIo | StorageError::DatabaseClosed => {
                Self::Io(ErrorKind::Other)
            }
            StorageError::Unsupported => Self::Io(ErrorKind::Unsupported),
            // Corrupted, and a lock that a panic poisoned; a value too large cannot pass the batch's limits
            _ => Self::Damage(Damage::Structure),
        }
    }
}

impl From<DatabaseError> for Trouble {
    fn from(why: DatabaseError) -> Self {
        match why {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                Self::Locked
            }
            DatabaseError::Storage(why) => why.into(),
            _ => Self::Damage(Damage::Structure),
        }
    }
}

impl From<TransactionError> for Trouble {
    fn from(why: TransactionError) -> Self {
        match why {
            TransactionError::Storage(why) => why.into(),
            _ => Self::Io(ErrorKind::Other),
        }
    }
}

impl From<TableError> for Trouble {
    fn from(why: TableError) -> Self {
        match why {
            TableError::Storage(why) => why.into(),
            _ => Self::Damage(Damage::Structure),
        }
    }
}

impl From<CommitError> for Trouble {
    fn from(why: CommitError) -> Self {
        match why {
            CommitError::Storage(why) => why.into(),
            _ => Self::Io(ErrorKind::Other),
        }
    }
}

pub(crate) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(crate) const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
pub(crate) const FORMAT_KEY: &[u8] = b"format";
pub(crate) const STATE_KEY: &[u8] = b"state";
const NUMBER_KEY: &[u8] = b"number";
/// The first format whose stores have a number.
const FORMAT_NUMBERED: u32 = 3;
/// How every redb file begins.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";
