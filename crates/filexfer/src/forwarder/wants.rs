//! What a far end has asked for and not got yet.

use alloc::collections::VecDeque;
use core::ops::Range;

/// Ranges of one transfer in the order in which they were asked for, each once, until the rate lets them go.
#[derive(Debug, Default)]
pub(super) struct Wants {
    ranges: VecDeque<Range<u64>>,
    groups: u64,
}

impl Wants {
    /// One more, unless it is there already, or all together would be more than so many groups: then it is asked for again.
    pub(super) fn push(&mut self, range: Range<u64>, groups_max: u64) {
        let many = range.end.saturating_sub(range.start);
        let has_room = self.groups.saturating_add(many) <= groups_max;
        if has_room && many > 0 && !self.ranges.contains(&range) {
            self.groups += many;
            self.ranges.push_back(range);
        }
    }

    pub(super) fn first(&self) -> Option<&Range<u64>> {
        self.ranges.front()
    }

    pub(super) fn pop(&mut self) -> Option<Range<u64>> {
        let range = self.ranges.pop_front()?;
        self.groups -= range.end - range.start;
        Some(range)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_there_once_and_no_more_than_a_window() {
        let mut wants = Wants::default();
        for start in [0, 4, 0, 8, 12, 4] {
            wants.push(start..start + 4, 12);
        }
        wants.push(20..20, 12);
        let all = core::iter::from_fn(|| wants.pop()).map(|range| range.start);
        assert_eq!(all.collect::<alloc::vec::Vec<_>>(), [0, 4, 8]);
        assert!(wants.is_empty());
        // Whoever asks for all at once gets it, if a window has room for it.
        wants.push(0..12, 12);
        wants.push(30..u64::MAX, 12);
        assert_eq!(wants.first(), Some(&(0..12)));
        wants.clear();
        assert_eq!(wants.pop(), None);
        wants.push(0..12, 12);
        assert_eq!(wants.pop(), Some(0..12));
    }
}
