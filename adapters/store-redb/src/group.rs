//! One frame of the journal for all batches that waited at one moment.

use crate::database::{ROWS, Trouble, guard};
use crate::frame::Writing;
use crate::memtable::{Memtable, Memtables};
use crate::opened::Opened;
use crate::record::{Held, Record};
use crate::state::State;
use crate::{Damage, Error};
use port::{Batch, Change, Commit, Expect, Key, Op, Version};
use redb::{ReadOnlyTable, ReadableDatabase};
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
pub(crate) fn apply(opened: &Opened, batches: &[&Batch]) -> Outcome {
    let judged = match guard(|| judge(opened, batches)) {
        Ok(judged) => judged,
        Err(trouble) => return Outcome::failed(batches, trouble.before_commit()),
    };
    let Judged { answers, before, after, rows, frame } = judged;
    if after == before {
        return Outcome { answers, written: None, fence: false };
    }
    match opened.journal().append(&frame.finish(&before, &after, &opened.number)) {
        Ok(()) => {}
        Err(why) => return Outcome::failed(batches, why),
    }
    opened.memtables_mut().put(rows, after);
    Outcome { answers, written: Some(after), fence: false }
}

impl Outcome {
    pub(crate) fn failed(batches: &[&Batch], why: Error) -> Self {
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
}

/// A group before it is durable.
#[derive(Debug)]
struct Judged {
    answers: Vec<Result<Commit, Error>>,
    before: State,
    after: State,
    rows: Memtable,
    frame: Writing,
}

fn judge(opened: &Opened, batches: &[&Batch]) -> Result<Judged, Trouble> {
    let memtables = opened.memtables();
    // Begun after the memtables were looked at: what is in none of them is in the tree.
    let tree = opened.database.begin_read()?.open_table(ROWS)?;
    let before = memtables.state;
    let mut judged = Judged {
        answers: Vec::with_capacity(batches.len()),
        before,
        after: before,
        rows: Memtable::default(),
        frame: Writing::new(),
    };
    let mut found = Vec::new();
    for batch in batches {
        let view = View { group: &judged.rows, memtables: &memtables, tree: &tree };
        let answer = match view.judge(batch.ops(), &mut found)? {
            Judgement::Damaged(damage) => Err(Error::Corrupt(damage)),
            Judgement::Conflict => Ok(Commit::Conflict),
            Judgement::Holds if batch.writes() => {
                judged.after.last = judged.after.last.checked_add(1).ok_or(Damage::State)?;
                for (op, found) in batch.ops().iter().zip(&found) {
                    judged.change(op, *found);
                }
                Ok(Commit::Applied(Version::new(judged.after.last)))
            }
            Judgement::Holds => Ok(Commit::Applied(Version::new(judged.after.last))),
        };
        judged.answers.push(answer);
    }
    Ok(judged)
}

impl Judged {
    fn change(&mut self, op: &Op, found: Found) {
        let key = op.key.as_bytes();
        match &op.change {
            Change::Keep => return,
            Change::Delete => {
                self.frame.delete(key);
                self.rows.set(op.key.clone(), None);
            }
            Change::Put(value) => {
                let held = Held::new(key, self.after.last, value.clone());
                self.after.add(held.checksum);
                self.frame.put(key, &held);
                self.rows.set(op.key.clone(), Some(held));
            }
        }
        if let Some((_, checksum)) = found {
            self.after.remove(checksum);
        }
    }
}

enum Judgement {
    Conflict,
    Damaged(Damage),
    Holds,
}

/// The version and checksum of a row that is there.
type Found = Option<(Version, u128)>;

/// All rows as the next batch of a group meets them.
struct View<'a> {
    group: &'a Memtable,
    memtables: &'a Memtables,
    tree: &'a ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl View<'_> {
    /// Looks at every row of a batch before any of them changes; one damaged row spoils only the batches that touch it.
    fn judge(&self, ops: &[Op], found: &mut Vec<Found>) -> Result<Judgement, Trouble> {
        found.clear();
        for op in ops {
            if op.expect == Expect::Any && op.change == Change::Keep {
                found.push(None);
                continue;
            }
            let row = match self.find(&op.key)? {
                Ok(row) => row,
                Err(damage) => return Ok(Judgement::Damaged(damage)),
            };
            if !op.expect.holds(row.map(|row| row.0)) {
                return Ok(Judgement::Conflict);
            }
            found.push(row);
        }
        Ok(Judgement::Holds)
    }

    fn find(&self, key: &Key) -> Result<Result<Found, Damage>, Trouble> {
        if let Some(held) = self.group.get(key).or_else(|| self.memtables.get(key)) {
            let found = held.as_ref().map(|held| (Version::new(held.version), held.checksum));
            return Ok(Ok(found));
        }
        let Some(bytes) = self.tree.get(key.as_bytes())? else { return Ok(Ok(None)) };
        let record = Record::parse(key.as_bytes(), bytes.value());
        Ok(record.map(|record| Some((Version::new(record.version), record.checksum))))
    }
}
