//! The switch: sends each request to the accounting system when that is there, to the stand-in module when it is not.

mod answers;
mod checks;
mod config;
mod diversion;
mod error;
mod event;
mod health;
mod host;
mod keeping;
mod kept;
mod latency;
mod machine;
mod pending;
mod planned;
mod purge;
mod routing;
mod signs;
mod state;
mod thresholds;
mod timers;

pub use config::{HostConfig, SwitchConfig};
pub use diversion::Diversion;
pub use error::SwitchError;
pub use event::{Diverted, Silence, SwitchEvent};
pub use planned::PlannedWindow;
pub use purge::PurgeAnswers;
pub use signs::HostStanding;
pub use state::{Cause, Forced, HealthState, Transition};
pub use thresholds::{Thresholds, Weights};

pub(crate) use kept::Kept;

use crate::{EntryRef, InstitutionId, RequestKey, TransactionRequest};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use host::Host;
use pending::{Check, Pending};
use port::{Clamp, Effect, Key, Ticket, Time};
use seal::AccountRef;
use timers::Timer;

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
    /// How many messages with a key are being checked.
    checking_keys: BTreeMap<RequestKey, u32>,
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
            checking_keys: BTreeMap::new(),
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

    /// How many requests are under way.
    pub fn pending(&self) -> usize {
        self.pending.len() + self.checking
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
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

#[derive(Clone, Debug)]
enum Task {
    Mac(Box<Check>),
    Look(Box<Check>),
    Keep(RequestKey),
    Reread(RequestKey),
}

/// The rows of the journal entry that this request has or would have.
fn entry_rows(request: &TransactionRequest) -> [Key; 2] {
    EntryRef::of(request).keys(request.institution)
}
