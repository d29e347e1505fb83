//! Every number of the generated world, and the seeds. Frozen: reviewed as one file, before any score was tuned on it. The one
//! later change is named at [`CITY`].
//!
//! Two kinds of seeds, with no seed in both: scores and thresholds are tuned on [`TUNING_SEEDS`] alone, and what is
//! published comes from [`REPORTING_SEEDS`] alone. Whoever changes a number here changes the world, has to say why in
//! `CHANGELOG.md`, and has to tune and report anew.
//!
//! Sources of the orders of magnitude: Android's limits for background scans (4 Wi-Fi scans in 2 minutes in the
//! foreground, 1 in 30 minutes in the background), address randomisation of current phones (resolvable Bluetooth
//! addresses change every 15 minutes, private Wi-Fi addresses about every two weeks), RFC 9568 for the virtual router
//! addresses that every site of a chain can share. How much drivers differ between and within trips was set, before any
//! engine was run on it, so that nearest-mean classification reaches what is published: a pair of drivers told apart in
//! 83 % of windows of ten seconds (arXiv 2102.05234: 83.1 %), and ten drivers in 95 % of whole trips (Jafarnejad et al.
//! 2019: 96.1 %).

/// Seeds for tuning. Never published as a result.
pub const TUNING_SEEDS: [u64; 3] = [11, 12, 13];

/// Seeds for reporting. Never looked at while tuning.
pub const REPORTING_SEEDS: [u64; 5] = [2_026_001, 2_026_002, 2_026_003, 2_026_004, 2_026_005];

/// Monday, 2024-01-01, midnight UTC, in seconds: the world begins.
pub const BEGINNING_S: u64 = 1_704_067_200;

/// A city and how its people live.
#[derive(Clone, Debug)]
pub struct CityParameters {
    /// People with a phone that pays.
    pub people: u32,
    /// Weeks before payments are judged.
    pub learning_weeks: u32,
    /// Weeks in which payments are judged.
    pub judged_weeks: u32,

    /// Parts of the city; each has its own cells of the mobile network.
    pub districts: u32,
    /// Cells of a district.
    pub cells: u32,
    /// How many of a thousand scans see the nearest cell, and any other of the district.
    pub cell_seen: (u32, u32),

    /// How many of a thousand people live in a flat; the others live in a house.
    pub in_flats: u32,
    /// How many of a thousand people in flats share it with one or two others.
    pub sharing: u32,
    /// Flats of a building, houses of a row.
    pub block: (u32, u32),
    /// How many of a thousand scans see a router of one's own home, and of the neighbours one, two, three … doors on.
    pub router_seen: u32,
    /// Through the walls of flats.
    pub flat_neighbour_seen: [u32; 5],
    /// Between houses.
    pub house_neighbour_seen: [u32; 3],
    /// Further access points of the street that a dwelling sees, and how many of a thousand scans see each.
    pub street_seen: ((u32, u32), (u32, u32)),
    /// Things of a household in its network with an address that stays: television, printer, speaker.
    pub things: (u32, u32),
    /// How many of a thousand scans find such a thing.
    pub thing_seen: (u32, u32),
    /// Phones and laptops of a household with an address that changes every [`lan_rotation_days`](Self::lan_rotation_days).
    pub household_phones: (u32, u32),
    /// Days after which a private Wi-Fi address changes.
    pub lan_rotation_days: u32,
    /// How many of a thousand routers are replaced when the judged weeks begin.
    pub routers_replaced: u32,
    /// How many of a thousand networks ask not to be used.
    pub opted_out: u32,

    /// People for each office.
    pub people_per_office: u32,
    /// Access points of an office; each has two addresses.
    pub office_access_points: (u32, u32),
    /// How many of a thousand scans see each.
    pub office_seen: (u32, u32),

    /// Chains of cafés, and of shops.
    pub chains: (u32, u32),
    /// Sites of each chain.
    pub sites: u32,
    /// Addresses that all sites of a chain share: cells of one virtual access point, and virtual routers (RFC 9568).
    pub chain_shared: (u32, u32),
    /// How many of a thousand scans see a shared one.
    pub chain_seen: (u32, u32),
    /// Access points of a site's own, and of its neighbours.
    pub site_access_points: ((u32, u32), (u32, u32)),
    /// How many of a thousand scans see a site's own, and a neighbour of it.
    pub site_seen: ((u32, u32), (u32, u32)),

    /// Lines of the transport operator, and vehicles of a line. The operator's network is a chain's.
    pub transport: (u32, u32),
    /// People who ride the same line at the same time and carry something with a lasting address.
    pub fellow_riders: (u32, u32),
    /// How many of a thousand scans on the way see a fellow rider.
    pub fellow_seen: u32,

    /// Hotspots that travel through the city.
    pub travelling_hotspots: u32,
    /// How many of a thousand scans away from home see some travelling hotspot.
    pub hotspot_seen: u32,
    /// How many of a thousand people carry a hotspot of their own.
    pub own_hotspot: u32,
    /// How many of a thousand people wear a watch, and how many of their scans see it.
    pub watch: (u32, u32),
    /// How many of a thousand people have earphones, and how many of their scans see them, at home and elsewhere.
    pub earphones: (u32, u32, u32),

    /// Passers-by with changing addresses in a scan: at home, at work and in a site, in the street or a vehicle.
    pub passers_by: ((u32, u32), (u32, u32), (u32, u32)),

    /// How many of a thousand people drink coffee on the way to work; and how many of these at a chain.
    pub coffee: (u32, u32),
    /// On how many of a thousand working days such a person does.
    pub coffee_kept: (u32, u32),
    /// On how many of a thousand evenings somebody is somewhere else.
    pub evening_out: u32,
    /// On how many of a thousand working days somebody stays at home.
    pub day_at_home: u32,
    /// Minutes by which a usual time of day varies (standard deviation).
    pub time_varies_min: i64,

    /// Minutes between two scans in the background.
    pub background_min: u32,
    /// How many of a thousand of these take place.
    pub background_kept: u32,
    /// How many of a thousand scans go without Wi-Fi (throttled), without Bluetooth.
    pub scan_without: (u32, u32),
    /// How good a scan is, in thousandths: every chance to be seen is multiplied by it.
    pub scan_quality: (u32, u32),
    /// How many of a thousand devices are reported without a dwell time.
    pub dwell_missing: u32,
    /// How many of a thousand scans of a member are joined to the network of the place.
    pub joined: u32,

    /// Payments of a thousand stays: at home, at the office, on the way, in a café or shop, elsewhere.
    pub payments: (u32, u32, u32, u32, u32),
    /// Of a thousand thieves of a phone that was used at a chain, how many sit at another site of that chain.
    pub thief_in_chain: u32,
}

/// The city of the published report.
///
/// It was first drawn with 160 people, and made larger after a look at the tuning seeds: of so few terminals, the shares of
/// the engine's population sketch are mostly its prior. Nothing else was changed.
pub const CITY: CityParameters = CityParameters {
    people: 500,
    learning_weeks: 6,
    judged_weeks: 2,
    districts: 20,
    cells: 3,
    cell_seen: (920, 350),
    in_flats: 700,
    sharing: 400,
    block: (12, 4),
    router_seen: 985,
    flat_neighbour_seen: [850, 600, 350, 150, 40],
    house_neighbour_seen: [500, 150, 40],
    street_seen: ((1, 4), (40, 400)),
    things: (2, 5),
    thing_seen: (500, 950),
    household_phones: (1, 3),
    lan_rotation_days: 14,
    routers_replaced: 150,
    opted_out: 30,
    people_per_office: 16,
    office_access_points: (4, 10),
    office_seen: (250, 950),
    chains: (2, 2),
    sites: 40,
    chain_shared: (2, 2),
    chain_seen: (800, 950),
    site_access_points: ((1, 2), (4, 9)),
    site_seen: ((850, 970), (150, 750)),
    transport: (20, 12),
    fellow_riders: (1, 4),
    fellow_seen: 450,
    travelling_hotspots: 80,
    hotspot_seen: 120,
    own_hotspot: 80,
    watch: (450, 930),
    earphones: (600, 120, 420),
    passers_by: ((0, 2), (1, 8), (2, 14)),
    coffee: (650, 650),
    coffee_kept: (650, 950),
    evening_out: 120,
    day_at_home: 50,
    time_varies_min: 7,
    background_min: 30,
    background_kept: 600,
    scan_without: (60, 40),
    scan_quality: (820, 1_000),
    dwell_missing: 100,
    joined: 940,
    payments: (1_000, 300, 250, 900, 700),
    thief_in_chain: 600,
};

/// The same life in a smaller city, for the quick form of the report: figures from it are not published.
pub const QUICK_CITY: CityParameters = CityParameters {
    people: 200,
    learning_weeks: 4,
    judged_weeks: 1,
    sites: 16,
    transport: (8, 12),
    travelling_hotspots: 30,
    ..CITY
};

/// A hamlet, for the tests of the generator.
pub const SMALL_CITY: CityParameters = CityParameters {
    people: 32,
    districts: 10,
    sites: 6,
    transport: (8, 12),
    travelling_hotspots: 25,
    ..QUICK_CITY
};

/// Cars and how they are driven.
#[derive(Clone, Debug)]
pub struct FleetParameters {
    /// Cars.
    pub cars: u32,
    /// Of a thousand cars, how many have two drivers, and how many three.
    pub drivers: (u32, u32),
    /// Trips of each driver while the car learns (30 days).
    pub learning_trips: u32,
    /// Trips of each driver that are judged.
    pub judged_trips: u32,
    /// Minutes of a trip.
    pub trip_min: (u32, u32),

    // What follows is in thousandths of the deviation between drivers of an attribute.
    /// By how much cars differ, whoever drives: a thief in the owner's car has the owner's car.
    pub car_varies: i64,
    /// By how much one driver's trips differ from each other.
    pub trip_varies: i64,
    /// By how much the traffic of a trip moves everything at once.
    pub traffic: i64,
    /// By how much traffic changes within a trip: a walk that is drawn anew every minute.
    pub traffic_walk: i64,
    /// By how much the samples of a trip scatter.
    pub sample_varies: i64,
    /// How much of the scatter of one second is left in the next, in thousandths.
    pub sample_memory: i64,
    /// How much of a driver's style is common to all attributes of a kind (three kinds), in thousandths of the variance.
    pub style_shared: i64,
    /// How many of a thousand samples are missing.
    pub missing: u32,

    /// Trips of the owner from which somebody builds a generator of driving.
    pub generator_trips: u32,
    /// How much of the owner's scatter the generated driving shows, in thousandths.
    pub generator_scatter: i64,
}

/// The fleet of the published report.
pub const FLEET: FleetParameters = FleetParameters {
    cars: 60,
    drivers: (350, 100),
    learning_trips: 30,
    judged_trips: 8,
    trip_min: (8, 45),
    car_varies: 500,
    trip_varies: 600,
    traffic: 600,
    traffic_walk: 500,
    sample_varies: 2_200,
    sample_memory: 950,
    style_shared: 500,
    missing: 20,
    generator_trips: 3,
    generator_scatter: 700,
};

/// A smaller fleet, for tests: figures from it are not published.
pub const QUICK_FLEET: FleetParameters =
    FleetParameters { cars: 12, learning_trips: 16, judged_trips: 4, ..FLEET };
