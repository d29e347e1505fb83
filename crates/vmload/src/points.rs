//! Points packed for the kernels: column by column.

use crate::dispatch::{Kernel, run};
use crate::kernel::LANES;
use crate::lloyd::with_dimension;
use crate::width::Width;
use crate::{DIMENSION_MAX, Misuse, Samples};
use alloc::borrow::Cow;
use alloc::vec;

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
        let mut columns = vec![0.0; rows.len()];
        let seen = if len > 0 {
            with_dimension!(dimension, pack(rows, dimension, &mut columns))
        } else {
            Seen::NOTHING
        };
        Points::of(Cow::Owned(columns), dimension, len, &seen)
    }

    /// From columns, one after the other in one slice; nothing is copied.
    ///
    /// # Errors
    /// As [`Points::from_rows`].
    pub fn from_columns(columns: &'a [f64], dimension: usize) -> Result<Self, Misuse> {
        let len = checked_len(columns, dimension)?;
        Self::of(Cow::Borrowed(columns), dimension, len, &run(Look(columns)))
    }

    fn of(
        mut columns: Cow<'a, [f64]>,
        dimension: usize,
        len: usize,
        seen: &Seen,
    ) -> Result<Self, Misuse> {
        let highest = seen.highest().ok_or(Misuse::NotFinite)?;
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

/// Rows into columns.
fn pack<const D: usize>(rows: &[f64], dimension: usize, columns: &mut [f64]) -> Seen {
    let len = rows.len() / dimension;
    let mut each = columns.chunks_exact_mut(len);
    if D == dimension {
        let columns = core::array::from_fn(|_| each.next().unwrap_or_default());
        return run(Pack::<D> { rows: rows.as_chunks().0, columns });
    }
    for (metric, column) in each.enumerate() {
        for (to, row) in column.iter_mut().zip(rows.chunks_exact(dimension)) {
            *to = row.get(metric).copied().unwrap_or_default();
        }
    }
    run(Look(columns))
}

/// Eight rows at a time.
struct Pack<'a, const D: usize> {
    rows: &'a [[f64; D]],
    columns: [&'a mut [f64]; D],
}

impl<const D: usize> Kernel for Pack<'_, D> {
    type Output = Seen;

    #[inline(always)]
    fn run<W: Width>(self, _: W) -> Seen {
        let Self { rows, columns } = self;
        let (eights, rest) = rows.as_chunks::<LANES>();
        let columns = columns.map(|column| {
            let (eights_of_column, rest) = column.as_chunks_mut::<LANES>();
            (&mut eights_of_column[..eights.len()], rest)
        });
        let mut seen = Seen::NOTHING;
        for (at, eight) in eights.iter().enumerate() {
            for d in 0..D {
                let eight = core::array::from_fn(|lane| eight[lane][d]);
                seen.see(&eight);
                columns[d].0[at] = eight;
            }
        }
        for (at, row) in rest.iter().enumerate() {
            for d in 0..D {
                columns[d].1[at] = row[d];
            }
            seen.see_few(row);
        }
        seen
    }
}

/// All values of some columns.
struct Look<'a>(&'a [f64]);

impl Kernel for Look<'_> {
    type Output = Seen;

    #[inline(always)]
    fn run<W: Width>(self, _: W) -> Seen {
        let (eights, rest) = self.0.as_chunks();
        let mut seen = Seen::NOTHING;
        for eight in eights {
            seen.see(eight);
        }
        seen.see_few(rest);
        seen
    }
}

/// What was seen of values.
struct Seen {
    highest: [f64; LANES],
    /// Stays 0 for finite numbers and becomes no number for others.
    nothing: [f64; LANES],
}

impl Seen {
    const NOTHING: Self = Self { highest: [0.0; LANES], nothing: [0.0; LANES] };

    #[inline(always)]
    fn see(&mut self, eight: &[f64; LANES]) {
        let so_far = self.highest.iter_mut().zip(&mut self.nothing);
        for (value, (highest, nothing)) in eight.iter().zip(so_far) {
            let size = value.abs();
            *highest = if size > *highest { size } else { *highest };
            *nothing += value * 0.0;
        }
    }

    #[inline(always)]
    fn see_few(&mut self, values: &[f64]) {
        for value in values {
            self.highest[0] = self.highest[0].max(value.abs());
            self.nothing[0] += value * 0.0;
        }
    }

    /// The greatest magnitude, 0 of none; nothing if a number is not finite.
    fn highest(&self) -> Option<f64> {
        let is_finite = self.nothing.iter().all(|&nothing| nothing == 0.0);
        is_finite.then(|| self.highest.iter().copied().fold(0.0, f64::max))
    }
}

fn checked_len(values: &[f64], dimension: usize) -> Result<usize, Misuse> {
    let fits = (1..=DIMENSION_MAX).contains(&dimension) && values.len().is_multiple_of(dimension);
    if fits { Ok(values.len() / dimension) } else { Err(Misuse::Shape) }
}
