//! Stage 1: the groups of one machine's samples.

use crate::{Error, Greedy, Grouping, Lloyd, Misuse, Points, Samples, SeedSet, Signature};

/// Groups the samples of each machine on its own; what is in one machine never changes another's groups.
///
/// Seeds are resolved once for the fleet, since stage 2 starts from a subset of them.
#[derive(Clone, Debug, PartialEq)]
pub struct StageOne {
    groups: usize,
    seeds: Resolved,
    lloyd: Lloyd,
}

impl StageOne {
    /// Resolves the seeds; the samples of the fleet are read by [`Seeding::FarthestFirst`] alone.
    ///
    /// # Errors
    /// [`Misuse::Groups`] or [`Misuse::Seeds`] if groups, dimension and seeds do not fit each other;
    /// [`Error::NoSamples`] if seeds have to come from samples and there are none.
    pub fn new<'a>(
        groups: usize,
        dimension: usize,
        seeding: &Seeding,
        lloyd: Lloyd,
        fleet: impl Iterator<Item = &'a Samples> + Clone,
    ) -> Result<Self, Error> {
        let seeds = match seeding {
            Seeding::Axis => Resolved::Shared(SeedSet::axis(dimension)?),
            Seeding::Vertices => Resolved::Shared(SeedSet::vertices(dimension, groups)?),
            Seeding::FarthestFirst => Resolved::Shared(SeedSet::farthest_first(fleet, groups)?),
            Seeding::Given(seeds) => Resolved::Shared(seeds.clone()),
            Seeding::Greedy(greedy) => Resolved::Greedy(greedy.clone()),
        };
        if let Resolved::Shared(seeds) = &seeds {
            if seeds.len() != groups {
                return Err(Misuse::Groups.into());
            }
            if seeds.dimension() != dimension {
                return Err(Misuse::Seeds.into());
            }
        }
        Ok(Self { groups, seeds, lloyd })
    }

    /// The groups of one machine.
    ///
    /// # Errors
    /// [`Error::NoSamples`], [`Misuse::Seeds`] if its dimension is another.
    pub fn group(&self, samples: &Samples) -> Result<Grouping, Error> {
        if samples.is_empty() {
            return Err(Error::NoSamples);
        }
        let points = Points::from(samples);
        match &self.seeds {
            Resolved::Shared(seeds) => self.lloyd.group(&points, seeds),
            Resolved::Greedy(greedy) => {
                greedy.group(&points, self.groups, samples.vm().as_str().as_bytes(), &self.lloyd)
            }
        }
    }

    /// Shares and centres of one machine.
    ///
    /// # Errors
    /// As [`StageOne::group`].
    pub fn signature(&self, samples: &Samples) -> Result<Signature, Error> {
        Ok(Signature::of(&self.group(samples)?)?)
    }

    /// The seeds that all machines share; `None` if each machine draws its own.
    pub const fn seeds(&self) -> Option<&SeedSet> {
        match &self.seeds {
            Resolved::Shared(seeds) => Some(seeds),
            Resolved::Greedy(_) => None,
        }
    }
}

/// Where stage 1's groups start.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Seeding {
    /// Idle and full load of one metric each; needs one group more than metrics.
    #[default]
    Axis,
    /// Vertices of the unit cube as far apart as possible.
    Vertices,
    /// Samples of the fleet that are far apart.
    FarthestFirst,
    /// These.
    Given(SeedSet),
    /// Each machine draws its own from its samples. Then stage 2 has to draw its own too.
    Greedy(Greedy),
}

#[derive(Clone, Debug, PartialEq)]
enum Resolved {
    Shared(SeedSet),
    Greedy(Greedy),
}
