//! The receiving end of one transfer: what to ask for, what is there, when it is safe.

use crate::{
    Bitmap, Checkpoint, CreditPool, Credits, Error, Groups, Misuse, Slice, SliceProof, TransferId,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;
use port::{Tenant, Time};

/// Pulls one file: asks for missing ranges within its credits, marks what was verified and written, and makes checkpoints.
///
/// It performs nothing: [`Receiver::poll`] says what is next. Ranges may be asked of several sources and may come in any
/// order, twice, or never; what does not come in time is asked for again. What is in time is learned from the answers. Over
/// a way that takes longer than [`Paces::patience_ms`] for what is asked for at a time, ranges would be asked for again
/// while they are coming, and the more often, the slower the way gets by it. So an answer that is already there makes the
/// receiver twice as patient: it had asked too early. An answer to what was asked for once says how long the way takes, one
/// to what was asked for again does not (Karn's rule; RFC 6298, RFC 3708). While something comes, what was asked for with it is
/// waited for longer: it is behind it. Silence makes nobody patient.
#[derive(Clone, Debug)]
pub struct Receiver {
    tenant: Tenant,
    transfer: TransferId,
    bitmap: Bitmap,
    credits: Credits,
    asked: BTreeMap<u64, Asked>,
    /// Where ranges begin that did not come in time.
    late: BTreeSet<u64>,
    patience_ms: u64,
    /// When something new came last.
    heard: Time,
    /// Something was late since the patience was doubled.
    has_lost_patience: bool,
    stage: Saving,
    paces: Paces,
}

/// A range that is waited for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    end: u64,
    at: Time,
    patience_ms: u64,
    /// To which question this is the answer cannot be known.
    is_repeat: bool,
}

impl Asked {
    /// As long as others come, it may be behind them; but not for ever.
    fn late(&self, heard: Time) -> Time {
        let behind = heard.max(self.at).plus_ms(self.patience_ms);
        behind.min(self.at.plus_ms(self.patience_ms.saturating_mul(BEHIND_TIMES_MAX)))
    }
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
    /// 1 MiB at a time, 4 MiB on their way, ten seconds.
    fn default() -> Self {
        Self { range_groups: 64, window_bytes: 4 << 20, patience_ms: 10_000 }
    }
}

/// How many times its patience a range is waited for at most while others come.
const BEHIND_TIMES_MAX: u64 = 4;

/// How many times its least patience a receiver waits at most, however long answers take.
const PATIENCE_TIMES_MAX: u64 = 64;

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
        let (asked, late, patience_ms) = (BTreeMap::new(), BTreeSet::new(), paces.patience_ms);
        let (heard, has_lost_patience) = (Time::EPOCH, false);
        Self {
            tenant,
            transfer,
            bitmap,
            credits,
            asked,
            late,
            patience_ms,
            heard,
            has_lost_patience,
            stage,
            paces,
        }
    }

    /// What to do next, until `None`.
    ///
    /// # Errors
    /// [`Error`] of the bitmap; not within its bounds.
    pub fn poll(&mut self, now: Time, pool: &mut CreditPool) -> Result<Option<Pull>, Error> {
        match self.stage {
            Saving::Complete => return Ok(Some(Pull::Complete)),
            Saving::Idle if self.bitmap.is_due() && self.bitmap.fresh() > 0 => {
                let checkpoint = self.bitmap.checkpoint(self.tenant, &self.transfer)?;
                self.stage = Saving::Syncing(checkpoint);
                return Ok(Some(Pull::Sync));
            }
            _ => {}
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
                self.asked_too_early();
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
        if let Some(asked) = self.asked.get(&range.start).copied()
            && asked.end == range.end
        {
            self.asked.remove(&range.start);
            self.learn(now, asked);
            let bytes = self.bitmap.groups().bytes_len(range).max(1);
            pool.give(&mut self.credits, bytes);
        }
        let new = self.bitmap.mark(range)?;
        if new > 0 {
            self.heard = self.heard.max(now);
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
        self.asked.values().map(|asked| asked.late(self.heard)).min()
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
        let (end, patience_ms) = (range.end, self.patience_ms);
        self.asked.insert(range.start, Asked { end, at: now, patience_ms, is_repeat });
        range
    }

    /// An answer shows how long the way takes.
    fn learn(&mut self, now: Time, asked: Asked) {
        if !asked.is_repeat {
            let calmer = self.patience_ms - self.patience_ms / 8;
            self.be_patient(calmer.max(now.since_ms(asked.at).saturating_mul(2)));
        }
    }

    /// What is already there comes again: it was asked for again too early.
    fn asked_too_early(&mut self) {
        if core::mem::take(&mut self.has_lost_patience) {
            self.be_patient(self.patience_ms.saturating_mul(2));
        }
    }

    fn be_patient(&mut self, ms: u64) {
        let least = self.paces.patience_ms;
        self.patience_ms = ms.clamp(least, least.saturating_mul(PATIENCE_TIMES_MAX));
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
        let late: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.late(self.heard) <= now)
            .map(|(start, _)| *start)
            .collect();
        for start in late {
            if let Some(asked) = self.asked.remove(&start) {
                let bytes = self.bitmap.groups().bytes_len(&(start..asked.end)).max(1);
                pool.give(&mut self.credits, bytes);
                self.late.insert(start);
                self.has_lost_patience = true;
            }
        }
    }
}
