//! Hundredths of a percent: the unit of every score and share.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A share of one in hundredths of a percent, 0 to 10,000.
///
/// ```
/// use interbank_risk_core::BasisPoints;
/// assert_eq!(BasisPoints::of(1, 3).as_u16(), 3_333);
/// assert_eq!(BasisPoints::of(2, 3).as_u16(), 6_667);
/// assert_eq!(BasisPoints::of(2, 3).to_string(), "66.67 %");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// All of it: 10,000.
    pub const ONE: Self = Self(10_000);

    /// From hundredths of a percent.
    ///
    /// # Errors
    /// [`OutOfRange`] above 10,000.
    pub const fn new(basis_points: u16) -> Result<Self, OutOfRange> {
        if basis_points > Self::ONE.0 { Err(OutOfRange) } else { Ok(Self(basis_points)) }
    }

    /// `part` of `whole`, rounded to the nearest, halves upwards; 0 of nothing is nothing, and more than all is all.
    pub fn of(part: u64, whole: u64) -> Self {
        if part >= whole {
            return if whole == 0 { Self::ZERO } else { Self::ONE };
        }
        let (part, whole) = (u128::from(part), u128::from(whole));
        Self(u16::try_from((part * 20_000 + whole) / (2 * whole)).unwrap_or(Self::ONE.0))
    }

    /// Hundredths of a percent.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// What is missing to all of it.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(Self::ONE.0 - self.0)
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = OutOfRange;

    fn try_from(basis_points: u16) -> Result<Self, OutOfRange> {
        Self::new(basis_points)
    }
}

impl From<BasisPoints> for u16 {
    fn from(share: BasisPoints) -> Self {
        share.0
    }
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} %", self.0 / 100, self.0 % 100)
    }
}

/// More than 10,000 basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl OutOfRange {
    /// Stable number: 3000.
    pub const fn code(self) -> u32 {
        3000
    }
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share is at most 10000 basis points")
    }
}

impl core::error::Error for OutOfRange {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_the_nearest() {
        for (part, whole, basis_points) in [
            (0, 0, 0),
            (5, 0, 0),
            (0, 7, 0),
            (7, 7, 10_000),
            (9, 7, 10_000),
            (1, 20_000, 1),
            (1, 20_001, 0),
        ] {
            assert_eq!(BasisPoints::of(part, whole).as_u16(), basis_points, "{part} of {whole}");
        }
        assert_eq!(BasisPoints::of(u64::MAX - 1, u64::MAX), BasisPoints::ONE);
    }

    #[test]
    fn more_than_all_is_refused() {
        assert_eq!(BasisPoints::new(10_001), Err(OutOfRange));
        assert_eq!(serde_json::from_str::<BasisPoints>("10000").ok(), Some(BasisPoints::ONE));
        assert!(serde_json::from_str::<BasisPoints>("10001").is_err());
    }
}
