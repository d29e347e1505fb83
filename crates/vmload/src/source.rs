//! Where samples come from: the collecting module's contract.

use crate::Misuse;
use crate::VmId;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A place that samples can be fetched from: a hypervisor's interface, a file, a host's `/proc`.
///
/// Pull: the embedder calls [`Source::pull`] when a [`crate::Node`] says [`crate::NodeEvent::Due`], and hands what comes
/// to [`crate::Node::take`]. Push: whoever has samples calls `take` at any time, or sends [`Sample::encode`] as a frame.
pub trait Source {
    /// What can go wrong while reading.
    type Error: core::error::Error;

    /// Hands over what is new since the last call, each sample once, machines in any order; at most `samples_max`.
    /// Returns how many.
    ///
    /// # Errors
    /// The source could not be read; samples that were handed over before count.
    fn pull(
        &mut self,
        now: Time,
        samples_max: usize,
        sink: &mut dyn FnMut(Sample),
    ) -> Result<usize, Self::Error>;
}

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
    /// [`WireError::TooLong`] above 64 readings; part of the form may be written then.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = |n: usize| match u8::try_from(n) {
            Ok(n) if usize::from(n) <= crate::DIMENSION_MAX => Ok(n),
            _ => Err(WireError::TooLong),
        };
        let (readings, allotment) = (count(self.readings.len())?, count(self.allotment.len())?);
        let mut writer = Writer::new(to, VERSION);
        writer.lp8(self.vm.as_str().as_bytes())?.u64(self.at.as_ms()).u8(readings);
        for reading in &self.readings {
            match reading {
                None => writer.u8(0),
                // one encoding for all NaNs
                Some(value) if value.is_nan() => writer.u8(1).u64(f64::NAN.to_bits()),
                Some(value) => writer.u8(1).u64(value.to_bits()),
            };
        }
        writer.u8(allotment);
        for allotted in &self.allotment {
            writer.u64(allotted.to_bits());
        }
        Ok(())
    }

    /// Reads what [`Sample::encode`] wrote.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let invalid = |_: Misuse| WireError::Invalid;
        let vm = VmId::new(Reader::text(reader.lp8()?)?).map_err(invalid)?;
        let at = Time::from_ms(reader.u64()?);
        let mut readings = Vec::new();
        for _ in 0..count(&mut reader)? {
            readings.push(match reader.u8()? {
                0 => None,
                1 => Some(float(&mut reader)?),
                _ => return Err(WireError::Invalid),
            });
        }
        let mut allotment = Vec::new();
        for _ in 0..count(&mut reader)? {
            let allotted = float(&mut reader)?;
            if !(allotted.is_finite() && allotted > 0.0) {
                return Err(WireError::Invalid);
            }
            allotment.push(allotted);
        }
        reader.finish()?;
        Ok(Self { vm, at, readings, allotment })
    }
}

const VERSION: u8 = 1;

fn count(reader: &mut Reader<'_>) -> Result<u8, WireError> {
    let count = reader.u8()?;
    if usize::from(count) <= crate::DIMENSION_MAX { Ok(count) } else { Err(WireError::TooLong) }
}

/// A float whose NaN has its one encoding.
fn float(reader: &mut Reader<'_>) -> Result<f64, WireError> {
    let value = f64::from_bits(reader.u64()?);
    let is_canonical = !value.is_nan() || value.to_bits() == f64::NAN.to_bits();
    if is_canonical { Ok(value) } else { Err(WireError::Invalid) }
}
