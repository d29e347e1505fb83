//! Refunds, and withdrawing an item.

use crate::instruction::{Instruction, InstructionKind};
use crate::item::{Item, State};
use crate::payment::{Payment, PaymentState, Refund, RefundState};
use crate::server::{Setup, Trail, done};
use crate::table::{self, point};
use crate::{Error, Misuse, PaymentId, PaymentServer, Refusal, Uid, Verdict};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Amount, Answers, Ask, Batch, Decision, Expect, Key, ReadSet, Row, Step, Time};
use seal::Audited;
use sha2::{Digest as _, Sha256};

impl PaymentServer {
    /// Decides to give back all or part of a payment. The same refund id with the same amount gives the same answer, with
    /// another amount it is refused; all refunds together never exceed the payment.
    ///
    /// # Errors
    /// [`Misuse::Amount`] unless positive, [`Misuse::Text`] for a refund id that is empty or longer than 64 bytes.
    pub fn refund(
        &self,
        now: Time,
        uid: Uid,
        payment: PaymentId,
        refund_id: impl Into<Bytes>,
        amount: Amount,
    ) -> Result<Refunding, Misuse> {
        let refund_id = refund_id.into();
        if !amount.is_positive() {
            return Err(Misuse::Amount);
        }
        if !(1..=64).contains(&refund_id.len()) {
            return Err(Misuse::Text);
        }
        Ok(Refunding { setup: self.setup.clone(), now, uid, payment, refund_id, amount })
    }

    /// Decides to withdraw an item: an order that is not paid, or a commodity. What is already accepted or paid is refused:
    /// refund it.
    pub fn cancel(&self, now: Time, uid: Uid) -> Cancel {
        Cancel { setup: self.setup.clone(), now, uid }
    }
}

/// What a merchant gets: the credit is owed and will be made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The refund's row.
    pub refund: Refund,
    /// What can still be refunded after it.
    pub refundable: Amount,
    /// Whether this answers a repeated request.
    pub repeated: bool,
}

/// The decision to refund.
#[derive(Clone, Debug)]
pub struct Refunding {
    setup: Arc<Setup>,
    now: Time,
    uid: Uid,
    payment: PaymentId,
    refund_id: Bytes,
    amount: Amount,
}

impl Refunding {
    fn refund_key(&self) -> Key {
        table::refund(self.setup.tenant(), &self.uid, &self.payment, &self.refund_id)
    }

    fn payment_key(&self) -> Key {
        table::payment(self.setup.tenant(), &self.uid, &self.payment)
    }

    fn trail(&self, refusal: Option<Refusal>) -> Trail {
        Trail {
            actor: self.refund_id.clone(),
            subject: self.uid.as_bytes().clone(),
            refusal,
            correlation: self.payment.0,
        }
    }

    fn decline(&self, refusal: Refusal) -> Step<Audited<Verdict<Refunded>>> {
        let audit = self.setup.audit(self.now, "qrpay.refund.declined", self.trail(Some(refusal)));
        done(Verdict::Declined(refusal), audit, Batch::new())
    }

    /// Checks against the payment; the new total refunded, or the refusal.
    fn new_total(&self, payment: &Payment) -> Result<i64, Refusal> {
        if payment.state != PaymentState::Paid {
            return Err(Refusal::NotNow);
        }
        if payment.price.amount.currency() != self.amount.currency() {
            return Err(Refusal::RefundTooLarge);
        }
        let total = payment.refunded_minor.checked_add(self.amount.minor());
        total.filter(|total| *total <= payment.price.amount.minor()).ok_or(Refusal::RefundTooLarge)
    }
}

impl Decision for Refunding {
    type Verdict = Audited<Verdict<Refunded>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([self.payment_key(), self.refund_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let payment_row = point(&answers, 0)?;
        let refund_row = point(&answers, 1)?;
        let Some(row) = payment_row else { return Ok(self.decline(Refusal::UnknownPayment)) };
        let mut payment = Payment::parse(&row.value)?;
        if let Some(known) = refund_row {
            let refund = Refund::parse(&known.value)?;
            if refund.amount != self.amount {
                return Ok(self.decline(Refusal::KeyReused));
            }
            let refunded = Refunded { refund, refundable: payment.refundable(), repeated: true };
            let audit = self.setup.audit(self.now, "qrpay.refund.repeated", self.trail(None));
            return Ok(done(Verdict::Granted(refunded), audit, Batch::new()));
        }
        let now = self.setup.policy().skew.settle(self.now, payment.accepted)?;
        payment.refunded_minor = match self.new_total(&payment) {
            Ok(total) => total,
            Err(refusal) => return Ok(self.decline(refusal)),
        };
        let refund = Refund { state: RefundState::Owed, amount: self.amount, granted: now };
        let mut batch = Batch::with_capacity(3);
        batch.put(self.payment_key(), Row::unchanged(payment_row), payment.encode());
        batch.put(self.refund_key(), Expect::Absent, refund.encode());
        let instruction = Instruction {
            kind: InstructionKind::Refund,
            tenant: self.setup.tenant(),
            uid: self.uid.clone(),
            payment: self.payment,
            account: payment.account,
            merchant: payment.merchant.clone(),
            amount: self.amount,
            refund: self.refund_id.clone(),
        };
        let mut content = Vec::with_capacity(instruction.encoded_bytes());
        instruction.encode(&mut content);
        let idempotency = Sha256::new()
            .chain_update(b"interbank/qrpay/refund/v1\0")
            .chain_update(self.payment.0)
            .chain_update(self.uid.as_bytes())
            .chain_update([0])
            .chain_update(&self.refund_id)
            .finalize();
        self.setup.owe(&mut batch, now, idempotency.into(), content)?;
        let audit = self.setup.audit(now, "qrpay.refund.granted", self.trail(None));
        let refunded = Refunded { refund, refundable: payment.refundable(), repeated: false };
        Ok(done(Verdict::Granted(refunded), audit, batch))
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.refund_key())
    }

    /// The refund's row is there: begin again and take the repeated path, which also knows what is left.
    fn recall(&mut self, _: &Row) -> Result<Option<Self::Verdict>, Error> {
        Ok(None)
    }
}

/// The decision to withdraw an item.
#[derive(Clone, Debug)]
pub struct Cancel {
    setup: Arc<Setup>,
    now: Time,
    uid: Uid,
}

impl Decision for Cancel {
    type Verdict = Audited<Verdict<State>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let key = table::item(self.setup.tenant(), &self.uid);
        Ask::rows(ReadSet::points([key]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let row = point(&answers, 0)?;
        let trail =
            |refusal| Trail { subject: self.uid.as_bytes().clone(), refusal, ..Trail::default() };
        let decline = |refusal| {
            let audit = self.setup.audit(self.now, "qrpay.cancel.declined", trail(Some(refusal)));
            Ok(done(Verdict::Declined(refusal), audit, Batch::new()))
        };
        let Some(found) = row else { return decline(Refusal::UnknownItem) };
        let mut item = Item::parse(&found.value)?;
        let audit = self.setup.audit(self.now, "qrpay.cancel.granted", trail(None));
        match item.state {
            State::Cancelled => Ok(done(Verdict::Granted(State::Cancelled), audit, Batch::new())),
            State::Accepted | State::Paid => decline(Refusal::NotNow),
            State::Open | State::Lapsed => {
                item.state = State::Cancelled;
                item.challenges.clear();
                let mut batch = Batch::with_capacity(1);
                let key = table::item(self.setup.tenant(), &self.uid);
                batch.put(key, Row::unchanged(row), item.encode());
                Ok(done(Verdict::Granted(State::Cancelled), audit, batch))
            }
        }
    }
}
