//! A machine's work, done as a whole.

use crate::{Done, Error, ObjectFiles};
use filexfer::{StoreFault, TransferId, Work};

impl ObjectFiles {
    /// Does it.
    ///
    /// # Errors
    /// What the machine is to be told then, depends on the work: that there is no such file ([`Work::Look`]),
    /// [`StoreFault::Read`] ([`Work::Prepare`]), [`filexfer::Failure::StoreFailed`] ([`Work::Publish`]), nothing
    /// ([`Work::Discard`]). [`Work::Copy`] and [`Work::Serve`] end as [`Done::Failed`]. After a [`Work::Sync`] that failed the
    /// machine has to be dropped.
    pub async fn perform(&self, work: &Work) -> Result<(TransferId, Done), Error> {
        Ok(match work {
            Work::Look { transfer, store, name } => {
                (*transfer, Done::Looked(self.look(store, name).await?))
            }
            Work::Prepare { transfer, from, name, stamp } => {
                let known = self.prepare(*transfer, from, name, *stamp).await?;
                (*transfer, Done::Prepared(known))
            }
            Work::Copy { transfer, from, into, range } => {
                let done = match self.copy(transfer, from, into, range).await {
                    Ok(true) => Done::Copied(range.clone()),
                    Ok(false) => Done::Unstable,
                    Err((fault, why)) => Done::Failed(fault, why),
                };
                (*transfer, done)
            }
            Work::Serve { transfer, from, range, to } => {
                let done = match self.slice(transfer, from, range).await {
                    Ok(Some(frame)) => Done::Slice { range: range.clone(), to: to.clone(), frame },
                    Ok(None) => Done::Unstable,
                    Err(why) => Done::Failed(StoreFault::Read, why),
                };
                (*transfer, done)
            }
            Work::Sync { transfer, into } => {
                self.sync(transfer, into).await?;
                (*transfer, Done::Synced)
            }
            Work::Publish { transfer, into, name, replace } => {
                let done = self.publish(transfer, into, name, *replace).await?;
                (*transfer, Done::Published(done))
            }
            Work::Discard { transfer, at } => {
                self.discard(transfer, at).await?;
                (*transfer, Done::Discarded)
            }
        })
    }
}
