//! Who is behind fetches blocks, each verified by its votes.

use super::Validator;
use crate::Error;
use alloc::collections::{BTreeMap, BTreeSet};
use ledger::{Block, Height, Message};
use port::{Peer, Time};

/// From whom blocks are fetched, and how far.
#[derive(Debug, Default)]
pub(super) struct Sync {
    /// Who said it has more.
    from: Option<Peer>,
    /// The height that comes next there.
    next: Height,
    /// Up to which height blocks were asked for.
    asked: Height,
    /// By when the next block has to come.
    until: Time,
    /// Who did not keep its word, as long as others say that they have more.
    avoid: BTreeSet<Peer>,
    blocks: BTreeMap<Height, Block>,
    /// Who was told that it is behind, since the last time everything was said again.
    hinted: BTreeSet<Peer>,
}

impl Validator {
    /// So many blocks are under way at one time.
    const FETCHED_MAX: u64 = 16;

    /// So many peers are told that they are behind, each time everything is said again.
    const HINTED_MAX: usize = 256;

    /// A peer says which height comes next there.
    pub(super) fn on_next(&mut self, now: Time, from: &Peer, height: Height) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let next = session.height;
        if height < next {
            return self.hint(from, next);
        }
        if height == next || !self.peers.contains(from) {
            return Ok(());
        }
        let sync = &mut self.sync;
        match &sync.from {
            Some(peer) if peer == from => sync.next = height.max(sync.next),
            Some(_) => {}
            None if sync.avoid.contains(from) => {}
            None => {
                sync.from = Some(from.clone());
                (sync.next, sync.asked) = (height, next);
                sync.until = now.plus_ms(self.config.resend_ms);
            }
        }
        self.ask_on()
    }

    /// Asks for the blocks that follow, as far as there are some and there is room.
    pub(super) fn ask_on(&mut self) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let next = session.height;
        let sync = &mut self.sync;
        sync.blocks.retain(|height, _| *height >= next);
        let Some(from) = sync.from.clone() else { return Ok(()) };
        if next >= sync.next {
            sync.from = None;
            return Ok(());
        }
        let end = next.after(Self::FETCHED_MAX).min(sync.next);
        let mut height = sync.asked.max(next);
        sync.asked = end.max(height);
        while height < end {
            self.registrar.send(from.clone(), &Message::Want(height))?;
            height = height.next();
        }
        Ok(())
    }

    pub(super) fn on_block(&mut self, from: &Peer, block: Block) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let (next, height) = (session.height, block.header.header.height);
        let sync = &mut self.sync;
        if sync.from.as_ref() == Some(from) && height >= next && height < sync.asked {
            sync.blocks.insert(height, block);
        }
        Ok(())
    }

    /// The next block, if it was fetched: its votes decide, whatever goes on here.
    pub(super) fn take_synced(&mut self, now: Time) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if session.decided.is_some() {
            return Ok(());
        }
        let Some(block) = self.sync.blocks.remove(&session.height) else { return Ok(()) };
        match self.registrar.chain_mut().check_certified(&block) {
            Ok(draft) => {
                session.decided = Some((block.header, draft));
                self.sync.until = now.plus_ms(self.config.resend_ms);
                Ok(())
            }
            Err(why) => {
                self.give_up();
                Err(Error::Block(why))
            }
        }
    }

    /// Whoever kept this node waiting for too long is asked no more, and the others have the time until the next call to say that they
    /// have more.
    pub(super) fn sync_again(&mut self, now: Time) {
        self.sync.hinted.clear();
        if self.sync.from.is_none() {
            self.sync.avoid.clear();
        } else if now >= self.sync.until {
            self.give_up();
        }
    }

    /// Whether others are known to have more.
    pub(super) const fn is_behind(&self) -> bool {
        self.sync.from.is_some()
    }

    /// Tells who is behind, once in a while; also a node that the chain does not name yet.
    pub(super) fn hint(&mut self, to: &Peer, next: Height) -> Result<(), Error> {
        let hinted = &mut self.sync.hinted;
        if hinted.len() < Self::HINTED_MAX && hinted.insert(to.clone()) {
            self.registrar.send(to.clone(), &Message::Next(next))?;
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.sync.avoid.extend(self.sync.from.take());
        self.sync.blocks.clear();
    }
}
