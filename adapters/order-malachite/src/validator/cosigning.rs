//! Checkpoints: each validator signs the log after a block, and collects what the others have signed.

use super::{Validator, ValidatorEvent};
use crate::{Error, Frame};
use alloc::string::String;
use alloc::vec::Vec;
use ledger::{Checkpoint, Height, Misuse, Note, VoteSignature};
use port::{Effect, KeyAnswer, KeyQuestion, Peer, Time};

impl Validator {
    /// Has the newest checkpoint signed. The votes vouch for the log already, so nothing waits for it, and it is not stored.
    pub(super) fn note(&mut self, now: Time) {
        let Some((height, text)) = self.to_cosign() else { return };
        let is_signed = self.cosigned.contains_key(&self.config.node);
        let has_key = self.key(self.config.node, self.config.key_number).is_some();
        let is_due = self.noting.is_none() && now >= self.sign_at && !self.is_behind();
        if is_signed || !has_key || !is_due {
            return;
        }
        let key = self.config.key;
        let questions = alloc::vec![KeyQuestion::Sign { key, message: text.into_bytes().into() }];
        let ticket = self.registrar.ticket();
        self.noting = Some((ticket, height));
        self.registrar.push(Effect::Ask { ticket, questions });
    }

    pub(super) fn noted(
        &mut self,
        now: Time,
        height: Height,
        answers: Option<Vec<KeyAnswer>>,
    ) -> Result<(), Error> {
        // Of a log that has grown since, it is signed at the next turn.
        if self.to_cosign().is_none_or(|(newest, _)| newest != height) {
            return Ok(());
        }
        let (node, key_number) = (self.config.node, self.config.key_number);
        let signature = match answers.as_deref() {
            Some([KeyAnswer::Signature(signature)]) => *signature,
            _ => [0; 64],
        };
        if self.cosign(height, VoteSignature { node, key_number, signature }) {
            let frame = self.own_cosign();
            return frame.map_or(Ok(()), |frame| self.send_all(&frame));
        }
        self.sign_at = now.plus_ms(self.config.resend_ms);
        self.events.push_back(ValidatorEvent::NotSigned);
        Ok(())
    }

    /// A signature of another. Who says again what is known here lacks some, perhaps this node's.
    pub(super) fn on_cosign(
        &mut self,
        from: &Peer,
        height: Height,
        signed: VoteSignature,
    ) -> Result<(), Error> {
        if self.cosigned.get(&signed.node) != Some(&signed) {
            self.cosign(height, signed);
            return Ok(());
        }
        let own = self.cosigned.get(&self.config.node).filter(|_| self.peers.contains(from));
        let frame = own.map(|own| Frame::Cosign(height, *own).to_bytes());
        let is_first = frame.is_some() && self.cosign_told.insert(from.clone());
        if let Some(frame) = frame.filter(|_| is_first) {
            let (to, frame) = (from.clone(), frame.map_err(|_| Misuse::TooLong)?);
            self.registrar.push(Effect::Send { to, frame });
        }
        Ok(())
    }

    /// Adds a signature under the newest checkpoint; `false` if it is of another one, or not right.
    pub(super) fn cosign(&mut self, height: Height, signed: VoteSignature) -> bool {
        let Some((newest, text)) = self.to_cosign() else { return false };
        let is_validator = self.validators().contains(&signed.node);
        let key = self.key(signed.node, signed.key_number).filter(|_| is_validator);
        let is_right = key.is_some_and(|key| key.verify(text.as_bytes(), &signed.signature));
        if newest != height || !is_right {
            return false;
        }
        self.cosigned.insert(signed.node, signed);
        if let Ok(mut note) = Note::new(&text) {
            let origin = self.config.genesis.origin();
            for it in self.cosigned.values().take(Note::SIGNATURES_MAX) {
                if let Some(key) = self.key(it.node, it.key_number) {
                    note = note.signed(origin, key, it.signature);
                }
            }
            self.registrar.set_checkpoint(note);
        }
        true
    }

    /// This node's signature for the others, as long as some of theirs are missing.
    pub(super) fn own_cosign(&self) -> Option<Frame> {
        let (height, _) = self.to_cosign()?;
        let own = self.cosigned.get(&self.config.node)?;
        (self.cosigned.len() < self.validators().len()).then_some(Frame::Cosign(height, *own))
    }

    /// What is to be signed now, and after which block.
    fn to_cosign(&self) -> Option<(Height, String)> {
        let chain = self.registrar.chain()?;
        let height = chain.head()?.header.height;
        Some((height, Checkpoint::of(self.config.genesis.origin(), chain.log()).text()))
    }
}
