//! Both rounds over a whole fleet.

use crate::report::{Assessed, Assessment, input_digest};
use crate::{
    Error, Lloyd, Metrics, Misuse, Report, Samples, Seeding, Signature, StageOne, StageTwo,
    TypeCount, Types,
};
use alloc::vec::Vec;

/// What the two rounds do. The default is the described system: four groups of three metrics, then three types.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Groups of stage 1, more than types.
    pub groups: usize,
    /// Where they start.
    pub seeding: Seeding,
    /// Their rounds.
    pub lloyd: Lloyd,
    /// Stage 2.
    pub stage_two: StageTwo,
    /// Whether to digest all input, for audit.
    pub digests_input: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            groups: 4,
            seeding: Seeding::Axis,
            lloyd: Lloyd::default(),
            stage_two: StageTwo::default(),
            digests_input: true,
        }
    }
}

impl Config {
    /// For any number of metrics, groups and types: seeds drawn with this entropy in both stages.
    pub fn drawn(groups: usize, types: usize, entropy: [u8; 32], restarts: u32) -> Self {
        let greedy = crate::Greedy { entropy, restarts };
        let mut config =
            Self { groups, seeding: Seeding::Greedy(greedy.clone()), ..Self::default() };
        config.stage_two.groups = TypeCount::Fixed(types);
        config.stage_two.seeding = crate::TypeSeeding::Drawn(greedy);
        config
    }
}

/// The processing module: samples in, a type and a load for each machine out.
///
/// ```
/// use interbank_vmload::*;
/// let metrics = Metrics::fractions();
/// let policy = Policy::default();
/// let machine = |name, rows: &[f64]| Samples::from_rows(VmId::new(name)?, &metrics, rows, &[], &policy);
/// let fleet = Fleet::new(Config::default())?;
/// let report = fleet.assess(&metrics, &[
///     machine("a", &[0.8, 0.3, 0.1, 0.9, 0.2, 0.1])?,
///     machine("b", &[0.1, 0.2, 0.7])?,
/// ])?;
/// let a = report.find("a").and_then(|a| a.outcome.as_ref().ok()).ok_or(Error::UnknownVm)?;
/// assert_eq!(report.types.kind(a.assignment.kind).map(|kind| kind.name()), Some("cpu"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    config: Config,
}

impl Fleet {
    /// Checks what can be checked without samples.
    ///
    /// # Errors
    /// [`Misuse::Groups`] unless stage 1 has more groups than stage 2 and at most 256.
    pub fn new(config: Config) -> Result<Self, Misuse> {
        let (least, most) = match config.stage_two.groups {
            TypeCount::Fixed(groups) => (groups, groups),
            TypeCount::Chosen { least, most } => (least, most),
        };
        let fits = least >= 1 && least <= most && most < config.groups;
        if fits && config.groups <= crate::lloyd::GROUPS_MAX {
            Ok(Self { config })
        } else {
            Err(Misuse::Groups)
        }
    }

    /// What was configured.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Both rounds. Machines may come in any order; with the feature `parallel` stage 1 runs on all cores. A machine
    /// without a usable sample gets its error and takes no part in stage 2.
    ///
    /// # Errors
    /// [`Misuse::DoubleVm`], [`Misuse::Shape`] if dimensions differ, [`Error::NoSamples`] if no machine has a sample, and
    /// what [`StageOne::new`] and [`StageTwo::fit`] say.
    pub fn assess(&self, metrics: &Metrics, samples: &[Samples]) -> Result<Report, Error> {
        if samples.iter().any(|of_vm| of_vm.dimension() != metrics.dimension()) {
            return Err(Misuse::Shape.into());
        }
        let mut order: Vec<&Samples> = samples.iter().collect();
        order.sort_by(|a, b| a.vm().cmp(b.vm()));
        if order.windows(2).any(|pair| pair[0].vm() == pair[1].vm()) {
            return Err(Misuse::DoubleVm.into());
        }
        let stage_one = self.stage_one(metrics, order.iter().copied())?;
        let found = each_machine(&order, |of_vm| stage_one.group(of_vm));
        let inputs = order.iter().zip(found).map(|(of_vm, found)| {
            let rounds = found.as_ref().map_or(0, |grouping| grouping.rounds());
            let inertia = found.as_ref().map_or(0.0, |grouping| grouping.inertia());
            let signature = found.and_then(|grouping| Ok(Signature::of(&grouping)?));
            Found { of_vm, signature, rounds, inertia }
        });
        let inputs: Vec<Found<'_>> = inputs.collect();
        let signatures: Vec<&Signature> =
            inputs.iter().filter_map(|found| found.signature.as_ref().ok()).collect();
        let fitted = self.config.stage_two.fit(metrics, &signatures, stage_one.seeds())?;
        let input_digest =
            self.config.digests_input.then(|| input_digest(&self.config, metrics, &order));
        let inertia = inputs.iter().map(|found| found.inertia).sum();
        let types = fitted.types;
        let machines: Vec<Assessment> =
            inputs.into_iter().map(|found| found.assess(&types)).collect();
        Ok(Report::new(types, machines, inertia, fitted.inertia, fitted.silhouette, input_digest))
    }

    /// Stage 1 alone, for machines that stream by one after the other: [`StageOne::signature`] of each, then
    /// [`StageTwo::fit`].
    ///
    /// # Errors
    /// As [`StageOne::new`].
    pub fn stage_one<'a>(
        &self,
        metrics: &Metrics,
        fleet: impl Iterator<Item = &'a Samples> + Clone,
    ) -> Result<StageOne, Error> {
        let Config { groups, seeding, lloyd, .. } = &self.config;
        StageOne::new(*groups, metrics.dimension(), seeding, *lloyd, fleet)
    }
}

struct Found<'a> {
    of_vm: &'a Samples,
    signature: Result<Signature, Error>,
    rounds: u32,
    inertia: f64,
}

impl Found<'_> {
    fn assess(self, types: &Types) -> Assessment {
        let outcome =
            self.signature.and_then(|signature| Assessed::new(signature, self.rounds, types));
        Assessment { vm: self.of_vm.vm().clone(), counts: *self.of_vm.counts(), outcome }
    }
}

fn each_machine<T: Send>(samples: &[&Samples], work: impl Fn(&Samples) -> T + Sync) -> Vec<T> {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        samples.par_iter().map(|of_vm| work(of_vm)).collect()
    }
    #[cfg(not(feature = "parallel"))]
    samples.iter().map(|of_vm| work(of_vm)).collect()
}
