//! An evaluation without a trace allocates nothing, however many drivers and attributes there are.

#![allow(unsafe_code, reason = "an allocator is unsafe to write; it only counts")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_risk_core::driving::{
    Attribute, Band, Categorical, CircularBand, Contrast, Driver, DrivingStrategy, Histogram,
    Model, ModelKind, Piece, Population, Rules, StrategySet, Stretch, Windows,
};
use interbank_risk_core::{BasisPoints, LogRatio};
use port::Time;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator; a counter of this thread is all that is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn model(attribute: Attribute, centre: i32) -> Model {
    let share = BasisPoints::new(500).unwrap();
    match attribute.model_kind() {
        ModelKind::Band | ModelKind::RobustBand => {
            Model::Band(Band::of(attribute, centre, 200, 200))
        }
        ModelKind::Categorical => {
            let mut counts = Categorical::new();
            (0..200).for_each(|at| counts.update(at % 16));
            Model::Categorical(counts, share)
        }
        ModelKind::Circular => Model::Circular(CircularBand::of(480, 30, 200)),
        ModelKind::Histogram => {
            let mut counts = Histogram::new(attribute);
            (0..200).for_each(|at| counts.update(centre + at * 10));
            Model::Histogram(counts, share)
        }
    }
}

#[test]
fn an_evaluation_of_16_attributes_and_4_drivers_allocates_nothing() {
    let sets: Vec<StrategySet> = Driver::all()
        .map(|driver| {
            let strategy = |attribute| {
                let model = model(attribute, 2_000 + 100 * i32::from(driver.as_u8()));
                let windows = Windows::new(vec![attribute.range().1.min(1_000); 20]);
                DrivingStrategy::new(attribute, model, 60_000, 100).unwrap().with_windows(windows)
            };
            StrategySet::new(driver, Attribute::ALL.map(strategy).to_vec()).unwrap()
        })
        .collect();
    let pieces = Attribute::ALL
        .map(|attribute| Piece::new(attribute, attribute.range().1.min(2_050), 900_000));
    let stretch = Stretch::new(Time::from_s(1_700_000_000), 900_000, pieces);
    let mut population = Population::new();
    for driver in 0..70 {
        let value = |attribute: Attribute| attribute.range().1.min(1_000 + 20 * driver);
        let trip = Stretch::new(
            Time::from_s(1_700_000_000),
            900_000,
            Attribute::ALL.map(|attribute| Piece::new(attribute, value(attribute), 900_000)),
        );
        population.update(&[trip, trip]);
    }
    let contrasts: Vec<Contrast> = sets.iter().map(|set| Contrast::new(set, &population)).collect();
    let rules = Rules::default();
    let before = ALLOCATIONS.get();
    let outcome = rules.evaluate(&stretch, &sets);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(outcome.evaluation().unwrap().lines().count(), Attribute::COUNT);
    let before = ALLOCATIONS.get();
    let says = Contrast::best(&contrasts, &stretch).unwrap().1;
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_ne!(says, LogRatio::ZERO);
    // and the counter counts: reasons are a list
    let reasons = outcome.evaluation().unwrap().reasons();
    assert!(ALLOCATIONS.get() > before && !reasons.as_slice().is_empty());
}
