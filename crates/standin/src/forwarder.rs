//! Store-and-forward: tells the accounting system what was decided without it, in order, until it answers.

mod advice;
mod config;
mod error;
mod event;
mod pace;
mod queue;
mod settlement;

pub use advice::{Advice, AdviceOutcome};
pub use config::ForwarderConfig;
pub use error::ForwarderError;
pub use event::{DeadLetter, ForwarderEvent};

use crate::{
    Action, Entry, EntryState, HostOutcome, InstitutionId, Kind, Posting, RequestKey, StandIn,
    share, table,
};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use pace::Pace;
use port::{Clamp, Committed, Effect, Input, Key, Machine, ReadSet, Row, Rows, Scan, Ticket, Time};
use queue::{Head, Owed, Queue};
use seal::{AccountRef, Audit};
use settlement::{Ended, Phase, Settlement};

/// Delivers the queued journal entries of one institution, at least once each, and ends them. A machine ([`port::Machine`]).
///
/// It finds what is owed by looking through the journal: at its start, each minute, and where [`Forwarder::nudge`] points. One
/// message of an account is on its way at a time, in the order of answers; accounts go beside each other, in a window that grows
/// by one and is halved on time-outs. A message is sent again until it is answered, marked as a repeat. Answers are matched by
/// their key only, however late they come.
///
/// No entry is ever dropped. One that waits too long is escalated; one that is refused, or never answered while others are, is put
/// on the list of exceptions and does not hold its account up any longer.
///
/// It begins closed: [`Forwarder::open`] it when the accounting system is there ([`crate::HealthState::Draining`] or better). Its
/// writes require the rows that they rest on, so that the authorizer may go on meanwhile; two forwarders of one institution only
/// waste messages. Bounded by [`ForwarderConfig::entries_max`] and [`ForwarderConfig::wanted_max`].
#[derive(Clone)]
pub struct Forwarder {
    stand_in: StandIn,
    institution: InstitutionId,
    config: ForwarderConfig,
    clamp: Clamp,
    /// Entries made before may have been sent by a forwarder that is gone.
    started: Time,
    open: bool,
    queues: BTreeMap<AccountRef, Queue>,
    /// How many entries are in memory.
    held: usize,
    ready: VecDeque<AccountRef>,
    flights: BTreeMap<RequestKey, AccountRef>,
    in_flight: usize,
    answers: u64,
    pace: Pace,
    lanes: BTreeMap<u16, Settlement>,
    /// What the accounting system said too late about requests that were taken from it.
    late: BTreeMap<RequestKey, HostOutcome>,
    late_order: VecDeque<RequestKey>,
    wanted: BTreeSet<AccountRef>,
    sweep: Sweep,
    reading: Option<(Ticket, Reading)>,
    /// When reading may go on after a failure of the store.
    read_at: Time,
    timers: BTreeSet<(Time, AccountRef, Alarm)>,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<ForwarderEvent>,
}

impl Forwarder {
    /// Of the institution of this stand-in module. It looks through the journal at the first tick.
    ///
    /// # Errors
    /// [`ForwarderError::Limits`].
    pub fn new(
        now: Time,
        stand_in: &StandIn,
        config: ForwarderConfig,
    ) -> Result<Self, ForwarderError> {
        config.check()?;
        let mut clamp = Clamp::new();
        clamp.see(now);
        Ok(Self {
            stand_in: stand_in.clone(),
            institution: stand_in.config().institution,
            clamp,
            started: now,
            open: false,
            queues: BTreeMap::new(),
            held: 0,
            ready: VecDeque::new(),
            flights: BTreeMap::new(),
            in_flight: 0,
            answers: 0,
            pace: Pace::new(config.window_first, config.window_max),
            lanes: BTreeMap::new(),
            late: BTreeMap::new(),
            late_order: VecDeque::new(),
            wanted: BTreeSet::new(),
            sweep: Sweep::at(now),
            reading: None,
            read_at: now,
            timers: BTreeSet::new(),
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            config,
        })
    }

    /// Begins to send, or stops. What is in flight then is waited for, and sent again as a repeat when it opens anew.
    pub fn open(&mut self, now: Time, is_open: bool) {
        let now = self.clamp.see(now);
        self.open = is_open;
        self.go_on(now);
    }

    /// Something of this account was queued: look now instead of at the next round.
    pub fn nudge(&mut self, now: Time, account: AccountRef) {
        let now = self.clamp.see(now);
        self.sweep.break_off();
        if self.wanted.len() < self.config.wanted_max {
            self.wanted.insert(account);
        } else {
            self.sweep.next_at = self.sweep.next_at.min(now);
        }
        self.go_on(now);
    }

    /// The accounting system answered to the message with this key.
    pub fn answered(&mut self, now: Time, key: &RequestKey, outcome: AdviceOutcome) {
        let now = self.clamp.see(now);
        let Some(account) = self.flights.get(key).copied() else {
            self.events.push_back(ForwarderEvent::Unmatched { key: *key });
            return;
        };
        self.answers += 1;
        match outcome.state() {
            None => {
                if let Some(Queue { head: Head::InFlight { sent, .. }, .. }) =
                    self.queues.get(&account)
                {
                    self.pace.timed_out(now, *sent);
                    self.rest(now, account);
                }
            }
            Some(state) => {
                self.pace.answered();
                let why = match outcome {
                    AdviceOutcome::Refused(code) => Some(DeadLetter::Refused(code)),
                    _ => None,
                };
                self.end(account, state, why);
            }
        }
        self.go_on(now);
    }

    /// The accounting system answered a request that had been taken from it: what it said decides whether a reversal or a forced
    /// advice is due. Without this both are told in a form that is safe either way.
    pub fn host_said(&mut self, now: Time, request: &RequestKey, is_approval: bool) {
        let now = self.clamp.see(now);
        let outcome = if is_approval { HostOutcome::Approved } else { HostOutcome::Declined };
        if self.config.late_max > 0 && self.late.insert(*request, outcome).is_none() {
            self.late_order.push_back(*request);
            if self.late_order.len() > self.config.late_max
                && let Some(oldest) = self.late_order.pop_front()
            {
                self.late.remove(&oldest);
            }
        }
        self.go_on(now);
    }

    /// An operator gives up on the first entry that waits of an account: it goes to the list of exceptions. The record names the
    /// operator (actor) and the reason (subject).
    ///
    /// # Errors
    /// [`ForwarderError::NothingWaits`].
    pub fn give_up(
        &mut self,
        now: Time,
        account: &AccountRef,
        operator: &str,
        reason: &str,
    ) -> Result<Audit, ForwarderError> {
        let now = self.clamp.see(now);
        let queue = self.queues.get(account).ok_or(ForwarderError::NothingWaits)?;
        let first = queue.owed.front().ok_or(ForwarderError::NothingWaits)?;
        let key = first.entry.request.key.to_bytes();
        let part = |text: &str, most: usize| {
            Bytes::copy_from_slice(&text.as_bytes()[..text.len().min(most)])
        };
        let audit = Audit {
            at: now,
            tenant: self.institution.tenant(),
            action: Cow::Borrowed("standin.forward.given-up"),
            actor: part(operator, 64),
            subject: part(reason, 200),
            reasons: vec![DeadLetter::GivenUp.code()],
            policy: [0; 32],
            correlation: key.first_chunk().copied().unwrap_or_default(),
        };
        self.end(*account, EntryState::Exception, Some(DeadLetter::GivenUp));
        self.go_on(now);
        Ok(audit)
    }

    /// Whether nothing waits: the whole journal was looked through since the last nudge, and nothing was found.
    pub fn is_drained(&self) -> bool {
        self.sweep.is_clean && self.held == 0 && self.wanted.is_empty()
    }

    /// How many entries are in memory: all that wait, or as many as fit.
    pub const fn backlog(&self) -> usize {
        self.held
    }

    /// How many messages are on their way.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many may be on their way now.
    pub const fn window(&self) -> usize {
        self.pace.window()
    }

    /// Everything that may be done now is begun.
    fn go_on(&mut self, now: Time) {
        self.pump(now);
        self.settle(now);
        self.look(now);
    }

    fn pump(&mut self, now: Time) {
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
        let host = self.late.get(about).copied().unwrap_or(first.entry.host);
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
    fn end(&mut self, account: AccountRef, state: EntryState, why: Option<DeadLetter>) {
        self.ground(account);
        let Some(queue) = self.queues.get_mut(&account) else { return };
        let Some(first) = queue.owed.pop_front() else { return };
        let host = self.late.get(&first.entry.request.key).copied().unwrap_or(first.entry.host);
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
        queue.answered_seq = queue.answered_seq.max(first.entry.seq);
        queue.unsettled += 1;
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
    fn line_up(&mut self, account: AccountRef) {
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
        if queue.is_over() {
            self.queues.remove(&account);
        }
    }

    /// The first entry of an account was not answered: it is sent again, later each time.
    fn rest(&mut self, now: Time, account: AccountRef) {
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

    fn on_alarm(&mut self, now: Time, account: AccountRef, alarm: Alarm) {
        let Some(queue) = self.queues.get_mut(&account) else { return };
        let Some(first) = queue.owed.front_mut() else { return };
        match (alarm, queue.head) {
            (Alarm::Send, Head::InFlight { sent, answers, .. }) => {
                self.pace.timed_out(now, sent);
                if self.answers > answers {
                    first.strikes = first.strikes.saturating_add(1);
                }
                if first.strikes >= self.config.strikes_max {
                    self.end(account, EntryState::Exception, Some(DeadLetter::Unanswered));
                } else {
                    self.rest(now, account);
                }
            }
            (Alarm::Send, Head::Resting { .. }) => {
                queue.head = Head::Ready;
                self.ready.push_back(account);
            }
            (Alarm::Send, Head::Idle | Head::Ready) => {}
            (Alarm::Age, _) => {
                let due = now.plus_ms(self.config.escalate_ms);
                queue.age_due = Some(due);
                self.timers.insert((due, account, Alarm::Age));
                self.events.push_back(ForwarderEvent::Escalated {
                    key: first.entry.request.key,
                    account,
                    age_ms: now.since_ms(first.entry.at),
                    attempts: first.attempts,
                });
            }
        }
    }

    /// Ends entries in the store, one batch of a lane at a time.
    fn settle(&mut self, now: Time) {
        for (lane, settlement) in &mut self.lanes {
            let rested = match settlement.phase {
                Phase::Idle => true,
                Phase::Resting(until) => now >= until,
                Phase::Reading(_) | Phase::Committing(_) => false,
            };
            if !rested {
                continue;
            }
            if settlement.active.is_empty() {
                let most = settlement.waiting.len().min(self.config.settle_max);
                settlement.active = settlement.waiting.drain(..most).collect();
            }
            if settlement.active.is_empty() {
                settlement.phase = Phase::Idle;
                continue;
            }
            self.last_ticket = self.last_ticket.next();
            let ticket = self.last_ticket;
            settlement.phase = Phase::Reading(ticket);
            let want = settlement::want(self.institution, *lane, &settlement.active);
            self.effects.push_back(Effect::Read { ticket, want });
        }
        self.lanes.retain(|_, one| !one.active.is_empty() || !one.waiting.is_empty());
    }

    fn on_lane_rows(&mut self, now: Time, lane: u16, rows: Option<Rows>) {
        let Some(settlement) = self.lanes.get_mut(&lane) else { return };
        let retry_at = now.plus_ms(self.config.retry_ms);
        let Some(rows) = rows else {
            settlement.phase = Phase::Resting(retry_at);
            return;
        };
        let found =
            settlement::batch(now, self.institution, lane, &settlement.active, &rows.points);
        match found {
            Ok(batch) if batch.is_empty() => self.settled(lane),
            Ok(batch) => {
                self.last_ticket = self.last_ticket.next();
                let ticket = self.last_ticket;
                settlement.phase = Phase::Committing(ticket);
                self.effects.push_back(Effect::Commit { ticket, batch });
            }
            Err(_) if settlement.active.len() > 1 => {
                // One of them is damaged: the others go on without it.
                settlement.phase = Phase::Idle;
                let rest = settlement.active.split_off(1);
                rest.into_iter().rev().for_each(|one| settlement.waiting.push_front(one));
            }
            Err(_) => {
                settlement.phase = Phase::Resting(retry_at);
                let row = settlement.active.first().map_or_else(
                    || table::lane(self.institution, lane),
                    |one| table::account(self.institution, &one.entry.account),
                );
                self.events.push_back(ForwarderEvent::Damaged { row });
            }
        }
    }

    /// The entries of a lane's batch have ended.
    fn settled(&mut self, lane: u16) {
        let Some(settlement) = self.lanes.get_mut(&lane) else { return };
        settlement.phase = Phase::Idle;
        settlement.conflicts = 0;
        for Ended { entry, about, key, state, why } in core::mem::take(&mut settlement.active) {
            let account = entry.account;
            self.held = self.held.saturating_sub(1);
            if self.late.remove(&about).is_some() {
                self.late_order.retain(|one| *one != about);
            }
            self.events.push_back(match why {
                Some(why) => ForwarderEvent::DeadLetter { key, account, why },
                None => ForwarderEvent::Delivered { key, account, state },
            });
            if let Some(queue) = self.queues.get_mut(&account) {
                queue.unsettled = queue.unsettled.saturating_sub(1);
                if queue.is_over() {
                    self.queues.remove(&account);
                }
            }
        }
        if self.held == 0 && !self.sweep.is_clean {
            // Whether that was all shows when the journal was looked through once more.
            self.sweep.next_at = Time::EPOCH;
        }
    }

    /// Reads on: accounts that somebody pointed at, and the journal as a whole, by turns.
    fn look(&mut self, now: Time) {
        let room = self.held < self.config.entries_max;
        if self.reading.is_some() || now < self.read_at || !room {
            return;
        }
        let sweeps = self.sweep.is_running() || now >= self.sweep.next_at;
        let limit = self.config.page_rows;
        let (want, reading) = if !self.wanted.is_empty() && (!sweeps || !self.sweep.was_last) {
            self.sweep.was_last = true;
            let accounts: Vec<AccountRef> = self.wanted.iter().take(LOADS_MAX).copied().collect();
            accounts.iter().for_each(|one| {
                self.wanted.remove(one);
            });
            let loads: Vec<Load> = accounts.into_iter().map(Load::new).collect();
            (self.load_want(&loads, limit), Reading::Accounts(loads))
        } else if sweeps {
            self.sweep.was_last = false;
            if !self.sweep.is_running() {
                self.sweep.begin();
            }
            let prefix = table::journal(self.institution);
            let after = self.sweep.after.clone();
            (ReadSet::scan(Scan { prefix, after, limit }), Reading::Sweep)
        } else {
            return;
        };
        self.last_ticket = self.last_ticket.next();
        let ticket = self.last_ticket;
        self.reading = Some((ticket, reading));
        self.effects.push_back(Effect::Read { ticket, want });
    }

    fn load_want(&self, loads: &[Load], limit: usize) -> ReadSet {
        let scans = loads.iter().map(|load| Scan {
            prefix: table::journal_of(self.institution, &load.account),
            after: load.after.clone(),
            limit,
        });
        ReadSet { points: Vec::new(), scans: scans.collect() }
    }

    fn on_page(&mut self, now: Time, reading: Reading, rows: Option<Rows>) {
        let Some(rows) = rows else {
            self.read_at = now.plus_ms(self.config.retry_ms);
            match reading {
                Reading::Accounts(loads) => {
                    self.wanted.extend(loads.iter().map(|load| load.account));
                }
                Reading::Sweep => {}
            }
            return;
        };
        match reading {
            Reading::Accounts(loads) => self.on_loads(loads, rows),
            Reading::Sweep => {
                self.on_sweep(now, rows.scans.into_iter().next().unwrap_or_default());
            }
        }
    }

    fn on_loads(&mut self, loads: Vec<Load>, rows: Rows) {
        let limit = self.config.page_rows;
        let mut unfinished = Vec::new();
        for (mut load, page) in loads.into_iter().zip(rows.scans) {
            let full = page.len() >= limit;
            for (key, row) in page {
                self.owed(&key, &row, &mut load.found);
                load.after = Some(key);
            }
            if full {
                unfinished.push(load);
            } else {
                self.merge(load.account, load.found);
            }
        }
        if !unfinished.is_empty() {
            let want = self.load_want(&unfinished, limit);
            self.last_ticket = self.last_ticket.next();
            let ticket = self.last_ticket;
            self.reading = Some((ticket, Reading::Accounts(unfinished)));
            self.effects.push_back(Effect::Read { ticket, want });
        }
    }

    fn on_sweep(&mut self, now: Time, page: Vec<(Key, Row)>) {
        let full = page.len() >= self.config.page_rows;
        let prefix = table::journal(self.institution).as_bytes().len();
        for (key, row) in page {
            let token = key.as_bytes().get(prefix..).and_then(|tail| tail.first_chunk().copied());
            let account = token.map(AccountRef::from_bytes);
            if account != self.sweep.account {
                self.flush_sweep();
                if self.held >= self.config.entries_max {
                    // This account is read again, from its first row, once there is room.
                    return;
                }
                self.sweep.account = account;
            }
            let mut found = core::mem::take(&mut self.sweep.found);
            self.owed(&key, &row, &mut found);
            self.sweep.found = found;
            self.sweep.after = Some(key);
        }
        if !full {
            self.flush_sweep();
            self.sweep.end(now.plus_ms(self.config.sweep_ms));
        }
    }

    fn flush_sweep(&mut self) {
        let found = core::mem::take(&mut self.sweep.found);
        if let Some(account) = self.sweep.account.take()
            && !found.is_empty()
        {
            self.merge(account, found);
        }
    }

    fn owed(&mut self, key: &Key, row: &Row, found: &mut Vec<Owed>) {
        match Entry::parse(&row.value) {
            Ok(entry) if entry.state == EntryState::Queued => {
                let maybe_sent = entry.at <= self.started;
                found.push(Owed { entry, attempts: 0, strikes: 0, maybe_sent });
            }
            Ok(_) => {}
            Err(_) => self.events.push_back(ForwarderEvent::Damaged { row: key.clone() }),
        }
    }

    fn merge(&mut self, account: AccountRef, found: Vec<Owed>) {
        if found.is_empty() && !self.queues.contains_key(&account) {
            return;
        }
        // At least one, so that no account waits for ever.
        let room = self.config.entries_max.saturating_sub(self.held).max(1);
        let taken = self.queues.entry(account).or_default().merge(found, room);
        if taken > 0 {
            self.sweep.break_off();
        }
        self.held += taken;
        self.line_up(account);
    }
}

impl Machine for Forwarder {
    type Event = ForwarderEvent;
    type Error = ForwarderError;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), ForwarderError> {
        let now = self.clamp.see(now);
        match input {
            Input::Committed { ticket, fate } => {
                let mut lanes = self.lanes.iter_mut();
                let (lane, settlement) = lanes
                    .find(|(_, one)| one.phase == Phase::Committing(ticket))
                    .ok_or(ForwarderError::NotAsked)?;
                let lane = *lane;
                match fate {
                    Committed::Applied(_) => self.settled(lane),
                    // Fresh rows tell; but a store that always says no is left alone for a while.
                    Committed::Conflict if settlement.conflicts < CONFLICTS_MAX => {
                        settlement.conflicts += 1;
                        settlement.phase = Phase::Idle;
                    }
                    Committed::Conflict | Committed::Unknown => {
                        settlement.conflicts = 0;
                        settlement.phase = Phase::Resting(now.plus_ms(self.config.retry_ms));
                    }
                }
            }
            Input::Rows { ticket, rows } => {
                let mut lanes = self.lanes.iter();
                let lane = lanes.find(|(_, one)| one.phase == Phase::Reading(ticket));
                if let Some(lane) = lane.map(|(lane, _)| *lane) {
                    self.on_lane_rows(now, lane, rows);
                } else {
                    match self.reading.take() {
                        Some((asked, reading)) if asked == ticket => {
                            self.on_page(now, reading, rows);
                        }
                        other => {
                            self.reading = other;
                            return Err(ForwarderError::NotAsked);
                        }
                    }
                }
            }
            Input::Tick => {
                while let Some((due, account, alarm)) = self.timers.first().copied()
                    && due <= now
                {
                    self.timers.pop_first();
                    self.on_alarm(now, account, alarm);
                }
            }
            _ => return Err(ForwarderError::NotAsked),
        }
        self.go_on(now);
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ForwarderEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        let alarm = self.timers.first().map(|(due, ..)| *due);
        let room = self.held < self.config.entries_max;
        let read = (self.reading.is_none() && room).then(|| {
            let due = if self.wanted.is_empty() && !self.sweep.is_running() {
                self.sweep.next_at
            } else {
                Time::EPOCH
            };
            due.max(self.read_at)
        });
        let lanes = self.lanes.values().filter_map(|one| match one.phase {
            Phase::Resting(until) => Some(until),
            _ => None,
        });
        alarm.into_iter().chain(read).chain(lanes).min()
    }
}

impl fmt::Debug for Forwarder {
    /// Its state, without its configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder")
            .field("started", &self.started)
            .field("now", &self.clamp.last())
            .field("open", &self.open)
            .field("queues", &self.queues)
            .field("ready", &self.ready)
            .field("flights", &self.flights)
            .field("answers", &self.answers)
            .field("pace", &self.pace)
            .field("lanes", &self.lanes)
            .field("late", &self.late)
            .field("wanted", &self.wanted)
            .field("sweep", &self.sweep)
            .field("reading", &self.reading)
            .field("read_at", &self.read_at)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Age,
    Send,
}

#[derive(Clone, Debug)]
enum Reading {
    Accounts(Vec<Load>),
    Sweep,
}

/// An account whose entries are being read.
#[derive(Clone, Debug)]
struct Load {
    account: AccountRef,
    after: Option<Key>,
    found: Vec<Owed>,
}

impl Load {
    const fn new(account: AccountRef) -> Self {
        Self { account, after: None, found: Vec::new() }
    }
}

/// The round through the whole journal.
#[derive(Clone, Debug)]
struct Sweep {
    running: bool,
    after: Option<Key>,
    /// Whose entries are being collected.
    account: Option<AccountRef>,
    found: Vec<Owed>,
    next_at: Time,
    /// Nothing was found in this round, and nobody pointed at anything since it began.
    unbroken: bool,
    /// The last round was unbroken, and nothing came since.
    is_clean: bool,
    was_last: bool,
}

impl Sweep {
    const fn at(next_at: Time) -> Self {
        Self {
            running: false,
            after: None,
            account: None,
            found: Vec::new(),
            next_at,
            unbroken: false,
            is_clean: false,
            was_last: false,
        }
    }

    const fn is_running(&self) -> bool {
        self.running
    }

    fn begin(&mut self) {
        self.running = true;
        self.unbroken = true;
        self.after = None;
    }

    /// Something was found, or will be.
    const fn break_off(&mut self) {
        (self.unbroken, self.is_clean) = (false, false);
    }

    fn end(&mut self, next_at: Time) {
        self.running = false;
        self.is_clean = self.unbroken;
        self.next_at = next_at;
    }
}

/// Conflicts in a row before a batch rests.
const CONFLICTS_MAX: u8 = 16;
/// How many accounts are read at one time.
const LOADS_MAX: usize = 16;
