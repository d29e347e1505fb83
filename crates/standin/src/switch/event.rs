//! What a switch wants done with messages, and what it tells.

use crate::{HostOutcome, InstitutionId, NetworkRequest, Response, TransactionRequest, Transition};
use alloc::boxed::Box;
use port::{Peer, Time};

/// What comes out of [`crate::Switch`]. Exhaustive on purpose: whoever overlooks one loses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum SwitchEvent {
    /// Send this answer. What it rests on is durable.
    Answer {
        /// To whom.
        to: Peer,
        /// What.
        response: Response,
    },
    /// Send this request to the institution's accounting system, and report with [`crate::Switch::host_answered`] or
    /// [`crate::Switch::host_unsent`].
    AskHost {
        /// Whose.
        institution: InstitutionId,
        /// What.
        request: Box<TransactionRequest>,
        /// After this an answer is late.
        until: Time,
    },
    /// Run [`crate::StandIn::authorize`] if [`crate::Switch::is_current`] still holds, and report with
    /// [`crate::Switch::stand_in_answered`] or [`crate::Switch::stand_in_failed`].
    AskStandIn {
        /// Whose.
        institution: InstitutionId,
        /// In which epoch.
        epoch: u64,
        /// What is known of the accounting system's own answer.
        host: HostOutcome,
        /// Why it comes here.
        why: Diverted,
        /// What.
        request: Box<TransactionRequest>,
    },
    /// A health changed: keep the record ([`Transition::audit`]), and tell the forwarder of that institution.
    Changed(Transition),
    /// The accounting system answered what it is no longer asked for: it is never forwarded. Tell the forwarder
    /// ([`crate::Forwarder::host_said`]). If it answers an advice, [`crate::Forwarder::answered`] too: an acquirer's advice is told
    /// later under the same key and type, so that it may be the answer to either, and an accounting system acts once for a key.
    Late {
        /// Whose.
        institution: InstitutionId,
        /// What it answered.
        response: Response,
    },
    /// Send this probe to the institution's accounting system, and report with [`crate::Switch::probe_answered`].
    Probe {
        /// Whose.
        institution: InstitutionId,
        /// What.
        request: NetworkRequest,
    },
    /// Nothing is answered, since nothing that may be said is known: the initiator will repeat or reverse. Look at store, key
    /// holder and stand-in module.
    Unanswered {
        /// Which request.
        request: Box<TransactionRequest>,
        /// What did not answer.
        why: Silence,
    },
}

/// Why a request goes to the stand-in module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Diverted {
    /// The accounting system is away, by detection, plan or order.
    Away,
    /// Not in the share of traffic that goes back already.
    Ramp,
    /// Entries of the account wait for delivery, or are being decided (spec: sticky lane).
    Sticky,
    /// The stand-in module decided over this request before, or over the reversal of it.
    Known,
    /// The accounting system was asked and did not answer in time.
    TimedOut,
    /// The accounting system could not be reached.
    Unsent,
    /// The accounting system's answer was that somebody else should decide.
    Delegated,
    /// The accounting system's answer was an error.
    Failed,
    /// The accounting system is slow, and the request is in a class that is diverted then.
    Capacity,
}

/// What kept a request from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Silence {
    /// The key holder did not answer in time.
    Keys,
    /// The store did not answer in time, or failed.
    Store,
    /// The stand-in module did not answer in time, or could not decide.
    StandIn,
}
