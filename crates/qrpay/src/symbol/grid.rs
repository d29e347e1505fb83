//! A square of bits, held the way the mask scorer wants to read it.

use alloc::vec;
use alloc::vec::Vec;

/// A square of modules, a set bit being a dark one.
///
/// Columns are cut into planes of 64; a plane holds one word a row, so up to three words make a
/// row of the largest symbol. Each plane carries [`PAD`] light rows above and below the symbol:
/// they are the light border that the finder rule of the penalty looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    size: usize,
    words: Vec<u64>,
}

impl Grid {
    /// An all-light square of `size` modules a side.
    pub(super) fn new(size: usize) -> Self {
        Self { size, words: vec![0; size.div_ceil(64) * (size + 2 * PAD)] }
    }

    /// A square of `size` modules a side; `is_dark(x, y)` is asked once for each.
    pub(super) fn from_modules(size: usize, mut is_dark: impl FnMut(usize, usize) -> bool) -> Self {
        let mut out = Self::new(size);
        for (index, plane) in out.inner_planes_mut().enumerate() {
            let columns = 64 * index..size.min(64 * (index + 1));
            for (y, row) in plane.iter_mut().enumerate() {
                for x in columns.clone().rev() {
                    *row = *row << 1 | u64::from(is_dark(x, y));
                }
            }
        }
        out
    }

    /// Makes one module dark. Positions outside of the square are ignored.
    pub(super) fn darken(&mut self, x: usize, y: usize) {
        let at = self.word_at(x, y);
        if let Some(word) = at.and_then(|at| self.words.get_mut(at)) {
            *word |= 1 << (x % 64);
        }
    }

    /// Makes one module light. Positions outside of the square are ignored.
    pub(super) fn lighten(&mut self, x: usize, y: usize) {
        let at = self.word_at(x, y);
        if let Some(word) = at.and_then(|at| self.words.get_mut(at)) {
            *word &= !(1 << (x % 64));
        }
    }

    /// Makes a rectangle dark.
    pub(super) fn darken_box(&mut self, x: usize, y: usize, width: usize, height: usize) {
        for row in y..y + height {
            for column in x..x + width {
                self.darken(column, row);
            }
        }
    }

    /// The square with light and dark exchanged.
    pub(super) fn complement(&self) -> Self {
        let mut out = self.clone();
        let size = self.size;
        for (index, plane) in out.inner_planes_mut().enumerate() {
            for word in plane {
                *word = !*word & columns(size, index);
            }
        }
        out
    }

    /// The square mirrored at its main diagonal.
    pub(super) fn transposed(&self) -> Self {
        let mut out = Self::new(self.size);
        for (index, plane) in self.inner_planes().enumerate() {
            for (rows, out) in plane.chunks(64).zip(out.inner_planes_mut()) {
                let mut block = [0; 64];
                for (word, row) in block.iter_mut().zip(rows) {
                    *word = *row;
                }
                transpose_block(&mut block);
                for (row, word) in out.iter_mut().skip(64 * index).zip(block) {
                    *row = word;
                }
            }
        }
        out
    }

    /// Modules a side.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether a module is dark. Everything outside of the square is light.
    pub(super) fn is_dark(&self, x: usize, y: usize) -> bool {
        self.word_at(x, y)
            .and_then(|at| self.words.get(at))
            .is_some_and(|word| word >> (x % 64) & 1 == 1)
    }

    /// One row as words, column 0 in bit 0 of the first word.
    pub(super) fn row(&self, y: usize) -> [u64; MAX_PLANES] {
        let mut row = [0; MAX_PLANES];
        for (word, plane) in row.iter_mut().zip(self.planes()) {
            *word = plane.get(y + PAD).copied().unwrap_or(0);
        }
        row
    }

    /// The planes from left to right, padding rows included.
    pub(super) fn planes(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.size + 2 * PAD)
    }

    /// The planes from left to right, without the padding rows.
    pub(super) fn inner_planes(&self) -> impl Iterator<Item = &[u64]> {
        self.planes().filter_map(|plane| plane.get(PAD..PAD + self.size))
    }

    /// The same, to be changed.
    pub(super) fn inner_planes_mut(&mut self) -> impl Iterator<Item = &mut [u64]> {
        let size = self.size;
        self.words.chunks_exact_mut(size + 2 * PAD).filter_map(move |p| p.get_mut(PAD..PAD + size))
    }

    /// The columns of plane `index` that belong to the square.
    pub(super) fn columns(&self, index: usize) -> u64 {
        columns(self.size, index)
    }

    fn word_at(&self, x: usize, y: usize) -> Option<usize> {
        (x < self.size && y < self.size).then(|| x / 64 * (self.size + 2 * PAD) + PAD + y)
    }
}

/// Mirrors a block of 64 by 64 at its diagonal: the two squares of each half side off the diagonal
/// change places, then the same within each quarter, down to single bits.
fn transpose_block(block: &mut [u64; 64]) {
    let mut half = 32;
    let mut low = u64::MAX >> 32;
    while half > 0 {
        for rows in block.chunks_exact_mut(2 * half) {
            let (upper, lower) = rows.split_at_mut(half);
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let differ = (*upper >> half ^ *lower) & low;
                *upper ^= differ << half;
                *lower ^= differ;
            }
        }
        half /= 2;
        low ^= low << half;
    }
}

/// The columns of plane `plane` that belong to a square of `size`.
fn columns(size: usize, plane: usize) -> u64 {
    match size.saturating_sub(64 * plane) {
        count @ 0..64 => (1 << count) - 1,
        _ => u64::MAX,
    }
}

/// Light rows on each side of a plane.
pub(super) const PAD: usize = 4;

/// 177 columns need three words.
pub(super) const MAX_PLANES: usize = 3;
