//! The backstage server's part: asks until it is answered, and takes each notice once.

use crate::access::peer;
use crate::{
    Error, HopList, JobId, Message, Misuse, Notice, NoticeKind, PartyId, Request, SignedVerdict,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use port::outbox::Entry;
use port::{
    Batch, Clamp, Committed, CrateTag, Effect, Expect, Input, Key, Machine, Peer, ReadSet, Tenant,
    Ticket, Time,
};

/// Submits requests, and receives answers, results and arrivals.
///
/// A notice is handed over exactly once: its row, under the notice's idempotency key, is written before the event is told
/// and before the notice is answered. After a crash the application finds what it has not seen in those rows
/// ([`BackstageServer::inbox`]).
#[derive(Clone, Debug)]
pub struct BackstageServer {
    tenant: Tenant,
    forwarder: Peer,
    pace_ms: u64,
    clamp: Clamp,
    open: BTreeMap<JobId, (Request, Time)>,
    reading: BTreeMap<Ticket, Entry>,
    writing: BTreeMap<Ticket, Entry>,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<BackstageEvent>,
}

impl BackstageServer {
    /// The most requests without an answer.
    pub const OPEN_MAX: usize = 10_000;

    /// Of a site; asks again every `pace_ms`.
    ///
    /// # Errors
    /// [`Misuse`].
    pub fn new(tenant: Tenant, forwarder: &PartyId, pace_ms: u64) -> Result<Self, Misuse> {
        if pace_ms == 0 {
            return Err(Misuse::Bounds);
        }
        Ok(Self {
            tenant,
            forwarder: peer(forwarder)?,
            pace_ms,
            clamp: Clamp::new(),
            open: BTreeMap::new(),
            reading: BTreeMap::new(),
            writing: BTreeMap::new(),
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Asks for a transfer. The application keeps the request until it is answered: after a crash it submits it again, and
    /// gets the same answer.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Peer`] for a text that no form takes.
    pub fn submit(&mut self, now: Time, request: Request) -> Result<(), Error> {
        let now = self.clamp.see(now);
        if self.open.len() >= Self::OPEN_MAX && !self.open.contains_key(&request.id) {
            return Err(Error::Busy);
        }
        self.send_request(&request)?;
        self.open.insert(request.id, (request, now.plus_ms(self.pace_ms)));
        Ok(())
    }

    /// Calls a job off, if it is not too late. The result tells.
    ///
    /// # Errors
    /// [`Error::Peer`]: never for a request that was submitted.
    pub fn cancel(&mut self, request: &Request) -> Result<(), Error> {
        let frame = Message::Cancel { transfer: request.transfer()? }.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    /// The prefix of the notices that were taken; each value is a [`Notice`].
    pub fn inbox(tenant: Tenant) -> Key {
        Key::new(CrateTag::FILEXFER, tenant, INBOX)
    }

    fn send_request(&mut self, request: &Request) -> Result<(), Error> {
        let request = request.clone();
        let message = Message::Submit { request, hops: HopList::new(), file: None };
        let frame = message.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn on_frame(&mut self, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        if *from != self.forwarder {
            return Err(Error::Stranger);
        }
        match Message::parse(bytes)? {
            Message::Answer(answer) => {
                let id = answer.verdict.id;
                let Some((request, _)) = self.open.get(&id) else { return Ok(()) };
                if request.digest()? == answer.verdict.request {
                    self.open.remove(&id);
                    self.events.push_back(BackstageEvent::Answered(answer));
                }
                Ok(())
            }
            Message::Notice(bytes) => {
                let entry = Entry::parse(&bytes)?;
                Notice::parse(&entry.content)?;
                if self.reading.len() + self.writing.len() >= NOTICES_MAX {
                    return Err(Error::Busy);
                }
                let ticket = self.ticket();
                let want = ReadSet::points([self.row(&entry)?]);
                self.reading.insert(ticket, entry);
                self.effects.push_back(Effect::Read { ticket, want });
                Ok(())
            }
            _ => Err(Error::Stranger),
        }
    }

    fn row(&self, entry: &Entry) -> Result<Key, Error> {
        Ok(Self::inbox(self.tenant).raw(&entry.idempotency)?)
    }

    fn answer(&mut self, entry: &Entry) -> Result<(), Error> {
        let frame = Message::noticed(entry)?.to_frame()?;
        self.effects.push_back(Effect::Send { to: self.forwarder.clone(), frame });
        Ok(())
    }
}

impl Machine for BackstageServer {
    type Event = BackstageEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.clamp.see(now);
        match input {
            Input::Frame { from, bytes } => self.on_frame(from, bytes),
            Input::Rows { ticket, rows } => {
                let entry = self.reading.remove(&ticket).ok_or(Misuse::NotAsked)?;
                let Some(rows) = rows else { return Ok(()) };
                if rows.points.first().is_some_and(Option::is_some) {
                    return self.answer(&entry);
                }
                let mut batch = Batch::new();
                batch.put(self.row(&entry)?, Expect::Absent, entry.content.clone());
                let ticket = self.ticket();
                self.writing.insert(ticket, entry);
                self.effects.push_back(Effect::Commit { ticket, batch });
                Ok(())
            }
            Input::Committed { ticket, fate } => {
                let entry = self.writing.remove(&ticket).ok_or(Misuse::NotAsked)?;
                // A conflict: the same notice came twice. Unknown: it comes again, and is looked for.
                if let Committed::Applied(_) = fate {
                    let notice = Notice::parse(&entry.content)?;
                    // A result that overtook its answer is one too.
                    if notice.kind == NoticeKind::Result {
                        self.open.remove(&notice.id);
                    }
                    self.events.push_back(BackstageEvent::Noticed(notice));
                    self.answer(&entry)?;
                }
                Ok(())
            }
            Input::Tick => {
                let pace_ms = self.pace_ms;
                let mut due = Vec::new();
                for (request, at) in self.open.values_mut().filter(|(_, at)| *at <= now) {
                    *at = now.plus_ms(pace_ms);
                    due.push(request.clone());
                }
                due.iter().try_for_each(|request| self.send_request(request))
            }
            Input::Keys { .. } => Err(Misuse::NotAsked.into()),
            _ => Err(Misuse::NotAsked.into()),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<BackstageEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.open.values().map(|(_, at)| *at).min()
    }
}

/// What a backstage server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackstageEvent {
    /// The verdict about a request. Check its signature if the link is not trusted.
    Answered(SignedVerdict),
    /// What became of a job, or that a file arrived; once each.
    Noticed(Notice),
}

const INBOX: u8 = 9;
const NOTICES_MAX: usize = 1_024;
