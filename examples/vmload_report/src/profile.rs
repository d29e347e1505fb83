//! What is kept of one machine after its samples are gone.

use samples::{Collected, Skipped};
use vmload::{Counts, Error, ExactGroups, Signature, VmId};
use vmload::{Samples, StageOne};

/// One machine: its signature, and a small picture of its samples. Its size does not depend on how many there were.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) vm: VmId,
    pub(crate) counts: Counts,
    /// Bad rows that the core never saw.
    pub(crate) skipped: Skipped,
    /// The last allotment, in the unit of the readings; empty without samples.
    pub(crate) allotment: Vec<f64>,
    /// First and last time, in milliseconds.
    pub(crate) span_ms: (u64, u64),
    pub(crate) found: Result<Found, Error>,
    /// SHA-256 of the file as it lies there.
    pub(crate) digest: [u8; 32],
}

/// What stage 1 says, and the distribution of each metric.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) signature: Signature,
    pub(crate) inertia: f64,
    pub(crate) rounds: u32,
    pub(crate) metrics: Vec<Distribution>,
}

/// How one metric of one machine is distributed, over values and over time.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) mean: f64,
    /// At 5, 25, 50, 75, 95 and 100 percent.
    pub(crate) quantiles: [f64; 6],
    /// Optimal levels of operation: load, and share of the samples.
    pub(crate) levels: Vec<(f64, f64)>,
    /// Mean and highest load in equal parts of the span, at most [`SLICES_MAX`]; NaN where there is no sample.
    pub(crate) over_time: Vec<(f64, f64)>,
}

impl Distribution {
    pub(crate) const fn median(&self) -> f64 {
        self.quantiles[2]
    }

    pub(crate) const fn p95(&self) -> f64 {
        self.quantiles[4]
    }

    pub(crate) const fn highest(&self) -> f64 {
        self.quantiles[5]
    }
}

impl Profile {
    pub(crate) fn new(collected: &Collected, stage_one: &StageOne, digest: [u8; 32]) -> Self {
        let samples = &collected.samples;
        let ends = [samples.times().first(), samples.times().last()];
        let [first, last] = ends.map(|time| time.map_or(0, |time| time.as_ms()));
        let found = stage_one.group(samples).and_then(|grouping| {
            let metrics = (0..samples.dimension()).map(|metric| distribution(samples, metric));
            Ok(Found {
                signature: Signature::of(&grouping)?,
                inertia: grouping.inertia(),
                rounds: grouping.rounds(),
                metrics: metrics.collect::<Result<_, Error>>()?,
            })
        });
        Self {
            vm: samples.vm().clone(),
            counts: *samples.counts(),
            skipped: collected.skipped,
            allotment: collected.allotment.clone(),
            span_ms: (first, last),
            found,
            digest,
        }
    }
}

impl Profile {
    /// Rows and samples that are not used.
    pub(crate) const fn left_out(&self) -> u64 {
        self.counts.seen - self.counts.used + self.skipped.total()
    }
}

/// Parts of the time that a machine is drawn over.
const SLICES_MAX: usize = 240;

fn distribution(samples: &Samples, metric: usize) -> Result<Distribution, Error> {
    let column = samples.column(metric);
    let mut sorted = column.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or_default()
    };
    // levels are told apart by whole percents, so that noise makes none
    let rounded = sorted.iter().map(|load| ((load * 100.0).round() / 100.0, 1));
    let exact = ExactGroups::chosen(rounded, LEVELS_MAX, 0.01)?;
    let shares = exact.counts().iter().map(|&count| float(count) / float_of(column.len()));
    let levels = exact.centres().iter().copied().zip(shares).collect();
    Ok(Distribution {
        mean: samples.mean().get(metric).copied().unwrap_or_default(),
        quantiles: [5, 25, 50, 75, 95, 100].map(quantile),
        levels,
        over_time: over_time(samples, column),
    })
}

fn over_time(samples: &Samples, column: &[f64]) -> Vec<(f64, f64)> {
    let times = samples.times();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Vec::new() };
    // two samples for each part, so that a part without any is a gap
    let parts = (times.len() / 2).clamp(1, SLICES_MAX);
    let span_ms = u128::from(last.since_ms(*first)) + 1;
    let mut slices = vec![(0.0, 0_u64, f64::NAN); parts];
    for (time, load) in times.iter().zip(column) {
        let slice = u128::from(time.since_ms(*first)) * widened(parts) / span_ms;
        if let Some((sum, count, most)) =
            usize::try_from(slice).ok().and_then(|slice| slices.get_mut(slice))
        {
            *sum += load;
            *count += 1;
            *most = most.max(*load);
        }
    }
    slices.iter().map(|&(sum, count, most)| (sum / float(count), most)).collect()
}

/// A number of parts, for whole arithmetic on times.
fn widened(parts: usize) -> u128 {
    u128::try_from(parts).unwrap_or(u128::MAX)
}

const LEVELS_MAX: usize = 5;

#[allow(clippy::cast_precision_loss, reason = "counts of samples are far below 2⁵³")]
pub(crate) const fn float(n: u64) -> f64 {
    n as f64
}

#[allow(clippy::cast_precision_loss, reason = "counts of samples are far below 2⁵³")]
pub(crate) const fn float_of(n: usize) -> f64 {
    n as f64
}
