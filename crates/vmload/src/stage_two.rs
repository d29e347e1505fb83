//! Stage 2: the types of machines, from what stage 1 found.

use crate::lloyd::of_u64;
use crate::types::{Kind, name_kinds, square_distance};
use crate::{
    DIMENSION_MAX, Error, Greedy, Grouping, Lloyd, LoadFormula, Metrics, Misuse, Points, SeedSet,
    Signature, Types, silhouette,
};
use alloc::vec;
use alloc::vec::Vec;

/// Groups machines by their features; it never sees a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTwo {
    /// How many types.
    pub groups: TypeCount,
    /// What machines are compared by.
    pub features: Features,
    /// Where the types start.
    pub seeding: TypeSeeding,
    /// How loads are computed.
    pub formula: LoadFormula,
    /// The rounds.
    pub lloyd: Lloyd,
}

impl Default for StageTwo {
    /// Three types on λ, grown from the last seeds of stage 1.
    fn default() -> Self {
        Self {
            groups: TypeCount::Fixed(3),
            features: Features::Lambda,
            seeding: TypeSeeding::Last,
            formula: LoadFormula::Norm,
            lloyd: Lloyd::default(),
        }
    }
}

impl StageTwo {
    /// Fits the types. The order of the signatures matters only where seeds are drawn.
    ///
    /// # Errors
    /// [`Error::NoSamples`] without a signature, [`Misuse::Shape`] if dimensions differ, [`Misuse::Seeds`] and
    /// [`Misuse::Groups`] if seeds, features and groups do not fit each other.
    pub fn fit(
        &self,
        metrics: &Metrics,
        signatures: &[&Signature],
        stage_one: Option<&SeedSet>,
    ) -> Result<Fitted, Error> {
        if signatures.is_empty() {
            return Err(Error::NoSamples);
        }
        if signatures.iter().any(|signature| signature.dimension() != metrics.dimension()) {
            return Err(Misuse::Shape.into());
        }
        let width = self.features.width(metrics.dimension())?;
        let rows: Vec<f64> =
            signatures.iter().flat_map(|signature| self.features.of(signature)).collect();
        let points = Points::from_rows(&rows, width)?;
        let (grouping, seeds, quality) = self.group(&points, stage_one)?;
        let lambdas: Vec<Vec<f64>> =
            signatures.iter().map(|signature| signature.lambda()).collect();
        let kinds = self.kinds(&rows, &lambdas, &grouping, &seeds);
        let inertia = grouping.inertia();
        let rounds = grouping.rounds();
        Ok(Fitted {
            types: self.types(metrics, kinds, &seeds),
            inertia,
            rounds,
            silhouette: quality,
        })
    }

    fn group(
        &self,
        points: &Points<'_>,
        stage_one: Option<&SeedSet>,
    ) -> Result<(Grouping, Seeds, Option<f64>), Error> {
        let TypeSeeding::Drawn(greedy) = &self.seeding else {
            let TypeCount::Fixed(groups) = self.groups else { return Err(Misuse::Groups.into()) };
            let all = stage_one.ok_or(Misuse::Seeds)?;
            let which: Vec<usize> = match &self.seeding {
                TypeSeeding::Subset(which) => which.clone(),
                _ => (all.len().checked_sub(groups).ok_or(Misuse::Groups)?..all.len()).collect(),
            };
            if which.len() != groups || groups >= all.len() {
                return Err(Misuse::Groups.into());
            }
            let seeds = all.subset(&which)?;
            let grouping = self.lloyd.group(points, &seeds)?;
            return Ok((grouping, Seeds { which, set: Some(seeds) }, None));
        };
        let none = Seeds { which: Vec::new(), set: None };
        match self.groups {
            TypeCount::Fixed(groups) => {
                let grouping = greedy.group(points, groups, LABEL, &self.lloyd)?;
                Ok((grouping, none, None))
            }
            TypeCount::Chosen { least, most } => {
                if least < 2 || most < least {
                    return Err(Misuse::Groups.into());
                }
                let mut best: Option<(f64, Grouping)> = None;
                for groups in least..=most {
                    let grouping = greedy.group(points, groups, LABEL, &self.lloyd)?;
                    let quality = match silhouette(points, grouping.labels()) {
                        Ok(quality) => quality,
                        // all points are one: no number of groups is better than another
                        Err(Misuse::Groups) => -1.0,
                        Err(why) => return Err(why.into()),
                    };
                    if best.as_ref().is_none_or(|(best, _)| quality > *best) {
                        best = Some((quality, grouping));
                    }
                }
                let (quality, grouping) = best.ok_or(Misuse::Groups)?;
                Ok((grouping, none, Some(quality)))
            }
        }
    }

    fn kinds(
        &self,
        rows: &[f64],
        lambdas: &[Vec<f64>],
        grouping: &Grouping,
        seeds: &Seeds,
    ) -> Vec<Kind> {
        let dimension = lambdas.first().map_or(0, Vec::len);
        let width = grouping.dimension();
        let of_group = |group: usize| {
            let centre = grouping.centre(group);
            let members = grouping.counts().get(group).copied().unwrap_or(0);
            let mut lambda = vec![0.0; dimension];
            let mut spread = 0.0;
            let all = grouping.labels().iter().zip(lambdas).zip(rows.chunks_exact(width));
            for ((_, of_vm), row) in all.filter(|((label, _), _)| usize::from(**label) == group) {
                spread += square_distance(row, centre);
                for (sum, load) in lambda.iter_mut().zip(of_vm) {
                    *sum += load / of_u64(members);
                }
            }
            if members == 0 || self.features == Features::Lambda {
                lambda = self.features.mean_of(centre, dimension);
            }
            Kind {
                name: "".into(),
                load: self.formula.load_in_type(&lambda, &lambda),
                centre: centre.into(),
                lambda,
                members,
                square_distance: spread,
                seed: seeds.which.get(group).copied(),
            }
        };
        (0..grouping.groups()).map(of_group).collect()
    }

    /// In the seeds' order, or else by load, and with names.
    fn types(&self, metrics: &Metrics, mut kinds: Vec<Kind>, seeds: &Seeds) -> Types {
        if seeds.set.is_none() {
            kinds.sort_by(|a, b| {
                let by_load = a.load.total_cmp(&b.load);
                by_load.then_with(|| {
                    a.centre
                        .iter()
                        .zip(&b.centre)
                        .fold(core::cmp::Ordering::Equal, |order, (a, b)| {
                            order.then(a.total_cmp(b))
                        })
                })
            });
        }
        let seed_metric = |kind: &Kind| {
            let place = seeds.which.iter().position(|&which| Some(which) == kind.seed)?;
            only_metric(seeds.set.as_ref()?.seed(place))
        };
        name_kinds(&mut kinds, metrics, seed_metric);
        let metrics = metrics.dimension();
        Types { metrics, features: self.features, formula: self.formula, kinds }
    }
}

/// How many types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeCount {
    /// So many.
    Fixed(usize),
    /// The number of the greatest mean silhouette, the smaller if two are equal. Needs drawn seeds, and at most 4,096
    /// machines.
    Chosen {
        /// At least 2.
        least: usize,
        /// At least `least`.
        most: usize,
    },
}

/// Where types start.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TypeSeeding {
    /// The last seeds of stage 1.
    Last,
    /// These seeds of stage 1, by their places.
    Subset(Vec<usize>),
    /// Drawn from the machines. The only one that fits profiles.
    Drawn(Greedy),
}

/// What machines are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Features {
    /// λ, that is to say the mean load: steady and bursty machines of one mean are alike.
    #[default]
    Lambda,
    /// The whole signature, as [`Signature::profile`]: machines of one mean are told apart by their bursts.
    Profile {
        /// Levels of each metric; `levels × metrics` is at most 64.
        levels: usize,
    },
}

impl Features {
    /// The features of a machine.
    pub fn of(self, signature: &Signature) -> Vec<f64> {
        match self {
            Self::Lambda => signature.lambda(),
            Self::Profile { levels } => signature.profile(levels),
        }
    }

    fn width(self, dimension: usize) -> Result<usize, Misuse> {
        let width = match self {
            Self::Lambda => dimension,
            Self::Profile { levels } => levels.saturating_mul(dimension),
        };
        if (1..=DIMENSION_MAX).contains(&width) { Ok(width) } else { Err(Misuse::Bounds) }
    }

    /// λ of features.
    fn mean_of(self, features: &[f64], dimension: usize) -> Vec<f64> {
        match self {
            Self::Lambda => features.into(),
            Self::Profile { levels } => {
                features.chunks(levels.max(1)).take(dimension).map(LoadFormula::load_mean).collect()
            }
        }
    }
}

/// What stage 2 found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The types.
    pub types: Types,
    /// The sum of the squared distances of machines from their types' centres.
    pub inertia: f64,
    /// Rounds of assignment.
    pub rounds: u32,
    /// The silhouette that the number of types was chosen by.
    pub silhouette: Option<f64>,
}

struct Seeds {
    which: Vec<usize>,
    set: Option<SeedSet>,
}

/// The metric that a seed loads alone.
fn only_metric(seed: &[f64]) -> Option<usize> {
    let mut loaded = seed.iter().enumerate().filter(|(_, load)| **load > 0.0);
    let (metric, _) = loaded.next()?;
    loaded.next().is_none().then_some(metric)
}

const LABEL: &[u8] = b"stage two";
