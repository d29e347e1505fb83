//! Blocks: drafted, signed, committed, adopted, and only then told.

use super::answering::Told;
use super::{Authority, AuthorityEvent, Waiting};
use crate::rows::{Decided, Head, Rows, Signed};
use crate::{
    Body, Checkpoint, Draft, Error, Height, Misuse, Note, SignedHeader, Status, Transaction,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::{Committed, Effect, KeyAnswer, KeyQuestion, Ticket, Time};
use seal::VerifyingKey;

/// A block under way.
#[derive(Debug)]
pub(super) struct Work {
    draft: Draft,
    checkpoint: Checkpoint,
    /// What is told when it is durable, and to whom.
    judged: Vec<(Waiting, Told)>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Unsigned,
    Asked(Ticket),
    Committing(Ticket, Box<Signed>),
}

impl Work {
    pub(super) const fn is_unsigned(&self) -> bool {
        matches!(self.stage, Stage::Unsigned)
    }

    /// The transactions that it was made of, also those that it leaves out.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.judged.iter_mut().map(|(waiting, _)| waiting)
    }
}

impl Authority {
    /// Drafts a block of what waits, and asks for its signatures. If all of it is refused, that rests on nothing new, and is
    /// told at once.
    pub(super) fn begin(&mut self, now: Time) -> Result<(), Error> {
        while !self.queue.is_empty() {
            let candidates: Vec<Transaction> = self
                .queue
                .iter()
                .take(crate::Block::TRANSACTIONS_MAX)
                .map(|waiting| waiting.transaction.clone())
                .collect();
            let node = self.config.node;
            let draft = self.chain.draft(now, node, &candidates, Rows::ENTRIES_MAX);
            let judged: Vec<Waiting> = self.queue.drain(..draft.fates.len()).collect();
            let judged = told(&draft, judged);
            if draft.transactions.is_empty() {
                self.tell_all(judged)?;
                continue;
            }
            let (size, root) = (draft.header.log_size, draft.header.log_root);
            let checkpoint = Checkpoint { origin: self.origin(), size, root };
            self.work = Some(Work { draft, checkpoint, judged, stage: Stage::Unsigned });
            self.ask();
            break;
        }
        Ok(())
    }

    pub(super) fn ask(&mut self) {
        let ticket = self.ticket();
        let Some(work) = &mut self.work else { return };
        let key = self.config.key;
        let message = work.checkpoint.text().into_bytes().into();
        let questions =
            alloc::vec![work.draft.header.question(key), KeyQuestion::Sign { key, message }];
        work.stage = Stage::Asked(ticket);
        self.effects.push_back(Effect::Ask { ticket, questions });
    }

    pub(super) fn on_keys(
        &mut self,
        now: Time,
        ticket: Ticket,
        answers: Option<Vec<KeyAnswer>>,
    ) -> Result<(), Error> {
        let Some(work) = &self.work else { return Err(Misuse::NotAsked.into()) };
        if !matches!(work.stage, Stage::Asked(asked) if asked == ticket) {
            return Err(Misuse::NotAsked.into());
        }
        let signed = self.own_key(work.draft.header.height).and_then(|key| {
            let [KeyAnswer::Signature(block), KeyAnswer::Signature(log)] = answers?[..] else {
                return None;
            };
            let (header, key_number) = (work.draft.header, self.config.key_number);
            let signed = SignedHeader { header, key_number, signature: block };
            let note = Note::new(&work.checkpoint.text()).ok()?;
            let note = note.signed(&work.checkpoint.origin, key, log);
            let is_right =
                signed.is_signed_by(key) && note.is_signed_by(&work.checkpoint.origin, key);
            is_right.then_some((signed, note))
        });
        match signed {
            Some((header, note)) => self.commit(header, note),
            None => {
                self.sign_at = now.plus_ms(self.config.retry_ms);
                if let Some(work) = &mut self.work {
                    work.stage = Stage::Unsigned;
                }
                self.events.push_back(AuthorityEvent::NotSigned);
                Ok(())
            }
        }
    }

    fn commit(&mut self, header: SignedHeader, note: Note) -> Result<(), Error> {
        let ticket = self.ticket();
        let height = header.header.height;
        let Some(work) = &mut self.work else { return Ok(()) };
        let transactions = &work.draft.transactions;
        let until = transactions.iter().map(|it| it.window.until).max().unwrap_or(height);
        let digests: Result<_, _> = transactions.iter().map(Transaction::digest).collect();
        let decided = Decided { until, digests: digests.map_err(Misuse::too_long)? };
        let over = self.memories.keys().take_while(|(until, _)| *until <= height);
        let over: Vec<_> = over.take(Rows::FORGOTTEN_MAX).copied().collect();
        let signed = Signed { head: Head { header, checkpoint: note }, decided, over };
        let batch = self.rows.batch(&work.draft, &signed, self.chain.log(), self.head)?;
        work.stage = Stage::Committing(ticket, Box::new(signed));
        self.effects.push_back(Effect::Commit { ticket, batch });
        Ok(())
    }

    pub(super) fn on_committed(&mut self, ticket: Ticket, fate: Committed) -> Result<(), Error> {
        let is_due = matches!(
            &self.work,
            Some(Work { stage: Stage::Committing(asked, ..), .. }) if *asked == ticket
        );
        let Some(work) = self.work.take_if(|_| is_due) else {
            return Err(Misuse::NotAsked.into());
        };
        let (Committed::Applied(version), Stage::Committing(_, signed)) = (fate, work.stage) else {
            // Another instance wrote, or nobody knows: what is stored says what is true.
            self.fenced = true;
            return Err(Error::Fenced);
        };
        let Signed { head: Head { header, checkpoint }, decided, over } = *signed;
        let height = header.header.height;
        if self.chain.adopt(&work.draft, header).is_err() {
            // It was drafted for this head, and nothing came between.
            self.fenced = true;
            return Err(Error::Fenced);
        }
        self.head = Some(version);
        self.checkpoint = Some(checkpoint);
        over.iter().for_each(|memory| self.forget(memory));
        self.remember(height, decided);
        self.events.push_back(AuthorityEvent::Block(height));
        self.tell_all(work.judged)?;
        self.tell_results(height, &work.draft.transactions)?;
        self.flag_overdue();
        Ok(())
    }

    fn tell_all(&mut self, judged: Vec<(Waiting, Told)>) -> Result<(), Error> {
        for (waiting, told) in judged {
            waiting.peers.into_iter().try_for_each(|peer| self.tell(&peer, told))?;
        }
        Ok(())
    }

    /// Who asked for a registration learns what came of it; who audits learns what is to be audited.
    fn tell_results(&mut self, height: Height, decided: &[Transaction]) -> Result<(), Error> {
        for transaction in decided {
            match &transaction.body {
                Body::Register(_) => {
                    if let Some(file) = transaction.file().map_err(Misuse::too_long)? {
                        let status = self.chain.state().file(file).map(|file| &file.status);
                        if status == Some(&Status::Auditing) {
                            self.events.push_back(AuthorityEvent::Requested(file));
                        }
                    }
                }
                Body::Judge(verdict) => {
                    let file = self.chain.state().file(verdict.file);
                    let is_now = file.is_some_and(|file| file.since == height);
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
                self.events.push_back(AuthorityEvent::Overdue(file));
            }
        }
    }

    pub(super) fn own_key(&self, height: Height) -> Option<&VerifyingKey> {
        if height == Height(0) {
            return Some(&self.config.genesis.founder().signing);
        }
        self.chain.state().node(self.config.node)?.ring.at(self.config.key_number, height)
    }
}

/// What is to be told of each candidate.
fn told(draft: &Draft, judged: Vec<Waiting>) -> Vec<(Waiting, Told)> {
    let mut place = 0..;
    let fates = judged.into_iter().zip(&draft.fates);
    let told = fates.map(|(waiting, fate)| {
        let digest = waiting.digest;
        let told = match fate {
            Ok(()) => {
                let (height, place) = (draft.header.height, place.next().unwrap_or(u32::MAX));
                Told::Decided { digest, height, place }
            }
            Err(why) => Told::Refused { digest, why: *why },
        };
        (waiting, told)
    });
    told.collect()
}
