//! What a device and the server agree on once: the device secret, the PIN mixed in, the use-key.

use crate::Misuse;
use alloc::vec::Vec;
use argon2::{Algorithm, Argon2, Params, Version};
use core::fmt;
use seal::{Account, Secret, derive};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret of one device for one account, drawn by the server and handed to the device once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSecret(Secret<32>);

impl DeviceSecret {
    /// Draws one from fresh entropy.
    pub fn draw(entropy: &[u8; 32]) -> Self {
        Self(derive(entropy, "interbank/qrpay/device-secret/v1", &[]))
    }

    /// Takes one over that was handed to the device.
    pub const fn new(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// The bytes, for handing them to the device once.
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// A PIN or passphrase of 4 to 64 bytes: zeroized, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Takes a PIN over.
    ///
    /// # Errors
    /// [`Misuse::Text`] for another length.
    pub fn new(pin: impl Into<Vec<u8>>) -> Result<Self, Misuse> {
        let mut pin = pin.into();
        if (4..=64).contains(&pin.len()) {
            Ok(Self(pin))
        } else {
            pin.zeroize();
            Err(Misuse::Text)
        }
    }

    /// Stretches it: Argon2id (RFC 9106), 19 MiB, two passes, one lane, salted with account and device.
    ///
    /// Takes about 20 ms and 19 MiB. A wrong PIN gives another key and so a wrong reply; only the server can tell.
    ///
    /// # Errors
    /// [`Misuse::TooLong`] if the memory cannot be had.
    pub fn stretch(&self, account: &Account, device: &DeviceId) -> Result<Secret<32>, Misuse> {
        let salt = Sha256::new()
            .chain_update(b"interbank/qrpay/pin-salt/v1\0")
            .chain_update([u8::try_from(account.expose().len()).unwrap_or(u8::MAX)])
            .chain_update(account.expose())
            .chain_update(device.as_bytes())
            .finalize();
        let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(|_| Misuse::TooLong)?;
        let mut out = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&self.0, &salt[..16], &mut out)
            .map_err(|_| Misuse::TooLong)?;
        Ok(Secret::new(out))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// The name of a device: 1 to 32 letters, digits or `. _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(bytes::Bytes);

impl DeviceId {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// Takes a name over.
    ///
    /// # Errors
    /// [`Misuse::Identifier`].
    pub fn new(name: impl Into<bytes::Bytes>) -> Result<Self, Misuse> {
        let name = name.into();
        if Self::is_name(&name) { Ok(Self(name)) } else { Err(Misuse::Identifier) }
    }

    /// Bytes that [`DeviceId::is_name`] was asked about.
    pub(crate) const fn checked(name: bytes::Bytes) -> Self {
        Self(name)
    }

    /// Whether it can be a device's name.
    pub(crate) fn is_name(name: &[u8]) -> bool {
        name.len() <= Self::BYTES_MAX && crate::terms::is_identifier(name)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// The key that computes replies (spec: `K_use`): HKDF-SHA-256 over the device secret and the stretched PIN, bound to
/// account, device and key number. The server stores only this, wrapped; the device secret never comes back to it.
///
/// `info` is `qr-reply-key-v1`, a zero byte, then account, device name and key number, each behind a `u16` length.
///
/// # Errors
/// [`Misuse::TooLong`] if the PIN cannot be stretched for want of memory.
pub fn use_key(
    secret: &DeviceSecret,
    pin: Option<&Pin>,
    account: &Account,
    device: &DeviceId,
    key_number: u8,
) -> Result<Secret<32>, Misuse> {
    let mut ikm = [0; 64];
    ikm[..32].copy_from_slice(secret.expose());
    let len = match pin {
        Some(pin) => {
            ikm[32..].copy_from_slice(pin.stretch(account, device)?.expose());
            64
        }
        None => 32,
    };
    let parts = [account.expose(), device.as_bytes(), &[key_number]];
    let key = derive(&ikm[..len], "qr-reply-key-v1", &parts);
    ikm.zeroize();
    Ok(key)
}

/// The use-key of a credential that rests on a password alone (spec: `PasswordReply`): whoever sees one challenge with its
/// reply can guess the password offline. Only for compatibility, and only where [`crate::Policy::allow_password`] is set.
///
/// # Errors
/// [`Misuse::TooLong`] if the password cannot be stretched for want of memory.
pub fn password_key(
    password: &Pin,
    account: &Account,
    device: &DeviceId,
    key_number: u8,
) -> Result<Secret<32>, Misuse> {
    let stretched = password.stretch(account, device)?;
    let parts = [account.expose(), device.as_bytes(), &[key_number]];
    Ok(derive(stretched.expose(), "qr-reply-password-key-v1", &parts))
}
