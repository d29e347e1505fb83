//! The access server: the only way to its client.

use crate::{Error, Message, Misuse, PartyId};
use alloc::collections::VecDeque;
use core::convert::Infallible;
use port::{Effect, Input, Machine, Peer, Time};

/// Passes frames between the forwarding server and one client, and nobody else's (spec F4).
///
/// It reads nothing of them and keeps none: what cannot be passed on is answered with [`Message::Presence`], and the
/// forwarding server keeps the file. The link says when the client comes and goes.
#[derive(Clone, Debug)]
pub struct AccessServer {
    forwarder: Peer,
    client: Peer,
    present: bool,
    effects: VecDeque<Effect>,
}

impl AccessServer {
    /// Between a forwarding server and a client, which is not there yet.
    ///
    /// # Errors
    /// [`Misuse::Identifier`]: never for names of parties.
    pub fn new(forwarder: &PartyId, client: &PartyId) -> Result<Self, Misuse> {
        Ok(Self {
            forwarder: peer(forwarder)?,
            client: peer(client)?,
            present: false,
            effects: VecDeque::new(),
        })
    }

    /// The client came or went.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn client_is(&mut self, present: bool) -> Result<(), Error> {
        self.present = present;
        self.tell_presence()
    }

    /// Whether the client is there.
    pub const fn is_present(&self) -> bool {
        self.present
    }

    fn tell_presence(&mut self) -> Result<(), Error> {
        let frame = Message::Presence(self.present).to_frame()?;
        let to = self.forwarder.clone();
        self.send(Effect::Send { to, frame })
    }

    fn send(&mut self, effect: Effect) -> Result<(), Error> {
        if self.effects.len() >= QUEUE_MAX {
            return Err(Error::Busy);
        }
        self.effects.push_back(effect);
        Ok(())
    }
}

impl Machine for AccessServer {
    type Event = Infallible;
    type Error = Error;

    fn handle(&mut self, _now: Time, input: Input<'_>) -> Result<(), Error> {
        match input {
            Input::Frame { from, bytes } if *from == self.forwarder => {
                if !self.present {
                    return self.tell_presence();
                }
                let frame = bytes.to_vec().into();
                self.send(Effect::Send { to: self.client.clone(), frame })
            }
            Input::Frame { from, bytes } if *from == self.client => {
                self.present = true;
                let frame = bytes.to_vec().into();
                self.send(Effect::Send { to: self.forwarder.clone(), frame })
            }
            Input::Frame { .. } => Err(Error::Stranger),
            Input::Tick => Ok(()),
            _ => Err(Misuse::NotAsked.into()),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn next_deadline(&self) -> Option<Time> {
        None
    }
}

pub(crate) fn peer(id: &PartyId) -> Result<Peer, Misuse> {
    Peer::new(id.as_str()).ok_or(Misuse::Identifier)
}

/// Frames that wait for the link.
const QUEUE_MAX: usize = 1_024;
