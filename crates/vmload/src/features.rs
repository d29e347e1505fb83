//! What machines are compared by.

use crate::{DIMENSION_MAX, LoadFormula, Misuse, Signature};
use alloc::vec::Vec;

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

    pub(crate) fn width(self, dimension: usize) -> Result<usize, Misuse> {
        let width = match self {
            Self::Lambda => dimension,
            Self::Profile { levels } => levels.saturating_mul(dimension),
        };
        if (1..=DIMENSION_MAX).contains(&width) { Ok(width) } else { Err(Misuse::Bounds) }
    }

    /// λ of features.
    pub(crate) fn mean_of(self, features: &[f64], dimension: usize) -> Vec<f64> {
        match self {
            Self::Lambda => features.into(),
            Self::Profile { levels } => {
                features.chunks(levels.max(1)).take(dimension).map(LoadFormula::load_mean).collect()
            }
        }
    }
}
