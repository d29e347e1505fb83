//! What follows from the accounting system's answers, and from their absence.

use crate::instruction::{Instruction, InstructionKind, Settlement};
use crate::item::{Item, Kind, State};
use crate::payment::{Payment, PaymentState, Refund, RefundState};
use crate::policy::Late;
use crate::server::{Setup, Trail, done};
use crate::table::{self, point};
use crate::{Error, PaymentId, PaymentServer, Refusal, Uid, Verdict};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::outbox::Entry;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, ReadSet, Row, Step, Time, Version,
};
use seal::Audited;
use sha2::{Digest as _, Sha256};

impl PaymentServer {
    /// Decides what an answer of the accounting system means, and deletes the outbox entry in the same batch.
    ///
    /// Feed it what [`port::outbox::Event::Answered`] tells. A repeated answer, or one for an entry that is gone, changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if entry or answer are not of this crate's form.
    pub fn settle(
        &self,
        now: Time,
        entry_key: Key,
        entry_version: Version,
        entry: &Entry,
        answer: &[u8],
    ) -> Result<Settle, Error> {
        let instruction = Instruction::parse(&entry.content).map_err(Error::Corrupt)?;
        let settlement = Settlement::parse(answer).map_err(Error::Corrupt)?;
        Ok(Settle {
            setup: self.setup.clone(),
            now,
            entry_key,
            entry_version,
            instruction,
            settlement,
        })
    }

    /// Decides whether a payment has waited too long for the accounting system. Its debit stays owed: whatever answer comes
    /// later is reconciled by [`PaymentServer::settle`] and [`crate::Policy::late`].
    pub fn lapse(&self, now: Time, uid: Uid, payment: PaymentId) -> Lapse {
        Lapse { setup: self.setup.clone(), now, uid, payment }
    }
}

/// What a payment has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The payment.
    pub payment: PaymentId,
    /// Where it stands now.
    pub state: PaymentState,
    /// The accounting system's answer.
    pub settlement: Settlement,
}

/// The decision over an answer of the accounting system.
#[derive(Clone, Debug)]
pub struct Settle {
    setup: Arc<Setup>,
    now: Time,
    entry_key: Key,
    entry_version: Version,
    instruction: Instruction,
    settlement: Settlement,
}

impl Settle {
    fn keys(&self) -> Vec<Key> {
        let tenant = self.setup.tenant();
        let Instruction { uid, payment, refund, .. } = &self.instruction;
        let mut keys = alloc::vec![
            self.entry_key.clone(),
            table::payment(tenant, uid, payment),
            table::item(tenant, uid),
        ];
        if self.instruction.kind == InstructionKind::Refund {
            keys.push(table::refund(tenant, uid, payment, refund));
        }
        keys
    }

    fn debit(
        &self,
        payment: &mut Payment,
        item: Option<&mut Item>,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let own = |item: &Item| item.payment == Some(self.instruction.payment);
        let item = item.filter(|item| item.kind == Kind::Order && own(item));
        match (payment.state, self.settlement) {
            (PaymentState::Accepted, Settlement::Done) => {
                payment.state = PaymentState::Paid;
                if let Some(item) = item {
                    item.state = State::Paid;
                }
            }
            (PaymentState::Accepted, Settlement::Declined(cause)) => {
                payment.state = PaymentState::Declined;
                payment.cause = cause;
                if let Some(item) = item {
                    // Payable again, through a new challenge.
                    item.state = State::Open;
                    item.payment = None;
                }
            }
            (PaymentState::Lapsed, Settlement::Done) => match item {
                Some(item)
                    if self.setup.policy().late == Late::Accept && item.state == State::Lapsed =>
                {
                    payment.state = PaymentState::Paid;
                    item.state = State::Paid;
                }
                _ => {
                    payment.state = PaymentState::Reversing;
                    self.owe_reversal(batch)?;
                }
            },
            (PaymentState::Lapsed, Settlement::Declined(cause)) => {
                payment.state = PaymentState::Declined;
                payment.cause = cause;
            }
            // Settled before; the entry only has to go.
            _ => {}
        }
        Ok(())
    }

    /// The refund of a payment that was purged while it was owed: only the refund is left to be settled. A debit is never
    /// purged before its answer, so that one without a payment stays owed, and shows.
    fn outlived(&self, answers: &Answers) -> Result<Step<Audited<Verdict<Settled>>>, Error> {
        let mut batch = Batch::with_capacity(3);
        let entry = point(answers, 0)?.map(|row| row.version);
        if self.instruction.kind == InstructionKind::Refund && entry == Some(self.entry_version) {
            let keys = self.keys();
            batch.delete(self.entry_key.clone(), Expect::At(self.entry_version));
            if let (Some(row), Some(key)) = (point(answers, 3)?, keys.get(3)) {
                let mut refund = Refund::parse(&row.value)?;
                if refund.state == RefundState::Owed {
                    refund.state = self.refund_state();
                    batch.put(key.clone(), Row::unchanged(Some(row)), refund.encode());
                }
            }
            if let Some(key) = keys.get(1) {
                batch.require(key.clone(), Expect::Absent);
            }
        }
        let audit = if batch.is_empty() {
            let trail = Trail {
                subject: self.instruction.uid.as_bytes().clone(),
                refusal: Some(Refusal::UnknownPayment),
                correlation: self.instruction.payment.0,
                ..Trail::default()
            };
            self.setup.audit(self.now, "qrpay.settle.unknown", trail)
        } else {
            self.verdict(PaymentState::Declined).audit
        };
        Ok(done(Verdict::Declined(Refusal::UnknownPayment), audit, batch))
    }

    const fn refund_state(&self) -> RefundState {
        match self.settlement {
            Settlement::Done => RefundState::Done,
            Settlement::Declined(_) => RefundState::Declined,
        }
    }

    fn owe_reversal(&self, batch: &mut Batch) -> Result<(), Error> {
        let reversal = Instruction { kind: InstructionKind::Reversal, ..self.instruction.clone() };
        let mut content = Vec::with_capacity(reversal.encoded_bytes());
        reversal.encode(&mut content);
        let idempotency = Sha256::new()
            .chain_update(b"interbank/qrpay/reversal/v1\0")
            .chain_update(&content)
            .finalize();
        self.setup.owe(batch, self.now, idempotency.into(), content)
    }

    fn verdict(&self, state: PaymentState) -> Audited<Verdict<Settled>> {
        let action = match (self.instruction.kind, self.settlement) {
            (InstructionKind::Debit, Settlement::Done) => match state {
                PaymentState::Reversing | PaymentState::Reversed | PaymentState::Unreversed => {
                    "qrpay.settle.late"
                }
                _ => "qrpay.settle.paid",
            },
            (InstructionKind::Refund, Settlement::Done) => "qrpay.settle.refunded",
            (InstructionKind::Reversal, Settlement::Done) => "qrpay.settle.reversed",
            (InstructionKind::Debit, Settlement::Declined(_)) => "qrpay.settle.declined",
            (InstructionKind::Refund, Settlement::Declined(_)) => "qrpay.settle.unrefunded",
            (InstructionKind::Reversal, Settlement::Declined(_)) => "qrpay.settle.unreversed",
        };
        self.audited(action, state)
    }

    fn audited(&self, action: &'static str, state: PaymentState) -> Audited<Verdict<Settled>> {
        let Instruction { payment, uid, account, .. } = &self.instruction;
        let trail = Trail {
            actor: Bytes::copy_from_slice(account.as_bytes()),
            subject: uid.as_bytes().clone(),
            refusal: match self.settlement {
                Settlement::Done => None,
                Settlement::Declined(cause) => Some(Refusal::Debit(cause)),
            },
            correlation: payment.0,
        };
        let audit = self.setup.audit(self.now, action, trail);
        let settled = Settled { payment: *payment, state, settlement: self.settlement };
        Audited { verdict: Verdict::Granted(settled), audit }
    }
}

impl Decision for Settle {
    type Verdict = Audited<Verdict<Settled>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points(self.keys()))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let entry = point(&answers, 0)?;
        let payment_row = point(&answers, 1)?;
        let item_row = point(&answers, 2)?;
        let Some(payment_row) = payment_row else { return self.outlived(&answers) };
        let mut payment = Payment::parse(&payment_row.value)?;
        let before = payment.clone();
        if entry.map(|row| row.version) != Some(self.entry_version) {
            // Somebody settled it already.
            let verdict = self.audited("qrpay.settle.repeated", payment.state);
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let mut item = item_row.map(|row| Item::parse(&row.value)).transpose()?;
        let item_before = item.clone();
        let mut batch = Batch::with_capacity(4);
        batch.delete(self.entry_key.clone(), Expect::At(self.entry_version));
        match self.instruction.kind {
            InstructionKind::Debit => self.debit(&mut payment, item.as_mut(), &mut batch)?,
            InstructionKind::Reversal if payment.state == PaymentState::Reversing => {
                payment.state = match self.settlement {
                    Settlement::Done => PaymentState::Reversed,
                    Settlement::Declined(cause) => {
                        payment.cause = cause;
                        PaymentState::Unreversed
                    }
                };
            }
            InstructionKind::Reversal => {}
            InstructionKind::Refund => {
                let row = point(&answers, 3)?;
                if let Some(row) = row {
                    let mut refund = Refund::parse(&row.value)?;
                    if refund.state == RefundState::Owed {
                        refund.state = self.refund_state();
                        if refund.state == RefundState::Declined {
                            payment.refunded_minor -= refund.amount.minor();
                        }
                        let keys = self.keys();
                        if let Some(key) = keys.get(3) {
                            batch.put(key.clone(), Row::unchanged(Some(row)), refund.encode());
                        }
                    }
                }
            }
        }
        let tenant = self.setup.tenant();
        let Instruction { uid, payment: id, .. } = &self.instruction;
        let payment_key = table::payment(tenant, uid, id);
        if payment == before {
            batch.require(payment_key, Row::unchanged(Some(payment_row)));
        } else {
            batch.put(payment_key, Row::unchanged(Some(payment_row)), payment.encode());
        }
        let item_key = table::item(tenant, uid);
        match item.filter(|item| Some(item) != item_before.as_ref()) {
            Some(item) => batch.put(item_key, Row::unchanged(item_row), item.encode()),
            None => batch.require(item_key, Row::unchanged(item_row)),
        };
        Ok(Step::Done(Conclusion { verdict: self.verdict(payment.state), batch }))
    }
}

/// The decision to give up waiting.
#[derive(Clone, Debug)]
pub struct Lapse {
    setup: Arc<Setup>,
    now: Time,
    uid: Uid,
    payment: PaymentId,
}

impl Decision for Lapse {
    type Verdict = Audited<Verdict<PaymentState>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let tenant = self.setup.tenant();
        Ask::rows(ReadSet::points([
            table::payment(tenant, &self.uid, &self.payment),
            table::item(tenant, &self.uid),
        ]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let payment_row = point(&answers, 0)?;
        let item_row = point(&answers, 1)?;
        let trail = |refusal| Trail {
            subject: self.uid.as_bytes().clone(),
            refusal,
            correlation: self.payment.0,
            ..Trail::default()
        };
        let decline = |refusal| {
            let audit = self.setup.audit(self.now, "qrpay.lapse.declined", trail(Some(refusal)));
            Ok(done(Verdict::Declined(refusal), audit, Batch::new()))
        };
        let Some(payment_row) = payment_row else { return decline(Refusal::UnknownPayment) };
        let mut payment = Payment::parse(&payment_row.value)?;
        let now = self.setup.policy().skew.settle(self.now, payment.accepted)?;
        if payment.state != PaymentState::Accepted || now < payment.settle_by {
            return decline(Refusal::NotNow);
        }
        payment.state = PaymentState::Lapsed;
        let tenant = self.setup.tenant();
        let mut batch = Batch::with_capacity(2);
        let payment_key = table::payment(tenant, &self.uid, &self.payment);
        batch.put(payment_key, Row::unchanged(Some(payment_row)), payment.encode());
        if let Some(row) = item_row {
            let mut item = Item::parse(&row.value)?;
            let key = table::item(tenant, &self.uid);
            if item.payment == Some(self.payment) && item.state == State::Accepted {
                item.state = State::Lapsed;
                batch.put(key, Row::unchanged(item_row), item.encode());
            } else {
                batch.require(key, Row::unchanged(item_row));
            }
        }
        let audit = self.setup.audit(self.now, "qrpay.lapse.granted", trail(None));
        Ok(done(Verdict::Granted(payment.state), audit, batch))
    }
}
