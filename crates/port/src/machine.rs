//! Machines: long-lived protocols fed with inputs and drained of effects.

use crate::{Batch, KeyAnswer, KeyQuestion, Peer, ReadSet, Rows, Time, Version};
use alloc::vec::Vec;
use bytes::Bytes;

/// A session, a queue or a protocol that lives longer than one request.
///
/// # Contract
///
/// 1. `handle` never blocks, never panics on foreign data and does bounded work. A refused input changes nothing.
/// 2. After each `handle`, take `poll_effect` until `None`, then `poll_event` until `None`, then arm one timer from
///    `next_deadline`.
/// 3. An effect that was taken is owed: finish it and report, or drop the machine. Effects come out in the order in which
///    they must be started.
/// 4. An effect that promises something to somebody comes out only after the batch it rests on was reported `Applied`.
/// 5. After `Committed::Unknown` the machine promises nothing that rests on that batch until it has read what is there.
/// 6. Early, late and repeated ticks are harmless; time that steps back is held ([`crate::Clamp`]).
/// 7. Same configuration, same inputs: the same effects.
/// 8. Every queue and map has a bound; at the bound the answer is an error that says `Busy`.
///
/// [`crate::drain`] and [`crate::blocking::drain`] carry the effects of any machine to a store, a link and keys.
pub trait Machine {
    /// What the embedder is told.
    type Event;

    /// Input that could not be handled.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Takes one input.
    ///
    /// # Errors
    /// Input that could not be handled; the state is unchanged.
    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Self::Error>;

    /// The next thing to be done.
    #[must_use]
    fn poll_effect(&mut self) -> Option<Effect>;

    /// The next thing to be told.
    #[must_use]
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call `handle` with [`Input::Tick`] at the latest.
    #[must_use]
    fn next_deadline(&self) -> Option<Time>;
}

/// What the world tells a machine. What is special to one machine comes through its own methods.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The fate of a commit.
    Committed {
        /// Of which effect.
        ticket: Ticket,
        /// Its fate.
        fate: Committed,
    },
    /// A frame arrived.
    Frame {
        /// From whom, as far as the transport knows.
        from: &'a Peer,
        /// Its bytes, not trusted.
        bytes: &'a [u8],
    },
    /// Answers of the key holder.
    Keys {
        /// To which effect.
        ticket: Ticket,
        /// Aligned with the questions; `None` if the key holder failed.
        answers: Option<Vec<KeyAnswer>>,
    },
    /// Rows from the store.
    Rows {
        /// To which effect.
        ticket: Ticket,
        /// Aligned with the read set; `None` if the store failed.
        rows: Option<Rows>,
    },
    /// Only time passed.
    Tick,
}

/// What a machine wants done. Exhaustive on purpose: whoever forgets one loses money silently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Ask the key holder; answer with [`Input::Keys`].
    Ask {
        /// To be returned with the answer.
        ticket: Ticket,
        /// The questions.
        questions: Vec<KeyQuestion>,
    },
    /// Commit; answer with [`Input::Committed`].
    Commit {
        /// To be returned with the answer.
        ticket: Ticket,
        /// What to write.
        batch: Batch,
    },
    /// Read; answer with [`Input::Rows`].
    Read {
        /// To be returned with the answer.
        ticket: Ticket,
        /// What to read.
        want: ReadSet,
    },
    /// Send, once; no answer is due.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        frame: Bytes,
    },
}

/// The fate of a commit as a machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Written and durable.
    Applied(Version),
    /// Nothing was written: a requirement did not hold, or the store says so for certain.
    Conflict,
    /// It may or may not be there.
    Unknown,
}

/// Correlates an effect with its answer; counts up within one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
