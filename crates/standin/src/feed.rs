//! What the accounting system says about single accounts: negative list, VIP list, balances. Signed pages, in order.

mod take;

pub use take::{FeedVerdict, Ignored, TakeFeed};

use crate::signed::Signed;
use crate::{InstitutionId, RequestKey, ResponseCode, Role, SealError};
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use seal::{AccountRef, TrustList, in_domain};

/// One page: updates of at most [`FeedPage::UPDATES_MAX`] accounts that take effect together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// Whose accounts.
    pub institution: InstitutionId,
    /// Its number: one more than the page before, so that none is missed.
    pub number: u64,
    /// What has changed, each account once.
    pub updates: Vec<AccountUpdate>,
}

impl FeedPage {
    /// An update reads three rows at most and writes one, and a batch has at most a hundred.
    pub const UPDATES_MAX: usize = 48;

    fn encode(&self) -> Result<Vec<u8>, WireError> {
        if self.updates.len() > Self::UPDATES_MAX {
            return Err(WireError::TooLong);
        }
        let mut bytes = Vec::with_capacity(32 + self.updates.len() * 96);
        let mut writer = Writer::new(&mut bytes, 1);
        let len = u8::try_from(self.updates.len()).map_err(|_| WireError::TooLong)?;
        writer.u64(self.institution.as_u64()).u64(self.number).u8(len);
        self.updates.iter().try_for_each(|update| update.write(&mut writer))?;
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let institution = InstitutionId::new(reader.u64()?).ok_or(bad)?;
        let number = reader.u64()?;
        let len = usize::from(reader.u8()?);
        if len > Self::UPDATES_MAX {
            return Err(WireError::TooLong);
        }
        let mut updates: Vec<AccountUpdate> = Vec::with_capacity(len);
        for _ in 0..len {
            let update = AccountUpdate::read(&mut reader)?;
            if updates.iter().any(|earlier| earlier.account == update.account) {
                return Err(bad);
            }
            updates.push(update);
        }
        reader.finish()?;
        Ok(Self { institution, number, updates })
    }
}

/// What has changed about one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Which account.
    pub account: AccountRef,
    /// Its place on the negative list: with which code it is declined, until when.
    pub deny: Change<(ResponseCode, Time)>,
    /// Its place on the VIP list, until when.
    pub vip: Change<Time>,
    /// What it has.
    pub balance: Option<BalanceUpdate>,
    /// Whether wrong PINs are forgotten.
    pub unlock: bool,
}

impl AccountUpdate {
    /// Nothing has changed yet.
    pub const fn of(account: AccountRef) -> Self {
        Self { account, deny: Change::Keep, vip: Change::Keep, balance: None, unlock: false }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let last = self.balance.and_then(|balance| balance.last);
        let flags = self.deny.as_u8()
            | self.vip.as_u8() << 2
            | u8::from(self.balance.is_some()) << 4
            | u8::from(last.is_some()) << 5
            | u8::from(self.unlock) << 6;
        writer.fixed(self.account.as_bytes()).u8(flags);
        if let Change::Set((code, until)) = self.deny {
            writer.fixed(code.as_bytes()).u64(until.as_ms());
        }
        if let Change::Set(until) = self.vip {
            writer.u64(until.as_ms());
        }
        if let Some(balance) = self.balance {
            writer.i64(balance.minor).u64(balance.as_of.as_ms());
        }
        if let Some((role, key)) = last {
            writer.u8(role as u8);
            key.write(writer)?;
        }
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let account = AccountRef::from_bytes(reader.array()?);
        let flags = reader.u8()?;
        let is = |bit: u8| flags >> bit & 1 == 1;
        if flags >> 7 != 0 || is(5) && !is(4) {
            return Err(bad);
        }
        let deny = Change::read(flags & 3, || {
            let code = ResponseCode::new(reader.array()?).filter(|code| !code.is_approval());
            Ok((code.ok_or(bad)?, Time::from_ms(reader.u64()?)))
        })?;
        let vip = Change::read(flags >> 2 & 3, || reader.u64().map(Time::from_ms))?;
        let mut balance = None;
        if is(4) {
            let (minor, as_of) = (reader.i64()?, Time::from_ms(reader.u64()?));
            balance = Some(BalanceUpdate { minor, as_of, last: None });
        }
        if let Some(balance) = balance.as_mut().filter(|_| is(5)) {
            let role = match reader.u8()? {
                0 => Role::Request,
                1 => Role::Reversal,
                _ => return Err(bad),
            };
            balance.last = Some((role, RequestKey::read(reader)?));
        }
        Ok(Self { account, deny, vip, balance, unlock: is(6) })
    }
}

/// What becomes of something that is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays.
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T: Copy> Change<T> {
    fn applied(self, held: Option<T>) -> Option<T> {
        match self {
            Self::Keep => held,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    const fn as_u8(&self) -> u8 {
        match self {
            Self::Keep => 0,
            Self::Clear => 1,
            Self::Set(_) => 2,
        }
    }

    fn read(number: u8, value: impl FnOnce() -> Result<T, WireError>) -> Result<Self, WireError> {
        match number {
            0 => Ok(Self::Keep),
            1 => Ok(Self::Clear),
            2 => value().map(Self::Set),
            _ => Err(WireError::Invalid),
        }
    }
}

/// A balance as the accounting system knew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceUpdate {
    /// How much, in minor units of the parameters' currency; may be negative.
    pub minor: i64,
    /// When it was so.
    pub as_of: Time,
    /// The last stand-in entry of the account that is in it (the watermark); `None` if everything that was ever delivered is.
    pub last: Option<(Role, RequestKey)>,
}

/// A page under the accounting system's signature: the only form in which it is taken (spec S3).
#[derive(Clone, PartialEq, Eq)]
pub struct SealedFeed(Signed);

impl SealedFeed {
    /// The bytes that the accounting system signs.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn message(page: &FeedPage) -> Result<Vec<u8>, WireError> {
        page.encode().map(|body| in_domain(DOMAIN, &body))
    }

    /// Joins a page with its signature. Whether the signature is right is found by whoever opens it.
    ///
    /// # Errors
    /// [`WireError::TooLong`], also for an issuer's name of more than 32 bytes.
    pub fn new(
        page: &FeedPage,
        issuer: &str,
        key_id: u8,
        signature: [u8; 64],
    ) -> Result<Self, WireError> {
        Signed::new(page.encode()?, issuer, key_id, signature).map(Self)
    }

    /// Checks signature and content.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the page was believed.
    pub fn open(
        &self,
        now: Time,
        trust: &TrustList,
        institution: InstitutionId,
    ) -> Result<FeedPage, SealError> {
        let key = trust.key(self.0.issuer(), self.0.key_id(), now);
        self.0.verify(key.map_err(SealError::Distrust)?, DOMAIN)?;
        let page = FeedPage::parse(self.0.body()).map_err(SealError::Form)?;
        if page.institution != institution {
            return Err(SealError::Institution);
        }
        Ok(page)
    }

    /// Appends the form in which it is sent, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.encode(to)
    }

    /// Reads it; nothing of it is believed before [`SealedFeed::open`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Signed::parse(bytes).map(Self)
    }
}

impl fmt::Debug for SealedFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedFeed({:?})", self.0)
    }
}

const DOMAIN: &str = "interbank/standin/feed/v1";
