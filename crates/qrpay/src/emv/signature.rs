//! An issuer's signature in private templates of ours.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::challenge::{
    CHALLENGE_GUID, PrivateObjects, decimal, decode, malformed, private_template, push,
};
use super::error::EmvError;
use super::object::Seen;
use super::{CRC_ID, Payload, check, push_crc, push_unreserved};

/// Who signed a payload, and with what result. Unchecked: the caller looks the issuer's key up and
/// verifies [`Signature::signing_bytes`].
///
/// On the wire it is three unreserved templates with our identifier, directly before the checksum:
/// one with 10 issuer and 11 key id, then one each with 12 and 13, the halves of the signature
/// in base64url (a template has 99 characters at most). The signature covers all text before the
/// first half, so also the issuer and key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The issuer's name, 1 to 32 printable ASCII characters.
    pub issuer: &'a str,
    /// Which of the issuer's keys.
    pub key_id: u8,
    /// The signature itself.
    pub signature: [u8; 64],
    /// The part of the payload's text that is signed.
    pub signed_part: &'a str,
}

impl<'a> Signature<'a> {
    /// What was signed: [`SIGNING_DOMAIN`] and [`Signature::signed_part`].
    pub fn signing_bytes(&self) -> Vec<u8> {
        signing_bytes(self.signed_part)
    }

    pub(super) fn read(payload: &'a Payload<'_>) -> Result<Option<Self>, EmvError> {
        let private = PrivateObjects::of(payload)?;
        let found = [ISSUER, KEY_ID, FIRST_HALF, SECOND_HALF].map(|id| private.object(id));
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        let [
            Some((signer, issuer)),
            Some((key_root, key_id)),
            Some((first_root, first)),
            Some((second_root, second)),
        ] = found
        else {
            return Err(EmvError::SignatureMisplaced);
        };
        // Nothing unsigned may stand between the signed part and the checksum, nor beside the
        // halves in their templates.
        let mut last_ids = [0; 4];
        let mut halves_at = 0;
        for object in payload.objects() {
            last_ids.rotate_left(1);
            last_ids[3] = object.id;
            if object.id == first_root {
                halves_at = object.at;
            }
            if (object.id == first_root || object.id == second_root)
                && private_template(object).is_none_or(|template| template.objects().count() != 2)
            {
                return Err(EmvError::SignatureMisplaced);
            }
        }
        if last_ids != [signer, first_root, second_root, CRC_ID] || key_root != signer {
            return Err(EmvError::SignatureMisplaced);
        }
        if !is_issuer(issuer) {
            return Err(malformed(signer, ISSUER));
        }
        let key_id = decimal(key_id)
            .and_then(|number| u8::try_from(number).ok())
            .ok_or(malformed(signer, KEY_ID))?;
        let mut text = [0u8; SIGNATURE_CHARS];
        let (head, tail) = text.split_at_mut(HALF_CHARS);
        for (part, half, root, id) in
            [(head, first, first_root, FIRST_HALF), (tail, second, second_root, SECOND_HALF)]
        {
            if half.len() != HALF_CHARS {
                return Err(malformed(root, id));
            }
            part.copy_from_slice(half.as_bytes());
        }
        let mut signature = [0; 64];
        core::str::from_utf8(&text)
            .ok()
            .and_then(|text| decode(text, &mut signature))
            .ok_or(malformed(first_root, FIRST_HALF))?;
        let signed_part = payload.as_str().get(..halves_at).unwrap_or_default();
        Ok(Some(Self { issuer, key_id, signature, signed_part }))
    }
}

/// A payload that waits for its signature; made by [`Payload::to_be_signed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToBeSigned {
    /// All text that is to be signed.
    text: String,
    seen: Seen,
}

impl ToBeSigned {
    pub(super) fn new(payload: &Payload<'_>, issuer: &str, key_id: u8) -> Result<Self, EmvError> {
        if payload.signature()?.is_some() {
            return Err(EmvError::AlreadySigned);
        }
        if !is_issuer(issuer) {
            return Err(malformed(80, ISSUER));
        }
        let mut signer = String::new();
        push(&mut signer, 0, CHALLENGE_GUID)?;
        push(&mut signer, ISSUER, issuer)?;
        push(&mut signer, KEY_ID, &key_id.to_string())?;
        let mut seen = payload.ids();
        let mut text = String::from(payload.before_crc());
        push_unreserved(&mut text, &mut seen, &signer)?;
        let unsigned = Self { text, seen };
        // A signature costs an HSM's time; so what cannot hold one is refused before it is made.
        unsigned.with_signature(&[0; 64])?;
        Ok(unsigned)
    }

    /// What the signer signs: [`SIGNING_DOMAIN`] and the text.
    pub fn signing_bytes(&self) -> Vec<u8> {
        signing_bytes(&self.text)
    }

    /// The signed payload.
    ///
    /// # Errors
    ///
    /// None that [`Payload::to_be_signed`] did not find already.
    pub fn with_signature(&self, signature: &[u8; 64]) -> Result<Payload<'static>, EmvError> {
        let mut buffer = [0; SIGNATURE_CHARS];
        let encoded = Base64UrlUnpadded::encode(signature, &mut buffer)
            .map_err(|_| malformed(80, FIRST_HALF))?;
        let (first, second) =
            encoded.split_at_checked(HALF_CHARS).ok_or(malformed(80, FIRST_HALF))?;
        let mut text = self.text.clone();
        let mut seen = self.seen;
        for (id, half) in [(FIRST_HALF, first), (SECOND_HALF, second)] {
            let mut template = String::new();
            push(&mut template, 0, CHALLENGE_GUID)?;
            push(&mut template, id, half)?;
            push_unreserved(&mut text, &mut seen, &template)?;
        }
        push_crc(&mut text);
        check(&text)?;
        Ok(Payload { text: Cow::Owned(text) })
    }
}

fn signing_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIGNING_DOMAIN.len() + text.len());
    bytes.extend_from_slice(SIGNING_DOMAIN);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn is_issuer(issuer: &str) -> bool {
    (1..=ISSUER_MAX_CHARS).contains(&issuer.len())
        && issuer.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
}

/// What signed bytes begin with, so that a signature for this use is good for no other.
pub const SIGNING_DOMAIN: &[u8] = b"interbank/qrpay/emv/v1\0";

/// The longest issuer name, in characters.
pub const ISSUER_MAX_CHARS: usize = 32;

pub(super) const ISSUER: u8 = 10;
const KEY_ID: u8 = 11;
const FIRST_HALF: u8 = 12;
pub(super) const SECOND_HALF: u8 = 13;
const SIGNATURE_CHARS: usize = 86;
const HALF_CHARS: usize = 43;
