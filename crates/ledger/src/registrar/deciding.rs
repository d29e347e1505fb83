//! From a queue to a draft, and from a decided draft to one batch and its answers.

use super::answering::Told;
use super::{Drafted, Registrar, RegistrarEvent};
use crate::rows::{Decided, Head, Rows, Signed};
use crate::{
    At, Block, Body, Checkpoint, Draft, Error, Height, Misuse, Note, Refusal, SignedHeader, Status,
    Transaction,
};
use alloc::vec::Vec;
use port::{Batch, Time, Version};

/// A block that is decided and not yet durable.
#[derive(Clone, Debug)]
pub struct Decision {
    draft: Draft,
    signed: Signed,
}

impl Decision {
    /// Its header, and who vouches for it.
    pub const fn header(&self) -> &SignedHeader {
        &self.signed.head.header
    }
}

impl Registrar {
    /// What the next block would be, of what waits. If all of it is refused, that rests on nothing new, and is told at once.
    /// `None`: there is nothing for a block.
    ///
    /// # Errors
    /// [`Error::Misuse`]: never for what was taken.
    pub fn draft(&mut self, now: Time) -> Result<Option<Draft>, Error> {
        while !self.queue.is_empty() {
            let digests: Vec<_> =
                self.queue.iter().take(Block::TRANSACTIONS_MAX).copied().collect();
            let candidates: Vec<Transaction> = digests
                .iter()
                .filter_map(|digest| self.waiting.get(digest))
                .map(|waiting| waiting.transaction.clone())
                .collect();
            let draft = self.chain.draft(now, self.node, &candidates, Rows::ENTRIES_MAX);
            let refused = digests.iter().zip(&draft.fates);
            let refused: Vec<([u8; 32], Refusal)> =
                refused.filter_map(|(digest, fate)| Some((*digest, fate.err()?))).collect();
            if draft.transactions.is_empty() && refused.is_empty() {
                return Ok(None);
            }
            if draft.transactions.is_empty() {
                self.refuse(refused)?;
                continue;
            }
            self.drafted = Some(Drafted { digest: draft.header.digest(), refused });
            return Ok(Some(draft));
        }
        Ok(None)
    }

    /// Whether a draft's rows are few enough for one batch: what this node drafts is, what others propose may not be.
    pub fn fits(draft: &Draft) -> bool {
        draft.stored().count() <= Rows::ENTRIES_MAX
    }

    /// The text of the checkpoint after a draft, to be signed.
    pub fn checkpoint_of(&self, draft: &Draft) -> Checkpoint {
        let (size, root) = (draft.header.log_size, draft.header.log_root);
        Checkpoint { origin: self.chain.state().genesis().origin().into(), size, root }
    }

    /// The batch of a decided block, to which an ordering may add [`Registrar::OWN_OPS_MAX`] operations. The decision goes back
    /// in by [`Registrar::decided`] once the batch is durable.
    ///
    /// # Errors
    /// [`Error::Misuse`]: never for a draft of this chain's head that fits.
    pub fn decide(
        &self,
        draft: Draft,
        header: SignedHeader,
        checkpoint: Option<Note>,
    ) -> Result<(Batch, Decision), Error> {
        let height = header.header.height;
        let transactions = &draft.transactions;
        let until = transactions.iter().map(|it| it.window.until).max().unwrap_or(height);
        let digests: Result<_, _> = transactions.iter().map(Transaction::digest).collect();
        let decided = Decided { until, digests: digests.map_err(Misuse::too_long)? };
        let over = self.memories.keys().take_while(|(until, _)| *until <= height);
        let over: Vec<_> = over.take(Rows::FORGOTTEN_MAX).copied().collect();
        let signed = Signed { head: Head { header, checkpoint }, decided, over };
        let batch = self.rows.batch(&draft, &signed, self.chain.log(), self.head)?;
        Ok((batch, Decision { draft, signed }))
    }

    /// The batch of a decision is durable, by this commit: the chain goes on, and who waits is answered.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the decision is not for this chain's head; then drop this.
    pub fn decided(&mut self, decision: Decision, version: Version) -> Result<(), Error> {
        let Decision { draft, signed } = decision;
        let Signed { head: Head { header, checkpoint }, decided, over } = signed;
        let (height, time) = (header.header.height, header.header.time);
        let digest = header.header.digest();
        if self.chain.adopt(&draft, header).is_err() {
            // It was drafted for this head, and nothing came between.
            return Err(Error::Fenced);
        }
        self.head = Some(version);
        self.checkpoint = checkpoint;
        over.iter().for_each(|memory| self.forget(memory));
        self.events.push_back(RegistrarEvent::Block(height));
        for (place, digest) in (0..).zip(&decided.digests) {
            let told = Told::Decided { digest: *digest, height, place };
            for peer in self.remove(digest).into_iter().flat_map(|waiting| waiting.peers) {
                self.tell(&peer, told)?;
            }
        }
        self.remember(height, decided);
        // What was refused within this very block.
        let drafted = self.drafted.take().filter(|drafted| drafted.digest == digest);
        self.refuse(drafted.map(|drafted| drafted.refused).unwrap_or_default())?;
        self.judge_again(time)?;
        self.tell_results(height, &draft.transactions)?;
        self.flag_overdue();
        Ok(())
    }

    /// The checkpoint after the newest block, signed after that was durable, as an ordering by votes does.
    pub fn set_checkpoint(&mut self, checkpoint: Note) {
        self.checkpoint = Some(checkpoint);
    }

    /// Who waits for something that the newest block made impossible is told, whoever drafts next. The authority finds the same
    /// when it drafts; a node that others draft for would hold it until its window ends.
    fn judge_again(&mut self, time: Time) -> Result<(), Error> {
        if !self.chain.state().genesis().is_by_votes() {
            return Ok(());
        }
        let at = At { height: self.chain.next_height(), time };
        let state = self.chain.state();
        let oldest = self.queue.iter().take(Self::JUDGED_AGAIN);
        let waiting = oldest.filter_map(|digest| Some((*digest, self.waiting.get(digest)?)));
        let refused = waiting.filter_map(|(digest, it)| {
            let why = state.judge_verified(at, &it.transaction).err()?;
            Some((digest, why))
        });
        let refused = refused.collect();
        self.refuse(refused)
    }

    /// Who asked for a registration learns what came of it; who audits learns what is to be audited.
    fn tell_results(&mut self, height: Height, decided: &[Transaction]) -> Result<(), Error> {
        for transaction in decided {
            match &transaction.body {
                Body::Register(_) => {
                    if let Some(file) = transaction.file().map_err(Misuse::too_long)? {
                        let status = self.chain.state().file(file).map(|file| &file.status);
                        if status == Some(&Status::Auditing) {
                            self.events.push_back(RegistrarEvent::Requested(file));
                        }
                    }
                }
                Body::Judge(verdict) => {
                    let file = self.chain.state().file(verdict.file);
                    let is_now = file.is_some_and(|file| file.since == height);
                    // Of several nodes that saw it, the one that completed the audit tells.
                    let state = self.chain.state();
                    let is_alone = !state.genesis().is_by_votes();
                    let is_now = is_now && (is_alone || verdict.auditor == self.node);
                    if let Some((peer, told)) = self.conclusion(verdict.file).filter(|_| is_now) {
                        self.tell(&peer, told)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn flag_overdue(&mut self) {
        let state = self.chain.state();
        let overdue: Vec<_> = state.overdue(self.chain.next_height()).collect();
        self.flagged.retain(|file| overdue.contains(file));
        for file in overdue {
            if self.flagged.insert(file) {
                self.events.push_back(RegistrarEvent::Overdue(file));
            }
        }
    }
}
