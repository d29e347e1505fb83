//! Requests under way.

use super::timers::Timer;
use super::{Diverted, SwitchConfig};
use crate::{HostOutcome, Response, TransactionRequest};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use port::{Peer, Ticket, Time};

/// A message that is being checked: nothing was routed for it.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) from: Peer,
    pub(super) request: TransactionRequest,
    pub(super) received: Time,
    pub(super) due: Time,
    /// What was read for it may be out of date.
    pub(super) stale: bool,
}

/// A request that was routed and is not answered yet.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) request: TransactionRequest,
    /// Who waits: the sender, and senders of repeats.
    pub(super) waiting: Vec<Peer>,
    pub(super) received: Time,
    pub(super) due: Time,
    pub(super) stage: Stage,
    /// The accounting system may know it.
    pub(super) asked_host: bool,
    /// Only the stand-in module may decide, in every state.
    pub(super) sticky: bool,
    /// What the accounting system answered too late.
    pub(super) late: Option<Response>,
}

impl Pending {
    /// Repeats that wait for the same answer at one time.
    const WAITING_MAX: usize = 4;

    pub(super) fn wait(&mut self, who: Peer) {
        if self.waiting.len() < Self::WAITING_MAX {
            self.waiting.push(who);
        }
    }

    /// Until when its answer is worth anything. A clock that jumped leaves the stand-in module and the store their time all the
    /// same.
    pub(super) fn answer_until(&self, now: Time, config: &SwitchConfig) -> Time {
        let until = self.received.plus_ms(config.answer_within_ms);
        until.max(now.plus_ms(config.check_within_ms))
    }

    /// Goes on to another stage, with its timer set anew.
    pub(super) fn enter(&mut self, stage: Stage, due: Time, timers: &mut BTreeSet<(Time, Timer)>) {
        let timer = Timer::Request(self.request.key);
        timers.remove(&(self.due, timer));
        timers.insert((due, timer));
        (self.stage, self.due) = (stage, due);
    }
}

impl fmt::Debug for Pending {
    /// How far it is; what was asked is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("waiting", &self.waiting.len())
            .field("due", &self.due)
            .field("stage", &self.stage)
            .field("asked_host", &self.asked_host)
            .field("sticky", &self.sticky)
            .field("late", &self.late.as_ref().map(|late| late.code))
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    AtHost {
        sent: Time,
    },
    AtStandIn {
        epoch: u64,
        host: HostOutcome,
        why: Diverted,
    },
    /// The ticket is that of the commit: one of an earlier attempt says nothing about this answer.
    Keeping {
        response: Response,
        attempts: u8,
        ticket: Ticket,
    },
}
