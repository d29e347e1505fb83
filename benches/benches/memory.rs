//! What an open order costs in memory. By itself, so that counting slows no other bench.

use interbank_benches::Shop;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what the open orders of a store take, at a million of them.
fn main() {
    const ORDERS: usize = 1_000_000;
    let mut shop = Shop::new(1);
    let before = LIVE.load(Ordering::Relaxed);
    for _ in 0..ORDERS {
        black_box(shop.order());
    }
    let each = (LIVE.load(Ordering::Relaxed) - before) / ORDERS;
    println!("memory/open_order: {each} bytes at {ORDERS} open orders");
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
        let figure =
            format!("{{\"id\": \"memory/open_order\", \"value\": {each}, \"unit\": \"B\"}}");
        std::fs::write(std::path::Path::new(&folder).join("memory_open_order.json"), figure)
            .unwrap();
    }
}

/// The system's allocator, counting live bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; the counter has no part in it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
