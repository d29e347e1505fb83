//! What threads have to do: small things are put together, since handing one to a thread costs more than doing it.

use crate::files::{Files, Part};
use filexfer::{Groups, Slots, Work};
use link::Frame;
use port::Peer;
use std::collections::BTreeMap;
use std::ops::Range;

/// What came together, and is not with threads yet.
#[derive(Default)]
pub(super) struct Errands {
    slices: Vec<Slice>,
    works: Vec<Work>,
}

/// A part of a file as it came in.
pub(super) struct Slice {
    pub(super) range: Range<u64>,
    pub(super) part: Part,
    pub(super) frame: Frame,
}

impl Errands {
    pub(super) fn add_slice(&mut self, slice: Slice) {
        self.slices.push(slice);
    }

    pub(super) fn add_work(&mut self, work: Work) {
        self.works.push(work);
    }

    /// Slices to be written, in bundles of which each is for one thread.
    pub(super) fn take_slices(&mut self, files: &Files) -> Vec<Vec<Slice>> {
        let is_small =
            |slice: &Slice| files.is_folder(&slice.part.into) && groups_are_small(&slice.range);
        bundles(self.slices.drain(..), |slice| is_small(slice).then_some(()), QUICK_MAX)
    }

    /// Work, in bundles of which each is of one kind and for one thread.
    pub(super) fn take_works(&mut self, files: &Files) -> Vec<Vec<Work>> {
        let (forced, quick): (Vec<Work>, Vec<Work>) = self.works.drain(..).partition(is_forced);
        let among_forced = |work: &Work| files.is_in_folders(work).then_some(());
        // Who waits until a peer has room holds up nothing that goes to another.
        let among_quick =
            |work: &Work| (files.is_in_folders(work) && is_small(work)).then(|| to(work));
        let mut all = bundles(forced, among_forced, FORCED_MAX);
        all.append(&mut bundles(quick, among_quick, QUICK_MAX));
        all
    }
}

/// Whether it waits for the disk, and keeps no processor.
pub(super) const fn is_forced(work: &Work) -> bool {
    matches!(work, Work::Sync { .. } | Work::Publish { .. })
}

fn is_small(work: &Work) -> bool {
    match work {
        Work::Prepare { stamp, .. } => stamp.is_some_and(|is| is.size <= Slots::SMALL_BYTES),
        Work::Copy { range, .. } | Work::Serve { range, .. } => groups_are_small(range),
        Work::Look { .. } | Work::Sync { .. } | Work::Publish { .. } | Work::Discard { .. } => true,
    }
}

const fn groups_are_small(range: &Range<u64>) -> bool {
    range.end.saturating_sub(range.start) <= Slots::SMALL_BYTES / Groups::BYTES
}

/// Whom something is sent to by it.
fn to(work: &Work) -> Option<Peer> {
    match work {
        Work::Serve { to, .. } => Some(to.clone()),
        _ => None,
    }
}

/// Puts what is of one kind together, up to a number; what is of none stays by itself.
fn bundles<T, K: Ord>(
    all: impl IntoIterator<Item = T>,
    kind: impl Fn(&T) -> Option<K>,
    most: usize,
) -> Vec<Vec<T>> {
    let mut done = Vec::new();
    let mut open = BTreeMap::<K, Vec<T>>::new();
    for one in all {
        let Some(kind) = kind(&one) else {
            done.push(vec![one]);
            continue;
        };
        let bundle = open.entry(kind).or_default();
        bundle.push(one);
        if bundle.len() >= most {
            done.push(std::mem::take(bundle));
        }
    }
    done.extend(open.into_values().filter(|bundle| !bundle.is_empty()));
    done
}

/// Small things that one thread does one after the other; the others do as many at the same time.
const QUICK_MAX: usize = 32;
/// What is forced to disk at one time: so many files are open until it is.
const FORCED_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_kind_goes_together_up_to_a_bound_and_nothing_is_left_behind() {
        let kind = |number: &u32| (!number.is_multiple_of(3)).then_some(number % 3);
        let all = bundles(0..30, kind, 4);
        assert!(all.iter().all(|bundle| bundle.len() <= 4));
        for bundle in &all {
            let is_alone = bundle.len() == 1;
            let is_alike = bundle.iter().all(|number| kind(number) == kind(&bundle[0]));
            assert!(is_alike && (is_alone || kind(&bundle[0]).is_some()));
        }
        assert_eq!(all.len(), 10 + 3 + 3);
        let mut all: Vec<u32> = all.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<u32>>());
    }
}
