//! Effects on others that must happen: rows written with the verdict, delivered until they are answered.
//!
//! A decision that owes something to somebody (a debit, a notice, a forwarded advice) puts an [`Entry`] into the same batch
//! as its verdict. One [`Outbox`] machine finds the entries, sends each to its peer with an idempotency key, and sends it
//! again until the peer answers with that key. A peer that answers twice for one key, or acts once for it however often it
//! comes, makes it exactly once.

use crate::wire::{Reader, Sink, Writer};
use crate::{
    Batch, Clamp, Committed, Effect, Expect, Input, Key, KeyError, Machine, Peer, ReadSet, Scan,
    Ticket, Time, Version, WireError,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// Delivers the entries under one prefix, at least once each.
///
/// Feed it [`Input::Tick`] at its deadline and [`Outbox::nudge`] after a commit that added entries; it reads, sends, waits
/// for the answer and deletes. An *empty* answer ends an entry by itself. An answer with content is told as
/// [`Event::Answered`]: act on it in a decision of yours whose batch deletes the entry's row at its version, then call
/// [`Outbox::settled`]. Several outboxes may drain one prefix: peers see doubles, rows are deleted once.
///
/// Entries of one prefix are sent about in the order of their creation and answered in any. Peers that must not hold each
/// other up get prefixes of their own.
#[derive(Debug)]
pub struct Outbox {
    prefix: Key,
    config: Config,
    clamp: Clamp,
    flights: BTreeMap<[u8; 32], Flight>,
    /// Where the next page starts; `None` at the start of the prefix.
    cursor: Option<Key>,
    reading: Option<Ticket>,
    /// A nudge came while a page was being read: that page may be older than what the nudge was about.
    nudged: bool,
    poll_at: Time,
    last_ticket: Ticket,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

impl Outbox {
    /// Drains the entries under `prefix`.
    pub const fn new(prefix: Key, config: Config) -> Self {
        Self {
            prefix,
            config,
            clamp: Clamp::new(),
            flights: BTreeMap::new(),
            cursor: None,
            reading: None,
            nudged: false,
            poll_at: Time::EPOCH,
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Entries may have been added: look now instead of at the next poll.
    pub fn nudge(&mut self, now: Time) {
        let now = self.clamp.see(now);
        self.poll_at = self.poll_at.min(now);
        self.nudged |= self.reading.is_some();
        self.look(now);
    }

    /// A decision of the embedder deleted this entry's row.
    pub fn settled(&mut self, idempotency: &[u8; 32]) {
        self.flights.remove(idempotency);
    }

    /// How many entries wait for their answer.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    fn look(&mut self, now: Time) {
        let room = self.config.in_flight_max.saturating_sub(self.flights.len());
        if self.reading.is_some() || room == 0 || now < self.poll_at {
            return;
        }
        let ticket = self.ticket();
        self.reading = Some(ticket);
        let scan =
            Scan { prefix: self.prefix.clone(), after: self.cursor.clone(), limit: self.page() };
        self.effects.push_back(Effect::Read { ticket, want: ReadSet::scan(scan) });
    }

    fn page(&self) -> usize {
        self.config.page_rows.clamp(1, Scan::ROWS_MAX)
    }

    fn on_rows(&mut self, now: Time, page: Option<Vec<(Key, crate::Row)>>) {
        let Some(page) = page else {
            self.poll_at = now.plus_ms(self.config.retry_ms);
            return;
        };
        let full = page.len() >= self.page();
        let mut last = None;
        for (key, row) in page {
            match Entry::parse(&row.value) {
                Err(_) => self.events.push_back(Event::Damaged { key: key.clone() }),
                Ok(entry) if self.flights.contains_key(&entry.idempotency) => {}
                Ok(_) if self.flights.len() >= self.config.in_flight_max => {
                    // No room for the rest of the page: it is read again once there is.
                    self.cursor = last.or_else(|| self.cursor.take());
                    self.poll_at = now;
                    return;
                }
                Ok(entry) => self.launch(now, key.clone(), row.version, entry),
            }
            last = Some(key);
        }
        self.cursor = last.filter(|_| full);
        if full || core::mem::take(&mut self.nudged) {
            self.poll_at = now;
            self.look(now);
        } else {
            self.poll_at = now.plus_ms(self.config.poll_ms);
        }
    }

    fn launch(&mut self, now: Time, key: Key, version: Version, entry: Entry) {
        self.effects.push_back(Effect::Send { to: entry.to.clone(), frame: entry.frame() });
        let idempotency = entry.idempotency;
        let resend_at = now.plus_ms(self.config.retry_ms);
        let flight = Flight { key, version, entry, attempts: 1, resend_at, deleting: None };
        if flight.attempts == self.config.stuck_after {
            self.events.push_back(Event::Stuck { idempotency, attempts: flight.attempts });
        }
        self.flights.insert(idempotency, flight);
    }

    fn resend(&mut self, now: Time) {
        for flight in self.flights.values_mut() {
            if flight.deleting.is_some() || now < flight.resend_at {
                continue;
            }
            flight.attempts = flight.attempts.saturating_add(1);
            let doublings = flight.attempts.min(16) - 1;
            let wait_ms =
                self.config.retry_ms.saturating_mul(1 << doublings).min(self.config.retry_max_ms);
            flight.resend_at = now.plus_ms(wait_ms);
            self.effects.push_back(Effect::Send {
                to: flight.entry.to.clone(),
                frame: flight.entry.frame(),
            });
            if flight.attempts == self.config.stuck_after {
                self.events.push_back(Event::Stuck {
                    idempotency: flight.entry.idempotency,
                    attempts: flight.attempts,
                });
            }
        }
    }

    fn on_answer(&mut self, from: &Peer, bytes: &[u8]) -> Result<(), OutboxError> {
        let answer = Answer::parse(bytes).map_err(OutboxError::Frame)?;
        let Some(flight) = self.flights.get_mut(&answer.idempotency) else { return Ok(()) };
        if flight.entry.to != *from {
            return Err(OutboxError::Stranger);
        }
        if flight.deleting.is_some() {
            return Ok(());
        }
        if !answer.content.is_empty() {
            self.events.push_back(Event::Answered {
                key: flight.key.clone(),
                version: flight.version,
                entry: flight.entry.clone(),
                content: answer.content,
            });
            return Ok(());
        }
        self.last_ticket = self.last_ticket.next();
        flight.deleting = Some(self.last_ticket);
        let mut batch = Batch::new();
        batch.delete(flight.key.clone(), Expect::At(flight.version));
        self.effects.push_back(Effect::Commit { ticket: self.last_ticket, batch });
        Ok(())
    }

    fn on_committed(&mut self, now: Time, ticket: Ticket, fate: Committed) {
        let found = self.flights.iter().find(|(_, flight)| flight.deleting == Some(ticket));
        let Some(idempotency) = found.map(|(idempotency, _)| *idempotency) else { return };
        self.flights.remove(&idempotency);
        if let Committed::Applied(_) = fate {
            self.events.push_back(Event::Delivered { idempotency });
        } else {
            // Somebody else deleted it, or nobody knows: what is still there is found again.
            self.cursor = None;
            self.poll_at = self.poll_at.min(now.plus_ms(self.config.retry_ms));
        }
        self.look(now);
    }
}

impl Machine for Outbox {
    type Event = Event;
    type Error = OutboxError;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), OutboxError> {
        let now = self.clamp.see(now);
        match input {
            Input::Committed { ticket, fate } => self.on_committed(now, ticket, fate),
            Input::Frame { from, bytes } => self.on_answer(from, bytes)?,
            Input::Keys { .. } => return Err(OutboxError::NotAsked),
            Input::Rows { ticket, rows } => {
                if self.reading != Some(ticket) {
                    return Err(OutboxError::NotAsked);
                }
                self.reading = None;
                self.on_rows(now, rows.and_then(|rows| rows.scans.into_iter().next()));
            }
            Input::Tick => {
                self.resend(now);
                self.look(now);
            }
        }
        Ok(())
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        let room = self.flights.len() < self.config.in_flight_max;
        let poll = (self.reading.is_none() && room).then_some(self.poll_at);
        let waiting = self.flights.values().filter(|flight| flight.deleting.is_none());
        waiting.map(|flight| flight.resend_at).chain(poll).min()
    }
}

/// Something owed to a peer: a row of the batch that decided it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the obligation; the peer acts once for it and echoes it.
    pub idempotency: [u8; 32],
    /// To whom it is owed.
    pub to: Peer,
    /// When it was decided.
    pub created: Time,
    /// What is owed, in the form that peer and crate agreed on; at most 32 KiB.
    pub content: Bytes,
}

impl Entry {
    /// The longest content, in bytes.
    pub const CONTENT_BYTES_MAX: usize = 32 * 1024;

    /// The key of this entry's row under an outbox prefix: entries sort by creation.
    ///
    /// # Errors
    /// [`KeyError`] if the prefix leaves no room.
    pub fn key(&self, mut prefix: Key) -> Result<Key, KeyError> {
        self.head().key(&mut prefix)?;
        Ok(prefix)
    }

    /// Appends the stored form, which is also the frame that is sent: version 1, idempotency key (32), creation in
    /// milliseconds (`u64`), peer (`u8` length), content (`u32` length).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.head().encode(to, self.content.len())?;
        to.extend_from_slice(&self.content);
        Ok(())
    }

    /// How long the stored form is.
    pub fn encoded_bytes(&self) -> usize {
        self.head().bytes(self.content.len())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let idempotency = reader.array()?;
        let created = Time::from_ms(reader.u64()?);
        let name = Reader::text(reader.lp8()?)?;
        let to = Peer::new(name).ok_or(WireError::Invalid)?;
        let content = reader.lp32()?;
        if content.len() > Self::CONTENT_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let content = Bytes::copy_from_slice(content);
        reader.finish()?;
        Ok(Self { idempotency, to, created, content })
    }

    fn head(&self) -> EntryHead<'_> {
        EntryHead { idempotency: &self.idempotency, to: &self.to, created: self.created }
    }

    fn frame(&self) -> Bytes {
        let mut frame = Vec::with_capacity(self.encoded_bytes());
        // Cannot fail: the entry was parsed from this very form.
        let _ = self.encode(&mut frame);
        frame.into()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry(to {}, {} bytes)", self.to, self.content.len())
    }
}

/// An [`Entry`] whose content is written where it belongs, without a copy of its own.
#[derive(Clone, Copy, Debug)]
pub struct EntryHead<'a> {
    /// As [`Entry::idempotency`].
    pub idempotency: &'a [u8; 32],
    /// As [`Entry::to`].
    pub to: &'a Peer,
    /// As [`Entry::created`].
    pub created: Time,
}

impl EntryHead<'_> {
    /// As [`Entry::key`], in place: the prefix becomes the key.
    ///
    /// # Errors
    /// [`KeyError`] if the prefix leaves no room.
    #[inline]
    pub fn key(&self, prefix: &mut Key) -> Result<(), KeyError> {
        prefix.push(&self.created.as_ms().to_be_bytes())?;
        prefix.push(&self.idempotency[..16])
    }

    /// As [`Entry::encode`], up to the content: exactly so many bytes of it have to follow.
    ///
    /// # Errors
    /// [`WireError::TooLong`] if these are more than [`Entry::CONTENT_BYTES_MAX`]; nothing was written.
    #[inline]
    pub fn encode<T: Sink>(&self, to: &mut T, content_bytes: usize) -> Result<(), WireError> {
        let len = u32::try_from(content_bytes).map_err(|_| WireError::TooLong)?;
        if content_bytes > Entry::CONTENT_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Writer::new(to, 1)
            .fixed(self.idempotency)
            .u64(self.created.as_ms())
            .lp8(self.to.as_str().as_bytes())?
            .u32(len);
        Ok(())
    }

    /// How long the stored form is with so many bytes of content.
    pub fn bytes(&self, content: usize) -> usize {
        1 + 32 + 8 + 1 + self.to.as_str().len() + 4 + content
    }
}

/// A peer's answer to an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The entry's idempotency key, echoed.
    pub idempotency: [u8; 32],
    /// What the peer has to say, at most 32 KiB; empty for a plain acknowledgement.
    pub content: Bytes,
}

impl Answer {
    /// Appends the wire form: version 1, idempotency key (32), content (`u32` length).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        if self.content.len() > Entry::CONTENT_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        Writer::new(to, 1).fixed(&self.idempotency).lp32(&self.content)?;
        Ok(())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let idempotency = reader.array()?;
        let content = reader.lp32()?;
        if content.len() > Entry::CONTENT_BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let content = Bytes::copy_from_slice(content);
        reader.finish()?;
        Ok(Self { idempotency, content })
    }
}

/// Paces an [`Outbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Entries that may wait for their answer at one time.
    pub in_flight_max: usize,
    /// Rows read at a time.
    pub page_rows: usize,
    /// How often to look for entries that nobody nudged about.
    pub poll_ms: u64,
    /// The first wait for an answer; doubles with each attempt.
    pub retry_ms: u64,
    /// The longest wait.
    pub retry_max_ms: u64,
    /// After this many attempts [`Event::Stuck`] is told, once.
    pub stuck_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_flight_max: 64,
            page_rows: 64,
            poll_ms: 1_000,
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            stuck_after: 8,
        }
    }
}

/// What an [`Outbox`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer answered with content; decide on it, delete the row in that batch, then call [`Outbox::settled`].
    Answered {
        /// The entry's row.
        key: Key,
        /// The version of that row.
        version: Version,
        /// The entry.
        entry: Entry,
        /// The answer.
        content: Bytes,
    },
    /// A row under the prefix is not an entry. It stays where it is.
    Damaged {
        /// Which row.
        key: Key,
    },
    /// The peer acknowledged, and the row is deleted.
    Delivered {
        /// Which entry.
        idempotency: [u8; 32],
    },
    /// The peer has not answered many attempts; sending goes on.
    Stuck {
        /// Which entry.
        idempotency: [u8; 32],
        /// How often it was sent.
        attempts: u32,
    },
}

/// Input that an [`Outbox`] cannot handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxError {
    /// A peer sent a frame that is not an answer.
    Frame(WireError),
    /// An answer to a question that was not asked.
    NotAsked,
    /// The answer comes from another peer than the entry went to.
    Stranger,
}

impl OutboxError {
    /// Stable number, 180 to 182.
    pub const fn code(self) -> u32 {
        match self {
            Self::Frame(_) => 180,
            Self::NotAsked => 181,
            Self::Stranger => 182,
        }
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame(_) => "a frame is not an answer",
            Self::NotAsked => "an answer to a question that was not asked",
            Self::Stranger => "the answer comes from another peer",
        })
    }
}

impl core::error::Error for OutboxError {}

#[derive(Debug)]
struct Flight {
    key: Key,
    version: Version,
    entry: Entry,
    attempts: u32,
    resend_at: Time,
    deleting: Option<Ticket>,
}
