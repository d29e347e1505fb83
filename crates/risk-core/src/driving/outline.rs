//! What the strategies of a driver accept, side by side: so many of them are compared at once.

use super::circular::Minutes;
use super::{Attribute, DrivingStrategy, Histogram, Model, ModelKind, Stretch};
use crate::BasisPoints;
use alloc::vec::Vec;

/// Made from the strategies of one driver, by attribute, and never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    min_lens_ms: [u32; Attribute::COUNT],
    /// 0 where there is no strategy.
    weights: [u32; Attribute::COUNT],
    /// The lowest and the highest value that is accepted, where that is all.
    lows: [i32; Attribute::COUNT],
    highs: [i32; Attribute::COUNT],
    /// What else is accepted elsewhere.
    others: Vec<(Attribute, Accepted)>,
}

/// What a model accepts that has no lowest and highest value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Accepted {
    /// A bit for each part of the range.
    Parts(u32),
    Minutes(Minutes),
    /// A bit for each of the 64 values from this one on.
    Near(i32, u64),
    /// Values that are further apart.
    Values(Vec<i32>),
}

impl Accepted {
    fn values(rising: Vec<i32>) -> Self {
        let first = rising.first().copied().unwrap_or(0);
        let bit = |value: &i32| 1_u64.checked_shl(value.wrapping_sub(first).cast_unsigned());
        match rising.iter().try_fold(0, |bits, value| Some(bits | bit(value)?)) {
            Some(bits) => Self::Near(first, bits),
            None => Self::Values(rising),
        }
    }
}

impl Outline {
    pub(super) fn new(strategies: &[DrivingStrategy]) -> Self {
        let mut outline = Self {
            min_lens_ms: [0; Attribute::COUNT],
            weights: [0; Attribute::COUNT],
            lows: [i32::MAX; Attribute::COUNT],
            highs: [i32::MIN; Attribute::COUNT],
            others: Vec::new(),
        };
        for strategy in strategies {
            let (attribute, model) = (strategy.attribute(), strategy.model());
            let at = attribute.at();
            outline.min_lens_ms[at] = strategy.min_len_ms();
            outline.weights[at] = strategy.weight().into();
            let accepted = match model {
                Model::Band(band) => {
                    (outline.lows[at], outline.highs[at]) = band.accepted();
                    continue;
                }
                Model::Categorical(_, BasisPoints::ZERO) => {
                    (outline.lows[at], outline.highs[at]) = (i32::MIN, i32::MAX);
                    continue;
                }
                Model::Categorical(counts, _) => {
                    let fits = |value: &i32| model.accepts(*value);
                    Accepted::values(counts.values().filter(fits).collect())
                }
                Model::Circular(band) => Accepted::Minutes(band.accepted()),
                Model::Histogram(counts, min) => Accepted::Parts(counts.accepted(*min)),
            };
            outline.others.push((attribute, accepted));
        }
        outline
    }

    /// Compares a stretch with the strategies that this was made from.
    pub(super) fn tally(&self, shown: &Shown) -> Tally {
        let mut accepts = [0; Attribute::COUNT];
        for (at, accepts) in accepts.iter_mut().enumerate() {
            let value = shown.values[at];
            *accepts = u32::from((value >= self.lows[at]) & (value <= self.highs[at]));
        }
        for (attribute, accepted) in &self.others {
            let at = attribute.at();
            accepts[at] = match accepted {
                Accepted::Parts(parts) => parts >> (shown.parts[at] % 32) & 1,
                Accepted::Minutes(minutes) => u32::from(minutes.contain(shown.values[at])),
                Accepted::Near(first, bits) => {
                    let off = shown.values[at].wrapping_sub(*first).cast_unsigned();
                    let bit = bits.checked_shr(off).unwrap_or(0) & 1;
                    u32::from(bit == 1)
                }
                Accepted::Values(values) => {
                    // Few: all of them are compared sooner than the right one is found.
                    let value = shown.values[at];
                    u32::from(values.iter().fold(false, |found, it| found | (*it == value)))
                }
            };
        }
        let (mut weight, mut matched, mut eligible) = (0, 0, 0_u32);
        for (at, accepts) in accepts.into_iter().enumerate() {
            let covers = shown.coverages_ms[at] >= self.min_lens_ms[at];
            let counts = shown.usable[at] & u32::from(covers & (self.weights[at] > 0));
            let weighs = if counts == 1 { self.weights[at] } else { 0 };
            eligible += counts;
            weight += weighs;
            matched += if accepts == 1 { weighs } else { 0 };
        }
        Tally { weight, matched, eligible: eligible as usize }
    }
}

/// What the comparison with one driver's strategies adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) weight: u32,
    pub(super) matched: u32,
    /// How many pieces were compared.
    pub(super) eligible: usize,
}

/// The pieces of a stretch, by attribute.
pub(super) struct Shown {
    values: [i32; Attribute::COUNT],
    /// In which part of its range the value lies, where that is asked.
    parts: [u32; Attribute::COUNT],
    /// The longest that fits, where a piece covers more.
    coverages_ms: [u32; Attribute::COUNT],
    /// 1 where there is a piece without a fault.
    usable: [u32; Attribute::COUNT],
}

impl Shown {
    pub(super) fn new(stretch: &Stretch) -> Self {
        let mut shown = Self {
            values: [0; Attribute::COUNT],
            parts: [0; Attribute::COUNT],
            coverages_ms: [0; Attribute::COUNT],
            usable: [0; Attribute::COUNT],
        };
        for piece in stretch.pieces().filter(|piece| piece.fault.is_none()) {
            let at = piece.attribute.at();
            shown.values[at] = piece.value;
            if piece.attribute.model_kind() == ModelKind::Histogram {
                shown.parts[at] = Histogram::part(piece.attribute.range(), piece.value);
            }
            shown.coverages_ms[at] = u32::try_from(piece.coverage_ms).unwrap_or(u32::MAX);
            shown.usable[at] = 1;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Band, Categorical, CircularBand, Driver, Histogram, ModelKind, Piece, SensorFault,
        StrategySet,
    };
    use super::*;
    use port::Time;
    use proptest::prelude::*;

    /// Piece by piece.
    fn tallied(stretch: &Stretch, set: &StrategySet) -> Tally {
        let mut tally = Tally { weight: 0, matched: 0, eligible: 0 };
        for strategy in set.as_slice() {
            let Some(piece) = stretch.piece(strategy.attribute()) else { continue };
            if piece.fault.is_some() || piece.coverage_ms < u64::from(strategy.min_len_ms()) {
                continue;
            }
            tally.eligible += 1;
            tally.weight += u32::from(strategy.weight());
            if strategy.model().accepts(piece.value) {
                tally.matched += u32::from(strategy.weight());
            }
        }
        tally
    }

    fn model(attribute: Attribute, (centre, spread): (i32, u16), k: u16, min: u16) -> Model {
        let (low, high) = attribute.range();
        let centre = low + centre.rem_euclid(high - low + 1);
        let min = BasisPoints::new(min).unwrap();
        match attribute.model_kind() {
            ModelKind::Band | ModelKind::RobustBand => {
                Model::Band(Band::of(attribute, centre, spread.into(), k))
            }
            ModelKind::Circular => {
                let minute = u16::try_from(centre).unwrap();
                Model::Circular(CircularBand::of(minute, spread % 720, k))
            }
            ModelKind::Categorical => {
                let mut counts = Categorical::new();
                // close to each other, or not
                let apart = if spread % 2 == 0 { 1 } else { 40 };
                (0..9).for_each(|n| counts.update(centre + n % 4 * n % 3 * apart));
                Model::Categorical(counts, min)
            }
            ModelKind::Histogram => {
                let mut counts = Histogram::new(attribute);
                (0..9).for_each(|n| counts.update(centre + n * i32::from(spread)));
                Model::Histogram(counts, min)
            }
        }
    }

    proptest! {
        #[test]
        fn a_band_accepts_what_lies_within_its_bounds(
            centre in 0..30_000,
            spread in 0_u32..9_000,
            k in prop_oneof![0_u16..400, any::<u16>()],
            value in any::<i32>(),
        ) {
            let band = Band::of(Attribute::CruiseSpeed, centre, spread, k);
            let (low, high) = band.accepted();
            for value in [value, value % 40_000, low, high, low.wrapping_sub(1), high.wrapping_add(1)] {
                prop_assert_eq!((low..=high).contains(&value), band.accepts(value), "{}", value);
            }
        }

        #[test]
        fn outlines_tally_what_strategies_do_one_by_one(
            strategies in prop::collection::vec(
                ((any::<i32>(), any::<u16>()), 0_u16..400, 0_u16..=10_000, 0_u32..3, 1_u16..=10_000),
                Attribute::COUNT,
            ),
            pieces in prop::collection::vec((any::<i32>(), 0_u64..4, any::<u8>()), Attribute::COUNT),
            missing: u16,
        ) {
            let all = Attribute::ALL.into_iter().zip(strategies);
            let all = all.filter(|(attribute, _)| missing >> attribute.at() & 3 != 3);
            let all: Vec<DrivingStrategy> = all
                .map(|(attribute, (place, k, min, min_len_ms, weight))| {
                    let model = model(attribute, place, k, min);
                    DrivingStrategy::new(attribute, model, min_len_ms, weight).unwrap()
                })
                .collect();
            let set = StrategySet::new(Driver::all().next().unwrap(), all).unwrap();
            let pieces = Attribute::ALL.into_iter().zip(pieces).filter(|(_, (_, _, odd))| odd % 8 > 0);
            let pieces = pieces.map(|(attribute, (value, coverage_ms, odd))| {
                let (low, high) = attribute.range();
                let value = if odd > 200 { value } else { low + value.rem_euclid(high - low + 1) };
                let fault = (odd % 8 == 1).then_some(SensorFault::ClockJump);
                let coverage_ms = if coverage_ms == 3 { u64::MAX } else { coverage_ms };
                Piece { attribute, value, coverage_ms, fault }
            });
            let stretch = Stretch::new(Time::EPOCH, 1, pieces);
            prop_assert_eq!(set.tally(&Shown::new(&stretch)), tallied(&stretch, &set));
        }
    }
}
