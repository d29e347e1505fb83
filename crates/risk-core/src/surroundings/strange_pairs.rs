//! Neighbours that nobody ever saw together.

use super::{Known, Policy, Population, Profile, Scan};
use crate::BasisPoints;
use alloc::vec::Vec;

impl Policy {
    /// Whether neighbours are together that nobody ever saw together: pairs of one that the profile knows and one that it does
    /// not know but the institution's other terminals do. `None` where there are too few pairs to tell; zero where only one
    /// stranger is apart from more than a tenth of what is familiar, since a hotspot that passes is no second place.
    ///
    /// Asked is about a sample of a large scan: pairs are kept of a few neighbours of each, the same ones for all terminals.
    /// The scan has to be [taken](Scan::take) with the population. The answer goes into [`Facts::strange_pairs`](super::Facts::strange_pairs).
    pub fn strange_pairs(
        &self,
        scan: &Scan,
        known: Known<'_>,
        population: &Population,
    ) -> Option<BasisPoints> {
        let (mut familiar, mut strangers) = (Vec::new(), Vec::new());
        let below = Population::asked_below(scan.population_names());
        for (seen, name) in scan.fixed_names().filter(|(_, name)| *name < below) {
            let knows = |profile: Option<&Profile>| {
                profile.is_some_and(|profile| {
                    let mut keys = profile.neighbours().map(|neighbour| neighbour.key.needle());
                    keys.any(|key| key == seen.key.needle() || key == seen.previous)
                })
            };
            if knows(known.own) || knows(known.adjacent) {
                familiar.push(name);
            } else if population.count(name) >= 2 {
                strangers.push(name);
            }
        }
        let (mut pairs, mut strange, mut foreign) = (0_u64, 0_u64, 0_u64);
        for other in &strangers {
            let apart =
                familiar.iter().filter(|one| !population.were_together(**one, *other)).count();
            pairs += familiar.len() as u64;
            strange += apart as u64;
            foreign += u64::from(10 * apart > familiar.len());
        }
        if foreign < 2 {
            strange = 0;
        }
        let enough = pairs >= u64::from(self.tables().strange_pairs_min);
        enough.then(|| BasisPoints::of(strange, pairs))
    }
}
