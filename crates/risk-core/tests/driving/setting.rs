//! What several tests set up.

use interbank_risk_core::driving::{
    Attribute, Band, CircularBand, Driver, DrivingStrategy, Model, Piece, StrategySet, Stretch,
};
use port::Time;

pub(crate) const REQUEST: Time = Time::from_ms(1_700_000_000_000);

pub(crate) fn strategy(attribute: Attribute, model: Model, min_len_s: u32) -> DrivingStrategy {
    DrivingStrategy::new(attribute, model, min_len_s * 1_000, 100).unwrap()
}

/// The strategies of the worked example.
pub(crate) fn owner() -> StrategySet {
    let band = |attribute, centre, spread, min_len_s| {
        let model = Model::Band(Band::of(attribute, centre, spread, 200));
        strategy(attribute, model, min_len_s)
    };
    let start = Model::Circular(CircularBand::of(465, 30, 200));
    let strategies = vec![
        band(Attribute::CruiseSpeed, 6_200, 800, 600),
        band(Attribute::Acceleration, 1_400, 300, 300),
        band(Attribute::Deceleration, 1_900, 400, 300),
        strategy(Attribute::StartTime, start, 60),
    ];
    StrategySet::new(Driver::FIRST, strategies).unwrap()
}

/// The pieces of the worked example.
pub(crate) fn pieces() -> [Piece; 4] {
    [
        Piece::new(Attribute::CruiseSpeed, 6_600, 900_000),
        Piece::new(Attribute::Acceleration, 2_300, 900_000),
        Piece::new(Attribute::Deceleration, 2_000, 900_000),
        Piece::new(Attribute::StartTime, 474, 30_000),
    ]
}

pub(crate) fn stretch(length_ms: u64) -> Stretch {
    Stretch::new(REQUEST, length_ms, pieces())
}
