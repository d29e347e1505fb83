//! What the accounting system made of a delivered entry: the entry's state, the account's queue, the lane's exposure.

use crate::stand_in::Setup;
use crate::{AccountState, Entry, EntryRef, EntryState, Error, Kind, Lane, Role, StandIn, table};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Step, Time};
use seal::{Audit, Audited};

impl StandIn {
    /// Writes down what became of an entry that was delivered. The same answer may come any number of times; the first counts.
    ///
    /// The entry moves from those that wait to those that ended; the account's row is written, and the lane's where something is
    /// no longer out.
    pub fn settle(&self, now: Time, entry: EntryRef, settlement: Settlement) -> Settle {
        let institution = self.setup.config.institution;
        let lane = self.setup.lane(&entry.account);
        let keys = Keys {
            account: table::account(institution, &entry.account),
            entry: entry.keys(institution),
            // What a reversal took back is no longer out either. A reversal itself is not reversed.
            reversal: (entry.role == Role::Request).then(|| entry.reversal().keys(institution)),
            lane: table::lane(institution, lane),
        };
        Settle { setup: self.setup.clone(), now, entry, settlement, keys }
    }
}

/// What the accounting system, or a person, made of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is posted now.
    Posted,
    /// It was posted before.
    AlreadyPosted,
    /// It is posted, and the account is negative.
    PostedNegative,
    /// It cannot be posted: a person has to look. Its amount stays in the exposure.
    Exception,
    /// A person dealt with it: posted it by hand, or wrote it off.
    Resolved,
}

impl Settlement {
    /// What the entry's state becomes.
    pub const fn state(self) -> EntryState {
        match self {
            Self::Posted => EntryState::Posted,
            Self::AlreadyPosted => EntryState::AlreadyPosted,
            Self::PostedNegative => EntryState::PostedNegative,
            Self::Exception => EntryState::Exception,
            Self::Resolved => EntryState::Resolved,
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Posted => "standin.settle.posted",
            Self::AlreadyPosted => "standin.settle.already",
            Self::PostedNegative => "standin.settle.negative",
            Self::Exception => "standin.settle.exception",
            Self::Resolved => "standin.settle.resolved",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It is written down. So many entries of the account still wait: with none, the account goes online again.
    Done {
        /// How many.
        undelivered: u16,
    },
    /// It was settled before, as this; nothing was written.
    Repeated(EntryState),
    /// Nothing was owed; nothing was written.
    NotOwed,
    /// There is no such entry.
    Unknown,
}

/// The decision over one settlement.
#[derive(Clone, Debug)]
pub struct Settle {
    setup: Arc<Setup>,
    now: Time,
    entry: EntryRef,
    settlement: Settlement,
    keys: Keys,
}

#[derive(Clone, Debug)]
struct Keys {
    account: Key,
    /// While it waits, and when it ended.
    entry: [Key; 2],
    reversal: Option<[Key; 2]>,
    lane: Key,
}

impl Settle {
    fn done(&self, verdict: Settled, action: &'static str, batch: Batch) -> Step<Audited<Settled>> {
        let request = self.entry.request.to_bytes();
        let audit = Audit {
            at: self.now,
            tenant: self.setup.config.institution.tenant(),
            action: action.into(),
            actor: Bytes::copy_from_slice(self.entry.account.as_bytes()),
            correlation: request.first_chunk().copied().unwrap_or_default(),
            subject: request.into(),
            reasons: Vec::new(),
            policy: [0; 32],
        };
        Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
    }
}

impl Decision for Settle {
    type Verdict = Audited<Settled>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let Keys { account, entry: [open, ended], reversal, lane } = self.keys.clone();
        let mut points = alloc::vec![account, lane, open, ended];
        points.extend(reversal.into_iter().flatten());
        Ask::rows(ReadSet::points(points))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let [account_row, lane_row, open_row, ended_row, reversal @ ..] = &answers.rows.points[..]
        else {
            return Err(Error::Answers);
        };
        let parse = |row: Option<&Row>| {
            row.map(|row| Entry::parse(&row.value)).transpose().map_err(Error::Corrupt)
        };
        let entry_row = open_row.as_ref().or(ended_row.as_ref());
        let nothing = |verdict, action| Ok(self.done(verdict, action, Batch::new()));
        let Some(mut entry) = parse(entry_row)? else {
            return nothing(Settled::Unknown, "standin.settle.unknown");
        };
        match entry.state {
            EntryState::NotOwed => return nothing(Settled::NotOwed, "standin.settle.repeated"),
            EntryState::Exception if self.settlement != Settlement::Exception => {}
            EntryState::Queued => {}
            state => return nothing(Settled::Repeated(state), "standin.settle.repeated"),
        }
        let mut state = match account_row {
            Some(row) => AccountState::parse(&row.value).map_err(Error::Corrupt)?,
            None => AccountState::default(),
        };
        // One that comes meanwhile comes with the account's row.
        let reversal = parse(reversal.iter().flatten().next())?;
        let to = self.settlement.state();
        let back_minor = end(&mut entry, &mut state, reversal.as_ref(), to, self.now)?;
        let mut batch = Batch::with_capacity(4);
        if back_minor > 0 {
            let mut lane = match lane_row {
                Some(row) => Lane::parse(&row.value).map_err(Error::Corrupt)?,
                None => Lane::default(),
            };
            lane.spend(entry.request.initiator, entry.capped, -back_minor);
            let lane = lane.encode().map_err(|_| Error::TooLong)?;
            batch.put(self.keys.lane.clone(), Row::unchanged(lane_row.as_ref()), lane);
        }
        let Keys { account: account_key, entry: [open_key, ended_key], .. } = self.keys.clone();
        let mut row = Vec::with_capacity(384);
        entry.encode(&mut row).map_err(|_| Error::TooLong)?;
        if let Some(open) = open_row {
            batch.delete(open_key, Expect::At(open.version));
        }
        batch.put(ended_key, Row::unchanged(ended_row.as_ref()), row);
        let undelivered = state.undelivered;
        let state = state.encode().map_err(|_| Error::TooLong)?;
        batch.put(account_key, Row::unchanged(account_row.as_ref()), state);
        let verdict = Settled::Done { undelivered };
        Ok(self.done(verdict, self.settlement.action(), batch))
    }
}

/// Ends an entry that waits for delivery or for a person, and says how much is no longer out of its lane: the caller takes that
/// from the lane's shares, as [`Entry::capped`] says.
pub(crate) fn end(
    entry: &mut Entry,
    state: &mut AccountState,
    reversal: Option<&Entry>,
    to: EntryState,
    now: Time,
) -> Result<i64, Error> {
    if entry.state.waits() {
        state.undelivered = state.undelivered.saturating_sub(1);
    } else if entry.state == EntryState::Exception {
        state.exceptions = state.exceptions.saturating_sub(1);
    }
    if to == EntryState::Exception {
        state.exceptions = state.exceptions.checked_add(1).ok_or(Error::Busy)?;
    }
    state.settled = state.settled.max(now);
    entry.state = to;
    Ok(if to.is_out() { 0 } else { released(state, entry, reversal) })
}

/// How much of an entry's charge is still out when its delivery ends: what neither a reversal nor a completion took back.
fn released(state: &mut AccountState, entry: &Entry, reversal: Option<&Entry>) -> i64 {
    if entry.request.kind == Kind::PreAuthorization {
        let hold = state.holds.iter_mut().find(|hold| hold.seq == entry.seq);
        return hold.map_or(0, |hold| {
            hold.queued = false;
            hold.minor
        });
    }
    let undone = reversal.filter(|reversal| reversal.response.is_approval());
    let undone = undone.map_or(0, |reversal| reversal.spent_minor.min(0));
    entry.charge_minor().saturating_add(undone).max(0)
}
