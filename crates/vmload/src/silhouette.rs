//! How well points lie within their groups.

use crate::lloyd::of_u64;
use crate::{Misuse, Points};
use alloc::vec;
use alloc::vec::Vec;

/// The mean silhouette of the points, −1 to 1 (Rousseeuw 1987): of each, how much farther it is from the nearest other
/// group than from its own. A point alone in its group counts 0, as in scikit-learn. O(n²).
///
/// # Errors
/// [`Misuse::Shape`] if labels and points differ in number, [`Misuse::Bounds`] above 4,096 points,
/// [`Misuse::Groups`] if fewer than two groups have members.
pub fn silhouette(points: &Points<'_>, labels: &[u8]) -> Result<f64, Misuse> {
    if labels.len() != points.len() {
        return Err(Misuse::Shape);
    }
    if points.len() > POINTS_MAX {
        return Err(Misuse::Bounds);
    }
    let mut counts = vec![0_u64; 256];
    for &label in labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    if counts.iter().filter(|&&count| count > 0).count() < 2 {
        return Err(Misuse::Groups);
    }
    let rows: Vec<Vec<f64>> = (0..points.len()).map(|at| points.point(at).collect()).collect();
    let mut total = 0.0;
    for (row, &own) in rows.iter().zip(labels) {
        let mut far = vec![0.0; 256];
        for (other, &label) in rows.iter().zip(labels) {
            if let Some(sum) = far.get_mut(usize::from(label)) {
                *sum += libm::sqrt(crate::types::square_distance(row, other));
            }
        }
        let own = usize::from(own);
        let (mut within, mut outside) = (0.0, f64::INFINITY);
        for (label, (&sum, &count)) in far.iter().zip(&counts).enumerate() {
            if label == own {
                within = if count > 1 { sum / of_u64(count - 1) } else { f64::NAN };
            } else if count > 0 {
                outside = outside.min(sum / of_u64(count));
            }
        }
        let most = within.max(outside);
        // alone in its group, or all points are one
        total += if within.is_nan() || most <= 0.0 { 0.0 } else { (outside - within) / most };
    }
    Ok(total / crate::lloyd::of_len(points.len()))
}

/// The most points of a silhouette.
const POINTS_MAX: usize = 4_096;
