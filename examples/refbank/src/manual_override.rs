//! What an operator ordered about the switch: a row, so that every process of the bank obeys, also after a restart.

use crate::bank::Bank;
use crate::rows;
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{Batch, Expect, Store as _, Time, WireError};
use interbank::standin::Forced;

/// An order, or that one was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManualOverride {
    /// What was ordered; `None` where detection decides.
    pub(crate) forced: Option<Forced>,
    /// When.
    pub(crate) at: Time,
    /// Why, in the operator's words. At most [`ManualOverride::REASON_BYTES_MAX`] count.
    pub(crate) reason: String,
}

impl ManualOverride {
    /// The longest reason.
    pub(crate) const REASON_BYTES_MAX: usize = 200;

    fn encode(&self) -> Result<Bytes, WireError> {
        let forced = match self.forced {
            None => 0,
            Some(Forced::Online) => 1,
            Some(Forced::StandIn) => 2,
        };
        let mut bytes = Vec::with_capacity(64);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u8(forced).u64(self.at.as_ms()).lp8(self.reason.as_bytes())?;
        Ok(bytes.into())
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let forced = match reader.u8()? {
            0 => None,
            1 => Some(Forced::Online),
            2 => Some(Forced::StandIn),
            _ => return Err(WireError::Invalid),
        };
        let at = Time::from_ms(reader.u64()?);
        let reason = Reader::text(reader.lp8()?)?.into();
        reader.finish()?;
        Ok(Self { forced, at, reason })
    }
}

impl Bank {
    /// What is ordered now.
    pub(crate) async fn manual_override(&self) -> Result<ManualOverride, Trouble> {
        let row = self.point(rows::manual_override()).await?;
        Ok(row.map(|row| ManualOverride::parse(&row.value)).transpose()?.unwrap_or_default())
    }

    /// Orders something of the switch.
    pub(crate) async fn set_manual_override(&self, order: &ManualOverride) -> Result<(), Trouble> {
        let mut batch = Batch::new();
        batch.put(rows::manual_override(), Expect::Any, order.encode()?);
        // Without requirements there is no conflict.
        let _ = self.vault().commit(&batch).await.map_err(Trouble::store)?;
        self.ordered().notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_back() {
        for forced in [None, Some(Forced::Online), Some(Forced::StandIn)] {
            let order = ManualOverride { forced, at: Time::from_s(7), reason: "upgrade".into() };
            let bytes = order.encode().unwrap();
            assert_eq!(ManualOverride::parse(&bytes), Ok(order));
            assert!(ManualOverride::parse(&bytes[..bytes.len() - 1]).is_err());
        }
        assert!(
            ManualOverride { reason: "x".repeat(256), ..ManualOverride::default() }
                .encode()
                .is_err()
        );
    }
}
