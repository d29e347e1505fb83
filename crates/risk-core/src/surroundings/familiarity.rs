//! The two directions of a score, each with a name of its own.

use crate::BasisPoints;
use core::fmt;
use serde::{Deserialize, Serialize};

/// How much the surroundings look as usual: more is safer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Familiarity(BasisPoints);

impl Familiarity {
    /// From a share.
    pub const fn new(share: BasisPoints) -> Self {
        Self(share)
    }

    /// As a share.
    pub const fn basis_points(self) -> BasisPoints {
        self.0
    }

    /// The same in the other direction.
    pub const fn risk(self) -> Risk {
        Risk(self.0.rest())
    }
}

impl fmt::Display for Familiarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} familiar", self.0)
    }
}

/// How little the surroundings look as usual: more is less safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Risk(BasisPoints);

impl Risk {
    /// As a share.
    pub const fn basis_points(self) -> BasisPoints {
        self.0
    }

    /// The same in the other direction.
    pub const fn familiarity(self) -> Familiarity {
        Familiarity(self.0.rest())
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at risk", self.0)
    }
}
