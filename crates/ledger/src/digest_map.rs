//! Maps by names that are digests.

use crate::{FileId, PartyId, ThingKey};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::{fmt, mem};

/// A sorted map by names that are digests.
///
/// Digests are spread evenly. So the first bits of a name lead to its place in one long table that is sorted as a whole, and
/// the name is there or a few places behind: a lookup goes to one place in memory, where a tree of a million names takes six.
/// Names that find no place near their own are in a tree, so those that somebody made to begin alike are found as fast as in
/// one tree of all.
#[derive(Clone)]
pub(crate) struct DigestMap<K, V> {
    /// Sorted. Between a name's own place and where it is there is no empty one. Empty while there are few names.
    table: Vec<Option<(K, V)>>,
    /// How many first bits of a name lead to its place.
    bits: u32,
    /// How many names the table holds.
    seated: usize,
    /// Names without a place.
    crowd: BTreeMap<K, V>,
}

impl<K: DigestName, V> DigestMap<K, V> {
    /// With this many names a table is made.
    const FEW: usize = 16;
    /// Behind its own place a name may have one of so many.
    const REACH: usize = 32;

    pub(crate) const fn new() -> Self {
        Self { table: Vec::new(), bits: 0, seated: 0, crowd: BTreeMap::new() }
    }

    /// From names in any order; of one that comes twice the later value counts.
    pub(crate) fn of(mut all: Vec<(K, V)>) -> Self {
        if !all.is_sorted_by(|(one, _), (next, _)| one < next) {
            all.reverse();
            all.sort_by_key(|(key, _)| *key);
            all.dedup_by_key(|(key, _)| *key);
        }
        let mut bits = 0;
        while all.len() >= Self::FEW && !Self::fits(all.len(), Self::places(bits)) {
            bits += 1;
        }
        Self::sorted(bits, all.into_iter())
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let mut room = match self.find(&key) {
            Ok(at) => {
                let (_, before) = self.table.get_mut(at)?.as_mut()?;
                return Some(mem::replace(before, value));
            }
            Err(room) => room,
        };
        if let Some(before) = self.crowd.get_mut(&key) {
            return Some(mem::replace(before, value));
        }
        if self.len() >= Self::FEW && !Self::fits(self.len() + 1, self.table.len()) {
            self.grow();
            room = self.find(&key).err().flatten();
        }
        self.seat(room, key, value);
        None
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let Ok(mut hole) = self.find(key) else { return self.crowd.remove(key) };
        let (_, value) = self.table[hole].take()?;
        self.seated -= 1;
        // Whoever is behind and not at its own place moves up.
        while let Some(Some((next, _))) = self.table.get(hole + 1) {
            if self.place(next) > hole {
                break;
            }
            self.table.swap(hole, hole + 1);
            hole += 1;
        }
        Some(value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.find(key) {
            Ok(at) => self.table[at].as_mut().map(|(_, value)| value),
            Err(_) if self.crowd.is_empty() => None,
            Err(_) => self.crowd.get_mut(key),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self.find(key) {
            Ok(at) => self.table[at].as_ref().map(|(_, value)| value),
            Err(_) if self.crowd.is_empty() => None,
            Err(_) => self.crowd.get(key),
        }
    }

    /// Reads a little of what is at the name's own place, whatever it is: for speed alone, so that it is near when it is needed.
    pub(crate) fn touch(&self, key: &K) -> u8 {
        let slot = self.table.get(self.place(key)).and_then(Option::as_ref);
        slot.map_or(0, |(other, _)| other.as_bytes()[0])
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.seated + self.crowd.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut seated = self.table.iter().flatten().map(|(key, value)| (key, value)).peekable();
        let mut crowd = self.crowd.iter().peekable();
        core::iter::from_fn(move || match (seated.peek(), crowd.peek()) {
            (Some((one, _)), Some((other, _))) if one > other => crowd.next(),
            (None, _) => crowd.next(),
            (Some(_), _) => seated.next(),
        })
    }

    /// In their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The name's own place.
    fn place(&self, key: &K) -> usize {
        let [a, b, c, d, ..] = *key.as_bytes();
        let first = u32::from_be_bytes([a, b, c, d]);
        // Without bits there is one place.
        first.checked_shr(u32::BITS - self.bits).unwrap_or(0) as usize
    }

    /// Where the name is in the table; or where it would have to be, if that is within its reach.
    fn find(&self, key: &K) -> Result<usize, Option<usize>> {
        let place = self.place(key);
        let reach = self.table.get(place..).unwrap_or_default().iter().take(Self::REACH);
        for (at, slot) in (place..).zip(reach) {
            let Some((other, _)) = slot else { return Err(Some(at)) };
            if other == key {
                return Ok(at);
            }
            if other > key {
                return Err(Some(at));
            }
        }
        Err(None)
    }

    /// Takes a name in that is not there yet: at a place within its reach, unless it is crowded.
    fn seat(&mut self, room: Option<usize>, key: K, value: V) {
        let Some(at) = room else {
            self.crowd.insert(key, value);
            return;
        };
        // All up to the next empty place move one on, unless that takes one of them out of its reach.
        let rest = self.table.get(at..).unwrap_or_default().iter();
        let run = rest.take_while(|slot| slot.is_some()).count();
        let is_near = |(to, slot): (usize, &Option<(K, V)>)| {
            slot.as_ref().is_none_or(|(key, _)| to < self.place(key) + Self::REACH)
        };
        let end = at + run;
        if end == self.table.len() || !(at + 1..).zip(&self.table[at..end]).all(is_near) {
            self.crowd.insert(key, value);
            return;
        }
        self.table[end] = Some((key, value));
        self.table[at..=end].rotate_right(1);
        self.seated += 1;
    }

    /// At most two thirds of the places are taken.
    const fn fits(len: usize, places: usize) -> bool {
        len * 3 <= places * 2
    }

    const fn places(bits: u32) -> usize {
        (1 << bits) + Self::REACH
    }

    /// Twice as many places, or a first table.
    fn grow(&mut self) {
        if self.bits == u32::BITS - 1 {
            return;
        }
        let bits = if self.table.is_empty() { Self::FEW.ilog2() + 1 } else { self.bits + 1 };
        let mut seated = mem::take(&mut self.table).into_iter().flatten().peekable();
        let mut crowd = mem::take(&mut self.crowd).into_iter().peekable();
        *self = Self::sorted(
            bits,
            core::iter::from_fn(|| match (seated.peek(), crowd.peek()) {
                (Some((one, _)), Some((other, _))) if one > other => crowd.next(),
                (None, _) => crowd.next(),
                (Some(_), _) => seated.next(),
            }),
        );
    }

    /// From names in order, each once; without bits there is no table.
    fn sorted(bits: u32, all: impl Iterator<Item = (K, V)>) -> Self {
        let mut map = Self { bits, ..Self::new() };
        if bits > 0 {
            map.table.resize_with(Self::places(bits), || None);
        }
        let mut next = 0;
        for (key, value) in all {
            let place = map.place(&key);
            let at = next.max(place);
            match map.table.get_mut(at).filter(|_| at < place + Self::REACH) {
                Some(slot) => {
                    *slot = Some((key, value));
                    map.seated += 1;
                    next = at + 1;
                }
                None => {
                    map.crowd.insert(key, value);
                }
            }
        }
        map
    }
}

impl<K: DigestName, V: PartialEq> PartialEq for DigestMap<K, V> {
    /// The same names and values; where they are comes from how they got there.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
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

    /// Few names, of which many begin with the same bits, at both ends of the table too.
    fn name() -> impl Strategy<Value = FileId> {
        let first = prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()];
        (0_u8..60, first).prop_map(|(last, first)| {
            let mut bytes = [first; 32];
            bytes[31] = last;
            FileId(bytes)
        })
    }

    /// What holds between steps: the table is sorted, nobody is before its own place or out of its reach, and between the two
    /// there is no empty place.
    fn check<V>(map: &DigestMap<FileId, V>) {
        let seated = || {
            let slots = map.table.iter().enumerate();
            slots.filter_map(|(at, slot)| slot.as_ref().map(|(key, _)| (at, key)))
        };
        assert_eq!(seated().count(), map.seated);
        assert!(seated().is_sorted_by(|(_, one), (_, next)| one < next));
        for (at, key) in seated() {
            let place = map.place(key);
            assert!((place..place + DigestMap::<FileId, V>::REACH).contains(&at));
            assert!(map.table[place..at].iter().all(Option::is_some));
            // What is touched is whoever is at the name's own place.
            assert_eq!(map.touch(key), map.table[place].as_ref().map_or(0, |(it, _)| it.0[0]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_map_by_places_is_one_sorted_map(
            steps in vec((name(), any::<Option<u8>>()), 0..1500),
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
                prop_assert_eq!(map.len(), model.len());
            }
            check(&map);
            prop_assert!(map.iter().eq(&model));
            // Whatever came in between, what holds the same is the same.
            let mut other = DigestMap::new();
            model.iter().rev().for_each(|(key, value)| {
                other.insert(*key, *value);
            });
            check(&other);
            prop_assert_eq!(&map, &other);
            // All at one time, from the latest values alone or from all that there ever were.
            let put = steps.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
            let all = DigestMap::of(put.clone().collect());
            check(&all);
            prop_assert!(all.iter().map(|(key, value)| (*key, *value)).eq(put.collect::<BTreeMap<_, _>>()));
            let same = DigestMap::of(model.into_iter().collect());
            check(&same);
            prop_assert_eq!(&map, &same);
            other.insert(FileId([0xEE; 32]), 1);
            prop_assert_ne!(map, other);
        }
    }
}
