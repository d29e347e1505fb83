//! Points in time, and the clock contract.
//!
//! A core never asks for the time: `now: Time` is an argument. The embedder's clock may step back, may differ between
//! instances by a stated bound, and may jump. [`Clamp`] is how a machine lives with steps back; [`Skew`] is how a
//! decision treats stored times that lie in its future.

use core::fmt;

/// A point in time: milliseconds since the Unix epoch, without leap seconds.
///
/// Wire formats that carry seconds say so in their names; something that expires at `expires_s` is valid while
/// `now_ms < expires_s × 1000` ([`Time::is_before_s`]).
///
/// ```
/// use interbank_port::Time;
/// let expires_s = 1_700_000_300;
/// assert!(Time::from_ms(1_700_000_299_999).is_before_s(expires_s));
/// assert!(!Time::from_ms(1_700_000_300_000).is_before_s(expires_s));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// From whole seconds since the Unix epoch; saturates.
    pub const fn from_s(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_s(self) -> u64 {
        self.0 / 1000
    }

    /// Later by `ms`; saturates.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Earlier by `ms`; stops at the epoch.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds since `earlier`, or 0 if `earlier` is not earlier.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether something that expires at `expires_s` (seconds) is still valid now.
    pub const fn is_before_s(self, expires_s: u64) -> bool {
        self.0 < expires_s.saturating_mul(1000)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).map(jiff::Timestamp::from_millisecond) {
            Ok(Ok(at)) => write!(f, "{at}"),
            _ => write!(f, "{} ms", self.0),
        }
    }
}

/// The latest time that a machine has seen: a clock that steps back is held at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clamp {
    last: Time,
}

impl Clamp {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { last: Time::EPOCH }
    }

    /// Takes what the clock says and returns what the machine should believe.
    pub fn see(&mut self, now: Time) -> Time {
        self.last = self.last.max(now);
        self.last
    }

    /// The latest time seen.
    pub const fn last(&self) -> Time {
        self.last
    }
}

/// How far the clocks of two instances may differ before a decision refuses to compare times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// The bound, in milliseconds.
    pub max_ms: u64,
}

impl Skew {
    /// The later of `now` and a stored time: small differences between instances count as no time passed.
    ///
    /// # Errors
    /// [`ClockBehind`] if `stored` lies further ahead than the bound; nothing may be concluded then.
    pub fn settle(self, now: Time, stored: Time) -> Result<Time, ClockBehind> {
        let by_ms = stored.since_ms(now);
        if by_ms > self.max_ms { Err(ClockBehind { by_ms }) } else { Ok(now.max(stored)) }
    }
}

impl Default for Skew {
    /// Five seconds.
    fn default() -> Self {
        Self { max_ms: 5_000 }
    }
}

/// This instance's clock is behind what was already stored, by more than the stated bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockBehind {
    /// How far, in milliseconds.
    pub by_ms: u64,
}

impl ClockBehind {
    /// Stable number: 160.
    pub const fn code(&self) -> u32 {
        160
    }
}

impl fmt::Display for ClockBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this clock is {} ms behind stored times: set the clock", self.by_ms)
    }
}

impl core::error::Error for ClockBehind {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_clock_that_steps_back_is_held() {
        let mut clamp = Clamp::new();
        assert_eq!(clamp.see(Time::from_ms(50)), Time::from_ms(50));
        assert_eq!(clamp.see(Time::from_ms(20)), Time::from_ms(50));
        assert_eq!(clamp.see(Time::from_ms(51)), Time::from_ms(51));
    }

    #[test]
    fn skew_is_exact_at_its_bound() {
        let skew = Skew { max_ms: 10 };
        assert_eq!(skew.settle(Time::from_ms(90), Time::from_ms(100)), Ok(Time::from_ms(100)));
        assert_eq!(
            skew.settle(Time::from_ms(89), Time::from_ms(100)),
            Err(ClockBehind { by_ms: 11 })
        );
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::from_ms(u64::MAX).plus_ms(1).as_ms(), u64::MAX);
        assert_eq!(Time::EPOCH.minus_ms(1), Time::EPOCH);
        assert!(Time::from_ms(5).is_before_s(u64::MAX));
    }

    #[test]
    fn prints_as_rfc_3339() {
        assert_eq!(Time::from_ms(1_700_000_300_123).to_string(), "2023-11-14T22:18:20.123Z");
        assert_eq!(Time::from_ms(u64::MAX).to_string(), "18446744073709551615 ms");
    }
}
