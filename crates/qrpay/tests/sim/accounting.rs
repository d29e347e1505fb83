//! The accounting system as the bank sees it: acts once for each key, answers late, twice, or not at all.

use bytes::Bytes;
use interbank_qrpay::{Instruction, InstructionKind, PaymentId, Settlement};
use port::outbox::{Answer, Entry};
use simkit::Rng;
use std::collections::BTreeMap;

pub(crate) struct Accounting {
    rng: Rng,
    declines: bool,
    /// Everything it ever decided, by idempotency key.
    pub(crate) acts: BTreeMap<[u8; 32], Act>,
    /// Frames that came, repeated ones too.
    pub(crate) seen: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) instruction: Instruction,
    pub(crate) settlement: Settlement,
}

impl Accounting {
    /// Declines some of what it is asked.
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, declines: true, acts: BTreeMap::new(), seen: 0 }
    }

    /// Does whatever it is asked.
    pub(crate) fn willing() -> Self {
        Self { declines: false, ..Self::new(Rng::new(0)) }
    }

    /// The answer to a frame of the outbox.
    pub(crate) fn on_frame(&mut self, frame: &[u8]) -> Result<Bytes, String> {
        self.seen += 1;
        let entry = Entry::parse(frame).map_err(|why| why.to_string())?;
        let instruction = Instruction::parse(&entry.content).map_err(|why| why.to_string())?;
        if !self.acts.contains_key(&entry.idempotency) {
            let settlement = self.decide(instruction.kind);
            let act = Act { instruction: instruction.clone(), settlement };
            self.acts.insert(entry.idempotency, act);
        }
        let act = &self.acts[&entry.idempotency];
        if act.instruction != instruction {
            return Err("one idempotency key asks for two things".into());
        }
        let content = act.settlement.to_bytes();
        let mut bytes = Vec::new();
        let answer = Answer { idempotency: entry.idempotency, content };
        answer.encode(&mut bytes).map_err(|why| why.to_string())?;
        Ok(bytes.into())
    }

    fn decide(&mut self, kind: InstructionKind) -> Settlement {
        let one_in = match kind {
            InstructionKind::Debit | InstructionKind::Refund => 6,
            InstructionKind::Reversal => 12,
        };
        if self.declines && self.rng.chance(1, one_in) {
            Settlement::Declined(51)
        } else {
            Settlement::Done
        }
    }

    /// What was done for a payment in one direction, in minor units, and how often.
    pub(crate) fn moved(&self, payment: PaymentId, kind: InstructionKind) -> (i64, usize) {
        let moves = self.done(kind).filter(|instruction| instruction.payment == payment);
        moves.fold((0, 0), |(sum, times), one| (sum + one.amount.minor(), times + 1))
    }

    /// Whether it has decided about a payment in one direction.
    pub(crate) fn has_answered(&self, payment: PaymentId, kind: InstructionKind) -> bool {
        let about = |act: &Act| act.instruction.payment == payment && act.instruction.kind == kind;
        self.acts.values().any(about)
    }

    /// Everything that was done in one direction.
    pub(crate) fn done(&self, kind: InstructionKind) -> impl Iterator<Item = &Instruction> {
        let done = self.acts.values().filter(|act| act.settlement == Settlement::Done);
        done.map(|act| &act.instruction).filter(move |instruction| instruction.kind == kind)
    }
}
