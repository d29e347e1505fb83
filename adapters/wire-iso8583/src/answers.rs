//! From answers of the stand-in crate to messages, and from a host's messages to answers.

use crate::Message;
use crate::amounts::twelve_digits;
use crate::error::{Fault, FieldError};
use crate::incoming::Incoming;
use alloc::format;
use alloc::string::String;
use port::{Amount, Currency};
use standin::{AuthCode, Response, ResponseCode, Source, TransactionRequest};

impl Incoming {
    /// The answer to this message: its response type, what names the request, field 39, an authorization code in 38, what was
    /// approved of the amount in 4 (code 10), a balance in 54.
    ///
    /// A repeat has the same answer, byte for byte, if it says the same. An authentication code is the caller's to add: see
    /// [`Message::mac_place`].
    ///
    /// # Errors
    /// [`Fault::MessageType`] if the message asks for nothing, or for another type of answer; [`Fault::Conflict`] of field 11 if
    /// the answer is to another request; [`Fault::Currency`] of field 4 for a part in another currency than the request's;
    /// [`Fault::Meaning`] for an amount of more than 12 digits.
    pub fn answer(&self, response: &Response) -> Result<Message, FieldError> {
        let mut answer = self.answer_code(response.code)?;
        if *answer.mti().digits() != response.mti.digits() {
            return Err(FieldError::new(0, Fault::MessageType));
        }
        if self.key()? != response.key {
            return Err(FieldError::new(11, Fault::Conflict));
        }
        if let Some(code) = &response.auth_code {
            answer.set(38, code.as_bytes())?;
        }
        if let (Some(part), ResponseCode::PARTIAL) = (response.approved, response.code) {
            if part.currency() != self.message.currency(49)? {
                return Err(FieldError::new(4, Fault::Currency));
            }
            answer.set(4, twelve_digits(4, part.minor())?)?;
        }
        if let Some(balance) = response.balance {
            let account = self.message.processing_code()?.map_or(0, |code| code.from_account);
            answer.set(54, additional_amount(account, balance)?)?;
        }
        Ok(answer)
    }

    /// The answer that has a code alone: to a network message, or to one that is refused.
    ///
    /// # Errors
    /// [`Fault::MessageType`] if the message asks for nothing.
    pub fn answer_code(&self, code: ResponseCode) -> Result<Message, FieldError> {
        let refused = FieldError::new(0, Fault::MessageType);
        let mut answer = self.message.response().ok_or(refused)?;
        answer.set(39, code.as_bytes())?;
        Ok(answer)
    }

    /// What a host answered to a request, which was found by [`Incoming::key`].
    ///
    /// Approved is what field 4 says with code 10, and the amount of the request with 00 and 11. An authorization code that is not
    /// six digits or capital letters is left out; the answer stands.
    ///
    /// # Errors
    /// [`Fault::MessageType`] or [`Fault::Conflict`] (field 11) if it does not answer the request; [`FieldError`] of the field
    /// that is missing or bad.
    pub fn response(&self, request: &TransactionRequest) -> Result<Response, FieldError> {
        let mti = standin::Mti::parse(self.message.mti().digits());
        let mti = mti.ok().filter(|mti| Some(*mti) == request.mti.response());
        let mti = mti.ok_or(FieldError::new(0, Fault::MessageType))?;
        if self.key()? != request.key {
            return Err(FieldError::new(11, Fault::Conflict));
        }
        let message = &self.message;
        let code = message.response_code()?.ok_or(FieldError::missing(39))?;
        let code =
            ResponseCode::new(*code.as_bytes()).ok_or(FieldError::new(39, Fault::Meaning))?;
        let approved = match (code.is_approval(), message.amount()?) {
            (false, _) => None,
            (true, Some(amount)) if code == ResponseCode::PARTIAL => Some(amount),
            (true, None) if code == ResponseCode::PARTIAL => return Err(FieldError::missing(4)),
            (true, _) => Some(request.amount),
        };
        let auth_code = message.field(38).and_then(|code| AuthCode::new(code.try_into().ok()?));
        Ok(Response {
            mti,
            key: request.key,
            code,
            approved,
            auth_code: auth_code.filter(|_| code.is_approval()),
            source: Source::Host,
            balance: message.available_balance()?,
            retrieval_ref: request.retrieval_ref,
        })
    }
}

impl Message {
    /// Field 54: the first available balance (amount type 02) among its additional amounts.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if it is not made of entries of 20 characters; [`Fault::Currency`].
    pub fn available_balance(&self) -> Result<Option<Amount>, FieldError> {
        let found = self.view(54, |value| {
            let (entries, rest) = value.as_chunks::<20>();
            if !rest.is_empty() {
                return Err(Fault::Meaning);
            }
            let available = entries.iter().find(|entry| entry[2..4] == *b"02");
            available.map(read_additional_amount).transpose()
        });
        Ok(found?.flatten())
    }
}

/// One entry of field 54: account type, amount type 02 (available), currency number, sign, twelve digits.
fn additional_amount(account: u8, amount: Amount) -> Result<String, FieldError> {
    let sign = if amount.minor() < 0 { 'D' } else { 'C' };
    let currency = amount.currency().numeric();
    let minor = i64::try_from(amount.minor().unsigned_abs()).unwrap_or(i64::MAX);
    Ok(format!("{account:02}02{currency:03}{sign}{}", twelve_digits(54, minor)?))
}

fn read_additional_amount(entry: &[u8; 20]) -> Result<Amount, Fault> {
    let number = |from, to| crate::particulars::decimal(&entry[from..to]).ok_or(Fault::Meaning);
    let currency = u16::try_from(number(4, 7)?).map_err(|_| Fault::Currency)?;
    let currency = Currency::from_numeric(currency).map_err(|_| Fault::Currency)?;
    let minor = i64::try_from(number(8, 20)?).map_err(|_| Fault::Meaning)?;
    match entry[7] {
        b'C' => Ok(Amount::new(minor, currency)),
        b'D' => Ok(Amount::new(-minor, currency)),
        _ => Err(Fault::Meaning),
    }
}
