//! The best grouping of one metric: globally optimal K-means on a line.

use crate::ascending::sort_ascending;
use crate::dispatch::run;
use crate::stretch::{Layer, Sums};
use crate::whole::{of_len, of_u64};
use crate::{Histogram, Misuse};
use alloc::vec;
use alloc::vec::Vec;

/// The grouping of weighted numbers into `k` stretches that has the least possible inertia.
///
/// On a line optimal groups are stretches, so that dynamic programming over the distinct values finds the optimum; with
/// divide and conquer in O(k · u · log u) for u distinct values. No seeds, no restarts. Of several optima the one whose
/// later groups start earliest. Costs are sums of floats: what differs by less than about 10⁻¹⁵ of n times the square of the
/// whole range counts as equal.
#[derive(Clone, Debug, PartialEq)]
pub struct ExactGroups {
    centres: Vec<f64>,
    counts: Vec<u64>,
    cuts: Vec<f64>,
    inertia: f64,
}

impl ExactGroups {
    /// Groups distinct values with their counts; values may come in any order, and equal ones are joined. Fewer groups
    /// than asked for if there are not so many distinct values.
    ///
    /// # Errors
    /// [`Misuse::Groups`] if `groups` is not 1 to 256, [`Misuse::Shape`] without a value, [`Misuse::NotFinite`] if a value
    /// is not finite or above 2⁵⁰⁰.
    pub fn new(
        values: impl IntoIterator<Item = (f64, u64)>,
        groups: usize,
    ) -> Result<Self, Misuse> {
        let line = Line::new(values)?;
        let table = Table::new(&line, groups)?;
        Ok(table.groups(&line, groups.min(line.values.len())))
    }

    /// Groups a histogram.
    ///
    /// # Errors
    /// As [`ExactGroups::new`].
    pub fn of(histogram: &Histogram, groups: usize) -> Result<Self, Misuse> {
        Self::new(histogram.iter(), groups)
    }

    /// The number of groups, up to `most`, that says most with least: least Bayesian information criterion of normal
    /// groups of one variance, which is at least that of rounding to steps of `step`. Ties to fewer groups.
    ///
    /// # Errors
    /// As [`ExactGroups::new`]; [`Misuse::Bounds`] unless `step` is finite and above 0.
    pub fn chosen(
        values: impl IntoIterator<Item = (f64, u64)>,
        most: usize,
        step: f64,
    ) -> Result<Self, Misuse> {
        if !(step.is_finite() && step > 0.0) {
            return Err(Misuse::Bounds);
        }
        let line = Line::new(values)?;
        let table = Table::new(&line, most)?;
        let mut best: Option<(f64, Self)> = None;
        for groups in 1..=most.min(line.values.len()) {
            let found = table.groups(&line, groups);
            let bic = found.bic(step);
            if best.as_ref().is_none_or(|(least, _)| bic < *least) {
                best = Some((bic, found));
            }
        }
        best.map(|(_, found)| found).ok_or(Misuse::Groups)
    }

    fn bic(&self, step: f64) -> f64 {
        let n = of_u64(self.counts.iter().sum());
        let variance = (self.inertia / n).max(step * step / 12.0);
        let shares: f64 =
            self.counts.iter().map(|&count| of_u64(count) * libm::log(of_u64(count) / n)).sum();
        // a centre and a share for each group, less one share, and the variance
        let parameters = 2.0 * of_len(self.counts.len());
        n * libm::log(variance) - 2.0 * shares + parameters * libm::log(n)
    }

    /// The group of a value: a search among the cuts, without allocating. A value on a cut belongs to the lower group.
    pub fn group_of(&self, value: f64) -> usize {
        self.cuts.partition_point(|&cut| cut < value)
    }

    /// The means of the groups, ascending.
    pub fn centres(&self) -> &[f64] {
        &self.centres
    }

    /// How many each.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The sum of the squared distances from the centres.
    pub const fn inertia(&self) -> f64 {
        self.inertia
    }
}

/// Distinct values from the least up, and sums from the left.
struct Line {
    values: Vec<(f64, u64)>,
    sums: Sums,
}

impl Line {
    fn new(values: impl IntoIterator<Item = (f64, u64)>) -> Result<Self, Misuse> {
        let entries = values.into_iter();
        let mut values = Vec::with_capacity(entries.size_hint().0);
        values.extend(entries.filter(|(_, count)| *count > 0));
        let limit = libm::scalbn(1.0, 500);
        if values.iter().any(|(value, _)| value.abs() > limit || value.is_nan()) {
            return Err(Misuse::NotFinite);
        }
        sort_ascending(&mut values);
        values.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_same
        });
        let ends = values.first().zip(values.last()).ok_or(Misuse::Shape)?;
        // subtracted before summing, so that little is lost to rounding
        let middle = ends.0.0 / 2.0 + ends.1.0 / 2.0;
        let sums = Sums::new(
            values.iter().map(|&(value, count)| (value - middle, of_u64(count))),
            values.len(),
        );
        Ok(Self { values, sums })
    }
}

/// Where the last group of the best grouping of the first values starts, for each number of groups.
struct Table {
    starts: Vec<Vec<u32>>,
}

impl Table {
    fn new(line: &Line, groups: usize) -> Result<Self, Misuse> {
        if groups == 0 || groups > crate::lloyd::GROUPS_MAX {
            return Err(Misuse::Groups);
        }
        let n = line.values.len();
        u32::try_from(n).map_err(|_| Misuse::Bounds)?;
        let mut before = line.sums.costs();
        let mut costs = vec![f64::INFINITY; n + 1];
        let mut starts = vec![vec![0_u32; n + 1]];
        let layers = groups.min(n);
        for layer in 1..layers {
            let mut layer_starts = vec![0_u32; n + 1];
            run(Layer {
                layer,
                // of the last layer only the whole line is asked
                first: if layer + 1 == layers { n } else { layer + 1 },
                sums: &line.sums,
                before: &before,
                costs: &mut costs,
                starts: &mut layer_starts,
            });
            core::mem::swap(&mut before, &mut costs);
            starts.push(layer_starts);
        }
        Ok(Self { starts })
    }

    fn groups(&self, line: &Line, groups: usize) -> ExactGroups {
        let mut until = line.values.len();
        let mut bounds = vec![until];
        for starts in self.starts.iter().take(groups).rev() {
            until = starts.get(until).map_or(0, |&start| usize::try_from(start).unwrap_or(0));
            bounds.push(until);
        }
        bounds.reverse();
        let mut found =
            ExactGroups { centres: Vec::new(), counts: Vec::new(), cuts: Vec::new(), inertia: 0.0 };
        for bound in bounds.windows(2) {
            let members = line.values.get(bound[0]..bound[1]).unwrap_or_default();
            let count = members.iter().map(|(_, count)| count).sum();
            let least = members.first().map_or(0.0, |(value, _)| *value);
            let most = members.last().map_or(0.0, |(value, _)| *value);
            // from the group's own middle: a value far away from the group takes nothing from its precision
            let middle = least / 2.0 + most / 2.0;
            let sum: f64 =
                members.iter().map(|(value, count)| (value - middle) * of_u64(*count)).sum();
            let centre = (middle + sum / of_u64(count)).clamp(least, most);
            if let Some(last) = found.centres.last() {
                found.cuts.push(last / 2.0 + centre / 2.0);
            }
            let far = members
                .iter()
                .map(|(value, count)| (value - centre) * (value - centre) * of_u64(*count));
            found.inertia += far.sum::<f64>();
            found.centres.push(centre);
            found.counts.push(count);
        }
        found
    }
}
