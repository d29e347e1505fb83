//! Which bytes of a file a client was sent.

use std::ops::Range;

/// The bytes of one file that went out, in any order and in any number of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// Apart from each other, in order.
    ranges: Vec<Range<u64>>,
}

impl Coverage {
    /// More went out. What would make more than [`Coverage::RANGES_MAX`] pieces is not counted: then the client reads it
    /// once more, or there is no receipt.
    pub(crate) fn add(&mut self, more: Range<u64>) {
        if more.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|range| range.end < more.start);
        let last = self.ranges.partition_point(|range| range.start <= more.end);
        if first == last {
            if self.ranges.len() < Self::RANGES_MAX {
                self.ranges.insert(first, more);
            }
            return;
        }
        let start = self.ranges.get(first).map_or(more.start, |range| range.start.min(more.start));
        let end = self.ranges.get(last - 1).map_or(more.end, |range| range.end.max(more.end));
        self.ranges.splice(first..last, std::iter::once(start..end));
    }

    /// Whether all of a file of this size went out.
    pub(crate) fn is_whole(&self, size: u64) -> bool {
        size == 0 || self.ranges.first().is_some_and(|range| range.start == 0 && range.end >= size)
    }

    const RANGES_MAX: usize = 64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_in_any_order_make_a_whole() {
        let mut coverage = Coverage::default();
        assert!(coverage.is_whole(0) && !coverage.is_whole(1));
        for range in [20..30, 0..10, 40..50] {
            coverage.add(range);
        }
        assert!(coverage.is_whole(10) && !coverage.is_whole(11));
        coverage.add(10..20);
        assert!(coverage.is_whole(30) && !coverage.is_whole(50));
        coverage.add(5..45);
        assert!(coverage.is_whole(50) && !coverage.is_whole(51));
        assert_eq!(coverage.ranges.len(), 1);
    }

    proptest! {
        #[test]
        fn it_is_what_a_bitmap_says(ranges in prop::collection::vec((0_u64..90, 0_u64..30), 0..40)) {
            let mut coverage = Coverage::default();
            let mut bits = [false; 128];
            for (start, len) in ranges {
                coverage.add(start..start + len);
                for bit in start..start + len {
                    bits[usize::try_from(bit).unwrap()] = true;
                }
            }
            let whole = bits.iter().position(|bit| !bit).unwrap_or(bits.len());
            for size in 0..128 {
                prop_assert_eq!(coverage.is_whole(size), size <= whole as u64, "{} of {}", size, whole);
            }
            prop_assert!(coverage.ranges.is_sorted_by(|one, next| one.end < next.start));
        }
    }
}
