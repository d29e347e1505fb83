//! Rows that are durable in the journal and not yet in the tree.

use crate::state::State;
use bytes::Bytes;
use port::{Key, Row, Version};
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

/// What rows have become since the tree was written: a record, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    rows: BTreeMap<Key, Option<Held>>,
}

/// A row in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: u64,
    pub(crate) checksum: u128,
    pub(crate) value: Bytes,
}

impl Held {
    pub(crate) fn row(&self) -> Row {
        Row { version: Version::new(self.version), value: self.value.clone() }
    }
}

impl Overlay {
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
pub(crate) struct Layers {
    /// Of all rows, those of the tree included.
    pub(crate) state: State,
    fresh: Overlay,
    settling: Option<Arc<Lap>>,
}

/// Rows on their way into the tree, and the state that it has with them.
#[derive(Debug)]
pub(crate) struct Lap {
    pub(crate) rows: Overlay,
    pub(crate) after: State,
}

impl Layers {
    pub(crate) fn new(state: State, fresh: Overlay, settling: Option<Lap>) -> Self {
        Self { state, fresh, settling: settling.map(Arc::new) }
    }

    /// `None`: the tree knows.
    pub(crate) fn get(&self, key: &Key) -> Option<&Option<Held>> {
        let settling = || self.settling.as_ref().and_then(|lap| lap.rows.get(key));
        self.fresh.get(key).or_else(settling)
    }

    /// What lies over the tree from a key on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        from: Bound<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Option<Held>)> + use<'a> {
        let mut fresh = self.fresh.from(from).peekable();
        let settling = self.settling.as_ref().map(|lap| lap.rows.from(from));
        let mut settling = settling.into_iter().flatten().peekable();
        std::iter::from_fn(move || match (fresh.peek(), settling.peek()) {
            (Some((new, _)), Some((old, _))) => {
                if new == old {
                    settling.next();
                    fresh.next()
                } else if new < old {
                    fresh.next()
                } else {
                    settling.next()
                }
            }
            (None, _) => settling.next(),
            (_, None) => fresh.next(),
        })
    }

    /// What a group changed, durable in the journal.
    pub(crate) fn lay(&mut self, rows: Overlay, after: State) {
        if self.fresh.is_empty() {
            self.fresh = rows;
        } else {
            for (key, held) in rows.rows {
                self.fresh.set(key, held);
            }
        }
        self.state = after;
    }

    pub(crate) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    pub(crate) fn settling(&self) -> Option<Arc<Lap>> {
        self.settling.clone()
    }

    pub(crate) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    /// Sends the fresh rows on their way; only while none are.
    pub(crate) fn turn(&mut self) {
        debug_assert!(self.settling.is_none());
        let rows = std::mem::take(&mut self.fresh);
        self.settling = Some(Arc::new(Lap { rows, after: self.state }));
    }

    /// The tree has them.
    pub(crate) fn settled(&mut self) -> Option<Arc<Lap>> {
        self.settling.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u64) -> Key {
        Key::new(port::CrateTag::PORT, port::Tenant::new(1), 1).number(n).unwrap()
    }

    fn overlay(rows: &BTreeMap<u64, Option<u64>>) -> Overlay {
        let held = |version: u64| Held { version, checksum: 0, value: Bytes::new() };
        Overlay { rows: rows.iter().map(|(n, version)| (key(*n), version.map(held))).collect() }
    }

    proptest! {
        #[test]
        fn the_later_layer_wins_and_all_come_in_order(
            fresh in prop::collection::btree_map(0..30_u64, prop::option::of(100..200_u64), 0..20),
            settling in prop::option::of(
                prop::collection::btree_map(0..30_u64, prop::option::of(0..100_u64), 0..20)
            ),
            from in 0..31_u64,
            is_excluded: bool,
        ) {
            let lap = |rows| Lap { rows: overlay(rows), after: State::default() };
            let layers = Layers::new(State::default(), overlay(&fresh), settling.as_ref().map(lap));
            let mut expected = settling.unwrap_or_default();
            expected.extend(fresh);
            let version = |held: &Option<Held>| held.as_ref().map(|held| held.version);
            for n in 0..30 {
                prop_assert_eq!(layers.get(&key(n)).map(version), expected.get(&n).copied());
            }
            let first = key(from);
            let from_key = if is_excluded { Bound::Excluded(&first) } else { Bound::Included(&first) };
            let found: Vec<_> =
                layers.from(from_key).map(|(key, held)| (key.clone(), version(held))).collect();
            let expected: Vec<_> = expected
                .range(from + u64::from(is_excluded)..)
                .map(|(n, version)| (key(*n), *version))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
