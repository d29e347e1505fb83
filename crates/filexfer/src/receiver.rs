//! The receiving end of one transfer: what to ask for, what is there, when it is safe.

use crate::way::{Asked, Way};
use crate::{
    Bitmap, Checkpoint, CreditPool, Credits, Error, Groups, Misuse, Slice, SliceProof, TransferId,
};
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Range;
use port::{Tenant, Time};

/// Pulls one file: asks for missing ranges within its credits, marks what was verified and written, and makes checkpoints.
///
/// It performs nothing: [`Receiver::poll`] says what is next. Ranges may be asked of several sources and may come in any
/// order, twice, or never; what does not come in time is asked for again. What is in time is learned from what comes: over a
/// slow way a receiver waits longer.
#[derive(Clone, Debug)]
pub struct Receiver {
    tenant: Tenant,
    transfer: TransferId,
    bitmap: Bitmap,
    credits: Credits,
    asked: BTreeMap<u64, Asked>,
    /// Where ranges begin that did not come in time.
    late: BTreeSet<u64>,
    way: Way,
    stage: Saving,
    /// When the last checkpoint began; at first, when it was first asked for one.
    saved_at: Option<Time>,
    paces: Paces,
}

#[derive(Clone, Debug)]
enum Saving {
    Idle,
    Syncing(Checkpoint),
    Committing { is_complete: bool },
    Complete,
}

/// How a receiver asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// Groups asked for at a time.
    pub range_groups: u64,
    /// Bytes that may be on their way.
    pub window_bytes: u64,
    /// After how long a range is asked for again, in milliseconds; later where answers take longer.
    pub patience_ms: u64,
}

impl Default for Paces {
    /// 1 MiB at a time, 8 MiB on their way, ten seconds.
    fn default() -> Self {
        Self { range_groups: 64, window_bytes: 8 << 20, patience_ms: 10_000 }
    }
}

/// What a [`Receiver`] wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pull {
    /// These groups.
    Range(Range<u64>),
    /// What was written forced to disk; then [`Receiver::synced`].
    Sync,
    /// Nothing: all is there and recorded.
    Complete,
}

impl Receiver {
    /// Begins, or goes on from a stored bitmap.
    pub fn new(tenant: Tenant, transfer: TransferId, bitmap: Bitmap, paces: Paces) -> Self {
        let is_done = bitmap.is_complete() && bitmap.fresh() == 0;
        let stage = if is_done { Saving::Complete } else { Saving::Idle };
        let credits = Credits::new(paces.window_bytes.max(Groups::BYTES));
        let (asked, late, way) = (BTreeMap::new(), BTreeSet::new(), Way::new(paces.patience_ms));
        Self { tenant, transfer, bitmap, credits, asked, late, way, stage, saved_at: None, paces }
    }

    /// What to do next, until `None`.
    ///
    /// # Errors
    /// [`Error`] of the bitmap; not within its bounds.
    pub fn poll(&mut self, now: Time, pool: &mut CreditPool) -> Result<Option<Pull>, Error> {
        if let Some(next) = self.poll_saving(now)? {
            return Ok(Some(next));
        }
        self.forget_late(now, pool);
        let Some(range) = self.next_range() else { return Ok(None) };
        let groups = self.bitmap.groups();
        let need = groups.bytes_len(&range).max(1);
        let granted = pool.take(&mut self.credits, need);
        if granted < need {
            // Whole groups only; the rest of the credit goes back.
            let whole = granted / Groups::BYTES;
            let keep = whole * Groups::BYTES;
            pool.give(&mut self.credits, granted - keep);
            if whole == 0 {
                return Ok(None);
            }
            return Ok(Some(Pull::Range(self.ask(now, range.start..range.start + whole))));
        }
        Ok(Some(Pull::Range(self.ask(now, range))))
    }

    /// The part of [`Receiver::poll`] that asks for nothing: for whoever has to wait before more may move.
    ///
    /// # Errors
    /// As [`Receiver::poll`].
    pub fn poll_saving(&mut self, now: Time) -> Result<Option<Pull>, Error> {
        let since = *self.saved_at.get_or_insert(now);
        // What comes slowly is saved by time: a party that is there for some minutes a day would begin anew each day.
        let is_due = self.bitmap.is_due() || now >= since.plus_ms(SAVE_MS);
        match self.stage {
            Saving::Complete => Ok(Some(Pull::Complete)),
            Saving::Idle if is_due && self.bitmap.fresh() > 0 => {
                let checkpoint = self.bitmap.checkpoint(self.tenant, &self.transfer)?;
                self.stage = Saving::Syncing(checkpoint);
                self.saved_at = Some(now);
                Ok(Some(Pull::Sync))
            }
            _ => Ok(None),
        }
    }

    /// How many bytes it would ask for next, if it has the credits; `None` if everything was asked for.
    pub fn next_bytes(&mut self, now: Time, pool: &mut CreditPool) -> Option<u64> {
        self.forget_late(now, pool);
        Some(self.bitmap.groups().bytes_len(&self.next_range()?))
    }

    /// Checks a slice that was asked for; its bytes are to be written, then [`Receiver::written`] is to be called.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`] for a range that nobody waits for, [`Error::Peer`] for one that is not the file's.
    pub fn open<'a>(&mut self, range: &Range<u64>, bytes: &'a [u8]) -> Result<Slice<'a>, Error> {
        self.proof(range)?.open(bytes).map_err(|_| Error::Peer(port::WireError::Invalid))
    }

    /// What a slice that was asked for has to be compared with. It can be opened elsewhere then.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`] for a range that nobody waits for.
    pub fn proof(&mut self, range: &Range<u64>) -> Result<SliceProof, Error> {
        if self.asked.get(&range.start).is_none_or(|asked| asked.end != range.end) {
            if self.bitmap.groups().contain(range) && self.bitmap.has(range) {
                self.way.came_again();
            }
            return Err(Misuse::NotAsked.into());
        }
        let (root, size) = (*self.bitmap.root(), self.bitmap.groups().size());
        Ok(SliceProof { root, size, range: range.clone() })
    }

    /// A range was verified and written. One that nobody waits for any more is no fault. Returns how many groups are new.
    ///
    /// # Errors
    /// As [`Bitmap::mark`].
    pub fn written(
        &mut self,
        now: Time,
        range: &Range<u64>,
        pool: &mut CreditPool,
    ) -> Result<u64, Error> {
        let asked = self.asked.get(&range.start).copied().filter(|asked| asked.end == range.end);
        if asked.is_some() {
            self.asked.remove(&range.start);
            let bytes = self.bitmap.groups().bytes_len(range).max(1);
            pool.give(&mut self.credits, bytes);
        }
        let new = self.bitmap.mark(range)?;
        if new > 0
            && let Some(asked) = asked
        {
            self.way.came(now, &asked);
        }
        while let Some(start) = self.late.range(range.clone()).next().copied() {
            self.late.remove(&start);
        }
        Ok(new)
    }

    /// What was written before [`Pull::Sync`] is on disk: the checkpoint to commit, then [`Receiver::committed`].
    pub fn synced(&mut self) -> Option<Checkpoint> {
        match core::mem::replace(&mut self.stage, Saving::Idle) {
            Saving::Syncing(checkpoint) => {
                self.stage = Saving::Committing { is_complete: checkpoint.is_complete };
                Some(checkpoint)
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The checkpoint is durable.
    pub fn committed(&mut self) {
        if let Saving::Committing { is_complete } = self.stage {
            self.stage = if is_complete { Saving::Complete } else { Saving::Idle };
        }
    }

    /// Gives all credits back before it is dropped.
    pub fn stop(&mut self, pool: &mut CreditPool) {
        let out = self.credits.out();
        pool.give(&mut self.credits, out);
        self.asked.clear();
        self.late.clear();
    }

    /// When something that was asked for is late.
    pub fn next_deadline(&self) -> Option<Time> {
        self.asked.values().map(|asked| self.way.late(asked)).min()
    }

    /// What is there.
    pub const fn bitmap(&self) -> &Bitmap {
        &self.bitmap
    }

    pub(crate) fn into_bitmap(self) -> Bitmap {
        self.bitmap
    }

    fn ask(&mut self, now: Time, range: Range<u64>) -> Range<u64> {
        let is_repeat = self.late.remove(&range.start);
        self.asked.insert(range.start, self.way.ask(now, range.end, is_repeat));
        range
    }

    /// The next missing range that was not asked for.
    fn next_range(&self) -> Option<Range<u64>> {
        let mut from = 0;
        loop {
            let gap = self.bitmap.missing(from, self.paces.range_groups.max(1))?;
            // Ranges asked for do not overlap: only the last that starts before the gap's end can touch it.
            let touching = self.asked.range(..gap.end).next_back();
            match touching {
                Some((start, Asked { end, .. })) if *end > gap.start => {
                    if *start > gap.start && !self.is_asked(gap.start) {
                        return Some(gap.start..*start);
                    }
                    from = if self.is_asked(gap.start) { self.asked_end(gap.start) } else { *end };
                }
                _ => return Some(gap),
            }
        }
    }

    fn is_asked(&self, group: u64) -> bool {
        self.asked.range(..=group).next_back().is_some_and(|(_, asked)| asked.end > group)
    }

    fn asked_end(&self, group: u64) -> u64 {
        let at = self.asked.range(..=group).next_back();
        at.map_or(group + 1, |(_, asked)| asked.end.max(group + 1))
    }

    fn forget_late(&mut self, now: Time, pool: &mut CreditPool) {
        self.asked.retain(|&start, asked| {
            if !self.way.gives_up(now, asked) {
                return true;
            }
            let bytes = self.bitmap.groups().bytes_len(&(start..asked.end)).max(1);
            pool.give(&mut self.credits, bytes);
            self.late.insert(start);
            false
        });
    }
}

/// What was written is saved after so long at the latest, in milliseconds.
const SAVE_MS: u64 = 10_000;
