//! The clean samples of one machine, column by column.

use crate::intake::{checked_allotment, without_allotment};
use crate::reading::on_grid;
use crate::{Counts, Error, Intake, Metrics, Misuse, Policy, VmId};
use alloc::vec::Vec;
use ndarray::{ArrayView2, Axis, ShapeBuilder};
use port::Time;

/// The loads of one machine: numbers in `[0, 1]`, one column for each metric, in the order of time.
///
/// Loads are rounded to multiples of 2⁻³². Therefore every sum over the at most [`SAMPLES_MAX`] samples is exact in
/// `f64`, and means, centres and shares do not depend on the order in which samples came or are added.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    vm: VmId,
    dimension: usize,
    len: usize,
    /// Empty if the samples came without times.
    times: Vec<Time>,
    /// Column by column.
    loads: Vec<f64>,
    counts: Counts,
}

/// The most samples of one machine: 2²¹, twenty years of five-minute samples.
pub const SAMPLES_MAX: usize = 1 << 21;

impl Samples {
    /// From raw columns without times, one slice for each metric; `allotment` as in [`Intake::allot`], or empty if no
    /// metric needs one.
    ///
    /// Samples count as taken one after the other, so that neither duplicates nor skew occur, and a value that is held
    /// may be of any age.
    ///
    /// # Errors
    /// [`Misuse`], [`Error::Refused`] by the policy, [`Error::Busy`] above [`SAMPLES_MAX`] samples.
    pub fn from_columns(
        vm: VmId,
        metrics: &Metrics,
        columns: &[&[f64]],
        allotment: &[f64],
        policy: &Policy,
    ) -> Result<Self, Error> {
        let len = columns.first().map_or(0, |column| column.len());
        if columns.len() != metrics.dimension() || columns.iter().any(|column| column.len() != len)
        {
            return Err(Misuse::Shape.into());
        }
        let reading = |row: usize, metric: usize| {
            columns.get(metric).and_then(|column| column.get(row)).copied().unwrap_or(f64::NAN)
        };
        if let Some(samples) = Self::clean(&vm, metrics, columns, allotment)? {
            return Ok(samples);
        }
        Self::untimed(vm, metrics, len, reading, allotment, policy)
    }

    /// From raw rows without times, one after the other in one slice.
    ///
    /// # Errors
    /// As [`Samples::from_columns`].
    pub fn from_rows(
        vm: VmId,
        metrics: &Metrics,
        rows: &[f64],
        allotment: &[f64],
        policy: &Policy,
    ) -> Result<Self, Error> {
        let dimension = metrics.dimension();
        if !rows.len().is_multiple_of(dimension) {
            return Err(Misuse::Shape.into());
        }
        let len = rows.len() / dimension;
        let mut gathered = Vec::with_capacity(rows.len());
        for metric in 0..dimension {
            gathered.extend(rows.iter().skip(metric).step_by(dimension));
        }
        let columns: Vec<&[f64]> = match len {
            0 => alloc::vec![&[]; dimension],
            _ => gathered.chunks_exact(len).collect(),
        };
        Self::from_columns(vm, metrics, &columns, allotment, policy)
    }

    /// From a raw view without times: one row for each sample, one column for each metric, any strides.
    ///
    /// # Errors
    /// As [`Samples::from_columns`].
    pub fn from_view(
        vm: VmId,
        metrics: &Metrics,
        view: ArrayView2<'_, f64>,
        allotment: &[f64],
        policy: &Policy,
    ) -> Result<Self, Error> {
        if view.ncols() != metrics.dimension() {
            return Err(Misuse::Shape.into());
        }
        let columns: Option<Vec<&[f64]>> =
            view.axis_iter(Axis(1)).map(|column| column.to_slice()).collect();
        if let Some(columns) = columns {
            return Self::from_columns(vm, metrics, &columns, allotment, policy);
        }
        let rows: Vec<f64> = view.iter().copied().collect();
        Self::from_rows(vm, metrics, &rows, allotment, policy)
    }

    fn untimed(
        vm: VmId,
        metrics: &Metrics,
        len: usize,
        reading: impl Fn(usize, usize) -> f64,
        allotment: &[f64],
        policy: &Policy,
    ) -> Result<Self, Error> {
        // one after the other: no skew, no duplicates, and a held value is never too old
        let policy = Policy { span: None, ..*policy };
        let mut intake = Intake::new(vm, metrics, &policy);
        if !allotment.is_empty() {
            intake.allot(allotment)?;
        }
        let mut readings = Vec::with_capacity(metrics.dimension());
        for row in 0..len {
            readings.clear();
            readings.extend((0..metrics.dimension()).map(|metric| reading(row, metric)));
            intake.push(Time::from_ms(u64::try_from(row).unwrap_or(u64::MAX)), &readings)?;
        }
        let mut samples = intake.finish()?;
        samples.times = Vec::new();
        Ok(samples)
    }

    /// The short way for columns in which every load is in `[0, 1]`; `None` if one is not.
    fn clean(
        vm: &VmId,
        metrics: &Metrics,
        columns: &[&[f64]],
        allotment: &[f64],
    ) -> Result<Option<Self>, Error> {
        let len = columns.first().map_or(0, |column| column.len());
        if len > SAMPLES_MAX {
            return Err(Error::Busy);
        }
        let allotment = if allotment.is_empty() {
            metrics.iter().map(without_allotment).collect()
        } else {
            checked_allotment(metrics, allotment)?
        };
        if allotment.iter().any(|allotted| allotted.is_nan()) {
            return Err(Misuse::Allotment.into());
        }
        let mut loads = Vec::with_capacity(len * columns.len());
        let mut is_clean = true;
        for ((column, metric), &allotted) in columns.iter().zip(metrics.iter()).zip(&allotment) {
            loads.extend(column.iter().map(|&reading| {
                let load = metric.load(reading, allotted);
                is_clean &= (0.0..=1.0).contains(&load);
                on_grid(load)
            }));
        }
        let n = u64::try_from(len).unwrap_or(u64::MAX);
        let counts = Counts { seen: n, used: n, ..Counts::default() };
        let dimension = columns.len();
        Ok(is_clean.then(|| Self {
            vm: vm.clone(),
            dimension,
            len,
            times: Vec::new(),
            loads,
            counts,
        }))
    }

    /// `rows` one after the other, on the grid.
    pub(crate) fn from_parts(
        vm: VmId,
        dimension: usize,
        times: Vec<Time>,
        rows: &[f64],
        counts: Counts,
    ) -> Self {
        let len = rows.len() / dimension;
        let mut loads = Vec::with_capacity(rows.len());
        for metric in 0..dimension {
            loads.extend(rows.iter().skip(metric).step_by(dimension));
        }
        Self { vm, dimension, len, times, loads, counts }
    }

    /// Whose they are.
    pub const fn vm(&self) -> &VmId {
        &self.vm
    }

    /// How many samples.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many metrics.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The loads of one metric; empty if there is no such metric.
    pub fn column(&self, metric: usize) -> &[f64] {
        self.loads.get(metric * self.len..(metric + 1) * self.len).unwrap_or_default()
    }

    /// All columns, one after the other.
    pub fn as_columns(&self) -> &[f64] {
        &self.loads
    }

    /// The loads of one sample.
    pub fn row(&self, sample: usize) -> impl Iterator<Item = f64> {
        (0..self.dimension).filter_map(move |metric| self.column(metric).get(sample).copied())
    }

    /// The times, ascending and distinct; empty if the samples came without.
    pub fn times(&self) -> &[Time] {
        &self.times
    }

    /// What became of the samples that came.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// As a view: one row for each sample, one column for each metric.
    pub fn view(&self) -> ArrayView2<'_, f64> {
        let shape = (self.len, self.dimension).f();
        ArrayView2::from_shape(shape, &self.loads)
            .unwrap_or_else(|_| ArrayView2::from(&[[0.0; 0]; 0]))
    }

    /// The mean load of each metric; zeros if there are no samples.
    pub fn mean(&self) -> Vec<f64> {
        let column_mean = |metric| {
            let sum: f64 = self.column(metric).iter().sum();
            if self.len == 0 { 0.0 } else { sum / count(self.len) }
        };
        (0..self.dimension).map(column_mean).collect()
    }
}

/// Exact below 2⁵³, and every length here is.
#[allow(clippy::cast_precision_loss)]
pub(crate) const fn count(n: usize) -> f64 {
    n as f64
}
