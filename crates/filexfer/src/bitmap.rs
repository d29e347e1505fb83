//! Which groups of a file are verified and durable: what a transfer resumes from.

use crate::{Error, Groups, Misuse, TransferId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;
use port::wire::{Reader, Writer};
use port::{Batch, CrateTag, Expect, Key, KeyError, Scan, Tenant, WireError};

/// The verified groups of one file, bound to its root: 4,096 groups (64 MiB) to a segment.
///
/// Complete segments are kept as runs and cost nothing, segments in work 512 bytes each, so that memory depends on how
/// scattered the groups are and not on the size of the file; at [`Bitmap::OPEN_MAX`] segments in work another one is
/// refused. What is stored is the same: one header row with the runs, one row for each segment in work. Resuming a file
/// of 1 TB that came in order reads one or two rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    root: [u8; 32],
    groups: Groups,
    /// Runs of complete segments: start and end.
    full: BTreeMap<u64, u64>,
    open: BTreeMap<u64, Box<[u64; WORDS]>>,
    verified: u64,
    /// Segments in work that changed since the last checkpoint.
    dirty: BTreeSet<u64>,
    /// Segments with a row.
    stored: BTreeSet<u64>,
    /// What was verified since the last checkpoint.
    fresh: Vec<Range<u64>>,
    /// What the last checkpoint added.
    last: Vec<Range<u64>>,
    checkpoints: u64,
}

impl Bitmap {
    /// The most segments in work: 512 KiB of bits, over 64 GiB of file.
    pub const OPEN_MAX: usize = 1_024;

    /// The most runs of complete segments, so that the header fits a row.
    pub const RUNS_MAX: usize = 2_048;

    /// Groups between two checkpoints at most: what a crash can cost to read again.
    pub const CHECKPOINT: u64 = Groups::SEGMENT;

    /// Nothing verified of a file of this root and size.
    pub const fn new(root: [u8; 32], size: u64) -> Self {
        Self {
            root,
            groups: Groups::new(size),
            full: BTreeMap::new(),
            open: BTreeMap::new(),
            verified: 0,
            dirty: BTreeSet::new(),
            stored: BTreeSet::new(),
            fresh: Vec::new(),
            last: Vec::new(),
            checkpoints: 0,
        }
    }

    /// Marks groups whose bytes were verified and written. Returns how many are new.
    ///
    /// # Errors
    /// [`Misuse::Range`] outside of the file; [`Error::Busy`] if the range would scatter the file over too many segments
    /// (finish those in work first), or if a checkpoint is due that nobody took. Nothing is marked then.
    pub fn mark(&mut self, range: &Range<u64>) -> Result<u64, Error> {
        if !self.groups.contain(range) {
            return Err(Misuse::Range.into());
        }
        if !self.has_room(range) {
            return Err(Error::Busy);
        }
        let before = self.verified;
        for segment in range.start / SEGMENT..=(range.end - 1) / SEGMENT {
            self.mark_segment(segment, range);
        }
        if self.verified > before {
            self.note(range);
        }
        Ok(self.verified - before)
    }

    /// Whether all groups of a range are verified.
    pub fn has(&self, range: &Range<u64>) -> bool {
        range.start >= range.end || self.gap(range.clone()).is_none()
    }

    /// Whether the whole file is.
    pub fn is_complete(&self) -> bool {
        self.verified == self.groups.count()
    }

    /// The first groups at or after `from` that are missing, at most `most` of them.
    pub fn missing(&self, from: u64, most: u64) -> Option<Range<u64>> {
        let gap = self.gap(from..self.groups.count())?;
        Some(gap.start..gap.end.min(gap.start.saturating_add(most.max(1))))
    }

    /// All missing ranges, in order.
    pub fn missing_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let gap = self.missing(from, u64::MAX)?;
            from = gap.end;
            Some(gap)
        })
    }

    /// How many groups are verified.
    pub const fn verified(&self) -> u64 {
        self.verified
    }

    /// The root that it is bound to.
    pub const fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// The groups of the file.
    pub const fn groups(&self) -> Groups {
        self.groups
    }

    /// Groups verified since the last checkpoint.
    pub fn fresh(&self) -> u64 {
        self.fresh.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether a checkpoint is due: as much is fresh as a crash may cost, or so many segments changed that more would not
    /// fit a batch.
    pub fn is_due(&self) -> bool {
        self.fresh() >= Self::CHECKPOINT || self.dirty.len() >= ROWS_MAX || self.is_complete()
    }

    /// The rows of a checkpoint: what is verified now. Take it *before* the file's bytes are forced to disk and commit it
    /// after: whatever is verified in between belongs to the next one.
    ///
    /// # Errors
    /// [`KeyError`], [`WireError::TooLong`]: neither happens within the bounds.
    pub fn checkpoint(
        &mut self,
        tenant: Tenant,
        transfer: &TransferId,
    ) -> Result<Checkpoint, Error> {
        self.last = core::mem::take(&mut self.fresh);
        self.checkpoints += 1;
        let mut batch = Batch::new();
        let mut header = Vec::with_capacity(128 + self.full.len() * 16);
        self.encode_header(&mut header).map_err(Error::Corrupt)?;
        batch.put(header_key(tenant, transfer)?, Expect::Any, header);
        for segment in core::mem::take(&mut self.dirty) {
            let Some(bits) = self.open.get(&segment) else { continue };
            let mut row = Vec::with_capacity(1 + WORDS * 8);
            let mut to = Writer::new(&mut row, 1);
            for word in bits.iter() {
                to.u64(*word);
            }
            batch.put(segment_key(tenant, transfer, segment)?, Expect::Any, row);
            self.stored.insert(segment);
        }
        // Rows of segments that are complete by now; a batch's worth at a time.
        let room = OPS_MAX - batch.ops().len().min(OPS_MAX);
        let done = self.stored.iter().filter(|segment| !self.open.contains_key(segment));
        for segment in done.copied().take(room).collect::<Vec<_>>() {
            self.stored.remove(&segment);
            batch.delete(segment_key(tenant, transfer, segment)?, Expect::Any);
        }
        let groups = self.last.clone();
        Ok(Checkpoint { batch, groups, is_complete: self.is_complete() })
    }

    /// The prefix under which the rows of a transfer's bitmap lie: scan it to resume.
    ///
    /// # Errors
    /// Never: the key is short.
    pub fn scan(tenant: Tenant, transfer: &TransferId) -> Result<Scan, Error> {
        Ok(Scan::first(prefix(tenant, transfer)?, Scan::ROWS_MAX))
    }

    /// Builds the bitmap again from its rows, header first as the scan gives them. Rows of segments that the header counts as
    /// complete are left over from before and ignored.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn restore<'a>(
        rows: impl IntoIterator<Item = (&'a Key, &'a [u8])>,
    ) -> Result<Option<Self>, Error> {
        let mut rows = rows.into_iter();
        let Some((_, header)) = rows.next() else { return Ok(None) };
        let mut bitmap = Self::parse_header(header).map_err(Error::Corrupt)?;
        for (key, row) in rows {
            bitmap.parse_segment(key, row).map_err(Error::Corrupt)?;
        }
        Ok(Some(bitmap))
    }

    /// The keys of all its rows, to be deleted when the transfer is over.
    ///
    /// # Errors
    /// Never: keys are short.
    pub fn row_keys(&self, tenant: Tenant, transfer: &TransferId) -> Result<Vec<Key>, Error> {
        let mut keys = alloc::vec![header_key(tenant, transfer)?];
        for segment in &self.stored {
            keys.push(segment_key(tenant, transfer, *segment)?);
        }
        Ok(keys)
    }

    /// What to do after a crash: `reread` is what the last checkpoint added (at most 64 MiB), to be compared with the tree
    /// once more, since a disk that lied about flushing lies about the end; then what is missing moves.
    pub fn resume(&self) -> Resume {
        Resume {
            reread: self.last.clone(),
            missing_groups: self.groups.count() - self.verified,
            next: self.missing(0, Self::CHECKPOINT),
        }
    }

    /// Takes groups back that proved wrong when they were read again. Returns how many.
    ///
    /// # Errors
    /// As [`Bitmap::mark`].
    pub fn unmark(&mut self, range: &Range<u64>) -> Result<u64, Error> {
        if !self.groups.contain(range) {
            return Err(Misuse::Range.into());
        }
        let segments = (range.end - 1) / SEGMENT - range.start / SEGMENT + 1;
        let segments = usize::try_from(segments).unwrap_or(usize::MAX);
        if self.dirty.len().saturating_add(segments) > DIRTY_MAX {
            return Err(Error::Busy);
        }
        let mut gone = 0;
        for segment in range.start / SEGMENT..=(range.end - 1) / SEGMENT {
            let part = self.part(segment, range);
            let mut bits = match self.open.remove(&segment) {
                Some(bits) => bits,
                None if self.is_full(segment) => {
                    self.split(segment);
                    self.all_bits(segment)
                }
                None => continue,
            };
            for (word, mask) in masks(part) {
                gone += u64::from((mask & bits[word]).count_ones());
                bits[word] &= !mask;
            }
            self.open.insert(segment, bits);
            self.dirty.insert(segment);
        }
        self.verified -= gone;
        Ok(gone)
    }

    fn mark_segment(&mut self, segment: u64, range: &Range<u64>) {
        if self.is_full(segment) {
            return;
        }
        let part = self.part(segment, range);
        let len = self.segment_len(segment);
        let bits = self.open.entry(segment).or_insert_with(|| Box::new([0; WORDS]));
        let mut new = 0;
        for (word, mask) in masks(part) {
            new += u64::from((mask & !bits[word]).count_ones());
            bits[word] |= mask;
        }
        if new == 0 {
            return;
        }
        self.verified += new;
        let count: u64 = bits.iter().map(|word| u64::from(word.count_ones())).sum();
        if count == len {
            self.open.remove(&segment);
            self.dirty.remove(&segment);
            self.join(segment);
        } else {
            self.dirty.insert(segment);
        }
    }

    fn has_room(&self, range: &Range<u64>) -> bool {
        let segments = range.start / SEGMENT..=(range.end - 1) / SEGMENT;
        // Only the first and the last can stay incomplete.
        let ends = BTreeSet::from([*segments.start(), *segments.end()]);
        let opened = ends
            .iter()
            .filter(|segment| !self.open.contains_key(segment) && !self.is_full(**segment))
            .count();
        self.open.len() + opened <= Self::OPEN_MAX
            && self.full.len() < Self::RUNS_MAX
            && self.dirty.len() + ends.len() <= DIRTY_MAX
    }

    fn note(&mut self, range: &Range<u64>) {
        if let Some(last) = self.fresh.last_mut()
            && last.start <= range.start
            && range.start <= last.end
        {
            last.end = last.end.max(range.end);
        } else {
            self.fresh.push(range.clone());
        }
    }

    /// The first gap within a range.
    fn gap(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut start = None;
        let mut at = range.start;
        while at < range.end {
            let segment = at / SEGMENT;
            let end = ((segment + 1) * SEGMENT).min(range.end);
            if let Some((_, run_end)) = self.run(segment) {
                if let Some(start) = start {
                    return Some(start..at);
                }
                at = (run_end * SEGMENT).min(range.end);
                continue;
            }
            match self.open.get(&segment) {
                None => {
                    start.get_or_insert(at);
                    at = end;
                    // Untouched segments up to the next touched one.
                    at = self.next_touched(segment + 1, range.end).max(at);
                }
                Some(bits) => {
                    while at < end {
                        // The rest of this word, the bit asked about lowest.
                        let (word, shift) = place(at % SEGMENT);
                        let bits = bits[word] >> shift;
                        let same = if bits & 1 == 1 {
                            bits.trailing_ones()
                        } else {
                            bits.trailing_zeros()
                        };
                        match (bits & 1 == 1, start) {
                            (true, Some(start)) => return Some(start..at),
                            (false, None) => start = Some(at),
                            _ => {}
                        }
                        at = (at + u64::from(same.min(64 - shift))).min(end);
                    }
                }
            }
        }
        start.map(|start| start..range.end)
    }

    fn next_touched(&self, segment: u64, end: u64) -> u64 {
        let open = self.open.range(segment..).next().map(|(at, _)| *at);
        let full = self.full.range(segment..).next().map(|(at, _)| *at);
        let next = open.into_iter().chain(full).min();
        next.map_or(end, |next| next.saturating_mul(SEGMENT).min(end))
    }

    fn run(&self, segment: u64) -> Option<(u64, u64)> {
        let (start, end) = self.full.range(..=segment).next_back()?;
        (segment < *end).then_some((*start, *end))
    }

    fn is_full(&self, segment: u64) -> bool {
        self.run(segment).is_some()
    }

    fn join(&mut self, segment: u64) {
        let (mut start, mut end) = (segment, segment + 1);
        if let Some(after) = self.full.remove(&end) {
            end = after;
        }
        if let Some((&before, &stop)) = self.full.range(..segment).next_back()
            && stop == segment
        {
            start = before;
        }
        self.full.insert(start, end);
    }

    fn split(&mut self, segment: u64) {
        let Some((start, end)) = self.run(segment) else { return };
        self.full.remove(&start);
        if start < segment {
            self.full.insert(start, segment);
        }
        if segment + 1 < end {
            self.full.insert(segment + 1, end);
        }
    }

    fn segment_len(&self, segment: u64) -> u64 {
        (self.groups.count() - segment * SEGMENT).min(SEGMENT)
    }

    /// The part of a range in a segment, counted from the segment's start.
    fn part(&self, segment: u64, range: &Range<u64>) -> Range<u64> {
        let base = segment * SEGMENT;
        let end = (base + self.segment_len(segment)).min(range.end);
        range.start.max(base) - base..end - base
    }

    fn all_bits(&self, segment: u64) -> Box<[u64; WORDS]> {
        let mut bits = Box::new([0; WORDS]);
        for (word, mask) in masks(0..self.segment_len(segment)) {
            bits[word] = mask;
        }
        bits
    }

    /// Version 1, root (32), size (`u64`), number of checkpoints (`u64`), runs of complete segments (`u16` count, start and
    /// end as `u64`), ranges of the last checkpoint (`u16` count, the same).
    fn encode_header(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, 1);
        to.fixed(&self.root).u64(self.groups.size()).u64(self.checkpoints);
        let runs = self.full.iter().map(|(start, end)| *start..*end);
        write_ranges(&mut to, runs, self.full.len())?;
        // More scattered than this: then the tree is asked about all from the first to the last.
        if self.last.len() > LAST_MAX {
            let start = self.last.iter().map(|range| range.start).min().unwrap_or(0);
            let end = self.last.iter().map(|range| range.end).max().unwrap_or(0);
            write_ranges(&mut to, core::iter::once(start..end), 1)
        } else {
            write_ranges(&mut to, self.last.iter().cloned(), self.last.len())
        }
    }

    fn parse_header(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let root = from.array()?;
        let mut bitmap = Self::new(root, from.u64()?);
        bitmap.checkpoints = from.u64()?;
        let segments = bitmap.groups.count().div_ceil(SEGMENT);
        let mut least = 0;
        for run in read_ranges(&mut from, Self::RUNS_MAX)? {
            if run.start < least || run.end > segments {
                return Err(WireError::Invalid);
            }
            // Two runs that touch are one.
            least = run.end + 1;
            let groups = run.start * SEGMENT..(run.end * SEGMENT).min(bitmap.groups.count());
            bitmap.verified += groups.end - groups.start;
            bitmap.full.insert(run.start, run.end);
        }
        bitmap.last = read_ranges(&mut from, LAST_MAX)?;
        if bitmap.last.iter().any(|range| !bitmap.groups.contain(range)) {
            return Err(WireError::Invalid);
        }
        from.finish()?;
        Ok(bitmap)
    }

    fn parse_segment(&mut self, key: &Key, row: &[u8]) -> Result<(), WireError> {
        let number = key.as_bytes().last_chunk().ok_or(WireError::Truncated)?;
        let segment = u64::from_be_bytes(*number);
        if segment >= self.groups.count().div_ceil(SEGMENT) {
            return Err(WireError::Invalid);
        }
        self.stored.insert(segment);
        if self.is_full(segment) {
            return Ok(());
        }
        let mut from = Reader::new(row);
        from.version(1)?;
        let mut bits = Box::new([0; WORDS]);
        for word in bits.iter_mut() {
            *word = from.u64()?;
        }
        from.finish()?;
        let all = self.all_bits(segment);
        if bits.iter().zip(all.iter()).any(|(bits, all)| bits & !all != 0) || bits == all {
            return Err(WireError::Invalid);
        }
        self.verified += bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        self.open.insert(segment, bits);
        Ok(())
    }
}

/// What to commit so that a crash costs no more than what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Checkpoint {
    /// The rows.
    pub batch: Batch,
    /// The groups that it adds; their bytes must be on disk first.
    pub groups: Vec<Range<u64>>,
    /// Nothing is missing after it.
    pub is_complete: bool,
}

/// How a transfer goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// To be read again and compared, at most one checkpoint (and what lies between if it was scattered).
    pub reread: Vec<Range<u64>>,
    /// How many groups still have to move.
    pub missing_groups: u64,
    /// The first of them.
    pub next: Option<Range<u64>>,
}

fn prefix(tenant: Tenant, transfer: &TransferId) -> Result<Key, KeyError> {
    Key::new(CrateTag::FILEXFER, tenant, TABLE).raw(&transfer.0)
}

fn header_key(tenant: Tenant, transfer: &TransferId) -> Result<Key, KeyError> {
    // Before all segments.
    prefix(tenant, transfer)?.raw(&[0])
}

fn segment_key(tenant: Tenant, transfer: &TransferId, segment: u64) -> Result<Key, KeyError> {
    prefix(tenant, transfer)?.raw(&[1])?.number(segment)
}

fn write_ranges(
    to: &mut Writer<'_>,
    ranges: impl Iterator<Item = Range<u64>>,
    count: usize,
) -> Result<(), WireError> {
    to.u16(u16::try_from(count).map_err(|_| WireError::TooLong)?);
    for range in ranges {
        to.u64(range.start).u64(range.end);
    }
    Ok(())
}

fn read_ranges(from: &mut Reader<'_>, most: usize) -> Result<Vec<Range<u64>>, WireError> {
    let count = usize::from(from.u16()?);
    if count > most {
        return Err(WireError::TooLong);
    }
    (0..count)
        .map(|_| {
            let range = from.u64()?..from.u64()?;
            if range.start < range.end { Ok(range) } else { Err(WireError::Invalid) }
        })
        .collect()
}

/// The words that a part of a segment covers, with its bits in each.
fn masks(part: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let words = part.start / 64..part.end.div_ceil(64);
    words.map(move |word| {
        let from = part.start.saturating_sub(word * 64).min(64);
        let until = (part.end - word * 64).min(64);
        let below = |bits: u64| if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        (usize::try_from(word).unwrap_or(0) % WORDS, below(until) & !below(from))
    })
}

/// The word of a group within its segment, and its bit in it.
fn place(at: u64) -> (usize, u32) {
    (usize::try_from(at / 64).unwrap_or(0) % WORDS, u32::try_from(at % 64).unwrap_or(0))
}

const SEGMENT: u64 = Groups::SEGMENT;
const WORDS: usize = 64;
const LAST_MAX: usize = 256;
/// Rows of segments in one batch, beside the header.
const ROWS_MAX: usize = 16;
/// More than are due, fewer than a batch takes.
const DIRTY_MAX: usize = 24;
/// A checkpoint shares its batch with other rows.
const OPS_MAX: usize = 40;
const TABLE: u8 = 4;
