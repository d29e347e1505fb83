//! A machine's work, done as a whole: piece by piece, or much of it together.

use crate::area::{Publication, Published};
use crate::{Done, Error, LocalFiles};
use filexfer::{Place, StoreFault, TransferId, Work};
use std::collections::BTreeMap;

/// What became of work, and of which transfer it was.
pub type Performed = Result<(TransferId, Done), Error>;

impl LocalFiles {
    /// Does it.
    ///
    /// # Errors
    /// What the machine is to be told then, depends on the work: that there is no such file ([`Work::Look`]),
    /// [`StoreFault::Read`] ([`Work::Prepare`]), [`filexfer::Failure::StoreFailed`] ([`Work::Publish`]), nothing ([`Work::Discard`]).
    /// [`Work::Copy`] and [`Work::Serve`] end as [`Done::Failed`]. After a [`Work::Sync`] that failed the machine has to be
    /// dropped.
    pub fn perform(&self, work: &Work) -> Performed {
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

    /// Does all of it, and answers in that order; what each answer means, [`LocalFiles::perform`] says. What has to be on disk
    /// is forced together, so that many small files cost little more than one. Until then it holds two files open for each
    /// [`Work::Sync`] and [`Work::Publish`].
    pub fn perform_all(&self, works: &[Work]) -> Vec<Performed> {
        let mut done = BTreeMap::new();
        let mut syncs = BTreeMap::<_, Vec<_>>::new();
        let mut publications = BTreeMap::<_, Vec<_>>::new();
        for (at, work) in works.iter().enumerate() {
            match work {
                Work::Sync { transfer, into } => {
                    syncs.entry(into).or_default().push((at, *transfer));
                }
                Work::Publish { transfer, into, name, replace } => {
                    let publication = Publication { transfer, name, replace: *replace };
                    publications.entry(into).or_default().push((at, publication));
                }
                other => drop(done.insert(at, self.perform(other))),
            }
        }
        for (place, syncs) in syncs {
            let (ats, transfers): (Vec<usize>, Vec<TransferId>) = syncs.into_iter().unzip();
            let synced = self.sync_each(place, &transfers).into_iter().zip(&transfers);
            let synced = synced.map(|(synced, of)| synced.map(|()| (*of, Done::Synced)));
            done.extend(ats.into_iter().zip(synced));
        }
        for (place, publications) in publications {
            let (ats, whats): (Vec<usize>, Vec<Publication<'_>>) = publications.into_iter().unzip();
            let published = self.publish_each(place, &whats).into_iter().zip(&whats);
            let published = published.map(|(published, what)| {
                published.map(|published| (*what.transfer, Done::Published(published)))
            });
            done.extend(ats.into_iter().zip(published));
        }
        done.into_values().collect()
    }

    fn sync_each(&self, place: &Place, transfers: &[TransferId]) -> Vec<Result<(), Error>> {
        match self.area(place) {
            Ok(area) => area.sync(transfers),
            Err(why) => vec![Err(why); transfers.len()],
        }
    }

    fn publish_each(
        &self,
        place: &Place,
        publications: &[Publication<'_>],
    ) -> Vec<Result<Published, Error>> {
        match self.area(place) {
            Ok(area) => area.publish(publications),
            Err(why) => vec![Err(why); publications.len()],
        }
    }
}
