//! Files that are ready to be served, a bounded number of them.

use filexfer::{Place, TransferId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was prepared, by transfer; `S` is what a place for files has of one.
#[derive(Debug)]
pub struct Prepared<S> {
    most: usize,
    held: Mutex<Held<S>>,
}

#[derive(Debug)]
struct Held<S> {
    sources: BTreeMap<TransferId, Source<S>>,
    turn: u64,
}

#[derive(Debug)]
struct Source<S> {
    from: Place,
    source: Arc<S>,
    /// The turn of its last use.
    used: u64,
}

impl<S> Prepared<S> {
    /// For so many at one time.
    pub const fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(Held { sources: BTreeMap::new(), turn: 0 }) }
    }

    /// Takes one, in place of what the transfer had. Beyond the bound the one that was not used for longest is forgotten; which
    /// that was.
    pub fn keep(&self, transfer: TransferId, from: Place, source: S) -> Option<TransferId> {
        let mut held = self.held();
        held.turn += 1;
        let used = held.turn;
        let is_full = held.sources.len() >= self.most && !held.sources.contains_key(&transfer);
        let oldest = held.sources.iter().min_by_key(|(_, source)| source.used);
        let oldest = oldest.filter(|_| is_full).map(|(transfer, _)| *transfer);
        if let Some(oldest) = &oldest {
            held.sources.remove(oldest);
        }
        held.sources.insert(transfer, Source { from, source: Arc::new(source), used });
        oldest
    }

    /// What the transfer has, if it is from this place.
    pub fn source(&self, transfer: &TransferId, from: &Place) -> Option<Arc<S>> {
        let mut held = self.held();
        held.turn += 1;
        let turn = held.turn;
        let found = held.sources.get_mut(transfer)?;
        found.used = turn;
        (found.from == *from).then(|| Arc::clone(&found.source))
    }

    /// Forgets what the transfer has; what that was.
    pub fn forget(&self, transfer: &TransferId) -> Option<Arc<S>> {
        self.held().sources.remove(transfer).map(|found| found.source)
    }

    /// Forgets what the transfer has, if it is from this place.
    pub fn forget_at(&self, transfer: &TransferId, at: &Place) {
        let mut held = self.held();
        if held.sources.get(transfer).is_some_and(|found| found.from == *at) {
            held.sources.remove(transfer);
        }
    }

    /// No code that holds it can panic half way.
    fn held(&self) -> MutexGuard<'_, Held<S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filexfer::PartyId;

    #[test]
    fn beyond_the_bound_the_one_not_used_for_longest_goes() {
        let store = Place::Store(PartyId::new("nfs1").unwrap());
        let prepared = Prepared::new(2);
        let of = |tag: u8| TransferId([tag; 16]);
        assert_eq!(prepared.keep(of(1), store.clone(), "a"), None);
        assert_eq!(prepared.keep(of(2), store.clone(), "b"), None);
        assert_eq!(prepared.source(&of(1), &store).as_deref(), Some(&"a"));
        assert_eq!(prepared.keep(of(1), store.clone(), "c"), None, "it has a place already");
        assert_eq!(prepared.keep(of(3), Place::Spool, "d"), Some(of(2)));
        assert_eq!(prepared.source(&of(2), &store), None);
        assert_eq!(prepared.source(&of(3), &store), None, "it is from another place");
        prepared.forget_at(&of(3), &store);
        assert_eq!(prepared.source(&of(3), &Place::Spool).as_deref(), Some(&"d"));
        prepared.forget_at(&of(3), &Place::Spool);
        assert_eq!(prepared.forget(&of(3)), None);
        assert_eq!(prepared.forget(&of(1)).as_deref(), Some(&"c"));
    }
}
