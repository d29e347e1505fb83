//! What is known of an upload beside its content.

use filexfer::{FileName, JobId, PartyId};
use port::WireError;
use port::wire::{Reader, Writer};

/// The record of an upload (`docs/spec/link-sftp.md`): for whom, under which name, and whether its job was asked for.
///
/// Its content lies beside it under the same number. The record alone decides what the content is, so that one renamed file
/// is the step from an upload to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) to: PartyId,
    /// What the client calls it.
    pub(crate) name: FileName,
    /// What requests call it.
    pub(crate) sent: FileName,
    /// The job that was asked for once it was whole.
    pub(crate) job: Option<JobId>,
}

impl Record {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(VERSION)?;
        let to = PartyId::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)?;
        let name = file_name(&mut from)?;
        let sent = file_name(&mut from)?;
        let job = match from.u8()? {
            0 => None,
            1 => Some(JobId(from.array()?)),
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(Self { to, name, sent, job })
    }

    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, VERSION);
        to.lp8(self.to.as_str().as_bytes())?;
        to.lp16(self.name.as_str().as_bytes())?.lp16(self.sent.as_str().as_bytes())?;
        match &self.job {
            None => to.u8(0),
            Some(job) => to.u8(1).fixed(&job.0),
        };
        Ok(())
    }
}

fn file_name(from: &mut Reader<'_>) -> Result<FileName, WireError> {
    FileName::new(Reader::text(from.lp16()?)?).map_err(|_| WireError::Invalid)
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(job: Option<JobId>) -> Record {
        Record {
            to: PartyId::new("ledger").unwrap(),
            name: FileName::new("2026/day.csv").unwrap(),
            sent: FileName::new("shop/2026/day.csv").unwrap(),
            job,
        }
    }

    #[test]
    fn a_record_comes_back_and_half_of_one_does_not() {
        for job in [None, Some(JobId([7; 16]))] {
            let mut bytes = Vec::new();
            record(job).encode(&mut bytes).unwrap();
            assert_eq!(Record::parse(&bytes), Ok(record(job)));
            for len in 0..bytes.len() {
                assert!(Record::parse(&bytes[..len]).is_err(), "{len}");
            }
            bytes.push(0);
            assert!(Record::parse(&bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(record) = Record::parse(&bytes) {
                let mut again = Vec::new();
                record.encode(&mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
