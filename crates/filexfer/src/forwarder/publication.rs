//! Publishing, and the receipts of it: signed together, recorded at once.

use super::Forwarder;
use super::hand_over::waits_to_be_taken;
use super::rows::{Next, RECEIPTS, table};
use crate::access::peer;
use crate::client::encoded;
use crate::{
    End, Error, Failure, FileName, Job, JobEvent, Misuse, Notice, NoticeKind, OnConflict, Receipt,
    ReceiptBatch, SignedReceipt, Stage, State, TransferId, Work,
};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Effect, Key, KeyAnswer, Tenant, Time};

/// A receipt to be signed, and what is concluded with it.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) transfer: TransferId,
    pub(super) name: FileName,
    pub(super) receipts: Vec<Receipt>,
    /// Receipts of others.
    pub(super) others: Vec<Bytes>,
    /// What may happen once it is recorded.
    pub(super) then: Vec<Next>,
}

impl Forwarder {
    /// The answer to [`Work::Publish`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn published(
        &mut self,
        now: Time,
        transfer: &TransferId,
        done: Result<(), Failure>,
    ) -> Result<(), Error> {
        let now = self.see(now)?;
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        match done {
            Ok(()) if active.job.state == State::Verifying => {
                let name = active.job.name_to_try().map_err(|_| Misuse::TooLong)?;
                let mut stages = alloc::vec![Stage::Received, Stage::Verified];
                if !active.comes_from_site() {
                    stages.insert(0, Stage::Origin);
                }
                self.state(now, transfer, name, &stages, Vec::new(), Vec::new());
            }
            Ok(()) => {}
            Err(Failure::NameTaken) => self.apply(now, transfer, &JobEvent::NameTaken)?,
            Err(why) => self.fail(now, transfer, why)?,
        }
        self.pump(now)
    }

    pub(super) fn publish(&self, transfer: &TransferId) -> Result<Option<Work>, Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(None) };
        if !active.sinks_here() {
            return Ok(None);
        }
        let name = active.job.name_to_try().map_err(|_| Misuse::TooLong)?;
        let replace = active.job.request.on_conflict == OnConflict::Replace;
        let into = self.place_into(active);
        Ok(Some(Work::Publish { transfer: *transfer, into, name, replace }))
    }

    /// The prefix of stored receipts: transfer, then stage; each value is a [`SignedReceipt`].
    pub fn receipts(tenant: Tenant) -> Key {
        table(tenant, RECEIPTS)
    }

    /// States something; it is signed with what others state at the time.
    pub(super) fn state(
        &mut self,
        now: Time,
        transfer: &TransferId,
        name: FileName,
        stages: &[Stage],
        others: Vec<Bytes>,
        then: Vec<Next>,
    ) {
        let Some(active) = self.jobs.get(transfer) else { return };
        if self.is_being_signed(transfer) {
            return;
        }
        let job = &active.job;
        let (Some(size), Some(root)) = (job.size, job.root) else { return };
        let (Ok(request), Ok(verdict)) = (job.request.digest(), verdict_digest(job)) else {
            return;
        };
        let receipt = |stage: &Stage| Receipt {
            stage: *stage,
            party: self.config.party.clone(),
            id: job.request.id,
            request,
            verdict,
            root,
            size,
            at: now,
            content: None,
            follows: None,
        };
        let receipts = stages.iter().map(receipt).collect();
        self.to_sign.push(Statement { transfer: *transfer, name, receipts, others, then });
    }

    pub(super) fn is_being_signed(&self, transfer: &TransferId) -> bool {
        let waiting = self.to_sign.iter();
        let asked = self.signing.iter().flat_map(|(_, statements, _)| statements);
        waiting.chain(asked).any(|statement| statement.transfer == *transfer)
    }

    pub(super) fn sign(&mut self, now: Time) -> Result<(), Error> {
        if self.signing.is_some() || self.to_sign.is_empty() || now < self.sign_at {
            return Ok(());
        }
        let many = self.to_sign.len().min(SIGNED_AT_ONCE);
        let statements: Vec<Statement> = self.to_sign.drain(..many).collect();
        let mut batch = ReceiptBatch::new();
        for receipt in statements.iter().flat_map(|statement| &statement.receipts) {
            batch.push(receipt.clone()).map_err(|_| Misuse::TooLong)?;
        }
        let ticket = self.ticket();
        let questions = alloc::vec![batch.head().question(self.config.key.0)];
        self.signing = Some((ticket, statements, batch));
        self.effects.push_back(Effect::Ask { ticket, questions });
        Ok(())
    }

    pub(super) fn on_signed(&mut self, now: Time, answer: Option<KeyAnswer>) -> Result<(), Error> {
        let Some((_, statements, batch)) = self.signing.take() else { return Ok(()) };
        let Some(KeyAnswer::Signature(signature)) = answer else {
            self.sign_at = now.plus_ms(self.config.again_ms);
            self.to_sign.splice(..0, statements);
            return Ok(());
        };
        let mut signed = batch.sign(self.config.key.1, signature).into_iter();
        for statement in statements {
            let mine: Vec<SignedReceipt> = signed.by_ref().take(statement.receipts.len()).collect();
            self.deliver(now, statement, &mine)?;
        }
        Ok(())
    }

    /// Published and signed for: delivered, recorded and told in one commit. Or, after that, handed over.
    pub(super) fn deliver(
        &mut self,
        now: Time,
        statement: Statement,
        mine: &[SignedReceipt],
    ) -> Result<(), Error> {
        let Statement { transfer, name, others, mut then, .. } = statement;
        let Some(active) = self.jobs.get(&transfer) else { return Ok(()) };
        let event = JobEvent::Published { name };
        let Ok(next) = active.job.on(now, &event, &self.config.retry) else { return Ok(()) };
        let mut rows = Vec::new();
        let mut receipts = others;
        for receipt in mine {
            receipts.push(encoded(receipt)?);
        }
        for receipt in &receipts {
            let stage = [SignedReceipt::parse(receipt)?.receipt.stage.as_u8()];
            let key = Self::receipts(self.config.tenant).raw(&transfer.0)?.raw(&stage)?;
            rows.push((key, Some(receipt.clone())));
        }
        let waiting = waits_to_be_taken(&next.key(self.config.tenant)?)?;
        rows.push((self.handed_key(&transfer)?, Some(waiting)));
        let notice = self.result(&next, transfer, receipts.clone());
        let (key, entry) = self.entry(now, self.upstream(&next)?, &notice)?;
        rows.push((key, Some(entry)));
        if let End::FileSystem { backstage, .. } = &active.route.sink {
            let arrival = Notice { kind: NoticeKind::Arrival, ..notice };
            let (key, entry) = self.entry(now, peer(backstage)?, &arrival)?;
            rows.push((key, Some(entry)));
        }
        then.push(Next::Nudge);
        then.extend(self.discards(&transfer));
        self.take(now, &transfer, next, rows, then)
    }
}

pub(super) fn verdict_digest(job: &Job) -> Result<[u8; 32], Error> {
    let signed = job.verdict.as_ref().ok_or(Misuse::NotAsked)?;
    Ok(signed.verdict.digest()?)
}

/// Statements of one signature: with their rows they fit a batch each, not all in one.
pub(super) const SIGNED_AT_ONCE: usize = 1_024;
