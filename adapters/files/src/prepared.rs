//! Files that are ready to be served, a bounded number of them.

use filexfer::{Place, Slots, TransferId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was prepared, by transfer; `S` is what a place for files has of one.
///
/// Files count as they do for those who move them ([`Slots`]): so many small ones take the room of a large one.
#[derive(Debug)]
pub struct Prepared<S> {
    parts_max: usize,
    held: Mutex<Held<S>>,
}

#[derive(Debug)]
struct Held<S> {
    sources: BTreeMap<TransferId, Source<S>>,
    /// By the turn of their last use.
    used: BTreeMap<u64, TransferId>,
    parts: usize,
    turn: u64,
}

#[derive(Debug)]
struct Source<S> {
    from: Place,
    source: Arc<S>,
    parts: usize,
    /// The turn of its last use.
    used: u64,
}

impl<S> Prepared<S> {
    /// For so many at one time, and [`Slots::PARTS`] times as many of up to [`Slots::SMALL_BYTES`].
    pub const fn new(most: usize) -> Self {
        let held = Held { sources: BTreeMap::new(), used: BTreeMap::new(), parts: 0, turn: 0 };
        Self { parts_max: most.saturating_mul(Slots::PARTS), held: Mutex::new(held) }
    }

    /// Takes one of so many bytes, in place of what the transfer had. Beyond the bound those that were not used for longest are
    /// forgotten; which those were.
    pub fn keep(
        &self,
        transfer: TransferId,
        from: Place,
        source: S,
        bytes: u64,
    ) -> Vec<TransferId> {
        let parts = if bytes <= Slots::SMALL_BYTES { 1 } else { Slots::PARTS };
        let mut held = self.held();
        held.forget(&transfer);
        let mut forgotten = Vec::new();
        while held.parts + parts > self.parts_max
            && let Some((_, oldest)) = held.used.pop_first()
        {
            held.forget(&oldest);
            forgotten.push(oldest);
        }
        held.turn += 1;
        let used = held.turn;
        held.used.insert(used, transfer);
        held.parts += parts;
        held.sources.insert(transfer, Source { from, source: Arc::new(source), parts, used });
        forgotten
    }

    /// What the transfer has, if it is from this place.
    pub fn source(&self, transfer: &TransferId, from: &Place) -> Option<Arc<S>> {
        let mut held = self.held();
        let Held { sources, used, turn, .. } = &mut *held;
        let found = sources.get_mut(transfer)?;
        used.remove(&found.used);
        *turn += 1;
        found.used = *turn;
        used.insert(*turn, *transfer);
        (found.from == *from).then(|| Arc::clone(&found.source))
    }

    /// Forgets what the transfer has; what that was.
    pub fn forget(&self, transfer: &TransferId) -> Option<Arc<S>> {
        self.held().forget(transfer).map(|found| found.source)
    }

    /// Forgets what the transfer has, if it is from this place.
    pub fn forget_at(&self, transfer: &TransferId, at: &Place) {
        let mut held = self.held();
        if held.sources.get(transfer).is_some_and(|found| found.from == *at) {
            held.forget(transfer);
        }
    }

    /// No code that holds it can panic half way.
    fn held(&self) -> MutexGuard<'_, Held<S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Held<S> {
    fn forget(&mut self, transfer: &TransferId) -> Option<Source<S>> {
        let found = self.sources.remove(transfer)?;
        self.used.remove(&found.used);
        self.parts -= found.parts;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filexfer::PartyId;

    const LARGE: u64 = Slots::SMALL_BYTES + 1;

    fn of(tag: u8) -> TransferId {
        TransferId([tag; 16])
    }

    #[test]
    fn beyond_the_bound_the_one_not_used_for_longest_goes() {
        let store = Place::Store(PartyId::new("nfs1").unwrap());
        let prepared = Prepared::new(2);
        assert_eq!(prepared.keep(of(1), store.clone(), "a", LARGE), []);
        assert_eq!(prepared.keep(of(2), store.clone(), "b", LARGE), []);
        assert_eq!(prepared.source(&of(1), &store).as_deref(), Some(&"a"));
        assert_eq!(prepared.keep(of(1), store.clone(), "c", LARGE), [], "it has a place already");
        assert_eq!(prepared.keep(of(3), Place::Spool, "d", LARGE), [of(2)]);
        assert_eq!(prepared.source(&of(2), &store), None);
        assert_eq!(prepared.source(&of(3), &store), None, "it is from another place");
        prepared.forget_at(&of(3), &store);
        assert_eq!(prepared.source(&of(3), &Place::Spool).as_deref(), Some(&"d"));
        prepared.forget_at(&of(3), &Place::Spool);
        assert_eq!(prepared.forget(&of(3)), None);
        assert_eq!(prepared.forget(&of(1)).as_deref(), Some(&"c"));
        assert_eq!(prepared.held().used, BTreeMap::new());
        assert_eq!(prepared.held().parts, 0);
    }

    #[test]
    fn there_is_room_for_all_that_may_be_moved_at_one_time() {
        let prepared = Prepared::new(3);
        let many = u8::try_from(Slots::PARTS).unwrap();
        // As many as three slots take: two large ones, and small ones in the third.
        prepared.keep(of(200), Place::Spool, (), LARGE);
        prepared.keep(of(201), Place::Spool, (), LARGE);
        for tag in 0..many {
            assert_eq!(prepared.keep(of(tag), Place::Spool, (), Slots::SMALL_BYTES), []);
        }
        assert!(prepared.source(&of(200), &Place::Spool).is_some());
        assert_eq!(prepared.keep(of(many), Place::Spool, (), 0), [of(201)]);
        // A large one takes the room of as many small ones as it needs.
        let free = Slots::PARTS - 1;
        let forgotten = prepared.keep(of(202), Place::Spool, (), LARGE);
        assert_eq!(forgotten.len(), Slots::PARTS - free);
        assert_eq!(forgotten, [of(0)]);
        let forgotten = prepared.keep(of(203), Place::Spool, (), LARGE);
        assert_eq!(forgotten.len(), Slots::PARTS);
        assert!(
            prepared.source(&of(200), &Place::Spool).is_none(),
            "it was used before the others"
        );
        assert!(prepared.source(&of(203), &Place::Spool).is_some());
    }
}
