//! Which devices may answer for an account.

use crate::binding_row::BindingRow;
use crate::reply::Credential;
use crate::{DeviceId, Error, Policy};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::Writer;
use port::{KeyRef, Time, WireError};
use seal::AccountRef;

/// The row behind an account: its devices with their keys, and the wrong replies of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Whether replies are refused unread.
    pub locked: bool,
    /// When wrong replies came, oldest first; as many as the policy's limit.
    pub failures: Vec<Time>,
    /// All keys of all devices.
    pub keys: Vec<BoundKey>,
}

impl Binding {
    /// Counts a wrong reply; locks at the policy's limit within its window.
    pub(crate) fn fail(&mut self, now: Time, policy: &Policy) {
        let limit = usize::from(policy.failures_per_window);
        self.failures.push(now);
        if self.failures.len() > limit {
            self.failures.remove(0);
        }
        let full = self.failures.len() == limit;
        let within = |oldest: &Time| now.since_ms(*oldest) < policy.failure_window_ms;
        if full && self.failures.first().is_some_and(within) {
            self.locked = true;
        }
    }

    /// The different devices, revoked ones too.
    pub(crate) fn devices(&self) -> usize {
        let first = |at: usize, key: &BoundKey| {
            !self.keys[..at].iter().any(|earlier| earlier.device == key.device)
        };
        self.keys.iter().enumerate().filter(|(at, key)| first(*at, key)).count()
    }

    /// The stored form; see `docs/spec/qrpay.md`.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(32 + self.keys.len() * 160);
        let mut writer = Writer::new(&mut bytes, 1);
        // Both lists are bounded by the policy, below 256.
        writer.u8(u8::from(self.locked));
        writer.u8(u8::try_from(self.failures.len()).unwrap_or(u8::MAX));
        for at in self.failures.iter().take(255) {
            writer.u64(at.as_ms());
        }
        writer.u8(u8::try_from(self.keys.len()).unwrap_or(u8::MAX));
        for key in self.keys.iter().take(255) {
            key.encode(&mut writer);
        }
        bytes.into()
    }

    /// Reads the stored form, specified in `docs/spec/qrpay.md`. `account` must be the account that the row belongs to: its
    /// wrapped keys are bound to it.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn parse(bytes: &Bytes, account: &AccountRef) -> Result<Self, Error> {
        Self::read(bytes, account).map_err(Error::Corrupt)
    }

    fn read(bytes: &Bytes, account: &AccountRef) -> Result<Self, WireError> {
        let mut keys = Ok(Vec::new());
        let row = BindingRow::parse(bytes, |key| {
            if let Ok(read) = &mut keys {
                match key.to_bound(bytes, account) {
                    Ok(key) => read.push(key),
                    Err(why) => keys = Err(why),
                }
            }
        })?;
        let failures = row.failures.iter().map(|ms| Time::from_ms(u64::from_be_bytes(*ms)));
        Ok(Self { locked: row.locked, failures: failures.collect(), keys: keys? })
    }
}

/// One key of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundKey {
    /// Which device.
    pub device: DeviceId,
    /// The number of the key; a successor has a higher one.
    pub number: u8,
    /// From when it may answer.
    pub from: Time,
    /// Until when (exclusive).
    pub until: Time,
    /// Whether it was revoked.
    pub revoked: bool,
    /// How its replies are checked.
    pub credential: Credential,
}

impl BoundKey {
    /// What a wrapped use-key is bound to: it does not unwrap for another account, device or number.
    pub(crate) fn wrap_context(account: &AccountRef, device: &[u8], number: u8) -> Bytes {
        let mut context = Vec::with_capacity(17 + device.len());
        context.extend_from_slice(account.as_bytes());
        context.push(number);
        context.extend_from_slice(device);
        context.into()
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        crate::item::short(writer, self.device.as_bytes());
        writer
            .u8(self.number)
            .u64(self.from.as_ms())
            .u64(self.until.as_ms())
            .u8(u8::from(self.revoked));
        match &self.credential {
            Credential::Hmac(hmac) => {
                writer.u8(HMAC).u8(hmac.typed_digits);
                encode_key(writer, &hmac.key);
            }
            Credential::Password(hmac) => {
                writer.u8(PASSWORD).u8(hmac.typed_digits);
                encode_key(writer, &hmac.key);
            }
            Credential::Ocra(ocra) => {
                writer.u8(OCRA);
                crate::item::short(writer, ocra.suite().as_str().as_bytes());
                encode_key(writer, ocra.key());
            }
            Credential::Signature(signature) => {
                writer.u8(SIGNATURE).fixed(&signature.public_key);
            }
        }
    }
}

fn encode_key(writer: &mut Writer<'_>, key: &KeyRef) {
    match key {
        KeyRef::Held(id) => {
            writer.u8(0).u32(id.0);
        }
        KeyRef::Wrapped { key, blob, .. } => {
            writer.u8(1).u32(key.0);
            // A wrapped use-key is below 100 bytes.
            let written = writer.lp16(blob).is_ok();
            debug_assert!(written);
        }
    }
}

pub(crate) const HMAC: u8 = 1;
pub(crate) const OCRA: u8 = 2;
pub(crate) const SIGNATURE: u8 = 3;
pub(crate) const PASSWORD: u8 = 4;
