//! The machine's four methods.

use super::{ClientEvent, ClientServer, EVENTS_MAX, Next, Reading};
use crate::{Error, Misuse, Trail};
use port::{Effect, Input, KeyAnswer, Machine, ReadSet, Time};

impl Machine for ClientServer {
    type Event = ClientEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.see(now)?;
        match input {
            Input::Frame { from, bytes } => {
                if self.journal.is_none() {
                    return Err(Error::Busy);
                }
                self.on_frame(now, from, bytes)?;
            }
            Input::Rows { ticket, rows } => {
                let reading = self.reads.remove(&ticket).ok_or(Misuse::NotAsked)?;
                self.on_rows(now, reading, rows)?;
            }
            Input::Committed { ticket, fate } => {
                let journal = self.journal.as_mut().ok_or(Misuse::NotAsked)?;
                let then = journal.committed(ticket, fate).inspect_err(|_| self.fenced = true)?;
                for next in then {
                    match next {
                        Next::Send(frame) => {
                            let to = self.access.clone();
                            self.effects.push_back(Effect::Send { to, frame });
                        }
                        Next::Work(work) => self.works.push_back(work),
                        Next::Checkpointed(transfer) => {
                            self.pulls.committed(&transfer);
                        }
                        Next::Concluded(transfer) => {
                            self.concluding.remove(&transfer);
                        }
                        Next::Tell(event) => {
                            let at_once = match &event {
                                ClientEvent::Published { transfer, .. } => Some(*transfer),
                                ClientEvent::HandedOver { .. } | ClientEvent::BeganAnew { .. } => {
                                    None
                                }
                            };
                            if self.events.len() >= EVENTS_MAX {
                                self.events.pop_front();
                            }
                            self.events.push_back(event);
                            if let Some(transfer) = at_once.filter(|_| self.hands_over_at_once) {
                                self.hand_over(now, &transfer, None)?;
                            }
                        }
                        Next::HandOver(transfer, receipt) => {
                            self.tell_hand_over(now, transfer, receipt)?;
                            self.events.push_back(ClientEvent::HandedOver { transfer });
                        }
                    }
                }
            }
            Input::Keys { ticket, answers } => {
                let asked = self.asks.remove(&ticket).ok_or(Misuse::NotAsked)?;
                let answer = answers.and_then(|answers| answers.into_iter().next());
                let signature = match answer {
                    Some(KeyAnswer::Signature(signature)) => Some(signature),
                    _ => None,
                };
                self.on_signature(now, asked, signature)?;
            }
            Input::Tick => {
                if core::mem::take(&mut self.is_unread) {
                    let want = ReadSet::points([Trail::head_key(self.config.tenant)]);
                    self.read(Reading::Head, want);
                }
                if core::mem::take(&mut self.is_pending_unread) {
                    self.read_pending();
                }
                self.tell_again(now)?;
            }
            _ => return Err(Misuse::NotAsked.into()),
        }
        self.pump(now)
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        // What all inputs since the last time led to is recorded together.
        if self.effects.is_empty() && !self.fenced {
            // What has no stored form will have none: nothing more may be promised.
            self.fenced |= self.flush().is_err();
        }
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.tell_again_at().chain(self.pulls.next_deadline()).min()
    }
}
