//! The eight masks, and the choice among them.

use super::Level;
use super::grid::{Grid, MAX_PLANES};
use super::layout::format_modules;
use super::penalty::penalty;

/// One of the eight data masks (ISO/IEC 18004 §7.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mask(u8);

impl Mask {
    /// All masks in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7)];

    /// The mask with this number, if it is 0 to 7.
    pub fn new(number: u8) -> Option<Self> {
        (number < 8).then_some(Self(number))
    }

    /// The number, 0 to 7.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A symbol before masking: its data modules as they are, its format modules light.
pub(super) struct Unmasked {
    rows: Grid,
    columns: Grid,
    maskable: Grid,
}

impl Unmasked {
    /// Takes the mask off a drawn symbol; `function` marks the modules that no mask touches.
    pub(super) fn new(mut drawn: Grid, mask: Mask, function: &Grid) -> Self {
        let maskable = function.complement();
        flip(&mut drawn, &maskable, row_pattern(mask));
        for (_, x, y) in format_modules(drawn.size()) {
            drawn.lighten(x, y);
        }
        let columns = drawn.transposed();
        Self { rows: drawn, columns, maskable }
    }

    /// The symbol under one mask, with the format modules that name it.
    pub(super) fn masked(&self, level: Level, mask: Mask) -> Grid {
        let mut rows = self.rows.clone();
        flip(&mut rows, &self.maskable, row_pattern(mask));
        let bits = format_bits(level, mask);
        for (bit, x, y) in format_modules(rows.size()) {
            if bits >> bit & 1 == 1 {
                rows.darken(x, y);
            }
        }
        rows
    }

    /// The mask with the lowest penalty, of equals the one with the lowest number, and its symbol.
    pub(super) fn best(&self, level: Level) -> (Mask, Grid) {
        let mut best = (Mask(0), self.masked(level, Mask(0)), u32::MAX);
        for mask in Mask::ALL {
            let rows = self.masked(level, mask);
            let score = penalty(&rows, &self.masked_columns(level, mask));
            if score < best.2 {
                best = (mask, rows, score);
            }
        }
        (best.0, best.1)
    }

    /// The transposed copy of [`Self::masked`].
    fn masked_columns(&self, level: Level, mask: Mask) -> Grid {
        let mut columns = self.columns.clone();
        // the area of the function modules is its own mirror image
        flip(&mut columns, &self.maskable, column_pattern(mask));
        let bits = format_bits(level, mask);
        for (bit, x, y) in format_modules(columns.size()) {
            if bits >> bit & 1 == 1 {
                columns.darken(y, x);
            }
        }
        columns
    }
}

/// The 15 format bits (ISO/IEC 18004 §7.9).
pub(super) fn format_bits(level: Level, mask: Mask) -> u32 {
    let level: u32 = match level {
        Level::L => 1,
        Level::M => 0,
        Level::Q => 3,
        Level::H => 2,
    };
    let data = level << 3 | u32::from(mask.0);
    let mut remainder = data;
    for _ in 0..10 {
        remainder = (remainder << 1) ^ ((remainder >> 9) * 0x537);
    }
    (data << 10 | remainder) ^ 0x5412
}

/// Inverts the maskable modules on which the pattern is dark.
fn flip(grid: &mut Grid, maskable: &Grid, pattern: &Pattern) {
    for ((plane, maskable), pattern) in
        grid.inner_planes_mut().zip(maskable.inner_planes()).zip(pattern)
    {
        for (rows, maskable) in plane.chunks_mut(PERIOD).zip(maskable.chunks(PERIOD)) {
            for ((row, maskable), pattern) in rows.iter_mut().zip(maskable).zip(pattern) {
                *row ^= pattern & maskable;
            }
        }
    }
}

fn row_pattern(mask: Mask) -> &'static Pattern {
    &ROW_PATTERNS[usize::from(mask.0)]
}

fn column_pattern(mask: Mask) -> &'static Pattern {
    &COLUMN_PATTERNS[usize::from(mask.0)]
}

/// Whether the mask inverts the module in column `x` and row `y`.
const fn inverts(mask: usize, x: usize, y: usize) -> bool {
    let remainder = match mask {
        0 => (x + y) % 2,
        1 => y % 2,
        2 => x % 3,
        3 => (x + y) % 3,
        4 => (x / 3 + y / 2) % 2,
        5 => x * y % 2 + x * y % 3,
        6 => (x * y % 2 + x * y % 3) % 2,
        _ => ((x + y) % 2 + x * y % 3) % 2,
    };
    remainder == 0
}

const fn patterns(transposed: bool) -> [Pattern; 8] {
    let mut out = [[[0; PERIOD]; MAX_PLANES]; 8];
    let mut mask = 0;
    while mask < 8 {
        let mut x = 0;
        while x < 64 * MAX_PLANES {
            let mut y = 0;
            while y < PERIOD {
                let dark = if transposed { inverts(mask, y, x) } else { inverts(mask, x, y) };
                if dark {
                    out[mask][x / 64][y] |= 1 << (x % 64);
                }
                y += 1;
            }
            x += 1;
        }
        mask += 1;
    }
    out
}

/// The rows of a mask for each plane; row `y` is at `y % PERIOD`.
type Pattern = [[u64; PERIOD]; MAX_PLANES];

/// All masks repeat after 12 rows and after 12 columns.
const PERIOD: usize = 12;

static ROW_PATTERNS: [Pattern; 8] = patterns(false);
static COLUMN_PATTERNS: [Pattern; 8] = patterns(true);
