//! Whole numbers as floats.

/// A count; exact below 2⁵³, and every count here is.
#[allow(clippy::cast_precision_loss)]
pub(crate) const fn of_u64(n: u64) -> f64 {
    n as f64
}

/// A length; exact below 2⁵³, and every length here is.
#[allow(clippy::cast_precision_loss)]
pub(crate) const fn of_len(n: usize) -> f64 {
    n as f64
}
