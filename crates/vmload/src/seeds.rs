//! Where groups start: initial centres as far from each other as possible.

use crate::lloyd::GROUPS_MAX;
use crate::{DIMENSION_MAX, Error, Misuse, Samples};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Distinct, finite initial centres, shared by all machines.
///
/// Stage 2 starts from a subset of stage 1's seeds, which says something only because all machines share one set.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedSet {
    dimension: usize,
    rows: Vec<f64>,
}

impl SeedSet {
    /// These, one after the other in one slice.
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if none, not finite, or not distinct; [`Misuse::Groups`] if more than 256.
    pub fn given(rows: &[f64], dimension: usize) -> Result<Self, Misuse> {
        let has_shape =
            (1..=DIMENSION_MAX).contains(&dimension) && rows.len().is_multiple_of(dimension);
        if !has_shape || rows.is_empty() || rows.iter().any(|value| !value.is_finite()) {
            return Err(Misuse::Seeds);
        }
        if rows.len() / dimension > GROUPS_MAX {
            return Err(Misuse::Groups);
        }
        // −0.0 and 0.0 are one seed
        let rows = rows.iter().map(|&value| if value == 0.0 { 0.0 } else { value }).collect();
        let set = Self { dimension, rows };
        if set.has_doubles() { Err(Misuse::Seeds) } else { Ok(set) }
    }

    /// Idle, then full load of one metric each: `dimension + 1` seeds. A group that grows from a seed is named after the
    /// seed's metric.
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if the dimension is not 1 to 64.
    pub fn axis(dimension: usize) -> Result<Self, Misuse> {
        if !(1..=DIMENSION_MAX).contains(&dimension) {
            return Err(Misuse::Seeds);
        }
        let mut rows = vec![0.0; (dimension + 1) * dimension];
        for metric in 0..dimension {
            if let Some(load) = rows.get_mut((metric + 1) * dimension + metric) {
                *load = 1.0;
            }
        }
        Ok(Self { dimension, rows })
    }

    /// Vertices of the unit cube with the greatest smallest distance: the first words of a lexicographic code. For three
    /// metrics and four groups the tetrahedron (0,0,0), (1,1,0), (1,0,1), (0,1,1).
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if the dimension is not 1 to 16, [`Misuse::Groups`] if there are not so many vertices.
    pub fn vertices(dimension: usize, groups: usize) -> Result<Self, Misuse> {
        if !(1..=16).contains(&dimension) {
            return Err(Misuse::Seeds);
        }
        if groups == 0 || groups > GROUPS_MAX || groups > 1 << dimension {
            return Err(Misuse::Groups);
        }
        let words = (1..=16_u32).rev().find_map(|apart| lexicode(dimension, groups, apart));
        let words = words.ok_or(Misuse::Groups)?;
        let coordinate = |word: u32, metric: usize| f64::from((word >> metric) & 1);
        let rows = words
            .iter()
            .flat_map(|&word| (0..dimension).map(move |metric| coordinate(word, metric)));
        Ok(Self { dimension, rows: rows.collect() })
    }

    /// Samples that are far from each other: first the idlest, then always the one farthest from all that were taken; ties
    /// to the lower coordinates. The smallest distance is at least half of the best possible. If there are fewer distinct
    /// samples than groups, vertices fill up.
    ///
    /// # Errors
    /// [`Misuse::Shape`] if dimensions differ, [`Misuse::Groups`], [`Error::NoSamples`].
    pub fn farthest_first<'a>(
        samples: impl Iterator<Item = &'a Samples> + Clone,
        groups: usize,
    ) -> Result<Self, Error> {
        let dimension = samples.clone().next().map_or(0, Samples::dimension);
        if samples.clone().any(|of_vm| of_vm.dimension() != dimension) {
            return Err(Misuse::Shape.into());
        }
        if groups == 0 || groups > GROUPS_MAX {
            return Err(Misuse::Groups.into());
        }
        let total: usize = samples.clone().map(Samples::len).sum();
        if total == 0 {
            return Err(Error::NoSamples);
        }
        let points =
            || samples.clone().flat_map(|of_vm| (0..of_vm.len()).map(move |at| (of_vm, at)));
        let far = |(of_vm, at): (&Samples, usize), to: &[f64]| -> f64 {
            of_vm.row(at).zip(to).map(|(load, to)| (load - to) * (load - to)).sum()
        };
        let idle = vec![0.0; dimension];
        let mut rows: Vec<f64> = Vec::with_capacity(groups * dimension);
        // the idlest: the least distance, so its negative is the greatest
        let first = farthest(points().map(|point| (-far(point, &idle), point)));
        rows.extend(first.iter().flat_map(|&(of_vm, at)| of_vm.row(at)));
        let mut nearest = vec![f64::INFINITY; total];
        while rows.len() < groups * dimension {
            let last = rows.get(rows.len() - dimension..).unwrap_or_default();
            for (nearest, point) in nearest.iter_mut().zip(points()) {
                *nearest = nearest.min(far(point, last));
            }
            let distances = nearest.iter().copied().zip(points());
            match farthest(distances.filter(|&(distance, _)| distance > 0.0)) {
                Some((of_vm, at)) => rows.extend(of_vm.row(at)),
                None => break,
            }
        }
        let mut set = Self { dimension, rows };
        set.fill_up(groups)?;
        Ok(set)
    }

    /// These rows of the set, in this order.
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if one is not there, or none or one twice is asked for.
    pub fn subset(&self, which: &[usize]) -> Result<Self, Misuse> {
        let mut rows = Vec::with_capacity(which.len() * self.dimension);
        for &at in which {
            if at >= self.len() {
                return Err(Misuse::Seeds);
            }
            rows.extend_from_slice(self.seed(at));
        }
        Self::given(&rows, self.dimension)
    }

    /// The last `groups` of the set.
    ///
    /// # Errors
    /// [`Misuse::Seeds`] if there are not so many, or none is asked for.
    pub fn last(&self, groups: usize) -> Result<Self, Misuse> {
        let from = self.len().checked_sub(groups).ok_or(Misuse::Seeds)?;
        self.subset(&(from..self.len()).collect::<Vec<_>>())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dimension
    }

    /// Never: a set has at least one seed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many coordinates each.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// One of them; empty if it is not there.
    pub fn seed(&self, at: usize) -> &[f64] {
        self.rows.get(at * self.dimension..(at + 1) * self.dimension).unwrap_or_default()
    }

    /// All, one after the other.
    pub fn as_rows(&self) -> &[f64] {
        &self.rows
    }

    /// The smallest distance between two of them; infinite for a single one.
    pub fn apart(&self) -> f64 {
        let mut least = f64::INFINITY;
        for at in 0..self.len() {
            for other in 0..at {
                let pairs = self.seed(at).iter().zip(self.seed(other));
                least = least.min(pairs.map(|(a, b)| (a - b) * (a - b)).sum());
            }
        }
        libm::sqrt(least)
    }

    fn has_doubles(&self) -> bool {
        (0..self.len()).any(|at| (0..at).any(|other| self.seed(at) == self.seed(other)))
    }

    fn fill_up(&mut self, groups: usize) -> Result<(), Misuse> {
        let mut word = 0_u32;
        while self.len() < groups {
            if word >> self.dimension.min(16) != 0 {
                return Err(Misuse::Groups);
            }
            let bit = |metric: usize| if metric < 16 { (word >> metric) & 1 } else { 0 };
            let vertex: Vec<f64> =
                (0..self.dimension).map(|metric| f64::from(bit(metric))).collect();
            if (0..self.len()).all(|at| self.seed(at) != vertex) {
                self.rows.extend(vertex);
            }
            word += 1;
        }
        Ok(())
    }
}

/// The point of the greatest distance, ties to the lower coordinates.
fn farthest<'a>(
    points: impl Iterator<Item = (f64, (&'a Samples, usize))>,
) -> Option<(&'a Samples, usize)> {
    let is_better = |(far, (vm, at)): (f64, (&Samples, usize)),
                     (best, (best_vm, best_at)): (f64, (&Samples, usize))| {
        match far.total_cmp(&best) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => vm.row(at).lt(best_vm.row(best_at)),
        }
    };
    points
        .reduce(|best, point| if is_better(point, best) { point } else { best })
        .map(|(_, point)| point)
}

/// The first words whose bits differ pairwise in at least `apart` places.
fn lexicode(dimension: usize, groups: usize, apart: u32) -> Option<Vec<u32>> {
    let mut words: Vec<u32> = Vec::with_capacity(groups);
    for word in 0..1_u32 << dimension {
        if words.iter().all(|taken| (taken ^ word).count_ones() >= apart) {
            words.push(word);
            if words.len() == groups {
                return Some(words);
            }
        }
    }
    None
}
