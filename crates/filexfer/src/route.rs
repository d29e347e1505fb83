//! Which way a file goes.

use crate::{PartyId, Registry, RegistryError, Role, SiteId};

/// The way of one file through one site: where it comes from, where it goes.
///
/// What one site does is one step. In a chain of sites each looks up its own step by its own registry, and the request's
/// hop list keeps them from going in circles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Between which kinds of party.
    pub kind: RouteKind,
    /// Where this site gets the file.
    pub source: End,
    /// Where this site brings it.
    pub sink: End,
}

impl Route {
    /// The step of the registry's own site from `sender` to `destination`, of which `from` (if any) passed the request on.
    ///
    /// # Errors
    /// [`RegistryError::UnknownParty`], [`RegistryError::Unpaired`], [`RegistryError::WrongRole`] for a party that can
    /// neither send nor receive, [`RegistryError::NoWay`] to a site that no table names.
    pub fn find(
        registry: &Registry,
        sender: &PartyId,
        destination: &PartyId,
        from: Option<&SiteId>,
    ) -> Result<Self, RegistryError> {
        let kind = RouteKind::of(registry.role(sender)?, registry.role(destination)?)
            .ok_or(RegistryError::WrongRole)?;
        let source = match from {
            Some(site) => End::Site(site.clone()),
            None => End::of(registry, sender)?,
        };
        let sink = End::of(registry, destination)?;
        Ok(Self { kind, source, sink })
    }

    /// Whether source and sink are at this site.
    pub const fn is_local(&self) -> bool {
        !matches!(self.source, End::Site(_)) && !matches!(self.sink, End::Site(_))
    }
}

/// An end of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A network file system, and the backstage server that it belongs to.
    FileSystem {
        /// The file system.
        store: PartyId,
        /// Its backstage server.
        backstage: PartyId,
    },
    /// A client server, reached through its access server and in no other way.
    Client {
        /// The access server.
        access: PartyId,
        /// The client.
        client: PartyId,
    },
    /// The forwarding server of another site.
    Site(SiteId),
}

impl End {
    fn of(registry: &Registry, party: &PartyId) -> Result<Self, RegistryError> {
        let home = registry.home(party)?;
        if home != registry.site() {
            return Ok(Self::Site(registry.next_site(home)?.clone()));
        }
        match registry.role(party)? {
            Role::Backstage => {
                let store = registry.partner(party).ok_or(RegistryError::Unpaired)?.clone();
                Ok(Self::FileSystem { store, backstage: party.clone() })
            }
            Role::Client => {
                let access = registry.partner(party).ok_or(RegistryError::Unpaired)?.clone();
                Ok(Self::Client { access, client: party.clone() })
            }
            _ => Err(RegistryError::WrongRole),
        }
    }
}

/// Between which kinds of party a file goes (spec: Routes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// Route 1, published: one file system to another.
    BackstageToBackstage,
    /// Route 2: published that there is a second kind; that it leads to a client is inferred.
    BackstageToClient,
    /// Route 3, inferred: collected on the backstage server's request.
    ClientToBackstage,
    /// Route 4, our design.
    ClientToClient,
}

impl RouteKind {
    const fn of(sender: Role, destination: Role) -> Option<Self> {
        match (sender, destination) {
            (Role::Backstage, Role::Backstage) => Some(Self::BackstageToBackstage),
            (Role::Backstage, Role::Client) => Some(Self::BackstageToClient),
            (Role::Client, Role::Backstage) => Some(Self::ClientToBackstage),
            (Role::Client, Role::Client) => Some(Self::ClientToClient),
            _ => None,
        }
    }
}
