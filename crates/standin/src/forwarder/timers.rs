//! What time alone does: time-outs, rests, ages.

use super::queue::Head;
use super::{DeadLetter, Forwarder, ForwarderEvent};
use crate::EntryState;
use port::Time;
use seal::AccountRef;

impl Forwarder {
    pub(super) fn on_alarm(&mut self, now: Time, account: AccountRef, alarm: Alarm) {
        let Some(queue) = self.queues.get_mut(&account) else { return };
        let Some(first) = queue.owed.front_mut() else { return };
        match (alarm, queue.head) {
            (Alarm::Send, Head::InFlight { sent, answers, .. }) => {
                self.pace.timed_out(now, sent);
                if self.answers > answers {
                    first.strikes = first.strikes.saturating_add(1);
                }
                if first.strikes >= self.config.strikes_max {
                    self.end(account, EntryState::Exception, Some(DeadLetter::Unanswered));
                } else {
                    self.rest(now, account);
                }
            }
            (Alarm::Send, Head::Resting { .. }) => {
                queue.head = Head::Ready;
                self.ready.push_back(account);
            }
            (Alarm::Send, Head::Idle | Head::Ready) => {}
            (Alarm::Age, _) => {
                let due = now.plus_ms(self.config.escalate_ms);
                queue.age_due = Some(due);
                self.timers.insert((due, account, Alarm::Age));
                self.events.push_back(ForwarderEvent::Escalated {
                    key: first.entry.request.key,
                    account,
                    age_ms: now.since_ms(first.entry.at),
                    attempts: first.attempts,
                });
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Age,
    Send,
}
