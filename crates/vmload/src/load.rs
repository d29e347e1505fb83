//! One number for a vector of loads.

use crate::lloyd::of_len;

/// How a vector of loads becomes one load between 0 and 1. All formulas are convex, so that bursts never lower a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadFormula {
    /// Euclidean length over that of full load: `‖λ‖₂ / √d`.
    #[default]
    Norm,
    /// Mean coordinate.
    Mean,
    /// Largest coordinate.
    Highest,
    /// How far from idle along the direction of the type's centre, with full load of all metrics as 1: the mean of the
    /// coordinates weighted by the centre's. Without a type it is the mean coordinate.
    AlongType,
}

impl LoadFormula {
    /// The load of `loads`, without a type.
    pub fn load(self, loads: &[f64]) -> f64 {
        let dimension = of_len(loads.len().max(1));
        match self {
            Self::Norm => {
                let squares: f64 = loads.iter().map(|load| load * load).sum();
                libm::sqrt(squares / dimension)
            }
            Self::Mean | Self::AlongType => loads.iter().sum::<f64>() / dimension,
            Self::Highest => loads.iter().fold(0.0, |most: f64, &load| most.max(load)),
        }
    }

    pub(crate) fn load_mean(loads: &[f64]) -> f64 {
        Self::Mean.load(loads)
    }

    /// The load of `loads` as a member of the type that has this centre.
    pub fn load_in_type(self, loads: &[f64], centre: &[f64]) -> f64 {
        let weight: f64 = centre.iter().sum();
        if self == Self::AlongType && weight > 0.0 {
            loads.iter().zip(centre).map(|(load, weight)| load * weight).sum::<f64>() / weight
        } else {
            self.load(loads)
        }
    }
}
