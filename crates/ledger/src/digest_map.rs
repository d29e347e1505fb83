//! Maps by names that are digests.

use crate::{FileId, PartyId, ThingKey};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// A sorted map by names that are digests.
///
/// Digests are spread evenly. So their first bits lead to a shelf, a sorted map of a few names, and a lookup takes two or three
/// steps through memory where one tree of a million names takes six. Names that somebody made to begin alike share a shelf; that is a
/// tree, so they are found as fast as in one tree of all.
#[derive(Clone)]
pub(crate) struct DigestMap<K, V> {
    /// By the first `bits` of the names they hold: as many as that makes.
    shelves: Vec<BTreeMap<K, V>>,
    bits: u32,
    len: usize,
}

impl<K: DigestName, V> DigestMap<K, V> {
    /// So many names on a shelf on the average at most: about what one node of a tree holds.
    const SHELF: usize = 8;

    pub(crate) fn new() -> Self {
        Self { shelves: alloc::vec![BTreeMap::new()], bits: 0, len: 0 }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let place = self.place(&key);
        let before = self.shelves[place].insert(key, value);
        if before.is_none() {
            self.len += 1;
            if self.len > Self::SHELF << self.bits {
                self.grow();
            }
        }
        before
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.place(key);
        let before = self.shelves[place].remove(key)?;
        self.len -= 1;
        Some(before)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key);
        self.shelves[place].get_mut(key)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.shelves[self.place(key)].get(key)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shelves.iter().flatten()
    }

    /// In their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The shelf of a name.
    fn place(&self, key: &K) -> usize {
        let [a, b, c, d, ..] = *key.as_bytes();
        let first = u32::from_be_bytes([a, b, c, d]);
        // Without bits there is one shelf.
        first.checked_shr(u32::BITS - self.bits).unwrap_or(0) as usize
    }

    /// Every shelf becomes two.
    fn grow(&mut self) {
        if self.bits == u32::BITS - 1 {
            return;
        }
        let shelves = core::mem::take(&mut self.shelves);
        self.shelves.reserve_exact(shelves.len() * 2);
        self.bits += 1;
        for mut low in shelves {
            let is_high = |key: &&K| self.place(key) % 2 == 1;
            let first = low.keys().find(is_high).copied();
            let high = first.map_or_else(BTreeMap::new, |first| low.split_off(&first));
            self.shelves.extend([low, high]);
        }
    }
}

impl<K: DigestName, V: PartialEq> PartialEq for DigestMap<K, V> {
    /// The same names and values; how many shelves there are comes from how many names there once were.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: DigestName, V: Eq> Eq for DigestMap<K, V> {}

impl<K: DigestName + fmt::Debug, V: fmt::Debug> fmt::Debug for DigestMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A name that is a digest, and sorted by its bytes.
pub(crate) trait DigestName: Copy + Ord {
    fn as_bytes(&self) -> &[u8; 32];
}

impl DigestName for FileId {
    fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl DigestName for PartyId {
    fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl DigestName for ThingKey {
    fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Few names, of which many begin with the same bits.
    fn name() -> impl Strategy<Value = FileId> {
        (0_u8..40, prop_oneof![Just(0_u8), any::<u8>()]).prop_map(|(last, first)| {
            let mut bytes = [first; 32];
            bytes[31] = last;
            FileId(bytes)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_map_of_shelves_is_one_sorted_map(
            steps in vec((name(), any::<Option<u8>>()), 0..400),
        ) {
            let (mut map, mut model) = (DigestMap::new(), BTreeMap::new());
            for (key, value) in &steps {
                match value {
                    Some(value) => {
                        prop_assert_eq!(map.insert(*key, *value), model.insert(*key, *value));
                    }
                    None => prop_assert_eq!(map.remove(key), model.remove(key)),
                }
                prop_assert_eq!(map.get(key), model.get(key));
                prop_assert_eq!(map.get_mut(key), model.get_mut(key));
            }
            prop_assert!(map.iter().eq(&model));
            // Whatever came in between, what holds the same is the same.
            let mut other = DigestMap::new();
            model.iter().rev().for_each(|(key, value)| {
                other.insert(*key, *value);
            });
            prop_assert_eq!(&map, &other);
            other.insert(FileId([0xEE; 32]), 1);
            prop_assert_ne!(map, other);
        }
    }
}
