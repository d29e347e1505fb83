//! What came of it: the account, the journal entry and the lane in one batch, and the answer that rests on it.

use super::limits::RECENT_MAX;
use super::places::Place;
use super::{Answered, Authorize, Failed, Stepped, Verdict, Weighing, done, fail};
use crate::account_state::LIST_BYTES_MAX;
use crate::journal::EntryParts;
use crate::spending::Spending;
use crate::{
    AccountState, Action, AuthCode, EntryState, Error, Hold, Kind, Parameters, Posting, Reason,
    RequestKey, Response, ResponseCode, Source, StandInOutcome,
};
use alloc::vec;
use alloc::vec::Vec;
use bytes::{Buf as _, Bytes};
use port::{Amount, Batch, Expect, Step, WireError};
use seal::{Audit, Audited};

/// What an entry says about money.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    pub(super) spends: i64,
    pub(super) capped: bool,
}

const NONE: Amounts = Amounts { spends: 0, capped: false };

impl Authorize {
    pub(super) fn approve(&self, weighing: &mut Weighing, minor: i64, spends: i64) -> Stepped {
        let request = &self.request;
        let Some(set) = &self.setup.config.parameters else {
            return self.failed(weighing, fail(Reason::NoParameters, 0));
        };
        if request.kind == Kind::Inquiry {
            return self.inform(set, weighing);
        }
        if !self.spend(set, weighing, minor, spends)? {
            if self.tells() {
                return Ok(self.unrecorded(Reason::Full));
            }
            weighing.undo()?;
            return self.decline(weighing, fail(Reason::Full, 0));
        }
        let partial = minor < request.billed().minor();
        let vip = weighing.state.vip_until.is_some_and(|until| weighing.now < until);
        let code = match (partial, vip) {
            (true, _) => ResponseCode::PARTIAL,
            (false, true) => ResponseCode::VIP,
            (false, false) => ResponseCode::APPROVED,
        };
        let amount = if partial { Amount::new(minor, set.currency()) } else { request.amount };
        self.record_spent(set, weighing, (code, amount), None, spends)
    }

    /// Charges account and lane; `false` where the account has no room for it.
    pub(super) fn spend(
        &self,
        set: &Parameters,
        weighing: &mut Weighing,
        minor: i64,
        spends: i64,
    ) -> Result<bool, Error> {
        let request = &self.request;
        let now = weighing.now;
        let slots = weighing.slots;
        let spending = Spending {
            counters: set.counters(),
            slots: &slots,
            kind: request.kind,
            minor: spends,
            terminal: weighing.terminal,
            now,
            recent_ms: set.velocity_ms_max(),
            recent_max: RECENT_MAX,
        };
        if !weighing.spend_stored(&spending) {
            weighing.open_lists()?;
            if spends > 0 {
                weighing.state.spend(&spending);
            }
        }
        let state = &mut weighing.state;
        if spends > 0 {
            weighing.lane.spend(request.initiator, set.is_capped(request.initiator), spends);
            weighing.lane_changed = true;
        }
        if request.kind == Kind::PreAuthorization && spends > 0 {
            state.holds.push(Hold { seq: state.seq + 1, minor, at: now, queued: true });
        }
        state.spent_minor = state.spent_minor.saturating_add(spends);
        Ok(weighing.lists.are_plain() || state.fit())
    }

    /// Writes down what was charged, to be told to the accounting system.
    pub(super) fn record_spent(
        &self,
        set: &Parameters,
        weighing: &mut Weighing,
        (code, approved): (ResponseCode, Amount),
        failed: Option<Failed>,
        spends: i64,
    ) -> Stepped {
        let mark =
            u64::from(weighing.terminal) << 20 ^ weighing.state.seq.wrapping_mul(2_654_435_761);
        let response = Response {
            approved: Some(approved),
            auth_code: Some(AuthCode::of_number(mark)),
            ..self.response(code)
        };
        let capped = spends > 0 && set.is_capped(self.request.initiator);
        let failed = failed.map(|failed| (failed.reason, failed.rule));
        self.record(weighing, response, failed, Amounts { spends, capped }, EntryState::Queued)
    }

    /// Answers a balance inquiry.
    fn inform(&self, set: &Parameters, weighing: &mut Weighing) -> Stepped {
        let draft = set.draft();
        let haircut = draft.balance_haircut_bp_per_hour;
        let available =
            weighing.state.available_minor(weighing.now, draft.balance_age_max_ms, haircut);
        let Some(available) = available else {
            return self.decline(weighing, fail(Reason::NoBalance, 0));
        };
        let minor = i64::try_from(available.max(0)).unwrap_or(i64::MAX);
        let balance = Some(Amount::new(minor, set.currency()));
        let response = Response { balance, ..self.response(ResponseCode::APPROVED) };
        self.record(weighing, response, None, NONE, EntryState::NotOwed)
    }

    pub(super) fn decline(&self, weighing: &mut Weighing, failed: Failed) -> Stepped {
        // A reversal is owed where the accounting system may have approved what is declined here.
        let action = Action::of(self.host, StandInOutcome::Declined);
        let owed = action.posting != Posting::None && self.request.kind != Kind::Inquiry;
        let state = if owed { EntryState::Queued } else { EntryState::NotOwed };
        let response = self.response(failed.code);
        self.record(weighing, response, Some((failed.reason, failed.rule)), NONE, state)
    }

    /// Writes account, journal and, where it changed, lane.
    pub(super) fn record(
        &self,
        weighing: &mut Weighing,
        response: Response,
        failed: Option<(Reason, u32)>,
        amounts: Amounts,
        delivery: EntryState,
    ) -> Stepped {
        // The rows that are written lie together, in one allocation.
        let mut rows = core::mem::take(&mut weighing.rows);
        let lists_end = rows.len();
        rows.reserve(ROWS_BYTES_USUAL.saturating_sub(lists_end));
        let state = &mut weighing.state;
        let [head, account, lane_expect] = weighing.expect;
        let lane_changed = weighing.lane_changed;
        let (reason, rule) = failed.map_or((None, 0), |(reason, rule)| (Some(reason), rule));
        let set = self.setup.config.parameters.as_ref();
        state.seq += 1;
        if delivery.waits() {
            // Those that may not be forgotten are counted, or the account would be taken for empty.
            state.undelivered = state.undelivered.checked_add(1).ok_or(Error::Busy)?;
        }
        let entry = EntryParts {
            seq: state.seq,
            at: weighing.now,
            epoch: self.epoch,
            host: self.host,
            request: &self.request,
            response: &response,
            reason: reason.map_or(0, Reason::code),
            rule,
            spent_minor: amounts.spends,
            spent_after_minor: state.spent_minor,
            capped: amounts.capped,
            parameters: &set.map_or([0; 32], Parameters::digest),
            previous: &state.head,
            state: delivery,
        };
        let (entry_at, link) = entry.append(&mut rows).map_err(|_| Error::TooLong)?;
        state.head = link;
        let entry_end = rows.len();
        weighing.append_account(lists_end, &mut rows).map_err(|_| Error::TooLong)?;
        let state_end = rows.len();
        if lane_changed {
            weighing.lane.append(&mut rows).map_err(|_| Error::TooLong)?;
        }
        let lane_end = rows.len();
        self.names(&mut rows);
        // Cut off from the end, so that the last piece needs no count of its own.
        let mut entry = Bytes::from(rows);
        let names = entry.split_off(lane_end);
        let lane_row = entry.split_off(state_end);
        let account_row = entry.split_off(entry_end);
        entry.advance(entry_at);
        let found = weighing.found.iter().flatten().count();
        let mut batch = Batch::with_capacity(5 + found);
        batch.put(self.account_key(), account, account_row);
        let own = self.own_key(Place::of(delivery));
        batch.put(own.clone(), Expect::Absent, entry);
        batch.require(self.kept_key(), Expect::Absent);
        batch.require(self.head_key(), head);
        let [counterpart, completed] = weighing.found;
        if let Some((place, version)) = counterpart {
            batch.require(self.counterpart_key(place), Expect::At(version));
        }
        if let (Some((place, version)), Some(entry)) = (completed, self.completed()) {
            batch.require(self.entry_key(&entry, place), Expect::At(version));
        }
        if lane_changed {
            batch.put(self.lane_key(), lane_expect, lane_row);
        } else if reason == Some(Reason::Exposure) {
            batch.require(self.lane_key(), lane_expect);
        }
        let action = match (reason, self.request.kind) {
            (Some(_), _) if response.is_approval() => "standin.authorize.taken",
            (Some(_), _) => "standin.authorize.declined",
            (None, Kind::Reversal) => "standin.authorize.reversed",
            (None, _) => "standin.authorize.approved",
        };
        let audit = self.audit(action, reason, names);
        let entry = Some(own);
        let answered = Answered { response, reason, rule, entry, repeated: false };
        Ok(done(Verdict::Answered(answered), audit, batch))
    }

    /// An answer of which nothing is kept.
    pub(super) fn unrecorded(&self, reason: Reason) -> Step<Audited<Verdict>> {
        let response = self.response(reason.response_code());
        let audit = self.audit_apart("standin.authorize.refused", Some(reason));
        let answered =
            Answered { response, reason: Some(reason), rule: 0, entry: None, repeated: false };
        done(Verdict::Answered(answered), audit, Batch::new())
    }

    pub(super) fn response(&self, code: ResponseCode) -> Response {
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

    /// The record of a decision that wrote nothing.
    pub(super) fn audit_apart(&self, action: &'static str, reason: Option<Reason>) -> Audit {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES + RequestKey::BYTES_MAX);
        self.names(&mut bytes);
        self.audit(action, reason, Bytes::from(bytes))
    }

    /// Appends what [`Authorize::audit`] names: the account's token and the request's key.
    fn names(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.request.account.token.as_bytes());
        self.request.key.append_to(to);
    }

    fn audit(&self, action: &'static str, reason: Option<Reason>, mut names: Bytes) -> Audit {
        let actor = names.split_to(TOKEN_BYTES);
        Audit {
            at: self.now,
            tenant: self.setup.config.institution.tenant(),
            action: action.into(),
            actor,
            correlation: names.first_chunk().copied().unwrap_or_default(),
            subject: names,
            reasons: reason.map_or_else(Vec::new, |reason| vec![reason.code()]),
            policy: self.setup.config.parameters.as_ref().map_or([0; 32], Parameters::digest),
        }
    }
}

impl Weighing {
    /// Puts the account's new lists together out of the stored ones; `false` where those have to be taken apart.
    fn spend_stored(&mut self, spending: &Spending<'_>) -> bool {
        if !self.lists.are_plain() {
            return false;
        }
        if spending.minor <= 0 {
            return self.list_bytes().len() <= LIST_BYTES_MAX + LIST_LENS_BYTES;
        }
        let mut rows = Vec::with_capacity(ROWS_BYTES_USUAL);
        let plain = self.lists.spend(self.list_bytes(), spending, &mut rows).is_some();
        if !plain {
            rows.clear();
        }
        self.rows = rows;
        plain
    }

    /// Appends the account's row; its new lists are the first `lists_end` bytes, if they were put together already.
    fn append_account(&self, lists_end: usize, rows: &mut Vec<u8>) -> Result<(), WireError> {
        if !self.lists.are_plain() {
            return self.state.append(rows);
        }
        let begin = rows.len();
        self.state.append_head(rows);
        if lists_end > 0 {
            rows.extend_from_within(..lists_end);
        } else {
            rows.extend_from_slice(self.list_bytes());
        }
        if rows.len() - begin > AccountState::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Ok(())
    }
}

/// The bytes of an account's token.
const TOKEN_BYTES: usize = 16;

/// Room for entry, account and lane as most are, and for the names of the record.
const ROWS_BYTES_USUAL: usize = 768;

/// What says how many counters, approvals and holds there are.
const LIST_LENS_BYTES: usize = 3;
