//! How a reply is computed and checked: HMAC, OCRA, Ed25519, or a password.

use crate::ocra::{self, DataInput, OcraError, Suite};
use crate::{Misuse, Reply, TypedCode};
use alloc::string::String;
use bytes::Bytes;
use core::fmt;
use core::fmt::Write as _;
use port::{KeyAnswer, KeyQuestion, KeyRef, MacAlgorithm};
use seal::{PreparedMac, Secret, SigningKey, VerifyingKey, in_domain};
use sha2::{Digest as _, Sha256};

/// How the server checks a reply: what it asks the key holder, and whether the reply is right given the answer.
///
/// A scheme never sees a raw key: what needs one is a question. Public-key signatures are checked here.
pub trait ReplyScheme {
    /// What the key holder has to compute over the transcript; `None` if nothing.
    fn question(&self, transcript: &Bytes) -> Option<KeyQuestion>;

    /// Whether the reply is right; compared in constant time. `answer` is the answer to [`ReplyScheme::question`].
    fn accepts(&self, transcript: &[u8], reply: &Reply, answer: Option<&KeyAnswer>) -> bool;
}

/// HMAC-SHA-256 over the transcript: whole (32 bytes) when a machine sends it, or truncated to digits as in HOTP (RFC 4226
/// §5.3) when a person types it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacReply {
    /// The use-key at its holder.
    pub key: KeyRef,
    /// How many digits a typed reply has (6 to 10); 0 if typed replies are not taken.
    pub typed_digits: u8,
}

impl ReplyScheme for HmacReply {
    fn question(&self, transcript: &Bytes) -> Option<KeyQuestion> {
        Some(KeyQuestion::Mac {
            key: self.key.clone(),
            algorithm: MacAlgorithm::HmacSha256,
            message: transcript.clone(),
        })
    }

    fn accepts(&self, _: &[u8], reply: &Reply, answer: Option<&KeyAnswer>) -> bool {
        Self::is_right(self.typed_digits, reply, answer)
    }
}

impl HmacReply {
    /// [`ReplyScheme::accepts`] without the key, which it does not need.
    pub(crate) fn is_right(typed_digits: u8, reply: &Reply, answer: Option<&KeyAnswer>) -> bool {
        let Some(KeyAnswer::Mac(tag)) = answer else { return false };
        match reply {
            Reply::Mac(mac) => seal::equal(tag.as_bytes(), mac),
            Reply::Typed(code) if code.as_bytes().len() == usize::from(typed_digits) => {
                ocra::hotp_truncate(tag.as_bytes(), typed_digits)
                    .is_ok_and(|right| seal::equal(right.as_str().as_bytes(), code.as_bytes()))
            }
            Reply::Signature(_) | Reply::Typed(_) => false,
        }
    }
}

/// OCRA (RFC 6287) in signature mode: the question is the SHA-256 of the transcript, in hexadecimal.
///
/// For devices that know OCRA. The suite's question must be hexadecimal of 64 digits (`QH64`), and the suite must not ask
/// for a counter, a session, a PIN or a time: expiry and single use are the challenge's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcraReply {
    /// The suite, such as `OCRA-1:HOTP-SHA256-8:QH64`.
    suite: Suite,
    /// The use-key at its holder.
    key: KeyRef,
}

impl OcraReply {
    /// Checks that the suite fits.
    ///
    /// # Errors
    /// [`Misuse::Policy`] for a suite that asks for more, or gives fewer than 6 or more than 10 digits.
    pub fn new(suite: Suite, key: KeyRef) -> Result<Self, Misuse> {
        check_suite(&suite)?;
        Ok(Self { suite, key })
    }

    /// The suite.
    pub const fn suite(&self) -> &Suite {
        &self.suite
    }

    /// The use-key at its holder.
    pub const fn key(&self) -> &KeyRef {
        &self.key
    }
}

impl ReplyScheme for OcraReply {
    fn question(&self, transcript: &Bytes) -> Option<KeyQuestion> {
        let message = ocra_message(&self.suite, transcript).ok()?;
        Some(KeyQuestion::Mac {
            key: self.key.clone(),
            algorithm: self.suite.hash().into(),
            message: Bytes::copy_from_slice(&message),
        })
    }

    fn accepts(&self, _: &[u8], reply: &Reply, answer: Option<&KeyAnswer>) -> bool {
        let (Some(KeyAnswer::Mac(tag)), Reply::Typed(code)) = (answer, reply) else { return false };
        ocra::truncate(tag.as_bytes(), self.suite.digits())
            .is_ok_and(|right| seal::equal(right.as_str().as_bytes(), code.as_bytes()))
    }
}

/// An Ed25519 signature over the transcript, made in a secure element; domain `interbank/qrpay/reply/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureReply {
    /// The public key, 32 bytes.
    pub public_key: [u8; 32],
}

impl ReplyScheme for SignatureReply {
    fn question(&self, _: &Bytes) -> Option<KeyQuestion> {
        None
    }

    fn accepts(&self, transcript: &[u8], reply: &Reply, _: Option<&KeyAnswer>) -> bool {
        let Reply::Signature(signature) = reply else { return false };
        VerifyingKey::from_bytes(&self.public_key)
            .is_ok_and(|key| key.verify(&in_domain(REPLY_DOMAIN, transcript), signature))
    }
}

/// What the server keeps of a device: how its replies are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// HMAC under a use-key.
    Hmac(HmacReply),
    /// OCRA under a use-key.
    Ocra(OcraReply),
    /// HMAC under a key that rests on a password alone: weak, for compatibility.
    Password(HmacReply),
    /// A key in a secure element.
    Signature(SignatureReply),
}

impl Credential {
    fn scheme(&self) -> &dyn ReplyScheme {
        match self {
            Self::Hmac(scheme) | Self::Password(scheme) => scheme,
            Self::Ocra(scheme) => scheme,
            Self::Signature(scheme) => scheme,
        }
    }
}

impl ReplyScheme for Credential {
    fn question(&self, transcript: &Bytes) -> Option<KeyQuestion> {
        self.scheme().question(transcript)
    }

    fn accepts(&self, transcript: &[u8], reply: &Reply, answer: Option<&KeyAnswer>) -> bool {
        self.scheme().accepts(transcript, reply, answer)
    }
}

/// What the client computes replies with, in software. A secure element signs [`crate::Transcript`] bytes by itself under the
/// domain `interbank/qrpay/reply/v1`.
pub enum ReplyKey {
    /// Answers with the whole MAC.
    Mac(PreparedMac),
    /// Answers with typed digits of the MAC.
    Typed(PreparedMac, u8),
    /// Answers with an OCRA code.
    Ocra(Suite, PreparedMac),
    /// Answers with a signature.
    Signature(SigningKey),
}

impl ReplyKey {
    /// For whole MACs under a use-key.
    pub fn mac(use_key: &Secret<32>) -> Self {
        Self::Mac(PreparedMac::new(MacAlgorithm::HmacSha256, use_key.expose()))
    }

    /// For typed replies of 6 to 10 digits under a use-key.
    pub fn typed(use_key: &Secret<32>, digits: u8) -> Self {
        Self::Typed(PreparedMac::new(MacAlgorithm::HmacSha256, use_key.expose()), digits)
    }

    /// For OCRA codes under a use-key.
    ///
    /// # Errors
    /// [`Misuse::Policy`] for a suite that does not fit ([`OcraReply::new`]).
    pub fn ocra(suite: Suite, use_key: &Secret<32>) -> Result<Self, Misuse> {
        check_suite(&suite)?;
        let mac = PreparedMac::new(suite.hash().into(), use_key.expose());
        Ok(Self::Ocra(suite, mac))
    }

    /// The reply over a transcript.
    ///
    /// # Errors
    /// [`Misuse::Policy`] for digits out of range.
    pub fn reply(&self, transcript: &[u8]) -> Result<Reply, Misuse> {
        match self {
            Self::Mac(mac) => {
                let tag = mac.tag(transcript);
                tag.as_bytes().try_into().map(Reply::Mac).map_err(|_| Misuse::Policy)
            }
            Self::Typed(mac, digits) => {
                let code = ocra::hotp_truncate(mac.tag(transcript).as_bytes(), *digits);
                typed(code)
            }
            Self::Ocra(suite, mac) => {
                let message = ocra_message(suite, transcript).map_err(|_| Misuse::Policy)?;
                typed(ocra::truncate(mac.tag(&message).as_bytes(), suite.digits()))
            }
            Self::Signature(key) => {
                Ok(Reply::Signature(key.sign(&in_domain(REPLY_DOMAIN, transcript))))
            }
        }
    }
}

impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mac(_) => "ReplyKey::Mac(..)",
            Self::Typed(..) => "ReplyKey::Typed(..)",
            Self::Ocra(..) => "ReplyKey::Ocra(..)",
            Self::Signature(_) => "ReplyKey::Signature(..)",
        })
    }
}

impl From<ocra::Hash> for MacAlgorithm {
    fn from(hash: ocra::Hash) -> Self {
        match hash {
            ocra::Hash::Sha1 => Self::HmacSha1,
            ocra::Hash::Sha256 => Self::HmacSha256,
            ocra::Hash::Sha512 => Self::HmacSha512,
        }
    }
}

fn typed(code: Result<ocra::Code, OcraError>) -> Result<Reply, Misuse> {
    let code = code.map_err(|_| Misuse::Policy)?;
    TypedCode::new(code.as_str().as_bytes()).map(Reply::Typed).map_err(|_| Misuse::Policy)
}

pub(crate) fn check_suite(suite: &Suite) -> Result<(), Misuse> {
    let plain = !suite.has_counter()
        && suite.pin().is_none()
        && suite.session_bytes().is_none()
        && suite.step().is_none();
    let question = suite.format() == ocra::Format::Hexadecimal && suite.question_chars() == 64;
    if plain && question && (6..=10).contains(&suite.digits()) {
        Ok(())
    } else {
        Err(Misuse::Policy)
    }
}

fn ocra_message(
    suite: &Suite,
    transcript: &[u8],
) -> Result<zeroize::Zeroizing<alloc::vec::Vec<u8>>, OcraError> {
    let mut question = String::with_capacity(64);
    for byte in Sha256::digest(transcript) {
        // Writing to a string cannot fail.
        let _ = write!(question, "{byte:02x}");
    }
    suite.message(&DataInput::new(question.as_str()))
}

const REPLY_DOMAIN: &str = "interbank/qrpay/reply/v1";
