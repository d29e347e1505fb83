//! What all terminals of an institution see: how common a neighbour is, and which neighbours are ever seen together.

use super::odds::exp2_neg;
use super::{Scan, TerminalId};
use crate::{BasisPoints, LogRatio};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// A sketch of what the terminals of one institution see, of fixed size.
///
/// Profiles hold tokens of each terminal's own key, so the share of terminals that see a neighbour cannot be counted from
/// them, on purpose. This sketch counts under a [key of its own](super::PopulationKey): a count-min sketch of terminals per
/// address, a filter that lets each terminal count once per address, and a filter of the pairs of addresses that anybody saw
/// together.
///
/// **Privacy.** It holds no address, no token and no terminal, only counters and bits that many share. With the key one can
/// ask how common a given address is, and whether two given addresses were seen together; nobody can list what is in it.
/// Without the key it says nothing.
///
/// **Accuracy.** A count is never too low while nothing was dropped; it is too high by more than `terminals seen × 2.72 /
/// width` with a chance below 2 % (four rows). The filters err on the side of *seen*: a count that is taken for one made
/// before is dropped, and a pair for one seen before.
///
/// **Capacity.** With a width of 2ʷ, one count in a hundred is dropped at 3.4 × 2ʷ (terminal, address) pairs, one in ten at
/// 12 × 2ʷ: 3.5 and 12.8 million at the largest width. Beyond, shares come out too low, which makes common neighbours look
/// rare. [`Population::saturation`] says how far it is; begin a new sketch from time to time, or shard by terminal.
///
/// **Merging** adds up counters and joins filters, in any order with the same result. Counts stay right if each terminal is
/// fed to one sketch only (shard by terminal).
#[derive(Clone, PartialEq, Eq)]
pub struct Population {
    width_log2: u8,
    terminals: u64,
    counters: Vec<u32>,
    counted: Vec<u64>,
    pairs: Vec<u64>,
}

impl Population {
    /// An empty sketch of `2^width_log2` columns, 10 to 20: 32 bytes a column, so 32 KiB to 32 MiB.
    ///
    /// # Errors
    /// [`BadWidth`].
    pub fn new(width_log2: u8) -> Result<Self, BadWidth> {
        if !(10..=20).contains(&width_log2) {
            return Err(BadWidth);
        }
        let width = 1_usize << width_log2;
        Ok(Self {
            width_log2,
            terminals: 0,
            counters: vec![0; ROWS * width],
            counted: vec![0; width],
            pairs: vec![0; width],
        })
    }

    /// Counts what one terminal saw. The scan must have been [taken](Scan::take) with the population's key, or nothing is
    /// counted. Only confirmed scans should be: a sketch cannot forget.
    pub fn update(&mut self, terminal: &TerminalId, scan: &Scan) {
        let digest = Sha256::digest(terminal.as_bytes());
        let mut mark = [0; 8];
        mark.copy_from_slice(&digest[..8]);
        let terminal = u64::from_be_bytes(mark);
        let names = scan.population_names();
        if names.is_empty() {
            return;
        }
        let width_log2 = self.width_log2;
        if insert(&mut self.counted, width_log2, mix(terminal)) {
            self.terminals = self.terminals.saturating_add(1);
        }
        for name in names {
            if insert(&mut self.counted, width_log2, mix(terminal ^ name.rotate_left(1))) {
                for row in 0..ROWS {
                    let at = self.cell(row, *name);
                    self.counters[at] = self.counters[at].saturating_add(1);
                }
            }
        }
        let below = lowest(names, PAIRED_MAX);
        let paired: Vec<u64> = names.iter().copied().filter(|name| *name < below).collect();
        for (at, one) in paired.iter().enumerate() {
            for other in &paired[at + 1..] {
                insert(&mut self.pairs, width_log2, pair(*one, *other));
            }
        }
    }

    /// Joins another sketch of the same width.
    ///
    /// # Errors
    /// [`BadWidth`]; nothing has changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), BadWidth> {
        if self.width_log2 != other.width_log2 {
            return Err(BadWidth);
        }
        self.terminals = self.terminals.saturating_add(other.terminals);
        for (mine, theirs) in self.counters.iter_mut().zip(&other.counters) {
            *mine = mine.saturating_add(*theirs);
        }
        for (mine, theirs) in self.counted.iter_mut().zip(&other.counted) {
            *mine |= theirs;
        }
        for (mine, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            *mine |= theirs;
        }
        Ok(())
    }

    /// The chance that a new count is dropped, since it looks like one that was made. Above a tenth, begin a new sketch.
    pub fn saturation(&self) -> BasisPoints {
        let set: u64 = self.counted.iter().map(|word| u64::from(word.count_ones())).sum();
        // Two bits have to be set by others; at most 2²⁶ of them.
        let all = 64_u64 << self.width_log2;
        BasisPoints::of(set * set, all * all)
    }

    /// How many terminals were counted.
    pub const fn terminals(&self) -> u64 {
        self.terminals
    }

    /// The share of terminals that see the address of this name.
    pub(super) fn share(&self, name: u64) -> Share {
        Share::estimated(u64::from(self.count(name)), self.terminals)
    }

    pub(super) fn count(&self, name: u64) -> u32 {
        (0..ROWS).map(|row| self.counters[self.cell(row, name)]).min().unwrap_or(0)
    }

    /// Of a scan with these names, only those below this one can be asked whether they were [together](Self::were_together).
    ///
    /// Pairs are kept of the lowest names of a scan, so that all terminals of a place keep the same ones; asked are fewer than
    /// are kept, since no two scans see quite the same.
    pub(super) fn asked_below(names: &[u64]) -> u64 {
        lowest(names, ASKED_MAX)
    }

    pub(super) fn were_together(&self, one: u64, other: u64) -> bool {
        contains(&self.pairs, self.width_log2, pair(one, other))
    }

    fn cell(&self, row: usize, name: u64) -> usize {
        let column = low(mix(name.wrapping_add(row as u64)), self.width_log2);
        (row << self.width_log2) + column
    }

    /// Appends the saved state, specified in `docs/spec/risk-core-surroundings.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        writer.u8(self.width_log2).u64(self.terminals);
        self.counters.iter().for_each(|counter| {
            writer.u32(*counter);
        });
        self.counted.iter().chain(&self.pairs).for_each(|bits| {
            writer.u64(*bits);
        });
    }

    /// Reads a saved state.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let width_log2 = reader.u8()?;
        let terminals = reader.u64()?;
        if !(10..=20).contains(&width_log2) {
            return Err(WireError::Invalid);
        }
        // Before anything is allocated for it.
        let (expected, found) = (32_usize << width_log2, reader.rest().len());
        if found != expected {
            return Err(if found < expected { WireError::Truncated } else { WireError::Trailing });
        }
        let width = 1_usize << width_log2;
        let counters = (0..ROWS * width).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        let counted = (0..width).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        let pairs = (0..width).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { width_log2, terminals, counters, counted, pairs })
    }
}

impl fmt::Debug for Population {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Population(2^{} columns, {} terminals)", self.width_log2, self.terminals)
    }
}

/// The share of terminals that see a neighbour, in sixteenths of a halving: `2^(-n/16)`, so within 2.2 % of the true one.
///
/// From 96 % (`n` = 1: an address that nearly everybody sees says nearly nothing) down to 0.0016 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

impl Share {
    /// What is believed of a neighbour that nobody counted: one in 500.
    pub const UNKNOWN: Self = Self(143);

    /// The share behind `seen` of `all` terminals, as if one more had seen it and 500 more had been asked: few terminals say
    /// little.
    pub fn estimated(seen: u64, all: u64) -> Self {
        Self::of(seen.saturating_add(1), all.saturating_add(500))
    }

    /// The nearest step to a ratio.
    pub fn of(part: u64, whole: u64) -> Self {
        let units = LogRatio::of(whole, part).as_units().max(0);
        let steps = (units.saturating_mul(16).saturating_add(LN_2 / 2)) / LN_2;
        Self(u8::try_from(steps.max(1)).unwrap_or(u8::MAX))
    }

    /// The number of steps, 1 to 255.
    pub const fn as_u8(self) -> u8 {
        self.0
    }

    pub(super) const fn from_u8(steps: u8) -> Option<Self> {
        if steps == 0 { None } else { Some(Self(steps)) }
    }

    /// Unchecked; see [`Share::is_valid`].
    pub(super) const fn from_steps(steps: u8) -> Self {
        Self(steps)
    }

    pub(super) const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// `-ln q`: what a neighbour adds by being there.
    pub const fn surprise(self) -> LogRatio {
        LogRatio::from_units(SURPRISE[1][self.0 as usize])
    }

    /// `-ln (1 - q)`: what one adds by being absent.
    pub const fn absence(self) -> LogRatio {
        LogRatio::from_units(SURPRISE[0][self.0 as usize])
    }
}

/// `-ln (1 - q)` and `-ln q` of every step, in units of 2⁻¹⁶.
pub(super) const SURPRISE: [[i32; 256]; 2] = {
    let mut table = [[0; 256]; 2];
    let mut at = 1;
    while at < 256 {
        let share = exp2_neg((at as u64) << 28);
        table[0][at] = LogRatio::of(1 << 32, (1 << 32) - share).as_units();
        table[1][at] = LogRatio::of(1 << 32, share).as_units();
        at += 1;
    }
    table
};

/// The sketch's width is not 2¹⁰ to 2²⁰, or two widths differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWidth;

impl BadWidth {
    /// Stable number: 3302.
    pub const fn code(self) -> u32 {
        3_302
    }
}

impl fmt::Display for BadWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sketches have 2^10 to 2^20 columns, and only equal widths merge")
    }
}

impl core::error::Error for BadWidth {}

/// Sets the two bits of a hash; whether any of them was new.
fn insert(bits: &mut [u64], width_log2: u8, hash: u64) -> bool {
    let mut new = false;
    for (word, bit) in spots(width_log2, hash) {
        new |= bits[word] & bit == 0;
        bits[word] |= bit;
    }
    new
}

fn contains(bits: &[u64], width_log2: u8, hash: u64) -> bool {
    spots(width_log2, hash).iter().all(|(word, bit)| bits[*word] & bit != 0)
}

fn spots(width_log2: u8, hash: u64) -> [(usize, u64); 2] {
    [hash, mix(hash)].map(|hash| (low(hash, width_log2), 1 << (hash >> 58)))
}

fn pair(one: u64, other: u64) -> u64 {
    mix(mix(one.min(other)).wrapping_add(one.max(other)))
}

#[expect(clippy::cast_possible_truncation, reason = "at most 20 bits are left")]
const fn low(hash: u64, bits: u8) -> usize {
    (hash & ((1 << bits) - 1)) as usize
}

/// A bijection that spreads every bit (the finaliser of SplitMix64). Its inputs are outputs of a keyed function, so nobody
/// outside can aim at a cell.
const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A bound below which so many of these names lie, or all of them.
fn lowest(names: &[u64], most: usize) -> u64 {
    let mut rising = names.to_vec();
    rising.sort_unstable();
    rising.dedup();
    rising.get(most).copied().unwrap_or(u64::MAX)
}

const ROWS: usize = 4;
/// Pairs are kept of this many neighbours of a scan: 276.
const PAIRED_MAX: usize = 24;
/// And asked for of this many.
const ASKED_MAX: usize = 16;
/// `ln 2` in units of 2⁻¹⁶.
const LN_2: i32 = 45_426;
