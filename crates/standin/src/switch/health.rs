//! The health of one institution's accounting system: what is known, and what follows from it.

use crate::switch::latency::Latency;
use crate::{Cause, Forced, HealthState, InstitutionId, PlannedWindow, Thresholds, Transition};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use port::Time;

/// Takes signs, and changes state by the thresholds. It knows nothing of requests and of other institutions.
#[derive(Clone)]
pub(super) struct Health {
    institution: InstitutionId,
    thresholds: Thresholds,
    planned: Vec<PlannedWindow>,
    state: HealthState,
    since: Time,
    epoch: u64,
    forced: Option<Forced>,
    /// It said that it is away, and has not said since that it is back.
    signed_off: bool,
    /// Weights in a row without a good answer.
    misses: u32,
    /// Good probes in a row.
    good_probes: u32,
    /// Weights of the latest outcomes of live traffic, and their sum.
    recent: VecDeque<u32>,
    recent_sum: u64,
    latency: Latency,
    /// The step of the return, and since when.
    step: usize,
    step_since: Time,
    step_good: u32,
}

impl Health {
    pub(super) fn new(
        now: Time,
        institution: InstitutionId,
        thresholds: Thresholds,
        planned: Vec<PlannedWindow>,
    ) -> Self {
        Self {
            institution,
            thresholds,
            planned,
            state: HealthState::Online,
            since: now,
            epoch: now.as_ms(),
            forced: None,
            signed_off: false,
            misses: 0,
            good_probes: 0,
            recent: VecDeque::new(),
            recent_sum: 0,
            latency: Latency::new(),
            step: 0,
            step_since: now,
            step_good: 0,
        }
    }

    /// Takes a sign.
    pub(super) fn see(&mut self, now: Time, sign: Sign) -> Option<Transition> {
        let weights = self.thresholds.weights;
        match sign {
            Sign::Answered { took_ms } => {
                self.latency.update(now, took_ms);
                let slow = took_ms > self.thresholds.slow_ms;
                self.count(if slow { weights.slow } else { 0 });
                self.good();
                if slow {
                    self.good_probes = 0;
                }
            }
            Sign::Echoed => {
                self.good_probes = self.good_probes.saturating_add(1);
                self.good();
            }
            Sign::LinkUp => self.good_probes = 0,
            Sign::SignedOn => return self.sign_on(now),
            Sign::SignedOff => return self.sign_off(now),
            Sign::TimedOut => self.bad(weights.timed_out, true),
            Sign::Unsent => self.bad(weights.unsent, true),
            Sign::Failed => self.bad(weights.failed, true),
            Sign::EchoMissed => self.bad(weights.echo_missed, false),
            Sign::LinkDown => self.bad(weights.link_down, false),
            Sign::Stalled => self.bad(weights.stalled, false),
        }
        self.judge(now)
    }

    /// It said that it is away. That is no sign of trouble, which good answers outweigh: it holds until it says otherwise.
    fn sign_off(&mut self, now: Time) -> Option<Transition> {
        if self.thresholds.weights.signed_off == 0 || self.signed_off {
            return None;
        }
        self.signed_off = true;
        Some(self.enter(now, HealthState::StandIn, Cause::SignedOff))
    }

    /// It said that it is back: from now on probes count, and time has to pass as after an outage.
    fn sign_on(&mut self, now: Time) -> Option<Transition> {
        self.good_probes = 0;
        core::mem::take(&mut self.signed_off)
            .then(|| self.transition(now, self.state, Cause::SignedOn))
    }

    /// Only time passed; `drained` says that nothing waits for delivery.
    pub(super) fn tick(&mut self, now: Time, drained: bool) -> Option<Transition> {
        let limits = &self.thresholds;
        let here_ms = now.since_ms(self.since);
        if self.is_planned(now) {
            return (self.state != HealthState::StandIn)
                .then(|| self.enter(now, HealthState::StandIn, Cause::PlannedBegin));
        }
        match self.state {
            HealthState::Online => None,
            HealthState::Suspect => {
                // Without traffic the window tells of the past for ever: then probes speak for it.
                let well = self.share_bp() <= u64::from(limits.trust_share_bp)
                    || self.good_probes >= limits.good_probes;
                let trusted = well && self.misses == 0 && here_ms >= limits.suspect_dwell_ms;
                trusted.then(|| self.enter(now, HealthState::Online, Cause::Recovered))
            }
            HealthState::StandIn => {
                let back = !self.signed_off
                    && here_ms >= limits.dwell_ms
                    && self.good_probes >= limits.good_probes;
                back.then(|| self.enter(now, HealthState::Draining, Cause::Recovered))
            }
            HealthState::Draining => {
                let held = now.since_ms(self.step_since) >= limits.step_dwell_ms
                    && self.step_good >= limits.step_answers;
                if !held {
                    None
                } else if self.step + 1 < limits.steps_bp.len() {
                    self.step += 1;
                    (self.step_since, self.step_good) = (now, 0);
                    Some(self.transition(now, self.state, Cause::Step))
                } else {
                    drained.then(|| self.enter(now, HealthState::Online, Cause::Drained))
                }
            }
        }
    }

    /// Carries an operator's order out.
    pub(super) fn order(
        &mut self,
        now: Time,
        forced: Option<Forced>,
        operator: &str,
        reason: &str,
    ) -> Transition {
        self.forced = forced;
        if forced == Some(Forced::Online) {
            // Whoever orders this knows better. A host that never signs on could not be left to detection again otherwise.
            self.signed_off = false;
        }
        let cause = if forced.is_some() { Cause::Operator } else { Cause::Release };
        Transition {
            operator: Bytes::copy_from_slice(operator.as_bytes()),
            reason: Bytes::copy_from_slice(reason.as_bytes()),
            ..self.transition(now, self.state, cause)
        }
    }

    /// The share of requests that goes to the accounting system, in basis points.
    pub(super) fn host_share_bp(&self) -> u16 {
        match (self.forced, self.state) {
            (Some(Forced::Online), _) | (None, HealthState::Online | HealthState::Suspect) => {
                10_000
            }
            (Some(Forced::StandIn), _) | (None, HealthState::StandIn) => 0,
            (None, HealthState::Draining) => {
                self.thresholds.steps_bp.get(self.step).copied().unwrap_or(0)
            }
        }
    }

    /// Whether a planned window is open.
    pub(super) fn is_planned(&self, now: Time) -> bool {
        self.planned.iter().any(|window| window.covers(now))
    }

    /// When time alone may change something.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        let limits = &self.thresholds;
        let by_state = match self.state {
            HealthState::Online => None,
            HealthState::Suspect => Some(self.since.plus_ms(limits.suspect_dwell_ms)),
            HealthState::StandIn => Some(self.since.plus_ms(limits.dwell_ms)),
            HealthState::Draining => Some(self.step_since.plus_ms(limits.step_dwell_ms)),
        };
        let edges = self.planned.iter().flat_map(|window| [window.from, window.until]);
        by_state.into_iter().chain(edges).filter(|at| *at > now).min()
    }

    pub(super) const fn state(&self) -> HealthState {
        self.state
    }

    pub(super) const fn forced(&self) -> Option<Forced> {
        self.forced
    }

    pub(super) const fn is_signed_off(&self) -> bool {
        self.signed_off
    }

    pub(super) const fn since(&self) -> Time {
        self.since
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    pub(super) fn p99_ms(&self, now: Time) -> Option<u64> {
        self.latency.p99_ms(now)
    }

    /// After how long without any answer requests in flight mean a standstill.
    pub(super) fn stall_ms(&self) -> u64 {
        let usual = self.latency.usual_ms().unwrap_or(0);
        usual.saturating_mul(3).max(self.thresholds.stall_ms)
    }

    fn good(&mut self) {
        self.misses = 0;
        self.step_good = self.step_good.saturating_add(1);
    }

    fn bad(&mut self, weight: u32, live: bool) {
        self.misses = self.misses.saturating_add(weight);
        if weight > 0 {
            self.good_probes = 0;
        }
        if live {
            self.count(weight);
        }
    }

    fn count(&mut self, weight: u32) {
        if self.recent.len() >= self.thresholds.window {
            let oldest = self.recent.pop_front().unwrap_or(0);
            self.recent_sum = self.recent_sum.saturating_sub(u64::from(oldest));
        }
        self.recent.push_back(weight);
        self.recent_sum += u64::from(weight);
    }

    /// Failure among the latest outcomes, in basis points of one miss each.
    fn share_bp(&self) -> u64 {
        match u64::try_from(self.recent.len()) {
            Ok(len) if len > 0 => self.recent_sum.saturating_mul(100) / len,
            _ => 0,
        }
    }

    fn judge(&mut self, now: Time) -> Option<Transition> {
        let limits = &self.thresholds;
        // In the return less traffic must be enough to see that it fails.
        let enough = match self.state {
            HealthState::Draining => {
                usize::try_from(limits.step_answers).unwrap_or(usize::MAX).clamp(1, limits.window)
            }
            _ => limits.window,
        };
        let full = self.recent.len() >= enough;
        let share = if full { self.share_bp() } else { 0 };
        let fails = share >= u64::from(limits.divert_share_bp);
        let doubtful = share >= u64::from(limits.suspect_share_bp);
        let by = |misses: bool| if misses { Cause::Misses } else { Cause::Share };
        match self.state {
            HealthState::Online | HealthState::Suspect
                if self.misses >= limits.divert_misses || fails =>
            {
                let cause = by(self.misses >= limits.divert_misses);
                Some(self.enter(now, HealthState::StandIn, cause))
            }
            HealthState::Online if self.misses >= limits.suspect_misses || doubtful => {
                let cause = by(self.misses >= limits.suspect_misses);
                Some(self.enter(now, HealthState::Suspect, cause))
            }
            HealthState::Draining if self.misses >= limits.suspect_misses || fails => {
                let cause = by(self.misses >= limits.suspect_misses);
                Some(self.enter(now, HealthState::StandIn, cause))
            }
            _ => None,
        }
    }

    fn enter(&mut self, now: Time, to: HealthState, cause: Cause) -> Transition {
        let from = core::mem::replace(&mut self.state, to);
        self.since = now;
        (self.step, self.step_since, self.step_good) = (0, now, 0);
        if to != HealthState::Suspect {
            // What was seen before says nothing about what comes now.
            self.recent.clear();
            self.recent_sum = 0;
            self.misses = 0;
        }
        self.good_probes = 0;
        self.transition(now, from, cause)
    }

    fn transition(&mut self, now: Time, from: HealthState, cause: Cause) -> Transition {
        // Epochs rise over restarts as well, as long as the clock does not step back by more than the time that it was down.
        self.epoch = now.as_ms().max(self.epoch.saturating_add(1));
        Transition {
            institution: self.institution,
            at: now,
            from,
            to: self.state,
            forced: self.forced,
            host_share_bp: self.host_share_bp(),
            epoch: self.epoch,
            cause,
            operator: Bytes::new(),
            reason: Bytes::new(),
        }
    }
}

impl fmt::Debug for Health {
    /// Its state, without its configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("state", &self.state)
            .field("since", &self.since)
            .field("epoch", &self.epoch)
            .field("forced", &self.forced)
            .field("signed_off", &self.signed_off)
            .field("misses", &self.misses)
            .field("good_probes", &self.good_probes)
            .field("recent", &self.recent)
            .field("latency", &self.latency)
            .field("step", &(self.step, self.step_since, self.step_good))
            .finish_non_exhaustive()
    }
}

/// A sign of how an accounting system does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Answered { took_ms: u64 },
    Echoed,
    EchoMissed,
    Failed,
    LinkDown,
    LinkUp,
    SignedOff,
    SignedOn,
    Stalled,
    TimedOut,
    Unsent,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time::from_s(1_785_000_000);

    fn health() -> Health {
        Health::new(T0, InstitutionId::new(7).unwrap(), Thresholds::default(), Vec::new())
    }

    fn states(health: &mut Health, at_ms: u64, signs: &[Sign]) -> Vec<HealthState> {
        let now = T0.plus_ms(at_ms);
        signs.iter().filter_map(|sign| health.see(now, *sign)).map(|change| change.to).collect()
    }

    #[test]
    fn two_misses_suspect_and_three_divert() {
        let mut one = health();
        assert_eq!(
            states(&mut one, 0, &[Sign::EchoMissed; 3]),
            [HealthState::Suspect, HealthState::StandIn]
        );
        let mut broken = health();
        let row = [Sign::TimedOut, Sign::Echoed, Sign::TimedOut, Sign::Echoed, Sign::TimedOut];
        assert_eq!(states(&mut broken, 0, &row), []);
        let mut link = health();
        assert_eq!(states(&mut link, 0, &[Sign::LinkDown]), [HealthState::StandIn]);
    }

    #[test]
    fn half_of_twenty_divert_and_less_do_not() {
        let fast = Sign::Answered { took_ms: 5 };
        for (bad, end) in [(9, HealthState::Suspect), (10, HealthState::StandIn)] {
            let mut one = health();
            let good_first: Vec<Sign> = (0..20 - bad).map(|_| fast).collect();
            states(&mut one, 0, &good_first);
            for n in 0..bad {
                // Never three in a row.
                states(&mut one, n, &[Sign::TimedOut]);
                one.misses = 0;
            }
            assert_eq!(one.state(), end, "{bad}");
        }
    }

    #[test]
    fn weights_count() {
        let mut thresholds = Thresholds::default();
        thresholds.weights.timed_out = 0;
        let mut deaf = Health::new(T0, InstitutionId::new(7).unwrap(), thresholds, Vec::new());
        assert_eq!(states(&mut deaf, 0, &[Sign::TimedOut; 50]), []);
        let mut slow = health();
        // A quarter each: never half.
        assert_eq!(
            states(&mut slow, 0, &[Sign::Answered { took_ms: 5_000 }; 100]),
            [HealthState::Suspect]
        );
    }

    #[test]
    fn the_way_back_takes_probes_dwell_and_every_step() {
        let mut one = health();
        states(&mut one, 0, &[Sign::LinkDown]);
        states(&mut one, 1, &[Sign::Echoed; 5]);
        assert_eq!(one.tick(T0.plus_ms(9_999), true), None);
        states(&mut one, 9_999, &[Sign::EchoMissed]);
        assert_eq!(one.tick(T0.plus_ms(10_000), true), None);
        states(&mut one, 10_001, &[Sign::Echoed; 4]);
        assert_eq!(one.tick(T0.plus_ms(10_001), true), None);
        states(&mut one, 10_002, &[Sign::Echoed]);
        let mut shares = Vec::new();
        let mut at_ms = 10_002;
        let mut last = 0;
        while one.state() != HealthState::Online {
            if let Some(change) = one.tick(T0.plus_ms(at_ms), true) {
                assert!(change.epoch > last);
                last = change.epoch;
                shares.push((at_ms, change.host_share_bp));
            }
            states(&mut one, at_ms, &[Sign::Echoed; 5]);
            at_ms += 1;
        }
        let right =
            [(10_002, 1_000), (12_002, 2_500), (14_002, 5_000), (16_002, 10_000), (18_002, 10_000)];
        assert_eq!(shares, right);
    }

    #[test]
    fn a_sign_off_holds_whatever_probes_say_until_a_sign_on() {
        let mut one = health();
        assert_eq!(states(&mut one, 0, &[Sign::SignedOff; 2]), [HealthState::StandIn]);
        for second in 1..100 {
            states(&mut one, second * 1_000, &[Sign::Echoed, Sign::Answered { took_ms: 5 }]);
            assert_eq!(one.tick(T0.plus_ms(second * 1_000), true), None);
        }
        let on = one.see(T0.plus_ms(100_000), Sign::SignedOn).unwrap();
        assert_eq!((on.from, on.to), (HealthState::StandIn, HealthState::StandIn));
        assert_eq!((on.cause, on.host_share_bp), (Cause::SignedOn, 0));
        // Said again it is no news, and probes count from the last time.
        states(&mut one, 100_000, &[Sign::Echoed; 4]);
        assert_eq!(one.see(T0.plus_ms(100_001), Sign::SignedOn), None);
        states(&mut one, 100_002, &[Sign::Echoed; 4]);
        assert_eq!(one.tick(T0.plus_ms(100_002), true), None);
        states(&mut one, 100_003, &[Sign::Echoed]);
        assert!(one.tick(T0.plus_ms(100_003), true).is_some());
        assert_eq!(one.state(), HealthState::Draining);
        // In the middle of the return as well.
        assert_eq!(states(&mut one, 100_004, &[Sign::SignedOff]), [HealthState::StandIn]);
    }

    #[test]
    fn a_sign_off_that_weighs_nothing_is_not_heeded() {
        let mut thresholds = Thresholds::default();
        thresholds.weights.signed_off = 0;
        let mut deaf = Health::new(T0, InstitutionId::new(7).unwrap(), thresholds, Vec::new());
        assert_eq!(states(&mut deaf, 0, &[Sign::SignedOff, Sign::SignedOn]), []);
    }

    #[test]
    fn a_failing_return_falls_back() {
        let mut one = health();
        states(&mut one, 0, &[Sign::LinkDown]);
        states(&mut one, 0, &[Sign::Echoed; 5]);
        assert!(one.tick(T0.plus_ms(10_000), false).is_some());
        assert_eq!(states(&mut one, 10_001, &[Sign::TimedOut; 2]), [HealthState::StandIn]);
        assert_eq!(one.host_share_bp(), 0);
        // And the dwell begins anew.
        states(&mut one, 10_002, &[Sign::Echoed; 5]);
        assert_eq!(one.tick(T0.plus_ms(20_000), false), None);
        assert!(one.tick(T0.plus_ms(20_001), false).is_some());
    }

    #[test]
    fn without_traffic_probes_end_a_suspicion() {
        let mut one = health();
        states(&mut one, 0, &[Sign::Answered { took_ms: 5_000 }; 20]);
        assert_eq!(one.state(), HealthState::Suspect);
        states(&mut one, 1, &[Sign::Echoed; 4]);
        assert_eq!(one.tick(T0.plus_ms(2_000), false), None);
        states(&mut one, 2_000, &[Sign::Echoed]);
        assert!(one.tick(T0.plus_ms(2_000), false).is_some());
        // And it does not come back by what is over.
        assert_eq!(states(&mut one, 2_001, &[Sign::Answered { took_ms: 5 }]), []);
    }

    #[test]
    fn undelivered_entries_keep_it_draining() {
        let mut one = health();
        states(&mut one, 0, &[Sign::LinkDown]);
        states(&mut one, 0, &[Sign::Echoed; 5]);
        for step in 0..9 {
            one.tick(T0.plus_ms(10_000 + 2_000 * step), false);
            states(&mut one, 10_000, &[Sign::Echoed; 5]);
        }
        assert_eq!((one.state(), one.host_share_bp()), (HealthState::Draining, 10_000));
        assert!(one.tick(T0.plus_ms(40_000), true).is_some());
        assert_eq!(one.state(), HealthState::Online);
    }
}
