//! The types that stage 2 found, and which one a machine is of.

use crate::lloyd::of_u64;
use crate::matching::cheapest;
use crate::{Features, LoadFormula, Metrics, Misuse};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The fitted types. [`Types::assign`] says what a new machine is without a refit, and without allocating.
#[derive(Clone, Debug, PartialEq)]
pub struct Types {
    pub(crate) metrics: usize,
    pub(crate) features: Features,
    pub(crate) formula: LoadFormula,
    pub(crate) kinds: Vec<Kind>,
}

impl Types {
    /// In order: that of the seeds they grew from, or from the least load to the highest, or that of the fit that they
    /// were matched to.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Kind> {
        self.kinds.iter()
    }

    /// How many, types without members included.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Never: a fit has at least one type.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// One of them.
    pub fn kind(&self, at: usize) -> Option<&Kind> {
        self.kinds.get(at)
    }

    /// What a machine of these features is: λ, or its profile in signature mode. Ties go to the earlier type.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if the features are of another dimension, [`Misuse::NotFinite`].
    pub fn assign(&self, features: &[f64]) -> Result<Assignment, Misuse> {
        if self.kinds.iter().any(|kind| kind.centre.len() != features.len()) {
            return Err(Misuse::Shape);
        }
        if features.iter().any(|value| !value.is_finite()) {
            return Err(Misuse::NotFinite);
        }
        let mut nearest = (f64::INFINITY, 0);
        let mut runner_up = (f64::INFINITY, None);
        for (at, kind) in self.kinds.iter().enumerate() {
            let far = square_distance(features, &kind.centre);
            if far < nearest.0 {
                runner_up = (nearest.0, (nearest.0 < f64::INFINITY).then_some(nearest.1));
                nearest = (far, at);
            } else if far < runner_up.0 {
                runner_up = (far, Some(at));
            }
        }
        let kind = nearest.1;
        let (near, far) = (libm::sqrt(nearest.0), libm::sqrt(runner_up.0));
        let confidence = match runner_up.1 {
            None => 1.0,
            Some(_) if near + far > 0.0 => (far - near) / (far + near),
            Some(_) => 0.0,
        };
        let reason = self.reason(features, kind, runner_up.1);
        Ok(Assignment { kind, distance: near, confidence, reason })
    }

    /// The coordinate that speaks most for the type and against the runner-up.
    fn reason(&self, features: &[f64], kind: usize, runner_up: Option<usize>) -> Reason {
        let centre = |at: usize| self.kinds.get(at).map_or(&[][..], |kind| &kind.centre);
        let Some(other) = runner_up else { return Reason::OnlyType };
        let mut best = (f64::NEG_INFINITY, 0);
        for (at, ((value, own), other)) in
            features.iter().zip(centre(kind)).zip(centre(other)).enumerate()
        {
            let for_it = (value - other) * (value - other) - (value - own) * (value - own);
            if for_it > best.0 {
                best = (for_it, at);
            }
        }
        // in a profile each metric has as many coordinates as there are levels
        let levels = (features.len() / self.metrics.max(1)).max(1);
        Reason::NearerIn { metric: best.1 / levels, than: other }
    }

    /// The same types in an order in which each stands where the nearest type of `before` stood, as a whole at the least
    /// sum of squared distances, and with its name: "type 3" stays type 3 over re-runs. Types that are new stand behind.
    /// Returns where each type stood in `self`.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if the two are of different features.
    pub fn matched_to(&self, before: &Self) -> Result<(Self, Vec<usize>), Misuse> {
        let width = |types: &Self| types.kinds.first().map_or(0, |kind| kind.centre.len());
        if self.features != before.features || width(self) != width(before) {
            return Err(Misuse::Shape);
        }
        let size = self.len().max(before.len());
        let cost = |earlier: usize, later: usize| match (before.kind(earlier), self.kind(later)) {
            (Some(earlier), Some(later)) => square_distance(&earlier.centre, &later.centre),
            _ => 0.0,
        };
        let order: Vec<usize> =
            cheapest(size, cost).into_iter().filter(|&later| later < self.len()).collect();
        let mut matched = self.clone();
        matched.kinds = order.iter().filter_map(|&later| self.kinds.get(later).cloned()).collect();
        if self.len() == before.len() {
            for (kind, earlier) in matched.kinds.iter_mut().zip(&before.kinds) {
                kind.name.clone_from(&earlier.name);
            }
        }
        Ok((matched, order))
    }

    /// What the features are.
    pub const fn features(&self) -> Features {
        self.features
    }
}

/// One type of machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub(crate) name: Box<str>,
    pub(crate) centre: Vec<f64>,
    pub(crate) lambda: Vec<f64>,
    pub(crate) members: u64,
    pub(crate) square_distance: f64,
    pub(crate) seed: Option<usize>,
    pub(crate) load: f64,
}

impl Kind {
    /// Its name: the metric of the seed it grew from, or the metric that its centre is most loaded in; `idle` for a centre
    /// without load. A second type of the same name has a number behind it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its centre among the features; that of a type without members is its seed.
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// The mean λ of its members: the centre itself, unless features are profiles.
    pub fn lambda(&self) -> &[f64] {
        &self.lambda
    }

    /// How many machines were of it in the fit.
    pub const fn members(&self) -> u64 {
        self.members
    }

    /// The load of its centre, to compare a machine's with.
    pub const fn load(&self) -> f64 {
        self.load
    }

    /// Which seed of stage 1 it grew from; `None` if seeds were drawn.
    pub const fn seed(&self) -> Option<usize> {
        self.seed
    }

    /// The root of the mean squared distance of its members from the centre.
    pub fn spread(&self) -> f64 {
        if self.members == 0 {
            0.0
        } else {
            libm::sqrt(self.square_distance / of_u64(self.members))
        }
    }
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// The type's place in [`Types`].
    pub kind: usize,
    /// The distance from the type's centre.
    pub distance: f64,
    /// The margin over the second nearest type: 0 halfway between the two, 1 at the centre or without a second one.
    pub confidence: f64,
    /// What speaks for the type.
    pub reason: Reason,
}

/// What speaks for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There is no other.
    OnlyType,
    /// The machine is nearer to it than to the second nearest, most of all in this metric.
    NearerIn {
        /// The metric's place in [`Metrics`].
        metric: usize,
        /// The second nearest type.
        than: usize,
    },
}

/// Names after the metric that stands out; what is there twice gets a number.
pub(crate) fn name_kinds(
    kinds: &mut [Kind],
    metrics: &Metrics,
    seed_metric: impl Fn(&Kind) -> Option<usize>,
) {
    let names: Vec<&str> = metrics.iter().map(crate::Metric::name).collect();
    let mut given: Vec<String> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let stem = seed_metric(kind).or_else(|| dominant(&kind.lambda));
        let stem = stem.and_then(|metric| names.get(metric).copied()).unwrap_or("idle");
        let mut name = String::from(stem);
        let mut number = 2;
        while given.contains(&name) {
            name = format!("{stem} {number}");
            number += 1;
        }
        kind.name = name.as_str().into();
        given.push(name);
    }
}

/// The first largest coordinate, if it is above 0.
fn dominant(lambda: &[f64]) -> Option<usize> {
    let mut best = (0.0, None);
    for (metric, &load) in lambda.iter().enumerate() {
        if load > best.0 {
            best = (load, Some(metric));
        }
    }
    best.1
}

pub(crate) fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
