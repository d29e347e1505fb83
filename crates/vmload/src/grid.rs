//! The grid that loads lie on.

/// Loads are multiples of 2⁻³²: sums of up to 2²¹ of them are exact, and then no order of adding matters.
pub(crate) const GRID: f64 = 4_294_967_296.0;

/// Clamps to `[0, 1]` and rounds to the nearest multiple of 2⁻³², ties to even.
#[inline(always)]
pub(crate) fn on_grid(load: f64) -> f64 {
    // Adding 2⁵² leaves no room for fractions: the sum is rounded to a whole number by the addition itself.
    const TO_WHOLE: f64 = 4_503_599_627_370_496.0;
    // not `clamp`: −0.0 has to become 0.0
    let load = if load > 0.0 { load } else { 0.0 };
    let load = if load < 1.0 { load } else { 1.0 };
    ((load * GRID + TO_WHOLE) - TO_WHOLE) / GRID
}

/// A load in steps of the grid.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number from 0 to 2³²
pub(crate) fn steps(load: f64) -> u64 {
    (on_grid(load) * GRID) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_keeps_its_ends_and_rounds_to_nearest() {
        assert_eq!(on_grid(0.0).to_bits(), 0);
        assert_eq!(on_grid(-0.0).to_bits(), 0);
        assert_eq!(on_grid(-3.0), 0.0);
        assert_eq!(on_grid(7.0), 1.0);
        assert_eq!(on_grid(1.0), 1.0);
        assert_eq!(on_grid(0.5), 0.5);
        for load in [0.1, 0.2, 0.3, 0.9, 1e-10, 0.999_999_999] {
            assert!((on_grid(load) - load).abs() <= 0.5 / GRID, "{load}");
            assert_eq!(on_grid(on_grid(load)), on_grid(load));
        }
        // ties to even, as the rounding that libm has
        for steps in [0.5, 1.5, 2.5, 1_234_567.5, 1_234_568.5, 1_234_568.499] {
            assert_eq!(on_grid(steps / GRID) * GRID, libm::roundeven(steps), "{steps}");
        }
    }
}
