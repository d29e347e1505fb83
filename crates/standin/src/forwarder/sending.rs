//! What is sent and in which order: one message of an account at a time, again until it is answered.

use super::queue::{Head, Queue};
use super::settlement::Ended;
use super::timers::Alarm;
use super::{Advice, DeadLetter, Forwarder, ForwarderEvent, advice};
use crate::{Action, EntryState, Kind, Posting, share};
use alloc::boxed::Box;
use port::Time;
use seal::AccountRef;

impl Forwarder {
    pub(super) fn pump(&mut self, now: Time) {
        while self.open && self.in_flight < self.pace.window() {
            let Some(account) = self.ready.pop_front() else { return };
            self.send(now, account);
        }
    }

    fn send(&mut self, now: Time, account: AccountRef) {
        let Some(queue) = self.queues.get_mut(&account) else { return };
        if queue.head != Head::Ready {
            return;
        }
        let Some(first) = queue.owed.front_mut() else { return };
        let about = match (first.entry.request.kind, &first.entry.request.original) {
            (Kind::Reversal, Some(original)) => original,
            _ => &first.entry.request.key,
        };
        let host = self.late.get(about).copied().unwrap_or_else(|| first.entry.host_by_now());
        if advice::action(&first.entry, host).posting == Posting::None {
            // The accounting system declined as well: there is nothing to tell.
            return self.end(account, EntryState::NotOwed, None);
        }
        let mut advice = Advice::of(&first.entry, host);
        if first.maybe_sent || first.attempts > 0 {
            advice.mti = advice.mti.repeat();
            advice.maybe_applied = true;
        }
        first.attempts = first.attempts.saturating_add(1);
        advice.attempt = first.attempts;
        let due = now.plus_ms(self.config.answer_within_ms);
        queue.head = Head::InFlight { sent: now, due, answers: self.answers };
        self.in_flight += 1;
        self.timers.insert((due, account, Alarm::Send));
        if self.flights.insert(advice.key, account).is_none() {
            queue.keys.push(advice.key);
        }
        self.events.push_back(ForwarderEvent::Send(Box::new(advice)));
    }

    /// The first entry of an account is answered, or given up on.
    pub(super) fn end(&mut self, account: AccountRef, state: EntryState, why: Option<DeadLetter>) {
        self.ground(account);
        let Some(queue) = self.queues.get_mut(&account) else { return };
        let Some(first) = queue.answer() else { return };
        let late = self.late.get(&first.entry.request.key).copied();
        let host = late.unwrap_or_else(|| first.entry.host_by_now());
        let key = queue.keys.last().copied().unwrap_or(first.entry.request.key);
        for key in core::mem::take(&mut queue.keys) {
            self.flights.remove(&key);
        }
        let about = first.entry.request.key;
        let mut ended = Ended { entry: first.entry.reference(), about, key, state, why };
        let Action { exception, .. } = advice::action(&first.entry, host);
        if exception && state != EntryState::Exception {
            (ended.state, ended.why) = (EntryState::Exception, Some(DeadLetter::Forced));
        }
        if let Some(due) = queue.age_due.take() {
            self.timers.remove(&(due, account, Alarm::Age));
        }
        let lane = self.stand_in.lane(&account);
        self.lanes.entry(lane).or_default().waiting.push_back(ended);
        self.line_up(account);
    }

    /// The first entry of an account is no longer on its way.
    fn ground(&mut self, account: AccountRef) {
        let Some(queue) = self.queues.get_mut(&account) else { return };
        match core::mem::take(&mut queue.head) {
            Head::InFlight { due, .. } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.timers.remove(&(due, account, Alarm::Send));
            }
            Head::Resting { until } => {
                self.timers.remove(&(until, account, Alarm::Send));
            }
            Head::Ready => self.ready.retain(|one| *one != account),
            Head::Idle => {}
        }
    }

    /// The next entry of an account waits for its turn.
    pub(super) fn line_up(&mut self, account: AccountRef) {
        let Some(queue) = self.queues.get_mut(&account) else { return };
        if let Some(first) = queue.owed.front() {
            if queue.age_due.is_none() {
                let due = first.entry.at.plus_ms(self.config.escalate_ms);
                queue.age_due = Some(due);
                self.timers.insert((due, account, Alarm::Age));
            }
            if queue.head == Head::Idle {
                queue.head = Head::Ready;
                self.ready.push_back(account);
            }
            return;
        }
        if queue.more {
            queue.more = false;
            self.wanted.insert(account);
        }
        self.leave(account);
    }

    /// An account that owes nothing is forgotten, unless a page of rows that is on its way may be older than that: it would be
    /// taken for news.
    pub(super) fn leave(&mut self, account: AccountRef) {
        if !self.queues.get(&account).is_some_and(Queue::is_over) {
            return;
        }
        if self.reading.is_some() || self.sweep.account == Some(account) {
            self.left.push(account);
        } else {
            self.queues.remove(&account);
        }
    }

    /// The first entry of an account was not answered: it is sent again, later each time.
    pub(super) fn rest(&mut self, now: Time, account: AccountRef) {
        self.ground(account);
        let Some(queue) = self.queues.get_mut(&account) else { return };
        let Some(first) = queue.owed.front() else { return };
        let doublings = first.attempts.clamp(1, 17) - 1;
        let wait_ms =
            self.config.retry_ms.saturating_mul(1 << doublings).min(self.config.retry_max_ms);
        // A quarter apart at most, the same in every run: those that failed together do not come back together.
        let seed = u64::from(first.attempts);
        let jitter_ms = share::spread(&first.entry.request.key, seed) % (wait_ms / 4 + 1);
        let until = now.plus_ms(wait_ms.saturating_add(jitter_ms));
        queue.head = Head::Resting { until };
        self.timers.insert((until, account, Alarm::Send));
    }
}
