//! What is checked before a request is routed: its form, its authentication code, and whether it was answered before.

use super::pending::{Check, Pending, Stage};
use super::routing::was_asked_before;
use super::{Kept, Silence, Switch, SwitchError, Task, Timer, entry_rows};
use crate::{
    AccountState, Reason, RequestDraft, Response, ResponseCode, Source, TransactionRequest, table,
};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use port::{
    Effect, KeyAnswer, KeyQuestion, KeyRef, MacAlgorithm, Peer, ReadSet, Rows, Ticket, Time,
};

impl Switch {
    /// A message that asks for something came. It is refused here, before anything is routed, if it lacks account, institution,
    /// initiator or amount (spec S8).
    ///
    /// # Errors
    /// [`SwitchError::Refused`], [`SwitchError::Busy`].
    pub fn request(
        &mut self,
        now: Time,
        from: Peer,
        draft: RequestDraft,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let request = TransactionRequest::new(draft)?;
        if self.pending.len() + self.checking >= self.config.pending_max {
            return Err(SwitchError::Busy);
        }
        let refusal = if self.hosts.contains_key(&request.institution) {
            None
        } else {
            Some(ResponseCode::UNROUTABLE)
        };
        let key = self.config.mac_keys.get(&request.initiator).copied();
        let refusal = refusal.or(match (&request.mac, key) {
            (None, _) if self.config.mac_required => Some(Reason::NotAuthentic.response_code()),
            (Some(_), None) => Some(Reason::MacUnchecked.response_code()),
            _ => None,
        });
        if let Some(code) = refusal {
            self.answer(vec![from], own_answer(&request, code));
            return Ok(());
        }
        let due = now.plus_ms(self.config.check_within_ms);
        let check = Box::new(Check { from, request, received: now, due, stale: false });
        match (&check.request.mac, key) {
            (Some(mac), Some(key)) => {
                let questions = vec![KeyQuestion::Mac {
                    key: KeyRef::Held(key),
                    algorithm: MacAlgorithm::HmacSha256,
                    message: mac.message.to_bytes(),
                }];
                let ticket = self.check(Task::Mac, check);
                self.effects.push_back(Effect::Ask { ticket, questions });
            }
            _ => self.look(check),
        }
        Ok(())
    }

    fn check(&mut self, task: fn(Box<Check>) -> Task, check: Box<Check>) -> Ticket {
        let ticket = self.ticket();
        self.timers.insert((check.due, Timer::Check(ticket)));
        *self.checking_keys.entry(check.request.key).or_insert(0) += 1;
        self.tasks.insert(ticket, task(check));
        self.checking += 1;
        ticket
    }

    /// Asks the store for an earlier answer, and for what waits for delivery.
    fn look(&mut self, mut check: Box<Check>) {
        check.stale = false;
        let request = &check.request;
        let [open, ended] = entry_rows(request);
        let want = ReadSet::points([
            Kept::key(request.institution, &request.key),
            open,
            ended,
            table::account(request.institution, &request.account.token),
        ]);
        let ticket = self.check(Task::Look, check);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    pub(super) fn take_check(&mut self, ticket: Ticket) -> Option<Box<Check>> {
        let (Task::Mac(check) | Task::Look(check)) = self.tasks.remove(&ticket)? else {
            return None;
        };
        self.checking -= 1;
        if let Some(count) = self.checking_keys.get_mut(&check.request.key) {
            *count -= 1;
            if *count == 0 {
                self.checking_keys.remove(&check.request.key);
            }
        }
        self.timers.remove(&(check.due, Timer::Check(ticket)));
        Some(check)
    }

    pub(super) fn on_mac(&mut self, ticket: Ticket, answers: Option<Vec<KeyAnswer>>) {
        let Some(check) = self.take_check(ticket) else { return };
        let Some(mac) = &check.request.mac else { return };
        let sent = mac.tag.as_bytes();
        let code = match answers.as_ref().and_then(|answers| answers.first()) {
            Some(KeyAnswer::Mac(right)) => {
                let right = right.as_bytes().get(..sent.len()).unwrap_or_default();
                let authentic =
                    sent.len() >= crate::MessageMac::TAG_BYTES_MIN && seal::equal(right, sent);
                if authentic {
                    return self.look(check);
                }
                Reason::NotAuthentic.response_code()
            }
            _ => Reason::MacUnchecked.response_code(),
        };
        self.answer(vec![check.from.clone()], own_answer(&check.request, code));
    }

    pub(super) fn on_look(&mut self, now: Time, ticket: Ticket, rows: Option<Rows>) {
        let Some(check) = self.take_check(ticket) else { return };
        let Check { from, request, received, due, stale: check_is_stale } = *check;
        let rows = rows.map(|rows| rows.points).unwrap_or_default();
        let [kept, open, ended, account] = &rows[..] else {
            return self.unanswered(request, Silence::Store);
        };
        if check_is_stale {
            // A request with this key was answered after the rows were read.
            return self.look(Box::new(Check { from, request, received, due, stale: false }));
        }
        let entry = open.as_ref().or(ended.as_ref());
        // An answer that was kept after the stand-in module had begun was never given: the journal goes first.
        if let (Some(row), None) = (kept, entry) {
            return match Kept::parse(&row.value) {
                Ok(kept) if kept.answers(&request) => {
                    self.answer(vec![from], kept.response);
                }
                Ok(_) => self.answer(vec![from], own_answer(&request, ResponseCode::DUPLICATE)),
                Err(_) => self.unanswered(request, Silence::Store),
            };
        }
        if let Some(pending) = self.pending.get_mut(&request.key) {
            if pending.request.asks_the_same(&request) {
                pending.wait(from);
            } else {
                self.answer(vec![from], own_answer(&request, ResponseCode::DUPLICATE));
            }
            return;
        }
        let waits = match account.as_ref().map(|row| AccountState::parse(&row.value)) {
            None => false,
            Some(Ok(state)) => state.undelivered > 0,
            // A damaged row is the stand-in module's to report; the accounting system must not overtake it.
            Some(Err(_)) => true,
        };
        let sticky =
            entry.is_some() || waits || self.at_stand_in.contains_key(&request.account.token);
        let asked_host = was_asked_before(&request, self.started, self.config.skew.max_ms);
        let known = entry.is_some();
        let (key, institution) = (request.key, request.institution);
        let pending = Pending {
            request,
            waiting: vec![from],
            received,
            due: now,
            stage: Stage::AtHost { sent: now },
            asked_host,
            sticky,
            late: None,
        };
        let away = self.away(now, institution, &pending, known);
        self.pending.insert(key, pending);
        match away {
            Some(why) => self.ask_stand_in(now, key, why),
            None => self.ask_host(now, key),
        }
        self.arm(now, institution);
    }
}

/// An answer of the switch itself. It promises nothing, so that nothing has to be durable first: whoever sent the message is not
/// known, or it cannot be routed at all, or its key stands for another question.
fn own_answer(request: &TransactionRequest, code: ResponseCode) -> Response {
    Response {
        mti: request.mti.response().unwrap_or(request.mti),
        key: request.key,
        code,
        approved: None,
        auth_code: None,
        source: Source::Switch,
        balance: None,
        retrieval_ref: request.retrieval_ref,
    }
}
