//! What makes a request one of its kind.

use crate::{Class, InstitutionId, Text};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Key, KeyError, Time, WireError};

/// Initiator, trace number, time of sending and terminal, within a message class: two messages with one key are one request.
///
/// The class is in it because many networks give a reversal the trace number and time of its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    class: Class,
    initiator: InstitutionId,
    trace: u64,
    sent_at: Time,
    terminal: Text<16>,
}

impl RequestKey {
    /// The largest trace number: twelve nines (ISO 8583:2003 field 11).
    pub const TRACE_MAX: u64 = 999_999_999_999;

    /// The longest form of [`RequestKey::to_bytes`].
    pub const BYTES_MAX: usize = 33;

    const HEAD_BYTES: usize = 17;

    /// `None` if the trace number has more than twelve digits or the time does not fit into 48 bits of milliseconds.
    pub const fn new(
        class: Class,
        initiator: InstitutionId,
        trace: u64,
        sent_at: Time,
        terminal: Text<16>,
    ) -> Option<Self> {
        if trace > Self::TRACE_MAX || sent_at.as_ms() >> 48 != 0 {
            return None;
        }
        Some(Self { class, initiator, trace, sent_at, terminal })
    }

    /// The class of the message.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Who sent it.
    pub const fn initiator(&self) -> InstitutionId {
        self.initiator
    }

    /// Field 11.
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    /// Field 7.
    pub const fn sent_at(&self) -> Time {
        self.sent_at
    }

    /// Field 41.
    pub const fn terminal(&self) -> &Text<16> {
        &self.terminal
    }

    /// The bytes that stand for it in the keys of rows: class (1), initiator (5), trace (5), time (6), terminal (1 to 16).
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.head()[..], self.terminal.as_bytes()].concat()
    }

    /// Appends [`RequestKey::to_bytes`].
    pub(crate) fn append_to(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head());
        to.extend_from_slice(self.terminal.as_bytes());
    }

    /// Appends [`RequestKey::to_bytes`] to the key of a row.
    #[inline]
    pub(crate) fn append(&self, to: &mut Key) -> Result<(), KeyError> {
        to.push(&self.head())?;
        to.push(self.terminal.as_bytes())
    }

    /// Everything but the terminal.
    #[inline]
    fn head(&self) -> [u8; Self::HEAD_BYTES] {
        let mut head = [0; Self::HEAD_BYTES];
        head[0] = self.class as u8;
        head[1..6].copy_from_slice(&self.initiator.as_u64().to_be_bytes()[3..]);
        head[6..11].copy_from_slice(&self.trace.to_be_bytes()[3..]);
        head[11..].copy_from_slice(&self.sent_at.as_ms().to_be_bytes()[2..]);
        head
    }

    /// Reads [`RequestKey::to_bytes`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let (head, terminal) = bytes.split_first_chunk::<17>().ok_or(WireError::Truncated)?;
        let number = |from: usize, to: usize| {
            head[from..to].iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let class = match head[0] {
            1 => Class::Authorization,
            2 => Class::Financial,
            4 => Class::Reversal,
            8 => Class::Network,
            _ => return Err(bad),
        };
        let initiator = InstitutionId::new(number(1, 6)).ok_or(bad)?;
        let terminal = Text::from_bytes(terminal).map_err(|_| bad)?;
        Self::new(class, initiator, number(6, 11), Time::from_ms(number(11, 17)), terminal)
            .ok_or(bad)
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        // Without a detour over the heap: three keys are written for each decision.
        let len = Self::HEAD_BYTES + self.terminal.as_bytes().len();
        writer.u8(u8::try_from(len).map_err(|_| WireError::TooLong)?);
        writer.fixed(&self.head()).fixed(self.terminal.as_bytes());
        Ok(())
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::parse(reader.lp8()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back(
            class in prop::sample::select(&[Class::Authorization, Class::Financial, Class::Reversal, Class::Network][..]),
            initiator in 1..=InstitutionId::MAX, trace in 0..=RequestKey::TRACE_MAX, at in 0..1_u64 << 48,
            terminal in "[!-~]{1,16}",
        ) {
            let initiator = InstitutionId::new(initiator).unwrap();
            let terminal = Text::new(&terminal).unwrap();
            let key = RequestKey::new(class, initiator, trace, Time::from_ms(at), terminal).unwrap();
            let bytes = key.to_bytes();
            prop_assert!(bytes.len() <= RequestKey::BYTES_MAX);
            prop_assert_eq!(RequestKey::parse(&bytes), Ok(key));
            for cut in 0..18 {
                prop_assert!(RequestKey::parse(&bytes[..cut.min(17)]).is_err());
            }
        }
    }
}
