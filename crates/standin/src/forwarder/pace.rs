//! How many messages may be in flight: additive increase, multiplicative decrease.

use port::Time;

/// The window grows by one for each window's worth of answers, and is halved on a time-out, once for all that time out together.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    window: usize,
    max: usize,
    answered: usize,
    /// Messages sent before say nothing about the window as it is now.
    cut_at: Option<Time>,
}

impl Pace {
    pub(super) const fn new(first: usize, max: usize) -> Self {
        Self { window: first, max, answered: 0, cut_at: None }
    }

    pub(super) const fn window(&self) -> usize {
        self.window
    }

    pub(super) fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= self.window {
            self.answered = 0;
            self.window = (self.window + 1).min(self.max);
        }
    }

    pub(super) fn timed_out(&mut self, now: Time, sent: Time) {
        if self.cut_at.is_none_or(|cut_at| sent >= cut_at) {
            self.window = (self.window / 2).max(1);
            self.answered = 0;
            self.cut_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_one_and_falls_by_half() {
        let at = Time::from_ms;
        let mut pace = Pace::new(4, 6);
        (0..4).for_each(|_| pace.answered());
        assert_eq!(pace.window(), 5);
        (0..100).for_each(|_| pace.answered());
        assert_eq!(pace.window(), 6);
        // Six that time out together are one sign.
        (0..6).for_each(|n| pace.timed_out(at(100 + n), at(n)));
        assert_eq!(pace.window(), 3);
        (0..9).for_each(|n| pace.timed_out(at(300 + 100 * n), at(200 + 100 * n)));
        assert_eq!(pace.window(), 1);
        pace.answered();
        assert_eq!(pace.window(), 2);
    }
}
