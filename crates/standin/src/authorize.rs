//! The decision: sixteen checks in the order of the spec; the first that fails decides.
//!
//! | checks | where |
//! |---|---|
//! | 1 authentic and well formed, 2 repeated | `authorize/message.rs` |
//! | 3 parameters, 4 institution, 5 initiator, 6 account, 7 lists, 8 expiry, 9 permitted | `authorize/standing.rs` |
//! | 10 PIN, card verification number, cryptogram, floor amount | `authorize/evidence.rs` |
//! | 11 single amount, 12 counts, 13 sums, 14 balance, 15 exposure, 16 velocity | `authorize/limits.rs` |
//!
//! Reversals and completions, which give back what their original took, are in files of their own, and so is what an acquirer tells
//! of that has happened already (`authorize/told.rs`); `authorize/record.rs` writes down what came of it.

mod completion;
mod evidence;
mod limits;
mod message;
mod owing;
mod places;
mod record;
mod reversal;
mod standing;
mod told;

use self::places::Place;
use crate::counts::Slot;
use crate::parameters::Head;
use crate::stand_in::Setup;
use crate::stored_lists::StoredLists;
use crate::{
    AccountState, Entry, EntryRef, EntryState, Error, Hold, HostOutcome, Kind, Lane, Limit,
    Parameters, Reason, Resolution, Response, ResponseCode, StandIn, TransactionRequest, table,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, EvidenceKind, Expect, Key, ReadSet, Row, Step, Time,
    Version,
};
use seal::{Audit, Audited};

impl StandIn {
    /// Decides over a request while the accounting system is away. `epoch` is the epoch of the institution's health, `host` what
    /// is known of the accounting system's own answer.
    ///
    /// At most three rows are written: the account's, the journal's new one, and the lane's where the exposure changes. The
    /// rows that were found are required at their versions, so that two requests of one account or lane may interleave in any
    /// order: nobody writes an entry without its account.
    pub fn authorize(
        &self,
        now: Time,
        epoch: u64,
        host: HostOutcome,
        request: TransactionRequest,
    ) -> Authorize {
        let setup = self.setup.clone();
        let lane = setup.lane(&request.account.token);
        let open = EntryRef::of(&request).key(setup.config.institution, EntryState::Queued);
        let (outcome, stage) = (open.clone(), Stage::Rows);
        Authorize { setup, now, epoch, host, request, lane, open, outcome, stage }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly every verdict is an answer")]
pub enum Verdict {
    /// Answered: send this. It rests on the batch.
    Answered(Answered),
    /// Nothing was decided: the lane must lease more exposure first. Run that, then this decision again.
    NeedsLease {
        /// Which lane.
        lane: u16,
        /// How much it has to be able to spend.
        minor: i64,
    },
    /// Nothing was decided: other parameters than this instance's are in force. Load them, then decide again.
    Outdated,
}

/// An answer, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What to send.
    pub response: Response,
    /// Why it was declined; of an approval, the check in spite of which it was taken, since an advice told that it has happened.
    pub reason: Option<Reason>,
    /// The rule that decided; 0 where none did. [`Answered::explain`] puts it into words.
    pub rule: u32,
    /// The row that the answer rests on: the journal entry, or the accounting system's own answer; `None` where nothing was written (a
    /// message that is not authentic or not well formed).
    pub entry: Option<Key>,
    /// Whether this answers a repeat.
    pub repeated: bool,
}

/// The decision over one request.
#[derive(Clone, Debug)]
pub struct Authorize {
    setup: Arc<Setup>,
    now: Time,
    epoch: u64,
    host: HostOutcome,
    request: TransactionRequest,
    lane: u16,
    /// Where this request's entry is, or will be, while it waits: most other keys are one byte away.
    open: Key,
    /// Where the last answer was written, if it was.
    outcome: Key,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Rows,
    /// Boxed, as the entries in it are: most decisions have none of them, and all are moved about.
    Evidence(Box<Weighing>),
}

/// Everything read, and what becomes of it.
#[derive(Clone, Debug)]
struct Weighing {
    now: Time,
    state: AccountState,
    /// The account's row as it was read.
    stored: Option<Bytes>,
    /// Where its lists begin.
    lists_at: usize,
    /// Its lists as they lie there: if they are plain, those of `state` are empty.
    lists: StoredLists,
    lane: Lane,
    /// Whether more or less is out of the lane than was read.
    lane_changed: bool,
    resolution: Resolution,
    /// Where now lies in the windows of the set's counters, in their order: a calendar is asked once.
    slots: [Slot; Parameters::COUNTERS_MAX],
    counterpart: Option<Box<Entry>>,
    completed: Option<Box<Entry>>,
    /// Head, account and lane as they were read.
    expect: [Expect; 3],
    /// Counterpart and completed, if they were found. Those that were not need no watch: who writes one writes the account's row.
    found: [Option<(Place, Version)>; 2],
    /// Stands for the terminal.
    terminal: u32,
    /// What was asked about evidence, in order.
    asked: Vec<EvidenceKind>,
    /// What is to be written, from the account's new lists on, if they were put together already.
    rows: Vec<u8>,
}

impl Weighing {
    /// The bytes of the lists, as they were read.
    fn list_bytes(&self) -> &[u8] {
        self.stored.as_ref().and_then(|row| row.get(self.lists_at..)).unwrap_or_default()
    }

    /// How many approvals of the last milliseconds are remembered: all of them, and those at this terminal.
    fn recent(&self, within_ms: u64) -> [usize; 2] {
        let count = |[all, here]: [usize; 2], (terminal, at): (u32, Time)| {
            let counts = self.now.since_ms(at) < within_ms;
            let is_here = counts && terminal == self.terminal;
            [all + usize::from(counts), here + usize::from(is_here)]
        };
        if self.lists.are_plain() {
            // Most accounts have none.
            if self.lists.remember_none() {
                return [0; 2];
            }
            self.lists.recent(self.list_bytes()).fold([0; 2], count)
        } else {
            self.state.recent.iter().copied().fold([0; 2], count)
        }
    }

    /// Takes the lists apart, so that they can be changed anywhere.
    fn open_lists(&mut self) -> Result<(), Error> {
        if self.lists.are_plain()
            && let Some(row) = &self.stored
        {
            self.lists.leave();
            let lists = row.get(self.lists_at..).unwrap_or_default();
            self.state.fill_lists(lists).map_err(Error::Corrupt)?;
        }
        Ok(())
    }

    /// Takes back what was tried on the account; wrong PINs stay counted.
    fn undo(&mut self) -> Result<(), Error> {
        self.lane_changed = false;
        if self.lists.are_plain() {
            // Nothing is tried on an account whose lists were not taken apart.
            return Ok(());
        }
        let pin_failures = self.state.pin_failures;
        self.state = match &self.stored {
            Some(row) => AccountState::parse(row).map_err(Error::Corrupt)?,
            None => AccountState::default(),
        };
        self.state.seen = self.now;
        self.state.pin_failures = pin_failures;
        Ok(())
    }
}

/// A failed check.
#[derive(Clone, Copy, Debug)]
struct Failed {
    reason: Reason,
    code: ResponseCode,
    rule: u32,
}

type Stepped = Result<Step<Audited<Verdict>>, Error>;

impl Authorize {
    fn rows(&mut self, mut answers: Answers) -> Stepped {
        let mut points = core::mem::take(&mut answers.rows.points);
        let ([head, account, lane, kept], entries) =
            points.split_first_chunk_mut().ok_or(Error::Answers)?;
        let [own, counterpart, completed @ ..] = entries.as_chunks().0 else {
            return Err(Error::Answers);
        };
        let own = found(own);
        let counterpart = found(counterpart);
        let completed = match (completed, self.completed()) {
            ([], None) => None,
            ([rows], Some(_)) => found(rows),
            _ => return Err(Error::Answers),
        };
        if let Err(reason) = self.authentic(&answers) {
            return Ok(self.unrecorded(reason));
        }
        if !self.enrolled() {
            return Ok(self.unrecorded(Reason::NotEnrolled));
        }
        if let Some((place, row)) = own
            && let Some(verdict) = self.repeated(self.own_key(place), row)?
        {
            return self.answered_before(verdict, row, account.as_ref());
        }
        if let Some(row) = kept {
            return self.kept(row);
        }
        if !self.in_time() {
            return Ok(self.unrecorded(Reason::OutOfTime));
        }
        // Filled in where it lies: it is large, and copies of it would cost more than what is done with it.
        let mut weighing = Weighing {
            now: self.now,
            state: AccountState::default(),
            stored: None,
            lists_at: 0,
            lists: StoredLists::NONE,
            lane: Lane::default(),
            lane_changed: false,
            resolution: Resolution::default(),
            slots: [Slot::default(); Parameters::COUNTERS_MAX],
            counterpart: None,
            completed: None,
            expect: [&*head, account, lane].map(|row| Row::unchanged(row.as_ref())),
            found: [counterpart, completed]
                .map(|found| found.map(|(place, row)| (place, row.version))),
            terminal: terminal_mark(&self.request),
            asked: Vec::new(),
            rows: Vec::new(),
        };
        weighing.stored = account.take().map(|row| row.value);
        let Weighing { state, stored, lists_at, lists, resolution, slots, .. } = &mut weighing;
        let mut list_bytes = None;
        if let Some(row) = stored {
            let rest = state.fill_head(row).map_err(Error::Corrupt)?;
            *lists_at = row.len() - rest.len();
            list_bytes = Some(rest);
        }
        let now = self.setup.config.skew.settle(self.now, state.seen)?;
        state.seen = now;
        let parameters = self.setup.config.parameters.as_ref();
        let in_force = head.as_ref().map(|row| Head::parse(&row.value)).transpose();
        let in_force = in_force.map_err(Error::Corrupt)?.map(|head| head.in_force(now));
        if in_force != parameters.map(Parameters::mark) {
            return Ok(self.undecided(Verdict::Outdated));
        }
        if let Some(set) = parameters {
            let zone = &self.setup.config.zone;
            for (slot, counter) in slots.iter_mut().zip(set.counters()) {
                *slot = Slot::of(counter.window, zone, now);
            }
            if let Some(bytes) = list_bytes
                && self.leaves_lists()
            {
                let has_lapsed = |hold: &Hold| hold.is_over(now, set.hold_ms());
                let filled = lists.fill(bytes, set.counters(), slots, has_lapsed);
                filled.map_err(Error::Corrupt)?;
            }
        }
        if let Some(bytes) = list_bytes
            && !lists.are_plain()
        {
            state.fill_lists(bytes).map_err(Error::Corrupt)?;
        }
        if let Some(set) = parameters {
            completion::lapse(state, set.hold_ms(), now);
            let vip = state.vip_until.is_some_and(|until| now < until);
            set.resolve_into(now, &self.request, vip, resolution);
        }
        weighing.now = now;
        if let Some(row) = lane {
            weighing.lane = Lane::parse(&row.value).map_err(Error::Corrupt)?;
        }
        let parse = |found: Option<(Place, &Row)>| {
            let entry = found.map(|(_, row)| Entry::parse(&row.value).map(Box::new));
            entry.transpose().map_err(Error::Corrupt)
        };
        weighing.counterpart = parse(counterpart)?;
        weighing.completed = parse(completed)?;
        if self.request.kind == Kind::Reversal {
            return self.reverse(&mut weighing);
        }
        match self.standing(&weighing).and_then(|()| self.questions(&weighing)) {
            Err(failed) => self.failed(&mut weighing, failed),
            Ok(questions) if questions.is_empty() => self.weigh(&mut weighing),
            Ok(questions) => {
                let (asked, questions) = questions.into_iter().unzip();
                self.stage = Stage::Evidence(Box::new(Weighing { asked, ..weighing }));
                Ok(Step::Ask(Ask::keys(questions)))
            }
        }
    }

    /// Whether this can do no more to an account's lists than to count one transaction more.
    fn leaves_lists(&self) -> bool {
        !matches!(self.request.kind, Kind::Completion | Kind::PreAuthorization | Kind::Reversal)
    }

    fn evidence(&self, weighing: &mut Weighing, answers: &Answers) -> Stepped {
        match self.verified(weighing, &answers.keys) {
            Ok(()) => self.weigh(weighing),
            Err(failed) => self.failed(weighing, failed),
        }
    }

    /// Everything is known: checks 11 to 16, and what comes of them.
    fn weigh(&self, weighing: &mut Weighing) -> Stepped {
        match self.limits(weighing) {
            Ok(limits::Granted { minor, spends, lane_needs_minor: 0 }) => {
                self.approve(weighing, minor, spends)
            }
            Ok(limits::Granted { lane_needs_minor, .. }) => {
                Ok(self.undecided(Verdict::NeedsLease { lane: self.lane, minor: lane_needs_minor }))
            }
            Err(failed) if self.tells() => self.take(weighing, failed),
            Err(failed) => {
                weighing.undo()?;
                self.decline(weighing, failed)
            }
        }
    }

    /// A check failed before anything was tried on the account.
    fn failed(&self, weighing: &mut Weighing, failed: Failed) -> Stepped {
        if self.tells() { self.take(weighing, failed) } else { self.decline(weighing, failed) }
    }

    fn undecided(&self, verdict: Verdict) -> Step<Audited<Verdict>> {
        done(verdict, self.audit_apart("standin.authorize.undecided", None), Batch::new())
    }
}

impl Decision for Authorize {
    type Verdict = Audited<Verdict>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        let completed = self.completed();
        let mut points = Vec::with_capacity(if completed.is_none() { 8 } else { 10 });
        points.extend([self.head_key(), self.account_key(), self.lane_key(), self.kept_key()]);
        // Own and counterpart, each where it waits and where it ends: one byte apart, and changed where they lie.
        points.extend(core::iter::repeat_n(&self.open, 4).cloned());
        if let [.., ended, counterpart, counterpart_ended] = &mut points[..] {
            table::end(ended);
            table::cast(counterpart, self.counterpart());
            table::cast(counterpart_ended, self.counterpart());
            table::end(counterpart_ended);
        }
        if let Some(completed) = completed {
            points.extend(completed.keys(self.setup.config.institution));
        }
        let mut ask = Ask::rows(ReadSet::points(points));
        ask.keys.extend(self.message_question());
        ask
    }

    fn step(&mut self, answers: Answers) -> Stepped {
        let stepped = match core::mem::replace(&mut self.stage, Stage::Rows) {
            Stage::Rows => self.rows(answers),
            Stage::Evidence(mut weighing) => self.evidence(&mut weighing, &answers),
        };
        // Looked at where it lies: it is large.
        if let Ok(Step::Done(Conclusion { verdict, .. })) = &stepped
            && let Verdict::Answered(Answered { entry: Some(entry), .. }) = &verdict.verdict
        {
            self.outcome.clone_from(entry);
        }
        stepped
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.outcome.clone())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Self::Error> {
        if self.is_owed_now(&Entry::parse(&row.value).map_err(Error::Corrupt)?) {
            // Somebody else's: looked at again, with the account.
            return Ok(None);
        }
        self.repeated(self.outcome.clone(), row)
    }
}

/// An entry's row, in whichever place it is.
fn found(rows: &[Option<Row>; 2]) -> Option<(Place, &Row)> {
    Place::BOTH.into_iter().zip(rows).find_map(|(place, row)| Some((place, row.as_ref()?)))
}

/// Terminals apart, in four bytes (FNV-1a): two that collide are limited together.
fn terminal_mark(request: &TransactionRequest) -> u32 {
    let bytes = request.key.terminal().as_bytes().iter();
    let initiator = request.initiator.as_u64().to_be_bytes();
    bytes
        .chain(&initiator)
        .fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

fn done(verdict: Verdict, audit: Audit, batch: Batch) -> Step<Audited<Verdict>> {
    Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
}

fn fail(reason: Reason, rule: u32) -> Failed {
    Failed { reason, code: reason.response_code(), rule }
}

fn rule_of<T>(limit: Option<Limit<T>>) -> u32 {
    limit.map_or(0, |limit| limit.rule)
}
