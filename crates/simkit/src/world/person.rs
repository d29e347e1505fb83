//! Who lives in the city: habits, days, reports and payments; and who steals phones.

use super::chance::{around, between, permille};
use super::city::{Carried, Phone, WEEK_MS};
use super::parameters::BEGINNING_S;
use super::{City, Device, DeviceKind, Place, PlaceId, PlaceKind, Scan};
use crate::Rng;
use port::Time;

/// Somebody with a phone that pays.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their number, counted from 0.
    pub id: u32,
    /// Where they live; perhaps not alone.
    pub home: PlaceId,
    /// Where they work.
    pub office: PlaceId,
    /// The line that they ride.
    pub line: u32,
    /// Where they drink coffee on the way to work, and on how many of a thousand days.
    pub cafe: Option<(PlaceId, u32)>,
    /// Where they shop.
    pub shop: PlaceId,
    friend: PlaceId,
    shop_days: [u32; 2],
    leave_min: i64,
    ride_min: i64,
    end_min: i64,
    carried: Vec<Carried>,
}

impl Person {
    /// Whether they carry a hotspot that travels with them.
    pub fn carries_hotspot(&self) -> bool {
        self.carried.iter().any(|carried| carried.device.kind == DeviceKind::Wifi)
    }
}

impl City {
    /// How many of the city's people live there.
    pub fn residents(&self, home: PlaceId) -> usize {
        self.people().iter().filter(|person| person.home == home).count()
    }

    /// Everything that a person's phone reported, in order of time: background scans and payments, from the first
    /// learning week to the last judged one. The same person has the same life whenever it is asked for.
    pub fn events(&self, person: &Person) -> Vec<Event> {
        let p = self.parameters();
        let days = (p.learning_weeks + p.judged_weeks) * 7;
        let mut events = Vec::new();
        for day in 0..days {
            let mut rng = self.rng.fork(&format!("person {} day {day}", person.id));
            let stays = self.stays(person, day, &mut rng);
            for stay in &stays {
                self.report(person, stay, &mut rng, &mut events);
            }
        }
        events.sort_by_key(|event| event.scan.at);
        events
    }

    /// The same payment at the same time, tried by a thief who is somewhere else. `with_bag`: the thief has what the
    /// owner carries, too.
    pub fn stolen(&self, person: &Person, paid: &Event, with_bag: bool) -> Event {
        let mut rng = self.fork_for(person, paid, if with_bag { "bag" } else { "thief" });
        let place = self.elsewhere(paid.stay.place, &mut rng);
        let truth = if with_bag { Truth::StolenWithBag } else { Truth::Stolen };
        self.elsewhere_event(person, paid, place, with_bag, truth, &mut rng)
    }

    /// The same payment, tried by a thief one or two doors from the owner's home; `None` if they are not at home.
    pub fn stolen_by_neighbour(&self, person: &Person, paid: &Event) -> Option<Event> {
        if paid.stay.place != person.home {
            return None;
        }
        let mut rng = self.fork_for(person, paid, "neighbour");
        let block = self.place(person.home).block;
        let doors = self.places().iter().filter(|other| other.block == block).map(|other| other.id);
        let near: Vec<PlaceId> =
            doors.filter(|id| (1..=2).contains(&id.0.abs_diff(person.home.0))).collect();
        let place = *rng.pick(&near)?;
        Some(self.elsewhere_event(person, paid, place, false, Truth::Neighbour, &mut rng))
    }

    /// A scan at the place of a payment at its time by somebody else's phone: what an accomplice sees there.
    pub fn scan_nearby(&self, person: &Person, paid: &Event) -> Scan {
        let mut rng = self.fork_for(person, paid, "accomplice");
        let phone = Phone { is_member: false, home: None, line: Some(person.line), carried: &[] };
        self.scan(&phone, &paid.stay, paid.scan.at, &mut rng)
    }

    fn elsewhere_event(
        &self,
        person: &Person,
        paid: &Event,
        place: PlaceId,
        with_bag: bool,
        truth: Truth,
        rng: &mut Rng,
    ) -> Event {
        let at = paid.scan.at;
        let here_min = u64::from(between(rng, (3, 50)));
        let stay = Stay {
            place,
            activity: Activity::Elsewhere,
            from: at.minus_ms(here_min * MINUTE_MS),
            until: at.plus_ms(30 * MINUTE_MS),
            district: between(rng, (0, self.parameters().districts.saturating_sub(1))),
        };
        let carried: &[Carried] = if with_bag { &person.carried } else { &[] };
        let phone = Phone { is_member: false, home: None, line: None, carried };
        let scan = self.scan(&phone, &stay, at, rng);
        Event { person: person.id, stay, scan, payment_minor: paid.payment_minor, truth }
    }

    fn elsewhere(&self, from: PlaceId, rng: &mut Rng) -> PlaceId {
        let here = self.place(from);
        if let Some(chain) = here.chain
            && permille(rng, self.parameters().thief_in_chain)
        {
            let is_other = |place: &&Place| place.chain == Some(chain) && place.id != from;
            let sites: Vec<PlaceId> = self.places().iter().filter(is_other).map(|p| p.id).collect();
            if let Some(site) = rng.pick(&sites) {
                return *site;
            }
        }
        loop {
            let kind = match rng.below(10) {
                0..4 => PlaceKind::Flat,
                4..6 => PlaceKind::House,
                6..8 => PlaceKind::Street,
                8 => PlaceKind::ChainCafe,
                _ => PlaceKind::Vehicle,
            };
            let place = self.any(kind, rng);
            let block = self.place(place).block;
            if place != from && (block.is_none() || block != here.block) {
                return place;
            }
        }
    }

    fn fork_for(&self, person: &Person, paid: &Event, why: &str) -> Rng {
        self.rng.fork(&format!("{why} {} {}", person.id, paid.scan.at.as_ms()))
    }

    /// Where somebody is on a day.
    fn stays(&self, person: &Person, day: u32, rng: &mut Rng) -> Vec<Stay> {
        let p = self.parameters();
        let weekday = day % 7;
        let mut plan = Plan::new(self, person, day);
        let jitter = |rng: &mut Rng| around(rng, 0, p.time_varies_min);
        if weekday < 5 && !permille(rng, p.day_at_home) {
            plan.go(person.leave_min + jitter(rng), self.vehicle(person, rng), Activity::Commute);
            let mut arrived = person.leave_min + person.ride_min + jitter(rng);
            if let Some((cafe, kept)) = person.cafe
                && permille(rng, kept)
            {
                plan.go(arrived, cafe, Activity::Coffee);
                arrived += 15 + i64::from(between(rng, (0, 15)));
            }
            plan.go(arrived, person.office, Activity::Work);
            if permille(rng, 400) {
                plan.go(735 + jitter(rng), self.any(PlaceKind::Street, rng), Activity::Elsewhere);
                plan.go(775 + jitter(rng), person.office, Activity::Work);
            }
            let end = person.end_min + 2 * jitter(rng);
            plan.go(end, self.vehicle(person, rng), Activity::Commute);
            let mut home = end + person.ride_min + jitter(rng);
            if person.shop_days.contains(&weekday) {
                plan.go(home, person.shop, Activity::Shopping);
                home += 20 + i64::from(between(rng, (0, 15)));
            }
            plan.go(home, person.home, Activity::Home);
            if permille(rng, p.evening_out) {
                let kind = if rng.chance(1, 2) { PlaceKind::CornerCafe } else { PlaceKind::Flat };
                plan.go(home + 45, self.any(kind, rng), Activity::Elsewhere);
                plan.go(home + 170 + jitter(rng), person.home, Activity::Home);
            }
        } else if weekday == 5 {
            plan.go(630 + 2 * jitter(rng), person.shop, Activity::Shopping);
            plan.go(670 + 2 * jitter(rng), person.home, Activity::Home);
            if rng.chance(1, 2) {
                plan.go(900 + 2 * jitter(rng), person.friend, Activity::Elsewhere);
                plan.go(1_080 + 3 * jitter(rng), person.home, Activity::Home);
            }
        } else if weekday == 6 && rng.chance(1, 2) {
            plan.go(840 + 2 * jitter(rng), self.any(PlaceKind::Street, rng), Activity::Elsewhere);
            plan.go(930 + 2 * jitter(rng), person.home, Activity::Home);
        }
        plan.finish()
    }

    fn vehicle(&self, person: &Person, rng: &mut Rng) -> PlaceId {
        let (_, of_line) = self.parameters().transport;
        let number = person.line * of_line + between(rng, (0, of_line.saturating_sub(1)));
        self.of_kind(PlaceKind::Vehicle)
            .nth(number as usize)
            .map_or(person.office, |vehicle| vehicle.id)
    }

    /// What the phone reports during a stay.
    fn report(&self, person: &Person, stay: &Stay, rng: &mut Rng, to: &mut Vec<Event>) {
        let p = self.parameters();
        let place = self.place(stay.place);
        let phone = Phone {
            is_member: stay.activity != Activity::Elsewhere,
            home: Some(person.home),
            line: Some(person.line),
            carried: &person.carried,
        };
        let step_ms = u64::from(p.background_min) * MINUTE_MS;
        let mut event = |at: Time, payment_minor: Option<u64>, rng: &mut Rng| {
            let truth = match stay.activity {
                Activity::Elsewhere => Truth::NewPlace,
                _ => Truth::Usual,
            };
            let scan = self.scan(&phone, stay, at, rng);
            to.push(Event { person: person.id, stay: *stay, scan, payment_minor, truth });
        };
        // the phone's own rhythm, which is not that of its owner
        let offset = u64::from(person.id) * 7 % u64::from(p.background_min) * MINUTE_MS;
        let first = (stay.from.as_ms() - offset).div_ceil(step_ms) * step_ms + offset;
        for at in (first..stay.until.as_ms()).step_by(usize::try_from(step_ms).unwrap_or(1)) {
            // a sleeping phone scans, too, but nobody pays: the night is left out to keep histories short
            let hour = at / 3_600_000 % 24;
            if permille(rng, p.background_kept) && hour >= 6 {
                event(Time::from_ms(at), None, rng);
            }
        }
        let (home, office, way, site, elsewhere) = p.payments;
        let of_1000 = match (stay.activity, place.kind) {
            (Activity::Home, _) => home,
            (Activity::Work, _) => office,
            (Activity::Commute, _) => way,
            (Activity::Coffee | Activity::Shopping, _) => site,
            (Activity::Elsewhere, _) => elsewhere,
        };
        let minutes = stay.until.since_ms(stay.from) / MINUTE_MS;
        let is_long = minutes >= 8;
        if is_long && permille(rng, of_1000) {
            let at =
                stay.from.plus_ms((2 + rng.below(minutes - 4)) * MINUTE_MS + rng.below(MINUTE_MS));
            let hour = at.as_s() / 3_600 % 24;
            let amount_minor = 150 + rng.below(1_200) * rng.below(12);
            if hour >= 6 {
                event(at, Some(amount_minor), rng);
            }
        }
    }
}

/// A stretch of time at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Where.
    pub place: PlaceId,
    /// Why.
    pub activity: Activity,
    /// Since when.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// Through which part of the city, if the place is a vehicle.
    pub district: u32,
}

/// What somebody does at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// At home.
    Home,
    /// On the way to work, or from it.
    Commute,
    /// At the usual café.
    Coffee,
    /// At work.
    Work,
    /// At the usual shop.
    Shopping,
    /// Somewhere that is no habit.
    Elsewhere,
}

/// One report of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose phone.
    pub person: u32,
    /// Where it really is.
    pub stay: Stay,
    /// What it found.
    pub scan: Scan,
    /// What is to be paid; `None` for a scan in the background.
    pub payment_minor: Option<u64>,
    /// What is really going on.
    pub truth: Truth,
}

/// What is really going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// The owner, where they usually are.
    Usual,
    /// The owner, somewhere new.
    NewPlace,
    /// The phone alone was stolen, and is elsewhere.
    Stolen,
    /// The phone was stolen with everything that its owner carries.
    StolenWithBag,
    /// The phone was stolen by somebody who lives next door.
    Neighbour,
    /// What an accomplice sees near the owner is passed on.
    Relay,
    /// An earlier scan of the owner is sent again as a new one.
    Copied,
    /// An earlier report of the owner is sent again as it was.
    Stale,
    /// Half of an earlier scan of the owner is mixed into the thief's own.
    HalfCopied,
}

/// The stays of a day, as they are planned.
struct Plan {
    stays: Vec<Stay>,
    midnight: Time,
    districts: [u32; 2],
}

impl Plan {
    fn new(city: &City, person: &Person, day: u32) -> Self {
        let midnight = BEGINNING.plus_ms(u64::from(day) * DAY_MS);
        let district = |place: PlaceId| city.place(place).district.unwrap_or(0);
        let districts = [district(person.home), district(person.office)];
        let home = Stay {
            place: person.home,
            activity: Activity::Home,
            from: midnight,
            until: midnight.plus_ms(DAY_MS),
            district: districts[0],
        };
        Self { stays: vec![home], midnight, districts }
    }

    /// Leaves for another place, never before the minute after the last change, and not after midnight.
    fn go(&mut self, minute: i64, place: PlaceId, activity: Activity) {
        let Some(last) = self.stays.last_mut() else { return };
        let from = self.midnight.plus_ms(u64::try_from(minute).unwrap_or(0) * MINUTE_MS);
        let from = from.max(last.from.plus_ms(MINUTE_MS));
        if from >= last.until {
            return;
        }
        let until = last.until;
        last.until = from;
        // a ride begins near one end of the way and is reported from there
        let district = self.districts[usize::from(from.since_ms(self.midnight) > DAY_MS / 2)];
        self.stays.push(Stay { place, activity, from, until, district });
    }

    fn finish(self) -> Vec<Stay> {
        self.stays
    }
}

pub(super) fn draw_people(city: &City, rng: &Rng) -> Vec<Person> {
    let p = city.parameters();
    let flats: Vec<PlaceId> = city.of_kind(PlaceKind::Flat).map(|place| place.id).collect();
    let houses: Vec<PlaceId> = city.of_kind(PlaceKind::House).map(|place| place.id).collect();
    let (mut next_flat, mut next_house) = (flats.iter(), houses.iter());
    let mut people: Vec<Person> = Vec::new();
    for id in 0..p.people {
        let mut rng = rng.fork(&format!("person {id}"));
        let in_flat = permille(&mut rng, p.in_flats);
        let flatmates: Vec<PlaceId> = people.iter().map(|other| other.home).collect();
        let shared = rng.pick(&flatmates).copied().filter(|home| {
            let residents = flatmates.iter().filter(|other| *other == home).count();
            city.place(*home).kind == PlaceKind::Flat && residents < 3
        });
        let home = match (in_flat, shared) {
            (true, Some(home)) if permille(&mut rng, p.sharing) => home,
            (true, _) => next_flat.next().copied().unwrap_or(flats[0]),
            (false, _) => next_house.next().copied().unwrap_or(houses[0]),
        };
        let office = city.any(PlaceKind::Office, &mut rng);
        let cafe = permille(&mut rng, p.coffee.0).then(|| {
            let in_chain = permille(&mut rng, p.coffee.1);
            let kind = if in_chain { PlaceKind::ChainCafe } else { PlaceKind::CornerCafe };
            (city.any(kind, &mut rng), between(&mut rng, p.coffee_kept))
        });
        people.push(Person {
            id,
            home,
            office,
            line: between(&mut rng, (0, p.transport.0.saturating_sub(1))),
            cafe,
            shop: city.any(PlaceKind::ChainShop, &mut rng),
            friend: city.any(PlaceKind::Flat, &mut rng),
            shop_days: [between(&mut rng, (0, 1)), between(&mut rng, (2, 4))],
            leave_min: i64::from(between(&mut rng, (400, 510))),
            ride_min: i64::from(between(&mut rng, (20, 50))),
            end_min: i64::from(between(&mut rng, (990, 1_100))),
            carried: draw_carried(city, &mut rng),
        });
    }
    people
}

fn draw_carried(city: &City, rng: &mut Rng) -> Vec<Carried> {
    let p = city.parameters();
    let mut carried = Vec::new();
    if permille(rng, p.watch.0) {
        let device = Device::draw(rng, DeviceKind::Bluetooth);
        carried.push(Carried { device, seen: p.watch.1, seen_at_home: p.watch.1 });
    }
    let (owned, seen_at_home, seen) = p.earphones;
    if permille(rng, owned) {
        let device = Device::draw(rng, DeviceKind::Bluetooth);
        carried.push(Carried { device, seen, seen_at_home });
    }
    if permille(rng, p.own_hotspot) {
        let device = Device::draw(rng, DeviceKind::Wifi);
        carried.push(Carried { device, seen: 800, seen_at_home: 100 });
    }
    carried
}

pub(super) const BEGINNING: Time = Time::from_s(BEGINNING_S);
const DAY_MS: u64 = WEEK_MS / 7;
const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::super::parameters::SMALL_CITY;
    use super::*;
    use std::collections::BTreeSet;

    fn city() -> City {
        City::draw(&SMALL_CITY, 11)
    }

    fn fingerprint(seed: u64) -> u64 {
        let city = City::draw(&SMALL_CITY, seed);
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for person in &city.people()[..4] {
            for event in city.events(person) {
                for byte in event.scan.to_bytes() {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
                }
            }
        }
        hash
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(fingerprint(11), fingerprint(11));
        assert_ne!(fingerprint(11), fingerprint(12));
    }

    #[test]
    fn days_are_whole_and_in_order() {
        let city = city();
        for person in city.people() {
            for day in 0..14 {
                let stays = city.stays(person, day, &mut Rng::new(u64::from(day)));
                let midnight = BEGINNING.plus_ms(u64::from(day) * DAY_MS);
                assert_eq!(stays.first().map(|s| s.from), Some(midnight));
                assert_eq!(stays.last().map(|s| s.until), Some(midnight.plus_ms(DAY_MS)));
                for pair in stays.windows(2) {
                    assert!(pair[0].until == pair[1].from && pair[0].from < pair[0].until);
                }
            }
        }
    }

    #[test]
    fn background_scans_keep_to_the_limit_of_the_platform() {
        let city = city();
        for person in &city.people()[..8] {
            let background: Vec<Time> = city
                .events(person)
                .iter()
                .filter(|event| event.payment_minor.is_none())
                .map(|event| event.scan.at)
                .collect();
            let gaps_ms = background.windows(2).map(|pair| pair[1].since_ms(pair[0]));
            assert!(gaps_ms.min() >= Some(30 * MINUTE_MS));
            let per_day = background.len() / 35;
            assert!((14..=28).contains(&per_day), "{per_day}");
        }
    }

    #[test]
    fn every_habit_leads_to_payments() {
        let city = city();
        let mut seen = BTreeSet::new();
        let (mut usual, mut new) = (0, 0);
        for person in city.people() {
            for event in city.events(person).iter().filter(|e| e.payment_minor.is_some()) {
                seen.insert((event.stay.activity, city.place(event.stay.place).kind));
                if event.truth == Truth::Usual { usual += 1 } else { new += 1 }
            }
        }
        for expected in [
            (Activity::Home, PlaceKind::House),
            (Activity::Home, PlaceKind::Flat),
            (Activity::Work, PlaceKind::Office),
            (Activity::Commute, PlaceKind::Vehicle),
            (Activity::Coffee, PlaceKind::ChainCafe),
            (Activity::Coffee, PlaceKind::CornerCafe),
            (Activity::Shopping, PlaceKind::ChainShop),
        ] {
            assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
        }
        assert!(usual > 3 * new && new > 0, "{usual} {new}");
    }

    /// Quarter, half and three quarters of the scans of a kind of place have at most so many devices.
    #[test]
    fn scans_are_as_full_as_real_ones() {
        let city = city();
        let mut sizes = std::collections::BTreeMap::<PlaceKind, Vec<usize>>::new();
        for person in city.people() {
            for event in city.events(person) {
                let kind = city.place(event.stay.place).kind;
                sizes.entry(kind).or_default().push(event.scan.sightings.len());
            }
        }
        for (kind, sizes) in &mut sizes {
            sizes.sort_unstable();
            let quarter = |n: usize| sizes[sizes.len() * n / 4];
            let [low, middle, high] = [1, 2, 3].map(quarter);
            println!("{kind:?}: {} scans, {low} {middle} {high}", sizes.len());
            let plausible = match kind {
                PlaceKind::House => 6..=20,
                PlaceKind::Flat => 12..=30,
                PlaceKind::Office => 8..=30,
                _ => 5..=25,
            };
            assert!(plausible.contains(&middle), "{kind:?}: {low} {middle} {high}");
        }
    }

    #[test]
    fn flats_are_shared_and_a_neighbour_sees_some_of_the_same() {
        let city = city();
        let homes: BTreeSet<PlaceId> = city.people().iter().map(|person| person.home).collect();
        assert!(homes.len() < city.people().len());
        let mut some = 0;
        for person in city.people() {
            let events = city.events(person);
            let Some(paid) = events
                .iter()
                .find(|e| e.payment_minor.is_some() && e.stay.place == person.home && e.scan.wifi)
            else {
                continue;
            };
            let Some(next_door) = city.stolen_by_neighbour(person, paid) else { continue };
            let far = city.stolen(person, paid, false);
            let shared = |scan: &Scan| {
                let has = |octets| paid.scan.sightings.iter().any(|s| s.octets == octets);
                scan.sightings.iter().filter(|s| has(s.octets)).count()
            };
            assert!(shared(&far.scan) <= 3);
            some += usize::from(shared(&next_door.scan) > 0);
        }
        assert!(some >= 10, "{some}");
    }

    #[test]
    fn sites_of_a_chain_share_what_two_cafes_do_not() {
        let city = city();
        let common = |kind| {
            let places: Vec<&Place> = city.of_kind(kind).take(2).collect();
            let has = |octets| places[1].fixtures.iter().any(|f| f.device.octets == octets);
            places[0].fixtures.iter().filter(|f| has(f.device.octets)).count()
        };
        assert_eq!((common(PlaceKind::ChainCafe), common(PlaceKind::CornerCafe)), (4, 0));
    }
}
