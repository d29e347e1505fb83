//! A job under way, and which of its ends are at this site.

use super::Forwarder;
use super::config::ForwarderConfig;
use super::wants::Wants;
use crate::access::peer;
use crate::{
    Delivery, End, Error, Job, JobEvent, PartyId, Place, Registry, Route, State, TransferId,
};
use alloc::vec::Vec;
use port::{Peer, Time};

/// A job under way.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) job: Job,
    pub(super) route: Route,
    /// Its pairs are at hand.
    pub(super) is_prepared: bool,
    /// They are being made at this site: whoever does that answers, and nobody else is waited for.
    pub(super) is_preparing: bool,
    /// What they were made of while the job was not moving, for its next turn: size and root.
    pub(super) found: Option<(u64, [u8; 32])>,
    /// How often in this attempt a client was asked to describe its file.
    pub(super) fetches: u32,
    /// When to say again what was not answered, or to probe for a party.
    pub(super) again_at: Option<Time>,
    /// Signs of life of the far end end here.
    pub(super) silent_at: Time,
    /// Not before this: a rate limit.
    pub(super) rate_until: Time,
    /// What moves next was taken from the rate, and moves at that time.
    pub(super) is_paid: bool,
    /// What was asked for in this attempt, and not served yet. What the first of them takes is paid for.
    pub(super) wants: Wants,
    /// What of it [`super::jobs::Jobs`] has counted as being in the spool.
    pub(super) counted: u64,
    /// Its deadline, as [`super::jobs::Jobs`] has noted it.
    pub(super) noted: Option<Time>,
    /// How often in a row a store of files did not do its part.
    pub(super) store_failures: u32,
}

impl Active {
    pub(super) fn new(job: Job, route: Route) -> Self {
        Self {
            job,
            route,
            is_prepared: false,
            is_preparing: false,
            found: None,
            fetches: 0,
            again_at: None,
            silent_at: Time::EPOCH,
            rate_until: Time::EPOCH,
            is_paid: false,
            wants: Wants::default(),
            counted: 0,
            noted: None,
            store_failures: 0,
        }
    }

    pub(super) const fn comes_from_site(&self) -> bool {
        matches!(self.route.source, End::Site(_))
    }

    pub(super) const fn sinks_here(&self) -> bool {
        matches!(self.route.sink, End::FileSystem { .. })
    }

    /// Somebody elsewhere has to do something. What is prepared here, or copied within this site, needs nobody.
    pub(super) const fn waits_for_others(&self) -> bool {
        let is_copied = self.sinks_here() && matches!(self.route.source, End::FileSystem { .. });
        !(self.is_preparing || is_copied)
    }

    /// How long to wait before a client is asked once more to describe its file, which may have it read once more.
    pub(super) fn fetch_pause_ms(&mut self, config: &ForwarderConfig) -> u64 {
        let pause_ms = config.again_ms.saturating_mul(1 << self.fetches.min(32));
        self.fetches = self.fetches.saturating_add(1);
        pause_ms.min(config.patience_ms.max(config.again_ms))
    }

    /// Another site has been asked to take it: that site keeps the deadline, and reports.
    pub(super) const fn is_another_sites(&self) -> bool {
        self.job.offered && matches!(self.route.sink, End::Site(_))
    }

    /// A sign of life of the far end. Who has to wait for a rate before anything is asked for cannot give one.
    pub(super) fn heard(&mut self, now: Time, patience_ms: u64) {
        self.silent_at = self.rate_until.max(now).plus_ms(patience_ms);
    }

    /// When it has to be looked at, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Time> {
        let is_moving = self.job.state == State::Transferring;
        let silent = (is_moving && self.waits_for_others()).then_some(self.silent_at);
        let serves = (is_moving && !self.wants.is_empty()).then_some(self.rate_until);
        let is_ours = self.job.state.is_revocable() && !self.is_another_sites();
        let own = self.job.request.deadline.filter(|_| is_ours);
        [own, self.again_at, silent, serves].into_iter().flatten().min()
    }

    /// Bytes that it takes in the spool.
    pub(super) fn spool_bytes(&self) -> u64 {
        if self.sinks_here() { 0 } else { self.job.size.unwrap_or(self.job.stamp.size) }
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
        self.is_away(&active.route.sink)
    }

    pub(super) fn source_is_absent(&self, active: &Active) -> bool {
        !active.job.spooled && self.is_away(&active.route.source)
    }

    /// A client that is not there, may not be served now, or did not ask for its files.
    fn is_away(&self, end: &End) -> bool {
        let End::Client { access, client } = end else { return false };
        if self.absent.contains(access) {
            return true;
        }
        let Some(profile) = self.registry.profile(client) else { return false };
        let now = self.clamp.last();
        let is_calling = || self.calls.get(access).is_some_and(|until| *until > now);
        !profile.is_open(now) || (profile.delivery == Delivery::Collected && !is_calling())
    }

    /// Its client may not be served now.
    pub(super) fn is_closed(&self, active: &Active) -> bool {
        let is_closed = |end: &End| match end {
            End::Client { client, .. } => {
                self.registry.profile(client).is_some_and(|p| !p.is_open(self.clamp.last()))
            }
            _ => false,
        };
        is_closed(&active.route.sink) || (!active.job.spooled && is_closed(&active.route.source))
    }

    /// The end that a job can wait for now: where the file comes from, or where it goes to once it is in the spool.
    const fn awaited(active: &Active) -> &End {
        if active.job.spooled { &active.route.sink } else { &active.route.source }
    }

    /// When to look again for a party that a job waits for; `None` if it has to say something first. The other end may be
    /// away as long as it likes: what it does changes nothing yet.
    fn probe_at(&self, now: Time, active: &Active) -> Option<Time> {
        let soon = now.plus_ms(self.config.probe_ms);
        let End::Client { access, client } = Self::awaited(active) else { return Some(soon) };
        let Some(profile) = self.registry.profile(client) else { return Some(soon) };
        let is_calling = self.calls.get(access).is_some_and(|until| *until > now);
        match profile.opens(now) {
            opens if opens > now => Some(opens),
            _ if profile.delivery == Delivery::Collected && !is_calling => None,
            _ => Some(soon),
        }
    }

    /// Notes when to look again for the party that a job waits for.
    pub(super) fn probe_later(&mut self, now: Time, transfer: &TransferId) {
        let waits = |active: &&Active| active.job.state == State::Waiting;
        let Some(active) = self.jobs.get(transfer).filter(waits) else { return };
        let again_at = self.probe_at(now, active);
        if let Some(active) = self.jobs.get_mut(transfer) {
            active.again_at = again_at;
        }
    }

    /// Perhaps nobody told that the party is back that a job waits for: it is taken to be there until it turns out not to be.
    pub(super) fn probe(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        if let End::Client { access, .. } = Self::awaited(active) {
            self.absent.remove(access);
        }
        self.apply(now, transfer, &JobEvent::PartyPresent)
    }

    /// The source or the sink of a transfer is there. A client that collects goes on collecting.
    pub(super) fn heard(&mut self, now: Time, transfer: &TransferId, is_sink: bool) {
        let Some(active) = self.jobs.get_mut(transfer) else { return };
        active.heard(now, self.config.patience_ms);
        let end = if is_sink { &active.route.sink } else { &active.route.source };
        if let End::Client { access, .. } = end
            && let Some(until) = self.calls.get_mut(access)
            && *until > now
        {
            *until = now.plus_ms(self.config.call_ms);
        }
    }

    /// A client asks for what waits for it.
    pub(super) fn on_collect(&mut self, now: Time, from: &Peer) -> Result<(), Error> {
        let access = PartyId::new(from.as_str()).map_err(|_| Error::Stranger)?;
        if self.registry.role(&access) != Ok(crate::Role::Access) {
            return Err(Error::Stranger);
        }
        self.calls.insert(access, now.plus_ms(self.config.call_ms));
        self.on_presence(now, from, true)
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
                let Some(active) = self.jobs.get(&transfer) else { continue };
                if !self.is_blocked(active) {
                    self.apply(now, &transfer, &JobEvent::PartyPresent)?;
                } else if active.again_at.is_none() {
                    // It may have asked for its files just before its hours.
                    self.probe_later(now, &transfer);
                }
                continue;
            }
            self.await_turn(&transfer);
            self.break_off(now, &transfer)?;
        }
        Ok(())
    }

    /// Its client is away, or may not be served any more.
    pub(super) fn break_off(&mut self, now: Time, transfer: &TransferId) -> Result<(), Error> {
        let Some(active) = self.jobs.get(transfer) else { return Ok(()) };
        // What can still be brought into the spool goes on.
        let is_spooling = self.pulls.has(transfer) && !self.source_is_absent(active);
        if active.job.state == State::Transferring && !is_spooling {
            self.apply(now, transfer, &JobEvent::PartyAbsent)?;
            let blocked = self.jobs.get(transfer).is_some_and(|active| self.is_blocked(active));
            if !blocked {
                self.apply(now, transfer, &JobEvent::PartyPresent)?;
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
