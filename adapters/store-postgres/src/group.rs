//! A group of batches as the function's arguments, and its answers.

use crate::session::Session;
use crate::{Cause, Error, error};
use core::pin::pin;
use futures_util::StreamExt;
use port::{Batch, Change, Commit, Expect, Op, Version};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};

/// Operations of one or more batches in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct Ops<'a> {
    pub(crate) group_size: i32,
    pub(crate) batches: Vec<i32>,
    pub(crate) keys: Vec<&'a [u8]>,
    pub(crate) expects: Vec<i64>,
    pub(crate) changes: Vec<i16>,
    pub(crate) values: Vec<Option<&'a [u8]>>,
}

impl<'a> Ops<'a> {
    pub(crate) fn of(group: &[&'a Batch]) -> Self {
        let mut all: Vec<(i32, &Op)> =
            Vec::with_capacity(group.iter().map(|batch| batch.ops().len()).sum());
        let mut number = 0;
        for batch in group {
            number += 1;
            all.extend(batch.ops().iter().filter(|op| matters(op)).map(|op| (number, op)));
        }
        all.sort_unstable_by_key(|(_, op)| op.key.as_bytes());
        Self {
            group_size: number,
            batches: all.iter().map(|(number, _)| *number).collect(),
            keys: all.iter().map(|(_, op)| op.key.as_bytes()).collect(),
            expects: all.iter().map(|(_, op)| expect(op.expect)).collect(),
            changes: all.iter().map(|(_, op)| change(&op.change)).collect(),
            values: all.iter().map(|(_, op)| value(&op.change)).collect(),
        }
    }
}

/// Applies the group in one statement, which is one transaction.
pub(crate) async fn apply(session: &Session, group: &[&Batch]) -> Result<Vec<Commit>, Error> {
    let ops = Ops::of(group);
    let params: [&(dyn ToSql + Sync); 6] =
        [&ops.group_size, &ops.batches, &ops.keys, &ops.expects, &ops.changes, &ops.values];
    let stream = session.client.query_raw(&session.apply, params).await;
    let stream = stream.map_err(|why| error::after_sending(&why, false))?;
    let row = only_row(stream).await?;
    let versions: Vec<i64> = row.try_get(0).map_err(|_| Error::Unknown(Cause::Schema))?;
    if versions.len() != group.len() {
        return Err(Error::Unknown(Cause::Schema));
    }
    Ok(versions.into_iter().map(commit).collect())
}

/// Applies one [plain](is_plain) batch in one statement, which is one transaction. Where a row is there that it wants absent,
/// the server has undone all of it: contention, and [`apply`] has to judge.
pub(crate) async fn apply_one(session: &Session, batch: &Batch) -> Result<Vec<Commit>, Error> {
    let ops = Ops::of(&[batch]);
    let params: [&(dyn ToSql + Sync); 4] = [&ops.keys, &ops.expects, &ops.changes, &ops.values];
    let stream = session.client.query_raw(&session.apply_one, params).await;
    let stream = stream.map_err(|why| error::after_sending(&why, false))?;
    let row = only_row(stream).await?;
    let version: i64 = row.try_get(0).map_err(|_| Error::Unknown(Cause::Schema))?;
    Ok(vec![commit(version)])
}

/// Whether the batch says of each row what it was, as decisions do, and is short.
pub(crate) fn is_plain(batch: &Batch) -> bool {
    let plain = |op: &Op| match op.expect {
        Expect::Any => !matters(op),
        Expect::Absent => matches!(op.change, Change::Put(_)),
        Expect::At(_) => expect(op.expect) > 0,
    };
    batch.ops().len() <= PLAIN_MAX && batch.ops().iter().all(plain)
}

/// Judges a batch that writes nothing.
pub(crate) async fn judge(session: &Session, batch: &Batch) -> Result<Commit, Error> {
    let ops = Ops::of(&[batch]);
    if ops.keys.is_empty() {
        return Ok(Commit::Applied(Version::default()));
    }
    let row = session.client.query_one(&session.judge, &[&ops.keys, &ops.expects]).await;
    let row = row.map_err(|why| Error::NotApplied(Cause::of(&why)))?;
    let holds: bool = row.try_get(0).map_err(|_| Error::Corrupt)?;
    let version: i64 = row.try_get(1).map_err(|_| Error::Corrupt)?;
    let version = u64::try_from(version).map_err(|_| Error::Corrupt)?;
    Ok(if holds { Commit::Applied(Version::new(version)) } else { Commit::Conflict })
}

/// What the function's answer for one batch means.
pub(crate) fn commit(version: i64) -> Commit {
    match u64::try_from(version) {
        Ok(version) if version > 0 => Commit::Applied(Version::new(version)),
        _ => Commit::Conflict,
    }
}

/// Whether two batches of one group may both name this key like this: neither changes the row nor relies on its absence.
pub(crate) fn shares(op: &Op) -> bool {
    op.change == Change::Keep && op.expect != Expect::Absent
}

/// Anything may be there, and stays: nothing to ask.
pub(crate) fn matters(op: &Op) -> bool {
    op.change != Change::Keep || op.expect != Expect::Any
}

/// The one row of a statement, when the server has said that its transaction is over.
async fn only_row(stream: RowStream) -> Result<Row, Error> {
    let mut stream = pin!(stream);
    let mut row = None;
    loop {
        match stream.next().await {
            Some(Ok(found)) => row = Some(found),
            Some(Err(why)) => {
                let complete = stream.rows_affected().is_some();
                return Err(error::after_sending(&why, complete));
            }
            None => return row.ok_or(Error::Unknown(Cause::Schema)),
        }
    }
}

/// From about so many operations on, sets cost the server less than one row after another.
const PLAIN_MAX: usize = 16;

const fn change(change: &Change) -> i16 {
    match change {
        Change::Keep => 0,
        Change::Put(_) => 1,
        Change::Delete => 2,
    }
}

/// -2 anything, -1 never, 0 absent. Versions begin at 1 and end with `i64`.
fn expect(expect: Expect) -> i64 {
    match expect {
        Expect::Any => -2,
        Expect::Absent => 0,
        Expect::At(version) => match i64::try_from(version.as_u64()) {
            Ok(number) if number > 0 => number,
            _ => -1,
        },
    }
}

fn value(change: &Change) -> Option<&[u8]> {
    match change {
        Change::Put(value) => Some(value),
        Change::Keep | Change::Delete => None,
    }
}
