//! An evaluation without a trace allocates nothing, however many drivers and attributes there are.

use super::allocations;
use interbank_risk_core::driving::{
    Attribute, Band, Categorical, CircularBand, Contrast, Driver, DrivingStrategy, Histogram,
    Model, ModelKind, Piece, Population, Rules, StrategySet, Stretch, Windows,
};
use interbank_risk_core::{BasisPoints, LogRatio};
use port::Time;

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
    let (count, outcome) = allocations(|| rules.evaluate(&stretch, &sets));
    assert_eq!(count, 0);
    assert_eq!(outcome.evaluation().unwrap().lines().count(), Attribute::COUNT);
    let (count, best) = allocations(|| Contrast::best(&contrasts, &stretch));
    assert_eq!(count, 0);
    assert_ne!(best.unwrap().1, LogRatio::ZERO);
    // Reasons are a list.
    let (count, reasons) = allocations(|| outcome.evaluation().unwrap().reasons());
    assert!(count > 0 && !reasons.as_slice().is_empty());
}
