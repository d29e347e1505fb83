//! Ending entries in the store, a batch of each lane at a time.

use super::settlement::{self, Ended, Phase};
use super::{Forwarder, ForwarderEvent};
use crate::table;
use port::{Effect, Rows, Time};

impl Forwarder {
    /// Ends entries in the store, one batch of a lane at a time.
    pub(super) fn settle(&mut self, now: Time) {
        for (lane, settlement) in &mut self.lanes {
            let rested = match settlement.phase {
                Phase::Idle => true,
                Phase::Resting(until) => now >= until,
                Phase::Reading(_) | Phase::Committing(_) => false,
            };
            if !rested {
                continue;
            }
            if settlement.active.is_empty() {
                let most = settlement.waiting.len().min(self.config.settle_max);
                settlement.active = settlement.waiting.drain(..most).collect();
            }
            if settlement.active.is_empty() {
                settlement.phase = Phase::Idle;
                continue;
            }
            self.last_ticket = self.last_ticket.next();
            let ticket = self.last_ticket;
            settlement.phase = Phase::Reading(ticket);
            let want = settlement::want(self.institution, *lane, &settlement.active);
            self.effects.push_back(Effect::Read { ticket, want });
        }
        self.lanes.retain(|_, one| !one.active.is_empty() || !one.waiting.is_empty());
    }

    pub(super) fn on_lane_rows(&mut self, now: Time, lane: u16, rows: Option<Rows>) {
        let Some(settlement) = self.lanes.get_mut(&lane) else { return };
        let retry_at = now.plus_ms(self.config.retry_ms);
        let Some(rows) = rows else {
            settlement.phase = Phase::Resting(retry_at);
            return;
        };
        let found =
            settlement::batch(now, self.institution, lane, &settlement.active, &rows.points);
        match found {
            Ok(batch) if batch.is_empty() => self.settled(lane),
            Ok(batch) => {
                self.last_ticket = self.last_ticket.next();
                let ticket = self.last_ticket;
                settlement.phase = Phase::Committing(ticket);
                self.effects.push_back(Effect::Commit { ticket, batch });
            }
            Err(_) if settlement.active.len() > 1 => {
                // One of them is damaged: the others go on without it.
                settlement.phase = Phase::Idle;
                let rest = settlement.active.split_off(1);
                rest.into_iter().rev().for_each(|one| settlement.waiting.push_front(one));
            }
            Err(_) => {
                settlement.phase = Phase::Resting(retry_at);
                let row = settlement.active.first().map_or_else(
                    || table::lane(self.institution, lane),
                    |one| table::account(self.institution, &one.entry.account),
                );
                self.events.push_back(ForwarderEvent::Damaged { row });
            }
        }
    }

    /// The entries of a lane's batch have ended.
    pub(super) fn settled(&mut self, lane: u16) {
        let Some(settlement) = self.lanes.get_mut(&lane) else { return };
        settlement.phase = Phase::Idle;
        settlement.conflicts = 0;
        for Ended { entry, about, key, state, why } in core::mem::take(&mut settlement.active) {
            let account = entry.account;
            self.held = self.held.saturating_sub(1);
            if self.late.remove(&about).is_some() {
                self.late_order.retain(|one| *one != about);
            }
            self.events.push_back(match why {
                Some(why) => ForwarderEvent::DeadLetter { key, account, why },
                None => ForwarderEvent::Delivered { key, account, state },
            });
            if let Some(queue) = self.queues.get_mut(&account) {
                queue.unsettled = queue.unsettled.saturating_sub(1);
            }
            self.leave(account);
        }
        if self.held == 0 {
            self.sweep.look_again();
        }
    }
}
