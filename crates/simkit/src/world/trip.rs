//! Trips, second by second.

use super::chance::{between, normal, permille};
use super::{Car, Driver, FleetParameters};
use crate::Rng;
use port::Time;

/// One trip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Which car.
    pub car: u32,
    /// Who really drives.
    pub driver: u32,
    /// When it begins.
    pub start: Time,
    /// One for every second.
    pub samples: Vec<TripSample>,
}

/// What the car measures in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TripSample {
    /// Seconds since the trip began.
    pub second: u32,
    /// By attribute, in its unit; `None` where nothing was measured.
    pub values: [Option<i32>; ATTRIBUTES.len()],
}

/// A numeric attribute of driving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// The mean of all drivers.
    pub base: i32,
    /// The deviation between drivers.
    pub spread: i32,
    /// The smallest and the largest value that a car reports.
    pub range: (i32, i32),
    /// Which side of a driver's style it belongs to.
    pub(super) kind: usize,
    /// How much traffic moves it, in thousandths.
    pub(super) traffic: i64,
    /// Measured about once in so many seconds; 0: once, when the trip begins.
    pub every_s: u32,
}

/// The attributes of the generated driving.
pub const ATTRIBUTES: [Attribute; 16] = [
    attribute("cruise speed", "0.1 km/h", 620, 80, (0, 2_500), 0, 1_000, 1),
    attribute("acceleration", "mm/s2", 1_400, 300, (0, 9_000), 1, 400, 4),
    attribute("deceleration", "mm/s2", 1_900, 400, (0, 12_000), 1, 500, 6),
    attribute("steering rate", "0.1 deg/s", 180, 40, (0, 5_000), 2, 300, 1),
    attribute("engine speed at upshift", "rpm", 2_450, 350, (600, 8_000), 1, 200, 15),
    attribute("following distance", "ms", 1_700, 400, (0, 20_000), 0, -700, 2),
    attribute("lateral acceleration", "mm/s2", 1_800, 350, (0, 10_000), 1, 200, 5),
    attribute("jerk", "mm/s3", 900, 200, (0, 9_000), 2, 400, 1),
    attribute("throttle", "0.1 %", 240, 50, (0, 1_000), 1, 300, 1),
    attribute("brake pressure", "0.1 bar", 130, 35, (0, 2_000), 2, 400, 6),
    attribute("idle speed creep", "0.1 km/h", 60, 20, (0, 300), 2, 600, 10),
    attribute("speed above limit", "0.1 km/h", 40, 45, (-1_000, 1_000), 0, 600, 1),
    attribute("lane position", "mm", 0, 120, (-2_000, 2_000), 2, 100, 1),
    attribute("indicator lead", "ms", 2_300, 700, (0, 20_000), 0, 100, 40),
    attribute("gaze to mirror", "ms", 9_000, 2_500, (0, 60_000), 2, 200, 12),
    attribute("belt to start", "ms", 9_000, 3_500, (0, 120_000), 0, 0, 0),
];

/// A driver at the wheel of a car.
pub(super) struct Wheel<'a> {
    parameters: &'a FleetParameters,
    car: u32,
    driver: u32,
    /// Where each attribute lies on this car with this driver.
    usual: [i64; ATTRIBUTES.len()],
}

impl<'a> Wheel<'a> {
    pub(super) fn new(parameters: &'a FleetParameters, car: &Car, driver: &Driver) -> Self {
        let usual = core::array::from_fn(|at| car.nature[at] + driver.style[at]);
        Self { parameters, car: car.id, driver: driver.id, usual }
    }

    pub(super) fn drive(&mut self, start: Time, rng: &mut Rng) -> Trip {
        let p = self.parameters;
        let seconds = between(rng, (p.trip_min.0 * 60, p.trip_min.1 * 60));
        let traffic = i64::from(normal(rng)) * p.traffic / 1_000;
        let trip: [i64; ATTRIBUTES.len()] = core::array::from_fn(|at| {
            let own = i64::from(normal(rng)) * p.trip_varies / 1_000;
            self.usual[at] + own + traffic * ATTRIBUTES[at].traffic / 1_000
        });
        // what the scatter has to be renewed by, so that its size stays
        let renewed = (1_000_000 - p.sample_memory * p.sample_memory).isqrt();
        let mut scatter: [i64; ATTRIBUTES.len()] =
            core::array::from_fn(|_| i64::from(normal(rng)) * p.sample_varies / 1_000);
        let mut walk = 0;
        let mut samples = Vec::with_capacity(seconds as usize);
        for second in 0..seconds {
            if second % 60 == 0 {
                // four fifths of the last minute's traffic are left, three fifths are new: the size stays
                walk = walk * 4 / 5 + i64::from(normal(rng)) * p.traffic_walk * 3 / 5_000;
            }
            let values = core::array::from_fn(|at| {
                let fresh = i64::from(normal(rng)) * p.sample_varies / 1_000;
                scatter[at] = (scatter[at] * p.sample_memory + fresh * renewed) / 1_000;
                let z = trip[at] + scatter[at] + walk * ATTRIBUTES[at].traffic / 1_000;
                measured(p, at, second, z, rng)
            });
            samples.push(TripSample { second, values });
        }
        Trip { car: self.car, driver: self.driver, start, samples }
    }

    /// A trip by a program that knows the mean and the scatter of each attribute from recorded trips, and nothing of how
    /// one second follows from the last.
    pub(super) fn generate(
        p: &FleetParameters,
        recorded: &[Trip],
        start: Time,
        rng: &mut Rng,
    ) -> Trip {
        let (car, driver) = recorded.first().map_or((0, 0), |trip| (trip.car, trip.driver));
        let known: [(i64, i64); ATTRIBUTES.len()] = core::array::from_fn(|at| {
            let values: Vec<i64> = recorded
                .iter()
                .flat_map(|trip| trip.samples.iter().filter_map(|s| s.values[at]))
                .map(i64::from)
                .collect();
            let count = i64::try_from(values.len().max(1)).unwrap_or(1);
            let mean = values.iter().sum::<i64>() / count;
            let variance = values.iter().map(|v| (v - mean).pow(2)).sum::<i64>() / count;
            (mean, variance.isqrt() * p.generator_scatter / 1_000)
        });
        let seconds = between(rng, (p.trip_min.0 * 60, p.trip_min.1 * 60));
        let sample = |second| {
            let values = core::array::from_fn(|at| {
                let (mean, scatter) = known[at];
                let value = mean + i64::from(normal(rng)) * scatter / 1_000;
                is_measured(p, at, second, rng).then(|| clamped(at, value))
            });
            TripSample { second, values }
        };
        Trip { car, driver, start, samples: (0..seconds).map(sample).collect() }
    }
}

fn measured(p: &FleetParameters, at: usize, second: u32, z: i64, rng: &mut Rng) -> Option<i32> {
    let attribute = ATTRIBUTES[at];
    let value = i64::from(attribute.base) + i64::from(attribute.spread) * z / 1_000;
    is_measured(p, at, second, rng).then(|| clamped(at, value))
}

fn is_measured(p: &FleetParameters, at: usize, second: u32, rng: &mut Rng) -> bool {
    let due = match ATTRIBUTES[at].every_s {
        0 => second == 0,
        1 => true,
        every_s => rng.chance(1, u64::from(every_s)),
    };
    due && !permille(rng, p.missing)
}

fn clamped(at: usize, value: i64) -> i32 {
    let (low, high) = ATTRIBUTES[at].range;
    i32::try_from(value.clamp(i64::from(low), i64::from(high))).unwrap_or(low)
}

#[expect(clippy::too_many_arguments, reason = "one row of a table")]
const fn attribute(
    name: &'static str,
    unit: &'static str,
    base: i32,
    spread: i32,
    range: (i32, i32),
    kind: usize,
    traffic: i64,
    every_s: u32,
) -> Attribute {
    Attribute { name, unit, base, spread, range, kind, traffic, every_s }
}

/// Sides of a driver's style: how fast, how rough, how attentive.
pub(super) const KINDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::{Fleet, parameters::QUICK_FLEET};
    use super::*;

    #[test]
    fn samples_lie_in_their_ranges_and_come_as_often_as_stated() {
        let fleet = Fleet::draw(&QUICK_FLEET, 11);
        let trips: Vec<Trip> =
            fleet.cars().iter().flat_map(|car| fleet.judged_trips(car)).collect();
        let seconds: usize = trips.iter().map(|trip| trip.samples.len()).sum();
        for (at, attribute) in ATTRIBUTES.iter().enumerate() {
            let values: Vec<i32> =
                trips.iter().flat_map(|t| t.samples.iter().filter_map(|s| s.values[at])).collect();
            let (low, high) = attribute.range;
            assert!(values.iter().all(|value| (low..=high).contains(value)), "{attribute:?}");
            let expected = match attribute.every_s {
                0 => trips.len(),
                every_s => seconds / every_s as usize,
            };
            assert!(
                (expected * 9 / 10..=expected * 11 / 10).contains(&values.len()),
                "{attribute:?}"
            );
            let mean = values.iter().map(|v| i64::from(*v)).sum::<i64>()
                / i64::try_from(values.len()).unwrap();
            let off = (mean - i64::from(attribute.base)).abs();
            assert!(off < i64::from(attribute.spread), "{attribute:?} {mean}");
        }
    }
}
