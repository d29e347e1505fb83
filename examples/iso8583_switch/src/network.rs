//! What all three sides agree on: how messages are written and framed, and what their codes mean.

use crate::clock;
use crate::failure::Failure;
use wire_iso8583::{Codings, Dialect, Framing, Incoming, Message, Usage};

/// The conventions of one network.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) dialect: Dialect,
    pub(crate) usage: Usage,
}

impl Network {
    /// ISO 8583:1987 as the standard has it, in these codings.
    pub(crate) fn new(codings: Codings) -> Result<Self, Failure> {
        let dialect = Dialect::iso1987(codings).map_err(Failure::run)?;
        // The accounting system wants to know by whom, when and by what it was stood in for.
        Ok(Self { dialect, usage: Usage::iso1987().with_stand_in_field(60) })
    }

    /// A frame that came in now; `None` if it is no message. Whoever sent it waits in vain, and its operator looks why.
    pub(crate) fn read(&self, frame: &[u8]) -> Option<Incoming> {
        Incoming::parse(frame, &self.dialect, clock::now()).ok()
    }

    /// The bytes of a message; `None` if the dialect cannot say it.
    pub(crate) fn write(&self, message: &Message) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(192);
        message.encode(&self.dialect, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// Two bytes of length in front of each message.
pub(crate) const FRAMING: Framing = Framing::BINARY_2;
