//! Suppressions: a reason that shall not count for somebody, for a time, in plain sight.

use crate::{Contribution, Reasons};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// Which reasons are suppressed for which subjects, and until when.
///
/// Every suppression ends by itself. What was suppressed is part of the result, never silently missing.
///
/// ```
/// use interbank_risk_core::suppression::Suppressions;
/// use interbank_risk_core::{Contribution, Reasons};
/// use port::Time;
/// let mut suppressions = Suppressions::new(1_000, 30 * 86_400_000);
/// let now = Time::from_s(1_700_000_000);
/// suppressions.suppress(b"terminal 7", 3_105, now, now.plus_ms(86_400_000))?;
/// let reasons = Reasons::new(vec![
///     Contribution { reason: 3_105_u32, basis_points: 2_000 },
///     Contribution { reason: 3_101, basis_points: 300 },
/// ]);
/// let applied = suppressions.apply(now, b"terminal 7", &reasons, |reason| reason);
/// assert_eq!(applied.counted.first(), Some(3_101));
/// assert_eq!(applied.suppressed[0].contribution.reason, 3_105);
/// assert_eq!(applied.suppressed_bp(), 2_000);
/// # Ok::<(), interbank_risk_core::suppression::SuppressionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressions {
    /// By subject and reason; no subject without a reason.
    windows: BTreeMap<Bytes, BTreeMap<u32, Window>>,
    count: usize,
    max: usize,
    longest_ms: u64,
}

impl Suppressions {
    /// None yet; at most `max` of them, each at most `longest_ms` long.
    pub const fn new(max: usize, longest_ms: u64) -> Self {
        Self { windows: BTreeMap::new(), count: 0, max, longest_ms }
    }

    /// Reads the stored form. Bounds are configuration and are not stored.
    ///
    /// # Errors
    /// [`WireError`] if the bytes are not the canonical form, or break the bounds.
    pub fn parse(bytes: &[u8], max: usize, longest_ms: u64) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let count = usize::try_from(reader.u32()?).map_err(|_| WireError::TooLong)?;
        if count > max {
            return Err(WireError::TooLong);
        }
        let mut all = Self::new(max, longest_ms);
        let mut last: Option<(&[u8], u32)> = None;
        for _ in 0..count {
            let key = (reader.lp8()?, reader.u32()?);
            let (from, until) = (Time::from_ms(reader.u64()?), Time::from_ms(reader.u64()?));
            if last.is_some_and(|last| last >= key) {
                return Err(WireError::Invalid);
            }
            all.suppress(key.0, key.1, from, until).map_err(|_| WireError::Invalid)?;
            last = Some(key);
        }
        reader.finish()?;
        Ok(all)
    }

    /// Suppresses a reason, by its stable number, for a subject: from `from`, and no longer at `until`. An earlier
    /// suppression of the same reason and subject is replaced.
    ///
    /// # Errors
    /// [`SuppressionError`]; nothing was changed.
    pub fn suppress(
        &mut self,
        subject: &[u8],
        reason: u32,
        from: Time,
        until: Time,
    ) -> Result<(), SuppressionError> {
        if subject.len() > SUBJECT_MAX {
            return Err(SuppressionError::SubjectTooLong);
        }
        let window = Window { from, until };
        self.check(window)?;
        let known = self.windows.get(subject).is_some_and(|reasons| reasons.contains_key(&reason));
        if !known {
            if self.count >= self.max {
                return Err(SuppressionError::Full);
            }
            self.count += 1;
        }
        self.windows.entry(Bytes::copy_from_slice(subject)).or_default().insert(reason, window);
        Ok(())
    }

    /// Ends a suppression at once; whether there was one.
    pub fn lift(&mut self, subject: &[u8], reason: u32) -> bool {
        let Some(reasons) = self.windows.get_mut(subject) else { return false };
        let was_there = reasons.remove(&reason).is_some();
        if reasons.is_empty() {
            self.windows.remove(subject);
        }
        self.count -= usize::from(was_there);
        was_there
    }

    /// Forgets what is over; how many there were.
    pub fn purge(&mut self, now: Time) -> usize {
        let before = self.count;
        self.windows.retain(|_, reasons| {
            reasons.retain(|_, window| now < window.until);
            !reasons.is_empty()
        });
        self.count = self.windows.values().map(BTreeMap::len).sum();
        before - self.count
    }

    /// Until when a reason is suppressed for a subject; `None` if it counts. Allocates nothing.
    pub fn until(&self, now: Time, subject: &[u8], reason: u32) -> Option<Time> {
        let window = self.windows.get(subject)?.get(&reason)?;
        (window.from <= now && now < window.until).then_some(window.until)
    }

    /// Splits the reasons of a result into those that count and those that are suppressed; `code` says the stable number
    /// of a reason.
    pub fn apply<R: Copy + Ord>(
        &self,
        now: Time,
        subject: &[u8],
        reasons: &Reasons<R>,
        code: impl Fn(R) -> u32,
    ) -> Applied<R> {
        let mut counted = Vec::with_capacity(reasons.as_slice().len());
        let mut suppressed = Vec::new();
        for contribution in reasons.as_slice() {
            match self.until(now, subject, code(contribution.reason)) {
                None => counted.push(*contribution),
                Some(until) => suppressed.push(Suppressed { contribution: *contribution, until }),
            }
        }
        Applied { counted: Reasons::new(counted), suppressed }
    }

    /// Appends the stored form.
    ///
    /// # Errors
    /// [`WireError::TooLong`] beyond 2³² − 1 suppressions.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = u32::try_from(self.count).map_err(|_| WireError::TooLong)?;
        let mut writer = Writer::new(to, VERSION);
        writer.u32(count);
        for (subject, reasons) in &self.windows {
            for (reason, window) in reasons {
                writer.lp8(subject)?.u32(*reason);
                writer.u64(window.from.as_ms()).u64(window.until.as_ms());
            }
        }
        Ok(())
    }

    /// How many there are, over or not.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn check(&self, window: Window) -> Result<(), SuppressionError> {
        if window.until <= window.from {
            Err(SuppressionError::Empty)
        } else if window.until.since_ms(window.from) > self.longest_ms {
            Err(SuppressionError::TooLong)
        } else {
            Ok(())
        }
    }
}

/// The reasons of a result after suppressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<R> {
    /// What counts.
    pub counted: Reasons<R>,
    /// What was left out, the weightiest first.
    pub suppressed: Vec<Suppressed<R>>,
}

impl<R> Applied<R> {
    /// What the suppressed reasons had added to the score, in basis points: take this off.
    pub fn suppressed_bp(&self) -> i32 {
        self.suppressed.iter().fold(0, |sum, s| sum.saturating_add(s.contribution.basis_points))
    }
}

/// A reason that did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed<R> {
    /// What it would have contributed.
    pub contribution: Contribution<R>,
    /// When it counts again.
    pub until: Time,
}

/// Why a suppression is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuppressionError {
    /// It ends before it begins.
    Empty,
    /// There are as many as allowed.
    Full,
    /// The subject's name has more than [`SUBJECT_MAX`] bytes.
    SubjectTooLong,
    /// It is longer than allowed.
    TooLong,
}

impl SuppressionError {
    /// Stable number, 3720 to 3723.
    pub const fn code(self) -> u32 {
        match self {
            Self::Empty => 3720,
            Self::Full => 3721,
            Self::SubjectTooLong => 3722,
            Self::TooLong => 3723,
        }
    }
}

impl fmt::Display for SuppressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a suppression ends after it begins",
            Self::Full => "no room for another suppression",
            Self::SubjectTooLong => "a subject's name has at most 64 bytes",
            Self::TooLong => "a suppression may not last so long",
        })
    }
}

impl core::error::Error for SuppressionError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: Time,
    until: Time,
}

/// The longest name of a subject, in bytes.
pub const SUBJECT_MAX: usize = 64;

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DAY_MS;
    use alloc::vec;
    use proptest::prelude::*;

    fn at(day: u64) -> Time {
        Time::from_ms(day * DAY_MS)
    }

    #[test]
    fn holds_from_its_beginning_and_not_at_its_end() {
        let mut all = Suppressions::new(2, 10 * DAY_MS);
        all.suppress(b"a", 7, at(1), at(2)).unwrap();
        for (now, until) in [
            (at(1).minus_ms(1), None),
            (at(1), Some(at(2))),
            (at(2).minus_ms(1), Some(at(2))),
            (at(2), None),
        ] {
            assert_eq!(all.until(now, b"a", 7), until);
            assert_eq!(all.until(now, b"b", 7), None);
            assert_eq!(all.until(now, b"a", 8), None);
        }
    }

    #[test]
    fn bounds_are_kept() {
        let mut all = Suppressions::new(2, 10 * DAY_MS);
        let refused = [
            (&b"a"[..], at(2), at(2), SuppressionError::Empty),
            (b"a", at(2), at(12).plus_ms(1), SuppressionError::TooLong),
            (&[0; 65], at(2), at(3), SuppressionError::SubjectTooLong),
        ];
        for (subject, from, until, error) in refused {
            assert_eq!(all.suppress(subject, 1, from, until), Err(error));
        }
        all.suppress(b"a", 1, at(1), at(2)).unwrap();
        all.suppress(b"b", 1, at(1), at(3)).unwrap();
        assert_eq!(all.suppress(b"c", 1, at(1), at(3)), Err(SuppressionError::Full));
        // replacing needs no room
        all.suppress(b"b", 1, at(1), at(4)).unwrap();
        assert_eq!((all.purge(at(2)), all.len()), (1, 1));
        assert!(all.lift(b"b", 1) && !all.lift(b"b", 1) && all.is_empty());
    }

    #[test]
    fn nothing_is_lost_between_counted_and_suppressed() {
        let mut all = Suppressions::new(9, DAY_MS);
        all.suppress(b"t", 2, at(1), at(2)).unwrap();
        let reasons = Reasons::new(
            [(1_u32, 50), (2, -400), (3, 7)]
                .map(|(reason, basis_points)| Contribution { reason, basis_points })
                .to_vec(),
        );
        let applied = all.apply(at(1), b"t", &reasons, |reason| reason);
        assert_eq!(applied.suppressed_bp(), -400);
        assert_eq!(applied.counted.as_slice().len() + applied.suppressed.len(), 3);
        let elsewhere = all.apply(at(1), b"u", &reasons, |reason| reason);
        assert_eq!((elsewhere.counted, elsewhere.suppressed), (reasons, vec![]));
    }

    proptest! {
        #[test]
        fn the_stored_form_is_canonical(entries in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..5), any::<u32>(), 0..50_u64, 1..9_u64), 0..12)) {
            let mut all = Suppressions::new(100, 10 * DAY_MS);
            for (subject, reason, from, days) in entries {
                all.suppress(&subject, reason, at(from), at(from + days)).unwrap();
            }
            let mut bytes = vec![];
            all.encode(&mut bytes).unwrap();
            let back = Suppressions::parse(&bytes, 100, 10 * DAY_MS);
            prop_assert_eq!(back.as_ref(), Ok(&all));
            bytes.push(0);
            prop_assert_eq!(Suppressions::parse(&bytes, 100, 10 * DAY_MS), Err(WireError::Trailing));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(all) = Suppressions::parse(&bytes, 10, u64::MAX) {
                let mut again = vec![];
                all.encode(&mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
