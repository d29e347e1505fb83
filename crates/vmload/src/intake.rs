//! Collecting the samples of one machine, in any order, flaws and all.

use crate::reading::{Admit, admit, hold_age_max_ms};
use crate::samples::SAMPLES_MAX;
use crate::{
    Counts, Error, Flaw, Metrics, Misuse, OnDuplicate, OnSkew, Policy, Samples, Scale, VmId,
};
use alloc::vec;
use alloc::vec::Vec;
use port::Time;

/// An accumulator of one machine's raw samples; [`Intake::finish`] sorts, joins, fills and gives [`Samples`].
///
/// The result does not depend on the order of pushing, unless the policy says [`OnDuplicate::First`] or
/// [`OnDuplicate::Last`]. At most [`SAMPLES_MAX`] samples.
///
/// ```
/// use interbank_vmload::*;
/// use port::Time;
/// let metrics = Metrics::new(vec![
///     Metric::new("cpu", Scale::Fixed { low: 0.0, high: 100.0 })?,
///     Metric::new("memory", Scale::Allotment)?,
/// ])?;
/// let policy = Policy::default();
/// let mut intake = Intake::new(VmId::new("vm-1")?, &metrics, &policy);
/// intake.allot(&[1.0, 4096.0])?;
/// intake.push(Time::from_s(300), &[12.5, 1024.0])?;
/// intake.push_partial(Time::from_s(600), &[Some(25.0), None])?;
/// let samples = intake.finish()?;
/// assert_eq!((samples.len(), samples.column(1)), (1, &[0.25][..]));
/// assert_eq!(samples.counts().missing, 1);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Intake<'a> {
    vm: VmId,
    metrics: &'a Metrics,
    policy: &'a Policy,
    /// NaN where none was said yet.
    allotment: Vec<f64>,
    times: Vec<Time>,
    /// Row by row; NaN is to be held.
    loads: Vec<f64>,
    counts: Counts,
    latest: Option<Time>,
}

impl<'a> Intake<'a> {
    /// Nothing yet.
    pub fn new(vm: VmId, metrics: &'a Metrics, policy: &'a Policy) -> Self {
        let allotment = metrics.iter().map(without_allotment).collect();
        let (times, loads) = (Vec::new(), Vec::new());
        Self {
            vm,
            metrics,
            policy,
            allotment,
            times,
            loads,
            counts: Counts::default(),
            latest: None,
        }
    }

    /// What the machine is allotted from here on, one number for each metric in the unit of its readings; used by
    /// metrics of [`Scale::Allotment`] alone. It may change between samples.
    ///
    /// # Errors
    /// [`Misuse::Shape`], [`Misuse::Allotment`]; the former allotment stays.
    pub fn allot(&mut self, allotment: &[f64]) -> Result<(), Misuse> {
        self.allotment = checked_allotment(self.metrics, allotment)?;
        Ok(())
    }

    /// Takes a raw sample, one reading for each metric.
    ///
    /// # Errors
    /// [`Misuse`], [`Error::Refused`] by the policy, [`Error::Busy`] when full; nothing was taken.
    pub fn push(&mut self, at: Time, readings: &[f64]) -> Result<(), Error> {
        self.take(at, readings.iter().map(|&reading| Some(reading)))
    }

    /// Takes a raw sample in which readings may be missing.
    ///
    /// # Errors
    /// As [`Intake::push`].
    pub fn push_partial(&mut self, at: Time, readings: &[Option<f64>]) -> Result<(), Error> {
        self.take(at, readings.iter().copied())
    }

    fn take(
        &mut self,
        at: Time,
        readings: impl ExactSizeIterator<Item = Option<f64>>,
    ) -> Result<(), Error> {
        if self.times.len() >= SAMPLES_MAX {
            return Err(Error::Busy);
        }
        if self.allotment.iter().any(|allotted| allotted.is_nan()) {
            return Err(Misuse::Allotment.into());
        }
        let mut counts = self.counts;
        counts.seen += 1;
        let mut drop = false;
        if self.policy.span.is_some_and(|(from, until)| at < from || at >= until) {
            counts.skewed += 1;
            match self.policy.skewed {
                OnSkew::Drop => drop = true,
                OnSkew::Keep => {}
                OnSkew::Refuse => return Err(Flaw::Skewed.into()),
            }
        }
        let start = self.loads.len();
        self.loads.resize(start + self.metrics.dimension(), 0.0);
        let slot = self.loads.get_mut(start..).unwrap_or_default();
        let admitted =
            admit(self.metrics, self.policy, &self.allotment, readings, &mut counts, slot);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(why) => {
                self.loads.truncate(start);
                return Err(why);
            }
        };
        counts.disordered += u64::from(self.latest.is_some_and(|latest| at < latest));
        self.latest = self.latest.max(Some(at));
        if drop || admitted == Admit::Drop {
            self.loads.truncate(start);
            counts.dropped += 1;
        } else {
            self.times.push(at);
        }
        self.counts = counts;
        Ok(())
    }

    /// How many samples wait.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// What came so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The samples by time, joined and filled.
    ///
    /// # Errors
    /// [`Error::Refused`] if two have one time and the policy refuses that.
    pub fn finish(mut self) -> Result<Samples, Error> {
        let dimension = self.metrics.dimension();
        let order = self.order();
        let mut times: Vec<Time> = Vec::with_capacity(order.len());
        let mut rows: Vec<f64> = Vec::with_capacity(self.loads.len());
        let mut held = vec![(Time::EPOCH, f64::NAN); dimension];
        let age_max_ms = hold_age_max_ms(self.policy);
        for &index in &order {
            let (Some(&at), Some(row)) =
                (self.times.get(index), self.loads.get(index * dimension..(index + 1) * dimension))
            else {
                continue;
            };
            let start = rows.len();
            let filled = self.fill(at, row, &mut held, age_max_ms, &mut rows);
            let Some(filled) = filled else {
                rows.truncate(start);
                self.counts.dropped += 1;
                continue;
            };
            self.counts.held += filled;
            if times.last() == Some(&at) {
                self.counts.duplicate += 1;
                self.counts.joined += 1;
                join(self.policy.duplicate, &mut rows, dimension)?;
            } else {
                times.push(at);
            }
        }
        self.counts.used = u64::try_from(times.len()).unwrap_or(u64::MAX);
        Ok(Samples::from_parts(self.vm, dimension, times, &rows, self.counts))
    }

    /// By time; within one time by arrival, or by value where arrival must not matter.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        let is_sorted = self.times.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_sorted {
            order.sort_by(|&a, &b| {
                let by_time = self.times.get(a).cmp(&self.times.get(b));
                by_time.then_with(|| match self.policy.duplicate {
                    OnDuplicate::First | OnDuplicate::Last => a.cmp(&b),
                    OnDuplicate::Highest | OnDuplicate::Refuse => {
                        self.row(a).map(f64::to_bits).cmp(self.row(b).map(f64::to_bits))
                    }
                })
            });
        }
        order
    }

    fn row(&self, index: usize) -> impl Iterator<Item = f64> {
        let dimension = self.metrics.dimension();
        self.loads.iter().skip(index * dimension).take(dimension).copied()
    }

    /// Appends the row with its gaps filled, and says how many there were; `None` if one cannot be filled.
    fn fill(
        &self,
        at: Time,
        row: &[f64],
        held: &mut [(Time, f64)],
        age_max_ms: u64,
        rows: &mut Vec<f64>,
    ) -> Option<u64> {
        let mut filled = 0;
        for (&load, (since, last)) in row.iter().zip(held) {
            if !load.is_nan() {
                (*since, *last) = (at, load);
            } else if last.is_nan() || at.since_ms(*since) > age_max_ms {
                return None;
            } else {
                filled += 1;
            }
            rows.push(*last);
        }
        Some(filled)
    }
}

/// Joins the last row into the one before it.
fn join(rule: OnDuplicate, rows: &mut Vec<f64>, dimension: usize) -> Result<(), Error> {
    let split = rows.len() - dimension;
    let (earlier, last) = rows.split_at_mut(split);
    let kept = earlier.iter_mut().rev().take(dimension).rev();
    for (kept, last) in kept.zip(last) {
        match rule {
            OnDuplicate::Highest => *kept = kept.max(*last),
            OnDuplicate::First => {}
            OnDuplicate::Last => *kept = *last,
            OnDuplicate::Refuse => return Err(Flaw::Duplicate.into()),
        }
    }
    rows.truncate(split);
    Ok(())
}

/// What stands for an allotment that was not said yet: NaN where one is needed.
pub(crate) fn without_allotment(metric: &crate::Metric) -> f64 {
    if matches!(metric.scale(), Scale::Allotment) { f64::NAN } else { 1.0 }
}

pub(crate) fn checked_allotment(metrics: &Metrics, allotment: &[f64]) -> Result<Vec<f64>, Misuse> {
    if allotment.len() != metrics.dimension() {
        return Err(Misuse::Shape);
    }
    let checked = metrics.iter().zip(allotment).map(|(metric, &allotted)| {
        let is_used = matches!(metric.scale(), Scale::Allotment);
        if !is_used {
            Ok(1.0)
        } else if allotted.is_finite() && allotted > 0.0 {
            Ok(allotted)
        } else {
            Err(Misuse::Allotment)
        }
    });
    checked.collect()
}
