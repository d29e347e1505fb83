//! A machine's work, done as a whole.

use crate::{Done, Error, LocalFiles};
use filexfer::{StoreFault, TransferId, Work};

impl LocalFiles {
    /// Does it.
    ///
    /// # Errors
    /// What the machine is to be told then, depends on the work: that there is no such file ([`Work::Look`]),
    /// [`StoreFault::Read`] ([`Work::Prepare`]), [`filexfer::Failure::StoreFailed`] ([`Work::Publish`]), nothing ([`Work::Discard`]).
    /// [`Work::Copy`] and [`Work::Serve`] end as [`Done::Failed`]. After a [`Work::Sync`] that failed the machine has to be
    /// dropped.
    pub fn perform(&self, work: &Work) -> Result<(TransferId, Done), Error> {
        Ok(match work {
            Work::Look { transfer, store, name } => {
                (*transfer, Done::Looked(self.look(store, name)?))
            }
            Work::Prepare { transfer, from, name, stamp } => {
                (*transfer, Done::Prepared(self.prepare(*transfer, from, name, *stamp)?))
            }
            Work::Copy { transfer, from, into, range } => {
                let done = match self.copy(transfer, from, into, range) {
                    Ok(true) => Done::Copied(range.clone()),
                    Ok(false) => Done::Unstable,
                    Err((fault, why)) => Done::Failed(fault, why),
                };
                (*transfer, done)
            }
            Work::Serve { transfer, from, range, to } => {
                let done = match self.slice(transfer, from, range) {
                    Ok(Some(frame)) => Done::Slice { range: range.clone(), to: to.clone(), frame },
                    Ok(None) => Done::Unstable,
                    Err(why) => Done::Failed(StoreFault::Read, why),
                };
                (*transfer, done)
            }
            Work::Sync { transfer, into } => {
                self.sync(transfer, into)?;
                (*transfer, Done::Synced)
            }
            Work::Publish { transfer, into, name, replace } => {
                (*transfer, Done::Published(self.publish(transfer, into, name, *replace)?))
            }
            Work::Discard { transfer, at } => {
                self.discard(transfer, at)?;
                (*transfer, Done::Discarded)
            }
        })
    }
}
