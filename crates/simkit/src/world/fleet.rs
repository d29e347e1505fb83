//! Cars and their drivers.

use super::FleetParameters;
use super::chance::{between, normal, permille};
use super::parameters::BEGINNING_S;
use super::trip::{ATTRIBUTES, KINDS, Trip, Wheel};
use crate::Rng;
use port::Time;

/// Cars with one driver or several, drawn from a seed.
///
/// ```
/// use interbank_simkit::world::{Fleet, parameters};
/// let fleet = Fleet::draw(&parameters::QUICK_FLEET, 11);
/// let car = &fleet.cars()[0];
/// let trip = fleet.judged_trips(car).remove(0);
/// assert_eq!((trip.car, car.drivers.contains(&trip.driver)), (car.id, true));
/// assert!(trip.samples.len() >= 8 * 60);
/// ```
#[derive(Clone, Debug)]
pub struct Fleet {
    parameters: FleetParameters,
    rng: Rng,
    cars: Vec<Car>,
    drivers: Vec<Driver>,
}

impl Fleet {
    /// The fleet of a seed.
    pub fn draw(parameters: &FleetParameters, seed: u64) -> Self {
        let rng = Rng::new(seed).fork("fleet");
        let (mut cars, mut drivers) = (Vec::new(), Vec::new());
        for id in 0..parameters.cars {
            let mut rng = rng.fork(&format!("car {id}"));
            let (two, three) = parameters.drivers;
            let count = match between(&mut rng, (0, 999)) {
                n if n < three => 3,
                n if n < three + two => 2,
                _ => 1,
            };
            let names = (0..count).map(|_| {
                let name = u32::try_from(drivers.len()).unwrap_or(u32::MAX);
                drivers.push(Driver::draw(parameters, name, id, &mut rng));
                name
            });
            let names = names.collect();
            let nature = core::array::from_fn(|_| {
                i64::from(normal(&mut rng)) * parameters.car_varies / 1_000
            });
            cars.push(Car { id, drivers: names, nature });
        }
        Self { parameters: parameters.clone(), rng, cars, drivers }
    }

    /// The trips of a car's own drivers while it learns, in order of time.
    pub fn learning_trips(&self, car: &Car) -> Vec<Trip> {
        self.trips(car, 0, self.parameters.learning_trips, LEARNING_DAYS)
    }

    /// Further trips of its own drivers, later.
    pub fn judged_trips(&self, car: &Car) -> Vec<Trip> {
        self.trips(car, LEARNING_DAYS, self.parameters.judged_trips, JUDGED_DAYS)
    }

    /// As many trips by others, who have taken the car; each by another one.
    pub fn stolen_trips(&self, car: &Car) -> Vec<Trip> {
        let mut rng = self.rng.fork(&format!("thieves of {}", car.id));
        let mut others: Vec<&Driver> = self.drivers.iter().filter(|d| d.car != car.id).collect();
        rng.shuffle(&mut others);
        let count = self.parameters.judged_trips as usize * car.drivers.len();
        let thieves = others.iter().cycle().take(count).enumerate();
        let drive = |(number, thief): (usize, &&Driver)| {
            let day = LEARNING_DAYS + between(&mut rng, (0, JUDGED_DAYS - 1));
            let mut rng = self.rng.fork(&format!("theft {} {number}", car.id));
            let mut wheel = Wheel::new(&self.parameters, car, thief);
            // thieves keep no hours
            let minute = between(&mut rng, (0, 1_439));
            wheel.drive(start(day, minute), &mut rng)
        };
        thieves.map(drive).collect()
    }

    /// Driving that was made by a program from a few recorded trips of the owner.
    pub fn generated_trips(&self, car: &Car) -> Vec<Trip> {
        let p = &self.parameters;
        let drivers = car.drivers.iter().filter_map(|name| self.driver(*name));
        let mut trips = Vec::new();
        for driver in drivers {
            let mut recorded = Vec::new();
            for number in 0..p.generator_trips {
                let mut rng = self.rng.fork(&format!("recorded {} {number}", driver.id));
                recorded.push(Wheel::new(p, car, driver).drive(start(0, 600), &mut rng));
            }
            for number in 0..p.judged_trips {
                let mut rng = self.rng.fork(&format!("generated {} {number}", driver.id));
                let day = LEARNING_DAYS + between(&mut rng, (0, JUDGED_DAYS - 1));
                let at = start(day, driver.usual_minute(&mut rng));
                trips.push(Wheel::generate(p, &recorded, at, &mut rng));
            }
        }
        trips
    }

    /// The cars.
    pub fn cars(&self) -> &[Car] {
        &self.cars
    }

    /// A driver by number.
    pub fn driver(&self, id: u32) -> Option<&Driver> {
        self.drivers.get(id as usize)
    }

    /// When a car applied for registration: the learning trips follow.
    pub const fn applied(&self) -> Time {
        Time::from_s(BEGINNING_S)
    }

    /// When the learning trips are over.
    pub const fn judged_from(&self) -> Time {
        Time::from_s(BEGINNING_S + LEARNING_DAYS as u64 * 86_400)
    }

    fn trips(&self, car: &Car, first_day: u32, count: u32, days: u32) -> Vec<Trip> {
        let mut trips = Vec::new();
        for driver in car.drivers.iter().filter_map(|name| self.driver(*name)) {
            for number in 0..count {
                let label = format!("trip {} {first_day} {number}", driver.id);
                let mut rng = self.rng.fork(&label);
                // spread over the days, so that a driver's trips do not overlap
                let day = first_day + number * days / count.max(1);
                let at = start(day, driver.usual_minute(&mut rng));
                trips.push(Wheel::new(&self.parameters, car, driver).drive(at, &mut rng));
            }
        }
        trips.sort_by_key(|trip| trip.start);
        trips
    }
}

/// A car.
#[derive(Clone, Debug)]
pub struct Car {
    /// Its number, counted from 0.
    pub id: u32,
    /// The numbers of its drivers.
    pub drivers: Vec<u32>,
    /// What it does to every attribute, whoever drives; in thousandths of the deviation between drivers.
    pub(super) nature: [i64; ATTRIBUTES.len()],
}

/// Somebody who drives.
#[derive(Clone, Debug)]
pub struct Driver {
    /// Their number, counted from 0.
    pub id: u32,
    /// Their car.
    pub car: u32,
    /// How they drive, by attribute; in thousandths of the deviation between drivers.
    pub(super) style: [i64; ATTRIBUTES.len()],
    minutes: [u32; 2],
}

impl Driver {
    fn draw(p: &FleetParameters, id: u32, car: u32, rng: &mut Rng) -> Self {
        let kinds: [i64; KINDS] = core::array::from_fn(|_| i64::from(normal(rng)));
        let (shared, own) = (p.style_shared, 1_000 - p.style_shared);
        let style = core::array::from_fn(|at| {
            let kind = kinds[ATTRIBUTES[at].kind];
            let of_kind = kind * (shared * 1_000).isqrt();
            (of_kind + i64::from(normal(rng)) * (own * 1_000).isqrt()) / 1_000
        });
        let minutes = [between(rng, (380, 560)), between(rng, (950, 1_140))];
        Self { id, car, style, minutes }
    }

    /// Mostly one of two habitual times of day, else any.
    fn usual_minute(&self, rng: &mut Rng) -> u32 {
        if permille(rng, 200) {
            return between(rng, (360, 1_380));
        }
        let usual = self.minutes[rng.index(2)];
        usual.saturating_add_signed(normal(rng) / 60).min(1_439)
    }
}

const fn start(day: u32, minute: u32) -> Time {
    Time::from_s(BEGINNING_S + day as u64 * 86_400 + minute as u64 * 60)
}

const LEARNING_DAYS: u32 = 30;
const JUDGED_DAYS: u32 = 14;

#[cfg(test)]
mod tests {
    use super::super::parameters::QUICK_FLEET;
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_trips() {
        let trips = |seed| {
            let fleet = Fleet::draw(&QUICK_FLEET, seed);
            (fleet.stolen_trips(&fleet.cars()[1]), fleet.generated_trips(&fleet.cars()[1]))
        };
        assert_eq!(trips(11), trips(11));
        assert_ne!(trips(11), trips(12));
    }

    #[test]
    fn learning_comes_before_judging_and_thieves_are_strangers() {
        let fleet = Fleet::draw(&QUICK_FLEET, 11);
        assert!(fleet.cars().iter().any(|car| car.drivers.len() > 1));
        for car in &fleet.cars()[..4] {
            let (learned, judged) = (fleet.learning_trips(car), fleet.judged_trips(car));
            assert_eq!(learned.len(), 16 * car.drivers.len());
            assert!(learned.iter().all(|trip| trip.start < fleet.judged_from()));
            assert!(judged.iter().all(|trip| trip.start >= fleet.judged_from()));
            let thefts = fleet.stolen_trips(car);
            assert_eq!(thefts.len(), judged.len());
            assert!(thefts.iter().all(|trip| !car.drivers.contains(&trip.driver)));
        }
    }

    /// Whole trips tell drivers apart better than minutes do, and neither does it perfectly.
    #[test]
    fn drivers_differ_more_from_each_other_than_from_themselves() {
        let fleet = Fleet::draw(&QUICK_FLEET, 13);
        let mean = |trip: &Trip, at: usize| {
            let values: Vec<i64> =
                trip.samples.iter().filter_map(|s| s.values[at]).map(i64::from).collect();
            values.iter().sum::<i64>() / i64::try_from(values.len().max(1)).unwrap()
        };
        let (mut within, mut across, mut count) = (0, 0, 0);
        for car in fleet.cars() {
            let (own, thefts) = (fleet.judged_trips(car), fleet.stolen_trips(car));
            let spread = i64::from(ATTRIBUTES[0].spread);
            let own: Vec<&Trip> = own.iter().filter(|trip| trip.driver == car.drivers[0]).collect();
            for (pair, theft) in own.windows(2).zip(&thefts) {
                let z = |trip: &Trip| mean(trip, 0) * 1_000 / spread;
                within += (z(pair[0]) - z(pair[1])).pow(2);
                across += (z(pair[0]) - z(theft)).pow(2);
                count += 1;
            }
        }
        assert!(count > 30 && across > within * 5 / 4, "{across} {within} of {count}");
    }
}
