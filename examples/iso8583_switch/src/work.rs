//! What takes its time: rows, keys and decisions of the stand-in module.

use crate::shelf::{Shelf, ShelfError};
use port::{
    Committed, DecideError, Decision, Effect, Fault, Input, KeyAnswer, Machine, Rows, Store as _,
    StoreError as _, Ticket, Time, decide,
};
use seal::{AccountRef, SoftKeys};
use standin::{
    Answered, HostOutcome, Leased, PurgeAnswers, PurgeTable, RequestKey, StandIn,
    TransactionRequest, Verdict,
};
use std::convert::Infallible;
use tokio::task::yield_now;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// An effect of one of the machines was carried out.
    Effect { of: Which, ticket: Ticket, found: Found },
    /// The stand-in module decided.
    Decided(Box<Decided>),
    /// It did not, and wrote nothing.
    Undecided(RequestKey),
    /// Nobody knows what was written: a repeat finds out.
    Lost,
    /// Rows that were over are deleted, or will be at the next time.
    Purged,
}

/// A decision, and whose account it is about.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) account: AccountRef,
    pub(crate) answered: Answered,
}

/// Of which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Switch,
    Forwarder,
}

/// What store and key holder said.
#[derive(Debug)]
pub(crate) enum Found {
    Rows(Option<Rows>),
    Fate(Committed),
    Keys(Option<Vec<KeyAnswer>>),
}

impl Found {
    /// Tells the machine.
    pub(crate) fn report<M: Machine>(
        self,
        machine: &mut M,
        now: Time,
        ticket: Ticket,
    ) -> Result<(), M::Error> {
        machine.handle(
            now,
            match self {
                Self::Rows(rows) => Input::Rows { ticket, rows },
                Self::Fate(fate) => Input::Committed { ticket, fate },
                Self::Keys(answers) => Input::Keys { ticket, answers },
            },
        )
    }
}

/// Carries out an effect.
pub(crate) async fn carry(shelf: &Shelf, keys: &SoftKeys, of: Which, effect: Effect) -> Done {
    let (ticket, found) = match effect {
        Effect::Read { ticket, want } => (ticket, Found::Rows(shelf.read(&want).await.ok())),
        Effect::Commit { ticket, batch } => {
            let fate = match shelf.commit(&batch).await {
                Ok(commit) => commit.into(),
                Err(why) => match why.fault() {
                    Fault::NotApplied | Fault::TooLarge => Committed::Conflict,
                    Fault::Corrupt | Fault::Unknown => Committed::Unknown,
                },
            };
            (ticket, Found::Fate(fate))
        }
        Effect::Ask { ticket, questions } => {
            (ticket, Found::Keys(port::Keys::answer(keys, &questions).await.ok()))
        }
        // Both tell what is to be sent as events.
        Effect::Send { .. } => return Done::Lost,
    };
    Done::Effect { of, ticket, found }
}

/// Lets the stand-in module decide; a lane that is dry leases first.
pub(crate) async fn authorize(
    shelf: &Shelf,
    keys: &SoftKeys,
    stand_in: &StandIn,
    now: Time,
    (epoch, host): (u64, HostOutcome),
    request: TransactionRequest,
) -> Done {
    let (key, initiator, account) = (request.key, request.initiator, request.account.token);
    for _ in 0..LEASES_MAX {
        let mut decision = stand_in.authorize(now, epoch, host, request.clone());
        let verdict = match run(shelf, keys, &mut decision).await {
            Ok(audited) => audited.verdict,
            Err(why) => return why.unwrap_or(Done::Undecided(key)),
        };
        match verdict {
            Verdict::Answered(answered) => {
                return Done::Decided(Box::new(Decided { account, answered }));
            }
            Verdict::NeedsLease { lane, minor } => {
                let mut lease = stand_in.lease(now, lane, initiator, minor);
                match run(shelf, keys, &mut lease).await {
                    Ok(Leased::Spendable(_)) => {}
                    _ => return Done::Undecided(key),
                }
            }
            _ => return Done::Undecided(key),
        }
    }
    Done::Undecided(key)
}

/// Deletes what is over: answers and entries for which no repeat can come any more.
pub(crate) async fn purge(
    shelf: &Shelf,
    keys: &SoftKeys,
    stand_in: &StandIn,
    now: Time,
    kept_ms: u64,
) -> Done {
    let institution = stand_in.config().institution;
    for table in [PurgeTable::Journal, PurgeTable::Accounts, PurgeTable::Sets] {
        let mut after = None;
        loop {
            let purged = run(shelf, keys, &mut stand_in.purge(now, table, after)).await;
            let Ok(purged) = purged else { return Done::Purged };
            after = purged.next;
            // A store in memory never waits: others have to get their turn.
            yield_now().await;
            if after.is_none() {
                break;
            }
        }
    }
    let mut answers = PurgeAnswers::new(institution, now.minus_ms(kept_ms));
    while let Ok(1..) = run(shelf, keys, &mut answers).await {
        yield_now().await;
    }
    Done::Purged
}

/// Runs a decision; an error says whether something may have been written.
async fn run<D: Decision>(
    shelf: &Shelf,
    keys: &SoftKeys,
    decision: &mut D,
) -> Result<D::Verdict, Option<Done>> {
    decide(shelf, keys, decision).await.map_err(
        |why: DecideError<D::Error, ShelfError, Infallible>| match why {
            DecideError::Unknown(_) => Some(Done::Lost),
            _ => None,
        },
    )
}

const LEASES_MAX: usize = 4;
