//! The baseline score: what each dwell type has of its usual neighbours, weighed.

use super::Policy;
use crate::BasisPoints;

/// What one dwell type says: `hits` of `size` references are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeScore {
    /// How many of its references are here.
    pub hits: u8,
    /// How many references it has.
    pub size: u8,
    /// What it weighs.
    pub weight: u16,
}

/// The baseline score: the weighted mean of what each type has, over the types that have anything; `None` if none has.
///
/// Exact, and rounded once at the end. Up to [`Policy::TYPES_MAX`] types of up to 64 references.
///
/// ```
/// use interbank_risk_core::surroundings::{TypeScore, recombined};
/// let types = [(2, 6, 1), (3, 4, 3), (3, 3, 6)];
/// let types = types.map(|(hits, size, weight)| TypeScore { hits, size, weight });
/// assert_eq!(recombined(types).map(|score| score.as_u16()), Some(8_583));
/// ```
pub fn recombined(types: impl IntoIterator<Item = TypeScore>) -> Option<BasisPoints> {
    // A sum of fractions, kept as one fraction. Few types fit 64 bits; 64⁸ × 8 × 65,535 × 20,000 stays below 2¹²⁸.
    let (mut part, mut whole, mut weights) = (0_u64, 1_u64, 0_u64);
    let mut types = types.into_iter().take(Policy::TYPES_MAX);
    while let Some(one) = types.next() {
        let (hits, size) = (u64::from(one.hits.min(one.size)), u64::from(one.size));
        let weight = u64::from(one.weight);
        if size == 0 {
            continue;
        }
        if whole > 1 << 18 {
            let before = (part.into(), whole.into(), weights.into());
            return recombined_long(before, core::iter::once(one).chain(types));
        }
        part = part * size + hits * weight * whole;
        whole *= size;
        weights += weight;
    }
    let whole = whole * weights;
    if whole == 0 { None } else { share((part * 20_000 + whole) / (2 * whole)) }
}

#[cold]
fn recombined_long(
    (mut part, mut whole, mut weights): (u128, u128, u128),
    types: impl Iterator<Item = TypeScore>,
) -> Option<BasisPoints> {
    for one in types.filter(|one| one.size > 0) {
        let (size, weight) = (u128::from(one.size), u128::from(one.weight));
        part = part * size + u128::from(one.hits.min(one.size)) * weight * whole;
        whole *= size;
        weights += weight;
    }
    let whole = whole * weights;
    if whole == 0 {
        return None;
    }
    share(u64::try_from((part * 20_000 + whole) / (2 * whole)).unwrap_or(0))
}

fn share(basis_points: u64) -> Option<BasisPoints> {
    BasisPoints::new(u16::try_from(basis_points).ok()?).ok()
}
