//! One transaction for all batches that waited at one moment.

use crate::database::{META, ROWS, STATE_KEY, Trouble, guard};
use crate::record::{Record, encode};
use crate::state::State;
use crate::{Damage, Error};
use port::{Batch, Change, Commit, Expect, Op, Version};
use redb::{Database, ReadableTable, Table, WriteTransaction};
use std::io::ErrorKind;

/// What became of a group: an answer for each batch, and the new state if anything was written.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Result<Commit, Error>>,
    pub(crate) written: Option<State>,
    /// The database has to be opened again before it is used.
    pub(crate) fence: bool,
}

/// Applies the batches in order, each against what the earlier ones left, and makes all of it durable with one sync.
///
/// Every answer rests on the state before it in the group, conflicts and mere requirements too; so when the group fails, none of
/// them may be given.
pub(crate) fn apply(database: &Database, batches: &[&Batch], two_phase: bool) -> Outcome {
    let prepared = guard(|| {
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(two_phase);
        let (answers, written) = write(&transaction, batches)?;
        Ok((transaction, answers, written))
    });
    match prepared {
        Err(trouble) => Outcome::failed(batches, trouble.before_commit()),
        Ok((transaction, answers, None)) => {
            let _ = guard(|| Ok(transaction.abort()?));
            Outcome { answers, written: None, fence: false }
        }
        Ok((transaction, answers, written)) => match guard(|| Ok(transaction.commit()?)) {
            Ok(()) => Outcome { answers, written, fence: false },
            Err(trouble) => Outcome::failed(batches, trouble.during_commit()),
        },
    }
}

impl Outcome {
    fn failed(batches: &[&Batch], why: Error) -> Self {
        Self { answers: vec![Err(why); batches.len()], written: None, fence: true }
    }
}

impl Trouble {
    /// Nothing was handed to the disk as committed.
    pub(crate) fn before_commit(&self) -> Error {
        match self {
            Self::Damage(damage) => Error::Corrupt(*damage),
            Self::Io(kind) => Error::NotApplied(*kind),
            Self::Foreign | Self::Newer(_) => Error::Corrupt(Damage::State),
            Self::Locked => Error::NotApplied(ErrorKind::ResourceBusy),
        }
    }

    /// The header may or may not point to the new rows.
    fn during_commit(&self) -> Error {
        match self {
            Self::Io(kind) => Error::Unknown(*kind),
            _ => Error::Unknown(ErrorKind::Other),
        }
    }
}

type Answers = (Vec<Result<Commit, Error>>, Option<State>);

fn write(transaction: &WriteTransaction, batches: &[&Batch]) -> Result<Answers, Trouble> {
    let mut rows = transaction.open_table(ROWS)?;
    let mut meta = transaction.open_table(META)?;
    let before = State::parse(meta.get(STATE_KEY)?.ok_or(Damage::State)?.value())?;
    let mut state = before;
    let mut answers = Vec::with_capacity(batches.len());
    let mut found = Vec::new();
    let mut record = Vec::new();
    for batch in batches {
        answers.push(match judge(&rows, batch.ops(), &mut found)? {
            Judgement::Damaged(damage) => Err(Error::Corrupt(damage)),
            Judgement::Conflict => Ok(Commit::Conflict),
            Judgement::Holds if batch.writes() => {
                state.last = state.last.checked_add(1).ok_or(Damage::State)?;
                for (op, found) in batch.ops().iter().zip(&found) {
                    change(&mut rows, &mut state, op, *found, &mut record)?;
                }
                Ok(Commit::Applied(Version::new(state.last)))
            }
            Judgement::Holds => Ok(Commit::Applied(Version::new(state.last))),
        });
    }
    if state == before {
        return Ok((answers, None));
    }
    meta.insert(STATE_KEY, state.encode().as_slice())?;
    Ok((answers, Some(state)))
}

enum Judgement {
    Conflict,
    Damaged(Damage),
    Holds,
}

/// The version and checksum of a row that is there.
type Found = Option<(Version, u128)>;

/// Looks at every row of a batch before any of them changes; one damaged row spoils only the batches that touch it.
fn judge(
    rows: &Table<'_, &[u8], &[u8]>,
    ops: &[Op],
    found: &mut Vec<Found>,
) -> Result<Judgement, Trouble> {
    found.clear();
    for op in ops {
        if op.expect == Expect::Any && op.change == Change::Keep {
            found.push(None);
            continue;
        }
        let key = op.key.as_bytes();
        let row = match rows.get(key)? {
            None => None,
            Some(bytes) => match Record::parse(key, bytes.value()) {
                Ok(record) => Some((Version::new(record.version), record.checksum)),
                Err(damage) => return Ok(Judgement::Damaged(damage)),
            },
        };
        if !op.expect.holds(row.map(|row| row.0)) {
            return Ok(Judgement::Conflict);
        }
        found.push(row);
    }
    Ok(Judgement::Holds)
}

fn change(
    rows: &mut Table<'_, &[u8], &[u8]>,
    state: &mut State,
    op: &Op,
    found: Found,
    record: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let key = op.key.as_bytes();
    match &op.change {
        Change::Keep => return Ok(()),
        Change::Delete => {
            rows.remove(key)?;
        }
        Change::Put(value) => {
            state.add(encode(key, state.last, value, record));
            rows.insert(key, record.as_slice())?;
        }
    }
    if let Some((_, checksum)) = found {
        state.remove(checksum);
    }
    Ok(())
}
