//! What the stand-in module keeps of one account: one row.

use crate::counts::Counts;
use crate::{RequestKey, ResponseCode};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// The row of an account. It owns the account's journal: every entry under it is written together with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The latest time seen: an earlier clock is held at it.
    pub seen: Time,
    /// How many journal entries the account has had; the last one has this number.
    pub seq: u64,
    /// The link of the last journal entry; zeros before the first.
    pub head: [u8; 32],
    /// How many entries wait to be delivered. While there are any, stand-in decides (spec: sticky lane).
    pub undelivered: u32,
    /// On the negative list, with which code, until when.
    pub deny: Option<(ResponseCode, Time)>,
    /// On the VIP list until when.
    pub vip_until: Option<Time>,
    /// The shadow balance, if the accounting system gave one.
    pub balance: Option<Balance>,
    /// Approved less reversed and refunded since the shadow balance's watermark.
    pub spent_minor: i64,
    /// Wrong PINs since the last right one.
    pub pin_failures: u8,
    /// Counters, in the order of their numbers.
    pub counts: Vec<Counts>,
    /// The latest approvals by terminal, oldest first.
    pub recent: Vec<(u32, Time)>,
    /// Amounts held by pre-authorizations that are not completed.
    pub holds: Vec<Hold>,
}

impl AccountState {
    /// At most so many pre-authorizations at one time.
    pub const HOLDS_MAX: usize = 8;

    /// At most so many undelivered entries; then the account is declined with 65 until some are delivered.
    pub const UNDELIVERED_MAX: u32 = 250;

    /// What can be spent by the shadow balance, after the haircut for its age; `None` without a balance that is young enough.
    pub fn available_minor(
        &self,
        now: Time,
        age_max_ms: u64,
        haircut_bp_per_hour: u16,
    ) -> Option<i128> {
        let balance = self.balance.filter(|_| age_max_ms > 0)?;
        let age_ms = now.since_ms(balance.as_of);
        if age_ms >= age_max_ms {
            return None;
        }
        // Each hour begun counts: rounding is against the spender.
        let hours = i128::from(age_ms.div_ceil(3_600_000));
        let left_bp = (10_000 - hours * i128::from(haircut_bp_per_hour)).max(0);
        let minor = i128::from(balance.minor);
        let kept = if minor > 0 { minor * left_bp / 10_000 } else { minor };
        Some(kept - i128::from(self.spent_minor))
    }

    /// The counter of this number, made if it is not there.
    pub(crate) fn counter(&mut self, id: u8) -> &mut Counts {
        let at = self.counts.partition_point(|counts| counts.counter() < id);
        if self.counts.get(at).is_none_or(|counts| counts.counter() != id) {
            self.counts.insert(at, Counts::new(id));
        }
        &mut self.counts[at]
    }

    /// The stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let len = |len: usize| u8::try_from(len).map_err(|_| WireError::TooLong);
        let flags = u8::from(self.deny.is_some())
            | u8::from(self.vip_until.is_some()) << 1
            | u8::from(self.balance.is_some()) << 2;
        let mut bytes = Vec::with_capacity(256);
        let mut writer = Writer::new(&mut bytes, 1);
        writer
            .u8(flags)
            .u64(self.seen.as_ms())
            .u64(self.seq)
            .fixed(&self.head)
            .u32(self.undelivered)
            .i64(self.spent_minor)
            .u8(self.pin_failures);
        if let Some((code, until)) = self.deny {
            writer.fixed(code.as_bytes()).u64(until.as_ms());
        }
        if let Some(until) = self.vip_until {
            writer.u64(until.as_ms());
        }
        if let Some(balance) = self.balance {
            writer.i64(balance.minor).u64(balance.as_of.as_ms()).u64(balance.watermark);
        }
        writer.u8(len(self.counts.len())?);
        for counts in &self.counts {
            counts.write(&mut writer)?;
        }
        writer.u8(len(self.recent.len())?);
        for (terminal, at) in &self.recent {
            writer.u32(*terminal).u64(at.as_ms());
        }
        writer.u8(len(self.holds.len())?);
        for hold in &self.holds {
            hold.key.write(&mut writer)?;
            writer.i64(hold.minor).u64(hold.at.as_ms());
        }
        Ok(bytes)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let flags = reader.u8()?;
        if flags > 7 {
            return Err(bad);
        }
        let mut state = Self {
            seen: Time::from_ms(reader.u64()?),
            seq: reader.u64()?,
            head: reader.array()?,
            undelivered: reader.u32()?,
            spent_minor: reader.i64()?,
            pin_failures: reader.u8()?,
            ..Self::default()
        };
        if flags & 1 != 0 {
            let code = ResponseCode::new(reader.array()?).ok_or(bad)?;
            state.deny = Some((code, Time::from_ms(reader.u64()?)));
        }
        if flags & 2 != 0 {
            state.vip_until = Some(Time::from_ms(reader.u64()?));
        }
        if flags & 4 != 0 {
            let minor = reader.i64()?;
            let as_of = Time::from_ms(reader.u64()?);
            state.balance = Some(Balance { minor, as_of, watermark: reader.u64()? });
        }
        for _ in 0..reader.u8()? {
            let counts = Counts::read(&mut reader)?;
            if state.counts.last().is_some_and(|last| last.counter() >= counts.counter()) {
                return Err(bad);
            }
            state.counts.push(counts);
        }
        for _ in 0..reader.u8()? {
            state.recent.push((reader.u32()?, Time::from_ms(reader.u64()?)));
        }
        for _ in 0..reader.u8()? {
            let key = RequestKey::read(&mut reader)?;
            let minor = reader.i64()?;
            state.holds.push(Hold { key, minor, at: Time::from_ms(reader.u64()?) });
        }
        reader.finish()?;
        Ok(state)
    }
}

/// What the accounting system said an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much, in minor units of the parameters' currency; may be negative.
    pub minor: i64,
    /// When it was so.
    pub as_of: Time,
    /// The last journal entry of the account that is in it.
    pub watermark: u64,
}

/// An amount held by a pre-authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The pre-authorization.
    pub key: RequestKey,
    /// How much.
    pub minor: i64,
    /// When it was approved.
    pub at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haircut_and_age_are_exact() {
        let as_of = Time::from_s(1_700_000_000);
        let balance = Some(Balance { minor: 1_000, as_of, watermark: 0 });
        let state = AccountState { balance, spent_minor: 100, ..AccountState::default() };
        let day = 86_400_000;
        let at = |ms| state.available_minor(as_of.plus_ms(ms), day, 100);
        assert_eq!(at(0), Some(900));
        assert_eq!(at(1), Some(890));
        assert_eq!(at(3_600_000), Some(890));
        assert_eq!(at(3_600_001), Some(880));
        assert_eq!(at(day - 1), Some(660));
        assert_eq!(at(day), None);
        assert_eq!(state.available_minor(as_of.plus_ms(day), 10 * day, 1_000), Some(-100));
    }

    #[test]
    fn a_fresh_account_comes_back() {
        let state = AccountState::default();
        assert_eq!(AccountState::parse(&state.encode().unwrap()), Ok(state));
    }
}
