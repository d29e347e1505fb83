//! A city: its places, its people, and what a phone finds where.

use super::chance::{between, permille};
use super::person::{BEGINNING, Stay};
use super::{
    CityParameters, Device, DeviceKind, Fixture, Person, Place, PlaceId, PlaceKind, Relation, Role,
    Scan, Sighting,
};
use crate::Rng;
use port::Time;

/// Places and people, drawn from a seed.
///
/// ```
/// use interbank_simkit::world::{City, Truth, parameters};
/// let city = City::draw(&parameters::SMALL_CITY, 11);
/// let person = &city.people()[0];
/// let events = city.events(person);
/// assert!(events.iter().any(|event| event.payment_minor.is_some()));
/// assert_eq!(events, City::draw(&parameters::SMALL_CITY, 11).events(person));
/// let paid = events.iter().rfind(|event| event.payment_minor.is_some()).unwrap();
/// let stolen = city.stolen(person, paid, false);
/// assert_eq!((paid.truth, stolen.truth), (Truth::Usual, Truth::Stolen));
/// assert_ne!(paid.stay.place, stolen.stay.place);
/// ```
#[derive(Clone, Debug)]
pub struct City {
    parameters: CityParameters,
    pub(super) rng: Rng,
    places: Vec<Place>,
    people: Vec<Person>,
    cells: Vec<Vec<Device>>,
    hotspots: Vec<Device>,
    /// For each line of the transport operator: what regular riders carry.
    fellows: Vec<Vec<Device>>,
}

impl City {
    /// The city of a seed.
    pub fn draw(parameters: &CityParameters, seed: u64) -> Self {
        let rng = Rng::new(seed).fork("city");
        let mut city = Self {
            parameters: parameters.clone(),
            rng: rng.clone(),
            places: Vec::new(),
            people: Vec::new(),
            cells: Vec::new(),
            hotspots: Vec::new(),
            fellows: Vec::new(),
        };
        let mut ground = rng.fork("ground");
        for _ in 0..parameters.districts {
            let cells = (0..parameters.cells).map(|_| Device::draw(&mut ground, DeviceKind::Cell));
            city.cells.push(cells.collect());
        }
        let hotspots = parameters.travelling_hotspots;
        city.hotspots =
            (0..hotspots).map(|_| Device::draw(&mut ground, DeviceKind::Wifi)).collect();
        for line in 0..parameters.transport.0 {
            let mut rng = rng.fork(&format!("riders {line}"));
            let riders = between(&mut rng, parameters.fellow_riders);
            let carried = (0..riders).map(|_| Device::draw(&mut rng, DeviceKind::BlePublic));
            city.fellows.push(carried.collect());
        }
        city.build(&rng);
        let people = super::person::draw_people(&city, &rng);
        city.people = people;
        city
    }

    /// What a phone finds at a place: its owner's, or one that was stolen.
    pub(super) fn scan(&self, phone: &Phone<'_>, stay: &Stay, at: Time, rng: &mut Rng) -> Scan {
        let p = &self.parameters;
        let mut scan = Scan {
            at,
            nonce: rng.bytes(),
            wifi: !permille(rng, p.scan_without.0),
            bluetooth: !permille(rng, p.scan_without.1),
            sightings: Vec::new(),
        };
        let quality = between(rng, p.scan_quality);
        let place = self.place(stay.place);
        let may_join = phone.is_member || place.is_open();
        let joined = scan.wifi && may_join && permille(rng, p.joined);
        let here_s = u32::try_from(at.since_ms(stay.from) / 1_000).unwrap_or(u32::MAX);
        let mut connected = false;
        for fixture in place.fixtures.iter().filter(|fixture| fixture.is_there(at)) {
            if !permille(rng, fixture.seen * quality / 1_000) {
                continue;
            }
            let relation = match fixture.role {
                Role::Network if joined && !connected => {
                    connected = true;
                    Relation::Connected
                }
                Role::Network | Role::Ambient => Relation::InRange,
                Role::Peer if joined => Relation::SameNetwork,
                Role::Peer => continue,
            };
            let weak = fixture.seen < 300;
            let dwell_s = self.dwell(if weak { here_s.min(240) } else { here_s }, rng);
            self.push(&mut scan, &fixture.device, relation, dwell_s);
        }
        self.cells(&mut scan, stay, here_s, rng);
        self.on_the_way(&mut scan, phone, stay, here_s, rng);
        self.passers_by(&mut scan, place.kind, rng);
        for carried in phone.carried {
            let is_home = phone.home == Some(stay.place);
            let seen = if is_home { carried.seen_at_home } else { carried.seen };
            if permille(rng, seen) {
                let dwell_s = self.dwell(here_s.saturating_add(600), rng);
                self.push(&mut scan, &carried.device, Relation::Connected, dwell_s);
            }
        }
        rng.shuffle(&mut scan.sightings);
        scan
    }

    /// A place by its number.
    pub fn place(&self, id: PlaceId) -> &Place {
        // numbers are only made by this city
        &self.places[id.0 as usize]
    }

    /// All places.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Everybody.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// How it was drawn.
    pub const fn parameters(&self) -> &CityParameters {
        &self.parameters
    }

    /// When the judged weeks begin.
    pub fn judged_from(&self) -> Time {
        BEGINNING.plus_ms(u64::from(self.parameters.learning_weeks) * WEEK_MS)
    }

    pub(super) fn of_kind(&self, kind: PlaceKind) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.kind == kind)
    }

    pub(super) fn any(&self, kind: PlaceKind, rng: &mut Rng) -> PlaceId {
        let all: Vec<PlaceId> = self.of_kind(kind).map(|place| place.id).collect();
        rng.pick(&all).copied().unwrap_or(PlaceId(0))
    }

    fn dwell(&self, here_s: u32, rng: &mut Rng) -> Option<u32> {
        (!permille(rng, self.parameters.dwell_missing)).then_some(here_s)
    }

    fn push(&self, scan: &mut Scan, device: &Device, relation: Relation, dwell_s: Option<u32>) {
        let searched = match device.kind {
            DeviceKind::Wifi | DeviceKind::Lan => scan.wifi,
            DeviceKind::Bluetooth | DeviceKind::BlePublic | DeviceKind::BleRandom => scan.bluetooth,
            DeviceKind::Cell => true,
        };
        if searched {
            scan.sightings.push(Sighting::of(device, scan.at, relation, dwell_s));
        }
    }

    fn cells(&self, scan: &mut Scan, stay: &Stay, here_s: u32, rng: &mut Rng) {
        let district = self.place(stay.place).district.unwrap_or(stay.district);
        let (nearest, other) = self.parameters.cell_seen;
        let Some(cells) = self.cells.get(district as usize) else { return };
        for (at, cell) in cells.iter().enumerate() {
            if permille(rng, if at == 0 { nearest } else { other }) {
                let relation = if at == 0 { Relation::Connected } else { Relation::InRange };
                let dwell_s = self.dwell(here_s, rng);
                self.push(scan, cell, relation, dwell_s);
            }
        }
    }

    fn on_the_way(
        &self,
        scan: &mut Scan,
        phone: &Phone<'_>,
        stay: &Stay,
        here_s: u32,
        rng: &mut Rng,
    ) {
        let p = &self.parameters;
        if let (PlaceKind::Vehicle, Some(line)) = (self.place(stay.place).kind, phone.line) {
            for fellow in self.fellows.get(line as usize).into_iter().flatten() {
                if permille(rng, p.fellow_seen) {
                    let dwell_s = self.dwell(here_s, rng);
                    self.push(scan, fellow, Relation::InRange, dwell_s);
                }
            }
        }
        if phone.home != Some(stay.place)
            && permille(rng, p.hotspot_seen)
            && let Some(hotspot) = rng.pick(&self.hotspots)
        {
            let dwell_s = Some(between(rng, (0, 300)));
            self.push(scan, hotspot, Relation::InRange, dwell_s);
        }
    }

    fn passers_by(&self, scan: &mut Scan, kind: PlaceKind, rng: &mut Rng) {
        let (home, indoors, street) = self.parameters.passers_by;
        let count = between(
            rng,
            match kind {
                PlaceKind::House | PlaceKind::Flat => home,
                PlaceKind::Street | PlaceKind::Vehicle => street,
                _ => indoors,
            },
        );
        for _ in 0..count {
            let device = Device::draw_passing(rng);
            let dwell_s = Some(between(rng, (0, 240)));
            self.push(scan, &device, Relation::InRange, dwell_s);
        }
    }

    fn build(&mut self, rng: &Rng) {
        let p = self.parameters.clone();
        let flats = p.people * p.in_flats / 1_000;
        for block in 0..(flats / p.block.0 + 2) {
            self.dwellings(PlaceKind::Flat, block, &mut rng.fork(&format!("building {block}")));
        }
        for row in 0..((p.people - flats) / p.block.1 + 2) {
            let block = 10_000 + row;
            self.dwellings(PlaceKind::House, block, &mut rng.fork(&format!("row {row}")));
        }
        for office in 0..(p.people / p.people_per_office + 2) {
            self.office(&mut rng.fork(&format!("office {office}")));
        }
        for chain in 0..p.chains.0 + p.chains.1 {
            let mut rng = rng.fork(&format!("chain {chain}"));
            let shared = self.chain_fixtures(&mut rng);
            let is_cafe = chain < p.chains.0;
            let kind = if is_cafe { PlaceKind::ChainCafe } else { PlaceKind::ChainShop };
            for site in 0..p.sites {
                let mut rng = rng.fork(&format!("site {site}"));
                let mut fixtures = self.site_fixtures(&mut rng);
                fixtures.extend(&shared);
                let district = self.any_district(&mut rng);
                self.add(kind, Some(district), None, Some(chain), fixtures);
            }
        }
        for cafe in 0..p.sites * 2 {
            let mut rng = rng.fork(&format!("corner cafe {cafe}"));
            let mut fixtures = self.site_fixtures(&mut rng);
            let gateway = Device::draw(&mut rng, DeviceKind::Lan);
            fixtures.push(Fixture::new(gateway, p.chain_seen.1, Role::Peer));
            let district = self.any_district(&mut rng);
            self.add(PlaceKind::CornerCafe, Some(district), None, None, fixtures);
        }
        for street in 0..p.districts * 2 {
            let mut rng = rng.fork(&format!("street {street}"));
            let ambient = |rng: &mut Rng| {
                let seen = between(rng, (40, 350));
                Fixture::new(Device::draw(rng, DeviceKind::Wifi), seen, Role::Ambient)
            };
            let fixtures = (0..between(&mut rng, (8, 20))).map(|_| ambient(&mut rng)).collect();
            self.add(PlaceKind::Street, Some(street / 2), None, None, fixtures);
        }
        let mut rng = rng.fork("transport");
        let operator = p.chains.0 + p.chains.1;
        let shared = self.chain_fixtures(&mut rng);
        for _ in 0..p.transport.0 * p.transport.1 {
            let own = Device::draw(&mut rng, DeviceKind::Wifi);
            let mut fixtures = vec![Fixture::new(own, p.site_seen.0.1, Role::Ambient)];
            fixtures.extend(&shared);
            self.add(PlaceKind::Vehicle, None, None, Some(operator), fixtures);
        }
    }

    fn dwellings(&mut self, kind: PlaceKind, block: u32, rng: &mut Rng) {
        let p = self.parameters.clone();
        let (doors, through): (u32, &[u32]) = match kind {
            PlaceKind::Flat => (p.block.0, &p.flat_neighbour_seen),
            _ => (p.block.1, &p.house_neighbour_seen),
        };
        let district = self.any_district(rng);
        let routers: Vec<Router> = (0..doors).map(|_| Router::draw(rng, &p)).collect();
        let street: Vec<Fixture> = (0..between(rng, p.street_seen.0))
            .map(|_| {
                let seen = between(rng, p.street_seen.1);
                Fixture::new(Device::draw(rng, DeviceKind::Wifi), seen, Role::Ambient)
            })
            .collect();
        for (door, router) in routers.iter().enumerate() {
            let mut fixtures = router.fixtures(p.router_seen, true);
            for (other, neighbour) in routers.iter().enumerate() {
                let away = door.abs_diff(other);
                if away > 0
                    && let Some(seen) = through.get(away - 1)
                {
                    fixtures.extend(neighbour.fixtures(*seen, false));
                }
            }
            fixtures.extend(&street);
            for _ in 0..between(rng, p.things) {
                let kind = if rng.chance(1, 3) { DeviceKind::BlePublic } else { DeviceKind::Lan };
                let role = if kind == DeviceKind::Lan { Role::Peer } else { Role::Ambient };
                let seen = between(rng, p.thing_seen);
                fixtures.push(Fixture::new(Device::draw(rng, kind), seen, role));
            }
            for _ in 0..between(rng, p.household_phones) {
                let phone = Device::draw_private(rng, DeviceKind::Lan, p.lan_rotation_days);
                fixtures.push(Fixture::new(phone, 600, Role::Peer));
            }
            self.add(kind, Some(district), Some(block), None, fixtures);
        }
    }

    fn office(&mut self, rng: &mut Rng) {
        let p = self.parameters.clone();
        let mut fixtures = Vec::new();
        for _ in 0..between(rng, p.office_access_points) {
            let point = Device::draw(rng, DeviceKind::Wifi);
            let seen = between(rng, p.office_seen);
            for number in 0..2 {
                fixtures.push(Fixture::new(point.sibling(number), seen, Role::Network));
            }
        }
        for _ in 0..2 {
            let gateway = Device::draw(rng, DeviceKind::Lan);
            fixtures.push(Fixture::new(gateway, p.chain_seen.1, Role::Peer));
        }
        for _ in 0..between(rng, p.things) {
            let seen = between(rng, p.thing_seen);
            fixtures.push(Fixture::new(Device::draw(rng, DeviceKind::Lan), seen, Role::Peer));
        }
        let district = self.any_district(rng);
        self.add(PlaceKind::Office, Some(district), None, None, fixtures);
    }

    /// What every site of a chain shares.
    fn chain_fixtures(&self, rng: &mut Rng) -> Vec<Fixture> {
        let p = &self.parameters;
        let seen = |rng: &mut Rng| between(rng, p.chain_seen);
        let mut fixtures = Vec::new();
        for _ in 0..p.chain_shared.0 {
            let cell = Device::draw(rng, DeviceKind::Wifi);
            fixtures.push(Fixture::new(cell, seen(rng), Role::Network));
        }
        let number = u8::try_from(rng.below(256)).unwrap_or(0);
        for family in 1..=p.chain_shared.1 {
            // RFC 9568: 00-00-5E-00-01-xx for IPv4, 00-00-5E-00-02-xx for IPv6
            let mut router = Device::draw(rng, DeviceKind::Lan);
            router.octets = [0, 0, 0x5E, 0, u8::try_from(family).unwrap_or(1), number];
            fixtures.push(Fixture::new(router, seen(rng), Role::Peer));
        }
        fixtures
    }

    /// What a site has of its own, and what its neighbours have.
    fn site_fixtures(&self, rng: &mut Rng) -> Vec<Fixture> {
        let ((own, near), (own_seen, near_seen)) =
            (self.parameters.site_access_points, self.parameters.site_seen);
        let mut fixtures = Vec::new();
        for _ in 0..between(rng, own) {
            let seen = between(rng, own_seen);
            let point = Device::draw(rng, DeviceKind::Wifi);
            fixtures.push(Fixture::new(point, seen, Role::Network));
        }
        for _ in 0..between(rng, near) {
            let seen = between(rng, near_seen);
            fixtures.push(Fixture::new(Device::draw(rng, DeviceKind::Wifi), seen, Role::Ambient));
        }
        fixtures
    }

    fn any_district(&self, rng: &mut Rng) -> u32 {
        between(rng, (0, self.parameters.districts.saturating_sub(1)))
    }

    fn add(
        &mut self,
        kind: PlaceKind,
        district: Option<u32>,
        block: Option<u32>,
        chain: Option<u32>,
        mut fixtures: Vec<Fixture>,
    ) {
        fixtures.retain(|fixture| !fixture.is_cell());
        let id = PlaceId(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        self.places.push(Place { id, kind, district, block, chain, fixtures });
    }
}

/// Whose phone scans, and what is carried beside it.
pub(super) struct Phone<'a> {
    /// Whether it knows the network of the place.
    pub(super) is_member: bool,
    pub(super) home: Option<PlaceId>,
    pub(super) line: Option<u32>,
    pub(super) carried: &'a [Carried],
}

/// Something connected to the phone that goes where its owner goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) device: Device,
    pub(super) seen: u32,
    pub(super) seen_at_home: u32,
}

/// A home router: two networks and one for guests, and the gateway behind it; perhaps replaced one day.
struct Router {
    first: Device,
    second: Option<Device>,
    replaced: Time,
}

impl Router {
    fn draw(rng: &mut Rng, p: &CityParameters) -> Self {
        let replaced = BEGINNING.plus_ms(u64::from(p.learning_weeks) * WEEK_MS);
        let opted_out = permille(rng, p.opted_out);
        let mut device = || Device { opted_out, ..Device::draw(rng, DeviceKind::Wifi) };
        let (first, second) = (device(), device());
        let second = permille(rng, p.routers_replaced).then_some(second);
        Self { first, second, replaced }
    }

    fn fixtures(&self, seen: u32, is_own: bool) -> Vec<Fixture> {
        let role = if is_own { Role::Network } else { Role::Ambient };
        let of = |device: Device| {
            let mut fixtures = vec![
                Fixture::new(device.sibling(0), seen, role),
                Fixture::new(device.sibling(4), seen * 9 / 10, role),
                Fixture::new(device.sibling(0).guest(), seen * 9 / 10, Role::Ambient),
            ];
            if is_own {
                let gateway = Device { kind: DeviceKind::Lan, ..device.sibling(1) };
                fixtures.push(Fixture::new(gateway, seen, Role::Peer));
            }
            fixtures
        };
        let mut fixtures = of(self.first);
        if let Some(second) = self.second {
            fixtures.iter_mut().for_each(|fixture| fixture.until = self.replaced);
            let after = of(second).into_iter().map(|f| Fixture { from: self.replaced, ..f });
            fixtures.extend(after);
        }
        fixtures
    }
}

pub(super) const WEEK_MS: u64 = 7 * 86_400_000;
