//! The decision: sixteen checks in the order of the spec; the first that fails decides.

use crate::counts::Slot;
use crate::parameters::{Resolution, Verification};
use crate::stand_in::Setup;
use crate::{
    AccountState, Action, AuthCode, Channel, CheckDigit, Entry, EntryState, Error, Hold,
    HostOutcome, Kind, Lane, Parameters, Posting, Reason, Response, ResponseCode, Source, StandIn,
    StandInOutcome, TransactionRequest, table,
};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Amount, Answers, Ask, Batch, Conclusion, Decision, EvidenceKind, Expect, Key, KeyAnswer,
    KeyQuestion, KeyRef, MacAlgorithm, ReadSet, Row, Step, Time,
};
use seal::{Audit, Audited};

impl StandIn {
    /// Decides over a request while the accounting system is away. `epoch` is the epoch of the institution's health, `host` what
    /// is known of the accounting system's own answer.
    ///
    /// At most three rows are written: the account's, the journal's new one, and the lane's where the exposure changes. All rows
    /// that were read are required at their versions, so that two requests of one account or lane may interleave in any order.
    pub fn authorize(
        &self,
        now: Time,
        epoch: u64,
        host: HostOutcome,
        request: TransactionRequest,
    ) -> Authorize {
        let setup = self.setup.clone();
        let institution = setup.config.institution;
        let account = &request.account.token;
        let own = match (request.kind, &request.original) {
            (Kind::Reversal, Some(original)) => table::reversal_of(institution, account, original),
            _ => table::entry(institution, account, &request.key),
        };
        // For a reversal: what it reverses. For the rest: a reversal that came before.
        let counterpart = match (request.kind, &request.original) {
            (Kind::Reversal, Some(original)) => table::entry(institution, account, original),
            _ => table::reversal_of(institution, account, &request.key),
        };
        let completed = match (request.kind, &request.original) {
            (Kind::Completion, Some(original)) => table::entry(institution, account, original),
            _ => own.clone(),
        };
        let lane = setup.lane(account);
        let keys = Keys {
            head: table::head(institution),
            account: table::account(institution, account),
            lane: table::lane(institution, lane),
            own,
            counterpart,
            completed,
        };
        Authorize { setup, now, epoch, host, request, lane, keys, stage: Stage::Rows }
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
        /// How much it lacks.
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
    /// Why it was declined.
    pub reason: Option<Reason>,
    /// The rule that decided; 0 where none did. [`Parameters::explain`] puts it into words.
    pub rule: u32,
    /// The row of the journal entry; `None` where nothing was journalled (a message that is not authentic or not well formed).
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
    keys: Keys,
    stage: Stage,
}

#[derive(Clone, Debug)]
struct Keys {
    head: Key,
    account: Key,
    lane: Key,
    own: Key,
    counterpart: Key,
    completed: Key,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a decision has one stage; none is stored in bulk")]
enum Stage {
    Rows,
    Evidence(Weighing),
}

/// Everything read.
#[derive(Clone, Debug)]
struct Weighing {
    now: Time,
    state: AccountState,
    lane: Lane,
    resolution: Resolution,
    counterpart: Option<Entry>,
    completed: Option<Entry>,
    /// The rows that were read, at their versions.
    expect: [Expect; 5],
    /// What was asked about evidence, in order.
    asked: Vec<EvidenceKind>,
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
    fn rows(&mut self, answers: &Answers) -> Stepped {
        let [head, account, lane, own, counterpart, completed] = &answers.rows.points[..] else {
            return Err(Error::Answers);
        };
        if let Err(reason) = self.authentic(answers) {
            return Ok(self.unrecorded(reason));
        }
        if let Some(row) = own
            && let Some(verdict) = self.recall(row)?
        {
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        if self.request.institution != self.setup.config.institution {
            return Ok(self.unrecorded(Reason::NotEnrolled));
        }
        let parameters = self.setup.config.parameters.as_ref();
        let ours = parameters.map(Parameters::head_bytes);
        if head.as_ref().map(|row| &row.value[..]) != ours.as_ref().map(|bytes| &bytes[..]) {
            return Ok(self.undecided(Verdict::Outdated));
        }
        let mut state = match account {
            Some(row) => AccountState::parse(&row.value).map_err(Error::Corrupt)?,
            None => AccountState::default(),
        };
        let now = self.setup.config.skew.settle(self.now, state.seen)?;
        state.seen = now;
        let lane_state = match lane {
            Some(row) => Lane::parse(&row.value).map_err(Error::Corrupt)?,
            None => Lane::default(),
        };
        let parse = |row: &Option<Row>| {
            row.as_ref().map(|row| Entry::parse(&row.value)).transpose().map_err(Error::Corrupt)
        };
        let vip = state.vip_until.is_some_and(|until| now < until);
        let weighing = Weighing {
            now,
            resolution: parameters
                .map(|set| set.resolve(now, &self.request, vip))
                .unwrap_or_default(),
            counterpart: parse(counterpart)?,
            completed: if self.request.kind == Kind::Completion { parse(completed)? } else { None },
            expect: [head, account, lane, counterpart, completed]
                .map(|row| Row::unchanged(row.as_ref())),
            state,
            lane: lane_state,
            asked: Vec::new(),
        };
        if self.request.kind == Kind::Reversal {
            return self.reverse(weighing);
        }
        match self.before_evidence(&weighing) {
            Err(failed) => self.decline(weighing, failed),
            Ok(questions) if questions.is_empty() => self.after_evidence(weighing, &[]),
            Ok(questions) => {
                let (asked, questions) = questions.into_iter().unzip();
                self.stage = Stage::Evidence(Weighing { asked, ..weighing });
                Ok(Step::Ask(Ask::keys(questions)))
            }
        }
    }

    /// Check 1.
    fn authentic(&self, answers: &Answers) -> Result<(), Reason> {
        self.request.check().map_err(|_| Reason::Format)?;
        let Some(mac) = &self.request.mac else {
            let required = self.setup.config.mac_required;
            return if required { Err(Reason::NotAuthentic) } else { Ok(()) };
        };
        let sent = mac.tag.as_bytes();
        match answers.keys.first() {
            Some(KeyAnswer::Mac(right)) => {
                let right = right.as_bytes().get(..sent.len()).unwrap_or_default();
                let long_enough = sent.len() >= crate::MessageMac::TAG_BYTES_MIN;
                if long_enough && seal::equal(right, sent) {
                    Ok(())
                } else {
                    Err(Reason::NotAuthentic)
                }
            }
            _ => Err(Reason::MacUnchecked),
        }
    }

    /// Checks 3 to 9, and the questions of check 10.
    fn before_evidence(
        &self,
        weighing: &Weighing,
    ) -> Result<Vec<(EvidenceKind, KeyQuestion)>, Failed> {
        let Weighing { now, state, resolution, .. } = weighing;
        let request = &self.request;
        let set = self.setup.config.parameters.as_ref().filter(|set| set.holds(*now));
        let set = set.ok_or(fail(Reason::NoParameters, 0))?;
        if !set.admits(request.initiator) {
            return Err(fail(Reason::Initiator, 0));
        }
        let in_range = match request.account.bin {
            Some(bin) => set.range(bin).is_some_and(|range| {
                !range.check_digit || request.account.check_digit == CheckDigit::Right
            }),
            // No card number: only a set that has no ranges is about such accounts.
            None => set.draft().ranges.is_empty(),
        };
        if !in_range {
            return Err(fail(Reason::AccountNumber, 0));
        }
        if let Some((code, until)) = state.deny
            && *now < until
        {
            return Err(Failed { reason: Reason::Listed, code, rule: 0 });
        }
        if let Some(deny) = resolution.deny {
            return Err(Failed { reason: Reason::Denied, code: deny.value, rule: deny.rule });
        }
        let local = self.setup.config.zone.local(*now);
        let good = match request.expiry {
            Some(expiry) => expiry.covers(local.year, local.month),
            None => resolution.without_expiry.is_some_and(|rule| rule.value),
        };
        if !good {
            return Err(fail(Reason::Expired, rule_of(resolution.without_expiry)));
        }
        if weighing.counterpart.is_some() {
            return Err(fail(Reason::ReversedBefore, 0));
        }
        if resolution.approve.is_none_or(|rule| !rule.value) {
            return Err(fail(Reason::NotAllowed, rule_of(resolution.approve)));
        }
        if request.billed().currency() != set.currency() {
            return Err(fail(Reason::ForeignCurrency, 0));
        }
        if state.pin_failures >= set.pin_tries() {
            return Err(fail(Reason::PinTries, 0));
        }
        self.evidence(resolution)
    }

    /// Check 10, as far as it needs no key: what cannot be checked is declined (fail closed).
    fn evidence(
        &self,
        resolution: &Resolution,
    ) -> Result<Vec<(EvidenceKind, KeyQuestion)>, Failed> {
        let request = &self.request;
        let mut questions = Vec::new();
        if matches!(request.kind, Kind::Refund | Kind::Completion) {
            return Ok(questions);
        }
        let evidences = [
            (EvidenceKind::Pin, &request.evidence.pin, resolution.pin, Reason::PinUnchecked),
            (EvidenceKind::Cvn, &request.evidence.cvn, resolution.cvn, Reason::EvidenceUnchecked),
            (
                EvidenceKind::Arqc,
                &request.evidence.arqc,
                resolution.arqc,
                Reason::EvidenceUnchecked,
            ),
        ];
        for (kind, evidence, treatment, unchecked) in evidences {
            let rule = rule_of(treatment);
            let treatment = treatment.map_or(Verification::Refuse, |found| found.value);
            match (evidence, treatment) {
                (Some(evidence), Verification::Delegated(key)) => {
                    let subject = Bytes::copy_from_slice(request.account.token.as_bytes());
                    let evidence = evidence.to_bytes();
                    questions.push((kind, KeyQuestion::Verify { key, kind, subject, evidence }));
                }
                (Some(_), Verification::Refuse) => return Err(fail(unchecked, rule)),
                _ => {}
            }
        }
        // Cash is never paid without a PIN that was checked, unless a rule says so in as many words.
        let cash = request.kind == Kind::Cash || request.channel == Channel::Atm;
        let waived = resolution.pin.is_some_and(|rule| rule.value == Verification::Waive);
        let checked = questions.iter().any(|(kind, _)| *kind == EvidenceKind::Pin);
        if cash && !checked && !waived {
            return Err(fail(Reason::PinUnchecked, rule_of(resolution.pin)));
        }
        Ok(questions)
    }

    fn after_evidence(&self, mut weighing: Weighing, answers: &[KeyAnswer]) -> Stepped {
        let mut failed = None;
        for (at, kind) in weighing.asked.iter().enumerate() {
            let pin = *kind == EvidenceKind::Pin;
            let reason = match answers.get(at) {
                Some(KeyAnswer::Verified(true)) if pin => {
                    weighing.state.pin_failures = 0;
                    continue;
                }
                Some(KeyAnswer::Verified(true)) => continue,
                Some(KeyAnswer::Verified(false)) if pin => {
                    let failures = weighing.state.pin_failures.saturating_add(1);
                    weighing.state.pin_failures = failures;
                    let tries =
                        self.setup.config.parameters.as_ref().map_or(0, Parameters::pin_tries);
                    if failures >= tries { Reason::PinTries } else { Reason::WrongPin }
                }
                Some(KeyAnswer::Verified(false)) => Reason::WrongEvidence,
                _ if pin => Reason::PinUnchecked,
                _ => Reason::EvidenceUnchecked,
            };
            failed = failed.or(Some(fail(reason, 0)));
        }
        if let Some(failed) = failed {
            return self.decline(weighing, failed);
        }
        match self.limits(&mut weighing) {
            Ok(Granted { minor, spends, lane_short_minor: 0 }) => {
                self.approve(weighing, minor, spends)
            }
            Ok(Granted { lane_short_minor, .. }) => {
                Ok(self.undecided(Verdict::NeedsLease { lane: self.lane, minor: lane_short_minor }))
            }
            Err(failed) => self.decline(weighing, failed),
        }
    }

    /// The rest of check 10, and checks 11 to 16.
    fn limits(&self, weighing: &mut Weighing) -> Result<Granted, Failed> {
        let request = &self.request;
        let asked = request.billed().minor();
        let set = self.setup.config.parameters.as_ref().ok_or(fail(Reason::NoParameters, 0))?;
        let Weighing { now, state, resolution, lane, completed, asked: questions, .. } = weighing;
        let now = *now;
        if let Some(limit) = resolution.risk_bp_max
            && request.risk_bp.is_none_or(|risk| risk > limit.value)
        {
            return Err(fail(Reason::Risk, limit.rule));
        }
        let unverified = questions.is_empty()
            && !matches!(request.kind, Kind::Refund | Kind::Completion)
            && ![resolution.pin, resolution.cvn, resolution.arqc]
                .iter()
                .flatten()
                .any(|rule| rule.value == Verification::Waive);
        if unverified && resolution.floor_minor.is_none_or(|floor| asked > floor.value) {
            return Err(fail(Reason::AboveFloor, rule_of(resolution.floor_minor)));
        }
        match request.kind {
            Kind::Inquiry => return Ok(Granted { minor: 0, spends: 0, lane_short_minor: 0 }),
            Kind::Completion => self.take_hold(set, state, lane, completed.as_ref())?,
            Kind::PreAuthorization if state.holds.len() >= AccountState::HOLDS_MAX => {
                return Err(fail(Reason::Full, 0));
            }
            _ => {}
        }
        if state.undelivered >= AccountState::UNDELIVERED_MAX {
            return Err(fail(Reason::Full, 0));
        }
        let mut bounds = Bounds { asked: asked.into(), most: i64::MAX.into(), first: None };
        if let Some(limit) = resolution.single_minor {
            bounds.add(limit.value.into(), Reason::SingleAmount, limit.rule);
        }
        if request.kind == Kind::Refund {
            let spends = if set.draft().refunds_restore { -asked } else { 0 };
            return bounds
                .first
                .map_or(Ok(Granted { minor: asked, spends, lane_short_minor: 0 }), Err);
        }
        let zone = &self.setup.config.zone;
        let total = |state: &AccountState, id: u8| {
            let counter = set.counters().iter().find(|counter| counter.id == id)?;
            if !counter.counts(request.kind) {
                return None;
            }
            let counts = state.counts.iter().find(|counts| counts.counter() == id);
            Some(counts.map_or((0, 0), |counts| counts.total(Slot::of(counter.window, zone, now))))
        };
        for (id, limit) in &resolution.counts {
            if total(state, *id).is_some_and(|(count, _)| count >= u64::from(limit.value)) {
                return Err(bounds.first.unwrap_or(fail(Reason::Count, limit.rule)));
            }
        }
        for (id, limit) in &resolution.sums {
            if let Some((_, sum)) = total(state, *id) {
                bounds.add(i128::from(limit.value) - sum, Reason::Sum, limit.rule);
            }
        }
        let draft = set.draft();
        let haircut = draft.balance_haircut_bp_per_hour;
        match state.available_minor(now, draft.balance_age_max_ms, haircut) {
            Some(available) => bounds.add(available, Reason::Balance, 0),
            None if draft.balance_required => bounds.add(0, Reason::Balance, 0),
            None => {}
        }
        let capped = set.is_capped(request.initiator);
        let leased = lane.parameters == set.version();
        let spendable = if leased { lane.spendable_minor(request.initiator, capped) } else { 0 };
        let may_partial = request.kind == Kind::Purchase
            && request.capabilities.partial_approval
            && request
                .billing
                .is_none_or(|billing| billing.currency() == request.amount.currency())
            && resolution.partial.is_some_and(|rule| rule.value);
        let wanted = if may_partial { bounds.most.min(asked.into()) } else { asked.into() };
        if bounds.first.is_none_or(|_| may_partial)
            && wanted > i128::from(spendable)
            && !(leased && lane.dry)
        {
            let short = wanted - i128::from(spendable);
            let lane_short_minor = i64::try_from(short).unwrap_or(i64::MAX);
            return Ok(Granted { minor: 0, spends: 0, lane_short_minor });
        }
        bounds.add(spendable.into(), Reason::Exposure, 0);
        let terminal = terminal_mark(request);
        for limit in &resolution.velocities {
            let (count, within_ms) = limit.value;
            let recent = state.recent.iter();
            let near = recent.filter(|(one, at)| *one == terminal && now.since_ms(*at) < within_ms);
            if near.count() >= usize::from(count) {
                return Err(bounds.first.unwrap_or(fail(Reason::Velocity, limit.rule)));
            }
        }
        let minor = match bounds.first {
            None => asked,
            Some(_) if may_partial && bounds.most > 0 => {
                i64::try_from(bounds.most).unwrap_or(asked).min(asked)
            }
            Some(failed) => return Err(failed),
        };
        Ok(Granted { minor, spends: minor, lane_short_minor: 0 })
    }

    /// A completion takes the place of its pre-authorization: what that held is free before the final amount is checked.
    fn take_hold(
        &self,
        set: &Parameters,
        state: &mut AccountState,
        lane: &mut Lane,
        original: Option<&Entry>,
    ) -> Result<(), Failed> {
        let unknown = fail(Reason::NoOriginal, 0);
        let original = original.ok_or(unknown)?;
        let at = state.holds.iter().position(|hold| hold.key == original.request.key);
        let hold = state.holds[..].get(at.ok_or(unknown)?).copied().ok_or(unknown)?;
        let tolerance = i128::from(set.draft().completion_tolerance_bp);
        let most = i128::from(hold.minor) * (10_000 + tolerance) / 10_000;
        if i128::from(self.request.billed().minor()) > most {
            return Err(unknown);
        }
        state.holds.retain(|one| one.key != hold.key);
        self.give_back(set, state, lane, original, hold.minor, true);
        Ok(())
    }

    /// Takes an approved amount back out of spending, counters and exposure.
    fn give_back(
        &self,
        set: &Parameters,
        state: &mut AccountState,
        lane: &mut Lane,
        original: &Entry,
        minor: i64,
        whole: bool,
    ) {
        // What a newer balance has seen already is in that balance.
        if state.balance.is_none_or(|balance| original.seq > balance.watermark) {
            state.spent_minor = state.spent_minor.saturating_sub(minor);
        }
        for counter in set.counters() {
            if counter.counts(original.request.kind)
                && let Some(counts) =
                    state.counts.iter_mut().find(|counts| counts.counter() == counter.id)
            {
                let slot = Slot::of(counter.window, &self.setup.config.zone, original.at);
                counts.release(slot, u32::from(whole), minor);
            }
        }
        // What was posted is no longer out.
        if original.state == EntryState::Queued {
            let initiator = original.request.initiator;
            lane.spend(initiator, set.is_capped(initiator), -minor);
        }
    }

    fn reverse(&self, mut weighing: Weighing) -> Stepped {
        if weighing.state.undelivered >= 2 * AccountState::UNDELIVERED_MAX {
            return self.decline(weighing, fail(Reason::Full, 0));
        }
        let mut spends = 0;
        let mut owed = true;
        if let Some(original) = weighing.counterpart.take() {
            owed = original.state != EntryState::NotOwed;
            let held = weighing.state.holds.iter().any(|hold| hold.key == original.request.key);
            // A pre-authorization whose hold is gone was completed: the completion stands for it.
            let live = original.request.kind != Kind::PreAuthorization || held;
            let approved = original.response.approved.map_or(0, Amount::minor);
            let asked = self.request.amount;
            let whole = original.response.approved.is_none_or(|amount| {
                asked.currency() != amount.currency() || asked.minor() >= amount.minor()
            });
            if live && original.response.is_approval() {
                let minor = if whole || approved <= 0 {
                    original.spent_minor
                } else {
                    // Rounded down: never more back than was undone.
                    let part = i128::from(original.spent_minor) * i128::from(asked.minor())
                        / i128::from(approved);
                    i64::try_from(part).unwrap_or(0)
                };
                if let Some(set) = &self.setup.config.parameters {
                    let Weighing { state, lane, .. } = &mut weighing;
                    self.give_back(set, state, lane, &original, minor, whole);
                }
                match weighing.state.holds.iter().position(|hold| hold.key == original.request.key)
                {
                    Some(at) if whole => {
                        weighing.state.holds.remove(at);
                    }
                    Some(at) => weighing.state.holds[at].minor -= minor,
                    None => {}
                }
                spends = -minor;
            }
        }
        let response = Response {
            approved: Some(self.request.amount),
            ..self.response(ResponseCode::APPROVED)
        };
        let posting = if owed { EntryState::Queued } else { EntryState::NotOwed };
        self.record(weighing, response, None, 0, spends, posting)
    }

    fn approve(&self, mut weighing: Weighing, minor: i64, spends: i64) -> Stepped {
        let request = &self.request;
        let now = weighing.now;
        let Some(set) = &self.setup.config.parameters else {
            return self.decline(weighing, fail(Reason::NoParameters, 0));
        };
        let draft = set.draft();
        if request.kind == Kind::Inquiry {
            let haircut = draft.balance_haircut_bp_per_hour;
            let available = weighing.state.available_minor(now, draft.balance_age_max_ms, haircut);
            let Some(available) = available else {
                return self.decline(weighing, fail(Reason::NoBalance, 0));
            };
            let minor = i64::try_from(available.max(0)).unwrap_or(i64::MAX);
            let balance = Some(Amount::new(minor, set.currency()));
            let response = Response { balance, ..self.response(ResponseCode::APPROVED) };
            return self.record(weighing, response, None, 0, 0, EntryState::NotOwed);
        }
        let state = &mut weighing.state;
        if spends > 0 {
            for counter in set.counters().iter().filter(|counter| counter.counts(request.kind)) {
                let slot = Slot::of(counter.window, &self.setup.config.zone, now);
                state.counter(counter.id).reserve(slot, spends);
            }
            state.recent.push((terminal_mark(request), now));
            let surplus = state.recent.len().saturating_sub(RECENT_MAX);
            state.recent.drain(..surplus);
            weighing.lane.spend(request.initiator, set.is_capped(request.initiator), spends);
        }
        if request.kind == Kind::PreAuthorization {
            state.holds.push(Hold { key: request.key, minor, at: now });
        }
        state.spent_minor = state.spent_minor.saturating_add(spends);
        let partial = minor < request.billed().minor();
        let vip = state.vip_until.is_some_and(|until| now < until);
        let code = match (partial, vip) {
            (true, _) => ResponseCode::PARTIAL,
            (false, true) => ResponseCode::VIP,
            (false, false) => ResponseCode::APPROVED,
        };
        let amount = if partial { Amount::new(minor, set.currency()) } else { request.amount };
        let mark = u64::from(terminal_mark(request)) << 20 ^ state.seq.wrapping_mul(2_654_435_761);
        let response = Response {
            approved: Some(amount),
            auth_code: Some(AuthCode::of_number(mark)),
            ..self.response(code)
        };
        self.record(weighing, response, None, 0, spends, EntryState::Queued)
    }

    fn decline(&self, weighing: Weighing, failed: Failed) -> Stepped {
        // A reversal is owed where the accounting system may have approved what is declined here.
        let action = Action::of(self.host, StandInOutcome::Declined);
        let owed = action.posting != Posting::None && self.request.kind != Kind::Inquiry;
        let state = if owed { EntryState::Queued } else { EntryState::NotOwed };
        let response = self.response(failed.code);
        self.record(weighing, response, Some(failed.reason), failed.rule, 0, state)
    }

    /// Writes account, journal and, where it changed, lane.
    fn record(
        &self,
        weighing: Weighing,
        response: Response,
        reason: Option<Reason>,
        rule: u32,
        spent_minor: i64,
        delivery: EntryState,
    ) -> Stepped {
        let Weighing { now, mut state, lane, expect, .. } = weighing;
        let [head, account, lane_expect, counterpart, completed] = expect;
        let set = self.setup.config.parameters.as_ref();
        state.seq += 1;
        if delivery == EntryState::Queued {
            state.undelivered = state.undelivered.saturating_add(1);
        }
        let entry = Entry {
            seq: state.seq,
            at: now,
            epoch: self.epoch,
            host: self.host,
            request: self.request.clone(),
            response: response.clone(),
            reason: reason.map_or(0, Reason::code),
            rule,
            spent_minor,
            spent_after_minor: state.spent_minor,
            parameters: set.map_or([0; 32], Parameters::digest),
            previous: state.head,
            state: delivery,
        };
        state.head = entry.link().map_err(|_| Error::TooLong)?;
        let mut row = Vec::with_capacity(384);
        entry.encode(&mut row).map_err(|_| Error::TooLong)?;
        let mut batch = Batch::with_capacity(6);
        batch.put(self.keys.account.clone(), account, state.encode().map_err(|_| Error::TooLong)?);
        batch.put(self.keys.own.clone(), Expect::Absent, row);
        batch.require(self.keys.head.clone(), head);
        batch.require(self.keys.counterpart.clone(), counterpart);
        if self.request.kind == Kind::Completion {
            batch.require(self.keys.completed.clone(), completed);
        }
        if spent_minor != 0 {
            let lane = lane.encode().map_err(|_| Error::TooLong)?;
            batch.put(self.keys.lane.clone(), lane_expect, lane);
        } else if reason == Some(Reason::Exposure) {
            batch.require(self.keys.lane.clone(), lane_expect);
        }
        let action = match (reason, self.request.kind) {
            (Some(_), _) => "standin.authorize.declined",
            (None, Kind::Reversal) => "standin.authorize.reversed",
            (None, _) => "standin.authorize.approved",
        };
        let audit = self.audit(action, reason);
        let entry = Some(self.keys.own.clone());
        let answered = Answered { response, reason, rule, entry, repeated: false };
        Ok(done(Verdict::Answered(answered), audit, batch))
    }

    fn unrecorded(&self, reason: Reason) -> Step<Audited<Verdict>> {
        let response = self.response(reason.response_code());
        let audit = self.audit("standin.authorize.refused", Some(reason));
        let answered =
            Answered { response, reason: Some(reason), rule: 0, entry: None, repeated: false };
        done(Verdict::Answered(answered), audit, Batch::new())
    }

    fn undecided(&self, verdict: Verdict) -> Step<Audited<Verdict>> {
        done(verdict, self.audit("standin.authorize.undecided", None), Batch::new())
    }

    fn response(&self, code: ResponseCode) -> Response {
        let parameters = self.setup.config.parameters.as_ref().map_or(0, Parameters::version);
        Response {
            // A request always has an answer: that was checked when it was made.
            mti: self.request.mti.response().unwrap_or(self.request.mti),
            key: self.request.key,
            code,
            approved: None,
            auth_code: None,
            source: Source::StandIn { epoch: self.epoch, parameters },
            balance: None,
            retrieval_ref: self.request.retrieval_ref,
        }
    }

    fn audit(&self, action: &'static str, reason: Option<Reason>) -> Audit {
        let key = self.request.key.to_bytes();
        Audit {
            at: self.now,
            tenant: self.setup.config.institution.tenant(),
            action: action.into(),
            actor: Bytes::copy_from_slice(self.request.account.token.as_bytes()),
            correlation: key.first_chunk().copied().unwrap_or_default(),
            subject: key.into(),
            reasons: reason.map_or_else(Vec::new, |reason| vec![reason.code()]),
            policy: self.setup.config.parameters.as_ref().map_or([0; 32], Parameters::digest),
        }
    }
}

impl Decision for Authorize {
    type Verdict = Audited<Verdict>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        let Keys { head, account, lane, own, counterpart, completed } = self.keys.clone();
        let mut ask =
            Ask::rows(ReadSet::points([head, account, lane, own, counterpart, completed]));
        let key = self.setup.config.mac_keys.get(&self.request.initiator);
        if let (Some(mac), Some(key)) = (&self.request.mac, key) {
            ask.keys.push(KeyQuestion::Mac {
                key: KeyRef::Held(*key),
                algorithm: MacAlgorithm::HmacSha256,
                message: mac.message.to_bytes(),
            });
        }
        ask
    }

    fn step(&mut self, answers: Answers) -> Stepped {
        match core::mem::replace(&mut self.stage, Stage::Rows) {
            Stage::Rows => self.rows(&answers),
            Stage::Evidence(weighing) => self.after_evidence(weighing, &answers.keys),
        }
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.keys.own.clone())
    }

    /// A repeat gets the stored answer, byte for byte (spec Sd11). Another message that reverses the same original gets the same
    /// code under its own key.
    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let entry = Entry::parse(&row.value).map_err(Error::Corrupt)?;
        let mut response = entry.response;
        if self.request.kind == Kind::Reversal && entry.request.key != self.request.key {
            response = Response { approved: response.approved, ..self.response(response.code) };
        } else if !self.request.asks_the_same(&entry.request) {
            return match self.unrecorded(Reason::KeyReused) {
                Step::Done(Conclusion { verdict, .. }) => Ok(Some(verdict)),
                Step::Ask(_) => Ok(None),
            };
        }
        let reason = Reason::ALL.iter().find(|reason| reason.code() == entry.reason).copied();
        let audit = self.audit("standin.authorize.repeated", reason);
        let own = Some(self.keys.own.clone());
        let answered = Answered { response, reason, rule: entry.rule, entry: own, repeated: true };
        Ok(Some(Audited { verdict: Verdict::Answered(answered), audit }))
    }
}

/// What passes the limits.
#[derive(Clone, Copy, Debug)]
struct Granted {
    minor: i64,
    spends: i64,
    lane_short_minor: i64,
}

/// The largest amount that passes, and the first check that the amount asked for fails.
struct Bounds {
    asked: i128,
    most: i128,
    first: Option<Failed>,
}

impl Bounds {
    fn add(&mut self, limit: i128, reason: Reason, rule: u32) {
        if self.asked > limit && self.first.is_none() {
            self.first = Some(fail(reason, rule));
        }
        self.most = self.most.min(limit);
    }
}

fn done(verdict: Verdict, audit: Audit, batch: Batch) -> Step<Audited<Verdict>> {
    Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
}

fn fail(reason: Reason, rule: u32) -> Failed {
    Failed { reason, code: reason.response_code(), rule }
}

fn rule_of<T>(limit: Option<crate::Limit<T>>) -> u32 {
    limit.map_or(0, |limit| limit.rule)
}

/// Terminals apart, in four bytes (FNV-1a): two that collide are limited together.
fn terminal_mark(request: &TransactionRequest) -> u32 {
    let bytes = request.key.terminal().as_bytes().iter();
    let initiator = request.initiator.as_u64().to_be_bytes();
    bytes
        .chain(&initiator)
        .fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

/// Approvals that an account remembers for velocity limits: as many as one may ask for.
const RECENT_MAX: usize = 16;
