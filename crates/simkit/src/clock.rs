//! A clock that a schedule turns.

use crate::Rng;
use port::Time;
use std::sync::{Arc, Mutex, PoisonError};

/// What `now` is in a simulation. Clones show the same clock.
///
/// It keeps the clock contract: it may jump ahead as far as it likes, and step back, but never more than a bound behind
/// the latest time that it showed.
///
/// ```
/// use interbank_simkit::SimClock;
/// use port::Time;
/// let clock = SimClock::new(Time::from_s(1_000), 50);
/// clock.tick(200);
/// clock.step_back(500);
/// assert_eq!(clock.now(), Time::from_ms(1_000_150));
/// ```
#[derive(Clone, Debug)]
pub struct SimClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    shown: Time,
    latest: Time,
    back_max_ms: u64,
}

impl SimClock {
    /// Shows `start`; never shows less than `back_max_ms` before the latest time shown.
    pub fn new(start: Time, back_max_ms: u64) -> Self {
        Self { hands: Arc::new(Mutex::new(Hands { shown: start, latest: start, back_max_ms })) }
    }

    /// Time passes.
    pub fn tick(&self, ms: u64) {
        self.turn(|hands| hands.shown.plus_ms(ms));
    }

    /// The clock is set back, as far as the bound allows.
    pub fn step_back(&self, ms: u64) {
        self.turn(|hands| hands.shown.minus_ms(ms).max(hands.latest.minus_ms(hands.back_max_ms)));
    }

    /// The clock is set ahead to a moment; an earlier moment changes nothing.
    pub fn jump_to(&self, to: Time) {
        self.turn(|hands| hands.shown.max(to));
    }

    /// What a clock may do: mostly a small step, now and then none, a step back, or a jump of up to `jump_max_ms`.
    pub fn wander(&self, rng: &mut Rng, jump_max_ms: u64) {
        match rng.below(16) {
            0 => {}
            1 => self.step_back(rng.below(10_000)),
            2 => self.tick(rng.below(jump_max_ms.saturating_add(1))),
            _ => self.tick(rng.below(1_000)),
        }
    }

    /// What it shows.
    pub fn now(&self) -> Time {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).shown
    }

    fn turn(&self, to: impl FnOnce(&Hands) -> Time) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        hands.shown = to(&hands);
        hands.latest = hands.latest.max(hands.shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_steps_back_beyond_its_bound() {
        let clock = SimClock::new(Time::from_s(100), 300);
        let mut rng = Rng::new(5);
        let (mut latest, mut stepped_back) = (clock.now(), false);
        for _ in 0..5_000 {
            let before = clock.now();
            clock.wander(&mut rng, 100_000);
            stepped_back |= clock.now() < before;
            latest = latest.max(clock.now());
            assert!(latest.since_ms(clock.now()) <= 300);
        }
        assert!(stepped_back);
    }

    #[test]
    fn clones_show_the_same_time() {
        let clock = SimClock::new(Time::EPOCH, 0);
        let other = clock.clone();
        clock.jump_to(Time::from_s(9));
        clock.jump_to(Time::from_s(3));
        other.step_back(1);
        assert_eq!(other.now(), Time::from_s(9));
    }
}
