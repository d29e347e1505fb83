//! What a pre-authorization holds of an account until it is completed.

use crate::varint;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// An amount held by a pre-authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The journal entry of the pre-authorization: [`crate::Entry::seq`].
    pub seq: u64,
    /// How much is held still.
    pub minor: i64,
    /// When it was approved.
    pub at: Time,
    /// Whether its entry has still to be delivered: then the amount is out of the lane's exposure, and the hold cannot lapse.
    pub queued: bool,
}

impl Hold {
    /// Whether it lapsed: the accounting system lets go of what is not completed in time as well.
    pub fn is_over(&self, now: Time, lives_ms: u64) -> bool {
        !self.queued && now.since_ms(self.at) >= lives_ms
    }

    pub(crate) const fn bytes(&self) -> usize {
        varint::len(self.seq)
            + varint::len(self.minor.unsigned_abs())
            + varint::len(self.at.as_ms())
            + 1
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        varint::write(writer, self.seq);
        varint::write_minor(writer, self.minor);
        varint::write(writer, self.at.as_ms());
        writer.u8(u8::from(self.queued));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            seq: varint::read(reader)?,
            minor: varint::read_minor(reader)?,
            at: Time::from_ms(varint::read(reader)?),
            queued: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(WireError::Invalid),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_delivered_does_not_lapse() {
        let at = Time::from_s(1_000);
        let hold = Hold { seq: 1, minor: 5, at, queued: false };
        assert!(!hold.is_over(at.plus_ms(99), 100) && hold.is_over(at.plus_ms(100), 100));
        assert!(!Hold { queued: true, ..hold }.is_over(at.plus_ms(100), 100));
    }
}
