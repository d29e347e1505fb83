//! What runs for every payment allocates nothing. A binary of its own: its allocator counts.

#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "a test fails by panicking; an allocator is unsafe to write, and this one only counts"
)]

mod driving;
mod surroundings;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting what each thread takes from it.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
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

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How often a piece of work allocates, and what came of it.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.get();
    let done = work();
    (COUNT.get() - before, done)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| vec![0_u8; 9]), (1, vec![0; 9]));
    assert_eq!(allocations(|| 9).0, 0);
}
