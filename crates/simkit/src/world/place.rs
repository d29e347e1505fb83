//! Where people are, and which devices are there.

use super::{Device, DeviceKind};
use port::Time;

/// A place, or a vehicle.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its number in the city.
    pub id: PlaceId,
    /// What it is.
    pub kind: PlaceKind,
    /// Part of the city; a vehicle has none of its own.
    pub district: Option<u32>,
    /// Dwellings of one building or row share this number.
    pub block: Option<u32>,
    /// The chain that it belongs to, whose shared addresses are seen at every site.
    pub chain: Option<u32>,
    /// The devices that are there.
    pub fixtures: Vec<Fixture>,
}

impl Place {
    /// Whether any phone that knows the network's name joins by itself, a stolen one too.
    pub const fn is_open(&self) -> bool {
        self.chain.is_some()
    }

    /// Whether its own router is replaced at some time.
    pub fn replaces_router(&self) -> bool {
        let mut own = self.fixtures.iter().filter(|fixture| fixture.role == Role::Network);
        own.any(|fixture| fixture.from > Time::EPOCH)
    }
}

/// Number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(pub u32);

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// A house in a row.
    House,
    /// A flat in a building.
    Flat,
    /// An office.
    Office,
    /// A café of a chain.
    ChainCafe,
    /// A café that belongs to no chain.
    CornerCafe,
    /// A shop of a chain.
    ChainShop,
    /// A street with shops.
    Street,
    /// A vehicle of the transport operator.
    Vehicle,
}

/// A device that stands somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// The device.
    pub device: Device,
    /// How many of a thousand scans see it.
    pub seen: u32,
    /// What it is to somebody there.
    pub role: Role,
    /// Since when it is there.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

impl Fixture {
    pub(super) const fn new(device: Device, seen: u32, role: Role) -> Self {
        Self { device, seen, role, from: Time::EPOCH, until: Time::from_ms(u64::MAX) }
    }

    /// Whether it is there at a time.
    pub fn is_there(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    pub(super) const fn is_cell(&self) -> bool {
        matches!(self.device.kind, DeviceKind::Cell)
    }
}

/// What a device is to somebody at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An access point of the network that members join.
    Network,
    /// In that network; seen only by those who joined it.
    Peer,
    /// There, and nothing more.
    Ambient,
}
