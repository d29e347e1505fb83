//! Where things are in a symbol: function modules, codewords, blocks.

use super::grid::Grid;
use super::{Level, Version};

/// The plan of all symbols of one version and level: which modules are fixed by the standard, and
/// to which codeword and error-correction block each other module belongs.
///
/// ```
/// use interbank_qrpay::symbol::{Layout, Level, Version};
///
/// let layout = Layout::new(Version::MIN, Level::M);
/// assert_eq!((layout.data_codewords(), layout.blocks(), layout.correctable()), (16, 1, 4));
/// assert!(layout.is_function(0, 0)); // a finder
/// assert_eq!(layout.codeword_at(20, 20).map(|codeword| codeword.block), Some(0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    version: Version,
    level: Level,
    function: Grid,
}

impl Layout {
    /// The layout of a version at a level.
    pub fn new(version: Version, level: Level) -> Self {
        Self { version, level, function: function_modules(version) }
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Data codewords of a symbol, all blocks together (ISO/IEC 18004 table 9).
    pub fn data_codewords(&self) -> usize {
        data_codewords(self.version, self.level)
    }

    /// Error-correction blocks of a symbol.
    pub fn blocks(&self) -> usize {
        block_count(self.version, self.level)
    }

    /// Wrong codewords that a reader can put right in each block: half of the check codewords,
    /// less those that small versions keep for telling misreads (ISO/IEC 18004 table 9, note b).
    pub fn correctable(&self) -> usize {
        let kept = match (self.version.number(), self.level) {
            (1, Level::L) => 3,
            (1, Level::M) | (2, Level::L) => 2,
            (1, Level::Q | Level::H) | (3, Level::L) => 1,
            _ => 0,
        };
        (check_codewords(self.version, self.level) - kept) / 2
    }

    /// Whether the standard fixes the module: finder, separator, timing, alignment, format and
    /// version information. Positions outside of the symbol are not.
    pub fn is_function(&self, x: usize, y: usize) -> bool {
        self.function.is_dark(x, y)
    }

    /// The codeword that the module belongs to; `None` for function modules, for the up to seven
    /// remainder modules, and outside of the symbol.
    pub fn codeword_at(&self, x: usize, y: usize) -> Option<Codeword> {
        self.data_modules().find(|&(_, at_x, at_y)| (at_x, at_y) == (x, y)).map(|found| found.0)
    }

    /// All modules that carry data, as codeword, column and row, in the order in which the bit
    /// stream is laid into the symbol (ISO/IEC 18004 §7.7.3): eight modules a codeword, its most
    /// significant bit first.
    pub fn data_modules(&self) -> impl Iterator<Item = (Codeword, usize, usize)> {
        let size = self.version.size();
        // pairs of columns from the right, the first one upward; column 6 is the timing pattern
        let pairs =
            (1..size).rev().step_by(2).map(|right| if right <= 6 { right - 1 } else { right });
        let places = pairs.enumerate().flat_map(move |(pair, right)| {
            (0..size).flat_map(move |step| {
                let y = if pair % 2 == 0 { size - 1 - step } else { step };
                [(right, y), (right - 1, y)]
            })
        });
        let last = raw_codewords(self.version) * 8;
        places
            .filter(|&(x, y)| !self.function.is_dark(x, y))
            .take(last)
            .enumerate()
            .map(|(bit, (x, y))| (self.codeword(bit / 8), x, y))
    }

    /// The codeword at a place in the interleaved sequence.
    fn codeword(&self, position: usize) -> Codeword {
        let blocks = self.blocks();
        let data = self.data_codewords();
        let short = data / blocks;
        let short_blocks = blocks - data % blocks;
        if position < short * blocks {
            Codeword { block: position % blocks, index: position / blocks }
        } else if position < data {
            // only the longer blocks, which come last, have one data codeword more
            Codeword { block: short_blocks + position - short * blocks, index: short }
        } else {
            let block = (position - data) % blocks;
            let own = short + usize::from(block >= short_blocks);
            Codeword { block, index: own + (position - data) / blocks }
        }
    }

    pub(super) fn function(&self) -> &Grid {
        &self.function
    }
}

/// A codeword of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Codeword {
    /// The error-correction block, counted from 0.
    pub block: usize,
    /// The place in the block, counted from 0; check codewords come after the data.
    pub index: usize,
}

/// Data codewords of a version at a level.
pub(super) fn data_codewords(version: Version, level: Level) -> usize {
    raw_codewords(version) - check_codewords(version, level) * block_count(version, level)
}

/// The modules of both copies of the format information, as bit, column and row.
pub(super) fn format_modules(size: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let first = (0..15).map(|bit| match bit {
        0..=5 => (bit, 8, bit),
        6 | 7 => (bit, 8, bit + 1),
        8 => (bit, 7, 8),
        _ => (bit, 14 - bit, 8),
    });
    let second = (0..15).map(move |bit| match bit {
        0..=7 => (bit, size - 1 - bit, 8),
        _ => (bit, 8, size - 15 + bit),
    });
    first.chain(second)
}

/// All modules that the standard fixes, as dark ones.
fn function_modules(version: Version) -> Grid {
    let size = version.size();
    let mut grid = Grid::new(size);
    // finders with separators, format information and the module that is always dark
    grid.darken_box(0, 0, 9, 9);
    grid.darken_box(size - 8, 0, 8, 9);
    grid.darken_box(0, size - 8, 9, 8);
    // timing
    grid.darken_box(6, 0, 1, size);
    grid.darken_box(0, 6, size, 1);
    let centres = alignment_centres(version);
    let last = size - 7;
    for x in centres.clone() {
        for y in centres.clone() {
            if !matches!((x, y), (6, 6)) && (x, y) != (6, last) && (x, y) != (last, 6) {
                grid.darken_box(x - 2, y - 2, 5, 5);
            }
        }
    }
    if version.number() >= 7 {
        grid.darken_box(size - 11, 0, 3, 6);
        grid.darken_box(0, size - 11, 6, 3);
    }
    grid
}

/// Rows and columns of the alignment patterns' centres (ISO/IEC 18004 annex E).
fn alignment_centres(version: Version) -> impl Iterator<Item = usize> + Clone {
    let number = usize::from(version.number());
    let count = if number == 1 { 0 } else { number / 7 + 2 };
    let step = match number {
        1 => 0,
        32 => 26,
        _ => (4 * number + 2 * count + 1) / (2 * count - 2) * 2,
    };
    // even steps back from the far edge; what is left over lies between the first two
    (0..count).map(move |at| if at == 0 { 6 } else { 4 * number + 10 - step * (count - 1 - at) })
}

/// Codewords of a version, data and check together.
fn raw_codewords(version: Version) -> usize {
    let number = usize::from(version.number());
    let mut modules = (16 * number + 128) * number + 64;
    if number >= 2 {
        let count = number / 7 + 2;
        modules -= (25 * count - 10) * count - 55;
    }
    if number >= 7 {
        modules -= 36;
    }
    modules / 8
}

fn check_codewords(version: Version, level: Level) -> usize {
    table_entry(&CHECK_CODEWORDS, version, level)
}

fn block_count(version: Version, level: Level) -> usize {
    table_entry(&BLOCKS, version, level)
}

fn table_entry(table: &[[u8; 40]; 4], version: Version, level: Level) -> usize {
    let row = match level {
        Level::L => &table[0],
        Level::M => &table[1],
        Level::Q => &table[2],
        Level::H => &table[3],
    };
    usize::from(row[usize::from(version.number()) - 1])
}

/// Check codewords of each block by level and version (ISO/IEC 18004 table 9).
#[rustfmt::skip]
const CHECK_CODEWORDS: [[u8; 40]; 4] = [
    [
         7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
        28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    ],
    [
        10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
        26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    ],
    [
        13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30,
        28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    ],
    [
        17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28,
        30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    ],
];

/// Blocks by level and version (ISO/IEC 18004 table 9).
#[rustfmt::skip]
const BLOCKS: [[u8; 40]; 4] = [
    [
         1,  1,  1,  1,  1,  2,  2,  2,  2,  4,  4,  4,  4,  4,  6,  6,  6,  6,  7,  8,
         8,  9,  9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25,
    ],
    [
         1,  1,  1,  2,  2,  4,  4,  4,  5,  5,  5,  8,  9,  9, 10, 10, 11, 13, 14, 16,
        17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49,
    ],
    [
         1,  1,  2,  2,  4,  4,  6,  6,  8,  8,  8, 10, 12, 16, 12, 17, 16, 18, 21, 20,
        23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68,
    ],
    [
         1,  1,  2,  4,  4,  4,  5,  6,  8,  8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25,
        25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81,
    ],
];
