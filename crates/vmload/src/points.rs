//! Points packed for the kernels: column by column.

use crate::{DIMENSION_MAX, Misuse, Samples};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Points of one dimension (1 to 64), column by column, all finite.
///
/// Coordinates above 2⁵⁰⁰ in magnitude are scaled down by a power of two, so that no square overflows: every finite
/// input has a result, and [`crate::Grouping`] gives centres in the caller's scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Points<'a> {
    dimension: usize,
    len: usize,
    columns: Cow<'a, [f64]>,
    scale: f64,
}

impl<'a> Points<'a> {
    /// From rows, one after the other in one slice.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if the length is no multiple of `dimension` or that is not 1 to 64, [`Misuse::NotFinite`].
    pub fn from_rows(rows: &[f64], dimension: usize) -> Result<Points<'static>, Misuse> {
        let len = checked_len(rows, dimension)?;
        let mut columns = Vec::with_capacity(rows.len());
        columns.resize(rows.len(), 0.0);
        if len > 0 {
            // by tiles, so that both sides stay in the nearest cache
            for (tile, rows) in rows.chunks(TILE * dimension).enumerate() {
                for (metric, column) in columns.chunks_exact_mut(len).enumerate() {
                    let to = column.iter_mut().skip(tile * TILE);
                    for (to, row) in to.zip(rows.chunks_exact(dimension)) {
                        *to = row.get(metric).copied().unwrap_or_default();
                    }
                }
            }
        }
        Points::of(Cow::Owned(columns), dimension, len)
    }

    /// From columns, one after the other in one slice; nothing is copied.
    ///
    /// # Errors
    /// As [`Points::from_rows`].
    pub fn from_columns(columns: &'a [f64], dimension: usize) -> Result<Self, Misuse> {
        let len = checked_len(columns, dimension)?;
        Self::of(Cow::Borrowed(columns), dimension, len)
    }

    fn of(mut columns: Cow<'a, [f64]>, dimension: usize, len: usize) -> Result<Self, Misuse> {
        let mut highest: f64 = 0.0;
        let mut is_finite = true;
        for &value in columns.iter() {
            is_finite &= value.is_finite();
            highest = if value.abs() > highest { value.abs() } else { highest };
        }
        if !is_finite {
            return Err(Misuse::NotFinite);
        }
        let mut scale = 1.0;
        if highest > libm::scalbn(1.0, 500) {
            scale = libm::scalbn(1.0, 600);
            for value in columns.to_mut() {
                *value /= scale;
            }
        }
        Ok(Self { dimension, len, columns, scale })
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many coordinates each.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// What coordinates were divided by.
    pub(crate) const fn scale(&self) -> f64 {
        self.scale
    }

    pub(crate) fn column(&self, metric: usize) -> &[f64] {
        self.columns.get(metric * self.len..(metric + 1) * self.len).unwrap_or_default()
    }

    pub(crate) fn coordinate(&self, point: usize, metric: usize) -> f64 {
        self.column(metric).get(point).copied().unwrap_or_default()
    }

    pub(crate) fn point(&self, point: usize) -> impl Iterator<Item = f64> {
        (0..self.dimension).map(move |metric| self.coordinate(point, metric))
    }
}

impl<'a> From<&'a Samples> for Points<'a> {
    fn from(samples: &'a Samples) -> Self {
        Self {
            dimension: samples.dimension(),
            len: samples.len(),
            columns: Cow::Borrowed(samples.as_columns()),
            scale: 1.0,
        }
    }
}

const TILE: usize = 256;

fn checked_len(values: &[f64], dimension: usize) -> Result<usize, Misuse> {
    let fits = (1..=DIMENSION_MAX).contains(&dimension) && values.len().is_multiple_of(dimension);
    if fits { Ok(values.len() / dimension) } else { Err(Misuse::Shape) }
}
