//! Everything about one terminal, gone.

use super::super::TerminalId;
use super::rows::{self, CHALLENGE, HISTORY, PROFILE, REQUEST, TERMINAL, TerminalRow, point};
use super::{Error, Setup, done};
use alloc::sync::Arc;
use port::{Answers, Ask, Batch, Decision, Expect, Key, ReadSet, Row, Scan as Page, Step, Time};
use seal::Audited;

/// What came of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many rows were deleted.
    pub rows: usize,
    /// Whether nothing is left.
    pub is_done: bool,
}

/// The decision over one page.
#[derive(Clone, Debug)]
pub struct Forget {
    setup: Arc<Setup>,
    now: Time,
    terminal: TerminalId,
    points: [Key; 2],
}

impl Forget {
    pub(super) fn new(setup: Arc<Setup>, now: Time, terminal: TerminalId) -> Self {
        let points = [TERMINAL, CHALLENGE].map(|table| rows::of(setup.tenant(), table, &terminal));
        Self { setup, now, terminal, points }
    }
}

impl Decision for Forget {
    type Verdict = Audited<Forgotten>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        let scans = [PROFILE, HISTORY, REQUEST].map(|table| {
            Page::first(rows::of(self.setup.tenant(), table, &self.terminal), PAGE_ROWS)
        });
        Ask::rows(ReadSet { points: self.points.clone().into(), scans: scans.into() })
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let (terminal_row, challenge_row) = (point(&answers, 0)?, point(&answers, 1)?);
        let mut batch = Batch::new();
        for (key, row) in answers.rows.scans.iter().flatten() {
            batch.delete(key.clone(), Expect::At(row.version));
        }
        if let Some(row) = challenge_row {
            batch.delete(self.points[1].clone(), Expect::At(row.version));
        }
        let is_done = answers.rows.scans.iter().all(|page| page.len() < PAGE_ROWS);
        let mut gone = batch.ops().len();
        // The owner goes last; whoever adds something meanwhile makes this begin again.
        let before = Row::unchanged(terminal_row);
        if let Some(row) = terminal_row {
            if is_done {
                gone += 1;
                batch.delete(self.points[0].clone(), before);
            } else {
                batch.put(self.points[0].clone(), before, TerminalRow::of(Some(row))?.encode());
            }
        } else if !batch.is_empty() {
            batch.require(self.points[0].clone(), before);
        }
        let audit = self.setup.audit(self.now, "risk.surroundings.forget.granted", &self.terminal);
        Ok(done(Forgotten { rows: gone, is_done }, audit, batch))
    }
}

/// Three pages, the terminal and its challenge fit one batch.
const PAGE_ROWS: usize = 32;
