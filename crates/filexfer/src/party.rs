//! The five kinds of party.

use crate::PartyId;
use alloc::collections::BTreeMap;
use seal::{Validity, VerifyingKey};

/// A party of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub id: PartyId,
    /// What it does.
    pub role: Role,
    /// Whether it takes part; a disabled party keeps its place.
    pub enabled: bool,
    /// What it signs with, by number; several overlap while one replaces another.
    pub keys: BTreeMap<u8, (VerifyingKey, Validity)>,
}

impl Party {
    /// An enabled party without keys.
    pub const fn new(id: PartyId, role: Role) -> Self {
        Self { id, role, enabled: true, keys: BTreeMap::new() }
    }

    /// With a key that is valid for a time; revoking it means ending that time.
    #[must_use]
    pub fn with_key(mut self, number: u8, key: VerifyingKey, validity: Validity) -> Self {
        self.keys.insert(number, (key, validity));
        self
    }
}

/// What a party does (spec: Parties).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A file store, one-to-one with a backstage server.
    NetworkFileSystem,
    /// A back-end business system: initiates transfer requests.
    Backstage,
    /// The receiving-and-forwarding server: takes requests, judges, transfers or refuses.
    Forwarder,
    /// A network access server, one-to-one with a client server: the only way to it.
    Access,
    /// The outside party's server.
    Client,
}

impl Role {
    /// The byte of stored and digested forms.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::NetworkFileSystem => 1,
            Self::Backstage => 2,
            Self::Forwarder => 3,
            Self::Access => 4,
            Self::Client => 5,
        }
    }
}
