//! A challenge for the terminal's next scan.

use super::super::{Nonce, TerminalId};
use super::rows::{self, CHALLENGE, ChallengeRow, TERMINAL, TerminalRow, point};
use super::{Error, Setup, done};
use alloc::sync::Arc;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Step, Time};
use seal::Audited;

/// What the terminal has to name in its scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The random number.
    pub nonce: Nonce,
    /// Until when it may be answered.
    pub expires: Time,
}

/// The decision that sets a challenge. Asking again replaces it; nothing else is promised by it.
#[derive(Clone, Debug)]
pub struct SetChallenge {
    setup: Arc<Setup>,
    now: Time,
    terminal: TerminalId,
    nonce: Nonce,
    keys: [Key; 2],
}

impl SetChallenge {
    pub(super) fn new(
        setup: Arc<Setup>,
        now: Time,
        terminal: TerminalId,
        entropy: [u8; 32],
    ) -> Self {
        let label = "interbank/risk-core/scan-nonce/v1";
        let nonce = Nonce(*seal::derive::<16>(&entropy, label, &[terminal.as_bytes()]).expose());
        let keys = [CHALLENGE, TERMINAL].map(|table| rows::of(setup.tenant(), table, &terminal));
        Self { setup, now, terminal, nonce, keys }
    }
}

impl Decision for SetChallenge {
    type Verdict = Audited<Challenge>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points(self.keys.clone()))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let (old, terminal_row) = (point(&answers, 0)?, point(&answers, 1)?);
        let terminal = TerminalRow::of(terminal_row)?;
        let ttl_ms = self.setup.policy(self.now)?.tables().challenge_ttl_ms;
        let row =
            ChallengeRow { nonce: self.nonce, set: self.now, expires: self.now.plus_ms(ttl_ms) };
        let mut batch = Batch::with_capacity(2);
        batch.put(self.keys[0].clone(), Row::unchanged(old), row.encode());
        // The owner of all rows of a terminal is there before them.
        match terminal_row {
            None => batch.put(self.keys[1].clone(), Row::unchanged(None), terminal.encode()),
            Some(_) => batch.require(self.keys[1].clone(), Row::unchanged(terminal_row)),
        };
        let audit = self.setup.audit(self.now, "risk.surroundings.challenge.set", &self.terminal);
        Ok(done(Challenge { nonce: row.nonce, expires: row.expires }, audit, batch))
    }
}
