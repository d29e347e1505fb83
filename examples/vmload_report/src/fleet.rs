//! The whole fleet: types, machines by load, and what could be given back.

use crate::failure::Failure;
use crate::options::Options;
use crate::profile::{Found, Profile};
use sha2::{Digest as _, Sha256};
use vmload::{
    Assessed, Assessment, Config, Features, Fleet, Metric, Metrics, Report, Scale, Signature,
    StageOne,
};

/// All that the table, the JSON and the page are made of.
#[derive(Debug)]
pub(crate) struct FleetReport {
    pub(crate) title: String,
    pub(crate) metrics: Metrics,
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
    /// What stays free if each machine keeps its 95 % use and a quarter of that.
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
        metrics: &Metrics,
        mut profiles: Vec<Profile>,
        options: &Options,
    ) -> Result<Self, Failure> {
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
        Ok(Self { title, metrics: metrics.clone(), report, profiles, capacities })
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

    /// Machines without a usable sample.
    pub(crate) fn without_load(&self) -> impl Iterator<Item = &Assessment> {
        self.report.machines.iter().filter(|machine| machine.outcome.is_err())
    }

    /// The name of a type.
    pub(crate) fn type_name(&self, kind: usize) -> &str {
        self.report.types.kind(kind).map_or("", |kind| kind.name())
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
        if self.assessed.burstiness >= BURSTY {
            marks.push("bursty");
        }
        marks
    }
}

/// A metric that is at least this loaded one sample in twenty.
pub(crate) const FULL: f64 = 0.9;
/// No metric is loaded this much more than one sample in twenty.
pub(crate) const IDLE: f64 = 0.1;
/// Load of the bursts above the load of the mean.
pub(crate) const BURSTY: f64 = 0.05;

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
                sum.spare += allotted * (1.0 - 1.25 * of.p95()).max(0.0);
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
