//! Keeping the accounting system's answers: durable before they are given.

use super::pending::Stage;
use super::{Diverted, Kept, Silence, Switch, SwitchEvent, Task, entry_rows, kept};
use crate::{RequestKey, Response};
use port::{Batch, Committed, Effect, Expect, ReadSet, Rows, Ticket, Time};

impl Switch {
    /// Keeps the accounting system's answer before it is given.
    pub(super) fn keep(&mut self, now: Time, key: RequestKey, response: Response, attempts: u8) {
        let ticket = self.ticket();
        let Some(pending) = self.pending.get_mut(&key) else { return };
        let request = &pending.request;
        let kept = Kept { asked: kept::digest(request), response: response.clone() };
        let row = Kept::key(request.institution, &key);
        let entries = entry_rows(request);
        let Ok(bytes) = kept.encode() else {
            return self.fall_silent(&key, Silence::Store);
        };
        let until = pending.answer_until(now, &self.config);
        pending.enter(Stage::Keeping { response, attempts, ticket }, until, &mut self.timers);
        let mut batch = Batch::with_capacity(3);
        batch.put(row, Expect::Absent, bytes);
        // Whatever the stand-in module journalled is the answer.
        for entry in entries {
            batch.require(entry, Expect::Absent);
        }
        self.tasks.insert(ticket, Task::Keep(key));
        self.effects.push_back(Effect::Commit { ticket, batch });
    }

    pub(super) fn on_kept(&mut self, ticket: Ticket, key: RequestKey, fate: Committed) {
        let Some(pending) = self.pending.get(&key) else { return };
        let Stage::Keeping { response, ticket: of, .. } = &pending.stage else { return };
        if *of != ticket {
            return;
        }
        if let Committed::Applied(_) = fate {
            let response = response.clone();
            if let Some(pending) = self.take(&key) {
                self.answer(pending.waiting, response);
            }
            return;
        }
        // Somebody was here before, or nobody knows: what is there is the answer.
        let request = &pending.request;
        let [open, ended] = entry_rows(request);
        let want = ReadSet::points([Kept::key(request.institution, &key), open, ended]);
        let ticket = self.ticket();
        self.tasks.insert(ticket, Task::Reread(key));
        self.effects.push_back(Effect::Read { ticket, want });
    }

    pub(super) fn on_reread(&mut self, now: Time, key: RequestKey, rows: Option<Rows>) {
        let Some(pending) = self.pending.get(&key) else { return };
        let Stage::Keeping { response, attempts, .. } = &pending.stage else { return };
        let (response, attempts) = (response.clone(), *attempts);
        let institution = pending.request.institution;
        let rows = rows.map(|rows| rows.points).unwrap_or_default();
        match &rows[..] {
            [Some(row), None, None] => match Kept::parse(&row.value) {
                Ok(kept) => {
                    if let Some(pending) = self.take(&key) {
                        self.answer(pending.waiting, kept.response);
                    }
                }
                Err(_) => self.fall_silent(&key, Silence::Store),
            },
            [_, Some(_), _] | [_, _, Some(_)] => {
                self.events.push_back(SwitchEvent::Late { institution, response });
                self.ask_stand_in(now, key, Diverted::Known);
            }
            _ if attempts < KEEP_ATTEMPTS_MAX => self.keep(now, key, response, attempts + 1),
            _ => self.fall_silent(&key, Silence::Store),
        }
    }
}

const KEEP_ATTEMPTS_MAX: u8 = 8;
