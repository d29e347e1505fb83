//! What the stand-in module keeps of one account: one row.

use crate::counts::Counts;
use crate::{Hold, ResponseCode, varint};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// The row of an account. It owns the account's journal: every entry under it is written together with it.
///
/// It never takes more than [`AccountState::BYTES_MAX`]. Where an account is busier than fits, old buckets of its counters are
/// put together, which can only decline more; where that is not enough, nothing more is approved until something ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The latest time seen: an earlier clock is held at it.
    pub seen: Time,
    /// How many journal entries the account has had; the last one has this number.
    pub seq: u64,
    /// The link of the last journal entry; zeros before the first.
    pub head: [u8; 32],
    /// How many entries wait to be delivered. While there are any, stand-in decides (spec: sticky lane).
    pub undelivered: u16,
    /// How many entries could not be posted and wait for a person.
    pub exceptions: u16,
    /// When the last entry was delivered.
    pub settled: Time,
    /// On the negative list, with which code, until when.
    pub deny: Option<(ResponseCode, Time)>,
    /// On the VIP list until when.
    pub vip_until: Option<Time>,
    /// The shadow balance, if the accounting system gave one.
    pub balance: Option<Balance>,
    /// Approved less reversed and refunded, since the account's first entry.
    pub spent_minor: i64,
    /// Wrong PINs since the last right one.
    pub pin_failures: u8,
    /// Counters, in the order of their numbers.
    pub counts: Vec<Counts>,
    /// The latest approvals by terminal, oldest first; only where a rule limits velocity.
    pub recent: Vec<(u32, Time)>,
    /// Amounts held by pre-authorizations that are not completed.
    pub holds: Vec<Hold>,
}

impl AccountState {
    /// The longest stored form.
    pub const BYTES_MAX: usize = 512;

    /// At most so many pre-authorizations at one time.
    pub const HOLDS_MAX: usize = 8;

    /// At most so many undelivered entries; then the account is declined with 65 until some are delivered. Reversals may be
    /// twice as many.
    pub const UNDELIVERED_MAX: u16 = 250;

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
        Some(kept - (i128::from(self.spent_minor) - i128::from(balance.spent_minor)))
    }

    /// Makes it fit into [`AccountState::BYTES_MAX`] by coarser counters; `false` if that is not enough.
    pub(crate) fn fit(&mut self) -> bool {
        // Most accounts are far from it: nothing is added up for them.
        let buckets = self.counts.iter().map(Counts::len).sum::<usize>();
        let items = self.counts.len() + buckets + self.recent.len() + self.holds.len();
        if items * ITEM_BYTES_MAX <= LIST_BYTES_MAX {
            return true;
        }
        while self.list_bytes() > LIST_BYTES_MAX {
            let longest = self.counts.iter_mut().max_by_key(|counts| counts.len());
            if !longest.is_some_and(Counts::coarsen) {
                return false;
            }
        }
        true
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
        let mut bytes = Vec::with_capacity(256);
        self.append(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends [`AccountState::encode`].
    pub(crate) fn append(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let begin = bytes.len();
        self.append_head(bytes);
        self.append_lists(bytes)?;
        if bytes.len() - begin > Self::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Ok(())
    }

    /// Appends what stands before the lists.
    pub(crate) fn append_head(&self, bytes: &mut Vec<u8>) {
        let flags = u8::from(self.deny.is_some())
            | u8::from(self.vip_until.is_some()) << 1
            | u8::from(self.balance.is_some()) << 2;
        let mut writer = Writer::new(bytes, VERSION);
        writer
            .u8(flags)
            .u64(self.seen.as_ms())
            .u64(self.seq)
            .fixed(&self.head)
            .u16(self.undelivered)
            .u16(self.exceptions)
            .u64(self.settled.as_ms())
            .i64(self.spent_minor)
            .u8(self.pin_failures);
        if let Some((code, until)) = self.deny {
            writer.fixed(code.as_bytes()).u64(until.as_ms());
        }
        if let Some(until) = self.vip_until {
            writer.u64(until.as_ms());
        }
        if let Some(balance) = self.balance {
            writer
                .i64(balance.minor)
                .u64(balance.as_of.as_ms())
                .u64(balance.watermark)
                .i64(balance.spent_minor);
        }
    }

    /// Appends the lists.
    pub(crate) fn append_lists(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let len = |len: usize| u8::try_from(len).map_err(|_| WireError::TooLong);
        let mut writer = Writer::bare(bytes);
        writer.u8(len(self.counts.len())?);
        for counts in &self.counts {
            counts.write(&mut writer)?;
        }
        writer.u8(len(self.recent.len())?);
        let mut last = Time::EPOCH;
        for (terminal, at) in &self.recent {
            writer.u32(*terminal);
            varint::write(&mut writer, at.since_ms(last));
            last = *at;
        }
        writer.u8(len(self.holds.len())?);
        for hold in &self.holds {
            hold.write(&mut writer);
        }
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut state = Self::default();
        state.fill(bytes)?;
        Ok(state)
    }

    /// [`AccountState::parse`] in place, into a fresh one.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let lists = self.fill_head(bytes)?;
        self.fill_lists(lists)
    }

    /// Reads what stands before the lists, into a fresh one; says where they are.
    pub(crate) fn fill_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let flags = reader.u8()?;
        if flags > 7 {
            return Err(bad);
        }
        self.seen = Time::from_ms(reader.u64()?);
        self.seq = reader.u64()?;
        self.head = reader.array()?;
        self.undelivered = reader.u16()?;
        self.exceptions = reader.u16()?;
        self.settled = Time::from_ms(reader.u64()?);
        self.spent_minor = reader.i64()?;
        self.pin_failures = reader.u8()?;
        if flags & 1 != 0 {
            let code = ResponseCode::new(reader.array()?).ok_or(bad)?;
            self.deny = Some((code, Time::from_ms(reader.u64()?)));
        }
        if flags & 2 != 0 {
            self.vip_until = Some(Time::from_ms(reader.u64()?));
        }
        if flags & 4 != 0 {
            self.balance = Some(Balance {
                minor: reader.i64()?,
                as_of: Time::from_ms(reader.u64()?),
                watermark: reader.u64()?,
                spent_minor: reader.i64()?,
            });
        }
        Ok(reader.rest())
    }

    /// Reads the lists.
    pub(crate) fn fill_lists(&mut self, lists: &[u8]) -> Result<(), WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(lists);
        let len = reader.u8()?;
        self.counts.reserve_exact(len.into());
        for _ in 0..len {
            let counts = Counts::read(&mut reader)?;
            if self.counts.last().is_some_and(|last| last.counter() >= counts.counter()) {
                return Err(bad);
            }
            self.counts.push(counts);
        }
        let mut last = Time::EPOCH;
        for _ in 0..reader.u8()? {
            let terminal = reader.u32()?;
            let at = last.as_ms().checked_add(varint::read(&mut reader)?).ok_or(bad)?;
            last = Time::from_ms(at);
            self.recent.push((terminal, last));
        }
        for _ in 0..reader.u8()? {
            self.holds.push(Hold::read(&mut reader)?);
        }
        reader.finish()
    }

    fn list_bytes(&self) -> usize {
        let mut last = Time::EPOCH;
        let recent = self.recent.iter().map(|(_, at)| {
            let since_ms = at.since_ms(last);
            last = *at;
            4 + varint::len(since_ms)
        });
        recent.sum::<usize>()
            + self.counts.iter().map(Counts::bytes).sum::<usize>()
            + self.holds.iter().map(Hold::bytes).sum::<usize>()
    }
}

/// What the accounting system said an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much, in minor units of the parameters' currency; may be negative.
    pub minor: i64,
    /// When it was so.
    pub as_of: Time,
    /// The last journal entry of the account that is in it; 0 for none.
    pub watermark: u64,
    /// The account's spending after that entry: what is in the balance already.
    pub spent_minor: i64,
}

/// What is left for lists when everything else is there: 121 bytes, and three counts.
pub(crate) const LIST_BYTES_MAX: usize = AccountState::BYTES_MAX - 121 - 3;

/// An account of version 1 has its entries where nobody looks for them any more: it is refused, and with it all that is asked
/// about it.
const VERSION: u8 = 2;
/// No counter, bucket, approval or hold takes more: a hold is three numbers of ten bytes, and a flag.
const ITEM_BYTES_MAX: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Slot, Window};
    use port::Zone;

    #[test]
    fn haircut_and_age_are_exact() {
        let as_of = Time::from_s(1_700_000_000);
        let balance = Some(Balance { minor: 1_000, as_of, watermark: 0, spent_minor: 40 });
        let state = AccountState { balance, spent_minor: 140, ..AccountState::default() };
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

    /// Everything there, counters of all kinds full, all times and amounts as large as they get in this century.
    fn busy(counters: u8) -> AccountState {
        let now = Time::from_s(4_000_000_000);
        let mut state = AccountState {
            seen: now,
            seq: u64::MAX,
            head: [0xFF; 32],
            undelivered: AccountState::UNDELIVERED_MAX,
            exceptions: u16::MAX,
            settled: now,
            deny: Some((ResponseCode::LOST, now)),
            vip_until: Some(now),
            balance: Some(Balance { minor: i64::MAX, as_of: now, watermark: 9, spent_minor: 1 }),
            spent_minor: i64::MAX,
            pin_failures: 255,
            ..AccountState::default()
        };
        for id in 1..=counters {
            for step in 0..24 {
                let at = now.plus_ms(step * 3_600_000);
                let slot = Slot::of(Window::Sliding(23 * 3_600_000), &Zone::utc(), at);
                (0..3).for_each(|_| state.counter(id).reserve(slot, 999_999));
            }
        }
        state
    }

    #[test]
    fn sd09_an_account_takes_512_bytes_at_most() {
        // Two sliding windows with all of their buckets fit as they are.
        let mut two = busy(2);
        assert!(two.fit());
        assert_eq!(two.counts.iter().map(Counts::len).collect::<Vec<_>>(), [24, 24]);
        assert!(two.encode().unwrap().len() <= AccountState::BYTES_MAX);
        // Eight of them, sixteen approvals and eight holds are put together, and lose nothing of what was counted.
        let mut eight = busy(8);
        let now = eight.seen;
        eight.recent = (0..16).map(|n| (u32::MAX, now.plus_ms(n * 60_000))).collect();
        let hold = Hold { seq: 1_000_000, minor: 999_999, at: now, queued: true };
        eight.holds = alloc::vec![hold; AccountState::HOLDS_MAX];
        let total = |state: &AccountState, id: usize| {
            let last = now.plus_ms(23 * 3_600_000);
            state.counts[id].total(Slot::of(Window::Sliding(23 * 3_600_000), &Zone::utc(), last))
        };
        assert_eq!(total(&eight, 7), (72, 72 * 999_999));
        assert!(eight.encode().is_err());
        assert!(eight.fit());
        assert_eq!(total(&eight, 7), (72, 72 * 999_999));
        let bytes = eight.encode().unwrap();
        assert!(bytes.len() <= 512, "{}", bytes.len());
        assert_eq!(AccountState::parse(&bytes), Ok(eight));
    }

    #[test]
    fn no_item_takes_more_than_is_reckoned() {
        let most = Time::from_ms(u64::MAX);
        let hold = Hold { seq: u64::MAX, minor: i64::MIN, at: most, queued: true };
        assert_eq!(hold.bytes(), ITEM_BYTES_MAX);
        let mut counts = Counts::new(255);
        counts.reserve(Slot::of(Window::Sliding(1), &Zone::utc(), most), i64::MAX);
        assert!(counts.bytes() <= 2 * ITEM_BYTES_MAX, "itself and its bucket");
    }

    #[test]
    fn what_cannot_fit_says_so() {
        let mut state = busy(8);
        let far =
            Hold { seq: u64::MAX, minor: i64::MAX, at: Time::from_ms(u64::MAX), queued: true };
        state.holds = alloc::vec![far; 12];
        assert!(!state.fit());
    }
}
