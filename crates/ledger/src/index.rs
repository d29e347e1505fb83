//! The index of the state's files, by everything that is searched for.

use crate::shown::Shown;
use crate::{
    Answer, Chain, Entry, EntryKey, File, FileId, Filter, Label, PartyId, Query, Rank, Stage, State,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use port::{Time, WireError};

/// Which files there are by owner, kind, region, stage and time: derived from the state, and kept by whoever answers.
///
/// It proves nothing by itself; what it finds is shown under the state's root. An index that lacks something, or has too much, is
/// found out as far as [`crate::Findings`] says. About 700 bytes a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    placed: BTreeMap<FileId, Placed>,
    all: BTreeSet<Rank>,
    owners: BTreeSet<(PartyId, Rank)>,
    kinds: BTreeSet<(Label, Rank)>,
    regions: BTreeSet<(Label, Rank)>,
    stages: BTreeSet<(Stage, Rank)>,
}

impl Index {
    /// An answer shows at most this many files.
    pub const PAGE_MAX: usize = 32;

    /// So many places are looked at for one answer; if there are more, it is shorter than it could be, and says that more
    /// may follow.
    pub const STEPS_MAX: usize = 20_000;

    /// Of everything in a state.
    pub fn of(state: &State) -> Self {
        let mut index = Self::default();
        state.files().for_each(|(id, file)| index.put(id, Placed::of(id, file)));
        index
    }

    /// Takes a change of the state: whatever [`Chain::take`] or a [`crate::Draft`] says.
    pub fn update(&mut self, entry: &Entry) {
        match entry {
            Entry::File(id, file) => self.put(*id, Placed::of(*id, file)),
            Entry::Gone(id) => self.drop(*id),
            _ => {}
        }
    }

    /// What is found after a place in the order of answers, with its proofs under the newest state root.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if the chain has no block yet; [`WireError::TooLong`] never for what a chain holds.
    pub fn answer(
        &self,
        chain: &Chain,
        query: &Query,
        after: Option<Rank>,
    ) -> Result<Answer, WireError> {
        let header = chain.head().ok_or(WireError::Invalid)?.clone();
        let mut shown = Vec::new();
        let mut next = None;
        match query {
            Query::File(id) => shown.push(Shown::of(chain, EntryKey::File(*id))?),
            Query::Thing(thing) => {
                shown.push(Shown::of(chain, EntryKey::Thing(*thing))?);
                if let Some(holding) = chain.state().holding(*thing) {
                    shown.push(Shown::of(chain, EntryKey::File(holding.file))?);
                }
            }
            Query::Owner(_) | Query::Files(_) => {
                if let Query::Owner(party) = query {
                    shown.push(Shown::of(chain, EntryKey::Tally(*party))?);
                }
                let page = self.find(query, after, Self::PAGE_MAX);
                next = page.next;
                for id in page.files {
                    let is_it = |file| query.matches(id, file);
                    if chain.state().file(id).is_some_and(is_it) {
                        shown.push(Shown::of(chain, EntryKey::File(id))?);
                    }
                }
            }
        }
        Ok(Answer { header, shown, next })
    }

    /// What is found after a place in the order of answers, without proofs.
    pub fn find(&self, query: &Query, after: Option<Rank>, most: usize) -> Page {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page::default();
        match query {
            Query::File(id) => page.files.extend(self.placed.contains_key(id).then_some(*id)),
            // A thing's live file is in the state itself.
            Query::Thing(_) => {}
            Query::Owner(party) => {
                let way = Way { set: &self.owners, key: party };
                page = meet(&[&way], &Filter::default(), after, most);
            }
            Query::Files(filter) => {
                let kind = filter.kind.as_ref().map(|key| Way { set: &self.kinds, key });
                let region = filter.region.as_ref().map(|key| Way { set: &self.regions, key });
                let stage = filter.stage.as_ref().map(|key| Way { set: &self.stages, key });
                let mut ways: Vec<&dyn Ways> = Vec::with_capacity(3);
                ways.extend(kind.as_ref().map(|way| way as &dyn Ways));
                ways.extend(region.as_ref().map(|way| way as &dyn Ways));
                ways.extend(stage.as_ref().map(|way| way as &dyn Ways));
                if ways.is_empty() {
                    ways.push(&self.all);
                }
                page = meet(&ways, filter, after, most);
            }
        }
        page
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.placed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    fn put(&mut self, id: FileId, placed: Placed) {
        self.drop(id);
        let rank = placed.rank;
        self.all.insert(rank);
        self.kinds.insert((placed.kind.clone(), rank));
        self.regions.insert((placed.region.clone(), rank));
        self.stages.insert((placed.stage, rank));
        if let Some(owner) = placed.owner {
            self.owners.insert((owner, rank));
        }
        self.placed.insert(id, placed);
    }

    fn drop(&mut self, id: FileId) {
        let Some(Placed { rank, kind, region, stage, owner }) = self.placed.remove(&id) else {
            return;
        };
        self.all.remove(&rank);
        self.kinds.remove(&(kind, rank));
        self.regions.remove(&(region, rank));
        self.stages.remove(&(stage, rank));
        if let Some(owner) = owner {
            self.owners.remove(&(owner, rank));
        }
    }
}

/// A part of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Which files, in the order of their ranks.
    pub files: Vec<FileId>,
    /// Ask again after this place; `None`: that was all.
    pub next: Option<Rank>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    rank: Rank,
    kind: Label,
    region: Label,
    stage: Stage,
    /// Only of live files.
    owner: Option<PartyId>,
}

impl Placed {
    fn of(id: FileId, file: &File) -> Self {
        Self {
            rank: Rank::of(id, file),
            kind: file.kind.clone(),
            region: file.region.clone(),
            stage: file.stage(),
            owner: file.is_live().then(|| file.holder()),
        }
    }
}

/// A sorted set of ranks.
trait Ways {
    fn next(&self, from: Bound<Rank>) -> Option<Rank>;
}

impl Ways for BTreeSet<Rank> {
    fn next(&self, from: Bound<Rank>) -> Option<Rank> {
        self.range((from, Bound::Unbounded)).next().copied()
    }
}

/// The ranks under one key.
struct Way<'a, K> {
    set: &'a BTreeSet<(K, Rank)>,
    key: &'a K,
}

impl<K: Clone + Ord> Ways for Way<'_, K> {
    fn next(&self, from: Bound<Rank>) -> Option<Rank> {
        let from = match from {
            Bound::Unbounded => Bound::Included((self.key.clone(), LEAST)),
            Bound::Included(rank) => Bound::Included((self.key.clone(), rank)),
            Bound::Excluded(rank) => Bound::Excluded((self.key.clone(), rank)),
        };
        let (key, rank) = self.set.range((from, Bound::Unbounded)).next()?;
        (key == self.key).then_some(*rank)
    }
}

/// The ranks that are in all sets and in the filter's time: each set in turn is asked for its next one from where the others
/// are.
fn meet(ways: &[&dyn Ways], filter: &Filter, after: Bound<Rank>, most: usize) -> Page {
    let mut page = Page::default();
    let start = filter.from.map(|since| Rank { since, ..LEAST });
    let mut from = match (after, start) {
        (Bound::Excluded(rank), Some(start)) if rank < start => Bound::Included(start),
        (Bound::Unbounded, Some(start)) => Bound::Included(start),
        (after, _) => after,
    };
    // What was passed so far; those after it were not looked at.
    let mut passed = None;
    for _ in 0..Index::STEPS_MAX {
        let Some(first) = ways.first().and_then(|way| way.next(from)) else { return page };
        let reach = |rank, way: &&dyn Ways| way.next(Bound::Included(rank));
        let Some(rank) = ways.iter().try_fold(first, reach) else { return page };
        if filter.until.is_some_and(|until| until <= rank.since) {
            return page;
        }
        if rank != first {
            // One of the others is further on: nothing before it is in all of them.
            passed = Some(first);
            from = Bound::Included(rank);
            continue;
        }
        if page.files.len() >= most {
            page.next = passed;
            return page;
        }
        page.files.push(rank.file);
        passed = Some(rank);
        from = Bound::Excluded(rank);
    }
    page.next = passed;
    page
}

/// Before every other.
const LEAST: Rank = Rank { since: Time::EPOCH, file: FileId([0; 32]) };
