//! Whether fitted types still fit.

use crate::greedy::Draw;
use crate::lloyd::{of_len, of_u64};
use crate::types::square_distance;
use crate::{Error, Misuse, Types};
use alloc::vec;
use alloc::vec::Vec;

/// How far the types' members have moved from the types' centres, beside how far chance alone moves them.
///
/// The rule: a refit is due when the mean of some type's members is farther from the type's centre than `factor` times
/// the spread of that mean over bootstrap resamples, and farther than `shift_min`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Of each type; one without members now has not moved.
    pub moves: Vec<Move>,
    /// Whether a refit is due.
    pub is_due: bool,
}

/// How far a type has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Move {
    /// Machines that are of the type now.
    pub members: u64,
    /// From its centre to the mean of its members.
    pub shift: f64,
    /// The root mean square distance of resampled means from that mean.
    pub spread: f64,
}

/// When a move counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftRule {
    /// How many spreads.
    pub factor: f64,
    /// And at least so far.
    pub shift_min: f64,
    /// Bootstrap resamples, 1 to 10,000.
    pub resamples: u32,
    /// For the resamples.
    pub entropy: [u8; 32],
}

impl Default for DriftRule {
    /// Three spreads and 0.02, of 100 resamples.
    fn default() -> Self {
        Self { factor: 3.0, shift_min: 0.02, resamples: 100, entropy: [0; 32] }
    }
}

impl DriftRule {
    /// Compares the types with what machines are now: their features, one machine after the other.
    ///
    /// # Errors
    /// As [`Types::assign`]; [`Misuse::Bounds`] if the rule is out of range.
    pub fn measure(&self, types: &Types, features: &[Vec<f64>]) -> Result<Drift, Error> {
        let is_sound = self.factor.is_finite() && self.factor >= 0.0 && self.shift_min.is_finite();
        if !is_sound || !(1..=10_000).contains(&self.resamples) {
            return Err(Misuse::Bounds.into());
        }
        let mut members: Vec<Vec<&[f64]>> = vec![Vec::new(); types.len()];
        for of_vm in features {
            let kind = types.assign(of_vm)?.kind;
            if let Some(members) = members.get_mut(kind) {
                members.push(of_vm);
            }
        }
        let mut draw = Draw::new(&self.entropy, b"drift", 0);
        let moves: Vec<Move> = types
            .iter()
            .zip(&members)
            .map(|(kind, members)| self.move_of(kind.centre(), members, &mut draw))
            .collect();
        let is_due =
            moves.iter().any(|m| m.shift > self.factor * m.spread && m.shift > self.shift_min);
        Ok(Drift { moves, is_due })
    }

    fn move_of(&self, centre: &[f64], members: &[&[f64]], draw: &mut Draw) -> Move {
        if members.is_empty() {
            return Move::default();
        }
        let mean = mean(members.iter().copied(), members.len(), centre.len());
        let mut squares = 0.0;
        for _ in 0..self.resamples {
            let picks =
                (0..members.len()).filter_map(|_| members.get(draw.below(members.len())).copied());
            squares += square_distance(&self::mean(picks, members.len(), centre.len()), &mean);
        }
        Move {
            members: u64::try_from(members.len()).unwrap_or(u64::MAX),
            shift: libm::sqrt(square_distance(&mean, centre)),
            spread: libm::sqrt(squares / of_u64(u64::from(self.resamples))),
        }
    }
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f64]>, n: usize, width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for sum in &mut mean {
        *sum /= of_len(n);
    }
    mean
}
