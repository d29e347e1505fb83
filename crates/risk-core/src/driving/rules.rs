//! By which numbers an institution learns and evaluates: data that is checked first.

use crate::{BasisPoints, LogRatio};
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Checked rules of learning and evaluation. What a level is good for is not among them: see
/// [`PlatformPolicy`](super::PlatformPolicy).
///
/// ```
/// use interbank_risk_core::driving::{Rules, RulesDraft};
/// let draft: RulesDraft = serde_json::from_str(r#"{ "preset_s": 600, "medium_from": 9000 }"#)?;
/// assert_eq!(Rules::new(&draft).unwrap_err().to_string(), "medium_from: must be from 1 to 7999");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    preset_ms: u64,
    gap_max_ms: u64,
    low_from: BasisPoints,
    medium_from: BasisPoints,
    driver_penalty: u16,
    learn_days: u16,
    learn_hours: u16,
    k_hundredths: u16,
    tail_min: BasisPoints,
    revocable_days: u16,
}

impl Rules {
    /// Checks a draft.
    ///
    /// # Errors
    /// [`RulesFault`] with the field at fault.
    pub fn new(draft: &RulesDraft) -> Result<Self, RulesFault> {
        let within = |path, value: i64, min: i64, max: i64| {
            let fits = u16::try_from(value).ok().filter(|_| (min..=max).contains(&value));
            fits.ok_or(RulesFault { path, min, max })
        };
        let share = |value| BasisPoints::new(value).unwrap_or(BasisPoints::ONE);
        let low_from = within("low_from", draft.low_from, 2, 10_000)?;
        Ok(Self {
            preset_ms: u64::from(within("preset_s", draft.preset_s, 1, 43_200)?) * 1_000,
            gap_max_ms: u64::from(within("gap_max_s", draft.gap_max_s, 1, 3_600)?) * 1_000,
            low_from: share(low_from),
            medium_from: share(within(
                "medium_from",
                draft.medium_from,
                1,
                i64::from(low_from) - 1,
            )?),
            driver_penalty: within("driver_penalty", draft.driver_penalty, 0, 5_000)?,
            learn_days: within("learn_days", draft.learn_days, 1, 365)?,
            learn_hours: within("learn_hours", draft.learn_hours, 0, 1_000)?,
            k_hundredths: within("k_hundredths", draft.k_hundredths, 50, 1_000)?,
            tail_min: share(within("tail_min", draft.tail_min, 1, 5_000)?),
            revocable_days: within("revocable_days", draft.revocable_days, 1, 90)?,
        })
    }

    /// SHA-256 over all of it.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = alloc::vec::Vec::with_capacity(40);
        self.write(&mut Writer::new(&mut bytes, 1));
        let head = b"interbank/risk-core/driving-rules/v1\0";
        Sha256::new().chain_update(head).chain_update(&bytes).finalize().into()
    }

    /// The preset length of a stretch, in milliseconds (spec V9).
    pub const fn preset_ms(&self) -> u64 {
        self.preset_ms
    }

    /// The longest time without any reading within a stretch, in milliseconds (spec V5).
    pub const fn gap_max_ms(&self) -> u64 {
        self.gap_max_ms
    }

    /// From which conformity on the level is low.
    pub const fn low_from(&self) -> BasisPoints {
        self.low_from
    }

    /// From which conformity on the level is medium.
    pub const fn medium_from(&self) -> BasisPoints {
        self.medium_from
    }

    /// What the best of so many drivers loses: the rate times ln(drivers), rounded to the nearest.
    pub fn penalty(&self, drivers: usize) -> BasisPoints {
        let nats = LogRatio::of(drivers as u64, 1).as_units().unsigned_abs();
        let points = (u64::from(nats) * u64::from(self.driver_penalty) + (1 << 15)) >> 16;
        let points = u16::try_from(points).unwrap_or(u16::MAX).min(BasisPoints::ONE.as_u16());
        BasisPoints::new(points).unwrap_or_default()
    }

    /// How long a vehicle is learned after its application, in milliseconds (spec V6).
    pub const fn learn_ms(&self) -> u64 {
        self.learn_days as u64 * DAY_MS
    }

    /// For how long an attribute has to be observed, at least, to get a strategy, in milliseconds.
    pub const fn learn_coverage_ms(&self) -> u64 {
        self.learn_hours as u64 * 3_600_000
    }

    /// How many hundredths of a spread a band allows.
    pub const fn k_hundredths(&self) -> u16 {
        self.k_hundredths
    }

    /// Which tail a value has to have, at least, to match a frequency table.
    pub const fn tail_min(&self) -> BasisPoints {
        self.tail_min
    }

    /// For how many days what a confirmed trip changed can be taken back.
    pub const fn revocable_days(&self) -> u16 {
        self.revocable_days
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer
            .u64(self.preset_ms)
            .u64(self.gap_max_ms)
            .u16(self.low_from.as_u16())
            .u16(self.medium_from.as_u16())
            .u16(self.driver_penalty)
            .u16(self.learn_days)
            .u16(self.learn_hours)
            .u16(self.k_hundredths)
            .u16(self.tail_min.as_u16())
            .u16(self.revocable_days);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let seconds = |ms: u64| match i64::try_from(ms / 1_000) {
            Ok(seconds) if ms.is_multiple_of(1_000) => Ok(seconds),
            _ => Err(WireError::Invalid),
        };
        let draft = RulesDraft {
            preset_s: seconds(reader.u64()?)?,
            gap_max_s: seconds(reader.u64()?)?,
            low_from: reader.u16()?.into(),
            medium_from: reader.u16()?.into(),
            driver_penalty: reader.u16()?.into(),
            learn_days: reader.u16()?.into(),
            learn_hours: reader.u16()?.into(),
            k_hundredths: reader.u16()?.into(),
            tail_min: reader.u16()?.into(),
            revocable_days: reader.u16()?.into(),
        };
        Self::new(&draft).map_err(|_| WireError::Invalid)
    }
}

impl Default for Rules {
    /// Those of [`RulesDraft::default`].
    fn default() -> Self {
        let share = |value| BasisPoints::new(value).unwrap_or(BasisPoints::ONE);
        Self {
            preset_ms: 600_000,
            gap_max_ms: 5_000,
            low_from: share(8_000),
            medium_from: share(5_000),
            driver_penalty: 500,
            learn_days: 30,
            learn_hours: 5,
            k_hundredths: 200,
            tail_min: share(500),
            revocable_days: 14,
        }
    }
}

/// Rules as they are written down; nothing is checked yet, but unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesDraft {
    /// The preset length of a stretch, 1 second to 12 hours.
    pub preset_s: i64,
    /// The longest time without any reading, 1 second to 1 hour.
    pub gap_max_s: i64,
    /// From which conformity on the level is low, in basis points.
    pub low_from: i64,
    /// From which conformity on the level is medium, in basis points, below the former.
    pub medium_from: i64,
    /// Basis points that the best of several drivers loses for each unit of ln(drivers), 0 to 5,000.
    pub driver_penalty: i64,
    /// For how many days after the application a vehicle is learned, 1 to 365.
    pub learn_days: i64,
    /// For how many hours an attribute has to be observed to get a strategy, 0 to 1,000.
    pub learn_hours: i64,
    /// How many hundredths of a spread a band allows, 50 to 1,000.
    pub k_hundredths: i64,
    /// The tail that a value has to have to match a frequency table, in basis points, 1 to 5,000.
    pub tail_min: i64,
    /// For how many days a confirmed trip can be taken back, 1 to 90; with more than 64 trips in that time, the oldest days
    /// settle earlier.
    pub revocable_days: i64,
}

impl Default for RulesDraft {
    /// The default of the spec: 10 minutes, low from 80 %, medium from 50 %, 30 days of learning; bands of two spreads.
    fn default() -> Self {
        Self {
            preset_s: 600,
            gap_max_s: 5,
            low_from: 8_000,
            medium_from: 5_000,
            driver_penalty: 500,
            learn_days: 30,
            learn_hours: 5,
            k_hundredths: 200,
            tail_min: 500,
            revocable_days: 14,
        }
    }
}

/// A number of the rules is out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulesFault {
    /// Which field.
    pub path: &'static str,
    /// The lowest that is allowed.
    pub min: i64,
    /// The highest that is allowed.
    pub max: i64,
}

impl RulesFault {
    /// Stable number: 3405.
    pub const fn code(&self) -> u32 {
        3_405
    }
}

impl fmt::Display for RulesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: must be from {} to {}", self.path, self.min, self.max)
    }
}

impl core::error::Error for RulesFault {}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_that_of_the_draft() {
        assert_eq!(Rules::new(&RulesDraft::default()), Ok(Rules::default()));
    }

    #[test]
    fn one_driver_loses_nothing_and_four_lose_twice_what_two_do() {
        let rules = Rules::default();
        assert_eq!([1, 2, 4].map(|drivers| rules.penalty(drivers).as_u16()), [0, 347, 693]);
    }
}
