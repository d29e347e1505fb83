//! The payer's client: reads a code, shows what it says, answers.

use crate::code_emv::verify_emv;
use crate::emv::Payload;
use crate::{Code, CodeError, Misuse, PaymentRequest, Reply, ReplyKey, Transcript, Untrusted};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::Time;
use seal::{Account, TrustList};
use zeroize::Zeroizing;

/// The client's side of the described system: it gets identifier and challenge from the decoded symbol alone, with no call
/// to the server, and sends one message.
///
/// The relay attack (spec Qd11): an attacker may show the payer a genuine code of another order. The defence is that payee
/// and amount are signed, and that the payer sees them before the reply is computed: show [`Scanned::code`]'s terms.
#[derive(Debug)]
pub struct PaymentClient {
    account: Account,
    trust: TrustList,
    unsigned: bool,
}

impl PaymentClient {
    /// A client that answers only codes whose issuer it trusts.
    pub const fn new(account: Account, trust: TrustList) -> Self {
        Self { account, trust, unsigned: false }
    }

    /// Also answers codes that nobody vouches for: the base profile of the described system, whose payer sees neither payee
    /// nor amount. Only for closed systems.
    #[must_use]
    pub const fn with_unsigned(mut self) -> Self {
        self.unsigned = true;
        self
    }

    /// Reads the text of a symbol, in the compact or the EMVCo form, and checks who vouches for it.
    ///
    /// # Errors
    /// [`ReadError`] says whether the text is no code or not to be trusted. Expiry is the server's business: the client's
    /// clock decides only about the validity of issuer keys.
    pub fn read(&self, now: Time, text: &str) -> Result<Scanned, ReadError> {
        let (code, vouched) = if text.starts_with("00") {
            let payload = Payload::parse(text).map_err(CodeError::Emv).map_err(ReadError::Code)?;
            let code = Code::from_emv(&payload).map_err(ReadError::Code)?;
            let vouched = verify_emv(&payload, &self.trust, now)
                .map_err(CodeError::Emv)
                .map_err(ReadError::Code)?;
            (code, vouched.map(String::from))
        } else {
            let code = Code::parse(text).map_err(ReadError::Code)?;
            let issuer = code.signature.as_ref().map(|by| String::from(by.issuer()));
            let vouched = code.verify(&self.trust, now).map(|()| issuer.unwrap_or_default());
            (code, vouched)
        };
        match vouched {
            Ok(issuer) => Ok(Scanned { code, issuer: Some(issuer) }),
            Err(Untrusted::Unsigned) if self.unsigned => Ok(Scanned { code, issuer: None }),
            Err(why) => Err(ReadError::Untrusted(why)),
        }
    }

    /// What a reply is computed over: for secure elements that sign by themselves.
    pub fn transcript(&self, scanned: &Scanned) -> Zeroizing<Vec<u8>> {
        let Code { uid, challenge, terms, .. } = &scanned.code;
        Transcript { uid: uid.as_bytes(), challenge, account: &self.account, terms }.to_bytes()
    }

    /// Answers with a key in software, after the payer approved what was shown.
    ///
    /// # Errors
    /// [`Misuse::Policy`] if the key's digits are out of range.
    pub fn answer(&self, scanned: &Scanned, key: &ReplyKey) -> Result<PaymentRequest, Misuse> {
        Ok(self.request(scanned, key.reply(&self.transcript(scanned))?))
    }

    /// The one message, around a reply that was computed elsewhere.
    pub fn request(&self, scanned: &Scanned, reply: Reply) -> PaymentRequest {
        PaymentRequest {
            account: self.account.clone(),
            uid: scanned.code.uid.clone(),
            reply,
            challenge_ref: scanned.code.challenge_ref,
        }
    }
}

/// A code that was read and may be answered once the payer approves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    code: Code,
    issuer: Option<String>,
}

impl Scanned {
    /// What it says: show payee and amount before answering.
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// Who vouches for it; `None` for an unsigned code that the client was told to accept.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }
}

/// Why a scanned text is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no code of ours, or damaged.
    Code(CodeError),
    /// Nobody trusted vouches for it.
    Untrusted(Untrusted),
}

impl ReadError {
    /// Stable number: the one of the cause.
    pub const fn code(self) -> u32 {
        match self {
            Self::Code(why) => why.code(),
            Self::Untrusted(why) => why.code(),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(why) => why.fmt(f),
            Self::Untrusted(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for ReadError {}
