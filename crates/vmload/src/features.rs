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
        let levels = if let Self::Profile { levels } = self { levels } else { 1 };
        let width = levels.saturating_mul(dimension);
        if (1..=DIMENSION_MAX).contains(&width) { Ok(width) } else { Err(Misuse::Bounds) }
    }

    /// How many coordinates each metric has, one metric after the other; at least 1.
    pub(crate) fn levels(self) -> usize {
        match self {
            Self::Lambda => 1,
            Self::Profile { levels } => levels.max(1),
        }
    }

    /// λ of features.
    pub(crate) fn mean_of(self, features: &[f64], dimension: usize) -> Vec<f64> {
        let of_metric = |loads| LoadFormula::Mean.load(loads);
        features.chunks(self.levels()).take(dimension).map(of_metric).collect()
    }
}
