//! Orders and commodities, their open challenges, and the rules that move them.

use crate::item_row::ItemRow;
use crate::{Challenge, Code, Error, Payee, PaymentId, Policy, Price, Refusal, Terms, Uid};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Sink, Writer};
use port::{Amount, Currency, Time, WireError};

/// What is sold: the row behind a `uid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Order or commodity.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Whether its codes carry the price ([`Form::Full`]) or only identifier and challenge.
    pub form: Form,
    /// How much, and to whom.
    pub price: Price,
    /// Whose it is.
    pub merchant: Uid,
    /// When it was issued.
    pub created: Time,
    /// Until when it may be paid (exclusive).
    pub valid_until: Time,
    /// The payment of an order, once there is one.
    pub payment: Option<PaymentId>,
    /// Challenges that were displayed lately, oldest first.
    pub challenges: Vec<Displayed>,
    /// The number of the next challenge.
    pub next_ref: u32,
}

impl Item {
    /// What a code with this challenge carries, and what its reply is bound to.
    pub(crate) fn terms(&self, displayed: &Displayed) -> Terms {
        match self.form {
            Form::Base => Terms::default(),
            Form::Full => {
                Terms { price: Some(self.price.clone()), expires_s: Some(displayed.expires_s) }
            }
        }
    }

    /// The unsigned code for one of its challenges.
    pub(crate) fn code(&self, uid: &Uid, displayed: &Displayed) -> Code {
        let mut code = Code::new(uid.clone(), displayed.challenge, self.terms(displayed));
        if self.kind == Kind::Commodity {
            code.challenge_ref = Some(displayed.reference);
        }
        code
    }

    /// Opens a challenge; those that it replaces stay valid for the policy's grace.
    ///
    /// `replaces` names one challenge of a commodity's display; an order's new challenge replaces all. A challenge that is
    /// open already is not opened again.
    pub(crate) fn open(
        &mut self,
        now: Time,
        challenge: Challenge,
        replaces: Option<u32>,
        policy: &Policy,
    ) -> Result<Displayed, Refusal> {
        if self.state != State::Open || now >= self.valid_until {
            return Err(Refusal::OrderNotPayable);
        }
        // The same request again, after a commit of unknown fate: one challenge is displayed once, or it could be answered
        // once for each time it stands here.
        if let Some(known) = self.challenges.iter().find(|known| known.challenge == challenge) {
            return Ok(*known);
        }
        let grace_until = now.plus_ms(policy.grace_ms);
        for old in &mut self.challenges {
            let replaced = self.kind == Kind::Order || Some(old.reference) == replaces;
            if replaced && old.state == ChallengeState::Open {
                let until = old.replaced_until.map_or(grace_until, |until| until.min(grace_until));
                old.replaced_until = Some(until);
            }
        }
        self.challenges.retain(|old| !old.is_over(now));
        let room = usize::from(policy.open_challenges_max);
        // What was consumed is kept to tell `AlreadyUsed` from `NoOpenChallenge`: it makes room first.
        while self.challenges.len() >= room {
            let closed = self.challenges.iter().position(|old| old.state != ChallengeState::Open);
            self.challenges.remove(closed.ok_or(Refusal::TooMany)?);
        }
        let expires_s = now.plus_ms(policy.challenge_ttl_ms).as_ms().div_ceil(1000);
        let displayed = Displayed {
            reference: self.next_ref,
            challenge,
            expires_s,
            state: ChallengeState::Open,
            replaced_until: None,
            tries: 0,
            last_wrong: [0; 8],
        };
        self.next_ref = self.next_ref.wrapping_add(1);
        self.challenges.push(displayed);
        Ok(displayed)
    }

    /// The stored form; see `docs/spec/qrpay.md`.
    pub(crate) fn encode(&self) -> Bytes {
        let size = 1
            + 3
            + PriceRow::from(&self.price).bytes()
            + 1
            + self.merchant.as_bytes().len()
            + 8
            + 8
            + 4
            + if self.payment.is_some() { 17 } else { 1 }
            + 1
            + self.challenges.len() * Displayed::BYTES;
        let mut bytes = Vec::with_capacity(size);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u8(self.kind as u8).u8(self.state as u8).u8(self.form as u8);
        price(&mut writer, (&self.price).into());
        short(&mut writer, self.merchant.as_bytes());
        writer.u64(self.created.as_ms()).u64(self.valid_until.as_ms()).u32(self.next_ref);
        match &self.payment {
            None => writer.u8(0),
            Some(id) => writer.u8(1).fixed(&id.0),
        };
        // Bounded by `Policy::open_challenges_max`.
        writer.u8(u8::try_from(self.challenges.len()).unwrap_or(u8::MAX));
        for one in self.challenges.iter().take(usize::from(u8::MAX)) {
            one.encode(&mut writer);
        }
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
        let row = ItemRow::parse(bytes)?;
        Ok(Self {
            kind: row.kind,
            state: row.state,
            form: row.form,
            price: row.price(bytes),
            merchant: row.merchant(bytes),
            created: row.created(bytes),
            valid_until: row.valid_until(bytes),
            payment: row.payment(bytes),
            challenges: row.challenges(bytes).collect(),
            next_ref: row.next_ref(bytes),
        })
    }
}

/// A challenge that is or was displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Displayed {
    /// Its number within the item; not secret.
    pub reference: u32,
    /// The random number.
    pub challenge: Challenge,
    /// Valid before this second, refused at it.
    pub expires_s: u64,
    /// Where it stands.
    pub state: ChallengeState,
    /// Until when it is still taken after its display was refreshed (exclusive).
    pub replaced_until: Option<Time>,
    /// Wrong replies so far.
    pub tries: u8,
    /// The first bytes of the digest of the last wrong request: its repetition is no further guess.
    pub(crate) last_wrong: [u8; 8],
}

impl Displayed {
    pub(crate) const BYTES: usize = Self::STATE_AT + 1 + 8 + 1 + 8;

    /// Number, challenge and expiry are before it.
    pub(crate) const STATE_AT: usize = 4 + 16 + 8;

    pub(crate) fn is_timely(&self, now: Time) -> bool {
        now.is_before_s(self.expires_s) && self.replaced_until.is_none_or(|until| now < until)
    }

    /// Whether a request may mean it: it names this one, or none.
    pub(crate) fn is_named(&self, reference: Option<u32>) -> bool {
        reference.is_none_or(|wanted| wanted == self.reference)
    }

    /// Whether replies are still compared with it. One that was consumed stays so, and takes as many wrong ones as any other.
    pub(crate) fn takes_tries(&self, tries_max: u8) -> bool {
        match self.state {
            ChallengeState::Open => true,
            ChallengeState::Consumed => self.tries < tries_max,
            ChallengeState::Killed => false,
        }
    }

    /// What ran out is kept for a while to say `Expired`, what was consumed until its room is needed.
    const fn is_over(&self, now: Time) -> bool {
        !now.is_before_s(self.expires_s.saturating_add(KEPT_S))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer
            .u32(self.reference)
            .fixed(&self.challenge.0)
            .u64(self.expires_s)
            .u8(self.state as u8)
            .u64(self.replaced_until.map_or(0, Time::as_ms))
            .u8(self.tries)
            .fixed(&self.last_wrong);
    }

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let reference = reader.u32()?;
        let challenge = Challenge(reader.array()?);
        let expires_s = reader.u64()?;
        let state = ChallengeState::from_u8(reader.u8()?)?;
        let replaced_until = Some(reader.u64()?).filter(|ms| *ms != 0).map(Time::from_ms);
        let tries = reader.u8()?;
        let last_wrong = reader.array()?;
        Ok(Self { reference, challenge, expires_s, state, replaced_until, tries, last_wrong })
    }
}

/// Defines a stored enumeration whose bytes are read back strictly.
macro_rules! stored {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $byte:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $byte,)+ }

        impl $name {
            pub(crate) fn from_u8(byte: u8) -> Result<Self, port::WireError> {
                match byte { $($byte => Ok(Self::$variant),)+ _ => Err(port::WireError::Invalid) }
            }
        }
    };
}
pub(crate) use stored;

stored! {
    /// What an identifier names.
    Kind {
        /// Paid once.
        Order = 1,
        /// Paid by many, each through a challenge of its own.
        Commodity = 2,
    }
}

stored! {
    /// What the codes of an item carry.
    Form {
        /// Identifier and challenge only, as in the described system.
        Base = 0,
        /// Also amount, payee and expiry.
        Full = 1,
    }
}

stored! {
    /// Where an item stands.
    State {
        /// It can be paid.
        Open = 1,
        /// An order whose debit is owed to the accounting system.
        Accepted = 2,
        /// An order whose debit was confirmed.
        Paid = 3,
        /// Withdrawn by the merchant.
        Cancelled = 4,
        /// An order whose debit was not confirmed in time.
        Lapsed = 5,
    }
}

stored! {
    /// Where a challenge stands.
    ChallengeState {
        /// It can be answered.
        Open = 1,
        /// It was answered rightly.
        Consumed = 2,
        /// It was answered wrongly too often.
        Killed = 3,
    }
}

/// How long a challenge is kept after it ran out.
const KEPT_S: u64 = 120;

/// How much, and to whom, as rows have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceRow<'a> {
    pub(crate) amount: Amount,
    pub(crate) payee: &'a [u8],
}

impl PriceRow<'_> {
    /// How long amount, currency and payee are when written.
    pub(crate) const fn bytes(&self) -> usize {
        8 + 3 + 1 + self.payee.len()
    }
}

impl<'a> From<&'a Price> for PriceRow<'a> {
    fn from(price: &'a Price) -> Self {
        Self { amount: price.amount, payee: price.payee.as_bytes() }
    }
}

/// Writes amount, currency and payee.
#[inline]
pub(crate) fn price<T: Sink>(writer: &mut Writer<'_, T>, price: PriceRow<'_>) {
    writer.i64(price.amount.minor()).fixed(&price.amount.currency().letters());
    short(writer, price.payee);
}

/// Parts whose types bound them below 256 bytes.
#[inline]
pub(crate) fn short<T: Sink>(writer: &mut Writer<'_, T>, part: &[u8]) {
    let written = writer.lp8(part).is_ok();
    debug_assert!(written);
}

pub(crate) fn read_price(reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Price, WireError> {
    let minor = reader.i64()?;
    let currency = Currency::from_letters(&reader.array::<3>()?).map_err(|_| WireError::Invalid)?;
    let payee = Payee::checked(slice(bytes, read_payee(reader)?));
    Ok(Price { amount: Amount::new(minor, currency), payee })
}

pub(crate) fn read_uid(reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Uid, WireError> {
    Ok(Uid::checked(slice(bytes, read_name(reader)?)))
}

/// A payee's name, checked.
pub(crate) fn read_payee<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let name = reader.lp8()?;
    if Payee::is_name(name) { Ok(name) } else { Err(WireError::Invalid) }
}

/// An identifier, checked.
pub(crate) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let name = reader.lp8()?;
    if crate::terms::is_identifier(name) { Ok(name) } else { Err(WireError::Invalid) }
}

/// Shares the row's bytes instead of copying them.
pub(crate) fn slice(bytes: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() { Bytes::new() } else { bytes.slice_ref(part) }
}
