//! What is known of one driver: what is being learned, or the strategies and what confirmed trips changed since.

use super::{Attribute, Driver, Learner, Piece, Registration, Rules, StrategySet, Stretch};
use crate::DAY_MS;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// The habits of one driver of one vehicle.
///
/// While the vehicle is learned they take windows; [`Habits::finish`] makes strategies of them. From then on only trips that
/// were confirmed move the strategies, each day by a bounded step, and for some days that can be taken back: what is
/// revocable lies beside the settled strategies, and [`Habits::current`] is made of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    driver: Driver,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a vehicle has one stage; none is kept in bulk")]
enum Stage {
    Learning {
        /// In the order of attributes.
        learners: Vec<Learner>,
    },
    Learned {
        settled: StrategySet,
        /// Trips before this day are settled.
        open_from: u32,
        /// In the order of their ends, then tags.
        recent: Vec<Trip>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trip {
    ended: Time,
    tag: u32,
    values: Vec<(Attribute, i32)>,
}

impl Habits {
    /// A driver moves strategies by at most so many trips a day; more of one day are left out.
    pub const TRIPS_A_DAY: usize = 4;

    /// So many trips are revocable at most; then the oldest day settles.
    pub const RECENT_MAX: usize = 64;

    /// Nothing learned yet.
    pub const fn new(driver: Driver) -> Self {
        Self { driver, stage: Stage::Learning { learners: Vec::new() } }
    }

    /// Learns a window of the period after the application (spec V6).
    pub fn learn(&mut self, registration: &Registration, tag: u32, window: &Stretch) -> Taken {
        let start = window.request().minus_ms(window.length_ms());
        let Stage::Learning { learners } = &mut self.stage else { return Taken::NotLearning };
        if !registration.learns_from(start, window.request()) {
            return Taken::OutsidePeriod;
        }
        let mut any = false;
        for piece in window.pieces() {
            let place = learners.binary_search_by_key(&piece.attribute, Learner::attribute);
            let at = place.unwrap_or_else(|at| {
                learners.insert(at, Learner::new(piece.attribute));
                at
            });
            any |= learners.get_mut(at).is_some_and(|learner| learner.update(tag, piece));
        }
        if any { Taken::Learned } else { Taken::NothingInIt }
    }

    /// Makes strategies of what was learned, for each attribute that was observed enough. Returns whether these are at least
    /// two: with fewer nothing changes, and learning goes on.
    pub fn finish(&mut self, rules: &Rules) -> bool {
        let Stage::Learning { learners } = &self.stage else { return false };
        let strategies: Vec<_> =
            learners.iter().filter_map(|learner| learner.finish(rules)).collect();
        if strategies.len() < 2 {
            return false;
        }
        let Ok(settled) = StrategySet::new(self.driver, strategies) else { return false };
        self.stage = Stage::Learned { settled, open_from: 0, recent: Vec::new() };
        true
    }

    /// Whether [`Habits::finish`] would make strategies.
    pub fn is_ready(&self, rules: &Rules) -> bool {
        let Stage::Learning { learners } = &self.stage else { return false };
        learners.iter().filter(|learner| learner.finish(rules).is_some()).count() >= 2
    }

    /// Moves the strategies by a trip that was confirmed. Days that are no longer revocable settle first.
    pub fn confirm(&mut self, now: Time, rules: &Rules, tag: u32, trip: &Stretch) -> Taken {
        let Stage::Learned { settled, open_from, recent } = &mut self.stage else {
            return Taken::NotLearned;
        };
        let ended = trip.request();
        let kept = u32::from(rules.revocable_days());
        let today = day(now);
        settle(settled, open_from, recent, today.saturating_sub(kept));
        if day(ended) < *open_from || ended > now {
            return Taken::OutsidePeriod;
        }
        let same_day = recent.iter().filter(|other| day(other.ended) == day(ended)).count();
        if same_day >= Self::TRIPS_A_DAY {
            return Taken::EnoughOfThatDay;
        }
        let values: Vec<(Attribute, i32)> = trip
            .pieces()
            .filter(|piece| is_believed(piece) && settled.of(piece.attribute).is_some())
            .map(|piece| (piece.attribute, piece.value))
            .collect();
        if values.is_empty() {
            return Taken::NothingInIt;
        }
        if recent.len() >= Self::RECENT_MAX {
            let oldest = recent.first().map_or(0, |trip| day(trip.ended));
            settle(settled, open_from, recent, oldest + 1);
            if day(ended) < *open_from {
                return Taken::OutsidePeriod;
            }
        }
        let place = recent.binary_search_by_key(&(ended, tag), |trip| (trip.ended, trip.tag));
        match place {
            Ok(_) => Taken::AlreadyTaken,
            Err(at) => {
                recent.insert(at, Trip { ended, tag, values });
                Taken::Learned
            }
        }
    }

    /// Takes back what trips that ended at `from` or later changed. Returns how many; what has settled stays.
    pub fn revoke(&mut self, from: Time) -> usize {
        let Stage::Learned { recent, .. } = &mut self.stage else { return 0 };
        let before = recent.len();
        recent.retain(|trip| trip.ended < from);
        before - recent.len()
    }

    /// Whose habits these are.
    pub const fn driver(&self) -> Driver {
        self.driver
    }

    /// The strategies as they are now; `None` while learning (spec V15).
    pub fn current(&self) -> Option<StrategySet> {
        let Stage::Learned { settled, recent, .. } = &self.stage else { return None };
        let mut current = settled.clone();
        apply(&mut current, recent);
        Some(current)
    }

    /// The learners, while learning.
    pub fn learners(&self) -> &[Learner] {
        match &self.stage {
            Stage::Learning { learners } => learners,
            Stage::Learned { .. } => &[],
        }
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        // at most 16 of each, and 64 trips
        let count = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        match &self.stage {
            Stage::Learning { learners } => {
                writer.u8(0).u8(self.driver.as_u8()).u8(count(learners.len()));
                learners.iter().for_each(|learner| learner.write(&mut writer));
            }
            Stage::Learned { settled, open_from, recent } => {
                settled.write(writer.u8(1));
                writer.u32(*open_from).u8(count(recent.len()));
                for trip in recent {
                    writer.u64(trip.ended.as_ms()).u32(trip.tag).u8(count(trip.values.len()));
                    for (attribute, value) in &trip.values {
                        writer.u8(attribute.number()).fixed(&value.to_be_bytes());
                    }
                }
            }
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let habits = match reader.u8()? {
            0 => {
                let driver = Driver::new(reader.u8()?).ok_or(WireError::Invalid)?;
                let learners = rising(&mut reader, Attribute::COUNT, Learner::read, |learner| {
                    learner.attribute()
                })?;
                Self { driver, stage: Stage::Learning { learners } }
            }
            1 => {
                let settled = StrategySet::read(&mut reader)?;
                let open_from = reader.u32()?;
                let trips = |trip: &Trip| (trip.ended, trip.tag);
                let recent = rising(&mut reader, Self::RECENT_MAX, Trip::read, trips)?;
                let open = recent.iter().all(|trip| day(trip.ended) >= open_from);
                let known = recent.iter().flat_map(|trip| &trip.values);
                if !open
                    || !known.into_iter().all(|(attribute, _)| settled.of(*attribute).is_some())
                {
                    return Err(WireError::Invalid);
                }
                let driver = settled.driver();
                Self { driver, stage: Stage::Learned { settled, open_from, recent } }
            }
            _ => return Err(WireError::Invalid),
        };
        reader.finish()?;
        Ok(habits)
    }
}

impl Trip {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (ended, tag) = (Time::from_ms(reader.u64()?), reader.u32()?);
        let value = |reader: &mut Reader<'_>| {
            let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
            let value = i32::from_be_bytes(reader.array()?);
            if attribute.contains(value) { Ok((attribute, value)) } else { Err(WireError::Invalid) }
        };
        let values = rising(reader, Attribute::COUNT, value, |(attribute, _)| *attribute)?;
        if values.is_empty() { Err(WireError::Invalid) } else { Ok(Self { ended, tag, values }) }
    }
}

/// What became of a window or a trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taken {
    /// It was taken before.
    AlreadyTaken,
    /// So many trips of that day were taken already that this one is left out.
    EnoughOfThatDay,
    /// It was taken.
    Learned,
    /// No piece in it can be learned.
    NothingInIt,
    /// There are no strategies yet that it could move.
    NotLearned,
    /// Learning is over.
    NotLearning,
    /// It began before the application, ended after the period, is of a day that has settled, or of a time before the vehicle
    /// was last activated or resumed.
    OutsidePeriod,
}

impl Taken {
    /// Stable number, 3610 to 3616.
    pub const fn code(self) -> u32 {
        match self {
            Self::Learned => 3_610,
            Self::AlreadyTaken => 3_611,
            Self::EnoughOfThatDay => 3_612,
            Self::NothingInIt => 3_613,
            Self::NotLearned => 3_614,
            Self::NotLearning => 3_615,
            Self::OutsidePeriod => 3_616,
        }
    }
}

/// Makes everything before `first_open` settled.
fn settle(settled: &mut StrategySet, open_from: &mut u32, recent: &mut Vec<Trip>, first_open: u32) {
    if first_open <= *open_from {
        return;
    }
    *open_from = first_open;
    let over = recent.partition_point(|trip| day(trip.ended) < first_open);
    let open = recent.split_off(over);
    apply(settled, recent);
    *recent = open;
}

/// Moves strategies by trips in the order of their days.
fn apply(set: &mut StrategySet, trips: &[Trip]) {
    for one_day in trips.chunk_by(|one, next| day(one.ended) == day(next.ended)) {
        set.drift(|attribute| {
            one_day
                .iter()
                .flat_map(|trip| &trip.values)
                .filter(|(of, _)| *of == attribute)
                .map(|(_, value)| *value)
                .collect()
        });
    }
}

fn is_believed(piece: &Piece) -> bool {
    piece.fault.is_none()
        && piece.attribute.contains(piece.value)
        && piece.coverage_ms >= u64::from(piece.attribute.min_len_ms())
}

fn day(time: Time) -> u32 {
    u32::try_from(time.as_ms() / DAY_MS).unwrap_or(u32::MAX)
}

/// Reads a counted list whose keys rise.
fn rising<'a, T, K: Ord>(
    reader: &mut Reader<'a>,
    most: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, WireError>,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, WireError> {
    let count = usize::from(reader.u8()?);
    if count > most {
        return Err(WireError::TooLong);
    }
    let mut all: Vec<T> = Vec::with_capacity(count);
    for _ in 0..count {
        let one = read(reader)?;
        if all.last().is_some_and(|last| key(last) >= key(&one)) {
            return Err(WireError::Invalid);
        }
        all.push(one);
    }
    Ok(all)
}
