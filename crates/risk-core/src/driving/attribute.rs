//! What is measured while a vehicle is driven: a closed catalogue with stable numbers.

use core::fmt;
use serde::{Deserialize, Serialize};

/// One attribute of driving (spec, *Left open*: the list is ours). Values are integers in the unit of [`Attribute::unit`].
///
/// ```
/// use interbank_risk_core::driving::{Attribute, ModelKind, Unit};
/// let speed = Attribute::CruiseSpeed;
/// assert_eq!((speed.number(), speed.unit()), (1, Unit::CentiKmPerHour));
/// assert!(speed.contains(6_200) && !speed.contains(-1));
/// assert_eq!(Attribute::StartTime.model_kind(), ModelKind::Circular);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Attribute {
    /// Speed while neither accelerating nor braking.
    CruiseSpeed = 1,
    /// Acceleration when the accelerator is pressed.
    Acceleration = 2,
    /// Deceleration when the brake is pressed.
    Deceleration = 3,
    /// How fast the steering wheel is turned in bends.
    SteeringRate = 4,
    /// Engine speed at which the next gear is taken.
    UpshiftRpm = 5,
    /// Distance to the vehicle ahead.
    FollowingDistance = 6,
    /// When the trip was started, local time.
    StartTime = 7,
    /// The cell of the map that the vehicle is in, numbered by the embedder.
    Area = 8,
    /// The slot of the seat's memory.
    SeatSlot = 9,
    /// The slot of the mirrors' memory.
    MirrorSlot = 10,
    /// From buckling up to setting off.
    BeltToStart = 11,
    /// How long before a turn the indicator is set.
    IndicatorLead = 12,
    /// Load of the engine.
    EngineLoad = 13,
    /// Position of the throttle.
    Throttle = 14,
    /// Share of the time in which the vehicle coasts.
    Coasting = 15,
    /// Lateral acceleration in bends.
    LateralAcceleration = 16,
}

impl Attribute {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::CruiseSpeed,
        Self::Acceleration,
        Self::Deceleration,
        Self::SteeringRate,
        Self::UpshiftRpm,
        Self::FollowingDistance,
        Self::StartTime,
        Self::Area,
        Self::SeatSlot,
        Self::MirrorSlot,
        Self::BeltToStart,
        Self::IndicatorLead,
        Self::EngineLoad,
        Self::Throttle,
        Self::Coasting,
        Self::LateralAcceleration,
    ];

    /// The stable number, 1 to 16.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// By its number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// What a value of 1 is.
    pub const fn unit(self) -> Unit {
        self.row().0
    }

    /// The lowest and the highest value that can be true; anything else is a fault of the sensor.
    pub const fn range(self) -> (i32, i32) {
        (self.row().1, self.row().2)
    }

    /// The smallest difference that the usual sensor tells apart. No spread is taken to be smaller.
    pub const fn resolution(self) -> i32 {
        self.row().3
    }

    /// By which kind of model it is learned.
    pub const fn model_kind(self) -> ModelKind {
        self.row().4
    }

    /// For how long one reading stands, in milliseconds: coverage grows by no more until the next one. What is read once a
    /// trip stands for the rest of it.
    pub const fn hold_ms(self) -> u64 {
        self.row().5
    }

    /// How much of a stretch a piece has to cover to be learned or, unless its strategy says otherwise, compared; in
    /// milliseconds.
    pub const fn min_len_ms(self) -> u32 {
        match self {
            Self::CruiseSpeed => 600_000,
            _ if self.hold_ms() == TRIP_MS => 60_000,
            _ => 300_000,
        }
    }

    /// Whether a value can be true.
    pub const fn contains(self, value: i32) -> bool {
        let (low, high) = self.range();
        low <= value && value <= high
    }

    /// Whether the sensor reads all the time, so that one that never changes is stuck.
    pub const fn is_continuous(self) -> bool {
        self.hold_ms() == STREAM_MS
    }

    /// Its place in tables.
    pub(super) const fn at(self) -> usize {
        self as usize - 1
    }

    const fn row(self) -> (Unit, i32, i32, i32, ModelKind, u64) {
        use ModelKind::{Band, Categorical, Circular, Histogram, RobustBand};
        match self {
            Self::CruiseSpeed => (Unit::CentiKmPerHour, 0, 30_000, 100, Band, STREAM_MS),
            Self::Acceleration => (Unit::MmPerS2, 0, 15_000, 10, Band, EVENT_MS),
            Self::Deceleration => (Unit::MmPerS2, 0, 15_000, 10, Band, EVENT_MS),
            Self::SteeringRate => (Unit::DeciDegreePerS, 0, 12_000, 5, RobustBand, STREAM_MS),
            Self::UpshiftRpm => (Unit::Rpm, 0, 16_383, 10, RobustBand, EVENT_MS),
            Self::FollowingDistance => (Unit::Centimetre, 0, 30_000, 10, RobustBand, STREAM_MS),
            Self::StartTime => (Unit::MinuteOfDay, 0, 1_439, 1, Circular, TRIP_MS),
            Self::Area => (Unit::Number, 0, 0x00ff_ffff, 1, Categorical, TRIP_MS),
            Self::SeatSlot | Self::MirrorSlot => (Unit::Number, 0, 15, 1, Categorical, TRIP_MS),
            Self::BeltToStart => (Unit::Millisecond, 0, 600_000, 100, RobustBand, TRIP_MS),
            Self::IndicatorLead => (Unit::Millisecond, 0, 60_000, 50, RobustBand, EVENT_MS),
            Self::EngineLoad | Self::Throttle => {
                (Unit::BasisPoint, 0, 10_000, 39, Histogram, STREAM_MS)
            }
            Self::Coasting => (Unit::BasisPoint, 0, 10_000, 10, Histogram, STREAM_MS),
            Self::LateralAcceleration => (Unit::MmPerS2, 0, 15_000, 10, Band, EVENT_MS),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CruiseSpeed => "cruise speed",
            Self::Acceleration => "acceleration",
            Self::Deceleration => "braking",
            Self::SteeringRate => "steering",
            Self::UpshiftRpm => "engine speed at upshift",
            Self::FollowingDistance => "distance to the vehicle ahead",
            Self::StartTime => "time of departure",
            Self::Area => "area",
            Self::SeatSlot => "seat",
            Self::MirrorSlot => "mirrors",
            Self::BeltToStart => "time from belt to departure",
            Self::IndicatorLead => "use of the indicator",
            Self::EngineLoad => "engine load",
            Self::Throttle => "throttle",
            Self::Coasting => "coasting",
            Self::LateralAcceleration => "speed in bends",
        })
    }
}

/// What a value of 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// 0.01 %.
    BasisPoint,
    /// 0.01 km/h.
    CentiKmPerHour,
    /// 1 cm.
    Centimetre,
    /// 0.1 °/s.
    DeciDegreePerS,
    /// 1 ms.
    Millisecond,
    /// A minute since midnight, local time.
    MinuteOfDay,
    /// 1 mm/s².
    MmPerS2,
    /// A name, nothing to count with.
    Number,
    /// A turn a minute.
    Rpm,
}

/// The kinds of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelKind {
    /// Mean ± k standard deviations.
    Band,
    /// How often each of a few values was seen.
    Categorical,
    /// Mean ± k standard deviations on a clock's face.
    Circular,
    /// How often each part of the range was seen.
    Histogram,
    /// Median ± k × 1.4826 × median absolute deviation.
    RobustBand,
}

/// Sensors that read all the time: ten readings at the slowest usual rate of 2 Hz may be lost.
const STREAM_MS: u64 = 5_000;
/// What happens now and then: a turn, a gear, a bend.
const EVENT_MS: u64 = 120_000;
/// What is read once a trip.
const TRIP_MS: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_ranges_hold_many_steps() {
        for (at, one) in Attribute::ALL.into_iter().enumerate() {
            assert_eq!(one.at(), at);
            assert_eq!(Attribute::from_number(one.number()), Some(one));
            let (low, high) = one.range();
            assert!(one.contains(low) && one.contains(high) && !one.contains(high + 1), "{one}");
            assert!(one.resolution() > 0 && (high - low) / one.resolution() >= 15, "{one}");
        }
        assert_eq!(Attribute::from_number(0), None);
        assert_eq!(Attribute::from_number(17), None);
    }
}
