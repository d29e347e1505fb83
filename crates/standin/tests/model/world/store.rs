//! What stands in for the outside: a store that a test looks into, and a key holder who is never asked.

use port::blocking::{self, Store};
use port::{
    Committed, Effect, Fault, Input, Key, KeyAnswer, KeyQuestion, Machine, MemoryStore, ReadSet,
    Row, Scan, StoreError, Time,
};
use std::convert::Infallible;

pub(super) fn carry<M: Machine, S: Store>(machine: &mut M, now: Time, store: &S, effect: Effect) {
    let input = match effect {
        Effect::Commit { ticket, batch } => {
            batch.check().unwrap();
            let fate = match store.commit(&batch) {
                Ok(commit) => Committed::from(commit),
                Err(why) => match why.fault() {
                    Fault::NotApplied | Fault::TooLarge => Committed::Conflict,
                    Fault::Corrupt | Fault::Unknown => Committed::Unknown,
                },
            };
            Input::Committed { ticket, fate }
        }
        Effect::Read { ticket, want } => Input::Rows { ticket, rows: store.read(&want).ok() },
        Effect::Ask { .. } | Effect::Send { .. } => panic!("no keys and no frames here"),
    };
    machine.handle(now, input).unwrap();
}

pub(crate) struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

/// A store that a test looks into without disturbing its plan of faults.
pub(crate) trait Peek: Store {
    fn peek(&self, key: &Key) -> Option<Row>;

    fn peek_all(&self, prefix: &Key) -> Vec<Row>;
}

impl Peek for MemoryStore {
    fn peek(&self, key: &Key) -> Option<Row> {
        let Ok(rows) = self.read(&ReadSet::points([key.clone()]));
        rows.points.into_iter().next().flatten()
    }

    fn peek_all(&self, prefix: &Key) -> Vec<Row> {
        let Ok(rows) = self.read(&ReadSet::scan(Scan::first(prefix.clone(), 1_000)));
        rows.scans.into_iter().flatten().map(|(_, row)| row).collect()
    }
}
