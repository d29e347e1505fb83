//! A lost terminal: what it learned since is taken back, and it is refused until it is found.

use super::super::{History, Policy, Revoked, TerminalId};
use super::rows::{self, HISTORY, TERMINAL, TerminalRow, point};
use super::{Error, Misuse, Setup, done};
use alloc::sync::Arc;
use alloc::vec::Vec;
use port::{Answers, Ask, Batch, Decision, Key, ReadSet, Row, Scan as Page, Step, Time};
use seal::Audited;

/// What came of one page of periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedPage {
    /// Periods from which exactly the scans since then were taken back.
    pub recent: usize,
    /// Periods that start anew, since some of it had settled.
    pub all: usize,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}

/// The decision over one page.
#[derive(Clone, Debug)]
pub struct Revoke {
    setup: Arc<Setup>,
    now: Time,
    terminal: TerminalId,
    from: Time,
    after: Option<Key>,
    terminal_key: Key,
    page: Option<(Option<Row>, Vec<(Key, Row)>)>,
}

impl Revoke {
    pub(super) fn new(
        setup: Arc<Setup>,
        now: Time,
        terminal: TerminalId,
        from: Time,
        after: Option<Key>,
    ) -> Self {
        let terminal_key = rows::of(setup.tenant(), TERMINAL, &terminal);
        Self { setup, now, terminal, from, after, terminal_key, page: None }
    }
}

impl Decision for Revoke {
    type Verdict = Audited<RevokedPage>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.page = None;
        let prefix = rows::of(self.setup.tenant(), HISTORY, &self.terminal);
        let page = Page { prefix, after: self.after.clone(), limit: PAGE_ROWS };
        Ask::rows(ReadSet { points: [self.terminal_key.clone()].into(), scans: [page].into() })
    }

    fn step(&mut self, mut answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let Some((terminal_row, histories)) = self.page.take() else {
            let terminal_row = point(&answers, 0)?.cloned();
            let histories = answers.rows.scans.pop().ok_or(Error::Misuse(Misuse::Answers))?;
            let tenant = self.setup.tenant();
            let beside: Vec<Key> =
                histories.iter().map(|(key, _)| rows::beside(tenant, key)).collect();
            self.page = Some((terminal_row, histories));
            return Ok(Step::Ask(Ask::rows(ReadSet::points(beside))));
        };
        let policy: &Policy = self.setup.policy(self.now)?;
        let mut batch = Batch::with_capacity(1 + 2 * histories.len());
        let mut terminal = TerminalRow::of(terminal_row.as_ref())?;
        let from = match terminal.lost {
            Some((earlier, None)) => earlier.min(self.from),
            // Scans of the time before may still wait for their confirmation.
            Some((earlier, Some(until)))
                if self.now.since_ms(until) <= super::LONGEST_CONFIRMATION_MS =>
            {
                earlier.min(self.from)
            }
            _ => self.from,
        };
        terminal.lost = Some((from, None));
        batch.put(
            self.terminal_key.clone(),
            Row::unchanged(terminal_row.as_ref()),
            terminal.encode(),
        );
        let full = histories.len() == PAGE_ROWS;
        let next = if full { histories.last().map(|(key, _)| key.clone()) } else { None };
        let mut verdict = RevokedPage { recent: 0, all: 0, next };
        for (at, (key, row)) in histories.into_iter().enumerate() {
            let mut history = History::parse(&row.value)?;
            match history.revoke(self.from) {
                Revoked::Nothing => continue,
                Revoked::Recent => verdict.recent += 1,
                Revoked::All => verdict.all += 1,
            }
            let profile_key = rows::beside(self.setup.tenant(), &key);
            let profile_before = Row::unchanged(point(&answers, at)?);
            let history_before = Row::unchanged(Some(&row));
            if history.is_empty() {
                batch.delete(key, history_before);
                batch.delete(profile_key, profile_before);
            } else {
                let mut bytes = Vec::with_capacity(row.value.len());
                history.encode(&mut bytes);
                batch.put(key, history_before, bytes);
                let mut bytes = Vec::new();
                history.current(&policy.learning()).encode(&mut bytes);
                batch.put(profile_key, profile_before, bytes);
            }
        }
        let audit = self.setup.audit(self.now, "risk.surroundings.revoke.granted", &self.terminal);
        Ok(done(verdict, audit, batch))
    }
}

/// The decision over a terminal that was found.
#[derive(Clone, Debug)]
pub struct Reinstate {
    setup: Arc<Setup>,
    now: Time,
    terminal: TerminalId,
    terminal_key: Key,
}

impl Reinstate {
    pub(super) fn new(setup: Arc<Setup>, now: Time, terminal: TerminalId) -> Self {
        let terminal_key = rows::of(setup.tenant(), TERMINAL, &terminal);
        Self { setup, now, terminal, terminal_key }
    }
}

impl Decision for Reinstate {
    /// Whether the terminal was lost.
    type Verdict = Audited<bool>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([self.terminal_key.clone()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        let row = point(&answers, 0)?;
        let mut terminal = TerminalRow::of(row)?;
        let mut batch = Batch::new();
        let was_lost = terminal.is_lost();
        if let (true, Some((from, _))) = (was_lost, terminal.lost) {
            terminal.lost = Some((from, Some(self.now.max(from))));
            batch.put(self.terminal_key.clone(), Row::unchanged(row), terminal.encode());
        }
        let action = "risk.surroundings.reinstate.granted";
        Ok(done(was_lost, self.setup.audit(self.now, action, &self.terminal), batch))
    }
}

/// With the terminal's own row and two rows for each period, a page fits one batch: a full history has 41,829 bytes, so that
/// their sizes are the limit and not their number.
const PAGE_ROWS: usize = 24;
