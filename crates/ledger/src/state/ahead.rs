//! What the next transactions are about, looked at before they are judged.

use super::State;
use crate::{File, Signer, Transaction};
use alloc::vec::Vec;

impl State {
    /// So many transactions are looked at together.
    const AHEAD: usize = 32;

    /// Brings near what the next transactions are about, so that judging them waits less for memory; nothing else changes.
    ///
    /// Whoever judges transactions in their order calls this with the place of each before it is judged; at every 32nd place it looks
    /// at 32. Names are all over the memory, and what many transactions need is fetched at the same time so, where judging one
    /// after the other would wait for each name in turn.
    pub fn look_ahead(&self, transactions: &[Transaction], place: usize) {
        if !place.is_multiple_of(Self::AHEAD) {
            return;
        }
        let next = || transactions.iter().skip(place).take(Self::AHEAD);
        let mut seen = 0;
        // Places first, which need no answer of one another; then what is found there.
        for transaction in next() {
            if let Some(file) = transaction.body.file() {
                seen ^= self.files.touch(&file);
            }
            for signature in &transaction.signatures {
                if let Signer::Party(party) = signature.by {
                    seen ^= self.parties.touch(&party) ^ self.tallies.touch(&party);
                }
            }
        }
        let files: Vec<&File> = next().filter_map(|it| self.file(it.body.file()?)).collect();
        for file in &files {
            seen ^= u8::from(file.check_usable().is_ok()) ^ file.commitment[0] ^ file.sealed[31];
        }
        for file in &files {
            seen ^= self.things.touch(&file.thing);
        }
        for file in files {
            seen ^= self.holding(file.thing).map_or(0, |holding| holding.owner.0[31]);
        }
        core::hint::black_box(seen);
    }
}
