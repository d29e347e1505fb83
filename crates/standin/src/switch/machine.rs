//! The switch as a machine: what the store and the keys said, and time.

use super::{Switch, SwitchError, SwitchEvent, Task};
use port::{Effect, Input, Time};

impl port::Machine for Switch {
    type Event = SwitchEvent;
    type Error = SwitchError;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        match input {
            Input::Committed { ticket, fate } => match self.tasks.remove(&ticket) {
                Some(Task::Keep(key)) => self.on_kept(ticket, key, fate),
                Some(other) => {
                    self.tasks.insert(ticket, other);
                    return Err(SwitchError::NotAsked);
                }
                None => return Err(SwitchError::NotAsked),
            },
            Input::Keys { ticket, answers } => match self.tasks.get(&ticket) {
                Some(Task::Mac(_)) => self.on_mac(ticket, answers),
                // It came after its time.
                None if ticket <= self.last_ticket => {}
                _ => return Err(SwitchError::NotAsked),
            },
            Input::Rows { ticket, rows } => match self.tasks.get(&ticket) {
                Some(Task::Look(_)) => self.on_look(now, ticket, rows),
                Some(Task::Reread(key)) => {
                    let key = *key;
                    self.tasks.remove(&ticket);
                    self.on_reread(now, key, rows);
                }
                None if ticket <= self.last_ticket => {}
                _ => return Err(SwitchError::NotAsked),
            },
            Input::Tick => {
                while let Some((due, timer)) = self.timers.first().copied()
                    && due <= now
                {
                    self.timers.pop_first();
                    self.on_timer(now, timer);
                }
            }
            // Messages come through the methods.
            _ => return Err(SwitchError::NotAsked),
        }
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<SwitchEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due)
    }
}
