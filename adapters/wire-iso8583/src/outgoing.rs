//! From requests of the stand-in crate to messages: what a host is told later.

use crate::amounts::twelve_digits;
use crate::error::{Fault, FieldError};
use crate::times::digits;
use crate::{Class, Message, Mti, OriginalData, StoodIn, Usage};
use alloc::format;
use port::{Amount, Time};
use seal::Account;
use standin::{AccountInfo, Channel, EntryMode, Kind, RequestKey, Response, TransactionRequest};

/// A request on its way to the account's keeper: an advice of what was decided for it, or the request again.
///
/// What a request does not keep is not in the message: which kinds of account (field 3), the terminal's own time, private fields,
/// evidence, authentication code. Codes of which several mean the same (fields 22 and 25) are one of them.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    request: &'a TransactionRequest,
    mti: standin::Mti,
    response: Option<&'a Response>,
    answered: Option<Time>,
    whole: Option<Amount>,
}

impl<'a> Outgoing<'a> {
    /// The request as it came, or, with [`Outgoing::as_advice`], as told later.
    pub const fn new(request: &'a TransactionRequest) -> Self {
        Self { request, mti: request.mti, response: None, answered: None, whole: None }
    }

    /// As an advice of what was answered: fields 38 and 39, and in field 4 what was approved.
    #[must_use]
    pub const fn as_advice(mut self, response: &'a Response) -> Self {
        self.mti = self.request.mti.advice();
        self.response = Some(response);
        self
    }

    /// With the evidence that the stand-in module gave the answer, and when: in the field that the usage has for it.
    #[must_use]
    pub const fn answered_at(mut self, at: Time) -> Self {
        self.answered = Some(at);
        self
    }

    /// As sent before, perhaps: the type says so.
    #[must_use]
    pub const fn as_repeat(mut self) -> Self {
        self.mti = self.mti.repeat();
        self
    }

    /// Of a reversal: the amount of the request that it undoes. If that is more than is undone, field 4 has it, and field 95
    /// what remains, as the standard wants.
    #[must_use]
    pub const fn undoing(mut self, whole: Amount) -> Self {
        self.whole = Some(whole);
        self
    }

    /// The message. `numbers` gives an account's number, by token or handle: the only code that sees it. `None`: it cannot.
    ///
    /// # Errors
    /// [`Fault::Unroutable`] (field 2 or 103) for an account without a number; [`Fault::Meaning`] of a field that cannot say what
    /// the request says: a trace number of more than six digits, a terminal of more than eight characters, a kind that no rule
    /// has.
    pub fn message(
        &self,
        usage: &Usage,
        mut numbers: impl FnMut(&AccountInfo) -> Option<Account>,
    ) -> Result<Message, FieldError> {
        let request = self.request;
        let mti = Mti::from_digits(self.mti.digits()).ok_or(wrong(0))?;
        let mut message = Message::new(mti);
        self.put_account(&mut message, &mut numbers)?;
        self.put_amounts(&mut message)?;
        let condition = put_kind(&mut message, request.kind, usage)?;
        let trace = u32::try_from(request.key.trace()).map_err(|_| wrong(11))?;
        message.set_stan(trace)?.set_transmitted(request.key.sent_at())?;
        message.set_terminal(request.key.terminal().as_str())?;
        message.set(32, format!("{}", request.initiator))?;
        message.set(100, format!("{}", request.institution))?;
        if let Some(expiry) = request.expiry {
            message.set(14, format!("{:04}", expiry.as_yymm()))?;
        }
        if let Some(mcc) = request.mcc {
            message.set(18, format!("{:04}", mcc.as_u16()))?;
        }
        if let Some(country) = request.country {
            message.set(19, format!("{:03}", country.as_u16()))?;
        }
        if let Some(entry) = entry_code(request.entry) {
            message.set(22, format!("{entry:02}0"))?;
        }
        if let Some(code) = condition.or(condition_code(request.channel)) {
            message.set(25, format!("{code:02}"))?;
        }
        if let Some(reference) = request.retrieval_ref {
            message.set(37, format!("{:<12}", reference.as_str()))?;
        }
        if let Some(merchant) = request.merchant {
            message.set_merchant(merchant.as_str())?;
        }
        if let Some(original) = &request.original {
            message.set_original(&original_data(original)?)?;
        }
        if let Some(response) = self.response {
            message.set(39, response.code.as_bytes())?;
            if let Some(code) = &response.auth_code {
                message.set(38, code.as_bytes())?;
            }
            if let (Some(at), Some(field)) = (self.answered, usage.stand_in_field())
                && let Some(evidence) = StoodIn::of(response, at)
            {
                message.set(field, evidence.text().ok_or(wrong(field))?)?;
            }
        }
        Ok(message)
    }

    fn put_account(
        &self,
        message: &mut Message,
        numbers: &mut impl FnMut(&AccountInfo) -> Option<Account>,
    ) -> Result<(), FieldError> {
        let account = &self.request.account;
        let number = numbers(account).ok_or(FieldError::new(2, Fault::Unroutable))?;
        // A card number has an issuer's digits; anything else is an account.
        message.set(if account.bin.is_some() { 2 } else { 102 }, number.expose())?;
        if let Some(to) = &self.request.to {
            let number = numbers(to).ok_or(FieldError::new(103, Fault::Unroutable))?;
            message.set(103, number.expose())?;
        }
        Ok(())
    }

    fn put_amounts(&self, message: &mut Message) -> Result<(), FieldError> {
        let request = self.request;
        let approved = self.response.and_then(|response| response.approved);
        let amount = approved.filter(|_| request.kind != Kind::Reversal).unwrap_or(request.amount);
        match self.whole {
            Some(whole) if request.kind == Kind::Reversal && whole != amount => {
                let rest = whole.checked_sub(amount).map_err(|_| wrong(95))?;
                if !rest.is_positive() {
                    return Err(wrong(95));
                }
                message.set_amount(whole)?;
                let zeros = "000000000000C00000000C00000000";
                message.set(95, twelve_digits(95, rest.minor())? + zeros)?;
            }
            _ => {
                message.set_amount(amount)?;
            }
        }
        if let Some(billing) = request.billing {
            message.set_billing_amount(billing)?;
        }
        Ok(())
    }
}

/// Sets field 3, and gives the condition that makes it this kind, if the rule has one.
fn put_kind(message: &mut Message, kind: Kind, usage: &Usage) -> Result<Option<u8>, FieldError> {
    let class = message.mti().class();
    if class == Class::Reversal {
        return Ok(None);
    }
    let (transaction, condition) = usage.codes(class, kind).ok_or(wrong(3))?;
    message.set(3, format!("{transaction:02}0000"))?;
    Ok(condition)
}

fn original_data(key: &RequestKey) -> Result<OriginalData, FieldError> {
    let mti = match key.class() {
        standin::Class::Authorization => Mti::AUTHORIZATION_REQUEST,
        standin::Class::Financial => Mti::FINANCIAL_REQUEST,
        standin::Class::Reversal | standin::Class::Network => return Err(wrong(90)),
    };
    Ok(OriginalData {
        mti,
        stan: u32::try_from(key.trace()).map_err(|_| wrong(90))?,
        transmitted: digits(key.sent_at())
            .and_then(|digits| digits.as_bytes().try_into().ok())
            .ok_or(wrong(90))?,
        acquirer: key.initiator().as_u64(),
        forwarder: 0,
    })
}

const fn entry_code(entry: EntryMode) -> Option<u8> {
    match entry {
        EntryMode::Keyed => Some(1),
        EntryMode::Stripe => Some(2),
        EntryMode::Chip => Some(5),
        EntryMode::Contactless => Some(7),
        EntryMode::OnFile => Some(10),
        EntryMode::Fallback => Some(80),
        EntryMode::Remote => Some(81),
        EntryMode::Unknown => None,
    }
}

const fn condition_code(channel: Channel) -> Option<u8> {
    match channel {
        Channel::Pos | Channel::Atm | Channel::Branch => Some(0),
        Channel::Moto => Some(8),
        Channel::Ecommerce => Some(59),
        Channel::Mobile | Channel::Recurring | Channel::Other => None,
    }
}

const fn wrong(field: u8) -> FieldError {
    FieldError::new(field, Fault::Meaning)
}
