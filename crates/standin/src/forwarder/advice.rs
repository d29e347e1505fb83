//! What the accounting system is told about a decision that was made without it.

use crate::{
    Action, Class, Entry, EntryState, Function, HostOutcome, Kind, Mti, Origin, Posting,
    RequestKey, Response, ResponseCode, TransactionRequest,
};
use port::Time;

/// One message of store-and-forward: 0120, 0220 or 0420, or a repeat of it.
///
/// The accounting system acts once for a key, however often it comes, and answers the same. An advice tells a fact: it is posted
/// also where the request was declined before, or the account goes negative. A reversal of what is not there does nothing but
/// keep the original from being approved later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Message type; marked as a repeat after any send that was not answered, and where one may have been.
    pub mti: Mti,
    /// What makes it one of its kind. An advice has the key of the request that it is about, so that the accounting system knows
    /// the request again if it has it.
    pub key: RequestKey,
    /// What is to be done.
    pub posting: Posting,
    /// The request that is reversed, for a reversal.
    pub original: Option<RequestKey>,
    /// The accounting system may have acted on it already: for hosts that offer an inquiry, ask first.
    pub maybe_applied: bool,
    /// What was asked.
    pub request: TransactionRequest,
    /// What the terminal was told.
    pub response: Response,
    /// When it was told, or at least decided.
    pub at: Time,
    /// The entry's number within its account.
    pub seq: u64,
    /// How often it was sent since this forwarder knows it, this time included.
    pub attempt: u32,
}

impl Advice {
    /// What an entry amounts to, by the four-way table. `host` is what is known of the accounting system's own answer by now.
    pub(super) fn of(entry: &Entry, host: HostOutcome) -> Self {
        let action = action(entry, host);
        let request = &entry.request;
        let instead = action.posting == Posting::Reversal && request.kind != Kind::Reversal;
        let key = if instead { reversal_key(&request.key) } else { request.key };
        let mti = if instead { reversal_mti(request.mti) } else { request.mti.advice() };
        let original = if instead { Some(request.key) } else { request.original };
        Self {
            mti,
            key,
            posting: action.posting,
            original,
            maybe_applied: action.maybe_applied,
            request: request.clone(),
            response: entry.response.clone(),
            at: entry.at,
            seq: entry.seq,
            attempt: 0,
        }
    }
}

/// What has to be done about an entry. A reversal is always told: its original is what the table was about.
pub(super) const fn action(entry: &Entry, host: HostOutcome) -> Action {
    match entry.request.kind {
        Kind::Reversal => Action {
            posting: Posting::Reversal,
            maybe_applied: matches!(host, HostOutcome::Unknown | HostOutcome::Approved),
            exception: false,
            charge_exposure: false,
        },
        _ => Action::of(host, entry.outcome()),
    }
}

/// What the accounting system made of an [`Advice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdviceOutcome {
    /// Done.
    Posted,
    /// It had been done before.
    AlreadyPosted,
    /// Done, and the account is negative now.
    PostedNegative,
    /// Not done: a person has to look.
    Refused(ResponseCode),
    /// Not done yet: send it again later, and less at a time.
    Busy,
}

impl AdviceOutcome {
    /// The state that an entry ends in; `None` if it does not end.
    pub(super) const fn state(self) -> Option<EntryState> {
        match self {
            Self::Posted => Some(EntryState::Posted),
            Self::AlreadyPosted => Some(EntryState::AlreadyPosted),
            Self::PostedNegative => Some(EntryState::PostedNegative),
            Self::Refused(_) => Some(EntryState::Exception),
            Self::Busy => None,
        }
    }
}

/// The key under which a request is reversed when the terminal was told no and the accounting system may have said yes: that of
/// the request, in the class of reversals.
fn reversal_key(request: &RequestKey) -> RequestKey {
    RequestKey::new(
        Class::Reversal,
        request.initiator(),
        request.trace(),
        request.sent_at(),
        *request.terminal(),
    )
    // The parts come from a key.
    .unwrap_or(*request)
}

fn reversal_mti(request: Mti) -> Mti {
    let [version, ..] = request.digits();
    Mti::new(version.wrapping_sub(b'0'), Class::Reversal, Function::Advice, Origin::ACQUIRER)
        .unwrap_or(Mti::REVERSAL_ADVICE)
}
