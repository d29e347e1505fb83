//! Store-and-forward: tells the accounting system what was decided without it, in order, until it answers.

mod advice;
mod config;
mod error;
mod event;
mod machine;
mod pace;
mod queue;
mod reading;
mod sending;
mod settlement;
mod settling;
mod sweep;
mod timers;

pub use advice::{Advice, AdviceOutcome};
pub use config::ForwarderConfig;
pub use error::ForwarderError;
pub use event::{DeadLetter, ForwarderEvent};

use crate::{EntryState, HostOutcome, InstitutionId, RequestKey, StandIn};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use pace::Pace;
use port::{Clamp, Effect, Ticket, Time};
use queue::{Head, Queue};
use reading::Reading;
use seal::{AccountRef, Audit};
use settlement::Settlement;
use sweep::Sweep;
use timers::Alarm;

/// Delivers the queued journal entries of one institution, at least once each, and ends them. A machine ([`port::Machine`]).
///
/// It finds what is owed in the journal, where entries that wait lie together: at its start, each minute, and where
/// [`Forwarder::nudge`] points. Entries that ended cost it nothing, however many there are. One message of an account is on its way at a time, in the order of answers; accounts go beside each other, in a window that grows
/// by one and is halved on time-outs. A message is sent again until it is answered, marked as a repeat. Answers are matched by
/// their key only, however late they come.
///
/// No entry is ever dropped. One that waits too long is escalated; one that is refused, or never answered while others are, is put
/// on the list of exceptions and does not hold its account up any longer.
///
/// It begins closed: [`Forwarder::open`] it while requests go to the accounting system ([`crate::Transition::host_share_bp`]). Its
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
    /// Accounts that owe nothing, of which a page that is being read may still say that they do.
    left: Vec<AccountRef>,
    /// When reading may go on after a failure of the store.
    read_at: Time,
    timers: BTreeSet<(Time, AccountRef, Alarm)>,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<ForwarderEvent>,
}

impl Forwarder {
    /// Of the institution of this stand-in module. It looks for what waits at the first tick.
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
            left: Vec::new(),
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
        if self.wanted.len() < self.config.wanted_max || self.wanted.contains(&account) {
            self.wanted.insert(account);
        } else {
            self.sweep.again(now);
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

    /// Whether nothing waits: everything was delivered, then everything that is open was looked through once more and nothing
    /// was found, and whatever a nudge pointed at since then had ended.
    pub fn is_drained(&self) -> bool {
        let looks = !self.wanted.is_empty()
            || !self.sweep.found.is_empty()
            || matches!(self.reading, Some((_, Reading::Accounts(_))));
        self.sweep.is_clean && self.held == 0 && !looks
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
            .field("left", &self.left)
            .field("read_at", &self.read_at)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}
