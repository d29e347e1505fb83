//! Redeeming: the one message of the payer, checked in the order of the spec, and the debit owed in the same batch.

use crate::binding::{Binding, BoundKey};
use crate::instruction::{Instruction, InstructionKind};
use crate::item::{ChallengeState, Item, Kind, State};
use crate::payment::{Outcome, Payment, PaymentState};
use crate::reply::ReplyScheme as _;
use crate::server::{Setup, Trail, done};
use crate::table::{self, point};
use crate::{
    DeviceId, Error, Misuse, PaymentId, PaymentRequest, PaymentServer, Price, Refusal, Transcript,
    Uid, Verdict,
};
use alloc::sync::Arc;

use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Decision, Expect, Key, KeyAnswer, KeyQuestion, KeyRef, MacAlgorithm,
    ReadSet, Row, Step, Time,
};
use seal::{AccountRef, Audited};
use sha2::{Digest as _, Sha256};

impl PaymentServer {
    /// Decides over a payer's request. `account` is the token of `request.account`.
    ///
    /// Checks, in this order (spec: server check order): identical retry → identifier known → an open challenge that is not
    /// expired → account bound and not locked → reply right, compared in constant time → then, in one batch: the challenge
    /// is consumed, the payment recorded, the debit owed, the outcome kept.
    ///
    /// A wrong reply is counted on every challenge that it was tried against and on the account; the same wrong request
    /// once more is no further guess and is not counted again, unless another guess came between.
    pub fn redeem(&self, now: Time, request: PaymentRequest, account: AccountRef) -> Redeem {
        let tenant = self.setup.tenant();
        let keys = Keys {
            item: table::item(tenant, &request.uid),
            binding: table::binding(tenant, &account),
            outcome: table::outcome(tenant, &request, &account),
        };
        let (setup, stage) = (self.setup.clone(), Stage::Rows);
        Redeem { setup, now, request, account, keys, stage, accepts: |_| true }
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
    setup: Arc<Setup>,
    now: Time,
    request: PaymentRequest,
    account: AccountRef,
    keys: Keys,
    stage: Stage,
    accepts: fn(&DeviceId) -> bool,
}

/// Where the rows are that the request names.
#[derive(Clone, Debug)]
struct Keys {
    item: Key,
    binding: Key,
    outcome: Key,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a decision has one stage; none is stored in bulk")]
enum Stage {
    Rows,
    Reply(Weighing),
}

/// Everything read, while the key holder computes.
#[derive(Clone, Debug)]
struct Weighing {
    now: Time,
    item: Item,
    item_expect: Expect,
    binding: Option<Binding>,
    binding_expect: Expect,
    trials: Vec<Trial>,
}

/// One challenge tried with one key.
#[derive(Clone, Debug)]
struct Trial {
    challenge_at: usize,
    /// `None` for the decoy of an unknown account.
    key_at: Option<usize>,
    transcript: Bytes,
    /// Which answer belongs to it; `None` where nothing was asked.
    answer_at: Option<usize>,
}

impl Redeem {
    /// Only devices for which `accepts` says yes may have made the reply; the keys of others count as if they were not bound.
    ///
    /// For banks that bind a second key that needs no PIN, and let it pay only where something else speaks for the payer.
    #[must_use]
    pub fn answered_by(self, accepts: fn(&DeviceId) -> bool) -> Self {
        Self { accepts, ..self }
    }

    fn rows(&mut self, answers: &Answers) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let [item_row, binding_row, outcome_row] =
            [point(answers, 0)?, point(answers, 1)?, point(answers, 2)?];
        if let Some(row) = outcome_row
            && let Some(verdict) = self.recall(row)?
        {
            return Ok(Step::Done(port::Conclusion { verdict, batch: Batch::new() }));
        }
        let Some(item_row) = item_row else { return Ok(self.decline(Refusal::UnknownItem)) };
        let item = Item::parse(&item_row.value)?;
        let now = self.setup.policy().skew.settle(self.now, item.created)?;
        let answerable = match item.answerable(now, self.request.challenge_ref) {
            Ok(found) => found,
            Err(refusal) => return Ok(self.decline(refusal)),
        };
        let binding =
            binding_row.map(|row| Binding::parse(&row.value, &self.account)).transpose()?;
        if binding.as_ref().is_some_and(|binding| binding.locked) {
            return Ok(self.decline(Refusal::Locked));
        }
        // One challenge and one device is what most have.
        let (mut questions, mut trials) = (Vec::with_capacity(1), Vec::with_capacity(1));
        for challenge_at in answerable.take(usize::from(self.setup.policy().open_challenges_max)) {
            self.try_challenge(
                &item,
                now,
                binding.as_ref(),
                challenge_at,
                &mut questions,
                &mut trials,
            );
        }
        let weighing = Weighing {
            now,
            item,
            item_expect: Row::unchanged(Some(item_row)),
            binding,
            binding_expect: Row::unchanged(binding_row),
            trials,
        };
        if questions.is_empty() {
            return self.conclude(weighing, &Answers::default());
        }
        self.stage = Stage::Reply(weighing);
        Ok(Step::Ask(Ask::keys(questions)))
    }

    /// Tries one challenge with every usable key, or with the decoy where there is none: an unknown account, and one whose
    /// devices are all revoked, cost a MAC like any other.
    fn try_challenge(
        &self,
        item: &Item,
        now: Time,
        binding: Option<&Binding>,
        challenge_at: usize,
        questions: &mut Vec<KeyQuestion>,
        trials: &mut Vec<Trial>,
    ) {
        let displayed = &item.challenges[challenge_at];
        let transcript = Transcript {
            uid: self.request.uid.as_bytes(),
            challenge: &displayed.challenge,
            account: &self.request.account,
            terms: &item.terms(displayed),
        };
        // Shared by trials and questions, and erased with the last of them: it holds the account number.
        let transcript = Bytes::from_owner(transcript.to_bytes());
        let before = trials.len();
        let keys = binding.map_or(&[][..], |binding| &binding.keys);
        let usable = |key: &BoundKey| key.is_usable(now) && (self.accepts)(&key.device);
        for (key_at, key) in keys.iter().enumerate().filter(|(_, key)| usable(key)) {
            let question = key.credential.question(&transcript);
            let answer_at = question.is_some().then_some(questions.len());
            questions.extend(question);
            let transcript = transcript.clone();
            trials.push(Trial { challenge_at, key_at: Some(key_at), transcript, answer_at });
        }
        if trials.len() == before {
            questions.push(KeyQuestion::Mac {
                key: KeyRef::Held(self.setup.config.decoy),
                algorithm: MacAlgorithm::HmacSha256,
                message: transcript.clone(),
            });
            let answer_at = Some(questions.len() - 1);
            trials.push(Trial { challenge_at, key_at: None, transcript, answer_at });
        }
    }

    fn conclude(
        &self,
        weighing: Weighing,
        answers: &Answers,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let keys = weighing.binding.as_ref().map_or(&[][..], |binding| &binding.keys);
        let mut right = None;
        // Every trial is weighed, so that the time taken does not tell which one was right.
        for trial in &weighing.trials {
            let answer = trial.answer_at.and_then(|at| answers.keys.get(at));
            if let Some(KeyAnswer::Refused(why)) = answer {
                // A key holder's trouble is not the payer's wrong reply.
                return Err(Error::Keys(*why));
            }
            let Some(key) = trial.key_at.and_then(|at| keys.get(at)) else { continue };
            if key.credential.accepts(&trial.transcript, &self.request.reply, answer) {
                right = Some(trial.challenge_at);
            }
        }
        match right {
            None => self.refuse(weighing),
            Some(at) => match weighing.item.challenges[at] {
                found if found.state == ChallengeState::Consumed => {
                    Ok(self.decline(Refusal::AlreadyUsed))
                }
                found if !found.is_timely(weighing.now) => Ok(self.decline(Refusal::Expired)),
                _ => self.accept(weighing, at),
            },
        }
    }

    fn accept(
        &self,
        weighing: Weighing,
        challenge_at: usize,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let Weighing { now, mut item, item_expect, binding, binding_expect, .. } = weighing;
        let tenant = self.setup.tenant();
        let uid = &self.request.uid;
        let displayed = &mut item.challenges[challenge_at];
        displayed.state = ChallengeState::Consumed;
        let challenge_ref = displayed.reference;
        let idempotency = PaymentId::derive(uid, &displayed.challenge, &self.account);
        let id = PaymentId::of(&idempotency);
        if item.kind == Kind::Order {
            item.state = State::Accepted;
            item.payment = Some(id);
        }
        let payment = Payment {
            state: PaymentState::Accepted,
            account: self.account,
            price: item.price.clone(),
            merchant: item.merchant.clone(),
            challenge_ref,
            accepted: now,
            settle_by: now.plus_ms(self.setup.policy().settle_ms),
            refunded_minor: 0,
            cause: 0,
        };
        let outcome = Outcome {
            account: self.account,
            payment: id,
            price: item.price.clone(),
            accepted: now,
            reply: self.request.reply.clone(),
        };
        let mut batch = Batch::with_capacity(5);
        batch.put(self.keys.item.clone(), item_expect, item.encode());
        let binding_key = self.keys.binding.clone();
        match binding {
            Some(mut binding) if !binding.failures.is_empty() => {
                binding.failures.clear();
                batch.put(binding_key, binding_expect, binding.encode());
            }
            // A revocation at the same time conflicts with this.
            _ => {
                batch.require(binding_key, binding_expect);
            }
        }
        batch.put(self.keys.outcome.clone(), Expect::Absent, outcome.encode());
        batch.put(table::payment(tenant, uid, &id), Expect::Absent, payment.encode());
        let instruction = Instruction {
            kind: InstructionKind::Debit,
            tenant,
            uid: uid.clone(),
            payment: id,
            account: self.account,
            merchant: item.merchant,
            amount: item.price.amount,
            refund: Bytes::new(),
        };
        let mut content = Vec::with_capacity(instruction.encoded_bytes());
        instruction.encode(&mut content);
        self.setup.owe(&mut batch, now, idempotency, content)?;
        let audit = self.setup.audit(now, "qrpay.redeem.accepted", self.trail(None, id.0));
        let accepted =
            Accepted { payment: id, uid: uid.clone(), price: item.price, at: now, repeated: false };
        Ok(done(Verdict::Granted(accepted), audit, batch))
    }

    /// Counts the wrong reply and refuses it, in the same words for every cause.
    fn refuse(&self, weighing: Weighing) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let Weighing { now, mut item, item_expect, binding, binding_expect, trials } = weighing;
        let mark = self.wrong_mark();
        let mut counted = false;
        for displayed_at in trials.iter().map(|trial| trial.challenge_at) {
            let displayed = &mut item.challenges[displayed_at];
            let open = displayed.state == ChallengeState::Open && displayed.is_timely(now);
            if displayed.last_wrong == mark || !open {
                continue;
            }
            counted = true;
            displayed.last_wrong = mark;
            displayed.tries = displayed.tries.saturating_add(1);
            if displayed.tries >= self.setup.policy().tries_per_challenge {
                displayed.state = ChallengeState::Killed;
            }
        }
        let mut batch = Batch::with_capacity(2);
        if counted {
            batch.put(self.keys.item.clone(), item_expect, item.encode());
            if let Some(mut binding) = binding {
                binding.fail(now, self.setup.policy());
                batch.put(self.keys.binding.clone(), binding_expect, binding.encode());
            }
        }
        let trail = self.trail(Some(Refusal::Refused), [0; 16]);
        let audit = self.setup.audit(now, "qrpay.redeem.declined", trail);
        Ok(done(Verdict::Declined(Refusal::Refused), audit, batch))
    }

    /// Tells one wrong request from another, without keeping it.
    fn wrong_mark(&self) -> [u8; 8] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"interbank/qrpay/wrong/v1\0")
            .chain_update(self.account.as_bytes())
            .chain_update([self.request.reply.kind()])
            .chain_update(self.request.reply.as_bytes())
            .finalize()
            .into();
        digest.first_chunk().copied().unwrap_or_default()
    }

    fn trail(&self, refusal: Option<Refusal>, correlation: [u8; 16]) -> Trail {
        Trail {
            actor: Bytes::copy_from_slice(self.account.as_bytes()),
            subject: self.request.uid.as_bytes().clone(),
            refusal,
            correlation,
        }
    }

    fn decline(&self, refusal: Refusal) -> Step<Audited<Verdict<Accepted>>> {
        let trail = self.trail(Some(refusal), [0; 16]);
        let audit = self.setup.audit(self.now, "qrpay.redeem.declined", trail);
        done(Verdict::Declined(refusal), audit, Batch::new())
    }
}

impl Decision for Redeem {
    type Verdict = Audited<Verdict<Accepted>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        let Keys { item, binding, outcome } = self.keys.clone();
        Ask::rows(ReadSet::points([item, binding, outcome]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        match core::mem::replace(&mut self.stage, Stage::Rows) {
            Stage::Rows => self.rows(&answers),
            Stage::Reply(weighing) => {
                if answers.keys.is_empty() {
                    return Err(Error::Misuse(Misuse::Answers));
                }
                self.conclude(weighing, &answers)
            }
        }
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
