//! Recent confirmations kept apart from what has settled, so that learning can be taken back.

use super::profile::{Learning, Profile};
use super::scan::Seen;
use super::{Grid, Report, Scan};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// How one profile came about: what has settled, and the confirmed scans of the last days.
///
/// [`current`](Self::current) is what has settled with the recent scans learned on top, in the order in which they were
/// made. So after [`revoke`](Self::revoke) it is, byte for byte, what it would be if the revoked scans had never come.
/// At most [`History::RECENT_MAX`] scans are recent; one more lets the oldest settle early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    settled: Profile,
    /// The last scan that settled was made then.
    settled_until: Time,
    recent: Vec<Confirmed>,
}

impl History {
    /// At most this many scans can be taken back.
    pub const RECENT_MAX: usize = 16;

    /// Nothing learned yet for this period.
    pub const fn new(grid: Grid, period: u16) -> Self {
        let settled = Profile::new(grid, period);
        Self { settled, settled_until: Time::EPOCH, recent: Vec::new() }
    }

    /// Adds a confirmed scan, after letting settle what was made more than `revocable_ms` before `now`.
    ///
    /// Returns whether it was taken: a scan of another period, one that is not later than what has settled, or the very same
    /// scan once more, is not.
    pub fn update(
        &mut self,
        now: Time,
        scan: &Scan,
        revocable_ms: u64,
        learning: &Learning,
    ) -> bool {
        let when = scan.when();
        if when.grid != self.settled.grid() || when.period != self.settled.period() {
            return false;
        }
        self.settle(now.minus_ms(revocable_ms), learning);
        if scan.taken() <= self.settled_until || when.day < self.settled.day() {
            return false;
        }
        let confirmed = Confirmed {
            taken: scan.taken(),
            day: when.day,
            key_id: scan.key_id(),
            seen: scan.seen().into(),
        };
        let at = self.recent.partition_point(|other| other.order() < confirmed.order());
        if self.recent.get(at) == Some(&confirmed) {
            return false;
        }
        self.recent.insert(at, confirmed);
        while self.recent.len() > Self::RECENT_MAX {
            self.settle_through(learning);
        }
        true
    }

    /// Takes back everything learned from scans made at `from` or later.
    ///
    /// Where such a scan has settled already, it cannot be told from what is older: then all of it goes, and the period
    /// starts anew. That is the safe side: less is known, and the PIN is asked.
    pub fn revoke(&mut self, from: Time) -> Revoked {
        let before = self.recent.len();
        if self.settled_until >= from && !self.settled.is_empty() {
            *self = Self::new(self.settled.grid(), self.settled.period());
            return Revoked::All;
        }
        self.recent.retain(|confirmed| confirmed.taken < from);
        if self.recent.len() == before { Revoked::Nothing } else { Revoked::Recent }
    }

    /// The profile that assessments use.
    pub fn current(&self, learning: &Learning) -> Profile {
        let mut profile = self.settled.clone();
        for confirmed in &self.recent {
            confirmed.teach(&mut profile, learning);
        }
        profile
    }

    /// The grid of its period.
    pub const fn grid(&self) -> Grid {
        self.settled.grid()
    }

    /// When the last scan was made; `None` if there is none.
    pub fn last(&self) -> Option<Time> {
        let recent = self.recent.iter().map(|confirmed| confirmed.taken).max();
        recent.or_else(|| (!self.settled.is_empty()).then_some(self.settled_until))
    }

    /// When the last scan was made that cannot be taken back alone.
    pub const fn settled_until(&self) -> Time {
        self.settled_until
    }

    /// How many scans can be taken back.
    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.recent.is_empty()
    }

    /// The stored form, specified in `docs/spec/risk-core-surroundings.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        Writer::new(to, 1).u64(self.settled_until.as_ms());
        self.settled.encode(to);
        let mut writer = Writer::bare(to);
        // at most 16, and at most 256 neighbours in each
        writer.u8(u8::try_from(self.recent.len()).unwrap_or(u8::MAX));
        for confirmed in &self.recent {
            let count = u16::try_from(confirmed.seen.len()).unwrap_or(u16::MAX);
            writer.u64(confirmed.taken.as_ms()).u16(confirmed.day).u8(confirmed.key_id).u16(count);
            confirmed.seen.iter().for_each(|seen| seen.encode(&mut writer));
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let settled_until = Time::from_ms(reader.u64()?);
        let settled = Profile::read(&mut reader)?;
        let count = usize::from(reader.u8()?);
        if count > Self::RECENT_MAX {
            return Err(WireError::TooLong);
        }
        let mut recent: Vec<Confirmed> = Vec::with_capacity(count);
        for _ in 0..count {
            let next = Confirmed::read(&mut reader)?;
            let orderly = recent.last().is_none_or(|last| last.order() <= next.order());
            if !orderly || next.taken <= settled_until {
                return Err(WireError::Invalid);
            }
            recent.push(next);
        }
        reader.finish()?;
        Ok(Self { settled, settled_until, recent })
    }

    fn settle(&mut self, before: Time, learning: &Learning) {
        while self.recent.first().is_some_and(|first| first.taken < before) {
            self.settle_through(learning);
        }
    }

    /// Lets the oldest day's first scan settle, and with it all that were made no later: a scan of a later day may be among
    /// them, where the terminal crossed the date line in between. What is recent was made after all that has settled.
    fn settle_through(&mut self, learning: &Learning) {
        self.settle_first(learning);
        while self.recent.iter().any(|confirmed| confirmed.taken <= self.settled_until) {
            self.settle_first(learning);
        }
    }

    fn settle_first(&mut self, learning: &Learning) {
        if self.recent.is_empty() {
            return;
        }
        let first = self.recent.remove(0);
        first.teach(&mut self.settled, learning);
        self.settled_until = self.settled_until.max(first.taken);
    }
}

/// How much was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// Nothing had been learned since then.
    Nothing,
    /// Exactly the scans since then.
    Recent,
    /// Everything, since some of it had settled.
    All,
}

/// A confirmed scan, as far as it is learned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Confirmed {
    taken: Time,
    day: u16,
    key_id: u8,
    seen: Vec<Seen>,
}

impl Confirmed {
    /// Days first: a terminal may have crossed the date line between two scans.
    fn order(&self) -> (u16, Time) {
        (self.day, self.taken)
    }

    fn teach(&self, profile: &mut Profile, learning: &Learning) {
        profile.learn(self.day, self.key_id, &self.seen, learning);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (taken, day) = (Time::from_ms(reader.u64()?), reader.u16()?);
        let [key_id] = reader.array()?;
        let count = usize::from(reader.u16()?);
        if count > Report::NEIGHBOURS_MAX {
            return Err(WireError::TooLong);
        }
        let mut seen: Vec<Seen> = Vec::with_capacity(count);
        for _ in 0..count {
            let next = Seen::read(reader)?;
            let orderly = seen.last().is_none_or(|last| last.key.needle() < next.key.needle());
            if !orderly || next.key.generation() != u32::from(key_id & 3) {
                return Err(WireError::Invalid);
            }
            seen.push(next);
        }
        Ok(Self { taken, day, key_id, seen })
    }
}
