//! Driving strategies: what the owner's habits are, one for each attribute.

use super::outline::{Outline, Shown, Tally};
use super::{Attribute, Driver, Fit, Model, Windows};
use alloc::vec::Vec;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};

/// What is usual in one attribute, how long it has to be observed to be compared, and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrivingStrategy {
    attribute: Attribute,
    model: Model,
    min_len_ms: u32,
    weight: u16,
    windows: Windows,
}

impl DrivingStrategy {
    /// The heaviest weight.
    pub const WEIGHT_MAX: u16 = 10_000;

    /// From its parts; `weight` is 1 to [`DrivingStrategy::WEIGHT_MAX`].
    ///
    /// # Errors
    /// [`BadStrategy`].
    pub fn new(
        attribute: Attribute,
        model: Model,
        min_len_ms: u32,
        weight: u16,
    ) -> Result<Self, BadStrategy> {
        if !model.suits(attribute) {
            return Err(BadStrategy::Model(attribute));
        }
        if !(1..=Self::WEIGHT_MAX).contains(&weight) {
            return Err(BadStrategy::Weight(attribute));
        }
        Ok(Self { attribute, model, min_len_ms, weight, windows: Windows::default() })
    }

    /// With the windows that it was learned from, for what [`Alarm`](super::Alarm) promises.
    #[must_use]
    pub fn with_windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }

    /// Compares the summary of a stretch with the model.
    #[inline]
    pub fn compare(&self, value: i32) -> Fit {
        self.model.compare(value)
    }

    /// Of which attribute.
    pub const fn attribute(&self) -> Attribute {
        self.attribute
    }

    /// What is usual.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The preset time length that current data must cover (spec V11), in milliseconds.
    pub const fn min_len_ms(&self) -> u32 {
        self.min_len_ms
    }

    /// What it weighs among the others.
    pub const fn weight(&self) -> u16 {
        self.weight
    }

    /// The learning windows that were kept.
    pub const fn windows(&self) -> &Windows {
        &self.windows
    }

    fn drift(&mut self, values: &[i32]) {
        self.model.drift(self.attribute, values);
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.attribute.number()).u32(self.min_len_ms).u16(self.weight);
        self.model.encode(writer);
        let windows = self.windows.as_slice();
        // at most 128
        writer.u8(u8::try_from(windows.len()).unwrap_or(u8::MAX));
        for value in windows {
            writer.fixed(&value.to_be_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let (min_len_ms, weight) = (reader.u32()?, reader.u16()?);
        let model = Model::read(attribute, reader)?;
        let count = usize::from(reader.u8()?);
        if count > super::Calibration::VALUES_MAX {
            return Err(WireError::TooLong);
        }
        let mut values: Vec<i32> = Vec::with_capacity(count);
        for _ in 0..count {
            let value = i32::from_be_bytes(reader.array()?);
            if !attribute.contains(value) || values.last().is_some_and(|last| *last > value) {
                return Err(WireError::Invalid);
            }
            values.push(value);
        }
        let strategy = Self::new(attribute, model, min_len_ms, weight);
        Ok(strategy.map_err(|_| WireError::Invalid)?.with_windows(Windows::new(values)))
    }
}

/// The strategies of one driver, at most one for each attribute, in the order of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySet {
    driver: Driver,
    strategies: Vec<DrivingStrategy>,
    /// Made from the strategies.
    outline: Outline,
}

impl StrategySet {
    /// Puts strategies into their order.
    ///
    /// # Errors
    /// [`BadStrategy::Twice`] for two of one attribute.
    pub fn new(driver: Driver, mut strategies: Vec<DrivingStrategy>) -> Result<Self, BadStrategy> {
        strategies.sort_by_key(DrivingStrategy::attribute);
        for pair in strategies.windows(2) {
            if let [one, other] = pair
                && one.attribute == other.attribute
            {
                return Err(BadStrategy::Twice(one.attribute));
            }
        }
        let outline = Outline::new(&strategies);
        Ok(Self { driver, strategies, outline })
    }

    /// Whose habits these are.
    pub const fn driver(&self) -> Driver {
        self.driver
    }

    /// The strategies, in the order of attributes.
    pub fn as_slice(&self) -> &[DrivingStrategy] {
        &self.strategies
    }

    /// The strategy of an attribute.
    pub fn of(&self, attribute: Attribute) -> Option<&DrivingStrategy> {
        let at = self.strategies.binary_search_by_key(&attribute, DrivingStrategy::attribute);
        self.strategies.get(at.ok()?)
    }

    pub(super) fn tally(&self, shown: &Shown) -> Tally {
        self.outline.tally(shown)
    }

    /// Moves every strategy towards the values that one day showed of its attribute.
    pub(super) fn drift(&mut self, values: impl Fn(Attribute) -> Vec<i32>) {
        for strategy in &mut self.strategies {
            strategy.drift(&values(strategy.attribute));
        }
        self.outline = Outline::new(&self.strategies);
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.write(&mut Writer::new(to, 1));
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let set = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(set)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        // at most 16
        writer.u8(self.driver.as_u8()).u8(u8::try_from(self.strategies.len()).unwrap_or(u8::MAX));
        self.strategies.iter().for_each(|strategy| strategy.encode(writer));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let driver = Driver::new(reader.u8()?).ok_or(WireError::Invalid)?;
        let count = usize::from(reader.u8()?);
        let mut strategies: Vec<DrivingStrategy> = Vec::with_capacity(count.min(Attribute::COUNT));
        for _ in 0..count {
            let strategy = DrivingStrategy::read(reader)?;
            if strategies.last().is_some_and(|last| last.attribute >= strategy.attribute) {
                return Err(WireError::Invalid);
            }
            strategies.push(strategy);
        }
        let outline = Outline::new(&strategies);
        Ok(Self { driver, strategies, outline })
    }
}

/// Strategies that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadStrategy {
    /// A model of a kind that the attribute does not have.
    Model(Attribute),
    /// Two strategies of one attribute.
    Twice(Attribute),
    /// A weight outside 1 to [`DrivingStrategy::WEIGHT_MAX`].
    Weight(Attribute),
}

impl BadStrategy {
    /// Stable number, 3402 to 3404.
    pub const fn code(self) -> u32 {
        match self {
            Self::Model(_) => 3_402,
            Self::Twice(_) => 3_403,
            Self::Weight(_) => 3_404,
        }
    }
}

impl fmt::Display for BadStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(attribute) => write!(f, "{attribute} has no model of this kind"),
            Self::Twice(attribute) => write!(f, "{attribute} has two strategies"),
            Self::Weight(attribute) => {
                write!(f, "the weight of {attribute} is not from 1 to 10000")
            }
        }
    }
}

impl core::error::Error for BadStrategy {}
