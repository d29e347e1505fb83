//! Why a vehicle gets the level it gets: a closed set with stable numbers.

use super::{Attribute, SensorFault};
use core::fmt;
use serde::{Deserialize, Serialize};

/// One reason. `Display` is fit for people who explain a decision to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// This attribute is as usual.
    Matches(Attribute),
    /// It is not.
    Deviates(Attribute),
    /// It was observed for less than its strategy asks for, so it was not compared.
    TooLittle(Attribute),
    /// There is no strategy for it, so it was not compared.
    NoStrategy(Attribute),
    /// Its sensor cannot be believed, so it was not compared.
    Faulty(Attribute, SensorFault),
    /// Several drivers are known: the best of several comparisons counts for less than one alone.
    SeveralDrivers,
}

impl Reason {
    /// Stable number, 3419 to 3555.
    pub const fn code(self) -> u32 {
        let (base, attribute) = match self {
            Self::SeveralDrivers => return 3_419,
            Self::Matches(attribute) => (3_419, attribute),
            Self::Deviates(attribute) => (3_439, attribute),
            Self::TooLittle(attribute) => (3_459, attribute),
            Self::NoStrategy(attribute) => (3_479, attribute),
            Self::Faulty(attribute, SensorFault::ClockJump) => (3_499, attribute),
            Self::Faulty(attribute, SensorFault::OutOfRange) => (3_519, attribute),
            Self::Faulty(attribute, SensorFault::Stuck) => (3_539, attribute),
        };
        base + attribute.number() as u32
    }

    /// By its number.
    pub fn from_code(code: u32) -> Option<Self> {
        if code == 3_419 {
            return Some(Self::SeveralDrivers);
        }
        let off = code.checked_sub(3_420)?;
        let attribute = Attribute::from_number(u8::try_from(off % 20).ok()? + 1)?;
        Some(match off / 20 {
            0 => Self::Matches(attribute),
            1 => Self::Deviates(attribute),
            2 => Self::TooLittle(attribute),
            3 => Self::NoStrategy(attribute),
            4 => Self::Faulty(attribute, SensorFault::ClockJump),
            5 => Self::Faulty(attribute, SensorFault::OutOfRange),
            6 => Self::Faulty(attribute, SensorFault::Stuck),
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matches(attribute) => write!(f, "{attribute}: as usual"),
            Self::Deviates(attribute) => write!(f, "{attribute}: not as usual"),
            Self::TooLittle(attribute) => write!(f, "{attribute}: not observed for long enough"),
            Self::NoStrategy(attribute) => write!(f, "{attribute}: nothing is known about it"),
            Self::Faulty(attribute, fault) => write!(f, "{attribute}: not believed, {fault}"),
            Self::SeveralDrivers => f.write_str("several people drive this vehicle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn numbers_are_distinct_and_lead_back() {
        let mut seen = BTreeSet::new();
        let faults = [SensorFault::ClockJump, SensorFault::OutOfRange, SensorFault::Stuck];
        for one in Attribute::ALL {
            let mut reasons = [
                Reason::Matches(one),
                Reason::Deviates(one),
                Reason::TooLittle(one),
                Reason::NoStrategy(one),
            ]
            .to_vec();
            reasons.extend(faults.map(|fault| Reason::Faulty(one, fault)));
            for reason in reasons {
                assert_eq!(Reason::from_code(reason.code()), Some(reason));
                assert!(seen.insert(reason.code()), "{reason}");
            }
        }
        assert_eq!(seen.len(), 7 * Attribute::COUNT);
        assert_eq!(Reason::from_code(Reason::SeveralDrivers.code()), Some(Reason::SeveralDrivers));
        assert!((0..10_000).filter_map(Reason::from_code).count() == seen.len() + 1);
    }
}
