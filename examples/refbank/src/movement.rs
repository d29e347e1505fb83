//! A movement of money, as the accounting system is asked for it or told of it.

use bytes::Bytes;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{Amount, Currency, WireError};
use interbank::qrpay::Uid;
use interbank::seal::AccountRef;
use interbank::standin::{Advice, Kind, Posting, RequestKey, TransactionRequest};

/// What is to be posted, and under which key: it is posted once, however often it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    /// Makes it one of its kind.
    pub(crate) key: RequestKey,
    /// Which way.
    pub(crate) way: Way,
    /// What it takes back, if it takes something back.
    pub(crate) original: Option<RequestKey>,
    /// The payer's account: its token.
    pub(crate) account: AccountRef,
    /// The merchant.
    pub(crate) merchant: Uid,
    /// How much.
    pub(crate) amount: Amount,
    /// The beginning of the order's number; may be empty.
    pub(crate) order: String,
    /// It has happened already: it is posted whatever the account holds.
    pub(crate) told: bool,
}

impl Movement {
    /// What a request asks for; `None` if this bank's accounts do no such thing.
    pub(crate) fn asked(request: &TransactionRequest) -> Option<Self> {
        let way = match request.kind {
            Kind::Purchase => Way::Debit,
            Kind::Refund => Way::Refund,
            // Only debits are reversed by who asked for them.
            Kind::Reversal => Way::DebitBack,
            _ => return None,
        };
        let merchant = request.merchant?;
        Some(Self {
            key: request.key,
            way,
            original: request.original,
            account: request.account.token,
            merchant: Uid::new(merchant.as_bytes().to_vec()).ok()?,
            amount: request.amount,
            order: request.retrieval_ref.map(|text| text.to_string()).unwrap_or_default(),
            told: false,
        })
    }

    /// What an advice tells; `None` as above.
    pub(crate) fn told(advice: &Advice) -> Option<Self> {
        let asked = Self::asked(&advice.request)?;
        let way = match (advice.posting, asked.way) {
            (Posting::Reversal, Way::Refund) => Way::RefundBack,
            (Posting::Reversal, _) => Way::DebitBack,
            (_, way) => way,
        };
        Some(Self {
            key: advice.key,
            way,
            original: advice.original,
            amount: advice.response.approved.unwrap_or(asked.amount),
            told: true,
            ..asked
        })
    }

    /// The amount as the payer's account sees it: positive where it is spent.
    pub(crate) fn signed(&self) -> Amount {
        let minor = self.amount.minor();
        let minor = if self.way.is_spending() { minor } else { minor.saturating_neg() };
        Amount::new(minor, self.amount.currency())
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(160);
        let mut writer = Writer::new(&mut bytes, 1);
        let original = self.original.map(|key| key.to_bytes()).unwrap_or_default();
        writer.u8(self.way as u8).u8(u8::from(self.told)).lp8(&self.key.to_bytes())?;
        writer.lp8(&original)?.fixed(self.account.as_bytes()).lp8(self.merchant.as_bytes())?;
        writer.i64(self.amount.minor()).fixed(&self.amount.currency().letters());
        writer.lp8(self.order.as_bytes())?;
        Ok(bytes.into())
    }

    /// Reads the stored form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let way = Way::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        let told = reader.u8()? == 1;
        let key = RequestKey::parse(reader.lp8()?)?;
        let original = match reader.lp8()? {
            [] => None,
            bytes => Some(RequestKey::parse(bytes)?),
        };
        let account = AccountRef::from_bytes(reader.array()?);
        let merchant = Uid::new(reader.lp8()?.to_vec()).map_err(|_| WireError::Invalid)?;
        let minor = reader.i64()?;
        let currency = Currency::from_letters(&reader.array::<3>()?);
        let amount = Amount::new(minor, currency.map_err(|_| WireError::Invalid)?);
        let order = Reader::text(reader.lp8()?)?.into();
        reader.finish()?;
        Ok(Self { key, way, original, account, merchant, amount, order, told })
    }
}

/// Which way money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the payer to the merchant.
    Debit = 1,
    /// Back to the payer, on the merchant's wish.
    Refund = 2,
    /// A debit is taken back.
    DebitBack = 3,
    /// A refund is taken back.
    RefundBack = 4,
}

impl Way {
    /// Whether the payer's account has less afterwards.
    pub(crate) const fn is_spending(self) -> bool {
        matches!(self, Self::Debit | Self::RefundBack)
    }

    /// Whether it takes something back.
    pub(crate) const fn is_reversal(self) -> bool {
        matches!(self, Self::DebitBack | Self::RefundBack)
    }

    /// For people.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Debit => "Debit",
            Self::Refund => "Refund",
            Self::DebitBack | Self::RefundBack => "Reversal",
        }
    }

    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Debit, Self::Refund, Self::DebitBack, Self::RefundBack]
            .into_iter()
            .find(|way| *way as u8 == byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{entry, instruction};
    use interbank::port::Time;
    use interbank::qrpay::InstructionKind;

    #[test]
    fn the_stored_form_comes_back() {
        for kind in [InstructionKind::Debit, InstructionKind::Refund, InstructionKind::Reversal] {
            let instruction = instruction(kind, 400);
            let request = crate::message::tests::request(
                &entry(1, &instruction),
                &instruction,
                Some(Time::from_s(1)),
            );
            let movement = Movement::asked(&request.unwrap()).unwrap();
            let bytes = movement.encode().unwrap();
            assert_eq!(Movement::parse(&bytes), Ok(movement.clone()));
            assert_eq!(movement.signed().minor() > 0, kind == InstructionKind::Debit);
            for short in 0..bytes.len() {
                assert!(Movement::parse(&bytes[..short]).is_err(), "{short}");
            }
        }
    }
}
