//! Blocks: drafted, signed, committed, adopted, and only then told.

use super::{Authority, AuthorityEvent};
use crate::registrar::Decision;
use crate::{Draft, Error, Height, Misuse, Note, SignedHeader};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::{Committed, Effect, KeyAnswer, KeyQuestion, Ticket, Time};
use seal::VerifyingKey;

/// A block under way.
#[derive(Debug)]
pub(super) enum Work {
    Unsigned(Box<Draft>),
    Asked(Ticket, Box<Draft>),
    Committing { ticket: Ticket, decision: Box<Decision>, candidates: usize },
}

impl Work {
    pub(super) const fn is_unsigned(&self) -> bool {
        matches!(self, Self::Unsigned(_))
    }

    /// How many transactions it was made of, also those that it leaves out.
    pub(super) fn candidates(&self) -> usize {
        match self {
            Self::Unsigned(draft) | Self::Asked(_, draft) => draft.fates.len(),
            Self::Committing { candidates, .. } => *candidates,
        }
    }
}

impl Authority {
    /// Drafts a block of what waits, and asks for its signatures.
    pub(super) fn begin(&mut self, now: Time) -> Result<(), Error> {
        if let Some(draft) = self.registrar.draft(now)? {
            self.ask(Box::new(draft));
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, draft: Box<Draft>) {
        let ticket = self.registrar.ticket();
        let key = self.config.key;
        let message = self.registrar.checkpoint_of(&draft).text().into_bytes().into();
        let questions = alloc::vec![draft.header.question(key), KeyQuestion::Sign { key, message }];
        self.work = Some(Work::Asked(ticket, draft));
        self.registrar.push(Effect::Ask { ticket, questions });
    }

    pub(super) fn on_keys(
        &mut self,
        now: Time,
        ticket: Ticket,
        answers: Option<Vec<KeyAnswer>>,
    ) -> Result<(), Error> {
        let is_due = |work: &mut Work| matches!(work, Work::Asked(asked, _) if *asked == ticket);
        let Some(Work::Asked(_, draft)) = self.work.take_if(is_due) else {
            return Err(Misuse::NotAsked.into());
        };
        match self.signed(&draft, answers) {
            Some((header, note)) => self.commit(draft, header, note),
            None => {
                self.sign_at = now.plus_ms(self.config.retry_ms);
                self.work = Some(Work::Unsigned(draft));
                self.events.push_back(AuthorityEvent::NotSigned);
                Ok(())
            }
        }
    }

    /// The signed header and the signed checkpoint, if both signatures are there and right.
    fn signed(
        &self,
        draft: &Draft,
        answers: Option<Vec<KeyAnswer>>,
    ) -> Option<(SignedHeader, Note)> {
        let [KeyAnswer::Signature(block), KeyAnswer::Signature(log)] = answers?[..] else {
            return None;
        };
        let key = self.own_key(draft.header.height)?;
        let header = SignedHeader::by_authority(draft.header, self.config.key_number, block);
        let checkpoint = self.registrar.checkpoint_of(draft);
        let note = Note::new(&checkpoint.text()).ok()?.signed(&checkpoint.origin, key, log);
        let is_right = header.is_signed_by(key) && note.is_signed_by(&checkpoint.origin, key);
        is_right.then_some((header, note))
    }

    fn commit(&mut self, draft: Box<Draft>, header: SignedHeader, note: Note) -> Result<(), Error> {
        let ticket = self.registrar.ticket();
        let candidates = draft.fates.len();
        let (batch, decision) = self.registrar.decide(*draft, header, Some(note))?;
        self.work = Some(Work::Committing { ticket, decision: Box::new(decision), candidates });
        self.registrar.push(Effect::Commit { ticket, batch });
        Ok(())
    }

    pub(super) fn on_committed(&mut self, ticket: Ticket, fate: Committed) -> Result<(), Error> {
        let is_due = |work: &mut Work| matches!(work, Work::Committing { ticket: asked, .. } if *asked == ticket);
        let Some(Work::Committing { decision, .. }) = self.work.take_if(is_due) else {
            return Err(Misuse::NotAsked.into());
        };
        let Committed::Applied(version) = fate else {
            // Another instance wrote, or nobody knows: what is stored says what is true.
            self.fenced = true;
            return Err(Error::Fenced);
        };
        self.registrar.decided(*decision, version).inspect_err(|_| self.fenced = true)
    }

    fn own_key(&self, height: Height) -> Option<&VerifyingKey> {
        let chain = self.registrar.chain()?;
        chain.supervision_key(self.config.node, self.config.key_number, height)
    }
}
