//! The code that a display shows: identifier and challenge together, with terms and the issuer's signature.
//!
//! Compact text form, specified byte by byte in `docs/spec/qrpay.md`: `QP1.` and the base64url form (RFC 4648 §5, no
//! padding) of the body. The EMVCo form of the same content is in [`crate::emv`].

use crate::emv::EmvError;
use crate::{Challenge, Misuse, Payee, Price, Terms, Uid};
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, Time, WireError};
use seal::{Distrust, SigningKey, TrustList, in_domain};

/// Identifier, challenge, terms, and who vouches for them.
///
/// ```
/// use interbank_qrpay::{Challenge, Code, Terms, Uid};
/// let code = Code::new(Uid::new("ORDER-0001")?, Challenge([7; 16]), Terms::default());
/// let text = code.to_text();
/// assert!(text.starts_with("QP1."));
/// assert_eq!(Code::parse(&text), Ok(code));
/// # Ok::<(), interbank_qrpay::Misuse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Which order or commodity.
    pub uid: Uid,
    /// What is to be answered.
    pub challenge: Challenge,
    /// What the payer approves.
    pub terms: Terms,
    /// Which of several open challenges this is; not secret.
    pub challenge_ref: Option<u32>,
    /// The issuer's signature over all of it.
    pub signature: Option<IssuerSignature>,
}

impl Code {
    /// The longest text that is parsed, in bytes.
    pub const TEXT_BYTES_MAX: usize = 512;

    /// An unsigned code.
    pub const fn new(uid: Uid, challenge: Challenge, terms: Terms) -> Self {
        Self { uid, challenge, terms, challenge_ref: None, signature: None }
    }

    /// Reads the text form. Canonical: [`Code::to_text`] of the result is the same text.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return Err(CodeError::TooLong);
        }
        let body = text.strip_prefix(PREFIX).ok_or(CodeError::NotOurs)?;
        let body = Base64UrlUnpadded::decode_vec(body).map_err(|_| CodeError::Base64)?;
        let body = Bytes::from(body);
        parse_body(&body)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        let mut body = self.signed_part();
        if let Some(signature) = &self.signature {
            body.extend_from_slice(&signature.signature);
        }
        [PREFIX, &Base64UrlUnpadded::encode_string(&body)].concat()
    }

    /// The bytes that the issuer signs, for an issuer name and key number; sign them with a key of that issuer and hand
    /// the signature to [`Code::signed`].
    ///
    /// # Errors
    /// [`Misuse::Identifier`] if the issuer's name is none.
    pub fn to_sign(&mut self, issuer: &str, key_id: u8) -> Result<Vec<u8>, Misuse> {
        let signature = IssuerSignature::new(issuer, key_id)?;
        self.signature = Some(signature);
        Ok(in_domain(DOMAIN, &self.signed_part()))
    }

    /// Completes what [`Code::to_sign`] began.
    #[must_use]
    pub fn signed(mut self, signature: [u8; 64]) -> Self {
        if let Some(unfinished) = &mut self.signature {
            unfinished.signature = signature;
        }
        self
    }

    /// Signs with a key in software.
    ///
    /// # Errors
    /// [`Misuse::Identifier`].
    pub fn sign_with(mut self, issuer: &str, key_id: u8, key: &SigningKey) -> Result<Self, Misuse> {
        let message = self.to_sign(issuer, key_id)?;
        Ok(self.signed(key.sign(&message)))
    }

    /// Checks the issuer's signature.
    ///
    /// # Errors
    /// [`Untrusted`]: unsigned, not trusted now, or not what was signed.
    pub fn verify(&self, trust: &TrustList, now: Time) -> Result<(), Untrusted> {
        let signature = self.signature.as_ref().ok_or(Untrusted::Unsigned)?;
        let key =
            trust.key(signature.issuer(), signature.key_id, now).map_err(Untrusted::Issuer)?;
        if key.verify(&in_domain(DOMAIN, &self.signed_part()), &signature.signature) {
            Ok(())
        } else {
            Err(Untrusted::Signature)
        }
    }

    fn signed_part(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        let flags = [
            (self.terms.price.is_some(), PRICE),
            (self.terms.expires_s.is_some(), EXPIRES),
            (self.signature.is_some(), SIGNED),
            (self.challenge_ref.is_some(), REF),
        ];
        let flags = flags.iter().fold(0, |all, (set, flag)| if *set { all | flag } else { all });
        let mut writer = Writer::new(&mut body, VERSION);
        writer.u8(flags);
        short(&mut writer, self.uid.as_bytes());
        writer.fixed(&self.challenge.0);
        if let Some(price) = &self.terms.price {
            writer
                .u64(price.amount.minor().unsigned_abs())
                .fixed(&price.amount.currency().letters());
            short(&mut writer, price.payee.as_bytes());
        }
        if let Some(expires_s) = self.terms.expires_s {
            writer.u64(expires_s);
        }
        if let Some(challenge_ref) = self.challenge_ref {
            writer.u32(challenge_ref);
        }
        if let Some(signature) = &self.signature {
            short(&mut writer, &signature.issuer);
            writer.u8(signature.key_id);
        }
        body
    }
}

/// Who vouches for a code.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerSignature {
    issuer: Bytes,
    /// Which of the issuer's keys.
    pub key_id: u8,
    /// Ed25519, over the domain `interbank/qrpay/code/v1` and the body without the signature.
    pub signature: [u8; 64],
}

impl IssuerSignature {
    /// The longest issuer name, in bytes.
    pub const ISSUER_BYTES_MAX: usize = 32;

    fn new(issuer: &str, key_id: u8) -> Result<Self, Misuse> {
        let issuer = Bytes::copy_from_slice(issuer.as_bytes());
        if issuer.len() > Self::ISSUER_BYTES_MAX || !crate::terms::is_identifier(&issuer) {
            return Err(Misuse::Identifier);
        }
        Ok(Self { issuer, key_id, signature: [0; 64] })
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        core::str::from_utf8(&self.issuer).unwrap_or_default()
    }
}

impl fmt::Debug for IssuerSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerSignature({} key {})", self.issuer(), self.key_id)
    }
}

/// Why a text is no code of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeError {
    /// Not canonical base64url without padding.
    Base64,
    /// The body is not what the form says.
    Body(WireError),
    /// A part holds a value that is not allowed.
    Content(Misuse),
    /// An EMVCo payload that is not right.
    Emv(EmvError),
    /// Neither our compact form nor an EMVCo payload with our challenge.
    NotOurs,
    /// Longer than [`Code::TEXT_BYTES_MAX`].
    TooLong,
}

impl CodeError {
    /// Stable number, 2050 to 2054; an EMVCo error keeps its own.
    pub const fn code(self) -> u32 {
        match self {
            Self::Base64 => 2_050,
            Self::Body(_) => 2_051,
            Self::Content(_) => 2_052,
            Self::NotOurs => 2_053,
            Self::TooLong => 2_054,
            Self::Emv(why) => why.code(),
        }
    }
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emv(why) => return why.fmt(f),
            Self::Base64 => "the code is damaged: not canonical base64url",
            Self::Body(_) => "the code is damaged: its body is not complete",
            Self::Content(_) => "the code holds a value that is not allowed",
            Self::NotOurs => "not a payment code of this system",
            Self::TooLong => "the code is too long",
        })
    }
}

impl core::error::Error for CodeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Body(why) => Some(why),
            Self::Content(why) => Some(why),
            Self::Emv(why) => Some(why),
            Self::Base64 | Self::NotOurs | Self::TooLong => None,
        }
    }
}

impl From<WireError> for CodeError {
    fn from(why: WireError) -> Self {
        Self::Body(why)
    }
}

impl From<EmvError> for CodeError {
    fn from(why: EmvError) -> Self {
        Self::Emv(why)
    }
}

impl From<Misuse> for CodeError {
    fn from(why: Misuse) -> Self {
        Self::Content(why)
    }
}

/// Why a code must not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untrusted {
    /// Its issuer or the key is not trusted now.
    Issuer(Distrust),
    /// The signature is wrong: the code was changed or forged.
    Signature,
    /// Nobody vouches for it.
    Unsigned,
}

impl Untrusted {
    /// Stable number, 2060 and 2061; distrust keeps its own.
    pub const fn code(self) -> u32 {
        match self {
            Self::Issuer(why) => why.code(),
            Self::Signature => 2_060,
            Self::Unsigned => 2_061,
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(why) => why.fmt(f),
            Self::Signature => f.write_str("the code was changed or forged; do not pay"),
            Self::Unsigned => f.write_str("nobody vouches for this code; do not pay"),
        }
    }
}

impl core::error::Error for Untrusted {}

fn parse_body(body: &Bytes) -> Result<Code, CodeError> {
    let mut reader = Reader::new(body);
    reader.version(VERSION)?;
    let flags = reader.u8()?;
    if flags & !(PRICE | EXPIRES | SIGNED | REF) != 0 {
        return Err(CodeError::Body(WireError::Invalid));
    }
    let uid = Uid::new(body.slice_ref(reader.lp8()?))?;
    let challenge = Challenge(reader.array()?);
    let mut terms = Terms::default();
    if flags & PRICE != 0 {
        let minor = i64::try_from(reader.u64()?).map_err(|_| Misuse::Amount)?;
        let currency = Currency::from_letters(&reader.array::<3>()?).map_err(Misuse::from)?;
        if minor == 0 || currency == Currency::NONE {
            return Err(CodeError::Content(Misuse::Amount));
        }
        let payee = Payee::new(body.slice_ref(reader.lp8()?))?;
        terms.price = Some(Price { amount: Amount::new(minor, currency), payee });
    }
    if flags & EXPIRES != 0 {
        terms.expires_s = Some(reader.u64()?);
    }
    let challenge_ref = if flags & REF != 0 { Some(reader.u32()?) } else { None };
    let signature = if flags & SIGNED != 0 {
        let issuer = Reader::text(reader.lp8()?)?;
        let mut signature = IssuerSignature::new(issuer, reader.u8()?)?;
        signature.signature = reader.array()?;
        Some(signature)
    } else {
        None
    };
    reader.finish()?;
    Ok(Code { uid, challenge, terms, challenge_ref, signature })
}

/// Parts behind a `u8` length whose types bound them below 256 bytes.
fn short(writer: &mut Writer<'_>, part: &[u8]) {
    let written = writer.lp8(part).is_ok();
    debug_assert!(written);
}

/// The domain of the issuer's signature.
pub(crate) const DOMAIN: &str = "interbank/qrpay/code/v1";

const PREFIX: &str = "QP1.";
const VERSION: u8 = 1;
const PRICE: u8 = 1;
const EXPIRES: u8 = 2;
const SIGNED: u8 = 4;
const REF: u8 = 8;
