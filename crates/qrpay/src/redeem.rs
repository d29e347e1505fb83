//! Redeeming: the one message of the payer, checked in the order of the spec, and the debit owed in the same batch.

use crate::binding_row::BindingRow;
use crate::few::Few;
use crate::guess::Unanswerable;
use crate::instruction::{InstructionKind, InstructionRow};
use crate::item_row::ItemRow;
use crate::payment::{Outcome, OutcomeRow, PaymentRow, PaymentState};
use crate::server::{Setup, Trail, done};
use crate::table;
use crate::transcript::TranscriptParts;
use crate::trial::Trial;
use crate::{
    Binding, ChallengeState, DeviceId, Displayed, Error, Form, Misuse, PaymentId, PaymentRequest,
    PaymentServer, Price, Refusal, Uid, Verdict,
};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Sink as _, Slot};
use port::{Answers, Ask, Batch, Decision, Expect, Key, KeyAnswer, ReadSet, Row, Step, Time};
use seal::{AccountRef, Audited};

impl PaymentServer {
    /// Decides over a payer's request. `account` is the token of `request.account`.
    ///
    /// Checks, in this order (spec: server check order): identical retry, unless the account is locked → identifier known → an
    /// open challenge that is not expired → account bound and not locked → reply right, compared in constant time → then, in
    /// one batch: the challenge is consumed, the payment recorded, the debit owed, the outcome kept.
    ///
    /// A wrong reply is counted on every challenge that it was tried against, also on consumed ones and on those that ran out,
    /// and on the account; the same wrong request once more is no further guess and is not counted again, unless another
    /// guess came between.
    ///
    /// A retry of what was accepted is told so; what is no retry, and has the kind of reply and the reference of something that
    /// the account has paid for the item, is counted even where nothing is displayed that could be paid: the difference tells
    /// whether a guess was right. Where its challenge is gone from the item, nothing remembers the last wrong one, so that
    /// the same one is counted each time that it comes. A locked account is told nothing of what it paid until it is unlocked.
    pub fn redeem(&self, now: Time, request: PaymentRequest, account: AccountRef) -> Redeem {
        let tenant = self.setup.tenant();
        let item = table::item(tenant, &request.uid);
        let outcome = table::outcome(&item, &request, &account);
        let keys = Keys { item, binding: table::binding(tenant, &account), outcome };
        let (setup, stage) = (self.setup.clone(), Stage::Rows);
        Redeem { setup, now, request, account, keys, stage, accepts: None }
    }
}

/// What the payer gets: the debit is owed and will be made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The payment.
    pub payment: PaymentId,
    /// For which item.
    pub uid: Uid,
    /// How much, to whom.
    pub price: Price,
    /// When the reply was accepted.
    pub at: Time,
    /// Whether this answers a repeated request.
    pub repeated: bool,
}

/// The decision over a payer's request.
#[derive(Clone, Debug)]
pub struct Redeem {
    pub(crate) setup: Arc<Setup>,
    pub(crate) now: Time,
    pub(crate) request: PaymentRequest,
    pub(crate) account: AccountRef,
    pub(crate) keys: Keys,
    pub(crate) stage: Stage,
    /// `None` for all devices.
    accepts: Option<fn(&DeviceId) -> bool>,
}

/// Where the rows are that the request names.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) item: Key,
    pub(crate) binding: Key,
    outcome: Key,
}

#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Rows,
    Past(Unanswerable),
    Reply(Weighing),
}

/// Everything read, while the key holder computes.
#[derive(Clone, Debug)]
pub(crate) struct Weighing {
    pub(crate) now: Time,
    item: ItemRow,
    pub(crate) item_row: Row,
    pub(crate) binding_row: Option<Row>,
    /// Whether the binding counts wrong replies.
    has_failures: bool,
    pub(crate) trials: Few<Trial>,
    /// What is answered whatever the reply is; `None` where a right one pays.
    pub(crate) answer: Option<Refusal>,
}

impl Redeem {
    /// Only devices for which `accepts` says yes may have made the reply; the keys of others count as if they were not bound.
    ///
    /// For banks that bind a second key that needs no PIN, and let it pay only where something else speaks for the payer.
    #[must_use]
    pub fn answered_by(self, accepts: fn(&DeviceId) -> bool) -> Self {
        Self { accepts: Some(accepts), ..self }
    }

    fn rows(&mut self, mut answers: Answers) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let [item_row, binding_row, outcome_row, ..] = &mut answers.rows.points[..] else {
            return Err(Error::Misuse(Misuse::Answers));
        };
        let (item_row, binding_row) = (item_row.take(), binding_row.take());
        if let Some(row) = outcome_row
            && !BindingRow::is_locked(binding_row.as_ref()).map_err(Error::Corrupt)?
            && let Some(verdict) = self.recall(row)?
        {
            return Ok(Step::Done(port::Conclusion { verdict, batch: Batch::new() }));
        }
        let Some(item_row) = item_row else {
            let (refusal, now) = (Refusal::UnknownItem, self.now);
            return Ok(self.ask_past(Unanswerable { refusal, now, item: None, binding_row }));
        };
        let item = ItemRow::parse(&item_row.value).map_err(Error::Corrupt)?;
        let policy = self.setup.policy();
        let now = policy.skew.settle(self.now, item.created(&item_row.value))?;
        let (reference, tries_max) = (self.request.challenge_ref, policy.tries_per_challenge);
        match item.unanswerable(&item_row.value, now, reference, tries_max) {
            None => self.weigh(now, item, item_row, binding_row, None),
            Some(refusal) => {
                let item = Some((item, item_row));
                Ok(self.ask_past(Unanswerable { refusal, now, item, binding_row }))
            }
        }
    }

    /// Tries the challenges with the account's keys. `answer` is given whatever the reply is; `None` where a right one pays.
    #[inline]
    pub(crate) fn weigh(
        &mut self,
        now: Time,
        item: ItemRow,
        item_row: Row,
        binding_row: Option<Row>,
        answer: Option<Refusal>,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let mut usable = Few::new();
        let mut has_failures = false;
        if let Some(row) = &binding_row {
            let binding = BindingRow::parse(&row.value, |key| {
                if key.is_usable(now) && self.takes(key.device) {
                    usable.push(key);
                }
            });
            let binding = binding.map_err(Error::Corrupt)?;
            if binding.locked {
                return Ok(self.decline(answer.unwrap_or(Refusal::Locked)));
            }
            has_failures = !binding.failures.is_empty();
        }
        // One challenge and one device is what most have.
        let (mut questions, mut trials) = (Vec::with_capacity(1), Few::new());
        let policy = self.setup.policy();
        let (reference, tries_max) = (self.request.challenge_ref, policy.tries_per_challenge);
        let answerable = item.answerable(&item_row.value, reference, tries_max);
        for (challenge_at, displayed) in answerable.take(usize::from(policy.open_challenges_max)) {
            // Shared by trials and questions, and erased with the last of them: it holds the account number.
            let transcript = self.transcript(&item, &item_row.value, &displayed);
            match &binding_row {
                Some(row) if usable.len() > 0 => {
                    let transcripts = core::iter::repeat_n(transcript, usable.len());
                    for (key, transcript) in usable.iter().zip(transcripts) {
                        let (row, account) = (&row.value, &self.account);
                        let trial =
                            Trial::new(challenge_at, key, row, account, transcript, &mut questions);
                        trials.push(trial?);
                    }
                }
                _ => {
                    let decoy = self.setup.config.decoy;
                    trials.push(Trial::decoy(challenge_at, decoy, transcript, &mut questions));
                }
            }
        }
        drop(usable);
        let weighing = Weighing { now, item, item_row, binding_row, has_failures, trials, answer };
        if questions.is_empty() {
            return self.conclude(&weighing, &[]);
        }
        self.stage = Stage::Reply(weighing);
        Ok(Step::Ask(Ask::keys(questions)))
    }

    fn takes(&self, device: &[u8]) -> bool {
        self.accepts
            .is_none_or(|accepts| accepts(&DeviceId::checked(Bytes::copy_from_slice(device))))
    }

    fn transcript(&self, item: &ItemRow, row: &[u8], displayed: &Displayed) -> Bytes {
        let (price, expires_s) = match item.form {
            Form::Base => (None, 0),
            Form::Full => (Some(item.price_row(row)), displayed.expires_s),
        };
        let parts = TranscriptParts {
            uid: self.request.uid.as_bytes(),
            challenge: &displayed.challenge,
            account: &self.request.account,
            price,
            expires_s,
        };
        parts.to_shared()
    }

    fn conclude(
        &self,
        weighing: &Weighing,
        answers: &[KeyAnswer],
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let mut right = None;
        // Every trial is weighed, so that the time taken does not tell which one was right.
        for trial in weighing.trials.iter() {
            if trial.is_right(&self.request.reply, answers)? {
                right = Some(trial.challenge_at);
            }
        }
        if let (Some(_), Some(refusal)) = (right, weighing.answer) {
            return Ok(self.decline(refusal));
        }
        let challenge = |at| weighing.item.challenges(&weighing.item_row.value).nth(at);
        match right.and_then(|at| challenge(at).map(|found| (at, found))) {
            None => self.refuse(weighing),
            Some((_, found)) if found.state == ChallengeState::Consumed => {
                Ok(self.decline(Refusal::AlreadyUsed))
            }
            Some((_, found)) if !found.is_timely(weighing.now) => {
                Ok(self.decline(Refusal::Expired))
            }
            Some((at, found)) => self.accept(weighing, at, &found),
        }
    }

    fn accept(
        &self,
        weighing: &Weighing,
        challenge_at: usize,
        displayed: &Displayed,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let Weighing { now, item, item_row, .. } = weighing;
        let (now, row) = (*now, &item_row.value);
        let (tenant, uid) = (self.setup.tenant(), &self.request.uid);
        let (price, merchant) = (item.price_row(row), item.merchant_bytes(row));
        let idempotency = PaymentId::derive(uid, &displayed.challenge, &self.account);
        let id = PaymentId::of(&idempotency);
        let outcome = OutcomeRow {
            account: &self.account,
            payment: &id,
            price,
            accepted: now,
            reply: &self.request.reply,
        };
        let payment = PaymentRow {
            state: PaymentState::Accepted,
            account: &self.account,
            price,
            merchant,
            challenge_ref: displayed.reference,
            accepted: now,
            settle_by: now.plus_ms(self.setup.policy().settle_ms),
            refunded_minor: 0,
            cause: 0,
        };
        let instruction = InstructionRow {
            kind: InstructionKind::Debit,
            tenant,
            uid: uid.as_bytes(),
            payment: &id,
            account: &self.account,
            merchant,
            amount: price.amount,
            refund: &[],
        };
        let entry = self.setup.entry(now, &idempotency);
        // All that is written lies in one allocation, each row behind the one before it.
        let item_end = item.accepted_bytes(row);
        let outcome_end = item_end + outcome.bytes();
        let payment_end = outcome_end + payment.bytes();
        let entry_end = payment_end + entry.bytes(instruction.bytes());
        let mut rows = vec![0; entry_end + self.account.as_bytes().len()];
        let mut to = Slot::new(&mut rows);
        item.append_accepted(row, challenge_at, &id, &mut to);
        outcome.append(&mut to);
        payment.append(&mut to);
        entry.encode(&mut to, instruction.bytes()).map_err(|_| Misuse::TooLong)?;
        instruction.append(&mut to);
        to.put(self.account.as_bytes());
        to.finish().map_err(|_| Misuse::TooLong)?;
        let rows = Bytes::from(rows);

        let mut batch = Batch::with_capacity(5);
        batch.put(self.keys.item.clone(), Expect::At(item_row.version), rows.slice(..item_end));
        self.require_binding(weighing, &mut batch)?;
        batch.put(self.keys.outcome.clone(), Expect::Absent, rows.slice(item_end..outcome_end));
        let payment_key = table::payment_of(&self.keys.item, &id);
        batch.put(payment_key, Expect::Absent, rows.slice(outcome_end..payment_end));
        let entry_key = self.setup.entry_key(&entry)?;
        batch.put(entry_key, Expect::Absent, rows.slice(payment_end..entry_end));
        let trail = Trail {
            actor: rows.slice(entry_end..),
            subject: uid.as_bytes().clone(),
            refusal: None,
            correlation: id.0,
        };
        let audit = self.setup.audit(now, "qrpay.redeem.accepted", trail);
        let (uid, price) = (uid.clone(), item.price(row));
        let accepted = Accepted { payment: id, uid, price, at: now, repeated: false };
        Ok(done(Verdict::Granted(accepted), audit, batch))
    }

    /// Forgets wrong replies that are counted. Even where there are none, a revocation at the same time conflicts with this.
    fn require_binding(&self, weighing: &Weighing, batch: &mut Batch) -> Result<(), Error> {
        let (key, row) = (self.keys.binding.clone(), weighing.binding_row.as_ref());
        let expect = Row::unchanged(row);
        match row {
            Some(row) if weighing.has_failures => {
                let mut binding = Binding::parse(&row.value, &self.account)?;
                binding.failures.clear();
                batch.put(key, expect, binding.encode());
            }
            _ => {
                batch.require(key, expect);
            }
        }
        Ok(())
    }

    fn trail(&self, refusal: Option<Refusal>, correlation: [u8; 16]) -> Trail {
        Trail {
            actor: Bytes::copy_from_slice(self.account.as_bytes()),
            subject: self.request.uid.as_bytes().clone(),
            refusal,
            correlation,
        }
    }

    pub(crate) fn decline(&self, refusal: Refusal) -> Step<Audited<Verdict<Accepted>>> {
        self.decline_with(self.now, refusal, Batch::new())
    }

    /// Declines once the batch is durable.
    pub(crate) fn decline_with(
        &self,
        now: Time,
        refusal: Refusal,
        batch: Batch,
    ) -> Step<Audited<Verdict<Accepted>>> {
        let trail = self.trail(Some(refusal), [0; 16]);
        let audit = self.setup.audit(now, "qrpay.redeem.declined", trail);
        done(Verdict::Declined(refusal), audit, batch)
    }
}

impl Decision for Redeem {
    type Verdict = Audited<Verdict<Accepted>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        let Keys { item, binding, outcome } = &self.keys;
        Ask::rows(ReadSet::points(vec![item.clone(), binding.clone(), outcome.clone()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let step = match &self.stage {
            Stage::Rows => return self.rows(answers),
            Stage::Past(unanswerable) => {
                let unanswerable = unanswerable.clone();
                return self.past(unanswerable, &answers);
            }
            Stage::Reply(_) if answers.keys.is_empty() => Err(Error::Misuse(Misuse::Answers)),
            Stage::Reply(weighing) => self.conclude(weighing, &answers.keys),
        };
        self.stage = Stage::Rows;
        step
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.keys.outcome.clone())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Error> {
        let outcome = Outcome::parse(&row.value)?;
        // The row's key holds only the heads of account and reply.
        let same = outcome.account == self.account
            && outcome.reply.kind() == self.request.reply.kind()
            && seal::equal(outcome.reply.as_bytes(), self.request.reply.as_bytes());
        if !same {
            return Ok(None);
        }
        let trail = self.trail(None, outcome.payment.0);
        let audit = self.setup.audit(self.now, "qrpay.redeem.repeated", trail);
        let accepted = Accepted {
            payment: outcome.payment,
            uid: self.request.uid.clone(),
            price: outcome.price,
            at: outcome.accepted,
            repeated: true,
        };
        Ok(Some(Audited { verdict: Verdict::Granted(accepted), audit }))
    }
}
