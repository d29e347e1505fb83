//! What is answered.

use crate::request::{read_amount, read_text, write_amount};
use crate::{Mti, RequestKey, ResponseCode, Text};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Amount, WireError};

/// The answer to a transaction request. Its stored form is kept with the decision, so that a repeat gets the same bytes
/// (spec Sd11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Message type of the answer.
    pub mti: Mti,
    /// Which request it answers.
    pub key: RequestKey,
    /// Field 39.
    pub code: ResponseCode,
    /// What was approved, in the currency of the transaction: less than asked for with code 10, `None` for a decline.
    pub approved: Option<Amount>,
    /// Field 38, for an approval.
    pub auth_code: Option<AuthCode>,
    /// Who decided.
    pub source: Source,
    /// The balance in the currency of the account, where one was asked for and is known (field 54).
    pub balance: Option<Amount>,
    /// Field 37, as it came.
    pub retrieval_ref: Option<Text<12>>,
}

impl Response {
    /// Whether money may move.
    pub const fn is_approval(&self) -> bool {
        self.code.is_approval()
    }

    /// Appends the stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let flags = u8::from(self.approved.is_some())
            | u8::from(self.auth_code.is_some()) << 1
            | u8::from(self.balance.is_some()) << 2
            | u8::from(self.retrieval_ref.is_some()) << 3;
        let mut writer = Writer::new(to, 1);
        writer.u8(flags).fixed(&self.mti.digits());
        self.key.write(&mut writer)?;
        writer.fixed(self.code.as_bytes());
        match self.source {
            Source::Host => writer.u8(0),
            Source::Switch => writer.u8(1),
            Source::StandIn { epoch, parameters } => writer.u8(2).u64(epoch).u64(parameters),
        };
        if let Some(approved) = self.approved {
            write_amount(&mut writer, approved);
        }
        if let Some(code) = self.auth_code {
            writer.fixed(&code.0);
        }
        if let Some(balance) = self.balance {
            write_amount(&mut writer, balance);
        }
        if let Some(reference) = self.retrieval_ref {
            writer.lp8(reference.as_bytes())?;
        }
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let response = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(response)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        reader.version(1)?;
        let flags = reader.u8()?;
        if flags > 15 {
            return Err(bad);
        }
        let there = |bit: u8| flags >> bit & 1 == 1;
        let mti = Mti::parse(reader.fixed(4)?).map_err(|_| bad)?;
        let key = RequestKey::read(reader)?;
        let code = ResponseCode::new(reader.array()?).ok_or(bad)?;
        let source = match reader.u8()? {
            0 => Source::Host,
            1 => Source::Switch,
            2 => Source::StandIn { epoch: reader.u64()?, parameters: reader.u64()? },
            _ => return Err(bad),
        };
        Ok(Self {
            mti,
            key,
            code,
            source,
            approved: there(0).then(|| read_amount(reader)).transpose()?,
            auth_code: there(1).then(|| AuthCode::new(reader.array()?).ok_or(bad)).transpose()?,
            balance: there(2).then(|| read_amount(reader)).transpose()?,
            retrieval_ref: there(3).then(|| read_text(reader)).transpose()?,
        })
    }
}

/// Who decided over a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The accounting system.
    Host,
    /// The switch itself: the message could not be routed.
    Switch,
    /// The stand-in module.
    StandIn {
        /// Of which epoch of the institution's health.
        epoch: u64,
        /// By which version of the parameters; 0 if there were none.
        parameters: u64,
    },
}

/// An authorization code (field 38): six digits or capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthCode([u8; 6]);

impl AuthCode {
    /// `None` for other characters.
    pub fn new(code: [u8; 6]) -> Option<Self> {
        let fits = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        code.iter().all(fits).then_some(Self(code))
    }

    /// Of a number, in base 36, its last six places: consecutive numbers give different codes for two thousand million
    /// decisions.
    pub fn of_number(mut number: u64) -> Self {
        const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut code = [b'0'; 6];
        for place in code.iter_mut().rev() {
            // Below 36.
            *place = DIGITS[usize::try_from(number % 36).unwrap_or(0)];
            number /= 36;
        }
        Self(code)
    }

    /// The six characters.
    pub const fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_up() {
        assert_eq!(AuthCode::of_number(0).as_bytes(), b"000000");
        assert_eq!(AuthCode::of_number(35).as_bytes(), b"00000Z");
        assert_eq!(AuthCode::of_number(36).as_bytes(), b"000010");
        assert_eq!(AuthCode::of_number(36_u64.pow(6)).as_bytes(), b"000000");
        assert_eq!(AuthCode::new(*b"00a000"), None);
    }
}
