//! Requests and answers as messages: the device as a handler (spec V17).

use super::super::{RequestId, RiskLevel, VehicleId};
use super::{EvaluateRequest, Evaluated, Verdict};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, WireError};

impl EvaluateRequest {
    /// Appends the wire form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let vehicle = self.vehicle.as_bytes();
        Writer::new(to, 1)
            .fixed(&self.id)
            // at most 64
            .u8(u8::try_from(vehicle.len()).unwrap_or(u8::MAX))
            .fixed(vehicle)
            .i64(self.amount.minor())
            .fixed(&self.amount.currency().letters());
    }

    /// Reads the wire form. There is no place in it for a level, and nothing may follow (spec V1).
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Invalid`] for an empty or malformed identification of the vehicle (spec V2).
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let id = reader.array()?;
        let vehicle =
            VehicleId::new(Reader::text(reader.lp8()?)?).map_err(|_| WireError::Invalid)?;
        let minor = reader.i64()?;
        let currency = Currency::from_letters(reader.fixed(3)?).map_err(|_| WireError::Invalid)?;
        reader.finish()?;
        Ok(Self { id, vehicle, amount: Amount::new(minor, currency) })
    }
}

/// The answer to a request: whether it was evaluated, and to which level. Whether it is paid says the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// To which request.
    pub request: RequestId,
    /// The level, or the code of the refusal.
    pub result: Result<RiskLevel, u32>,
}

impl Reply {
    /// The answer that a verdict is.
    pub fn of(request: RequestId, verdict: &Verdict<Evaluated>) -> Self {
        let result = match verdict {
            Verdict::Granted(evaluated) => Ok(evaluated.notice.level),
            Verdict::Declined(why) => Err(why.code()),
        };
        Self { request, result }
    }

    /// Appends the wire form: version 1, request (16), then 0 and the code (`u32`), or the level (1 to 3).
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        writer.fixed(&self.request);
        match self.result {
            Ok(level) => writer.u8(level.number()),
            Err(code) => writer.u8(0).u32(code),
        };
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let request = reader.array()?;
        let result = match reader.u8()? {
            0 => Err(reader.u32()?),
            level => Ok(RiskLevel::from_number(level).ok_or(WireError::Invalid)?),
        };
        reader.finish()?;
        Ok(Self { request, result })
    }
}
