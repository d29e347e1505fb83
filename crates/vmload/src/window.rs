//! The latest samples of one machine.

use crate::{Error, Misuse, SeedSet, Signature, Tally};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use port::Time;

/// The samples of the latest stretch of time, and their tally. A step costs what enters and what leaves, however long
/// the window is.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    tally: Tally,
    times: VecDeque<Time>,
    /// One after the other, aligned with `times`.
    loads: VecDeque<f64>,
    dimension: usize,
    span_ms: u64,
    samples_max: usize,
}

impl Window {
    /// Keeps samples younger than `span_ms`, measured from the latest time it was told, and at most `samples_max` of them.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if either is 0.
    pub fn new(seeds: &SeedSet, span_ms: u64, samples_max: usize) -> Result<Self, Misuse> {
        if span_ms == 0 || samples_max == 0 {
            return Err(Misuse::Bounds);
        }
        let (times, loads) = (VecDeque::new(), VecDeque::new());
        let dimension = seeds.dimension();
        Ok(Self { tally: Tally::new(seeds), times, loads, dimension, span_ms, samples_max })
    }

    /// Takes a sample of `at`, and lets go what is too old then, and the oldest if there are too many. A sample of a time
    /// that is there already is joined with it: the highest load of each metric. Returns what became
    /// of the sample.
    ///
    /// # Errors
    /// As [`Tally::add`]; the sample was not taken.
    pub fn push(&mut self, seeds: &SeedSet, at: Time, loads: &[f64]) -> Result<Pushed, Misuse> {
        if loads.len() != self.dimension || seeds.dimension() != self.dimension {
            return Err(Misuse::Shape);
        }
        if loads.iter().any(|load| !load.is_finite()) {
            return Err(Misuse::NotFinite);
        }
        let latest = self.latest().map_or(at, |latest| latest.max(at));
        self.slide(seeds, latest)?;
        let is_too_old = latest.since_ms(at) >= self.span_ms;
        let is_before_all = self.times.front().is_some_and(|oldest| at < *oldest);
        if is_too_old || (is_before_all && self.times.len() >= self.samples_max) {
            return Ok(Pushed::TooOld);
        }
        let place = self.times.partition_point(|time| *time < at);
        if self.times.get(place) == Some(&at) {
            self.join(seeds, place, loads)?;
            return Ok(Pushed::Joined);
        }
        self.tally.add(seeds, loads)?;
        self.times.insert(place, at);
        for (metric, &load) in loads.iter().enumerate() {
            self.loads.insert(place * self.dimension + metric, load);
        }
        if self.times.len() > self.samples_max {
            self.pop(seeds)?;
        }
        Ok(Pushed::Added)
    }

    /// Lets go what is too old at `now`.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if these are other seeds.
    pub fn slide(&mut self, seeds: &SeedSet, now: Time) -> Result<(), Misuse> {
        while self.times.front().is_some_and(|oldest| now.since_ms(*oldest) >= self.span_ms) {
            self.pop(seeds)?;
        }
        Ok(())
    }

    fn pop(&mut self, seeds: &SeedSet) -> Result<(), Misuse> {
        let oldest: Vec<f64> = self.loads.iter().take(self.dimension).copied().collect();
        self.tally.remove(seeds, &oldest)?;
        self.times.pop_front();
        self.loads.drain(..self.dimension.min(self.loads.len()));
        Ok(())
    }

    fn join(&mut self, seeds: &SeedSet, place: usize, loads: &[f64]) -> Result<(), Misuse> {
        let from = place * self.dimension;
        let there: Vec<f64> = self.loads.iter().skip(from).take(self.dimension).copied().collect();
        let joined: Vec<f64> = there.iter().zip(loads).map(|(a, &b)| a.max(b)).collect();
        self.tally.remove(seeds, &there)?;
        self.tally.add(seeds, &joined)?;
        for (slot, load) in self.loads.iter_mut().skip(from).zip(joined) {
            *slot = load;
        }
        Ok(())
    }

    /// Counts and sums of what is in the window.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Shares and centres of what is in the window.
    ///
    /// # Errors
    /// As [`Tally::signature`].
    pub fn signature(&self, seeds: &SeedSet) -> Result<Signature, Error> {
        self.tally.signature(seeds)
    }

    /// The latest sample's time.
    pub fn latest(&self) -> Option<Time> {
        self.times.back().copied()
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the window.
    Added,
    /// It was joined with one of the same time.
    Joined,
    /// It is older than the window, or than all in a full one.
    TooOld,
}
