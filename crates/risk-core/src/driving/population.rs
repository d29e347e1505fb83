//! How people drive: what an owner is compared with.

use super::{Attribute, Categorical, ModelKind, Piece, Stretch};
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// How drivers differ from each other, and each from themselves, in every attribute: for pieces of seven classes of coverage,
/// since what was seen for a minute varies more than what was seen for ten.
///
/// It takes one driver's windows at a time, and merges with others in any order. It holds sums alone: nobody's windows.
///
/// ```
/// use interbank_risk_core::driving::{Attribute, Piece, Population, Stretch};
/// use port::Time;
/// let mut all = Population::new();
/// for driver in 0..20 {
///     let trip = |n: i32| {
///         let speed = Piece::new(Attribute::CruiseSpeed, 5_000 + 100 * driver + 10 * n, 600_000);
///         Stretch::new(Time::from_s(1_700_000_000), 600_000, [speed])
///     };
///     all.update(&[trip(0), trip(1), trip(2)]);
/// }
/// assert_eq!(all.drivers(Attribute::CruiseSpeed), 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    numbers: [[Spread; CLASSES]; Attribute::COUNT],
    /// Minutes of departure, by half hours.
    clock: [u32; HALF_HOURS],
    /// By categorical attribute, in the order of attributes.
    names: [Categorical; NAMES],
}

impl Population {
    /// So many drivers have to be known in a class of coverage, at least, before it says anything.
    pub const DRIVERS_MIN: u32 = 8;

    /// Nobody yet.
    pub const fn new() -> Self {
        Self {
            numbers: [[Spread::NONE; CLASSES]; Attribute::COUNT],
            clock: [0; HALF_HOURS],
            names: [const { Categorical::new() }; NAMES],
        }
    }

    /// One driver more: windows of trips that were theirs, one of each length from a trip at most, so that what one trip has
    /// in common counts as a difference between trips. Faulty pieces are left out, and a single window of a class says
    /// nothing of how a driver varies.
    pub fn update(&mut self, windows: &[Stretch]) {
        let believed =
            |piece: &&Piece| piece.fault.is_none() && piece.attribute.contains(piece.value);
        for attribute in Attribute::ALL {
            let pieces =
                windows.iter().filter_map(|window| window.piece(attribute)).filter(believed);
            match attribute.model_kind() {
                ModelKind::Circular => {
                    for piece in pieces {
                        if let Some(count) = self.clock.get_mut(half_hour(piece.value)) {
                            *count = count.saturating_add(1);
                        }
                    }
                }
                ModelKind::Categorical => {
                    if let Some(names) = self.names.get_mut(name_at(attribute)) {
                        pieces.for_each(|piece| names.update(piece.value));
                    }
                }
                ModelKind::Band | ModelKind::RobustBand | ModelKind::Histogram => {
                    let Some(classes) = self.numbers.get_mut(attribute.at()) else { continue };
                    let mut sums = [Sums::default(); CLASSES];
                    for piece in pieces {
                        if let Some(sum) = sums.get_mut(class(piece)) {
                            sum.update(piece.value);
                        }
                    }
                    for (class, sum) in classes.iter_mut().zip(sums) {
                        class.merge(&sum.finish());
                    }
                }
            }
        }
    }

    /// All drivers of another one.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.numbers.iter_mut().zip(&other.numbers) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                mine.merge(theirs);
            }
        }
        for (mine, theirs) in self.clock.iter_mut().zip(other.clock) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.names.iter_mut().zip(&other.names) {
            mine.merge(theirs);
        }
    }

    /// How many drivers are known in an attribute of numbers, in the class of coverage that knows most of them.
    pub fn drivers(&self, attribute: Attribute) -> u32 {
        let classes = self.numbers.get(attribute.at()).into_iter().flatten();
        classes.map(|class| class.drivers).max().unwrap_or(0)
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        for class in self.numbers.iter().flatten() {
            class.write(&mut writer);
        }
        for count in self.clock {
            writer.u32(count);
        }
        self.names.iter().for_each(|names| names.encode(&mut writer));
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let mut all = Self::new();
        for class in all.numbers.iter_mut().flatten() {
            *class = Spread::read(&mut reader)?;
        }
        for count in &mut all.clock {
            *count = reader.u32()?;
        }
        for names in &mut all.names {
            *names = Categorical::read(&mut reader)?;
        }
        reader.finish()?;
        Ok(all)
    }

    /// What is known of pieces of a class; where too few drivers are, of the nearest shorter class, which varies more.
    pub(super) fn spread(&self, attribute: Attribute, class: usize) -> Option<Known> {
        let classes = self.numbers.get(attribute.at())?.get(..=class)?;
        classes.iter().rev().find_map(Spread::finish)
    }

    /// In 4,096ths: how often others set off in a half hour, which it shares with its neighbours (1, 2, 1). `None` while too
    /// little is known.
    pub(super) fn clock_share(&self, minute: i32) -> Option<u64> {
        let all: u64 = self.clock.iter().map(|count| u64::from(*count)).sum();
        let near = near(&self.clock, half_hour(minute));
        // one more everywhere
        (all >= SEEN_MIN).then(|| (u64::from(near) + 4) * 1_024 / (all + HALF_HOURS as u64))
    }

    /// In 4,096ths: how often others showed a value of a categorical attribute.
    pub(super) fn name_share(&self, attribute: Attribute, value: i32) -> Option<u64> {
        let names = self.names.get(name_at(attribute))?;
        let (count, all) = (u64::from(names.count_of(value)), u64::from(names.count()));
        (all >= SEEN_MIN).then(|| ((count + 1) * 4_096 / (all + NAMES_PRIOR)).max(1))
    }
}

impl Default for Population {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of an attribute in one class, in sixteenths of its unit and their squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The mean of drivers.
    pub mean: i64,
    /// The variance between drivers.
    pub between: i64,
    /// The variance between windows of one driver.
    pub within: i64,
}

/// Sums over drivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spread {
    drivers: u32,
    /// Of the drivers' means.
    sum: i64,
    squares: u128,
    /// Windows beyond the first of each driver, and their squared distances from the driver's mean.
    free: u32,
    scattered: u128,
    /// Of 1 / windows, in 65,536ths.
    inverse: u64,
}

impl Spread {
    const NONE: Self = Self { drivers: 0, sum: 0, squares: 0, free: 0, scattered: 0, inverse: 0 };

    fn merge(&mut self, other: &Self) {
        let drivers = self.drivers.checked_add(other.drivers);
        let (Some(drivers), Some(free)) = (drivers, self.free.checked_add(other.free)) else {
            return;
        };
        *self = Self {
            drivers,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            free,
            scattered: self.scattered + other.scattered,
            inverse: self.inverse + other.inverse,
        };
    }

    fn finish(&self) -> Option<Known> {
        if self.drivers < Population::DRIVERS_MIN || self.free < self.drivers {
            return None;
        }
        let count = i64::from(self.drivers);
        let n = u128::from(self.drivers);
        let within = self.scattered / u128::from(self.free);
        let all = (n * self.squares).saturating_sub(u128::from(self.sum.unsigned_abs()).pow(2));
        let means = all / (n * (n - 1));
        // a driver's mean scatters by a part of what their windows do
        let between = means.saturating_sub((within * u128::from(self.inverse) / n) >> 16);
        Some(Known {
            mean: self.sum.div_euclid(count),
            between: i64::try_from(between).ok()?,
            within: i64::try_from(within.max(1)).ok()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer
            .u32(self.drivers)
            .i64(self.sum)
            .fixed(&self.squares.to_be_bytes())
            .u32(self.free)
            .fixed(&self.scattered.to_be_bytes())
            .u64(self.inverse);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (drivers, sum) = (reader.u32()?, reader.i64()?);
        let squares = u128::from_be_bytes(reader.array()?);
        let free = reader.u32()?;
        let scattered = u128::from_be_bytes(reader.array()?);
        let inverse = reader.u64()?;
        // What no values can add up to.
        let (n, size) = (u128::from(drivers), u128::from(sum.unsigned_abs()));
        let fits = squares <= n * SQUARE_MAX
            && size * size <= n * squares
            && free >= drivers
            && scattered <= (u128::from(free) + n) * SQUARE_MAX
            && inverse <= u64::from(drivers) << 15;
        let spread = Self { drivers, sum, squares, free, scattered, inverse };
        if fits { Ok(spread) } else { Err(WireError::Invalid) }
    }
}

/// One driver's windows of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u32,
    sum: i64,
    squares: u128,
}

impl Sums {
    fn update(&mut self, value: i32) {
        let value = i64::from(value) * ONE;
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.squares += u128::from(value.unsigned_abs()).pow(2);
    }

    fn finish(&self) -> Spread {
        if self.count < 2 {
            return Spread::NONE;
        }
        let n = i64::from(self.count);
        let mean = (2 * self.sum + n).div_euclid(2 * n);
        let wide = u128::from(self.count);
        let size = u128::from(self.sum.unsigned_abs());
        Spread {
            drivers: 1,
            sum: mean,
            squares: u128::from(mean.unsigned_abs()).pow(2),
            free: self.count - 1,
            scattered: (wide * self.squares).saturating_sub(size * size) / wide,
            inverse: 65_536 / u64::from(self.count),
        }
    }
}

/// Classes of coverage: below 45 s, and six that double from there, so that 1, 2, 5, 10 and 20 minutes lie inside. What is read
/// once a trip does not get better with time.
pub(super) fn class(piece: &Piece) -> usize {
    if piece.attribute.hold_ms() == u64::MAX {
        return 0;
    }
    let times = piece.coverage_ms / 45_000;
    let class = times.checked_ilog2().map_or(0, |log| log + 1);
    usize::try_from(class).unwrap_or(0).min(CLASSES - 1)
}

/// A count with its neighbours on the clock's face (1, 2, 1).
pub(super) fn near(counts: &[u32; HALF_HOURS], at: usize) -> u32 {
    let count = |at: usize| counts.get(at % HALF_HOURS).copied().unwrap_or(0);
    let beside = count(at + HALF_HOURS - 1).saturating_add(count(at + 1));
    beside.saturating_add(count(at).saturating_mul(2))
}

/// In which half hour of the day.
pub(super) fn half_hour(minute: i32) -> usize {
    usize::try_from(minute.rem_euclid(1_440) / 30).unwrap_or(0)
}

fn name_at(attribute: Attribute) -> usize {
    match attribute {
        Attribute::Area => 0,
        Attribute::SeatSlot => 1,
        _ => 2,
    }
}

/// Classes of coverage.
pub(super) const CLASSES: usize = 7;
/// Parts of a day.
pub(super) const HALF_HOURS: usize = 48;
/// Values are counted in sixteenths of their unit: then a squared distance times 2¹⁶ is below 2⁶³.
pub(super) const ONE: i64 = 16;
/// Attributes of one of a few values: area, seat, mirrors.
const NAMES: usize = 3;
/// So many values, not seen yet, share one more for each.
const NAMES_PRIOR: u64 = 16;
/// So many windows of what is counted have to be known.
const SEEN_MIN: u64 = 64;
/// No value is above 600,000.
const SQUARE_MAX: u128 = (600_000 * 16) * (600_000 * 16);
