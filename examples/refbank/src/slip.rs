//! What the payment server was answered: its own view of each movement, for reconciliation.

use crate::bank::Bank;
use crate::message;
use crate::rows;
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::outbox::Entry;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{
    Amount, Batch, Expect, Key, ReadSet, Row, Scan, Store as _, Time, WireError,
};
use interbank::qrpay::{Instruction, InstructionKind, Settlement};
use interbank::standin::RequestKey;

/// An instruction and its settlement; written in the batch that settles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    pub(crate) instruction: Instruction,
    pub(crate) settlement: Settlement,
}

impl Slip {
    /// Writes it down.
    pub(crate) fn put(
        entry: &Entry,
        answer: &[u8],
    ) -> Result<impl Fn(&mut Batch) + use<>, Trouble> {
        let instruction = Instruction::parse(&entry.content)?;
        let key = rows::slip(&message::key(entry, &instruction)?)?;
        let mut bytes = Vec::with_capacity(192);
        Writer::new(&mut bytes, 1).lp16(&entry.content)?.lp8(answer)?;
        let bytes = Bytes::from(bytes);
        Ok(move |batch: &mut Batch| {
            batch.put(key.clone(), Expect::Any, bytes.clone());
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let instruction = Instruction::parse(&Bytes::copy_from_slice(reader.lp16()?))?;
        let settlement = Settlement::parse(reader.lp8()?)?;
        reader.finish()?;
        Ok(Self { instruction, settlement })
    }

    /// What was settled, as the payer's account sees it; `None` if nothing was.
    pub(crate) fn settled(&self) -> Option<Amount> {
        let amount = self.instruction.amount;
        let minor = match self.instruction.kind {
            InstructionKind::Debit => amount.minor(),
            InstructionKind::Refund | InstructionKind::Reversal => amount.minor().saturating_neg(),
        };
        (self.settlement == Settlement::Done).then(|| Amount::new(minor, amount.currency()))
    }
}

impl Bank {
    /// All slips, the oldest request first.
    pub(crate) async fn slips(&self) -> Result<Vec<(RequestKey, Slip)>, Trouble> {
        let rows = self.rows_under(rows::slips()).await?;
        let read = |(key, row): &(Key, Row)| {
            Ok((rows::slip_key(key).ok_or(Trouble::Damaged)?, Slip::parse(&row.value)?))
        };
        rows.iter().map(read).collect()
    }

    /// Deletes slips of payments whose record is over.
    pub(crate) async fn purge_slips(&self, now: Time) -> Result<(), Trouble> {
        let policy = &self.server().config().policy;
        let kept_ms = policy.record_kept_ms.saturating_add(policy.order_valid_ms);
        loop {
            let want = ReadSet::scan(Scan::first(rows::slips(), Scan::ROWS_MAX));
            let found = self.vault().read(&want).await.map_err(Trouble::store)?;
            let over: Vec<Key> = found
                .scans
                .into_iter()
                .flatten()
                .map(|(key, _)| key)
                .take_while(|key| {
                    rows::slip_key(key).is_none_or(|key| now.since_ms(key.sent_at()) >= kept_ms)
                })
                .collect();
            let all = over.len() == Scan::ROWS_MAX;
            self.delete(over).await?;
            if !all {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;
    use crate::message::tests::{entry, instruction};

    async fn write(bank: &Bank, entries: &[Entry], settlement: Settlement) {
        for some in entries.chunks(50) {
            let mut batch = Batch::new();
            for entry in some {
                Slip::put(entry, &settlement.to_bytes()).unwrap()(&mut batch);
            }
            let _ = bank.vault().commit(&batch).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_settled_is_read_back_signed() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, _) = bank(&folder).await;
        let kinds = [InstructionKind::Debit, InstructionKind::Refund, InstructionKind::Reversal];
        for (id, kind) in (1..).zip(kinds) {
            write(&bank, &[entry(id, &instruction(kind, 400))], Settlement::Done).await;
        }
        let declined = entry(4, &instruction(InstructionKind::Debit, 400));
        write(&bank, &[declined], Settlement::Declined(51)).await;
        let mut settled: Vec<Option<i64>> = Vec::new();
        for (key, slip) in bank.slips().await.unwrap() {
            assert_eq!(key.sent_at(), Time::from_s(1));
            settled.push(slip.settled().map(|amount| amount.minor()));
        }
        settled.sort_unstable();
        assert_eq!(settled, [None, Some(-400), Some(-400), Some(400)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pages_of_slips_are_read_and_deleted_when_they_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, _) = bank(&folder).await;
        let debit = instruction(InstructionKind::Debit, 400);
        let made = |number: u64| {
            let mut entry = entry(1, &debit);
            entry.idempotency[..8].copy_from_slice(&number.to_be_bytes());
            entry.created = Time::from_s(if number < 1_050 { 1 } else { 2 });
            entry
        };
        let all: Vec<Entry> = (0..1_100).map(made).collect();
        write(&bank, &all, Settlement::Done).await;
        assert_eq!(bank.slips().await.unwrap().len(), 1_100);
        let policy = &bank.server().config().policy;
        let over = Time::from_s(1).plus_ms(policy.record_kept_ms + policy.order_valid_ms);
        bank.purge_slips(Time::from_ms(over.as_ms() - 1)).await.unwrap();
        assert_eq!(bank.slips().await.unwrap().len(), 1_100);
        bank.purge_slips(over).await.unwrap();
        assert_eq!(bank.slips().await.unwrap().len(), 50);
    }
}
