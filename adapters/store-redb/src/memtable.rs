//! Rows that are durable in the journal and not yet in the tree.

use crate::record::Held;
use crate::state::State;
use port::Key;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

/// What rows have become since the tree was written: a record, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memtable {
    rows: BTreeMap<Key, Option<Held>>,
}

impl Memtable {
    /// `None`: it says nothing about that row.
    pub(crate) fn get(&self, key: &Key) -> Option<&Option<Held>> {
        self.rows.get(key)
    }

    pub(crate) fn set(&mut self, key: Key, held: Option<Held>) {
        self.rows.insert(key, held);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn iter(&self) -> btree_map::Iter<'_, Key, Option<Held>> {
        self.rows.iter()
    }

    pub(crate) fn from(&self, from: Bound<&Key>) -> btree_map::Range<'_, Key, Option<Held>> {
        self.rows.range::<Key, _>((from, Bound::Unbounded))
    }
}

/// What lies over the tree, the later first.
#[derive(Debug)]
pub(crate) struct Memtables {
    /// Of all rows, those of the tree included.
    pub(crate) state: State,
    active: Memtable,
    frozen: Option<Arc<Frozen>>,
}

/// A memtable that changes no more, on its way into the tree, and the state that the tree has with it.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) rows: Memtable,
    pub(crate) after: State,
}

impl Memtables {
    pub(crate) fn new(state: State, active: Memtable, frozen: Option<Frozen>) -> Self {
        Self { state, active, frozen: frozen.map(Arc::new) }
    }

    /// `None`: the tree knows.
    pub(crate) fn get(&self, key: &Key) -> Option<&Option<Held>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key));
        self.active.get(key).or_else(frozen)
    }

    /// What lies over the tree from a key on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        from: Bound<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Option<Held>)> + use<'a> {
        let mut active = self.active.from(from).peekable();
        let frozen = self.frozen.as_ref().map(|frozen| frozen.rows.from(from));
        let mut frozen = frozen.into_iter().flatten().peekable();
        std::iter::from_fn(move || match (active.peek(), frozen.peek()) {
            (Some((new, _)), Some((old, _))) => {
                if new == old {
                    frozen.next();
                    active.next()
                } else if new < old {
                    active.next()
                } else {
                    frozen.next()
                }
            }
            (None, _) => frozen.next(),
            (_, None) => active.next(),
        })
    }

    /// What a group changed, durable in the journal.
    pub(crate) fn put(&mut self, rows: Memtable, after: State) {
        if self.active.is_empty() {
            self.active = rows;
        } else {
            for (key, held) in rows.rows {
                self.active.set(key, held);
            }
        }
        self.state = after;
    }

    /// How many rows the active one has.
    pub(crate) fn active(&self) -> usize {
        self.active.len()
    }

    pub(crate) fn frozen(&self) -> Option<Arc<Frozen>> {
        self.frozen.clone()
    }

    pub(crate) fn has_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The active rows change no more, and go into the tree; only while no others do.
    pub(crate) fn freeze(&mut self) {
        debug_assert!(self.frozen.is_none());
        let rows = std::mem::take(&mut self.active);
        self.frozen = Some(Arc::new(Frozen { rows, after: self.state }));
    }

    /// The tree has them.
    pub(crate) fn release(&mut self) -> Option<Arc<Frozen>> {
        self.frozen.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn key(n: u64) -> Key {
        Key::new(port::CrateTag::PORT, port::Tenant::new(1), 1).number(n).unwrap()
    }

    fn memtable(rows: &BTreeMap<u64, Option<u64>>) -> Memtable {
        let held = |version: u64| Held { version, checksum: 0, value: Bytes::new() };
        Memtable { rows: rows.iter().map(|(n, version)| (key(*n), version.map(held))).collect() }
    }

    proptest! {
        #[test]
        fn the_later_memtable_wins_and_all_come_in_order(
            active in prop::collection::btree_map(0..30_u64, prop::option::of(100..200_u64), 0..20),
            frozen in prop::option::of(
                prop::collection::btree_map(0..30_u64, prop::option::of(0..100_u64), 0..20)
            ),
            from in 0..31_u64,
            is_excluded: bool,
        ) {
            let of = |rows| Frozen { rows: memtable(rows), after: State::default() };
            let memtables = Memtables::new(State::default(), memtable(&active), frozen.as_ref().map(of));
            let mut expected = frozen.unwrap_or_default();
            expected.extend(active);
            let version = |held: &Option<Held>| held.as_ref().map(|held| held.version);
            for n in 0..30 {
                prop_assert_eq!(memtables.get(&key(n)).map(version), expected.get(&n).copied());
            }
            let first = key(from);
            let from_key = if is_excluded { Bound::Excluded(&first) } else { Bound::Included(&first) };
            let found: Vec<_> =
                memtables.from(from_key).map(|(key, held)| (key.clone(), version(held))).collect();
            let expected: Vec<_> = expected
                .range(from + u64::from(is_excluded)..)
                .map(|(n, version)| (key(*n), *version))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
