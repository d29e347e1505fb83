//! Who is there, who belongs to whom, what is allowed, and which way leads where.

use crate::{
    BadName, FileClass, FileName, Grant, Hours, Misuse, Party, PartyId, Profile, Role, SiteId, Who,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use port::wire::Writer;
use port::{Time, Zone};
use seal::{Distrust, TrustList, TrustedKey, Validity, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The registry of one site: its parties with their one-to-one pairings, the parties of other sites, grants, delegations
/// and the next site on the way to each other one.
///
/// It is configuration: built once, then read. [`Registry::rules`] names its version and digest in every verdict.
#[derive(Clone, Debug)]
pub struct Registry {
    site: SiteId,
    version: u32,
    zone: Zone,
    parties: BTreeMap<PartyId, (Party, SiteId)>,
    /// Both directions of each pair.
    partners: BTreeMap<PartyId, PartyId>,
    /// Forwarding servers by site.
    forwarders: BTreeMap<SiteId, PartyId>,
    next_sites: BTreeMap<SiteId, SiteId>,
    grants: Vec<Grant>,
    /// Who may ask on behalf of whom.
    delegations: BTreeSet<(PartyId, PartyId)>,
    trust: TrustList,
    /// Of this site's clients.
    profiles: BTreeMap<PartyId, Profile>,
}

impl Registry {
    /// The most parties.
    pub const PARTIES_MAX: usize = 100_000;

    /// For one site with its forwarding server.
    ///
    /// # Errors
    /// [`RegistryError::WrongRole`] if the server has another role.
    pub fn new(site: SiteId, forwarder: Party, version: u32) -> Result<Self, RegistryError> {
        let mut registry = Self {
            site: site.clone(),
            version,
            zone: Zone::utc(),
            parties: BTreeMap::new(),
            partners: BTreeMap::new(),
            forwarders: BTreeMap::new(),
            next_sites: BTreeMap::new(),
            grants: Vec::new(),
            delegations: BTreeSet::new(),
            trust: TrustList::new(),
            profiles: BTreeMap::new(),
        };
        registry.link(site, forwarder)?;
        Ok(registry)
    }

    /// In whose local time the hours of grants are.
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Adds a backstage server and the network file system that is its own.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was added.
    pub fn backstage(&mut self, backstage: Party, store: Party) -> Result<(), RegistryError> {
        self.pair(backstage, Role::Backstage, store, Role::NetworkFileSystem)
    }

    /// Adds a client server and the access server that is the only way to it.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was added.
    pub fn client(&mut self, client: Party, access: Party) -> Result<(), RegistryError> {
        self.pair(client, Role::Client, access, Role::Access)
    }

    /// Adds another site's forwarding server, directly reachable.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was added.
    pub fn link(&mut self, site: SiteId, forwarder: Party) -> Result<(), RegistryError> {
        if forwarder.role != Role::Forwarder {
            return Err(RegistryError::WrongRole);
        }
        if self.forwarders.contains_key(&site) {
            return Err(RegistryError::Twice);
        }
        let id = forwarder.id.clone();
        self.add(forwarder, site.clone())?;
        self.forwarders.insert(site.clone(), id);
        self.next_sites.insert(site.clone(), site);
        Ok(())
    }

    /// Sends what is for `site` to the forwarding server of `next`.
    ///
    /// # Errors
    /// [`RegistryError::NoWay`] if `next` is not linked.
    pub fn via(&mut self, site: SiteId, next: &SiteId) -> Result<(), RegistryError> {
        if *next == self.site || !self.forwarders.contains_key(next) {
            return Err(RegistryError::NoWay);
        }
        self.next_sites.insert(site, next.clone());
        Ok(())
    }

    /// Adds a backstage or client server of another site. Whom it is paired with is that site's business.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing was added.
    pub fn remote(&mut self, party: Party, site: SiteId) -> Result<(), RegistryError> {
        if site == self.site || !matches!(party.role, Role::Backstage | Role::Client) {
            return Err(RegistryError::WrongRole);
        }
        self.add(party, site)
    }

    /// Serves one of this site's clients by a profile of its own.
    ///
    /// # Errors
    /// [`RegistryError::UnknownParty`], [`RegistryError::WrongRole`] for what is no client, [`RegistryError::Unpaired`] for
    /// another site's client, [`RegistryError::Twice`].
    pub fn serve(&mut self, client: &PartyId, profile: Profile) -> Result<(), RegistryError> {
        if self.role(client)? != Role::Client {
            return Err(RegistryError::WrongRole);
        }
        if self.partner(client).is_none() {
            return Err(RegistryError::Unpaired);
        }
        if self.profiles.contains_key(client) {
            return Err(RegistryError::Twice);
        }
        self.profiles.insert(client.clone(), profile);
        Ok(())
    }

    /// Allows something.
    pub fn grant(&mut self, grant: Grant) -> &mut Self {
        self.grants.push(grant);
        self
    }

    /// `requester` may ask on behalf of `principal`.
    pub fn delegate(&mut self, principal: PartyId, requester: PartyId) -> &mut Self {
        self.delegations.insert((principal, requester));
        self
    }

    /// Lets a party take part, or not. Returns whether it is known.
    pub fn enable(&mut self, party: &PartyId, enabled: bool) -> bool {
        self.parties.get_mut(party).is_some_and(|(party, _)| {
            party.enabled = enabled;
            true
        })
    }

    /// From `at` on nothing signed with this key is believed. Returns whether it is known.
    pub fn revoke(&mut self, party: &PartyId, number: u8, at: Time) -> bool {
        let Some((found, _)) = self.parties.get_mut(party) else { return false };
        let Some((_, validity)) = found.keys.get_mut(&number) else { return false };
        validity.until = validity.until.min(at);
        self.trust.revoke(party.as_str(), number, at)
    }

    /// This site.
    pub const fn site(&self) -> &SiteId {
        &self.site
    }

    /// Whose local time counts.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// A party.
    pub fn party(&self, id: &PartyId) -> Option<&Party> {
        self.parties.get(id).map(|(party, _)| party)
    }

    /// All parties of a role, in order of their names.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Party> {
        self.parties.values().map(|(party, _)| party).filter(move |party| party.role == role)
    }

    /// At which site a party is.
    ///
    /// # Errors
    /// [`RegistryError::UnknownParty`].
    pub fn home(&self, id: &PartyId) -> Result<&SiteId, RegistryError> {
        self.parties.get(id).map(|(_, site)| site).ok_or(RegistryError::UnknownParty)
    }

    /// What a party does.
    ///
    /// # Errors
    /// [`RegistryError::UnknownParty`].
    pub fn role(&self, id: &PartyId) -> Result<Role, RegistryError> {
        self.party(id).map(|party| party.role).ok_or(RegistryError::UnknownParty)
    }

    /// The other half of a pair.
    pub fn partner(&self, id: &PartyId) -> Option<&PartyId> {
        self.partners.get(id)
    }

    /// The forwarding server of a linked site.
    pub fn forwarder(&self, site: &SiteId) -> Option<&PartyId> {
        self.forwarders.get(site)
    }

    /// The site to send to on the way to another.
    ///
    /// # Errors
    /// [`RegistryError::NoWay`].
    pub fn next_site(&self, site: &SiteId) -> Result<&SiteId, RegistryError> {
        self.next_sites.get(site).ok_or(RegistryError::NoWay)
    }

    /// The key to check a party's signature with now.
    ///
    /// # Errors
    /// [`Distrust`].
    pub fn key(&self, id: &PartyId, number: u8, now: Time) -> Result<&VerifyingKey, Distrust> {
        self.trust.key(id.as_str(), number, now)
    }

    /// The keys of all parties.
    pub const fn trust(&self) -> &TrustList {
        &self.trust
    }

    /// The grants between two parties, in the order of the table.
    pub fn grants(&self, sender: &PartyId, destination: &PartyId) -> impl Iterator<Item = &Grant> {
        let homes = self.home(sender).and_then(|home| Ok((home, self.home(destination)?))).ok();
        let (sender, destination) = (sender.clone(), destination.clone());
        self.grants.iter().filter(move |grant| {
            homes.is_some_and(|(from, to)| {
                grant.sender.means(&sender, from) && grant.destination.means(&destination, to)
            })
        })
    }

    /// How a client of this site is served, unless it is as all are.
    pub fn profile(&self, client: &PartyId) -> Option<&Profile> {
        self.profiles.get(client)
    }

    /// All profiles, in order of the clients' names.
    pub fn profiles(&self) -> impl Iterator<Item = (&PartyId, &Profile)> {
        self.profiles.iter()
    }

    /// What a file of ours is called at a client.
    ///
    /// # Errors
    /// [`BadName`] if the client's mapping makes no name of it.
    pub fn name_at(&self, client: &PartyId, name: &FileName) -> Result<FileName, BadName> {
        self.profile(client)
            .map_or_else(|| Ok(name.clone()), |profile| profile.names.to_client(name))
    }

    /// Whether `requester` may ask on behalf of `principal`.
    pub fn is_delegate(&self, principal: &PartyId, requester: &PartyId) -> bool {
        self.delegations.contains(&(principal.clone(), requester.clone()))
    }

    /// What verdicts by this registry name.
    pub fn rules(&self) -> Rules {
        Rules { version: self.version, digest: self.digest() }
    }

    fn pair(
        &mut self,
        one: Party,
        is: Role,
        other: Party,
        must: Role,
    ) -> Result<(), RegistryError> {
        if one.role != is || other.role != must {
            return Err(RegistryError::WrongRole);
        }
        for half in [&one, &other] {
            if self.partners.contains_key(&half.id) {
                return Err(RegistryError::AlreadyPaired);
            }
            if self.parties.contains_key(&half.id) {
                return Err(RegistryError::Twice);
            }
        }
        if one.id == other.id {
            return Err(RegistryError::Twice);
        }
        if self.parties.len() + 2 > Self::PARTIES_MAX {
            return Err(RegistryError::TooMany);
        }
        let ids = (one.id.clone(), other.id.clone());
        self.add(one, self.site.clone())?;
        self.add(other, self.site.clone())?;
        self.partners.insert(ids.0.clone(), ids.1.clone());
        self.partners.insert(ids.1, ids.0);
        Ok(())
    }

    fn add(&mut self, party: Party, site: SiteId) -> Result<(), RegistryError> {
        if self.parties.contains_key(&party.id) {
            return Err(RegistryError::Twice);
        }
        if self.parties.len() >= Self::PARTIES_MAX {
            return Err(RegistryError::TooMany);
        }
        for (number, (key, validity)) in &party.keys {
            self.trust.add(party.id.as_str(), *number, TrustedKey::new(key.clone(), *validity));
        }
        self.parties.insert(party.id.clone(), (party, site));
        Ok(())
    }

    /// SHA-256 over everything that a verdict depends on, in one order.
    fn digest(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        let mut to = Writer::new(&mut bytes, 1);
        put(&mut to, self.site.as_str());
        put(&mut to, self.zone.name());
        to.fixed(&self.zone.digest());
        put_len(&mut to, self.parties.len());
        for (party, site) in self.parties.values() {
            put(&mut to, party.id.as_str());
            put(&mut to, site.as_str());
            to.u8(party.role.as_u8()).u8(u8::from(party.enabled));
            put(&mut to, self.partner(&party.id).map_or("", PartyId::as_str));
            put_len(&mut to, party.keys.len());
            for (number, (key, Validity { from, until })) in &party.keys {
                to.u8(*number).fixed(&key.to_bytes()).u64(from.as_ms()).u64(until.as_ms());
            }
        }
        put_len(&mut to, self.next_sites.len());
        for (site, next) in &self.next_sites {
            put(&mut to, site.as_str());
            put(&mut to, next.as_str());
        }
        put_len(&mut to, self.grants.len());
        for grant in &self.grants {
            for who in [&grant.sender, &grant.destination] {
                match who {
                    Who::Anyone => to.u8(0),
                    Who::At(site) => put(to.u8(1), site.as_str()),
                    Who::Party(party) => put(to.u8(2), party.as_str()),
                };
            }
            put(&mut to, grant.class.as_ref().map_or("", FileClass::as_str));
            put(&mut to, &grant.folder);
            to.u8(grant.mode.map_or(0, crate::Mode::as_u8));
            put_hours(&mut to, &grant.hours);
            to.u64(grant.size_max);
        }
        put_len(&mut to, self.delegations.len());
        for (principal, requester) in &self.delegations {
            put(&mut to, principal.as_str());
            put(&mut to, requester.as_str());
        }
        // Nothing where there are none: then it is the digest that it was before there were profiles.
        for (client, profile) in &self.profiles {
            put_profile(&mut to, client, profile);
        }
        Sha256::new()
            .chain_update(b"interbank/filexfer/rules/v1\0")
            .chain_update(self.version.to_be_bytes())
            .chain_update(&bytes)
            .finalize()
            .into()
    }
}

/// Which rules decided.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The version that the operator gave them.
    pub version: u32,
    /// The digest of all of them.
    pub digest: [u8; 32],
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({}, {:02x}{:02x}..)", self.version, self.digest[0], self.digest[1])
    }
}

/// Why a registry cannot be as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// The party is half of another pair.
    AlreadyPaired,
    /// No table names a way to the site.
    NoWay,
    /// More than [`Registry::PARTIES_MAX`] parties.
    TooMany,
    /// A party or site of this name is there.
    Twice,
    /// There is no such party.
    UnknownParty,
    /// The party has no other half.
    Unpaired,
    /// A party of this role cannot be that.
    WrongRole,
}

impl RegistryError {
    /// Stable number, 5060 to 5066.
    pub const fn code(self) -> u32 {
        match self {
            Self::AlreadyPaired => 5_060,
            Self::NoWay => 5_061,
            Self::TooMany => 5_062,
            Self::Twice => 5_063,
            Self::UnknownParty => 5_064,
            Self::Unpaired => 5_065,
            Self::WrongRole => 5_066,
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyPaired => "the party is half of another pair",
            Self::NoWay => "no way leads to that site",
            Self::TooMany => "there are too many parties",
            Self::Twice => "there is a party or site of this name",
            Self::UnknownParty => "there is no such party",
            Self::Unpaired => "the party has no other half",
            Self::WrongRole => "a party of this role cannot be that",
        })
    }
}

impl core::error::Error for RegistryError {}

impl From<RegistryError> for Misuse {
    fn from(_: RegistryError) -> Self {
        Self::Bounds
    }
}

/// Behind a `u32` length: no two lists of texts share bytes.
fn put<'a, 'b>(to: &'a mut Writer<'b>, text: &str) -> &'a mut Writer<'b> {
    put_len(to, text.len());
    to.fixed(text.as_bytes())
}

fn put_len(to: &mut Writer<'_>, len: usize) {
    to.u64(u64::try_from(len).unwrap_or(u64::MAX));
}

fn put_profile(to: &mut Writer<'_>, client: &PartyId, profile: &Profile) {
    put(to, client.as_str());
    put(to, profile.protocol.as_str());
    to.u8(profile.delivery.as_u8());
    put_hours(to, &profile.hours);
    put(to, profile.zone.name());
    to.fixed(&profile.zone.digest());
    let (bytes_per_s, burst_bytes) = profile.rate.map_or((0, 0), |rate| rate.parts());
    to.u64(bytes_per_s).u64(burst_bytes).u64(profile.receipts_kept_ms.unwrap_or(0));
    put_len(to, profile.names.folders().count());
    for (ours, theirs) in profile.names.folders() {
        put(to, ours);
        put(to, theirs);
    }
}

fn put_hours(to: &mut Writer<'_>, hours: &Hours) {
    let (days, from, until) = hours.parts();
    to.u8(days).u16(from).u16(until);
}
