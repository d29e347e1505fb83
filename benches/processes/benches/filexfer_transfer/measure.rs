//! Times, and what they say of each other.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Brings the disk to rest, and the source into the page cache.
pub(crate) fn settle(source: &Path) {
    assert!(Command::new("sync").status().unwrap().success());
    if source.is_dir() {
        for entry in std::fs::read_dir(source).unwrap() {
            std::fs::read(entry.unwrap().path()).unwrap();
        }
    } else {
        super::content::root(source);
    }
}

pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

/// How many times as quick one is as the other, round by round. A machine that is slow for a while slows both of a round.
pub(crate) struct Ratios {
    mean: f64,
    margin: f64,
}

impl Ratios {
    pub(crate) fn new(theirs: &[f64], ours: &[f64]) -> Self {
        let logs: Vec<f64> = theirs.iter().zip(ours).map(|(t, o)| (t / o).ln()).collect();
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let student = STUDENT.get(logs.len() - 2).copied().unwrap_or(1.96);
        Self { mean, margin: student * (variance / count).sqrt() }
    }

    /// The geometric mean.
    pub(crate) fn mean(&self) -> f64 {
        self.mean.exp()
    }

    /// The lower end of its interval of 95 %.
    pub(crate) fn low(&self) -> f64 {
        (self.mean - self.margin).exp()
    }
}

/// Quantiles 0.975 of Student's distribution, for two rounds and more.
const STUDENT: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
