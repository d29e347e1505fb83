//! Saying what a new machine is allocates nothing.

#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "a counting allocator has to be unsafe; a test fails by panicking"
)]

use interbank_vmload::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(mut work: impl FnMut() -> T) -> u64 {
    let before = COUNT.with(Cell::get);
    let _kept = work();
    COUNT.with(Cell::get) - before
}

#[test]
fn assigning_counting_and_looking_up_allocate_nothing() {
    let seeds = SeedSet::axis(3).unwrap();
    let signature = Signature::new(&[1], &[0.5, 0.2, 0.1]).unwrap();
    let fitted =
        StageTwo::default().fit(&Metrics::fractions(), &[&signature], Some(&seeds)).unwrap();
    let mut tally = Tally::new(&seeds);
    let mut histogram = Histogram::new();
    let exact = ExactGroups::new([(0.1, 3), (0.2, 1), (0.9, 4)], 2).unwrap();
    let mut mean = [0.0; 3];
    assert!(allocations(|| vec![0_u8; 9]) > 0, "the counter counts");
    let found = allocations(|| {
        let assignment = fitted.types.assign(&[0.4, 0.3, 0.1]).unwrap();
        tally.add(&seeds, &[0.4, 0.3, 0.1]).unwrap();
        tally.mean_into(&mut mean);
        histogram.add(0.4).unwrap();
        (assignment, exact.group_of(0.3))
    });
    assert_eq!(found, 0);
}
