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
    pub fn accepts(&self, value: i32) -> bool {
        match self {
            Self::Band(band) => band.accepts(value),
            Self::Categorical(counts, min) => counts.tail(value) >= *min,
            Self::Circular(band) => band.accepts(value),
            Self::Histogram(counts, min) => counts.tail(value) >= *min,
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
