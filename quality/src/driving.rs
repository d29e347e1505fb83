//! The driving engine on a generated fleet: owners, thieves in their cars, and driving made by a program.

use crate::figures::{Alarms, Comparison, Count, Driving, Levels, Window};
use crate::page::AREA_MIN;
use anyhow::{Context as _, Result, anyhow};
use risk_core::BasisPoints;
use risk_core::calibration::Trial;
use risk_core::driving::{
    Alarm, Attribute, Contrast, Driver, DrivingStrategy, Event, Finding, Habits, Outcome, Piece,
    Population, Reading, Recording, Registration, Rejection, RiskLevel, Rules, RulesDraft,
    Sequential, StrategySet, Stretch,
};
use simkit::world::{Car, Fleet, FleetParameters, Trip};
use std::collections::BTreeMap;

/// Everything that the fleets of these seeds say, as cases not yet counted.
#[derive(Default)]
pub struct Cases {
    windows: BTreeMap<(Part, u32), Tally>,
    too_short: Count,
    levels: BTreeMap<Who, Told>,
    alarms: BTreeMap<(Combination, u16), [Count; 2]>,
}

#[derive(Default)]
struct Tally {
    trials: Vec<Trial>,
    refused: Count,
    refused_stolen: Count,
}

/// What was said of stretches of ten minutes.
#[derive(Default)]
struct Told {
    cases: u64,
    low: u64,
    medium: u64,
    high: u64,
    refused: u64,
    owner: u64,
    other: u64,
}

/// Which part of a trip a stretch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The last minutes of it, without anything that is read at the departure.
    Later,
    /// The first minutes.
    Departure,
}

/// Who drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Owner,
    Thief,
    Generated,
}

/// How an alarm combines attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Combination {
    Average,
    Bonferroni,
}

impl Cases {
    /// Drives the fleet of one seed. `number` keeps the cars of different seeds apart.
    pub fn draw(parameters: &FleetParameters, seed: u64, number: u32) -> Result<Self> {
        let fleet = Fleet::draw(parameters, seed);
        let rules = Rules::default();
        let mut population = Population::new();
        let mut learned = Vec::new();
        for car in fleet.cars() {
            learned.push(learn(&fleet, car, &rules, &mut population)?);
        }
        let mut cases = Self::default();
        for (car, sets) in fleet.cars().iter().zip(learned) {
            let contrasts = sets.iter().map(|set| Contrast::new(set, &population)).collect();
            let judge = Judge { rules, sets, contrasts, cluster: number * 1_000_000 + car.id };
            for trip in fleet.judged_trips(car) {
                judge.trip(Who::Owner, &trip, &mut cases)?;
            }
            for trip in fleet.stolen_trips(car) {
                judge.trip(Who::Thief, &trip, &mut cases)?;
            }
            for trip in fleet.generated_trips(car) {
                judge.levels(Who::Generated, &trip, &mut cases);
            }
        }
        Ok(cases)
    }

    /// Adds the cases of another seed.
    pub fn merge(&mut self, other: Self) {
        for (which, tally) in other.windows {
            let mine = self.windows.entry(which).or_default();
            mine.trials.extend(tally.trials);
            mine.refused.merge(tally.refused);
            mine.refused_stolen.merge(tally.refused_stolen);
        }
        self.too_short.merge(other.too_short);
        for (who, told) in other.levels {
            let mine = self.levels.entry(who).or_default();
            mine.cases += told.cases;
            mine.low += told.low;
            mine.medium += told.medium;
            mine.high += told.high;
            mine.refused += told.refused;
            mine.owner += told.owner;
            mine.other += told.other;
        }
        for (which, [owners, thieves]) in other.alarms {
            let mine = self.alarms.entry(which).or_default();
            mine[0].merge(owners);
            mine[1].merge(thieves);
        }
    }

    /// The figures.
    pub fn finish(&self, parameters: &FleetParameters, resamples: usize) -> Driving {
        let window = |(&(part, minutes), tally): (&(Part, u32), &Tally)| {
            Some(Window {
                minutes,
                from_departure: part == Part::Departure,
                comparison: Comparison::of(&tally.trials, resamples)?,
                target: AREA_MIN.into_iter().find(|(at, _)| *at == minutes).map(|(_, area)| area),
                refused: tally.refused.share(),
                refused_stolen: tally.refused_stolen.share(),
            })
        };
        let levels = |(who, told): (&Who, &Told)| {
            let share = |hits| Count { hits, cases: told.cases }.share();
            Levels {
                who: match who {
                    Who::Owner => "owner",
                    Who::Thief => "thief in the owner's car",
                    Who::Generated => "generated from three trips of the owner",
                }
                .to_owned(),
                low: share(told.low),
                medium: share(told.medium),
                high: share(told.high),
                refused: share(told.refused),
                owner: share(told.owner),
                other: share(told.other),
            }
        };
        let alarm =
            |(&(by, alpha), [owners, thieves]): (&(Combination, u16), &[Count; 2])| Alarms {
                by: match by {
                    Combination::Average => "mean of e-values",
                    Combination::Bonferroni => "Bonferroni",
                }
                .to_owned(),
                alpha,
                owners: owners.share(),
                thieves: thieves.share(),
            };
        Driving {
            cars: parameters.cars,
            windows: self.windows.iter().filter_map(window).collect(),
            too_short: self.too_short.cases,
            too_short_judged: self.too_short.hits,
            levels: self.levels.iter().map(levels).collect(),
            alarms: self.alarms.iter().map(alarm).collect(),
        }
    }
}

/// What is known of one car.
struct Judge {
    rules: Rules,
    sets: Vec<StrategySet>,
    contrasts: Vec<Contrast>,
    cluster: u32,
}

impl Judge {
    /// Judges a trip in every way.
    fn trip(&self, who: Who, trip: &Trip, cases: &mut Cases) -> Result<()> {
        let length_s = length_s(trip);
        for minutes in MINUTES {
            for part in [Part::Later, Part::Departure] {
                if let Some(stretch) = part.of(trip, minutes) {
                    self.compare(who, part, minutes, &stretch, cases)?;
                }
            }
        }
        if length_s >= 599 {
            cases.too_short.add(self.is_judged(&stretch(trip, 0, 599)));
        }
        self.levels(who, trip, cases);
        // an alarm promises something of windows like those that were learned: whole trips
        let whole = stretch(trip, 0, length_s);
        if whole.length_ms() >= self.rules.preset_ms() {
            for by in [Combination::Average, Combination::Bonferroni] {
                for alpha in ALPHAS {
                    let share = BasisPoints::of(alpha.into(), 10_000);
                    let sounds = Alarm::for_all(&whole, &self.sets, |alarm| match by {
                        Combination::Average => alarm.by_average(share),
                        Combination::Bonferroni => alarm.by_bonferroni(share),
                    });
                    let counts = cases.alarms.entry((by, alpha)).or_default();
                    counts[usize::from(who != Who::Owner)].add(sounds);
                }
            }
        }
        Ok(())
    }

    /// Both scores of one stretch. The default rules refuse one below ten minutes, which is counted; to compare it all the same
    /// there are rules with its length as the preset one, and strategies that ask for half of it.
    fn compare(
        &self,
        who: Who,
        part: Part,
        minutes: u32,
        stretch: &Stretch,
        cases: &mut Cases,
    ) -> Result<()> {
        let outcome = if u64::from(minutes) * 60_000 < self.rules.preset_ms() {
            cases.too_short.add(self.is_judged(stretch));
            let draft = RulesDraft { preset_s: i64::from(minutes) * 60, ..RulesDraft::default() };
            let rules = Rules::new(&draft).map_err(|fault| anyhow!("{fault}"))?;
            let sets: Result<Vec<_>> =
                self.sets.iter().map(|set| shortened(set, minutes * 30_000)).collect();
            rules.evaluate(stretch, &sets?)
        } else {
            self.rules.evaluate(stretch, &self.sets)
        };
        let evidence = Contrast::best(&self.contrasts, stretch).context("a car has a driver")?.1;
        let positive = who == Who::Owner;
        let tally = cases.windows.entry((part, minutes)).or_default();
        let refused = if positive { &mut tally.refused } else { &mut tally.refused_stolen };
        refused.add(outcome.evaluation().is_none());
        if let Outcome::Evaluated(evaluation) = outcome {
            tally.trials.push(Trial {
                first: evaluation.conformity.as_u16().into(),
                second: evidence.as_units().into(),
                positive,
                cluster: self.cluster,
            });
        }
        Ok(())
    }

    /// What the default rules and the sequential test say of the first ten minutes.
    fn levels(&self, who: Who, trip: &Trip, cases: &mut Cases) {
        let Some(stretch) = Part::Departure.of(trip, 10) else { return };
        let told = cases.levels.entry(who).or_default();
        told.cases += 1;
        match self.rules.evaluate(&stretch, &self.sets).level() {
            Some(RiskLevel::Low) => told.low += 1,
            Some(RiskLevel::Medium) => told.medium += 1,
            Some(RiskLevel::High) => told.high += 1,
            None => told.refused += 1,
        }
        match self.sequential(&stretch).finding() {
            Finding::Owner => told.owner += 1,
            Finding::Other => told.other += 1,
            Finding::Undecided => {}
        }
    }

    fn sequential(&self, stretch: &Stretch) -> Sequential {
        let [errors, temper] = [ERRORS, TEMPER].map(|share| BasisPoints::of(share, 10_000));
        let mut test = Sequential::new(errors, errors, temper);
        if let Some((_, says)) = Contrast::best(&self.contrasts, stretch) {
            test.update(says);
        }
        test
    }

    /// Whether the default rules give a level, by either way, to a stretch that is too short for one.
    fn is_judged(&self, stretch: &Stretch) -> bool {
        let refused = Some(Rejection::TooShort);
        self.rules.evaluate(stretch, &self.sets).rejection() != refused
            || self.sequential(stretch).level(&self.rules, stretch).err() != refused
    }
}

impl Part {
    /// So many minutes of a trip, if it is longer.
    fn of(self, trip: &Trip, minutes: u32) -> Option<Stretch> {
        let (end_s, long_s) = (length_s(trip), minutes * 60);
        let from_s = end_s.checked_sub(long_s).filter(|from_s| *from_s > 0)?;
        Some(match self {
            Self::Later => stretch(trip, from_s, end_s),
            Self::Departure => stretch(trip, 0, long_s),
        })
    }
}

/// Learns the trips of a car's first period, each as one window, as the engine is meant to; and adds windows of every length to
/// the population.
fn learn(
    fleet: &Fleet,
    car: &Car,
    rules: &Rules,
    population: &mut Population,
) -> Result<Vec<StrategySet>> {
    let on = |before, event| Registration::on(before, event, fleet.applied(), rules);
    let applied = on(None, Event::Apply).map_err(|illegal| anyhow!("{illegal}"))?;
    let learning = on(Some(applied), Event::Accept).map_err(|illegal| anyhow!("{illegal}"))?;
    let trips = fleet.learning_trips(car);
    let mut sets = Vec::new();
    for (name, driver) in car.drivers.iter().zip(Driver::all()) {
        let mut habits = Habits::new(driver);
        let mut windows = Vec::new();
        for (tag, trip) in (0..).zip(trips.iter().filter(|trip| trip.driver == *name)) {
            let whole = stretch(trip, 0, length_s(trip));
            if whole.length_ms() >= rules.preset_ms() {
                let _ = habits.learn(&learning, tag, &whole);
            }
            windows.extend(MINUTES.iter().filter_map(|minutes| Part::Later.of(trip, *minutes)));
            // what is read once a trip is known once a trip
            let once = |piece: &&Piece| piece.attribute.hold_ms() == u64::MAX;
            let departure = whole.pieces().filter(once).copied();
            windows.push(Stretch::new(whole.request(), whole.length_ms(), departure));
        }
        population.update(&windows);
        anyhow::ensure!(habits.finish(rules), "a driver was not observed enough");
        sets.push(habits.current().context("strategies")?);
    }
    Ok(sets)
}

/// What the engine would record from one second of a trip up to another, and be asked then.
fn stretch(trip: &Trip, from_s: u32, to_s: u32) -> Stretch {
    let mut recording = Recording::new(Rules::default().gap_max_ms());
    let at = |second: u32| trip.start.plus_ms(u64::from(second) * 1_000);
    if from_s == 0 {
        let minute = i32::try_from(trip.start.as_ms() / 60_000 % 1_440).unwrap_or(0);
        recording.update(Reading::new(trip.start, Attribute::StartTime, minute));
    }
    for sample in trip.samples.iter().filter(|one| (from_s..to_s).contains(&one.second)) {
        for (place, attribute) in MEASURED {
            let Some(value) = sample.values[place] else { continue };
            let value = match attribute {
                // 0.1 km/h and 0.1 % in hundredths
                Attribute::CruiseSpeed | Attribute::Throttle => value * 10,
                // time to the vehicle ahead, in ms, at this speed: centimetres
                Attribute::FollowingDistance => {
                    let Some(speed) = sample.values[0] else { continue };
                    i32::try_from(i64::from(value) * i64::from(speed) / 360).unwrap_or(i32::MAX)
                }
                _ => value,
            };
            recording.update(Reading::new(at(sample.second), attribute, value));
        }
    }
    recording.finish(at(to_s))
}

/// Strategies that ask for no more than `most_ms` of data.
fn shortened(set: &StrategySet, most_ms: u32) -> Result<StrategySet> {
    let one = |strategy: &DrivingStrategy| {
        let (model, least_ms) = (strategy.model().clone(), strategy.min_len_ms().min(most_ms));
        DrivingStrategy::new(strategy.attribute(), model, least_ms, strategy.weight())
    };
    let strategies: Result<Vec<_>, _> = set.as_slice().iter().map(one).collect();
    let set = strategies.and_then(|strategies| StrategySet::new(set.driver(), strategies));
    set.map_err(|bad| anyhow!("{bad}"))
}

fn length_s(trip: &Trip) -> u32 {
    trip.samples.last().map_or(0, |last| last.second + 1)
}

/// Which of the generated attributes the engine knows. The others (jerk, brake pressure, creeping, speeding, place in the lane,
/// gaze) stay unused.
const MEASURED: [(usize, Attribute); 10] = [
    (0, Attribute::CruiseSpeed),
    (1, Attribute::Acceleration),
    (2, Attribute::Deceleration),
    (3, Attribute::SteeringRate),
    (4, Attribute::UpshiftRpm),
    (5, Attribute::FollowingDistance),
    (6, Attribute::LateralAcceleration),
    (8, Attribute::Throttle),
    (13, Attribute::IndicatorLead),
    (15, Attribute::BeltToStart),
];

const MINUTES: [u32; 5] = [1, 2, 5, 10, 20];
/// Rates of false alarms that are promised, in basis points.
const ALPHAS: [u16; 3] = [500, 2_000, 4_000];
/// Of the sequential test, in basis points.
const ERRORS: u64 = 500;
/// Which share of the evidence counts. All of it: on the tuning seeds, attributes that say some things twice do not cost the
/// promised errors.
const TEMPER: u64 = 10_000;
