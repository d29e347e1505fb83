//! When to try again.

use crate::Misuse;
use port::Time;

/// Exponential back-off with jitter: each wait is drawn from the upper half of `first × 2ⁿ`, capped, so that many parties
/// that failed together do not come back together. The randomness is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    first_ms: u64,
    most_ms: u64,
    attempts_max: u32,
}

impl Retry {
    /// The first wait, the longest, and after how many failed attempts a job has failed (0: never).
    ///
    /// # Errors
    /// [`Misuse::Bounds`] unless `0 < first_ms <= most_ms`.
    pub const fn new(first_ms: u64, most_ms: u64, attempts_max: u32) -> Result<Self, Misuse> {
        if first_ms == 0 || first_ms > most_ms {
            return Err(Misuse::Bounds);
        }
        Ok(Self { first_ms, most_ms, attempts_max })
    }

    /// The same without an end.
    #[must_use]
    pub const fn endless(self) -> Self {
        Self { attempts_max: 0, ..self }
    }

    /// When to try again after the `attempt`th failure (from 1).
    pub fn at(&self, now: Time, attempt: u32, entropy: u64) -> Time {
        let doublings = attempt.saturating_sub(1).min(32);
        let whole = self.first_ms.saturating_mul(1 << doublings).min(self.most_ms);
        let half = whole / 2;
        // The bias of the remainder is below 2⁻³².
        now.plus_ms(half + entropy % (whole - half + 1))
    }

    /// Whether this many failures are too many.
    pub const fn is_over(&self, attempts: u32) -> bool {
        self.attempts_max != 0 && attempts >= self.attempts_max
    }
}

impl Default for Retry {
    /// One second, five minutes, for ever.
    fn default() -> Self {
        Self { first_ms: 1_000, most_ms: 300_000, attempts_max: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_double_up_to_the_longest(attempt in 0_u32..100, entropy in any::<u64>()) {
            let retry = Retry::new(100, 10_000, 3).unwrap();
            let wait_ms = retry.at(Time::from_ms(50), attempt, entropy).as_ms() - 50;
            let whole = (100_u64 << attempt.saturating_sub(1).min(20)).min(10_000);
            prop_assert!((whole / 2..=whole).contains(&wait_ms));
        }
    }

    #[test]
    fn jitter_spreads() {
        let retry = Retry::default();
        let waits = [0_u64, 1, 250, 500].map(|e| retry.at(Time::EPOCH, 1, e).as_ms());
        assert_eq!(waits, [500, 501, 750, 1_000]);
        assert!(!retry.is_over(u32::MAX) && Retry::new(1, 1, 3).unwrap().is_over(3));
        assert_eq!(Retry::new(0, 1, 1), Err(Misuse::Bounds));
        assert_eq!(Retry::new(2, 1, 1), Err(Misuse::Bounds));
    }
}
