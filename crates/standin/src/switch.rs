//! The switch: sends each request to the accounting system when that is there, to the stand-in module when it is not.

mod config;
mod diversion;
mod error;
mod event;
mod health;
mod host;
mod kept;
mod latency;
mod pending;
mod planned;
mod purge;
mod state;
mod thresholds;

pub use config::{HostConfig, SwitchConfig};
pub use diversion::Diversion;
pub use error::SwitchError;
pub use event::{Diverted, Silence, SwitchEvent};
pub use planned::PlannedWindow;
pub use purge::PurgeAnswers;
pub use state::{Cause, Forced, HealthState, Transition};
pub use thresholds::{Thresholds, Weights};

use crate::{
    AccountState, Answered, Class, EntryRef, HostOutcome, InstitutionId, Mti, NetworkFunction,
    NetworkRequest, Reason, RequestDraft, RequestKey, Response, ResponseCode, Source,
    TransactionRequest, share, table,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use health::Sign;
use host::Host;
use kept::Kept;
use pending::{Check, Pending, Stage};
use port::{
    Batch, Clamp, Committed, Effect, Expect, Input, Key, KeyAnswer, KeyQuestion, KeyRef,
    MacAlgorithm, Peer, ReadSet, Rows, Ticket, Time,
};
use seal::AccountRef;

/// Routes requests by the health of each institution's accounting system. A machine ([`port::Machine`]).
///
/// Hand each message to [`Switch::request`], do what comes out as [`SwitchEvent`], and report. Before a request is routed its
/// authentication code is checked and the store is asked for an earlier answer, so that a repeat gets the same bytes in every
/// state and after a restart. An answer of the accounting system is kept durably before it is given; answers of the stand-in
/// module rest on the journal. Where neither is possible nothing is answered, and [`SwitchEvent::Unanswered`] says so.
///
/// An account of which entries wait for delivery, or are being decided by the stand-in module, stays there in every state: the
/// accounting system never sees a later transaction first. That needs one switch for each account at a time.
///
/// Bounded by [`SwitchConfig::pending_max`]. Nothing of one institution changes the routing of another.
#[derive(Clone)]
pub struct Switch {
    config: SwitchConfig,
    clamp: Clamp,
    /// Requests sent before may have been routed by a switch that is gone.
    started: Time,
    hosts: BTreeMap<InstitutionId, Host>,
    pending: BTreeMap<RequestKey, Pending>,
    /// How many requests of an account are at the stand-in module.
    at_stand_in: BTreeMap<AccountRef, u32>,
    tasks: BTreeMap<Ticket, Task>,
    checking: usize,
    timers: BTreeSet<(Time, Timer)>,
    last_ticket: Ticket,
    last_trace: u64,
    effects: VecDeque<Effect>,
    events: VecDeque<SwitchEvent>,
}

impl Switch {
    /// With nothing under way and every accounting system taken for online, in an epoch that is the time. Epochs rise over
    /// restarts too, unless the clock steps back by more than the time that the switch was down.
    ///
    /// # Errors
    /// [`SwitchError::Limits`], [`SwitchError::Thresholds`].
    pub fn new(now: Time, config: SwitchConfig) -> Result<Self, SwitchError> {
        config.check()?;
        let hosts: BTreeMap<InstitutionId, Host> =
            config.hosts.iter().map(|one| (one.institution, Host::new(now, one.clone()))).collect();
        let mut clamp = Clamp::new();
        clamp.see(now);
        let mut switch = Self {
            config,
            clamp,
            started: now,
            hosts,
            pending: BTreeMap::new(),
            at_stand_in: BTreeMap::new(),
            tasks: BTreeMap::new(),
            checking: 0,
            timers: BTreeSet::new(),
            last_ticket: Ticket(0),
            last_trace: 0,
            effects: VecDeque::new(),
            events: VecDeque::new(),
        };
        let names: Vec<InstitutionId> = switch.hosts.keys().copied().collect();
        names.into_iter().for_each(|one| switch.arm(now, one));
        Ok(switch)
    }

    /// A message that asks for something came. It is refused here, before anything is routed, if it lacks account, institution,
    /// initiator or amount (spec S8).
    ///
    /// # Errors
    /// [`SwitchError::Refused`], [`SwitchError::Busy`].
    pub fn request(
        &mut self,
        now: Time,
        from: Peer,
        draft: RequestDraft,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let request = TransactionRequest::new(draft)?;
        if self.pending.len() + self.checking >= self.config.pending_max {
            return Err(SwitchError::Busy);
        }
        let refusal = if self.hosts.contains_key(&request.institution) {
            None
        } else {
            Some(ResponseCode::UNROUTABLE)
        };
        let key = self.config.mac_keys.get(&request.initiator).copied();
        let refusal = refusal.or(match (&request.mac, key) {
            (None, _) if self.config.mac_required => Some(Reason::NotAuthentic.response_code()),
            (Some(_), None) => Some(Reason::MacUnchecked.response_code()),
            _ => None,
        });
        if let Some(code) = refusal {
            self.answer(vec![from], own_answer(&request, code));
            return Ok(());
        }
        let due = now.plus_ms(self.config.check_within_ms);
        let check = Box::new(Check { from, request, received: now, due });
        match (&check.request.mac, key) {
            (Some(mac), Some(key)) => {
                let questions = vec![KeyQuestion::Mac {
                    key: KeyRef::Held(key),
                    algorithm: MacAlgorithm::HmacSha256,
                    message: mac.message.to_bytes(),
                }];
                let ticket = self.check(Task::Mac, check);
                self.effects.push_back(Effect::Ask { ticket, questions });
            }
            _ => self.look(check),
        }
        Ok(())
    }

    /// The accounting system of an institution answered. Answers are matched by their key only.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn host_answered(
        &mut self,
        now: Time,
        institution: InstitutionId,
        response: Response,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        host.quiet_since = now;
        let (delegates, fails) = (
            host.config.delegating.contains(&response.code),
            host.config.failing.contains(&response.code),
        );
        let key = response.key;
        let sent = self.pending.get(&key).and_then(|pending| match pending.stage {
            Stage::AtHost { sent } if pending.request.institution == institution => Some(sent),
            _ => None,
        });
        let Some(sent) = sent else {
            if let Some(pending) = self.pending.get_mut(&key)
                && pending.request.institution == institution
                && !delegates
                && !fails
            {
                pending.late = Some(response.clone());
            }
            self.events.push_back(SwitchEvent::Late { institution, response });
            self.arm(now, institution);
            return Ok(());
        };
        let took_ms = now.since_ms(sent);
        let sign = if fails { Sign::Failed } else { Sign::Answered { took_ms } };
        self.see(now, institution, sign);
        if !matches!(self.pending.get(&key).map(|one| &one.stage), Some(Stage::AtHost { .. })) {
            // This very failure diverted it, with everything else in flight.
            return Ok(());
        }
        if delegates {
            if let Some(pending) = self.pending.get_mut(&key) {
                pending.asked_host = false;
            }
            self.divert(now, key, Diverted::Delegated);
        } else if fails {
            self.divert(now, key, Diverted::Failed);
        } else {
            self.leave_host(institution, &key);
            self.keep(now, key, response, 0);
        }
        self.arm(now, institution);
        Ok(())
    }

    /// A request could not be sent to the accounting system. The stand-in module decides.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`].
    pub fn host_unsent(&mut self, now: Time, key: &RequestKey) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let pending = self.pending.get_mut(key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtHost { .. } = pending.stage else { return Err(SwitchError::NotAsked) };
        let institution = pending.request.institution;
        // Whoever says that it did not leave knows; an embedder in doubt lets it time out.
        pending.asked_host =
            was_asked_before(&pending.request, self.started, self.config.skew.max_ms);
        self.divert(now, *key, Diverted::Unsent);
        self.see(now, institution, Sign::Unsent);
        self.arm(now, institution);
        Ok(())
    }

    /// The stand-in module decided. What is in the journal is the answer, in every epoch. What is not (the message was refused) is
    /// fenced: it counts only while its epoch does.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`]: nobody waits any more; a repeat will get what is in the journal.
    pub fn stand_in_answered(&mut self, now: Time, answered: &Answered) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let key = answered.response.key;
        let pending = self.pending.get(&key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtStandIn { epoch, .. } = pending.stage else {
            return Err(SwitchError::NotAsked);
        };
        if answered.entry.is_none() && !self.is_current(pending.request.institution, epoch) {
            return self.stand_in_failed(now, &key);
        }
        let pending = self.take(&key).ok_or(SwitchError::NotAsked)?;
        self.answer(pending.waiting, answered.response.clone());
        Ok(())
    }

    /// The stand-in module did not decide, and journalled nothing: its parameters are outdated, its lane is dry, or
    /// [`Switch::is_current`] said no. The request is routed anew if there is somebody else to ask.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`].
    pub fn stand_in_failed(&mut self, now: Time, key: &RequestKey) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let pending = self.pending.get_mut(key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtStandIn { epoch, host, why } = pending.stage else {
            return Err(SwitchError::NotAsked);
        };
        let institution = pending.request.institution;
        if let Some(late) = pending.late.take() {
            self.unpin(key);
            self.keep(now, *key, late, 0);
            return Ok(());
        }
        let is_asked = host != HostOutcome::NotAsked || pending.asked_host;
        let current = self.is_current(institution, epoch);
        let Some(pending) = self.pending.get(key) else { return Err(SwitchError::NotAsked) };
        let open = self.hosts.get(&institution).is_some_and(|one| one.health.host_share_bp() > 0);
        if !pending.sticky && !is_asked && open {
            self.unpin(key);
            self.ask_host(now, *key);
        } else if !current {
            self.unpin(key);
            self.ask_stand_in(now, *key, why);
        } else {
            self.fall_silent(key, Silence::StandIn);
        }
        Ok(())
    }

    /// Whether a decision of this epoch may still be run: look right before. After the accounting system is back, a decision that
    /// was ordered before is not (spec: fencing).
    pub fn is_current(&self, institution: InstitutionId, epoch: u64) -> bool {
        self.hosts.get(&institution).is_some_and(|host| {
            host.health.epoch() == epoch
                || !matches!(host.health.state(), HealthState::Online | HealthState::Suspect)
                || host.health.forced() == Some(Forced::StandIn)
        })
    }

    /// The accounting system answered a probe.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`], [`SwitchError::UnknownInstitution`].
    pub fn probe_answered(
        &mut self,
        now: Time,
        institution: InstitutionId,
        key: &RequestKey,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        if host.probe.as_ref() != Some(key) {
            return Err(SwitchError::NotAsked);
        }
        host.probe = None;
        self.see(now, institution, Sign::Echoed);
        self.arm(now, institution);
        Ok(())
    }

    /// The accounting system signed on or off (0800), or asked whether anybody is there.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn host_signed(
        &mut self,
        now: Time,
        institution: InstitutionId,
        function: NetworkFunction,
    ) -> Result<(), SwitchError> {
        let sign = match function {
            NetworkFunction::SignOn => Sign::SignedOn,
            NetworkFunction::SignOff => Sign::SignedOff,
            NetworkFunction::Echo => return Ok(()),
        };
        self.hint(now, institution, sign)
    }

    /// The link to the accounting system came up or went down.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn link(
        &mut self,
        now: Time,
        institution: InstitutionId,
        is_up: bool,
    ) -> Result<(), SwitchError> {
        self.hint(now, institution, if is_up { Sign::LinkUp } else { Sign::LinkDown })
    }

    /// Whether everything was delivered, as [`crate::Forwarder::is_drained`] says. Until somebody says so, an institution stays
    /// draining.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn drained(
        &mut self,
        now: Time,
        institution: InstitutionId,
        is_drained: bool,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        host.drained = is_drained;
        self.turn(now, institution);
        Ok(())
    }

    /// An operator orders a state, or takes the order back (`None`). The record names both.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn force(
        &mut self,
        now: Time,
        institution: InstitutionId,
        forced: Option<Forced>,
        operator: &str,
        reason: &str,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        let change = host.health.order(now, forced, operator, reason);
        self.changed(now, change);
        self.arm(now, institution);
        Ok(())
    }

    /// How an institution's accounting system does; `None` if it is not served here.
    pub fn standing(&self, institution: InstitutionId) -> Option<HostStanding> {
        let host = self.hosts.get(&institution)?;
        Some(HostStanding {
            state: host.health.state(),
            since: host.health.since(),
            epoch: host.health.epoch(),
            forced: host.health.forced(),
            host_share_bp: host.health.host_share_bp(),
            in_flight: host.in_flight.len(),
            p99_ms: host.health.p99_ms(),
        })
    }

    /// How many requests are under way.
    pub fn pending(&self) -> usize {
        self.pending.len() + self.checking
    }

    fn check(&mut self, task: fn(Box<Check>) -> Task, check: Box<Check>) -> Ticket {
        let ticket = self.ticket();
        self.timers.insert((check.due, Timer::Check(ticket)));
        self.tasks.insert(ticket, task(check));
        self.checking += 1;
        ticket
    }

    fn take_check(&mut self, ticket: Ticket) -> Option<Box<Check>> {
        let (Task::Mac(check) | Task::Look(check)) = self.tasks.remove(&ticket)? else {
            return None;
        };
        self.checking -= 1;
        self.timers.remove(&(check.due, Timer::Check(ticket)));
        Some(check)
    }

    fn on_mac(&mut self, ticket: Ticket, answers: Option<Vec<KeyAnswer>>) {
        let Some(check) = self.take_check(ticket) else { return };
        let Some(mac) = &check.request.mac else { return };
        let sent = mac.tag.as_bytes();
        let code = match answers.as_ref().and_then(|answers| answers.first()) {
            Some(KeyAnswer::Mac(right)) => {
                let right = right.as_bytes().get(..sent.len()).unwrap_or_default();
                let authentic =
                    sent.len() >= crate::MessageMac::TAG_BYTES_MIN && seal::equal(right, sent);
                if authentic {
                    return self.look(check);
                }
                Reason::NotAuthentic.response_code()
            }
            _ => Reason::MacUnchecked.response_code(),
        };
        self.answer(vec![check.from.clone()], own_answer(&check.request, code));
    }

    /// Asks the store for an earlier answer, and for what waits for delivery.
    fn look(&mut self, check: Box<Check>) {
        let request = &check.request;
        let want = ReadSet::points([
            Kept::key(request.institution, &request.key),
            entry_row(request),
            table::account(request.institution, &request.account.token),
        ]);
        let ticket = self.check(Task::Look, check);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    fn on_look(&mut self, now: Time, ticket: Ticket, rows: Option<Rows>) {
        let Some(check) = self.take_check(ticket) else { return };
        let Check { from, request, received, .. } = *check;
        let rows = rows.map(|rows| rows.points).unwrap_or_default();
        let [kept, entry, account] = &rows[..] else {
            return self.unanswered(request, Silence::Store);
        };
        if let Some(row) = kept {
            return match Kept::parse(&row.value) {
                Ok(kept) if kept.asked == kept::digest(&request) => {
                    self.answer(vec![from], kept.response);
                }
                Ok(_) => self.answer(vec![from], own_answer(&request, ResponseCode::DUPLICATE)),
                Err(_) => self.unanswered(request, Silence::Store),
            };
        }
        if let Some(pending) = self.pending.get_mut(&request.key) {
            if pending.request.asks_the_same(&request) {
                pending.wait(from);
            } else {
                self.answer(vec![from], own_answer(&request, ResponseCode::DUPLICATE));
            }
            return;
        }
        let waits = match account.as_ref().map(|row| AccountState::parse(&row.value)) {
            None => false,
            Some(Ok(state)) => state.undelivered > 0,
            // A damaged row is the stand-in module's to report; the accounting system must not overtake it.
            Some(Err(_)) => true,
        };
        let sticky =
            entry.is_some() || waits || self.at_stand_in.contains_key(&request.account.token);
        let asked_host = was_asked_before(&request, self.started, self.config.skew.max_ms);
        let known = entry.is_some();
        let (key, institution) = (request.key, request.institution);
        let pending = Pending {
            request,
            waiting: vec![from],
            received,
            due: now,
            stage: Stage::AtHost { sent: now },
            asked_host,
            sticky,
            late: None,
        };
        let away = self.away(now, institution, &pending, known);
        self.pending.insert(key, pending);
        match away {
            Some(why) => self.ask_stand_in(now, key, why),
            None => self.ask_host(now, key),
        }
        self.arm(now, institution);
    }

    /// Why the stand-in module decides, or `None` if the accounting system does.
    fn away(
        &self,
        now: Time,
        institution: InstitutionId,
        pending: &Pending,
        known: bool,
    ) -> Option<Diverted> {
        let host = self.hosts.get(&institution)?;
        if known {
            return Some(Diverted::Known);
        }
        if pending.sticky {
            return Some(Diverted::Sticky);
        }
        let share_bp = host.health.host_share_bp();
        let forced = host.health.forced() == Some(Forced::Online);
        if share_bp == 0 || (host.health.is_planned(now) && !forced) {
            return Some(Diverted::Away);
        }
        if !share::is_in(&pending.request.key, RAMP_SEED, share_bp) {
            return Some(Diverted::Ramp);
        }
        let p99_ms = host.health.p99_ms().filter(|_| !forced);
        let mut diversions = host.config.diversions.iter();
        diversions.any(|one| one.takes(&pending.request, p99_ms)).then_some(Diverted::Capacity)
    }

    fn ask_host(&mut self, now: Time, key: RequestKey) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let institution = pending.request.institution;
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if host.in_flight.is_empty() {
            host.quiet_since = now;
        }
        host.in_flight.insert(key);
        self.timers.remove(&(pending.due, Timer::Request(key)));
        pending.due = now.plus_ms(host.config.answer_within_ms);
        pending.stage = Stage::AtHost { sent: now };
        pending.asked_host = true;
        self.timers.insert((pending.due, Timer::Request(key)));
        self.events.push_back(SwitchEvent::AskHost {
            institution,
            request: Box::new(pending.request.clone()),
            until: pending.due,
        });
    }

    fn ask_stand_in(&mut self, now: Time, key: RequestKey, why: Diverted) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let institution = pending.request.institution;
        let Some(host) = self.hosts.get(&institution) else { return };
        let epoch = host.health.epoch();
        let outcome = if pending.asked_host { HostOutcome::Unknown } else { HostOutcome::NotAsked };
        self.timers.remove(&(pending.due, Timer::Request(key)));
        // A clock that jumped leaves the stand-in module its time all the same.
        pending.due = pending
            .received
            .plus_ms(self.config.answer_within_ms)
            .max(now.plus_ms(self.config.check_within_ms));
        pending.stage = Stage::AtStandIn { epoch, host: outcome, why };
        self.timers.insert((pending.due, Timer::Request(key)));
        *self.at_stand_in.entry(pending.request.account.token).or_insert(0) += 1;
        self.events.push_back(SwitchEvent::AskStandIn {
            institution,
            epoch,
            host: outcome,
            why,
            request: Box::new(pending.request.clone()),
        });
    }

    /// Takes a request from the accounting system to the stand-in module.
    fn divert(&mut self, now: Time, key: RequestKey, why: Diverted) {
        if let Some(institution) = self.pending.get(&key).map(|one| one.request.institution) {
            self.leave_host(institution, &key);
            self.ask_stand_in(now, key, why);
        }
    }

    fn leave_host(&mut self, institution: InstitutionId, key: &RequestKey) {
        if let Some(host) = self.hosts.get_mut(&institution) {
            host.in_flight.remove(key);
        }
    }

    /// A request leaves the stand-in module.
    fn unpin(&mut self, key: &RequestKey) {
        let Some(pending) = self.pending.get(key) else { return };
        let Stage::AtStandIn { .. } = pending.stage else { return };
        let account = pending.request.account.token;
        if let Some(count) = self.at_stand_in.get_mut(&account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.at_stand_in.remove(&account);
            }
        }
    }

    /// A request is over.
    fn take(&mut self, key: &RequestKey) -> Option<Pending> {
        self.unpin(key);
        let pending = self.pending.remove(key)?;
        self.timers.remove(&(pending.due, Timer::Request(*key)));
        self.leave_host(pending.request.institution, key);
        Some(pending)
    }

    /// Keeps the accounting system's answer before it is given.
    fn keep(&mut self, now: Time, key: RequestKey, response: Response, attempts: u8) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        self.timers.remove(&(pending.due, Timer::Request(key)));
        pending.due = pending
            .received
            .plus_ms(self.config.answer_within_ms)
            .max(now.plus_ms(self.config.check_within_ms));
        self.timers.insert((pending.due, Timer::Request(key)));
        let request = &pending.request;
        let kept = Kept { asked: kept::digest(request), response: response.clone() };
        let row = Kept::key(request.institution, &key);
        let entry = entry_row(request);
        let Ok(bytes) = kept.encode() else {
            return self.fall_silent(&key, Silence::Store);
        };
        pending.stage = Stage::Keeping { response, attempts };
        let mut batch = Batch::with_capacity(2);
        batch.put(row, Expect::Absent, bytes);
        // Whatever the stand-in module journalled is the answer.
        batch.require(entry, Expect::Absent);
        let ticket = self.ticket();
        self.tasks.insert(ticket, Task::Keep(key));
        self.effects.push_back(Effect::Commit { ticket, batch });
    }

    fn on_kept(&mut self, key: RequestKey, fate: Committed) {
        let Some(pending) = self.pending.get(&key) else { return };
        let Stage::Keeping { response, .. } = &pending.stage else { return };
        if let Committed::Applied(_) = fate {
            let response = response.clone();
            if let Some(pending) = self.take(&key) {
                self.answer(pending.waiting, response);
            }
            return;
        }
        // Somebody was here before, or nobody knows: what is there is the answer.
        let request = &pending.request;
        let want = ReadSet::points([Kept::key(request.institution, &key), entry_row(request)]);
        let ticket = self.ticket();
        self.tasks.insert(ticket, Task::Reread(key));
        self.effects.push_back(Effect::Read { ticket, want });
    }

    fn on_reread(&mut self, now: Time, key: RequestKey, rows: Option<Rows>) {
        let Some(pending) = self.pending.get(&key) else { return };
        let Stage::Keeping { response, attempts } = &pending.stage else { return };
        let (response, attempts) = (response.clone(), *attempts);
        let institution = pending.request.institution;
        let rows = rows.map(|rows| rows.points).unwrap_or_default();
        match &rows[..] {
            [Some(row), _] => match Kept::parse(&row.value) {
                Ok(kept) => {
                    if let Some(pending) = self.take(&key) {
                        self.answer(pending.waiting, kept.response);
                    }
                }
                Err(_) => self.fall_silent(&key, Silence::Store),
            },
            [None, Some(_)] => {
                self.events.push_back(SwitchEvent::Late { institution, response });
                self.ask_stand_in(now, key, Diverted::Known);
            }
            _ if attempts < KEEP_ATTEMPTS_MAX => self.keep(now, key, response, attempts + 1),
            _ => self.fall_silent(&key, Silence::Store),
        }
    }

    fn fall_silent(&mut self, key: &RequestKey, why: Silence) {
        if let Some(pending) = self.take(key) {
            self.unanswered(pending.request, why);
        }
    }

    fn unanswered(&mut self, request: TransactionRequest, why: Silence) {
        self.events.push_back(SwitchEvent::Unanswered { request: Box::new(request), why });
    }

    fn answer(&mut self, waiting: Vec<Peer>, response: Response) {
        for to in waiting {
            self.events.push_back(SwitchEvent::Answer { to, response: response.clone() });
        }
    }

    fn hint(
        &mut self,
        now: Time,
        institution: InstitutionId,
        sign: Sign,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        if !self.hosts.contains_key(&institution) {
            return Err(SwitchError::UnknownInstitution);
        }
        self.see(now, institution, sign);
        self.arm(now, institution);
        Ok(())
    }

    fn see(&mut self, now: Time, institution: InstitutionId, sign: Sign) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if let Some(change) = host.health.see(now, sign) {
            self.changed(now, change);
        }
    }

    /// What a change of health does to requests in flight: where the accounting system is gone, none waits for its time-out.
    fn changed(&mut self, now: Time, change: Transition) {
        let institution = change.institution;
        let away = change.host_share_bp == 0;
        self.events.push_back(SwitchEvent::Changed(change));
        if away && let Some(host) = self.hosts.get_mut(&institution) {
            for key in core::mem::take(&mut host.in_flight) {
                self.ask_stand_in(now, key, Diverted::Away);
            }
        }
    }

    fn on_timer(&mut self, now: Time, timer: Timer) {
        match timer {
            Timer::Check(ticket) => {
                let is_mac = matches!(self.tasks.get(&ticket), Some(Task::Mac(_)));
                if let Some(check) = self.take_check(ticket) {
                    let why = if is_mac { Silence::Keys } else { Silence::Store };
                    self.unanswered(check.request, why);
                }
            }
            Timer::Request(key) => {
                let Some(pending) = self.pending.get(&key) else { return };
                let institution = pending.request.institution;
                match pending.stage {
                    Stage::AtHost { .. } => {
                        self.divert(now, key, Diverted::TimedOut);
                        self.see(now, institution, Sign::TimedOut);
                        self.arm(now, institution);
                    }
                    Stage::AtStandIn { .. } => self.fall_silent(&key, Silence::StandIn),
                    Stage::Keeping { .. } => self.fall_silent(&key, Silence::Store),
                }
            }
            Timer::Host(institution) => {
                if let Some(host) = self.hosts.get_mut(&institution) {
                    host.due = None;
                }
                self.turn(now, institution);
            }
        }
    }

    /// What time alone does to an institution: probes, standstills, dwells, windows.
    fn turn(&mut self, now: Time, institution: InstitutionId) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if now >= host.probe_at {
            host.probe_at = now.plus_ms(host.health.thresholds().probe_ms);
            self.last_trace = self.last_trace % NETWORK_TRACE_MAX + 1;
            let own = self.config.own;
            let trace = self.last_trace;
            let terminal = self.config.terminal;
            let key = RequestKey::new(Class::Network, own, trace, now, terminal);
            let missed = core::mem::replace(&mut host.probe, key).is_some();
            if let Some(key) = key {
                let request =
                    NetworkRequest { mti: Mti::NETWORK, key, function: NetworkFunction::Echo };
                self.events.push_back(SwitchEvent::Probe { institution, request });
            }
            if missed {
                self.see(now, institution, Sign::EchoMissed);
            }
        }
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if host.stall_at().is_some_and(|at| now >= at) {
            host.quiet_since = now;
            self.see(now, institution, Sign::Stalled);
        }
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        if let Some(change) = host.health.tick(now, host.drained) {
            self.changed(now, change);
        }
        self.arm(now, institution);
    }

    /// Sets the institution's timer anew.
    fn arm(&mut self, now: Time, institution: InstitutionId) {
        let Some(host) = self.hosts.get_mut(&institution) else { return };
        let next = host.next(now);
        if host.due == Some(next) {
            return;
        }
        if let Some(due) = host.due.replace(next) {
            self.timers.remove(&(due, Timer::Host(institution)));
        }
        self.timers.insert((next, Timer::Host(institution)));
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }
}

impl port::Machine for Switch {
    type Event = SwitchEvent;
    type Error = SwitchError;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        match input {
            Input::Committed { ticket, fate } => match self.tasks.remove(&ticket) {
                Some(Task::Keep(key)) => self.on_kept(key, fate),
                Some(other) => {
                    self.tasks.insert(ticket, other);
                    return Err(SwitchError::NotAsked);
                }
                None => return Err(SwitchError::NotAsked),
            },
            Input::Keys { ticket, answers } => match self.tasks.get(&ticket) {
                Some(Task::Mac(_)) => self.on_mac(ticket, answers),
                // It came after its time.
                None if ticket <= self.last_ticket => {}
                _ => return Err(SwitchError::NotAsked),
            },
            Input::Rows { ticket, rows } => match self.tasks.get(&ticket) {
                Some(Task::Look(_)) => self.on_look(now, ticket, rows),
                Some(Task::Reread(key)) => {
                    let key = *key;
                    self.tasks.remove(&ticket);
                    self.on_reread(now, key, rows);
                }
                None if ticket <= self.last_ticket => {}
                _ => return Err(SwitchError::NotAsked),
            },
            Input::Tick => {
                while let Some((due, timer)) = self.timers.first().copied()
                    && due <= now
                {
                    self.timers.pop_first();
                    self.on_timer(now, timer);
                }
            }
            // Messages come through the methods.
            _ => return Err(SwitchError::NotAsked),
        }
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<SwitchEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due)
    }
}

impl fmt::Debug for Switch {
    /// Its state, without its configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch")
            .field("started", &self.started)
            .field("now", &self.clamp.last())
            .field("hosts", &self.hosts)
            .field("pending", &self.pending)
            .field("at_stand_in", &self.at_stand_in)
            .field("tasks", &self.tasks)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

/// How an accounting system does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStanding {
    /// What it is taken for.
    pub state: HealthState,
    /// Since when.
    pub since: Time,
    /// The current epoch.
    pub epoch: u64,
    /// What an operator ordered.
    pub forced: Option<Forced>,
    /// The share of requests that goes to it, in basis points.
    pub host_share_bp: u16,
    /// Requests that it has not answered.
    pub in_flight: usize,
    /// What 99 of 100 answers took at most, in milliseconds; `None` before there were enough.
    pub p99_ms: Option<u64>,
}

#[derive(Clone, Debug)]
enum Task {
    Mac(Box<Check>),
    Look(Box<Check>),
    Keep(RequestKey),
    Reread(RequestKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Check(Ticket),
    Host(InstitutionId),
    Request(RequestKey),
}

/// Whether a switch that is gone may have sent it to the accounting system: then nobody knows what that made of it.
fn was_asked_before(request: &TransactionRequest, started: Time, skew_ms: u64) -> bool {
    request.mti.is_repeat() || request.key.sent_at() <= started.plus_ms(skew_ms)
}

/// The row of the journal entry that this request has or would have.
fn entry_row(request: &TransactionRequest) -> Key {
    EntryRef::of(request).key(request.institution)
}

/// An answer of the switch itself. It promises nothing, so that nothing has to be durable first: whoever sent the message is not
/// known, or it cannot be routed at all, or its key stands for another question.
fn own_answer(request: &TransactionRequest, code: ResponseCode) -> Response {
    Response {
        mti: request.mti.response().unwrap_or(request.mti),
        key: request.key,
        code,
        approved: None,
        auth_code: None,
        source: Source::Switch,
        balance: None,
        retrieval_ref: request.retrieval_ref,
    }
}

/// Apart from the shares of diversions.
const RAMP_SEED: u64 = 0x7261_6D70;
/// Trace numbers of probes have six digits (ISO 8583:1987 field 11).
const NETWORK_TRACE_MAX: u64 = 999_999;
const KEEP_ATTEMPTS_MAX: u8 = 8;
