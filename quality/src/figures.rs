//! What is measured, as numbers: the page, the plots and the tests read the same.

use risk_core::calibration::{Interval, Measure, Paired, Roc, Trial};
use serde::{Deserialize, Serialize};

/// Everything that one run measured. All shares are in basis points.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub quick: bool,
    pub seeds: Vec<u64>,
    pub resamples: usize,
    pub surroundings: Surroundings,
    pub driving: Driving,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Surroundings {
    pub people: u32,
    pub learning_weeks: u32,
    pub judged_weeks: u32,
    pub scenarios: Vec<Scenario>,
    pub attacks: Vec<Attack>,
}

/// One kind of place or journey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scenario {
    pub name: String,
    /// Whether other places share some of its addresses.
    pub chain: bool,
    /// Whether the target for usual places holds for it.
    pub usual_place: bool,
    pub comparison: Comparison,
    /// Payments of owners, and of thieves, of which neither score says anything.
    pub abstained: Share,
    pub abstained_stolen: Share,
    /// By the policy of the report: owners who pay without a PIN, thieves who do.
    pub owners_pass: Share,
    pub thieves_pass: Share,
}

/// Two scores on the same cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    pub owners: u64,
    pub thieves: u64,
    pub baseline: Quality,
    pub evidence: Quality,
    /// Evidence less baseline.
    pub equal_error_gain: Gain,
    pub area_gain: Gain,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quality {
    pub equal_error: u16,
    pub area: u16,
    /// Owners rejected where 1 % of thieves are accepted.
    pub rejected_at_1_percent: u16,
    /// Points of the curve: false accepts, true accepts.
    pub curve: Vec<(u16, u16)>,
}

/// A difference with its paired interval of 95 %.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Gain {
    pub estimate: i32,
    pub low: i32,
    pub high: i32,
}

/// A share with its interval of 95 %.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    pub cases: u64,
    pub estimate: i32,
    pub low: i32,
    pub high: i32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attack {
    pub name: String,
    /// What counts as detected.
    pub detected_if: String,
    pub detected: Share,
    /// Payments that the policy lets through without a PIN.
    pub passed: Share,
    pub target: Option<u16>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Driving {
    pub cars: u32,
    pub windows: Vec<Window>,
    /// Windows shorter than the minimum that were tried, and how many of them got a level.
    pub too_short: u64,
    pub too_short_judged: u64,
    pub levels: Vec<Levels>,
    pub alarms: Vec<Alarms>,
}

/// Windows of one length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    pub minutes: u32,
    /// Whether they are the first minutes of a trip, so that they show what is read at the departure.
    pub from_departure: bool,
    pub comparison: Comparison,
    pub target: Option<u16>,
    /// Windows of owners, and of thieves, that were refused rather than judged.
    pub refused: Share,
    pub refused_stolen: Share,
}

/// What is said of ten minutes of somebody's driving.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Levels {
    pub who: String,
    /// By the default rules.
    pub low: Share,
    pub medium: Share,
    pub high: Share,
    pub refused: Share,
    /// By the sequential test: the owner, somebody else.
    pub owner: Share,
    pub other: Share,
}

/// How often an alarm sounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alarms {
    /// How it combines attributes.
    pub by: String,
    /// How often at most it may sound while the owner drives.
    pub alpha: u16,
    pub owners: Share,
    pub thieves: Share,
}

impl Comparison {
    /// `None` if one class has no case.
    pub fn of(trials: &[Trial], resamples: usize) -> Option<Self> {
        let paired = Paired::new(trials).ok()?;
        let gain = |measure| paired.difference(measure, RESAMPLING_SEED, resamples).ok();
        let quality = |score: fn(&Trial) -> i64| {
            let of = |positive| -> Vec<i64> {
                trials.iter().filter(|t| t.positive == positive).map(score).collect()
            };
            Roc::new(&of(true), &of(false)).ok().map(|roc| Quality::of(&roc))
        };
        let owners = trials.iter().filter(|trial| trial.positive).count() as u64;
        Some(Self {
            owners,
            thieves: trials.len() as u64 - owners,
            baseline: quality(|trial| trial.first)?,
            evidence: quality(|trial| trial.second)?,
            equal_error_gain: gain(Measure::EqualErrorRate)?.into(),
            area_gain: gain(Measure::Area)?.into(),
        })
    }
}

impl Quality {
    fn of(roc: &Roc) -> Self {
        let one_percent = roc.at_false_accepts(risk_core::BasisPoints::of(1, 100));
        let mut curve: Vec<(u16, u16)> = roc
            .points()
            .iter()
            .map(|p| (roc.false_accept_rate(*p).as_u16(), roc.true_accept_rate(*p).as_u16()))
            .collect();
        curve.dedup();
        Self {
            equal_error: roc.equal_error_rate().as_u16(),
            area: roc.area().as_u16(),
            rejected_at_1_percent: roc.true_accept_rate(one_percent).rest().as_u16(),
            curve,
        }
    }
}

impl Share {
    pub fn of(hits: u64, cases: u64) -> Self {
        let Interval { estimate_bp, low_bp, high_bp } =
            risk_core::calibration::proportion(hits, cases);
        Self { cases, estimate: estimate_bp, low: low_bp, high: high_bp }
    }
}

impl From<Interval> for Gain {
    fn from(interval: Interval) -> Self {
        let Interval { estimate_bp, low_bp, high_bp } = interval;
        Self { estimate: estimate_bp, low: low_bp, high: high_bp }
    }
}

/// Counts hits among cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub hits: u64,
    pub cases: u64,
}

impl Count {
    pub fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.cases += 1;
    }

    pub fn merge(&mut self, other: Self) {
        self.hits += other.hits;
        self.cases += other.cases;
    }

    pub fn share(self) -> Share {
        Share::of(self.hits, self.cases)
    }
}

/// The seed of all resampling.
const RESAMPLING_SEED: u64 = 95;
