//! What a terminal asks for, as the switch and the stand-in module see it.

mod account;
mod error;
mod evidence;
mod key;
mod words;

pub use account::{AccountInfo, Bin, CheckDigit};
pub use error::RequestError;
pub use evidence::{Evidence, Evidences, MessageMac};
pub use key::RequestKey;
pub use words::{Capabilities, Channel, Country, EntryMode, Expiry, Kind, Mcc, NetworkFunction};

use crate::{Class, InstitutionId, Mti, Text};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, Time, WireError};

/// A message that asks for something: about an account, or about the link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network request is rare; a box for each transaction is not worth it"
)]
pub enum Request {
    /// About the link: sign on, sign off, echo (0800).
    Network(NetworkRequest),
    /// About an account.
    Transaction(TransactionRequest),
}

/// A request of network management (0800).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Message type.
    pub mti: Mti,
    /// Its number at its sender.
    pub key: RequestKey,
    /// What about.
    pub function: NetworkFunction,
}

/// One transaction request. It always says account, institution, initiator and amount (spec S8): only
/// [`TransactionRequest::new`] makes one, from a draft that has them.
///
/// The account number is not in it, only its token; PIN block, card verification number and cryptogram are opaque, in
/// memory only, and in no stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionRequest {
    /// Who keeps the account.
    pub institution: InstitutionId,
    /// Who sent the request: the acquirer.
    pub initiator: InstitutionId,
    /// Whose money.
    pub account: AccountInfo,
    /// How much, in the currency of the transaction; not negative, and positive unless [`Kind::Inquiry`].
    pub amount: Amount,
    /// How much in the currency of the account, if the network converted it (field 6).
    pub billing: Option<Amount>,
    /// What for.
    pub kind: Kind,
    /// Message type.
    pub mti: Mti,
    /// What makes it one of its kind: repeats carry the same.
    pub key: RequestKey,
    /// Field 37.
    pub retrieval_ref: Option<Text<12>>,
    /// Field 42: the merchant.
    pub merchant: Option<Text<15>>,
    /// Where it comes from.
    pub channel: Channel,
    /// How the card was read.
    pub entry: EntryMode,
    /// Field 18.
    pub mcc: Option<Mcc>,
    /// Field 19: where the merchant is.
    pub country: Option<Country>,
    /// Field 14.
    pub expiry: Option<Expiry>,
    /// What the terminal can do.
    pub capabilities: Capabilities,
    /// The request that this one completes or reverses; always there for [`Kind::Completion`] and [`Kind::Reversal`].
    pub original: Option<RequestKey>,
    /// Where a [`Kind::Transfer`] goes; always there for one.
    pub to: Option<AccountInfo>,
    /// A risk score of the transaction in basis points, 0 (harmless) to 10,000, if somebody computed one.
    pub risk_bp: Option<u16>,
    /// PIN block, card verification number and cryptogram, as far as they came.
    pub evidence: Evidences,
    /// The message's authentication code and what it is over.
    pub mac: Option<MessageMac>,
}

impl TransactionRequest {
    /// Checks a draft.
    ///
    /// # Errors
    /// [`RequestError`]: a field is missing, or fields contradict each other. The answer to such a message is
    /// [`RequestError::response_code`].
    pub fn new(draft: RequestDraft) -> Result<Self, RequestError> {
        let institution = draft.institution.ok_or(RequestError::NoInstitution)?;
        let initiator = draft.initiator.ok_or(RequestError::NoInitiator)?;
        let account = draft.account.ok_or(RequestError::NoAccount)?;
        let amount = draft.amount.ok_or(RequestError::NoAmount)?;
        let kind = draft.kind.ok_or(RequestError::NoKind)?;
        let mti = draft.mti.ok_or(RequestError::Mti)?;
        let key = RequestKey::new(
            mti.class(),
            initiator,
            draft.trace.ok_or(RequestError::NoKey)?,
            draft.sent_at.ok_or(RequestError::NoKey)?,
            draft.terminal.ok_or(RequestError::NoKey)?,
        )
        .ok_or(RequestError::NoKey)?;
        let request = Self {
            institution,
            initiator,
            account,
            amount,
            billing: draft.billing,
            kind,
            mti,
            key,
            retrieval_ref: draft.retrieval_ref,
            merchant: draft.merchant,
            channel: draft.channel.unwrap_or(Channel::Other),
            entry: draft.entry.unwrap_or(EntryMode::Unknown),
            mcc: draft.mcc,
            country: draft.country,
            expiry: draft.expiry,
            capabilities: draft.capabilities,
            original: draft.original,
            to: draft.to,
            risk_bp: draft.risk_bp,
            evidence: draft.evidence,
            mac: draft.mac,
        };
        request.check()?;
        Ok(request)
    }

    /// Whether its fields still fit together, after a caller changed some.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn check(&self) -> Result<(), RequestError> {
        let class_fits = match self.mti.class() {
            Class::Authorization | Class::Financial => self.kind != Kind::Reversal,
            Class::Reversal => self.kind == Kind::Reversal,
            Class::Network => false,
        };
        if !class_fits || self.mti.response().is_none() || self.key.class() != self.mti.class() {
            return Err(RequestError::Mti);
        }
        let enough = |amount: Amount| {
            let least = i64::from(self.kind != Kind::Inquiry);
            amount.minor() >= least && amount.currency() != Currency::NONE
        };
        if !enough(self.amount) || !self.billing.is_none_or(enough) {
            return Err(RequestError::BadAmount);
        }
        if matches!(self.kind, Kind::Completion | Kind::Reversal) && self.original.is_none() {
            return Err(RequestError::NoOriginal);
        }
        if self.original == Some(self.key) || self.key.initiator() != self.initiator {
            return Err(RequestError::NoKey);
        }
        if (self.kind == Kind::Transfer) != self.to.is_some() {
            return Err(RequestError::NoDestination);
        }
        if self.risk_bp.is_some_and(|risk| risk > 10_000) {
            return Err(RequestError::Risk);
        }
        Ok(())
    }

    /// The amount in the currency of the account: what limits and balances are about.
    pub fn billed(&self) -> Amount {
        self.billing.unwrap_or(self.amount)
    }

    /// Whether the other request asks for the same: everything but repeat marking, evidence, authentication code, score and
    /// references for display. A repeat must (spec Sd11).
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.key == other.key
            && self.institution == other.institution
            && self.account.token == other.account.token
            && self.amount == other.amount
            && self.kind == other.kind
            && self.original == other.original
            && self.to.as_ref().map(|to| to.token) == other.to.as_ref().map(|to| to.token)
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`. Evidence and authentication code are left out.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let there = [
            self.billing.is_some(),
            self.retrieval_ref.is_some(),
            self.merchant.is_some(),
            self.mcc.is_some(),
            self.country.is_some(),
            self.expiry.is_some(),
            self.original.is_some(),
            self.to.is_some(),
            self.risk_bp.is_some(),
        ];
        let flags = there.iter().rev().fold(0_u16, |flags, there| flags << 1 | u16::from(*there));
        let mut writer = Writer::new(to, 1);
        writer.u16(flags).u64(self.institution.as_u64());
        self.key.write(&mut writer)?;
        self.account.write(&mut writer)?;
        write_amount(&mut writer, self.amount);
        writer
            .u8(self.kind.as_u8())
            .fixed(&self.mti.digits())
            .u8(self.channel.as_u8())
            .u8(self.entry.as_u8())
            .u8(self.capabilities.as_u8());
        if let Some(billing) = self.billing {
            write_amount(&mut writer, billing);
        }
        if let Some(reference) = self.retrieval_ref {
            writer.lp8(reference.as_bytes())?;
        }
        if let Some(merchant) = self.merchant {
            writer.lp8(merchant.as_bytes())?;
        }
        if let Some(mcc) = self.mcc {
            writer.u16(mcc.as_u16());
        }
        if let Some(country) = self.country {
            writer.u16(country.as_u16());
        }
        if let Some(expiry) = self.expiry {
            writer.u16(expiry.as_yymm());
        }
        if let Some(original) = self.original {
            original.write(&mut writer)?;
        }
        if let Some(account) = &self.to {
            account.write(&mut writer)?;
        }
        if let Some(risk) = self.risk_bp {
            writer.u16(risk);
        }
        Ok(())
    }

    /// Reads the stored form. What is not in it is missing.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let request = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(request)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        reader.version(1)?;
        let flags = reader.u16()?;
        if flags >> 9 != 0 {
            return Err(bad);
        }
        let there = |bit: u16| flags >> bit & 1 == 1;
        let institution = InstitutionId::new(reader.u64()?).ok_or(bad)?;
        let key = RequestKey::read(reader)?;
        let account = AccountInfo::read(reader)?;
        let amount = read_amount(reader)?;
        let kind = Kind::from_u8(reader.u8()?).ok_or(bad)?;
        let mti = Mti::parse(reader.fixed(4)?).map_err(|_| bad)?;
        let channel = Channel::from_u8(reader.u8()?).ok_or(bad)?;
        let entry = EntryMode::from_u8(reader.u8()?).ok_or(bad)?;
        let capabilities = Capabilities::from_u8(reader.u8()?).ok_or(bad)?;
        let request = Self {
            institution,
            initiator: key.initiator(),
            account,
            amount,
            kind,
            mti,
            key,
            channel,
            entry,
            capabilities,
            billing: there(0).then(|| read_amount(reader)).transpose()?,
            retrieval_ref: there(1).then(|| read_text(reader)).transpose()?,
            merchant: there(2).then(|| read_text(reader)).transpose()?,
            mcc: there(3).then(|| Mcc::new(reader.u16()?).ok_or(bad)).transpose()?,
            country: there(4).then(|| Country::new(reader.u16()?).ok_or(bad)).transpose()?,
            expiry: there(5).then(|| Expiry::from_yymm(reader.u16()?).ok_or(bad)).transpose()?,
            original: there(6).then(|| RequestKey::read(reader)).transpose()?,
            to: there(7).then(|| AccountInfo::read(reader)).transpose()?,
            risk_bp: there(8).then(|| reader.u16()).transpose()?,
            evidence: Evidences::default(),
            mac: None,
        };
        request.check().map_err(|_| bad)?;
        Ok(request)
    }
}

/// A transaction request while it is put together, by whoever reads messages. Fields that are `None` were not in the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDraft {
    /// See [`TransactionRequest::institution`].
    pub institution: Option<InstitutionId>,
    /// See [`TransactionRequest::initiator`].
    pub initiator: Option<InstitutionId>,
    /// See [`TransactionRequest::account`].
    pub account: Option<AccountInfo>,
    /// See [`TransactionRequest::amount`].
    pub amount: Option<Amount>,
    /// See [`TransactionRequest::billing`].
    pub billing: Option<Amount>,
    /// See [`TransactionRequest::kind`].
    pub kind: Option<Kind>,
    /// See [`TransactionRequest::mti`].
    pub mti: Option<Mti>,
    /// Field 11, up to twelve digits.
    pub trace: Option<u64>,
    /// Field 7, with its year.
    pub sent_at: Option<Time>,
    /// Field 41.
    pub terminal: Option<Text<16>>,
    /// See [`TransactionRequest::retrieval_ref`].
    pub retrieval_ref: Option<Text<12>>,
    /// See [`TransactionRequest::merchant`].
    pub merchant: Option<Text<15>>,
    /// See [`TransactionRequest::channel`].
    pub channel: Option<Channel>,
    /// See [`TransactionRequest::entry`].
    pub entry: Option<EntryMode>,
    /// See [`TransactionRequest::mcc`].
    pub mcc: Option<Mcc>,
    /// See [`TransactionRequest::country`].
    pub country: Option<Country>,
    /// See [`TransactionRequest::expiry`].
    pub expiry: Option<Expiry>,
    /// See [`TransactionRequest::capabilities`].
    pub capabilities: Capabilities,
    /// See [`TransactionRequest::original`].
    pub original: Option<RequestKey>,
    /// See [`TransactionRequest::to`].
    pub to: Option<AccountInfo>,
    /// See [`TransactionRequest::risk_bp`].
    pub risk_bp: Option<u16>,
    /// See [`TransactionRequest::evidence`].
    pub evidence: Evidences,
    /// See [`TransactionRequest::mac`].
    pub mac: Option<MessageMac>,
}

impl From<TransactionRequest> for RequestDraft {
    /// The draft that makes this request again: for whoever reads messages into requests, and hands them to a switch.
    fn from(request: TransactionRequest) -> Self {
        Self {
            institution: Some(request.institution),
            initiator: Some(request.initiator),
            account: Some(request.account),
            amount: Some(request.amount),
            billing: request.billing,
            kind: Some(request.kind),
            mti: Some(request.mti),
            trace: Some(request.key.trace()),
            sent_at: Some(request.key.sent_at()),
            terminal: Some(*request.key.terminal()),
            retrieval_ref: request.retrieval_ref,
            merchant: request.merchant,
            channel: Some(request.channel),
            entry: Some(request.entry),
            mcc: request.mcc,
            country: request.country,
            expiry: request.expiry,
            capabilities: request.capabilities,
            original: request.original,
            to: request.to,
            risk_bp: request.risk_bp,
            evidence: request.evidence,
            mac: request.mac,
        }
    }
}

pub(crate) fn write_amount(writer: &mut Writer<'_>, amount: Amount) {
    writer.i64(amount.minor()).fixed(&amount.currency().letters());
}

pub(crate) fn read_amount(reader: &mut Reader<'_>) -> Result<Amount, WireError> {
    let minor = reader.i64()?;
    let currency = Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)?;
    Ok(Amount::new(minor, currency))
}

pub(crate) fn read_text<const N: usize>(reader: &mut Reader<'_>) -> Result<Text<N>, WireError> {
    Text::from_bytes(reader.lp8()?).map_err(|_| WireError::Invalid)
}
