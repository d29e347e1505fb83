//! Answers: to who submitted, to who asked for a registration, to who wants blocks.

use super::Registrar;
use crate::{
    Block, Corrupt, Error, FileId, Height, Message, Misuse, Refusal, Rejected, Status, Transaction,
};
use alloc::boxed::Box;
use port::{Effect, Peer, ReadSet, Ticket};

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Decided { digest: [u8; 32], height: Height, place: u32 },
    Refused { digest: [u8; 32], why: Refusal },
    Concluded { file: FileId, height: Height, outcome: Result<(), Rejected> },
}

impl Registrar {
    /// What can be answered at once to a transaction that was seen before.
    pub(super) fn known(
        &self,
        from: Option<&Peer>,
        digest: &[u8; 32],
        transaction: &Transaction,
    ) -> Option<Told> {
        // The member that asked for a registration learns what came of it, and nobody else does.
        let concluded = transaction.file().ok().flatten().and_then(|file| self.conclusion(file));
        if let Some((_, told)) = concluded.filter(|(member, _)| Some(member) == from) {
            return Some(told);
        }
        let (height, place) = *self.decided.get(digest)?;
        Some(Told::Decided { digest: *digest, height, place })
    }

    /// What the audit of a file came to, and which member is to know.
    pub(super) fn conclusion(&self, id: FileId) -> Option<(Peer, Told)> {
        let file = self.chain.state().file(id)?;
        let outcome = match file.status {
            Status::Auditing => return None,
            Status::Rejected(why) => Err(why),
            _ => Ok(()),
        };
        let member = self.chain.state().node(file.member)?;
        let peer = Peer::new(member.name.as_str())?;
        Some((peer, Told::Concluded { file: id, height: file.since, outcome }))
    }

    pub(super) fn tell(&mut self, to: &Peer, told: Told) -> Result<(), Error> {
        let message = match told {
            Told::Decided { digest, height, place } => Message::Decided { digest, height, place },
            Told::Refused { digest, why } => Message::Refused { digest, why },
            Told::Concluded { file, height, outcome } => {
                Message::Concluded { file, height, outcome }
            }
        };
        self.send(to.clone(), &message)
    }

    pub(super) fn on_want(&mut self, from: &Peer, height: Height) -> Result<(), Error> {
        let next = self.chain.next_height();
        if height >= next {
            return self.send(from.clone(), &Message::Next(next));
        }
        if self.reads.len() >= Self::READS_MAX {
            return Err(Error::Busy);
        }
        let key = self.rows.block(height).map_err(Misuse::from)?;
        let ticket = self.ticket();
        self.reads.insert(ticket, (from.clone(), height));
        self.effects.push_back(Effect::Read { ticket, want: ReadSet::points([key]) });
        Ok(())
    }

    /// Takes rows; `false` if they are not of a read of this registrar's.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if what is stored cannot be used; then drop this.
    pub fn on_rows(&mut self, ticket: Ticket, rows: Option<port::Rows>) -> Result<bool, Error> {
        let Some((peer, _)) = self.reads.remove(&ticket) else {
            return self.on_page(ticket, rows);
        };
        // The read failed: who wants it asks again. Or it is not here, as all before a snapshot: who wants it asks another.
        let row = rows.and_then(|rows| rows.points.into_iter().next().flatten());
        let Some(row) = row else { return Ok(true) };
        let block = Block::parse(&row.value).map_err(Corrupt::from)?;
        self.send(peer, &Message::Block(Box::new(block)))?;
        Ok(true)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Misuse::TooLong`].
    pub fn send(&mut self, to: Peer, message: &Message) -> Result<(), Error> {
        let frame = message.to_frame().map_err(Misuse::too_long)?;
        self.effects.push_back(Effect::Send { to, frame });
        Ok(())
    }
}
