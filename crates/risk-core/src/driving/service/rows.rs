//! Which rows there are, and what is in them.

use super::super::{
    Driver, LevelNotice, Outcome, Recording, Registration, ReplayGuard, RequestId, Rules, Stretch,
    VehicleId,
};
use super::{Error, Misuse};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{Answers, CrateTag, Key, KeyError, Row, Tenant, Time, WireError};

/// Registrations: vehicle.
pub(super) const REGISTRATION: u8 = 0x30;
/// Data of the current stretch: vehicle.
pub(super) const DATA: u8 = 0x31;
/// Habits: vehicle, driver.
pub(super) const HABITS: u8 = 0x32;
/// Requests: vehicle, id.
pub(super) const REQUEST: u8 = 0x33;
/// Notices to the platform.
pub(super) const OUTBOX: u8 = 0x3f;

pub(super) fn table(tenant: Tenant, table: u8) -> Key {
    Key::new(CrateTag::RISK_CORE, tenant, table)
}

pub(super) fn of(tenant: Tenant, number: u8, vehicle: &VehicleId) -> Key {
    fit(table(tenant, number).text(vehicle.as_bytes()))
}

pub(super) fn habits(tenant: Tenant, vehicle: &VehicleId, driver: Driver) -> Key {
    fit(of(tenant, HABITS, vehicle).raw(&[driver.as_u8()]))
}

pub(super) fn request(tenant: Tenant, vehicle: &VehicleId, id: &RequestId) -> Key {
    fit(of(tenant, REQUEST, vehicle).raw(id))
}

/// The parts are bounded: the longest key has 91 of 256 bytes. An impossible key would be one that no store takes, never one
/// of another row.
fn fit(key: Result<Key, KeyError>) -> Key {
    debug_assert!(key.is_ok());
    key.unwrap_or_else(|_| Key::new(CrateTag::RISK_CORE, Tenant::new(u64::MAX), u8::MAX))
}

/// The row at a position of the answers.
pub(super) fn point(answers: &Answers, at: usize) -> Result<Option<&Row>, Error> {
    answers.rows.points.get(at).map(Option::as_ref).ok_or(Error::Misuse(Misuse::Answers))
}

/// A registration and the key of the vehicle's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegistrationRow {
    pub(super) registration: Registration,
    pub(super) device: [u8; 32],
}

impl RegistrationRow {
    pub(super) fn of(row: Option<&Row>) -> Result<Option<Self>, Error> {
        row.map(|row| Self::parse(&row.value)).transpose().map_err(Error::from)
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(64);
        Writer::new(&mut bytes, 1).fixed(&self.device);
        self.registration.encode(&mut bytes);
        bytes.into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let device = reader.array()?;
        Ok(Self { registration: Registration::parse(reader.rest())?, device })
    }
}

/// The readings of the current stretch, and what was sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataRow {
    pub(super) recording: Recording,
    pub(super) guard: ReplayGuard,
}

impl DataRow {
    pub(super) fn of(row: Option<&Row>, rules: &Rules) -> Result<Self, Error> {
        let gap_max_ms = rules.gap_max_ms();
        let Some(row) = row else {
            let guard = ReplayGuard::new();
            return Ok(Self { recording: Recording::new(gap_max_ms), guard });
        };
        let Self { recording, guard } = Self::parse(&row.value)?;
        // The rules may have changed since it was written.
        Ok(Self { recording: recording.with_gap(gap_max_ms), guard })
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(1_500);
        let mut writer = Writer::new(&mut bytes, 1);
        self.guard.write(&mut writer);
        self.recording.write(&mut writer);
        bytes.into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let guard = ReplayGuard::read(&mut reader)?;
        let recording = Recording::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { recording, guard })
    }
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestRow {
    /// Tells the request from another one under the same id.
    pub(super) body: [u8; 16],
    pub(super) at: Time,
    pub(super) kind: RequestKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to or from bytes")]
pub(super) enum RequestKind {
    /// A window was learned.
    Learned,
    /// A payment was evaluated.
    Evaluated { outcome: Outcome, stretch: Stretch, notice: Option<LevelNotice>, confirmed: bool },
}

impl RequestRow {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(600);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.fixed(&self.body).u64(self.at.as_ms());
        match &self.kind {
            RequestKind::Learned => {
                writer.u8(0);
            }
            RequestKind::Evaluated { outcome, stretch, notice, confirmed } => {
                writer.u8(1).u8(u8::from(*confirmed));
                outcome.write(&mut writer);
                stretch.write(&mut writer);
                // a notice is the last part, and takes the rest
                if let Some(notice) = notice {
                    notice.encode(&mut bytes);
                }
            }
        }
        bytes.into()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let (body, at) = (reader.array()?, Time::from_ms(reader.u64()?));
        let kind = match reader.u8()? {
            0 => {
                reader.finish()?;
                RequestKind::Learned
            }
            1 => {
                let confirmed = match reader.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(WireError::Invalid),
                };
                let outcome = Outcome::read(&mut reader)?;
                let stretch = Stretch::read(&mut reader)?;
                let notice = match reader.rest() {
                    [] => None,
                    rest => Some(LevelNotice::parse(rest)?),
                };
                if notice.as_ref().map(|notice| notice.level) != outcome.level() {
                    return Err(WireError::Invalid);
                }
                RequestKind::Evaluated { outcome, stretch, notice, confirmed }
            }
            _ => return Err(WireError::Invalid),
        };
        Ok(Self { body, at, kind })
    }
}
