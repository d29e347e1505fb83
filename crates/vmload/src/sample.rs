//! One raw sample, and its form as a frame.

use crate::{DIMENSION_MAX, VmId};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A raw sample of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Whose.
    pub vm: VmId,
    /// When it was measured, by the source's clock.
    pub at: Time,
    /// One reading for each metric, in the metrics' order and unit; `None` if missing.
    pub readings: Vec<Option<f64>>,
    /// What the machine is allotted, one number for each metric; empty if that did not change.
    pub allotment: Vec<f64>,
}

impl Sample {
    /// Appends its bytes; the form is in `docs/spec/vmload.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`] above 64 readings, [`WireError::Invalid`] if the allotment is of another length or not
    /// finite and positive; nothing was written.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = |n: usize| checked_count(u8::try_from(n).map_err(|_| WireError::TooLong)?);
        let readings = count(self.readings.len())?;
        let allotment = checked_allotments(count(self.allotment.len())?, readings)?;
        if !self.allotment.iter().all(|&allotted| is_allotment(allotted)) {
            return Err(WireError::Invalid);
        }
        let mut writer = Writer::new(to, VERSION);
        // a name has at most 64 bytes
        writer.lp8(self.vm.as_str().as_bytes())?.u64(self.at.as_ms()).u8(readings);
        for reading in &self.readings {
            match reading {
                None => writer.u8(0),
                // one encoding for all NaNs
                Some(value) if value.is_nan() => writer.u8(1).u64(NAN_BITS),
                Some(value) => writer.u8(1).u64(value.to_bits()),
            };
        }
        writer.u8(allotment);
        for allotted in &self.allotment {
            writer.u64(allotted.to_bits());
        }
        Ok(())
    }

    /// Reads what [`Sample::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let name = Reader::text(reader.lp8()?)?;
        let vm = VmId::new(name).map_err(|_| WireError::Invalid)?;
        let at = Time::from_ms(reader.u64()?);
        let count = checked_count(reader.u8()?)?;
        let mut readings = Vec::new();
        for _ in 0..count {
            readings.push(match reader.u8()? {
                0 => None,
                1 => Some(float(&mut reader)?),
                _ => return Err(WireError::Invalid),
            });
        }
        let mut allotment = Vec::new();
        for _ in 0..checked_allotments(reader.u8()?, count)? {
            let allotted = float(&mut reader)?;
            if !is_allotment(allotted) {
                return Err(WireError::Invalid);
            }
            allotment.push(allotted);
        }
        reader.finish()?;
        Ok(Self { vm, at, readings, allotment })
    }
}

const VERSION: u8 = 1;

/// The one NaN that is sent. `f64::NAN` does not promise its bits.
const NAN_BITS: u64 = 0x7FF8_0000_0000_0000;

fn checked_count(count: u8) -> Result<u8, WireError> {
    if usize::from(count) <= DIMENSION_MAX { Ok(count) } else { Err(WireError::TooLong) }
}

/// None, or one for each reading.
fn checked_allotments(count: u8, readings: u8) -> Result<u8, WireError> {
    if count == 0 || count == readings { Ok(count) } else { Err(WireError::Invalid) }
}

fn is_allotment(allotted: f64) -> bool {
    allotted.is_finite() && allotted > 0.0
}

fn float(reader: &mut Reader<'_>) -> Result<f64, WireError> {
    let bits = reader.u64()?;
    let value = f64::from_bits(bits);
    if value.is_nan() && bits != NAN_BITS { Err(WireError::Invalid) } else { Ok(value) }
}
