//! A level on its way to the platform, bound to the request that it was made for.

use super::{RiskLevel, VehicleId};
use crate::BasisPoints;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, Time, WireError};
use seal::VerifyingKey;

/// Names a payment request within its vehicle: drawn at random by whoever asks, and the same when asked again.
pub type RequestId = [u8; 16];

/// What the evaluator tells the platform of one request (spec V13): a level and no driving data.
///
/// It is good for that request alone: vehicle, request id, amount and expiry are part of it, and of what is signed. It names
/// the rules that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelNotice {
    /// For which request.
    pub request: RequestId,
    /// From which vehicle.
    pub vehicle: VehicleId,
    /// For which amount.
    pub amount: Amount,
    /// How risky it is.
    pub level: RiskLevel,
    /// What the level is made of.
    pub conformity: BasisPoints,
    /// When it was evaluated.
    pub evaluated: Time,
    /// From when on it is good for nothing.
    pub expires: Time,
    /// [`Rules::digest`](super::Rules::digest) of the rules that decided.
    pub rules: [u8; 32],
}

impl LevelNotice {
    /// Appends the wire form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let vehicle = self.vehicle.as_bytes();
        Writer::new(to, 1)
            .fixed(&self.request)
            // at most 64
            .u8(u8::try_from(vehicle.len()).unwrap_or(u8::MAX))
            .fixed(vehicle)
            .i64(self.amount.minor())
            .fixed(&self.amount.currency().letters())
            .u8(self.level.number())
            .u16(self.conformity.as_u16())
            .u64(self.evaluated.as_ms())
            .u64(self.expires.as_ms())
            .fixed(&self.rules);
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let request = reader.array()?;
        let vehicle = Reader::text(reader.lp8()?)?;
        let vehicle = VehicleId::new(vehicle).map_err(|_| WireError::Invalid)?;
        let minor = reader.i64()?;
        let currency = Currency::from_letters(reader.fixed(3)?);
        let amount = Amount::new(minor, currency.map_err(|_| WireError::Invalid)?);
        let level = RiskLevel::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let conformity = BasisPoints::new(reader.u16()?).map_err(|_| WireError::Invalid)?;
        let (evaluated, expires) = (Time::from_ms(reader.u64()?), Time::from_ms(reader.u64()?));
        let rules = reader.array()?;
        reader.finish()?;
        Ok(Self { request, vehicle, amount, level, conformity, evaluated, expires, rules })
    }

    /// The bytes that an evaluator signs: the domain `interbank/risk-core/driving-level/v1`, a zero byte, the wire form.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = seal::in_domain("interbank/risk-core/driving-level/v1", &[]);
        self.encode(&mut bytes);
        bytes
    }

    /// Whether the evaluator with this key signed exactly this notice.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &[u8; 64]) -> bool {
        key.verify(&self.signed_bytes(), signature)
    }
}
