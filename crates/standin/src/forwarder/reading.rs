//! Finding what is owed: accounts that somebody pointed at, and everything that is open, by turns.

use super::queue::Owed;
use super::{Forwarder, ForwarderEvent};
use crate::{Entry, EntryState, table};
use alloc::vec::Vec;
use port::{Effect, Key, ReadSet, Row, Rows, Scan, Time};
use seal::AccountRef;

impl Forwarder {
    /// Reads on: accounts that somebody pointed at, and everything that is open, by turns.
    pub(super) fn look(&mut self, now: Time) {
        if self.reading.is_some() || now < self.read_at {
            return;
        }
        let sweeps = self.may_sweep() && now >= self.sweep.due();
        let limit = self.config.page_rows;
        let (want, reading) = if self.may_load() && (!sweeps || self.sweep.was_last) {
            self.sweep.was_last = false;
            let accounts: Vec<AccountRef> = self.wanted.iter().take(LOADS_MAX).copied().collect();
            accounts.iter().for_each(|one| {
                self.wanted.remove(one);
            });
            let loads: Vec<Load> = accounts.into_iter().map(Load::new).collect();
            (self.load_want(&loads, limit), Reading::Accounts(loads))
        } else if sweeps {
            self.sweep.was_last = true;
            if !self.sweep.is_running() {
                self.sweep.begin();
            }
            let prefix = table::open(self.institution);
            let after = self.sweep.after.clone();
            let mut want = ReadSet::scan(Scan { prefix, after, limit });
            // There may be money in a journal of version 1, and nobody would see it.
            want.scans.push(Scan::first(table::journal_v1(self.institution), 1));
            (want, Reading::Sweep)
        } else {
            return;
        };
        self.last_ticket = self.last_ticket.next();
        let ticket = self.last_ticket;
        self.reading = Some((ticket, reading));
        self.effects.push_back(Effect::Read { ticket, want });
    }

    /// Whether accounts may be read that somebody pointed at.
    pub(super) fn may_load(&self) -> bool {
        !self.wanted.is_empty() && self.held < self.config.entries_max
    }

    /// Whether there is room for what a page of the round may hold: one that has to be read again was read in vain.
    pub(super) const fn may_sweep(&self) -> bool {
        let room = self.config.entries_max.saturating_sub(self.held);
        let half = self.config.entries_max / 2;
        room >= if self.config.page_rows < half { self.config.page_rows } else { half }
    }

    fn load_want(&self, loads: &[Load], limit: usize) -> ReadSet {
        let scans = loads.iter().map(|load| Scan {
            prefix: table::open_of(self.institution, &load.account),
            after: load.after.clone(),
            limit,
        });
        ReadSet { points: Vec::new(), scans: scans.collect() }
    }

    pub(super) fn on_page(&mut self, now: Time, reading: Reading, rows: Option<Rows>) {
        let Some(rows) = rows else {
            self.read_at = now.plus_ms(self.config.retry_ms);
            match reading {
                Reading::Accounts(loads) => {
                    self.wanted.extend(loads.iter().map(|load| load.account));
                }
                Reading::Sweep => {}
            }
            return;
        };
        match reading {
            Reading::Accounts(loads) => self.on_loads(loads, rows),
            Reading::Sweep => {
                let mut scans = rows.scans.into_iter();
                let page = scans.next().unwrap_or_default();
                if let Some((row, _)) = scans.flatten().next() {
                    self.sweep.is_refused = true;
                    self.events.push_back(ForwarderEvent::Damaged { row });
                }
                self.on_sweep(now, page);
            }
        }
    }

    fn on_loads(&mut self, loads: Vec<Load>, rows: Rows) {
        let limit = self.config.page_rows;
        let mut unfinished = Vec::new();
        for (mut load, page) in loads.into_iter().zip(rows.scans) {
            let full = page.len() >= limit;
            for (key, row) in page {
                self.owed(&key, &row, &mut load.found);
                load.after = Some(key);
            }
            if full {
                unfinished.push(load);
            } else {
                self.merge(load.account, load.found);
            }
        }
        if !unfinished.is_empty() {
            let want = self.load_want(&unfinished, limit);
            self.last_ticket = self.last_ticket.next();
            let ticket = self.last_ticket;
            self.reading = Some((ticket, Reading::Accounts(unfinished)));
            self.effects.push_back(Effect::Read { ticket, want });
        }
    }

    fn on_sweep(&mut self, now: Time, page: Vec<(Key, Row)>) {
        let full = page.len() >= self.config.page_rows;
        let prefix = table::open(self.institution).as_bytes().len();
        for (key, row) in page {
            let token = key.as_bytes().get(prefix..).and_then(|tail| tail.first_chunk().copied());
            let account = token.map(AccountRef::from_bytes);
            if account != self.sweep.account {
                self.flush_sweep();
                if self.held >= self.config.entries_max {
                    // This account is read again, from its first row, once there is room.
                    return;
                }
                self.sweep.account = account;
            }
            let mut found = core::mem::take(&mut self.sweep.found);
            self.owed(&key, &row, &mut found);
            self.sweep.found = found;
            self.sweep.after = Some(key);
        }
        if !full {
            self.flush_sweep();
            self.sweep.end(now, self.held == 0, self.config.sweep_ms);
        }
    }

    fn flush_sweep(&mut self) {
        let found = core::mem::take(&mut self.sweep.found);
        if let Some(account) = self.sweep.account.take()
            && !found.is_empty()
        {
            self.merge(account, found);
        }
    }

    fn owed(&mut self, key: &Key, row: &Row, found: &mut Vec<Owed>) {
        match Entry::parse(&row.value) {
            Ok(entry) if entry.state == EntryState::Queued => {
                let maybe_sent = entry.at <= self.started;
                found.push(Owed { entry, attempts: 0, strikes: 0, maybe_sent });
            }
            Ok(_) => {}
            Err(_) => self.events.push_back(ForwarderEvent::Damaged { row: key.clone() }),
        }
    }

    fn merge(&mut self, account: AccountRef, found: Vec<Owed>) {
        if found.is_empty() && !self.queues.contains_key(&account) {
            return;
        }
        // At least one, so that no account waits for ever.
        let room = self.config.entries_max.saturating_sub(self.held).max(1);
        let taken = self.queues.entry(account).or_default().merge(found, room);
        if taken > 0 {
            self.sweep.break_off();
        }
        self.held += taken;
        self.line_up(account);
    }
}

#[derive(Clone, Debug)]
pub(super) enum Reading {
    Accounts(Vec<Load>),
    Sweep,
}

/// An account whose entries are being read.
#[derive(Clone, Debug)]
pub(super) struct Load {
    account: AccountRef,
    after: Option<Key>,
    found: Vec<Owed>,
}

impl Load {
    const fn new(account: AccountRef) -> Self {
        Self { account, after: None, found: Vec::new() }
    }
}

/// How many accounts are read at one time.
const LOADS_MAX: usize = 16;
