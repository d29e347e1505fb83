//! What is measured, and how a reading becomes a load between 0 and 1.

use crate::Misuse;
use crate::vm::is_name;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One measured quantity.
///
/// Ranges are fixed by configuration and never taken from the data: with ranges from the data every machine's load
/// would depend on all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: Box<str>,
    scale: Scale,
}

impl Metric {
    /// A metric of this name (1 to 64 bytes).
    ///
    /// # Errors
    /// [`Misuse::Name`], or [`Misuse::Metrics`] if a fixed range is empty or not finite.
    pub fn new(name: &str, scale: Scale) -> Result<Self, Misuse> {
        if !is_name(name) {
            return Err(Misuse::Name);
        }
        if let Scale::Fixed { low, high } = scale {
            let width = high - low;
            if !(low.is_finite() && high.is_finite() && width.is_finite() && width > 0.0) {
                return Err(Misuse::Metrics);
            }
        }
        Ok(Self { name: name.into(), scale })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How readings become loads.
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The load of a finite reading, not yet clamped; `allotment` is used by [`Scale::Allotment`] alone.
    pub(crate) fn load(&self, reading: f64, allotment: f64) -> f64 {
        match self.scale {
            Scale::Fraction => reading,
            Scale::Allotment => reading / allotment,
            Scale::Fixed { low, high } => (reading - low) / (high - low),
        }
    }
}

/// How readings of a metric become loads.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scale {
    /// Readings are fractions already: 0 is idle, 1 is full.
    Fraction,
    /// Readings are in the unit of the machine's allotment (MHz, KiB): load is reading / allotment.
    Allotment,
    /// One range for all machines, as for percentages (0 to 100) or a link's capacity.
    Fixed {
        /// The reading of an idle machine.
        low: f64,
        /// The reading of a full one.
        high: f64,
    },
}

/// The metrics of a fleet, in the order of the coordinates; 1 to 64.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(Vec<Metric>);

impl Metrics {
    /// These metrics, in this order.
    ///
    /// # Errors
    /// [`Misuse::Metrics`] if none, more than 64, or two of one name.
    pub fn new(metrics: Vec<Metric>) -> Result<Self, Misuse> {
        let is_double = |(at, metric): (usize, &Metric)| {
            metrics.iter().take(at).any(|earlier| earlier.name == metric.name)
        };
        if metrics.is_empty()
            || metrics.len() > DIMENSION_MAX
            || metrics.iter().enumerate().any(is_double)
        {
            return Err(Misuse::Metrics);
        }
        Ok(Self(metrics))
    }

    /// Three metrics whose readings are fractions already: `cpu`, `memory`, `io`.
    pub fn fractions() -> Self {
        let metric = |name: &str| Metric { name: name.into(), scale: Scale::Fraction };
        Self(["cpu", "memory", "io"].map(metric).into())
    }

    /// How many: the dimension of a sample.
    pub fn dimension(&self) -> usize {
        self.0.len()
    }

    /// Where this metric stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|metric| metric.name() == name)
    }

    /// In order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Metric> {
        self.0.iter()
    }
}

/// The highest dimension of a sample.
pub const DIMENSION_MAX: usize = 64;
