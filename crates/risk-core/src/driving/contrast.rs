//! What a stretch says for an owner and against anybody.

use super::model::quotient;
use super::population::{CLASSES, HALF_HOURS, Known, ONE, class, half_hour, near};
use super::{Attribute, Driver, DrivingStrategy, Model, Piece, Population, StrategySet, Stretch};
use crate::LogRatio;
use alloc::vec::Vec;

/// ln(P(piece | owner) / P(piece | population)) for each piece of a stretch: the evidence score.
///
/// A number is compared as by a normal distribution of drivers and one of each driver's windows, both as wide as pieces of
/// *this coverage* are in the population: what was seen for a minute says less than what was seen for ten, and no attribute
/// has to be left out for it. How well the owner's centre is known is taken into account: by few windows it is drawn to the
/// population's. Times of departure and what is one of a few values are compared by how often they occur. One piece says
/// [`Contrast::SAYS_MAX`] at most, so that a sensor that went astray decides nothing alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    driver: Driver,
    /// In the order of attributes.
    attributes: Vec<(Attribute, Says)>,
}

impl Contrast {
    /// The most that one piece says, for or against: a factor of fifty.
    pub const SAYS_MAX: LogRatio = LogRatio::of(50, 1);

    /// Of the strategies of a driver. An attribute without learning windows, or of which the population knows too little, says
    /// nothing.
    pub fn new(set: &StrategySet, population: &Population) -> Self {
        let says = |strategy: &DrivingStrategy| {
            let says = Says::of(strategy, population)?;
            Some((strategy.attribute(), says))
        };
        let attributes = set.as_slice().iter().filter_map(says).collect();
        Self { driver: set.driver(), attributes }
    }

    /// The evidence of a whole stretch. Nothing is allocated.
    pub fn of(&self, stretch: &Stretch) -> LogRatio {
        self.pieces(stretch).map(|(_, says)| says).sum()
    }

    /// The evidence of each piece that says something, in the order of attributes.
    pub fn pieces(&self, stretch: &Stretch) -> impl Iterator<Item = (Attribute, LogRatio)> {
        self.attributes.iter().filter_map(|(attribute, says)| {
            let piece = stretch.piece(*attribute)?;
            let believed = piece.fault.is_none() && attribute.contains(piece.value);
            let held = says.value(piece).clamp(-Self::SAYS_MAX, Self::SAYS_MAX);
            believed.then_some((*attribute, held))
        })
    }

    /// The driver of a vehicle for whom a stretch speaks most (the first of equals), and its evidence less ln(drivers): the
    /// price of choosing the best of several. `None` without drivers.
    pub fn best(all: &[Self], stretch: &Stretch) -> Option<(Driver, LogRatio)> {
        let mut best: Option<(Driver, LogRatio)> = None;
        for one in all {
            let says = one.of(stretch);
            if best.is_none_or(|(_, highest)| says > highest) {
                best = Some((one.driver, says));
            }
        }
        best.map(|(driver, says)| (driver, says - LogRatio::of(all.len() as u64, 1)))
    }

    /// Whose strategies speak.
    pub const fn driver(&self) -> Driver {
        self.driver
    }
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// Half hours of the day.
    Clock(Vec<LogRatio>),
    /// Values that were seen, rising, and all others.
    Names(Vec<(i32, LogRatio)>, LogRatio),
    /// By class of coverage.
    Number(Vec<Normals>),
}

impl Says {
    fn of(strategy: &DrivingStrategy, population: &Population) -> Option<Self> {
        let attribute = strategy.attribute();
        let windows = strategy.windows().as_slice();
        let count = windows.len() as u64;
        if count == 0 {
            return None;
        }
        match strategy.model() {
            Model::Circular(_) => {
                let mut own = [0_u32; HALF_HOURS];
                for minute in windows {
                    if let Some(count) = own.get_mut(half_hour(*minute)) {
                        *count += 1;
                    }
                }
                let says = |minute: i32| {
                    let own = u64::from(near(&own, half_hour(minute)));
                    Some(drawn(own * 1_024, count, population.clock_share(minute)?))
                };
                (0..1_440).step_by(30).map(says).collect::<Option<_>>().map(Self::Clock)
            }
            Model::Categorical(..) => {
                let says = |value: i32| {
                    let own = windows.iter().filter(|seen| **seen == value).count() as u64;
                    Some(drawn(own * 4_096, count, population.name_share(attribute, value)?))
                };
                let mut values = windows.to_vec();
                values.dedup();
                let seen: Option<Vec<_>> =
                    values.iter().map(|value| Some((*value, says(*value)?))).collect();
                // what the owner was never seen with says the same, however common it is
                Some(Self::Names(seen?, drawn(0, count, 1)))
            }
            Model::Band(_) | Model::Histogram(..) => {
                let sum: i64 = windows.iter().map(|value| i64::from(*value) * ONE).sum();
                let mean = match strategy.model() {
                    // what confirmed trips have moved
                    Model::Band(band) => band.centre() / (256 / ONE),
                    _ => sum / i64::try_from(count).unwrap_or(1),
                };
                let floor = (i64::from(attribute.resolution()) * ONE).pow(2);
                let normals = |at| {
                    let known = population.spread(attribute, at);
                    known.map(|known| Normals::of(mean, count, known, floor)).unwrap_or_default()
                };
                Some(Self::Number((0..CLASSES).map(normals).collect()))
            }
        }
    }

    fn value(&self, piece: &Piece) -> LogRatio {
        match self {
            Self::Clock(says) => says.get(half_hour(piece.value)).copied().unwrap_or_default(),
            Self::Names(seen, else_says) => {
                let at = seen.binary_search_by_key(&piece.value, |(value, _)| *value);
                at.ok().and_then(|at| seen.get(at)).map_or(*else_says, |(_, says)| *says)
            }
            Self::Number(classes) => classes
                .get(class(piece))
                .map_or(LogRatio::ZERO, |normals| normals.of_value(piece.value)),
        }
    }
}

/// Two normal distributions, in sixteenths of the unit and their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Normals {
    own_mean: i64,
    own_variance: u64,
    all_mean: i64,
    all_variance: u64,
    /// Half the logarithm of the variances' ratio.
    narrower: LogRatio,
}

impl Normals {
    /// The owner's centre is that of `count` windows, taken to scatter as those of this coverage do: with prior N(mean of
    /// drivers, variance between them), its posterior.
    fn of(centre: i64, count: u64, known: Known, floor: i64) -> Self {
        let between = i128::from(known.between);
        let error = i128::from(known.within) / i128::from(count);
        let whole = (between + error).max(1);
        let drawn = i128::from(centre - known.mean) * between / whole;
        let rest = i64::try_from(between * error / whole).unwrap_or(i64::MAX);
        let wide = |variance: i64| variance.saturating_add(known.within).max(floor).unsigned_abs();
        let (own_variance, all_variance) = (wide(rest), wide(known.between));
        let ratio = LogRatio::of(all_variance, own_variance);
        Self {
            own_mean: known.mean + i64::try_from(drawn).unwrap_or(0),
            own_variance,
            all_mean: known.mean,
            all_variance,
            narrower: LogRatio::from_units(ratio.as_units() / 2),
        }
    }

    fn of_value(&self, value: i32) -> LogRatio {
        if self.own_variance == 0 {
            return LogRatio::ZERO;
        }
        // (x − mean)² / 2 variances, in units of 2⁻¹⁶
        let off = |mean: i64, variance: u64| {
            let distance = (i64::from(value) * ONE).abs_diff(mean);
            let units =
                quotient(distance.saturating_mul(distance).saturating_mul(1 << 15), variance);
            LogRatio::from_units(i32::try_from(units).unwrap_or(i32::MAX))
        };
        self.narrower + off(self.all_mean, self.all_variance)
            - off(self.own_mean, self.own_variance)
    }
}

/// ln(P(owner) / P(population)) of a count in 4,096ths, drawn to the population as if four more windows had come from it.
fn drawn(own: u64, count: u64, share: u64) -> LogRatio {
    LogRatio::of(own + DRAWN * share, (count + DRAWN) * share)
}

const DRAWN: u64 = 4;
