//! Signed samples of a vehicle, and how a replayed trace shows.

use super::{Attribute, Reading, VehicleId};
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// Readings that follow each other, counted by the vehicle's device, 1 to [`Samples::READINGS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    vehicle: VehicleId,
    counter: u64,
    readings: Vec<Reading>,
}

impl Samples {
    /// A message has at most this many readings.
    pub const READINGS_MAX: usize = 1_024;

    /// `counter` is the number of the first reading; the device never uses a number twice.
    ///
    /// # Errors
    /// [`BadSamples`].
    pub fn new(
        vehicle: VehicleId,
        counter: u64,
        readings: Vec<Reading>,
    ) -> Result<Self, BadSamples> {
        if !(1..=Self::READINGS_MAX).contains(&readings.len()) {
            return Err(BadSamples::Count);
        }
        if counter.checked_add(readings.len() as u64).is_none() {
            return Err(BadSamples::Counter);
        }
        let samples = Self { vehicle, counter, readings };
        if samples.offsets().all(|offset| offset.is_some()) {
            Ok(samples)
        } else {
            Err(BadSamples::Time)
        }
    }

    /// From which vehicle.
    pub const fn vehicle(&self) -> &VehicleId {
        &self.vehicle
    }

    /// The number of the first reading.
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// The readings.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Appends the wire form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let vehicle = self.vehicle.as_bytes();
        let mut writer = Writer::new(to, 1);
        // at most 64, and at most 1,024
        writer.u8(u8::try_from(vehicle.len()).unwrap_or(u8::MAX)).fixed(vehicle).u64(self.counter);
        writer
            .u64(self.start().as_ms())
            .u16(u16::try_from(self.readings.len()).unwrap_or(u16::MAX));
        for (reading, offset) in self.readings.iter().zip(self.offsets()) {
            writer
                .fixed(&offset.unwrap_or(0).to_be_bytes())
                .u8(reading.attribute.number())
                .fixed(&reading.value.to_be_bytes());
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let vehicle =
            VehicleId::new(Reader::text(reader.lp8()?)?).map_err(|_| WireError::Invalid)?;
        let counter = reader.u64()?;
        let start = reader.u64()?;
        let count = usize::from(reader.u16()?);
        if count > Self::READINGS_MAX {
            return Err(WireError::TooLong);
        }
        let mut readings = Vec::with_capacity(count);
        for at in 0..count {
            let offset = i32::from_be_bytes(reader.array()?);
            let at_ms = start.checked_add_signed(offset.into()).ok_or(WireError::Invalid)?;
            let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
            let value = i32::from_be_bytes(reader.array()?);
            if at == 0 && offset != 0 {
                return Err(WireError::Invalid);
            }
            readings.push(Reading::new(Time::from_ms(at_ms), attribute, value));
        }
        reader.finish()?;
        Self::new(vehicle, counter, readings).map_err(|_| WireError::Invalid)
    }

    /// The bytes that the device signs: the domain `interbank/risk-core/driving-samples/v1`, a zero byte, the wire form.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = seal::in_domain("interbank/risk-core/driving-samples/v1", &[]);
        self.encode(&mut bytes);
        bytes
    }

    /// Whether the device with this key signed exactly these samples.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &[u8; 64]) -> bool {
        key.verify(&self.signed_bytes(), signature)
    }

    /// Tells a series by what was measured and in which rhythm, whenever that was and whatever numbers it had.
    pub fn series(&self) -> u64 {
        let mut hash = Sha256::new_with_prefix(b"interbank/risk-core/driving-series/v1\0");
        for (reading, offset) in self.readings.iter().zip(self.offsets()) {
            hash.update(offset.unwrap_or(0).to_be_bytes());
            hash.update([reading.attribute.number()]);
            hash.update(reading.value.to_be_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
    }

    fn start(&self) -> Time {
        self.readings.first().map_or(Time::EPOCH, |first| first.at)
    }

    /// Milliseconds from the first reading.
    fn offsets(&self) -> impl Iterator<Item = Option<i32>> {
        let start = i128::from(self.start().as_ms());
        self.readings.iter().map(move |one| i32::try_from(i128::from(one.at.as_ms()) - start).ok())
    }
}

/// Remembers what a vehicle sent, in bounded space: the next number, and the last [`ReplayGuard::SERIES_MAX`] series.
///
/// Bounds: messages of fewer than [`ReplayGuard::READINGS_MIN`] readings are too short to be told from each other, so their
/// series are not kept; their numbers are. A series that is older than the last 64 can be sent again by whoever has the
/// device's key; it cannot without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayGuard {
    next: u64,
    /// Oldest first.
    series: Vec<u64>,
}

impl ReplayGuard {
    /// So many series are remembered.
    pub const SERIES_MAX: usize = 64;
    /// Series of fewer readings are not.
    pub const READINGS_MIN: usize = 16;

    /// Nothing sent yet.
    pub const fn new() -> Self {
        Self { next: 0, series: Vec::new() }
    }

    /// Takes samples that are new. Numbers may be left out, since messages get lost.
    ///
    /// # Errors
    /// [`Replayed`]; nothing changed.
    pub fn update(&mut self, samples: &Samples) -> Result<(), Replayed> {
        if samples.counter < self.next {
            return Err(Replayed::Counter);
        }
        let long = samples.readings.len() >= Self::READINGS_MIN;
        let series = samples.series();
        if long && self.series.contains(&series) {
            return Err(Replayed::Series);
        }
        self.next = samples.counter.saturating_add(samples.readings.len() as u64);
        if long {
            if self.series.len() >= Self::SERIES_MAX {
                self.series.remove(0);
            }
            self.series.push(series);
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        // at most 64
        writer.u64(self.next).u8(u8::try_from(self.series.len()).unwrap_or(u8::MAX));
        for series in &self.series {
            writer.u64(*series);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (next, count) = (reader.u64()?, usize::from(reader.u8()?));
        if count > Self::SERIES_MAX {
            return Err(WireError::TooLong);
        }
        let series = (0..count).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        Ok(Self { next, series })
    }
}

/// Samples that were sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Numbers that were used before.
    Counter,
    /// The very same series, under new numbers or at another time.
    Series,
}

impl Replayed {
    /// Stable number, 3407 and 3408.
    pub const fn code(self) -> u32 {
        match self {
            Self::Counter => 3_407,
            Self::Series => 3_408,
        }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "these numbers were used before",
            Self::Series => "the very same series was sent before",
        })
    }
}

impl core::error::Error for Replayed {}

/// Samples that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadSamples {
    /// None, or more than [`Samples::READINGS_MAX`].
    Count,
    /// The numbers go beyond the last one.
    Counter,
    /// More than 24 days lie between the readings.
    Time,
}

impl BadSamples {
    /// Stable number: 3409.
    pub const fn code(self) -> u32 {
        3_409
    }
}

impl fmt::Display for BadSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "a message has 1 to 1024 readings",
            Self::Counter => "the numbers go beyond the last one",
            Self::Time => "the readings of one message are too far apart",
        })
    }
}

impl core::error::Error for BadSamples {}
