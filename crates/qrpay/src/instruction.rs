//! What the accounting system is asked, and what it answers: the content of outbox entries.

use crate::item::{read_uid, short, slice, stored};
use crate::{PaymentId, Uid};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Sink, Writer};
use port::{Amount, Currency, Tenant, WireError};
use seal::AccountRef;

/// An order to move money, sent until it is answered. The accounting system acts once for an idempotency key, however often
/// the entry arrives, and answers with a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Which way.
    pub kind: InstructionKind,
    /// At whose institution.
    pub tenant: Tenant,
    /// For which order or commodity.
    pub uid: Uid,
    /// For which payment.
    pub payment: PaymentId,
    /// Whose account: its token. The accounting system knows which account it stands for.
    pub account: AccountRef,
    /// Who gets (debit) or gives back (refund, reversal) the money.
    pub merchant: Uid,
    /// How much.
    pub amount: Amount,
    /// The merchant's refund id; empty unless this is a refund. At most 64 bytes.
    pub refund: Bytes,
}

impl Instruction {
    /// How long the wire form is.
    pub(crate) fn encoded_bytes(&self) -> usize {
        self.row().bytes()
    }

    /// Appends the wire form, specified in `docs/spec/qrpay.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.row().append(to);
    }

    fn row(&self) -> InstructionRow<'_> {
        InstructionRow {
            kind: self.kind,
            tenant: self.tenant,
            uid: self.uid.as_bytes(),
            payment: &self.payment,
            account: &self.account,
            merchant: self.merchant.as_bytes(),
            amount: self.amount,
            refund: &self.refund,
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let kind = InstructionKind::from_u8(reader.u8()?)?;
        let tenant = Tenant::new(reader.u64()?);
        let uid = read_uid(&mut reader, bytes)?;
        let payment = PaymentId(reader.array()?);
        let account = AccountRef::from_bytes(reader.array()?);
        let merchant = read_uid(&mut reader, bytes)?;
        let minor = reader.i64()?;
        let currency =
            Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)?;
        let refund = slice(bytes, reader.lp8()?);
        reader.finish()?;
        let amount = Amount::new(minor, currency);
        Ok(Self { kind, tenant, uid, payment, account, merchant, amount, refund })
    }
}

/// An [`Instruction`] whose texts are still in the rows that it is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstructionRow<'a> {
    pub(crate) kind: InstructionKind,
    pub(crate) tenant: Tenant,
    pub(crate) uid: &'a [u8],
    pub(crate) payment: &'a PaymentId,
    pub(crate) account: &'a AccountRef,
    pub(crate) merchant: &'a [u8],
    pub(crate) amount: Amount,
    pub(crate) refund: &'a [u8],
}

impl InstructionRow<'_> {
    /// How long the wire form is.
    pub(crate) const fn bytes(&self) -> usize {
        let texts = self.uid.len() + self.merchant.len() + self.refund.len();
        1 + 1 + 8 + 1 + 16 + 16 + 1 + 8 + 3 + 1 + texts
    }

    /// Appends the wire form, specified in `docs/spec/qrpay.md`.
    #[inline]
    pub(crate) fn append<T: Sink>(&self, to: &mut T) {
        let mut writer = Writer::new(to, 1);
        writer.u8(self.kind as u8).u64(self.tenant.as_u64());
        short(&mut writer, self.uid);
        writer.fixed(&self.payment.0).fixed(self.account.as_bytes());
        short(&mut writer, self.merchant);
        writer.i64(self.amount.minor()).fixed(&self.amount.currency().letters());
        short(&mut writer, self.refund);
    }
}

stored! {
    /// Which way money moves.
    InstructionKind {
        /// From the payer to the merchant.
        Debit = 1,
        /// Back to the payer, on the merchant's wish.
        Refund = 2,
        /// Back to the payer, since the debit came too late.
        Reversal = 3,
    }
}

/// The accounting system's answer to an [`Instruction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The money moved.
    Done,
    /// It did not and will not; with the accounting system's own code.
    Declined(u32),
}

impl Settlement {
    /// The wire form: version 1, 1 for done or 0 for declined, code (`u32`).
    pub fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(6);
        let (done, code) = match self {
            Self::Done => (1, 0),
            Self::Declined(code) => (0, code),
        };
        Writer::new(&mut bytes, 1).u8(done).u32(code);
        bytes.into()
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let settlement = match (reader.u8()?, reader.u32()?) {
            (1, 0) => Self::Done,
            (0, code) => Self::Declined(code),
            _ => return Err(WireError::Invalid),
        };
        reader.finish()?;
        Ok(settlement)
    }
}
