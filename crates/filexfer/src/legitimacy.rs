//! Whether a request is legitimate: judged before any content is read.

use crate::{
    BadHop, End, FileClass, FileName, Grant, HopList, PartyId, Reason, Registry, Request, Role,
    Route,
};
use port::Time;
use seal::VerifyingKey;

/// The judgement: a pure function of request, registry, clock and what is known of the file.
///
/// It has two halves, so that nothing about the file can reach whoever may not know it. [`Legitimacy::standing`] looks at
/// request and registry only; only its success entitles to ask a store for the file's metadata, and [`Standing::judge`]
/// goes on with that. A file that the requester's grants do not cover is as missing as one that is not there.
///
/// Causes are tried in the order of [`Reason`]; the first one found is the answer.
#[derive(Clone, Copy, Debug)]
pub struct Legitimacy<'a> {
    registry: &'a Registry,
    limits: Limits,
}

impl<'a> Legitimacy<'a> {
    /// By a registry, within limits.
    pub const fn new(registry: &'a Registry, limits: Limits) -> Self {
        Self { registry, limits }
    }

    /// The whole judgement.
    ///
    /// # Errors
    /// The [`Reason`] for refusing.
    pub fn judge(
        &self,
        request: &Request,
        hops: &HopList,
        now: Time,
        file: Option<&FileMetadata>,
        known: &Known,
    ) -> Result<Permit, Reason> {
        self.standing(request, hops, now)?.judge(request, now, file, known)
    }

    /// The half that knows nothing of the file: signature and freshness, parties, route, entitlement, name.
    ///
    /// # Errors
    /// [`Reason::BadAuth`] to [`Reason::BadName`].
    pub fn standing(
        &self,
        request: &Request,
        hops: &HopList,
        now: Time,
    ) -> Result<Standing<'a>, Reason> {
        let key = self.key(request, hops, now)?;
        let message = request.to_sign().map_err(|_| Reason::BadAuth)?;
        if !key.verify(&message, &request.signature) {
            return Err(Reason::BadAuth);
        }
        self.entitled(request, hops, now)
    }

    /// The same for a request that had a standing before, by the same registry: its signature is not compared once more,
    /// but everything that time changes is looked at again.
    ///
    /// # Errors
    /// As [`Legitimacy::standing`].
    pub(crate) fn standing_still(
        &self,
        request: &Request,
        hops: &HopList,
        now: Time,
    ) -> Result<Standing<'a>, Reason> {
        self.key(request, hops, now)?;
        self.entitled(request, hops, now)
    }

    /// What its requester may do.
    fn entitled(
        &self,
        request: &Request,
        hops: &HopList,
        now: Time,
    ) -> Result<Standing<'a>, Reason> {
        let sender = self.party(&request.sender)?;
        let destination = self.party(&request.destination)?;
        for party in [&sender, &destination, &request.requester] {
            let enabled = self.registry.party(party).is_some_and(|party| party.enabled);
            let other = self.registry.partner(party).and_then(|id| self.registry.party(id));
            if !enabled || other.is_some_and(|other| !other.enabled) {
                return Err(Reason::PartyDisabled);
            }
        }
        let route = self.route(request, &sender, &destination, hops, now)?;
        self.entitle(request, &sender, &destination)?;
        let name = FileName::new(&request.file.name).map_err(|_| Reason::BadName)?;
        let registry = self.registry;
        for end in [&route.source, &route.sink] {
            if let End::Client { client, .. } = end {
                registry.name_at(client, &name).map_err(|_| Reason::BadName)?;
            }
        }
        Ok(Standing { registry, sender, destination, route, name, limits: self.limits })
    }

    /// The key that has to have made the signature, lately. A requester that nobody knows cannot be told from a forger.
    fn key(
        &self,
        request: &Request,
        hops: &HopList,
        now: Time,
    ) -> Result<&'a VerifyingKey, Reason> {
        // A request that comes by another site may have waited there.
        let is_stale =
            hops.first().is_none() && now.since_ms(request.made) > self.limits.freshness_ms;
        let is_early = request.made.since_ms(now) > self.limits.skew_ms;
        if is_stale || is_early {
            return Err(Reason::BadAuth);
        }
        let key = self.registry.key(&request.requester, request.key_number, now);
        key.map_err(|_| Reason::BadAuth)
    }

    fn party(&self, text: &str) -> Result<PartyId, Reason> {
        let id = PartyId::new(text).map_err(|_| Reason::UnknownParty)?;
        self.registry.party(&id).map(|_| id).ok_or(Reason::UnknownParty)
    }

    fn route(
        &self,
        request: &Request,
        sender: &PartyId,
        destination: &PartyId,
        hops: &HopList,
        now: Time,
    ) -> Result<Route, Reason> {
        hops.clone().visit(self.registry.site()).map_err(|why| match why {
            BadHop::Loop | BadHop::TooMany => Reason::Loop,
        })?;
        if sender == destination {
            return Err(Reason::RouteNotAllowed);
        }
        let route = Route::find(self.registry, sender, destination, hops.last())
            .map_err(|_| Reason::RouteNotAllowed)?;
        let mut grants = self.registry.grants(sender, destination);
        if grants.any(|grant| allows(grant, request) && grant.hours.hold(now, self.registry.zone()))
        {
            Ok(route)
        } else {
            Err(Reason::RouteNotAllowed)
        }
    }

    fn entitle(
        &self,
        request: &Request,
        sender: &PartyId,
        destination: &PartyId,
    ) -> Result<(), Reason> {
        let requester = &request.requester;
        let is_backstage = self.registry.role(requester) == Ok(Role::Backstage);
        let speaks_for = |principal: &PartyId| {
            principal == requester || self.registry.is_delegate(principal, requester)
        };
        if is_backstage && (speaks_for(sender) || speaks_for(destination)) {
            Ok(())
        } else {
            Err(Reason::RequesterNotEntitled)
        }
    }
}

/// A request whose requester may know about the file.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    registry: &'a Registry,
    limits: Limits,
    sender: PartyId,
    destination: PartyId,
    route: Route,
    name: FileName,
}

impl Standing<'_> {
    /// The other half: the file as its store describes it, and what is known of earlier jobs.
    ///
    /// # Errors
    /// [`Reason::FileMissing`] to [`Reason::Expired`].
    pub fn judge(
        self,
        request: &Request,
        now: Time,
        file: Option<&FileMetadata>,
        known: &Known,
    ) -> Result<Permit, Reason> {
        let file = file.filter(|file| self.may_see(file)).ok_or(Reason::FileMissing)?;
        let differs = |asked: Option<u64>, found| asked.is_some_and(|asked| Some(asked) != found);
        let other_root = match (&request.file.root, &file.root) {
            (Some(asked), Some(found)) => asked != found,
            _ => false,
        };
        if file.is_being_written && !file.is_stream {
            return Err(Reason::FileUnstable);
        }
        if differs(request.file.size, file.size) || other_root {
            return Err(Reason::FileUnstable);
        }
        let size_max = self.size_max(request);
        if file.size.is_some_and(|size| size > size_max) {
            return Err(Reason::TooLarge);
        }
        if file.size.unwrap_or(0) > known.quota_left {
            return Err(Reason::QuotaExceeded);
        }
        if known.is_other_request {
            return Err(Reason::Duplicate);
        }
        if request.deadline.is_some_and(|deadline| {
            deadline <= now || request.not_before.is_some_and(|from| from >= deadline)
        }) {
            return Err(Reason::Expired);
        }
        Ok(Permit { route: self.route, name: self.name, size_max, stamp: file.stamp })
    }

    /// Where the file is to be looked for.
    pub const fn name(&self) -> &FileName {
        &self.name
    }

    /// The way of the file through this site.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// A regular file of the class that was asked for; whether a link, a device or a file of another class is there is
    /// nobody's business.
    fn may_see(&self, file: &FileMetadata) -> bool {
        file.kind == FileKind::Regular
            && self.registry.grants(&self.sender, &self.destination).any(|grant| {
                grant.class.as_ref().is_none_or(|class| *class == file.class)
                    && self.name.is_in(&grant.folder)
            })
    }

    fn size_max(&self, request: &Request) -> u64 {
        let grants = self.registry.grants(&self.sender, &self.destination);
        let most = grants.filter(|grant| allows(grant, request)).map(|grant| grant.size_max).max();
        most.unwrap_or(0).min(self.limits.size_max)
    }
}

/// What a legitimate request may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The way of the file through this site.
    pub route: Route,
    /// Its name.
    pub name: FileName,
    /// The most bytes; a stream of unknown size is stopped there.
    pub size_max: u64,
    /// What the file was when it was judged; a file that no longer matches while it is read is unstable.
    pub stamp: FileStamp,
}

/// What a store says of a file without reading its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// What is there, without following links.
    pub kind: FileKind,
    /// Its class, as the store (not the requester) knows it.
    pub class: FileClass,
    /// Its size; `None` for a stream that has not ended.
    pub size: Option<u64>,
    /// Its root, where the store keeps it.
    pub root: Option<[u8; 32]>,
    /// Somebody has it open for writing, or has not published it.
    pub is_being_written: bool,
    /// It is meant to be sent while it grows.
    pub is_stream: bool,
    /// What changes whenever the content changes.
    pub stamp: FileStamp,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A symbolic link, whatever it leads to; also where a folder on the way is one.
    Link,
    /// A device, pipe or socket.
    Device,
}

/// What changes whenever the content of a file changes, as far as its store can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStamp {
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change, in the store's own unit.
    pub changed: u64,
    /// The number of the file (inode, generation, entity tag).
    pub number: u64,
}

/// What earlier jobs say about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The requester used this id for another request.
    pub is_other_request: bool,
    /// Bytes that the spool of this site can still take, whoever asks; `u64::MAX` where nothing is spooled. A file of unknown size
    /// is compared with that as soon as its size is known.
    pub quota_left: u64,
}

impl Default for Known {
    fn default() -> Self {
        Self { is_other_request: false, quota_left: u64::MAX }
    }
}

/// Limits of the judgement that are the same for all grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How old a request may be when it first arrives, in milliseconds.
    pub freshness_ms: u64,
    /// How far in the future it may be made, in milliseconds.
    pub skew_ms: u64,
    /// The largest file whatever the grants say, in bytes.
    pub size_max: u64,
}

impl Default for Limits {
    /// Five minutes, five seconds, 16 TiB.
    fn default() -> Self {
        Self { freshness_ms: 300_000, skew_ms: 5_000, size_max: 1 << 44 }
    }
}

fn allows(grant: &Grant, request: &Request) -> bool {
    let class = grant.class.as_ref().is_none_or(|class| *class == request.file.class);
    let mode = grant.mode.is_none_or(|mode| mode == request.mode);
    class && mode
}
