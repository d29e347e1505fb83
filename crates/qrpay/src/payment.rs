//! Payments and refunds as they are stored, and the outcome that an identical retry gets back.

use crate::item::{PriceRow, price, read_price, read_uid, short, slice, stored};
use crate::{Challenge, Error, Price, Reply, Uid};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::wire::{Reader, Sink, Writer};
use port::{Amount, Time, WireError};
use seal::AccountRef;
use sha2::{Digest as _, Sha256};

/// Names a payment: the first half of the hash of identifier, challenge and account, which is also the debit's idempotency
/// key (spec: check order, step 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(pub [u8; 16]);

impl PaymentId {
    /// The debit's idempotency key; its first half is the payment's id.
    pub(crate) fn derive(uid: &Uid, challenge: &Challenge, account: &AccountRef) -> [u8; 32] {
        let uid = uid.as_bytes();
        let len = u8::try_from(uid.len()).unwrap_or(u8::MAX);
        // In one piece: the hash takes longer over five.
        let mut hashed = [0; DOMAIN.len() + 1 + Uid::BYTES_MAX + 16 + 16];
        let mut end = 0;
        for part in [DOMAIN, &[len], uid, &challenge.0, account.as_bytes()] {
            // An identifier is no longer than its maximum.
            let Some(room) = hashed.get_mut(end..end + part.len()) else { break };
            room.copy_from_slice(part);
            end += part.len();
        }
        Sha256::digest(&hashed[..end]).into()
    }

    pub(crate) fn of(idempotency: &[u8; 32]) -> Self {
        Self(idempotency.first_chunk().copied().unwrap_or_default())
    }

    /// Reads 32 hexadecimal digits, as `Display` prints them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentId({self})")
    }
}

/// One payment: the row that refunds, confirmations and reports rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Where it stands.
    pub state: PaymentState,
    /// Who paid: the token of the account.
    pub account: AccountRef,
    /// How much, to whom.
    pub price: Price,
    /// Whose item it was.
    pub merchant: Uid,
    /// Which challenge was answered.
    pub challenge_ref: u32,
    /// When the reply was accepted.
    pub accepted: Time,
    /// When it lapses if the accounting system has not answered.
    pub settle_by: Time,
    /// Minor units refunded or owed as refunds.
    pub refunded_minor: i64,
    /// The accounting system's code where it declined, 0 otherwise. With [`PaymentState::Reversing`]: it declined the
    /// reversal, nothing is owed any more, and an operator has to give the money back.
    pub cause: u32,
}

impl Payment {
    /// What can still be refunded.
    pub fn refundable(&self) -> Amount {
        let minor = match self.state {
            PaymentState::Paid => self.price.amount.minor().saturating_sub(self.refunded_minor),
            _ => 0,
        };
        Amount::new(minor, self.price.amount.currency())
    }

    pub(crate) fn encode(&self) -> Bytes {
        let row = PaymentRow {
            state: self.state,
            account: &self.account,
            price: (&self.price).into(),
            merchant: self.merchant.as_bytes(),
            challenge_ref: self.challenge_ref,
            accepted: self.accepted,
            settle_by: self.settle_by,
            refunded_minor: self.refunded_minor,
            cause: self.cause,
        };
        let size = row.bytes();
        let mut bytes = Vec::with_capacity(size);
        row.append(&mut bytes);
        debug_assert_eq!(bytes.len(), size, "a row is one allocation");
        bytes.into()
    }

    /// Reads the stored form, specified in `docs/spec/qrpay.md`.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn parse(bytes: &Bytes) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::Corrupt)
    }

    fn read(bytes: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let state = PaymentState::from_u8(reader.u8()?)?;
        let account = AccountRef::from_bytes(reader.array()?);
        let price = read_price(&mut reader, bytes)?;
        let merchant = read_uid(&mut reader, bytes)?;
        let challenge_ref = reader.u32()?;
        let accepted = Time::from_ms(reader.u64()?);
        let settle_by = Time::from_ms(reader.u64()?);
        let refunded_minor = reader.i64()?;
        let cause = reader.u32()?;
        reader.finish()?;
        Ok(Self {
            state,
            account,
            price,
            merchant,
            challenge_ref,
            accepted,
            settle_by,
            refunded_minor,
            cause,
        })
    }
}

/// A [`Payment`] whose texts are still in the rows that it is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaymentRow<'a> {
    pub(crate) state: PaymentState,
    pub(crate) account: &'a AccountRef,
    pub(crate) price: PriceRow<'a>,
    pub(crate) merchant: &'a [u8],
    pub(crate) challenge_ref: u32,
    pub(crate) accepted: Time,
    pub(crate) settle_by: Time,
    pub(crate) refunded_minor: i64,
    pub(crate) cause: u32,
}

impl PaymentRow<'_> {
    /// How long the stored form is.
    pub(crate) const fn bytes(&self) -> usize {
        1 + 1 + 16 + self.price.bytes() + 1 + self.merchant.len() + 4 + 8 + 8 + 8 + 4
    }

    /// Appends the stored form; see `docs/spec/qrpay.md`.
    #[inline]
    pub(crate) fn append<T: Sink>(&self, to: &mut T) {
        let mut writer = Writer::new(to, 1);
        writer.u8(self.state as u8).fixed(self.account.as_bytes());
        price(&mut writer, self.price);
        short(&mut writer, self.merchant);
        writer
            .u32(self.challenge_ref)
            .u64(self.accepted.as_ms())
            .u64(self.settle_by.as_ms())
            .i64(self.refunded_minor)
            .u32(self.cause);
    }
}

stored! {
    /// Where a payment stands.
    PaymentState {
        /// The reply was right, the debit is owed to the accounting system.
        Accepted = 1,
        /// The debit was confirmed.
        Paid = 2,
        /// The accounting system declined; an order is open again.
        Declined = 3,
        /// No answer came in time; the debit may still come.
        Lapsed = 4,
        /// The debit came after all, and its reversal is owed.
        Reversing = 5,
        /// The reversal was confirmed.
        Reversed = 6,
        /// The reversal was declined: the payer's money is with the merchant, and a person has to look.
        Unreversed = 7,
    }
}

/// One refund: the row under its payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Where it stands.
    pub state: RefundState,
    /// How much.
    pub amount: Amount,
    /// When it was granted.
    pub granted: Time,
}

impl Refund {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(32);
        Writer::new(&mut bytes, 1)
            .u8(self.state as u8)
            .i64(self.amount.minor())
            .fixed(&self.amount.currency().letters())
            .u64(self.granted.as_ms());
        bytes.into()
    }

    /// Reads the stored form, specified in `docs/spec/qrpay.md`.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::Corrupt)
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let state = RefundState::from_u8(reader.u8()?)?;
        let minor = reader.i64()?;
        let currency =
            port::Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)?;
        let granted = Time::from_ms(reader.u64()?);
        reader.finish()?;
        Ok(Self { state, amount: Amount::new(minor, currency), granted })
    }
}

stored! {
    /// Where a refund stands.
    RefundState {
        /// The credit is owed to the accounting system.
        Owed = 1,
        /// The credit was confirmed.
        Done = 2,
        /// The accounting system declined; the amount can be refunded again.
        Declined = 3,
    }
}

/// What an identical retry of a request gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) account: AccountRef,
    pub(crate) payment: PaymentId,
    pub(crate) price: Price,
    pub(crate) accepted: Time,
    pub(crate) reply: Reply,
}

/// An [`Outcome`] whose parts are still where they come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutcomeRow<'a> {
    pub(crate) account: &'a AccountRef,
    pub(crate) payment: &'a PaymentId,
    pub(crate) price: PriceRow<'a>,
    pub(crate) accepted: Time,
    pub(crate) reply: &'a Reply,
}

impl OutcomeRow<'_> {
    /// How long the stored form is.
    pub(crate) fn bytes(&self) -> usize {
        1 + 16 + 16 + self.price.bytes() + 8 + 1 + 1 + self.reply.as_bytes().len()
    }

    /// Appends the stored form; see `docs/spec/qrpay.md`.
    #[inline]
    pub(crate) fn append<T: Sink>(&self, to: &mut T) {
        let mut writer = Writer::new(to, 1);
        writer.fixed(self.account.as_bytes()).fixed(&self.payment.0);
        price(&mut writer, self.price);
        writer.u64(self.accepted.as_ms()).u8(self.reply.kind());
        short(&mut writer, self.reply.as_bytes());
    }
}

impl Outcome {
    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::Corrupt)
    }

    fn read(bytes: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let account = AccountRef::from_bytes(reader.array()?);
        let payment = PaymentId(reader.array()?);
        let price = read_price(&mut reader, bytes)?;
        let accepted = Time::from_ms(reader.u64()?);
        let kind = reader.u8()?;
        let reply = Reply::from_parts(kind, reader.lp8()?).ok_or(WireError::Invalid)?;
        reader.finish()?;
        Ok(Self { account, payment, price, accepted, reply })
    }
}

/// What a merchant's idempotency key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MerchantKey {
    /// First half of the SHA-256 of the request's body.
    pub(crate) body: [u8; 16],
    pub(crate) uid: Uid,
    pub(crate) challenge: Challenge,
    pub(crate) expires_s: u64,
    pub(crate) issued: Time,
}

impl MerchantKey {
    pub(crate) fn encode(&self) -> Bytes {
        let size = 1 + 16 + 16 + 8 + 8 + 1 + self.uid.as_bytes().len();
        let mut bytes = Vec::with_capacity(size);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.fixed(&self.body).fixed(&self.challenge.0).u64(self.expires_s);
        writer.u64(self.issued.as_ms());
        short(&mut writer, self.uid.as_bytes());
        debug_assert_eq!(bytes.len(), size, "a row is one allocation");
        bytes.into()
    }

    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, Error> {
        Self::read(bytes).map_err(Error::Corrupt)
    }

    fn read(bytes: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let body = reader.array()?;
        let challenge = Challenge(reader.array()?);
        let expires_s = reader.u64()?;
        let issued = Time::from_ms(reader.u64()?);
        let uid = Uid::new(slice(bytes, reader.lp8()?)).map_err(|_| WireError::Invalid)?;
        reader.finish()?;
        Ok(Self { body, uid, challenge, expires_s, issued })
    }
}

/// Before what a debit's idempotency key is hashed over.
const DOMAIN: &[u8] = b"interbank/qrpay/debit/v1\0";
