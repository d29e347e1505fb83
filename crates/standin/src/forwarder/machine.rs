//! The forwarder as a machine: what the store said, and time.

use super::settlement::Phase;
use super::{Forwarder, ForwarderError, ForwarderEvent};
use port::{Committed, Effect, Input, Machine, Time};

impl Machine for Forwarder {
    type Event = ForwarderEvent;
    type Error = ForwarderError;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), ForwarderError> {
        let now = self.clamp.see(now);
        match input {
            Input::Committed { ticket, fate } => {
                let mut lanes = self.lanes.iter_mut();
                let (lane, settlement) = lanes
                    .find(|(_, one)| one.phase == Phase::Committing(ticket))
                    .ok_or(ForwarderError::NotAsked)?;
                let lane = *lane;
                match fate {
                    Committed::Applied(_) => self.settled(lane),
                    // Fresh rows tell; but a store that always says no is left alone for a while.
                    Committed::Conflict if settlement.conflicts < CONFLICTS_MAX => {
                        settlement.conflicts += 1;
                        settlement.phase = Phase::Idle;
                    }
                    Committed::Conflict | Committed::Unknown => {
                        settlement.conflicts = 0;
                        settlement.phase = Phase::Resting(now.plus_ms(self.config.retry_ms));
                    }
                }
            }
            Input::Rows { ticket, rows } => {
                let mut lanes = self.lanes.iter();
                let lane = lanes.find(|(_, one)| one.phase == Phase::Reading(ticket));
                if let Some(lane) = lane.map(|(lane, _)| *lane) {
                    self.on_lane_rows(now, lane, rows);
                } else {
                    match self.reading.take() {
                        Some((asked, reading)) if asked == ticket => {
                            self.on_page(now, reading, rows);
                            for account in core::mem::take(&mut self.left) {
                                self.leave(account);
                            }
                        }
                        other => {
                            self.reading = other;
                            return Err(ForwarderError::NotAsked);
                        }
                    }
                }
            }
            Input::Tick => {
                while let Some((due, account, alarm)) = self.timers.first().copied()
                    && due <= now
                {
                    self.timers.pop_first();
                    self.on_alarm(now, account, alarm);
                }
            }
            _ => return Err(ForwarderError::NotAsked),
        }
        self.go_on(now);
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ForwarderEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        let alarm = self.timers.first().map(|(due, ..)| *due);
        let sweep = self.may_sweep().then(|| self.sweep.due());
        let load = self.may_load().then_some(Time::EPOCH);
        let read = load.into_iter().chain(sweep).min().filter(|_| self.reading.is_none());
        let read = read.map(|due| due.max(self.read_at));
        let lanes = self.lanes.values().filter_map(|one| match one.phase {
            Phase::Resting(until) => Some(until),
            _ => None,
        });
        alarm.into_iter().chain(read).chain(lanes).min()
    }
}

/// Conflicts in a row before a batch rests.
const CONFLICTS_MAX: u8 = 16;
