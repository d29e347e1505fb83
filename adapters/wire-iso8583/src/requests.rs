//! From messages to requests of the stand-in crate.

use crate::error::{Fault, FieldError};
use crate::incoming::Incoming;
use crate::particulars::decimal;
use crate::{Class, Usage};
use port::{Amount, Currency, Time};
use seal::Account;
use standin::{
    AccountInfo, Capabilities, Country, Expiry, InstitutionId, Kind, Mcc, NetworkFunction,
    NetworkRequest, Request, RequestDraft, RequestError, RequestKey, ResponseCode, Text,
    TransactionRequest,
};

impl Incoming {
    /// What the message asks for, without anything of the card but what `accounts` makes of its number.
    ///
    /// `accounts` is the only code that sees an account number. It gets the number, and the institution that the message names
    /// (field 100; for the destination of a transfer the keeper of the other account); it gives who keeps the account, and the
    /// account's token with whatever handle the keeper needs. `None`: nobody is known who keeps it.
    ///
    /// The number is in field 2 or a track, or, without a card, in field 102. The amount of an inquiry is zero if it has none. A
    /// reversal in part (field 95) is about the difference. A repeat gives the same request, but for its message type.
    ///
    /// What a network says in private fields the caller adds to the request: whether a part may be approved, a risk score.
    ///
    /// # Errors
    /// [`FieldError`] names the field that is missing or cannot be what it should be; [`FieldError::response_code`] is what to
    /// answer, by [`Incoming::answer_code`].
    pub fn request(
        &self,
        usage: &Usage,
        mut accounts: impl FnMut(
            &Account,
            Option<InstitutionId>,
        ) -> Option<(InstitutionId, AccountInfo)>,
    ) -> Result<Request, FieldError> {
        let mti = standin::Mti::parse(self.message.mti().digits()).map_err(|_| TYPE)?;
        if mti.response().is_none() {
            return Err(TYPE);
        }
        if mti.class() == standin::Class::Network {
            return self.network_request(mti).map(Request::Network);
        }
        let (field, account) = self.account()?;
        let named = self.institution(100)?;
        let (institution, info) = accounts(&account, named).ok_or(unroutable(field))?;
        let draft = self.draft(mti, usage, &account)?;
        let to = if draft.kind == Some(Kind::Transfer) {
            let to = self.plain_account(103)?.ok_or(FieldError::missing(103))?;
            let (_, to) = accounts(&to, Some(institution)).ok_or(unroutable(103))?;
            Some(to)
        } else {
            None
        };
        let draft =
            RequestDraft { institution: Some(institution), account: Some(info), to, ..draft };
        let (amount, original) = (draft.amount, draft.original);
        TransactionRequest::new(draft)
            .map(Request::Transaction)
            .map_err(|error| field_of(error, amount, original.is_some()))
    }

    /// The key of the request that the message is, or that it answers: message class, fields 32, 11, 7 and 41. Answers are
    /// matched by it alone.
    ///
    /// # Errors
    /// [`FieldError`] of the field that is missing or bad.
    pub fn key(&self) -> Result<RequestKey, FieldError> {
        let mti = standin::Mti::parse(self.message.mti().digits()).map_err(|_| TYPE)?;
        let trace = self.message.stan()?.ok_or(FieldError::missing(11))?;
        let sent_at = self.message.transmitted(self.at)?.ok_or(FieldError::missing(7))?;
        let network = mti.class() == standin::Class::Network;
        let (initiator, terminal) = match (self.institution(32)?, self.terminal()?) {
            (Some(initiator), Some(terminal)) => (initiator, terminal),
            (initiator, terminal) if network => {
                let initiator = initiator.or(self.institution(33)?).or(self.sender);
                // A line has no terminal, and a key has one.
                let terminal = terminal.or(Text::new("-").ok());
                initiator.zip(terminal).ok_or(FieldError::missing(33))?
            }
            (None, _) => return Err(FieldError::missing(32)),
            (_, None) => return Err(FieldError::missing(41)),
        };
        RequestKey::new(mti.class(), initiator, trace.into(), sent_at, terminal).ok_or(meaning(7))
    }

    fn network_request(&self, mti: standin::Mti) -> Result<NetworkRequest, FieldError> {
        let function = match self.message.network_code()?.ok_or(FieldError::missing(70))? {
            1 => NetworkFunction::SignOn,
            2 => NetworkFunction::SignOff,
            301 => NetworkFunction::Echo,
            _ => return Err(meaning(70)),
        };
        Ok(NetworkRequest { mti, key: self.key()?, function })
    }

    /// All that needs no look at who keeps the account.
    fn draft(
        &self,
        mti: standin::Mti,
        usage: &Usage,
        account: &Account,
    ) -> Result<RequestDraft, FieldError> {
        let message = &self.message;
        let key = self.key()?;
        let kind = self.kind(usage)?;
        let mac = self.mac.clone().transpose()?;
        let small = |number: Option<u16>, field, read: fn(u16) -> Option<_>| {
            number.map(|number| read(number).ok_or(meaning(field))).transpose()
        };
        let country =
            message.acquirer_country()?.map(|number| Country::new(number).ok_or(meaning(19)));
        let (amount, billing) = self.amounts(kind)?;
        let reverses = matches!(kind, Kind::Reversal | Kind::Completion);
        Ok(RequestDraft {
            initiator: Some(key.initiator()),
            amount: Some(amount),
            billing,
            kind: Some(kind),
            mti: Some(mti),
            trace: Some(key.trace()),
            sent_at: Some(key.sent_at()),
            terminal: Some(*key.terminal()),
            retrieval_ref: reference(message.retrieval_reference()?, 37)?,
            merchant: reference(message.merchant()?, 42)?,
            channel: Some(message.channel()?),
            entry: Some(message.entry()?),
            mcc: small(message.merchant_category()?, 18, Mcc::new)?,
            country: country.transpose()?,
            expiry: self.expiry()?,
            capabilities: Capabilities { balance: kind == Kind::Inquiry, ..Default::default() },
            original: if reverses { Some(self.original_key(&key)?) } else { None },
            evidence: message.evidences(account.expose(), usage)?,
            mac,
            ..Default::default()
        })
    }

    fn kind(&self, usage: &Usage) -> Result<Kind, FieldError> {
        let code = self.message.processing_code()?;
        let class = self.message.mti().class();
        let transaction = match (code, class) {
            (Some(code), _) => code.transaction,
            // What is reversed, the original says.
            (None, Class::Reversal) => 0,
            (None, _) => return Err(FieldError::missing(3)),
        };
        usage.kind(class, transaction, self.message.condition_code()?).ok_or(meaning(3))
    }

    /// The amount, and that in the account's currency.
    fn amounts(&self, kind: Kind) -> Result<(Amount, Option<Amount>), FieldError> {
        let message = &self.message;
        let billing = message.billing_amount()?;
        let amount = match message.amount()? {
            Some(amount) => amount,
            None if kind == Kind::Inquiry => {
                let currency = message.currency(49)?;
                return Ok((Amount::new(0, currency), billing));
            }
            None => return Err(FieldError::missing(4)),
        };
        match message.replacement_amount()? {
            Some(rest) if kind == Kind::Reversal && rest.minor() > 0 => {
                let undone = amount.checked_sub(rest).map_err(|_| meaning(95))?;
                // What part of the billed amount that is, nobody said.
                if undone.is_positive() { Ok((undone, None)) } else { Err(meaning(95)) }
            }
            _ => Ok((amount, billing)),
        }
    }

    /// Which request this one completes or reverses: by field 90, at the same terminal.
    fn original_key(&self, key: &RequestKey) -> Result<RequestKey, FieldError> {
        let original = self.message.original()?.ok_or(FieldError::missing(90))?;
        let class = match original.mti.class() {
            Class::Authorization => standin::Class::Authorization,
            Class::Financial => standin::Class::Financial,
            _ => return Err(meaning(90)),
        };
        // Nobody undoes what somebody else asked for.
        if original.acquirer != 0 && original.acquirer != key.initiator().as_u64() {
            return Err(FieldError::new(90, Fault::Conflict));
        }
        let sent_at: Time = original.transmitted(self.at)?;
        RequestKey::new(class, key.initiator(), original.stan.into(), sent_at, *key.terminal())
            .ok_or(meaning(90))
    }

    /// Field 14, or what the track says.
    fn expiry(&self) -> Result<Option<Expiry>, FieldError> {
        let printed = self.message.expiry()?;
        let printed = printed.map(|expiry| u16::from(expiry.year) * 100 + u16::from(expiry.month));
        let track = self.message.field(35).and_then(|track| {
            let from = 1 + track.iter().position(|byte| matches!(byte, b'=' | b'D'))?;
            let yymm = decimal(track.get(from..from + 4)?)?;
            u16::try_from(yymm).ok()
        });
        if let (Some(printed), Some(track)) = (printed, track)
            && printed != track
        {
            return Err(FieldError::new(14, Fault::Conflict));
        }
        let field = if printed.is_some() { 14 } else { 35 };
        printed.or(track).map(|yymm| Expiry::from_yymm(yymm).ok_or(meaning(field))).transpose()
    }

    fn account(&self) -> Result<(u8, Account), FieldError> {
        if let Some(card) = self.message.consistent_card()? {
            return Ok((2, card.account().map_err(|_| meaning(2))?));
        }
        let account = self.plain_account(102)?.ok_or(FieldError::missing(2))?;
        Ok((102, account))
    }

    /// An account that is no card: fields 102 and 103, without the blanks at their ends.
    fn plain_account(&self, field: u8) -> Result<Option<Account>, FieldError> {
        let Some(value) = self.message.field(field) else { return Ok(None) };
        let account = Account::new(value.trim_ascii()).map_err(|_| meaning(field))?;
        Ok(Some(account))
    }

    fn institution(&self, field: u8) -> Result<Option<InstitutionId>, FieldError> {
        let Some(digits) = self.message.text(field) else { return Ok(None) };
        Ok(Some(InstitutionId::parse(digits).ok_or(meaning(field))?))
    }

    fn terminal(&self) -> Result<Option<Text<16>>, FieldError> {
        reference(self.message.terminal()?, 41)
    }
}

impl FieldError {
    /// What to answer to a message with this fault: 12 for a transaction type that no rule knows, 13 for an amount that cannot
    /// be paid, 92 for an account that nobody keeps, 30 for everything else.
    pub const fn response_code(&self) -> ResponseCode {
        match (self.field, self.fault) {
            (_, Fault::Unroutable) => ResponseCode::UNROUTABLE,
            (3, Fault::Meaning) => ResponseCode::INVALID_TRANSACTION,
            (4 | 6 | 95, Fault::Meaning) => ResponseCode::INVALID_AMOUNT,
            _ => ResponseCode::FORMAT,
        }
    }
}

const TYPE: FieldError = FieldError::new(0, Fault::MessageType);

const fn meaning(field: u8) -> FieldError {
    FieldError::new(field, Fault::Meaning)
}

const fn unroutable(field: u8) -> FieldError {
    FieldError::new(field, Fault::Unroutable)
}

/// A text without the blanks that fill it up; one of blanks alone says nothing.
fn reference<const N: usize>(text: Option<&str>, field: u8) -> Result<Option<Text<N>>, FieldError> {
    match text.map(|text| text.trim_matches(' ')) {
        None | Some("") => Ok(None),
        Some(text) => Text::new(text).map(Some).map_err(|_| meaning(field)),
    }
}

/// Which field is to blame for what the request as a whole cannot be.
fn field_of(error: RequestError, amount: Option<Amount>, has_original: bool) -> FieldError {
    let payable = amount.is_some_and(|a| a.is_positive() && a.currency() != Currency::NONE);
    match error {
        RequestError::BadAmount => meaning(if payable { 6 } else { 4 }),
        RequestError::NoAccount => FieldError::missing(2),
        RequestError::NoAmount => FieldError::missing(4),
        RequestError::NoDestination => FieldError::missing(103),
        RequestError::NoInitiator => FieldError::missing(32),
        RequestError::NoInstitution => FieldError::missing(100),
        // The only thing wrong with a key here: it is that of the original.
        RequestError::NoKey if has_original => FieldError::new(90, Fault::Conflict),
        RequestError::NoKey => meaning(11),
        RequestError::NoKind => FieldError::missing(3),
        RequestError::NoOriginal => FieldError::missing(90),
        _ => TYPE,
    }
}
