//! The one message of the payer's client: account, identifier, reply.

use crate::{Misuse, Uid};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::Account;

/// What the client sends (spec Q7): the account, the identifier, the reply. The challenge is not among them.
///
/// `Debug` shows neither account nor reply. The wire form is specified in `docs/spec/qrpay.md`; it holds the account number
/// in clear and travels inside TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// The payer's account.
    pub account: Account,
    /// Which order or commodity.
    pub uid: Uid,
    /// The answer to the challenge.
    pub reply: Reply,
    /// Which open challenge is answered, where the code said so; not needed.
    pub challenge_ref: Option<u32>,
}

impl PaymentRequest {
    /// The longest wire form, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let account = Account::new(reader.lp8()?).map_err(|_| WireError::Invalid)?;
        let uid = Bytes::copy_from_slice(reader.lp8()?);
        let uid = Uid::new(uid).map_err(|_| WireError::Invalid)?;
        let kind = reader.u8()?;
        let reply = Reply::from_parts(kind, reader.lp8()?).ok_or(WireError::Invalid)?;
        let challenge_ref = match reader.u8()? {
            0 => None,
            1 => Some(reader.u32()?),
            _ => return Err(WireError::Invalid),
        };
        reader.finish()?;
        Ok(Self { account, uid, reply, challenge_ref })
    }

    /// Appends the wire form.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        // All parts are bounded below 256 bytes by their types.
        let parts = [self.account.expose(), self.uid.as_bytes()];
        let fitted = parts.iter().all(|part| writer.lp8(part).is_ok());
        debug_assert!(fitted);
        writer.u8(self.reply.kind());
        let fitted = writer.lp8(self.reply.as_bytes()).is_ok();
        debug_assert!(fitted);
        match self.challenge_ref {
            None => writer.u8(0),
            Some(number) => writer.u8(1).u32(number),
        };
    }
}

impl fmt::Debug for PaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentRequest({})", self.uid)
    }
}

/// The answer to a challenge.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole HMAC-SHA-256, sent by a machine.
    Mac([u8; 32]),
    /// An Ed25519 signature of a secure element.
    Signature([u8; 64]),
    /// Digits that a person typed.
    Typed(TypedCode),
}

impl Reply {
    pub(crate) const fn kind(&self) -> u8 {
        match self {
            Self::Mac(_) => 1,
            Self::Signature(_) => 2,
            Self::Typed(_) => 3,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Mac(tag) => tag,
            Self::Signature(signature) => signature,
            Self::Typed(code) => code.as_bytes(),
        }
    }

    pub(crate) fn from_parts(kind: u8, bytes: &[u8]) -> Option<Self> {
        match kind {
            1 => bytes.try_into().ok().map(Self::Mac),
            2 => bytes.try_into().ok().map(Self::Signature),
            3 => TypedCode::new(bytes).ok().map(Self::Typed),
            _ => None,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mac(_) => "Reply::Mac(..)",
            Self::Signature(_) => "Reply::Signature(..)",
            Self::Typed(_) => "Reply::Typed(..)",
        })
    }
}

/// A reply of 6 to 10 decimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypedCode {
    digits: [u8; 10],
    len: u8,
}

impl TypedCode {
    /// Takes digits over.
    ///
    /// # Errors
    /// [`Misuse::Text`] for anything but 6 to 10 decimal digits.
    pub fn new(digits: &[u8]) -> Result<Self, Misuse> {
        if !(6..=10).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Misuse::Text);
        }
        let mut all = [0; 10];
        all[..digits.len()].copy_from_slice(digits);
        let len = u8::try_from(digits.len()).map_err(|_| Misuse::Text)?;
        Ok(Self { digits: all, len })
    }

    /// The digits, for the one place that shows or sends them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode(..)")
    }
}
