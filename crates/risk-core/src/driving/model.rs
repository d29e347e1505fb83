//! The model of one attribute, whatever its kind.

use super::{Attribute, Band, Categorical, CircularBand, Histogram, ModelKind};
use crate::BasisPoints;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use serde::{Deserialize, Serialize};

/// What the owner's windows looked like in one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// Centre ± k spreads: mean and standard deviation, or median and median absolute deviation.
    Band(Band),
    /// How often each value was seen; a value fits whose [tail](Categorical::tail) is at least this.
    Categorical(Categorical, BasisPoints),
    /// Centre ± k spreads on a clock's face.
    Circular(CircularBand),
    /// How often each part of the range was seen; a value fits whose [tail](Histogram::tail) is at least this.
    Histogram(Histogram, BasisPoints),
}

impl Model {
    /// Compares a value with it.
    #[inline]
    pub fn compare(&self, value: i32) -> Fit {
        let of_tail = |tail: BasisPoints, min| Fit {
            matches: tail >= min,
            deviation: Deviation::Rarity(tail.rest()),
        };
        match self {
            Self::Band(band) => Fit {
                matches: band.accepts(value),
                deviation: Deviation::Spreads(band.deviation_hundredths(value)),
            },
            Self::Categorical(counts, min) => of_tail(counts.tail(value), *min),
            Self::Circular(band) => Fit {
                matches: band.accepts(value),
                deviation: Deviation::Spreads(band.deviation_hundredths(value)),
            },
            Self::Histogram(counts, min) => of_tail(counts.tail(value), *min),
        }
    }

    /// Whether it accepts a value, without saying how far off it is.
    #[inline]
    pub fn accepts(&self, value: i32) -> bool {
        match self {
            Self::Band(band) => band.accepts(value),
            Self::Categorical(counts, min) => {
                reaches(counts.tail_count(value), counts.count(), *min)
            }
            Self::Circular(band) => band.accepts(value),
            Self::Histogram(counts, min) => reaches(counts.tail_count(value), counts.count(), *min),
        }
    }

    /// Whether it is of a kind that this attribute can have.
    pub fn suits(&self, attribute: Attribute) -> bool {
        matches!(
            (self, attribute.model_kind()),
            (Self::Band(_), ModelKind::Band | ModelKind::RobustBand)
                | (Self::Categorical(..), ModelKind::Categorical)
                | (Self::Circular(_), ModelKind::Circular)
                | (Self::Histogram(..), ModelKind::Histogram)
        )
    }

    /// Moves towards what one day showed, by a bounded step.
    pub(super) fn drift(&mut self, attribute: Attribute, values: &[i32]) {
        match self {
            Self::Band(band) => band.drift(attribute, values),
            Self::Categorical(counts, _) => counts.drift(values),
            Self::Circular(band) => band.drift(values),
            Self::Histogram(counts, _) => counts.drift(values),
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Band(band) => band.encode(writer),
            Self::Categorical(counts, min) => counts.encode(writer.u16(min.as_u16())),
            Self::Circular(band) => band.encode(writer),
            Self::Histogram(counts, min) => counts.encode(writer.u16(min.as_u16())),
        }
    }

    pub(super) fn read(attribute: Attribute, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let share = |reader: &mut Reader<'_>| {
            BasisPoints::new(reader.u16()?).map_err(|_| WireError::Invalid)
        };
        Ok(match attribute.model_kind() {
            ModelKind::Band | ModelKind::RobustBand => Self::Band(Band::read(attribute, reader)?),
            ModelKind::Categorical => {
                let min = share(reader)?;
                Self::Categorical(Categorical::read(reader)?, min)
            }
            ModelKind::Circular => Self::Circular(CircularBand::read(reader)?),
            ModelKind::Histogram => {
                let min = share(reader)?;
                Self::Histogram(Histogram::read(attribute, reader)?, min)
            }
        })
    }
}

/// [`BasisPoints::of`] for counts of this size, without a division of 128 bits.
pub(super) fn share(part: u32, whole: u32) -> BasisPoints {
    if part >= whole {
        return if whole == 0 { BasisPoints::ZERO } else { BasisPoints::ONE };
    }
    let (part, whole) = (u64::from(part), u64::from(whole));
    let points = u16::try_from(quotient(part * 20_000 + whole, 2 * whole));
    points.ok().and_then(|points| BasisPoints::new(points).ok()).unwrap_or(BasisPoints::ONE)
}

/// A division that is quick where both numbers are small, as they nearly always are; `below` is not zero.
pub(super) fn quotient(above: u64, below: u64) -> u64 {
    match (u32::try_from(above), u32::try_from(below)) {
        (Ok(above), Ok(below)) => u64::from(above / below),
        _ => above / below,
    }
}

/// Whether [`share`] is at least `min`, without any division.
pub(super) fn reaches(part: u32, whole: u32, min: BasisPoints) -> bool {
    let (part, whole, min) = (u64::from(part), u64::from(whole), u64::from(min.as_u16()));
    if whole == 0 { min == 0 } else { part * 20_000 + whole >= 2 * whole * min }
}

/// What comparing a value with a model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Whether the model accepts it.
    pub matches: bool,
    /// How far it is from the usual.
    pub deviation: Deviation,
}

/// How far a value is from the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deviation {
    /// The share of what was seen that is more frequent than this value.
    Rarity(BasisPoints),
    /// Hundredths of a spread from the centre.
    Spreads(u32),
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rarity(share) => write!(f, "rarer than {share}"),
            Self::Spreads(hundredths) => {
                write!(f, "{}.{:02} sd", hundredths / 100, hundredths % 100)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_are_those_of_basis_points(part in any::<u32>(), whole in any::<u32>(), small in 0_u32..300, min in 0_u16..=10_000) {
            let min = BasisPoints::new(min).unwrap();
            for (part, whole) in [(part, whole), (small, whole % 300), (part.min(whole), whole), (part, 0)] {
                prop_assert_eq!(share(part, whole), BasisPoints::of(part.into(), whole.into()));
                prop_assert_eq!(reaches(part, whole, min), share(part, whole) >= min);
            }
        }
    }
}
