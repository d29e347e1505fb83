//! Stage 2: the types of machines, from what stage 1 found.

use crate::distance::square_distance;
use crate::lloyd::GROUPS_MAX;
use crate::types::{Kind, name_kinds};
use crate::whole::of_u64;
use crate::{
    Error, Features, Greedy, Grouping, Lloyd, LoadFormula, Metrics, Misuse, Points, SeedSet,
    Signature, Types, silhouette,
};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

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
        let start = self.start(width, stage_one)?;
        let rows: Vec<f64> =
            signatures.iter().flat_map(|signature| self.features.of(signature)).collect();
        let points = Points::from_rows(&rows, width)?;
        let (grouping, seeds, silhouette) = match start {
            Start::Seeds(seeds) => (self.lloyd.group(&points, &seeds.set)?, Some(seeds), None),
            Start::Drawn(greedy) => {
                let (grouping, silhouette) = self.draw(greedy, &points)?;
                (grouping, None, silhouette)
            }
        };
        let kinds = self.kinds(signatures, &rows, &grouping, seeds.as_ref());
        let (inertia, rounds) = (grouping.inertia(), grouping.rounds());
        Ok(Fitted {
            types: self.types(metrics, kinds, seeds.as_ref()),
            inertia,
            rounds,
            silhouette,
        })
    }

    /// Whether this fits metrics and seeds: what [`StageTwo::fit`] refuses whatever the signatures are.
    pub(crate) fn check(
        &self,
        dimension: usize,
        stage_one: Option<&SeedSet>,
    ) -> Result<(), Misuse> {
        self.start(self.features.width(dimension)?, stage_one).map(|_| ())
    }

    /// Where the types start among features of this width.
    fn start(&self, width: usize, stage_one: Option<&SeedSet>) -> Result<Start<'_>, Misuse> {
        let (least, most) = self.groups.bounds();
        if least == 0 || most < least || most > GROUPS_MAX {
            return Err(Misuse::Groups);
        }
        if self.lloyd.rounds_max == 0 {
            return Err(Misuse::Bounds);
        }
        if let TypeSeeding::Drawn(greedy) = &self.seeding {
            let is_chosen = matches!(self.groups, TypeCount::Chosen { .. });
            return match greedy.restarts {
                // one group has no silhouette
                _ if is_chosen && least < 2 => Err(Misuse::Groups),
                0 => Err(Misuse::Bounds),
                _ => Ok(Start::Drawn(greedy)),
            };
        }
        let TypeCount::Fixed(groups) = self.groups else { return Err(Misuse::Groups) };
        let all = stage_one.ok_or(Misuse::Seeds)?;
        let which: Vec<usize> = match &self.seeding {
            TypeSeeding::Subset(which) => which.clone(),
            _ => (all.len().saturating_sub(groups)..all.len()).collect(),
        };
        if which.len() != groups || groups >= all.len() {
            return Err(Misuse::Groups);
        }
        let set = all.subset(&which)?;
        if set.dimension() == width {
            Ok(Start::Seeds(Seeds { which, set }))
        } else {
            Err(Misuse::Seeds)
        }
    }

    /// The grouping of the number of groups that is wanted, and the silhouette if that number was chosen by it.
    fn draw(&self, greedy: &Greedy, points: &Points<'_>) -> Result<(Grouping, Option<f64>), Error> {
        let TypeCount::Chosen { least, most } = self.groups else {
            let (groups, _) = self.groups.bounds();
            return Ok((greedy.group(points, groups, LABEL, &self.lloyd)?, None));
        };
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
        Ok((grouping, Some(quality)))
    }

    fn kinds(
        &self,
        signatures: &[&Signature],
        rows: &[f64],
        grouping: &Grouping,
        seeds: Option<&Seeds>,
    ) -> Vec<Kind> {
        let dimension = signatures.first().map_or(0, |signature| signature.dimension());
        let of_group = |group: usize| {
            let centre = grouping.centre(group);
            let count = grouping.counts().get(group).copied().unwrap_or(0);
            let rows = rows.chunks_exact(grouping.dimension());
            let members = || {
                let all = grouping.labels().iter().zip(signatures).zip(rows.clone());
                all.filter(move |((label, _), _)| usize::from(**label) == group)
            };
            let square_distance = members().map(|(_, row)| square_distance(row, centre)).sum();
            let lambda = match self.features {
                Features::Profile { .. } if count > 0 => {
                    let mut lambda = vec![0.0; dimension];
                    for ((_, signature), _) in members() {
                        for (sum, load) in lambda.iter_mut().zip(signature.lambda()) {
                            *sum += load / of_u64(count);
                        }
                    }
                    lambda
                }
                features => features.mean_of(centre, dimension),
            };
            Kind {
                name: "".into(),
                load: self.formula.load_in_type(&lambda, &lambda),
                centre: centre.into(),
                lambda,
                members: count,
                square_distance,
                seed: seeds.and_then(|seeds| seeds.which.get(group).copied()),
            }
        };
        (0..grouping.groups()).map(of_group).collect()
    }

    /// In the seeds' order, or else by load, and with names.
    fn types(&self, metrics: &Metrics, mut kinds: Vec<Kind>, seeds: Option<&Seeds>) -> Types {
        if seeds.is_none() {
            kinds.sort_by(|a, b| {
                let by_centre = || {
                    let pairs = a.centre.iter().zip(&b.centre);
                    pairs.fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)))
                };
                a.load.total_cmp(&b.load).then_with(by_centre)
            });
        }
        let seed_metric = |kind: &Kind| {
            let place = seeds?.which.iter().position(|&which| Some(which) == kind.seed)?;
            only_metric(seeds?.set.seed(place))
        };
        name_kinds(&mut kinds, metrics, seed_metric);
        Types { features: self.features, formula: self.formula, kinds }
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

impl TypeCount {
    /// The fewest and the most types that there can be.
    pub(crate) const fn bounds(self) -> (usize, usize) {
        match self {
            Self::Fixed(groups) => (groups, groups),
            Self::Chosen { least, most } => (least, most),
        }
    }
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

enum Start<'a> {
    Seeds(Seeds),
    Drawn(&'a Greedy),
}

/// A subset of stage 1's seeds, by their places there.
struct Seeds {
    which: Vec<usize>,
    set: SeedSet,
}

/// The metric that a seed loads alone.
fn only_metric(seed: &[f64]) -> Option<usize> {
    let mut loaded = seed.iter().enumerate().filter(|(_, load)| **load > 0.0);
    let (metric, _) = loaded.next()?;
    loaded.next().is_none().then_some(metric)
}

const LABEL: &[u8] = b"stage two";
