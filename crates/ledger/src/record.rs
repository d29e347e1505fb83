//! Records: the entries of the log.

use crate::{Height, Transaction};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A transaction, and where and when it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In which block.
    pub height: Height,
    /// At which place there, from 0.
    pub place: u32,
    /// When, by the block.
    pub time: Time,
    /// What happened.
    pub transaction: Transaction,
}

impl Record {
    /// Appends the stored form, which is the log's entry: version 1, height (8), place (4), time in milliseconds (8),
    /// transaction (`u16` length).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        Self::write(to, self.height, self.place, self.time, &self.transaction)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let record = Self {
            height: Height(from.u64()?),
            place: from.u32()?,
            time: Time::from_ms(from.u64()?),
            transaction: Transaction::parse(from.lp16()?)?,
        };
        from.finish()?;
        Ok(record)
    }

    pub(crate) fn write(
        to: &mut Vec<u8>,
        height: Height,
        place: u32,
        time: Time,
        transaction: &Transaction,
    ) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        to.u64(height.0).u32(place).u64(time.as_ms()).lp16(&transaction.to_bytes()?)?;
        Ok(())
    }
}
