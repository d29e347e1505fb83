//! Order id and challenge in private templates of ours.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::Payload;
use super::error::{EmvError, Path};
use super::object::{Object, Template, push_object};
use super::rules::forbidden_character;

/// What the payer's client has to answer: which order, and which challenge (spec Q4).
///
/// On the wire it is an unreserved template with the unique identifier [`CHALLENGE_GUID`] and the
/// objects 01 order id, 02 challenge (base64url without padding), 03 challenge reference, 04
/// expiry (both decimal without leading zeros). If that is more than 99 characters, the order id
/// stands in a template of its own before it. When read, the objects may be spread over any
/// templates (26 to 51, 80 to 99) with our identifier, but none may be there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeTemplate {
    /// The id of the order or commodity, 1 to 64 characters.
    pub uid: String,
    /// The challenge.
    pub challenge: [u8; 16],
    /// Which of several open challenges of one commodity; not secret (spec Qd4).
    pub challenge_ref: Option<u32>,
    /// When the challenge ends, in seconds since the Unix epoch, up to [`EXPIRES_S_MAX`].
    pub expires_s: Option<u64>,
}

impl ChallengeTemplate {
    /// The template values, one or two.
    pub(super) fn values(&self) -> Result<Vec<String>, EmvError> {
        if !is_uid(&self.uid) {
            return Err(malformed(80, UID));
        }
        if self.expires_s.is_some_and(|expires_s| expires_s > EXPIRES_S_MAX) {
            return Err(malformed(80, EXPIRES));
        }
        let mut buffer = [0; CHALLENGE_CHARS];
        let challenge = Base64UrlUnpadded::encode(&self.challenge, &mut buffer)
            .map_err(|_| malformed(80, CHALLENGE))?;
        let mut rest = String::new();
        push(&mut rest, CHALLENGE, challenge)?;
        if let Some(challenge_ref) = self.challenge_ref {
            push(&mut rest, REFERENCE, &challenge_ref.to_string())?;
        }
        if let Some(expires_s) = self.expires_s {
            push(&mut rest, EXPIRES, &expires_s.to_string())?;
        }
        let mut first = String::new();
        push(&mut first, 0, CHALLENGE_GUID)?;
        let guid = first.clone();
        push(&mut first, UID, &self.uid)?;
        if first.chars().count() + rest.len() <= TEMPLATE_MAX_CHARS {
            first.push_str(&rest);
            Ok(Vec::from([first]))
        } else {
            Ok(Vec::from([first, guid + &rest]))
        }
    }

    pub(super) fn read(payload: &Payload<'_>) -> Result<Option<Self>, EmvError> {
        let private = PrivateObjects::of(payload)?;
        let found = [UID, CHALLENGE, REFERENCE, EXPIRES].map(|id| private.object(id));
        let [Some((_, uid)), Some((root, challenge)), reference, expires] = found else {
            return match found.into_iter().flatten().next() {
                Some((root, _)) => Err(malformed(root, CHALLENGE)),
                None => Ok(None),
            };
        };
        if !is_uid(uid) {
            return Err(malformed(root, UID));
        }
        let mut bytes = [0; 16];
        decode(challenge, &mut bytes).ok_or(malformed(root, CHALLENGE))?;
        let reference = reference
            .map(|(root, text)| {
                decimal(text)
                    .and_then(|number| u32::try_from(number).ok())
                    .ok_or(malformed(root, REFERENCE))
            })
            .transpose()?;
        let expires = expires
            .map(|(root, text)| {
                decimal(text)
                    .filter(|&expires_s| expires_s <= EXPIRES_S_MAX)
                    .ok_or(malformed(root, EXPIRES))
            })
            .transpose()?;
        Ok(Some(Self {
            uid: uid.to_string(),
            challenge: bytes,
            challenge_ref: reference,
            expires_s: expires,
        }))
    }
}

/// The objects of all templates that carry our identifier.
pub(super) struct PrivateObjects<'a> {
    /// By id: the root id of the template, and the value.
    found: [Option<(u8, &'a str)>; PRIVATE_IDS],
}

impl<'a> PrivateObjects<'a> {
    pub(super) fn of(payload: &'a Payload<'_>) -> Result<Self, EmvError> {
        let mut found = [None; PRIVATE_IDS];
        for object in payload.objects() {
            let Some(template) = private_template(object) else { continue };
            for inner in template.objects().filter(|inner| inner.id != 0) {
                // An object that we do not know could change the meaning of those that we do.
                let known = matches!(inner.id, UID..=EXPIRES | super::signature::ISSUER..=super::signature::SECOND_HALF);
                match found.get_mut(usize::from(inner.id)) {
                    Some(slot @ None) if known => *slot = Some((object.id, inner.value)),
                    _ => return Err(malformed(object.id, inner.id)),
                }
            }
        }
        Ok(Self { found })
    }

    pub(super) fn object(&self, id: u8) -> Option<(u8, &'a str)> {
        self.found.get(usize::from(id)).copied().flatten()
    }
}

/// The template in `object`, if it carries our identifier.
pub(super) fn private_template(object: Object<'_>) -> Option<Template<'_>> {
    // Our identifier stands first when we wrote it, but others may have moved it.
    let ours = matches!(object.id, 26..=51 | 80..=99) && object.value.contains(CHALLENGE_GUID);
    let template = ours.then(|| Template::read(object.value))??;
    (template.guid() == Some(CHALLENGE_GUID)).then_some(template)
}

pub(super) const fn malformed(root: u8, id: u8) -> EmvError {
    EmvError::PrivateTemplate { path: Path::nested(root, id) }
}

/// Base64url of exactly `out.len()` bytes; refuses unused bits that are not zero.
pub(super) fn decode(text: &str, out: &mut [u8]) -> Option<()> {
    let wanted = out.len();
    Base64UrlUnpadded::decode(text, out).ok().filter(|bytes| bytes.len() == wanted).map(|_| ())
}

/// Appends an object of a private template.
pub(super) fn push(out: &mut String, id: u8, value: &str) -> Result<(), EmvError> {
    push_object(out, Path::nested(80, id), id, value)
}

/// Decimal digits without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok())?
}

fn is_uid(uid: &str) -> bool {
    !uid.is_empty() && uid.chars().count() <= UID_MAX_CHARS && forbidden_character(uid).is_none()
}

/// The unique identifier (00) of our private templates.
pub const CHALLENGE_GUID: &str = "org.interbank.qr";

/// The longest order id in this form, in characters.
pub const UID_MAX_CHARS: usize = 64;

/// The last expiry that this form can say, twelve digits.
pub const EXPIRES_S_MAX: u64 = 999_999_999_999;

const UID: u8 = 1;
const CHALLENGE: u8 = 2;
const REFERENCE: u8 = 3;
const EXPIRES: u8 = 4;
const PRIVATE_IDS: usize = 14;
const CHALLENGE_CHARS: usize = 22;
const TEMPLATE_MAX_CHARS: usize = 99;
