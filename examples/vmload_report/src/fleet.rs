//! The whole fleet: types, machines by load, and what could be given back.

use crate::failure::Failure;
use crate::options::Options;
use crate::profile::{Found, Profile, float_of};
use crate::quantity::{counted, quantity};
use samples::{Layout, Skipped};
use sha2::{Digest as _, Sha256};
use vmload::{
    Assessed, Assessment, Config, Counts, Features, Fleet, Metric, Metrics, Report, Scale,
    Signature, StageOne,
};

/// All that the table, the JSON and the page are made of.
#[derive(Debug)]
pub(crate) struct FleetReport {
    pub(crate) title: String,
    pub(crate) metrics: Metrics,
    /// Of the readings, for each metric; empty where none is known.
    pub(crate) units: Vec<String>,
    /// Machines by name, as [`FleetReport::profiles`].
    pub(crate) report: Report,
    pub(crate) profiles: Vec<Profile>,
    /// Of each metric that has an allotment.
    pub(crate) capacities: Vec<Option<Capacity>>,
}

/// A metric's allotment over the whole fleet, in the unit of its readings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capacity {
    pub(crate) allotted: f64,
    pub(crate) used: f64,
    /// Of each machine what it stays below 95 % of the time.
    pub(crate) used_p95: f64,
    /// Sum of what [`Profile::spare`] says.
    pub(crate) spare: f64,
}

/// A machine with what is said about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) found: &'a Found,
    pub(crate) assessed: &'a Assessed,
}

/// Groups one machine's samples as the options say.
pub(crate) fn stage_one(metrics: &Metrics, options: &Options) -> Result<StageOne, Failure> {
    let fleet = Fleet::new(config(metrics, options)).map_err(vmload::Error::from)?;
    Ok(fleet.stage_one(metrics, std::iter::empty())?)
}

impl FleetReport {
    pub(crate) fn new(
        title: String,
        layout: &Layout,
        mut profiles: Vec<Profile>,
        options: &Options,
    ) -> Result<Self, Failure> {
        let metrics = layout.metrics();
        profiles.sort_by(|a, b| a.vm.cmp(&b.vm));
        let stage_one = stage_one(metrics, options)?;
        let found = || profiles.iter().filter_map(|profile| profile.found.as_ref().ok());
        let signatures: Vec<&Signature> = found().map(|found| &found.signature).collect();
        let stage_two = config(metrics, options).stage_two;
        let fitted = stage_two.fit(metrics, &signatures, stage_one.seeds())?;
        let types = fitted.types;
        let assess = |profile: &Profile| {
            let found = profile.found.as_ref().map_err(|why| *why)?;
            let lambda = found.signature.lambda();
            let assignment = types.assign(&types.features().of(&found.signature))?;
            let centre = types.kind(assignment.kind).map_or(&[][..], |kind| kind.lambda());
            Ok(Assessed {
                load: stage_two.formula.load_in_type(&lambda, centre),
                burstiness: found.signature.burstiness(stage_two.formula),
                signature: found.signature.clone(),
                rounds: found.rounds,
                lambda,
                assignment,
            })
        };
        let machines = profiles.iter().map(|profile| Assessment {
            vm: profile.vm.clone(),
            counts: profile.counts,
            outcome: assess(profile),
        });
        let machines = machines.collect();
        let inertia = found().map(|found| found.inertia).sum();
        let mut report = Report {
            types,
            machines,
            inertia,
            type_inertia: fitted.inertia,
            silhouette: fitted.silhouette,
            input_digest: Some(input_digest(&profiles)),
            result_digest: [0; 32],
        };
        report.result_digest = report.digest();
        let capacities =
            metrics.iter().enumerate().map(|(at, metric)| capacity(at, metric, &profiles));
        let capacities = capacities.collect();
        let units = layout.units().map(String::from).collect();
        Ok(Self { title, metrics: metrics.clone(), units, report, profiles, capacities })
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.metrics.iter().map(Metric::name).collect()
    }

    pub(crate) fn unit(&self, metric: usize) -> &str {
        self.units.get(metric).map_or("", String::as_str)
    }

    /// Machines with a load, the highest first.
    pub(crate) fn by_load(&self) -> Vec<Machine<'_>> {
        let pairs = self.profiles.iter().zip(&self.report.machines);
        let mut machines: Vec<Machine<'_>> = pairs
            .filter_map(|(profile, assessment)| {
                let (found, assessed) =
                    (profile.found.as_ref().ok()?, assessment.outcome.as_ref().ok()?);
                Some(Machine { profile, found, assessed })
            })
            .collect();
        machines.sort_by(|a, b| b.assessed.load.total_cmp(&a.assessed.load));
        machines
    }

    /// Machines with something to give back, the largest part of the fleet's allotments first.
    pub(crate) fn by_spare(&self) -> Vec<Machine<'_>> {
        let mut machines: Vec<(f64, Machine<'_>)> = self
            .by_load()
            .into_iter()
            .map(|machine| (self.spare_share(machine), machine))
            .collect();
        machines.retain(|(share, _)| *share > 0.0);
        machines.sort_by(|a, b| b.0.total_cmp(&a.0));
        machines.into_iter().map(|(_, machine)| machine).collect()
    }

    /// [`Profile::spare`] of a metric that has an allotment.
    pub(crate) fn spare(&self, machine: Machine<'_>, metric: usize) -> Option<f64> {
        self.capacities.get(metric)?.as_ref()?;
        machine.profile.spare(metric)
    }

    /// A machine's spare as a part of the fleet's allotments, summed over metrics.
    pub(crate) fn spare_share(&self, machine: Machine<'_>) -> f64 {
        let parts = self.capacities.iter().enumerate().filter_map(|(at, sum)| {
            let of = sum.filter(|sum| sum.allotted > 0.0)?;
            Some(self.spare(machine, at)? / of.allotted)
        });
        parts.sum()
    }

    /// Mean load of all machines, and of each metric.
    pub(crate) fn overall(&self) -> (f64, Vec<f64>) {
        let machines = self.by_load();
        let mean = |of: &dyn Fn(&Machine<'_>) -> f64| {
            machines.iter().map(of).sum::<f64>() / float_of(machines.len().max(1))
        };
        let of = |at: usize| {
            mean(&|machine| machine.found.metrics.get(at).map_or(0.0, |metric| metric.mean))
        };
        (mean(&|machine| machine.assessed.load), (0..self.metrics.dimension()).map(of).collect())
    }

    /// First and last time of all machines, in milliseconds; `None` without samples, or if they have no times.
    pub(crate) fn span_ms(&self) -> Option<(u64, u64)> {
        let spans = self.profiles.iter().filter(|of| of.found.is_ok()).map(|of| of.span_ms);
        let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        (span.0 >= YEAR_MS).then_some(span)
    }

    /// What a reader has to know about the data before believing the numbers.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut skipped = Skipped::default();
        let mut counts = Counts::default();
        for profile in &self.profiles {
            skipped.short += profile.skipped.short;
            skipped.number += profile.skipped.number;
            skipped.time += profile.skipped.time;
            skipped.allotment += profile.skipped.allotment;
            counts += profile.counts;
        }
        let out = [
            (skipped.allotment, "no allotment, as of a machine that is off"),
            (skipped.short, "a column missing"),
            (skipped.number, "a cell that is no number"),
            (skipped.time, "an unusable time"),
            (counts.dropped, "a value that the core does not take"),
            (counts.joined, "the time of another one"),
        ];
        for (count, why) in out.into_iter().filter(|(count, _)| *count > 0) {
            notes.push(format!("{} left out: {why}", counted(count, "row is", "rows are")));
        }
        if counts.outside > 0 {
            notes.push(format!(
                "{} a reading above full or below idle; it counts as full or idle",
                counted(counts.outside, "sample has", "samples have")
            ));
        }
        let machines = self.by_load();
        for (at, metric) in self.metrics.iter().enumerate() {
            let Scale::Fixed { low, high } = metric.scale() else { continue };
            let loads = machines.iter().filter_map(|of| Some(of.found.metrics.get(at)?.p95()));
            let most = loads.fold(0.0, f64::max);
            if most < IDLE && !machines.is_empty() {
                notes.push(format!(
                    "{}: the highest p95 is {}, and full load is set to {}, so it hardly decides types",
                    metric.name(),
                    quantity(most.mul_add(high - low, low), self.unit(at)),
                    quantity(high, self.unit(at)),
                ));
            }
        }
        notes
    }

    /// Machines without a usable sample.
    pub(crate) fn without_load(&self) -> impl Iterator<Item = &Assessment> {
        self.report.machines.iter().filter(|machine| machine.outcome.is_err())
    }

    /// The name of a type.
    pub(crate) fn type_name(&self, kind: usize) -> &str {
        self.report.types.kind(kind).map_or("", |kind| kind.name())
    }
}

impl Profile {
    /// What stays free of the allotment if the machine keeps its 95 % use and a quarter of that, in the unit of the
    /// readings. Only metrics that read their allotment have a meaningful one.
    pub(crate) fn spare(&self, metric: usize) -> Option<f64> {
        let allotted = *self.allotment.get(metric)?;
        let of = self.found.as_ref().ok()?.metrics.get(metric)?;
        Some(allotted * (1.0 - 1.25 * of.p95()).max(0.0))
    }
}

impl Machine<'_> {
    /// What a planner should look at.
    pub(crate) fn marks(&self) -> Vec<&'static str> {
        let mut marks = Vec::new();
        if self.found.metrics.iter().any(|metric| metric.p95() >= FULL) {
            marks.push("full");
        }
        if self.found.metrics.iter().all(|metric| metric.p95() < IDLE) {
            marks.push("idle");
        }
        if self.swing() >= BURSTY {
            marks.push("bursty");
        }
        marks
    }

    /// How far the metric that swings most is above its median one sample in twenty.
    pub(crate) fn swing(&self) -> f64 {
        self.found.metrics.iter().map(|metric| metric.p95() - metric.median()).fold(0.0, f64::max)
    }
}

/// A metric that is at least this loaded one sample in twenty.
pub(crate) const FULL: f64 = 0.9;
/// No metric is loaded this much more than one sample in twenty.
pub(crate) const IDLE: f64 = 0.1;
/// A metric that is at least this much above its median one sample in twenty.
pub(crate) const BURSTY: f64 = 0.3;

/// Times before this are counted from a file's first row.
pub(crate) const YEAR_MS: u64 = 365 * 86_400_000;

/// The described system where it fits: three metrics, four groups, three types. Else seeds are drawn, always the same ones.
fn config(metrics: &Metrics, options: &Options) -> Config {
    let types = usize::from(options.types);
    let is_described = metrics.dimension() == 3 && types == 3 && !options.by_profile;
    if is_described {
        return Config::default();
    }
    let mut config = Config::drawn((types + 1).max(4), types, [0; 32], 8);
    if options.by_profile {
        let levels = (vmload::DIMENSION_MAX / metrics.dimension()).clamp(1, 8);
        config.stage_two.features = Features::Profile { levels };
    }
    config
}

fn capacity(at: usize, metric: &Metric, profiles: &[Profile]) -> Option<Capacity> {
    matches!(metric.scale(), Scale::Allotment).then(|| {
        profiles.iter().fold(Capacity::default(), |mut sum, profile| {
            let distribution = profile.found.as_ref().ok().and_then(|found| found.metrics.get(at));
            if let (Some(allotted), Some(of)) = (profile.allotment.get(at), distribution) {
                sum.allotted += allotted;
                sum.used += allotted * of.mean;
                sum.used_p95 += allotted * of.p95();
                sum.spare += profile.spare(at).unwrap_or_default();
            }
            sum
        })
    })
}

/// Of the machines' names and files.
fn input_digest(profiles: &[Profile]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for profile in profiles {
        hash.update(profile.vm.as_str().as_bytes());
        hash.update([0]);
        hash.update(profile.digest);
    }
    hash.finalize().into()
}
