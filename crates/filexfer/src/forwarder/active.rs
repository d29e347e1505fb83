//! A job under way, and which of its ends are at this site.

use super::Forwarder;
use crate::access::peer;
use crate::{End, Error, Job, JobEvent, PartyId, Place, Registry, Route, State, TransferId};
use alloc::vec::Vec;
use port::{Peer, Time};

/// A job under way.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) job: Job,
    pub(super) route: Route,
    /// Its pairs are at hand.
    pub(super) is_prepared: bool,
    /// When to say again what was not answered, or to probe for a party.
    pub(super) again_at: Option<Time>,
    /// Signs of life of the far end end here.
    pub(super) silent_at: Time,
    /// Not before this: a rate limit.
    pub(super) rate_until: Time,
}

impl Active {
    pub(super) const fn new(job: Job, route: Route) -> Self {
        Self {
            job,
            route,
            is_prepared: false,
            again_at: None,
            silent_at: Time::EPOCH,
            rate_until: Time::EPOCH,
        }
    }

    pub(super) const fn comes_from_site(&self) -> bool {
        matches!(self.route.source, End::Site(_))
    }

    pub(super) const fn sinks_here(&self) -> bool {
        matches!(self.route.sink, End::FileSystem { .. })
    }

    /// Another site has been asked to take it: that site keeps the deadline, and reports.
    pub(super) const fn is_another_sites(&self) -> bool {
        self.job.offered && matches!(self.route.sink, End::Site(_))
    }

    pub(super) fn goes_through(&self, party: &PartyId) -> bool {
        let through = |end: &End| matches!(end, End::Client { access, .. } if access == party);
        through(&self.route.source) || through(&self.route.sink)
    }
}

impl Forwarder {
    /// Who sends slices to this site, unless they are copied.
    pub(super) fn source_peer(&self, active: &Active) -> Result<Option<Peer>, Error> {
        peer_of(&self.registry, &active.route.source)
    }

    /// Who pulls from this site, unless it is copied.
    pub(super) fn sink_peer(&self, active: &Active) -> Result<Option<Peer>, Error> {
        peer_of(&self.registry, &active.route.sink)
    }

    pub(super) fn place_from(&self, active: &Active) -> Place {
        match &active.route.source {
            End::FileSystem { store, .. } if !active.job.spooled => Place::Store(store.clone()),
            _ => Place::Spool,
        }
    }

    pub(super) fn place_into(&self, active: &Active) -> Place {
        match &active.route.sink {
            End::FileSystem { store, .. } => Place::Store(store.clone()),
            _ => Place::Spool,
        }
    }

    pub(super) fn sink_is_absent(&self, active: &Active) -> bool {
        matches!(&active.route.sink, End::Client { access, .. } if self.absent.contains(access))
    }

    pub(super) fn source_is_absent(&self, active: &Active) -> bool {
        !active.job.spooled
            && matches!(&active.route.source, End::Client { access, .. } if self.absent.contains(access))
    }

    /// Nothing can be done for it now. What goes to a client that is away is brought into the spool first.
    pub(super) fn is_blocked(&self, active: &Active) -> bool {
        self.source_is_absent(active) || (active.job.spooled && self.sink_is_absent(active))
    }

    /// Whether this attempt brings the file here: to its store, or into the spool.
    pub(super) fn is_pulling(&self, active: &Active) -> bool {
        if active.sinks_here() {
            return true;
        }
        if active.job.spooled {
            return false;
        }
        // From afar to afar it rests here in between, as does what a client that is away should get.
        !matches!(active.route.source, End::FileSystem { .. }) || self.sink_is_absent(active)
    }

    pub(super) fn on_presence(
        &mut self,
        now: Time,
        from: &Peer,
        present: bool,
    ) -> Result<(), Error> {
        let access = PartyId::new(from.as_str()).map_err(|_| Error::Stranger)?;
        if self.registry.role(&access) != Ok(crate::Role::Access) {
            return Err(Error::Stranger);
        }
        if present {
            self.absent.remove(&access);
        } else {
            self.absent.insert(access.clone());
        }
        let concerned: Vec<TransferId> = self
            .jobs
            .iter()
            .filter(|(_, active)| active.goes_through(&access))
            .map(|(transfer, _)| *transfer)
            .collect();
        for transfer in concerned {
            if present {
                self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                continue;
            }
            self.await_turn(&transfer);
            let Some(active) = self.jobs.get(&transfer) else { continue };
            // What can still be brought into the spool goes on.
            let is_spooling = self.pulls.has(&transfer) && !self.source_is_absent(active);
            if active.job.state == State::Transferring && !is_spooling {
                self.apply(now, &transfer, &JobEvent::PartyAbsent)?;
                let blocked =
                    self.jobs.get(&transfer).is_some_and(|active| self.is_blocked(active));
                if !blocked {
                    self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                }
            }
        }
        Ok(())
    }
}

/// Who stands for an end that is not at this site.
fn peer_of(registry: &Registry, end: &End) -> Result<Option<Peer>, Error> {
    Ok(match end {
        End::FileSystem { .. } => None,
        End::Client { access, .. } => Some(peer(access)?),
        End::Site(site) => registry.forwarder(site).map(peer).transpose()?,
    })
}
