//! Recurring periods of the local week.

use port::{LocalTime, Time, Zone};

/// A partition of the local week into slots of equal length, each of which recurs (spec R2, R15).
///
/// Slots are of the wall clock: where the clock is set back, both passes of the repeated hour are one occurrence of its
/// slot; where it is set forward, the skipped slot has no occurrence on that day.
///
/// ```
/// use interbank_risk_core::surroundings::Grid;
/// use port::{Time, Zone};
/// let tuesday_22h = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), Time::from_s(1_700_000_000));
/// assert_eq!(tuesday_22h.period, 24 + 22);
/// assert_eq!((Grid::HOUR_OF_WEEK.periods(), Grid::FOLDED.periods()), (168, 48));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    slot_min: u16,
    fold: Fold,
}

impl Grid {
    /// 168 slots of one hour.
    pub const HOUR_OF_WEEK: Self = Self { slot_min: 60, fold: Fold::Week };

    /// 48 slots of one hour: 24 of working days, 24 of weekends.
    pub const FOLDED: Self = Self { slot_min: 60, fold: Fold::Weekend };

    /// The longest slot lists: 336 slots of half an hour.
    pub const PERIODS_MAX: u16 = 336;

    /// Slots of 30, 60, 120, 180, 240, 360, 480, 720 or 1,440 minutes; `None` for another length.
    pub const fn new(slot_min: u16, fold: Fold) -> Option<Self> {
        match slot_min {
            30 | 60 | 120 | 180 | 240 | 360 | 480 | 720 | 1_440 => Some(Self { slot_min, fold }),
            _ => None,
        }
    }

    /// How long a slot is, in minutes.
    pub const fn slot_min(self) -> u16 {
        self.slot_min
    }

    /// How long a slot is, in seconds.
    pub const fn slot_s(self) -> u32 {
        self.slot_min as u32 * 60
    }

    /// Which days share slots.
    pub const fn fold(self) -> Fold {
        self.fold
    }

    /// How many slots there are.
    pub const fn periods(self) -> u16 {
        let days = match self.fold {
            Fold::Week => 7,
            Fold::Weekend => 2,
            Fold::Day => 1,
        };
        days * self.per_day()
    }

    /// Where a point in time lies in the recurring week of a zone.
    ///
    /// The adjacent slot and its weight run with real time, also over a change of the clock: at the first and at the last
    /// moment of a slot both weigh one half, at its centre the slot stands alone, and in between the weight is linear. So
    /// what is blended by it has no jump.
    pub fn moment(self, zone: &Zone, at: Time) -> Moment {
        let local = zone.local(at);
        let (period, into_ms) = self.place(&local, at);
        let slot_ms = u64::from(self.slot_s()) * 1_000;
        let same_clock = |other: Time| zone.local(other).offset_s == local.offset_s;
        let start = at.minus_ms(into_ms);
        let start = if same_clock(start) { start } else { first(start, at, same_clock) };
        let end = at.plus_ms(slot_ms - into_ms);
        let last = end.minus_ms(1);
        let end = if same_clock(last) { end } else { first(at, last, |other| !same_clock(other)) };
        let (long_ms, into_ms) = (end.since_ms(start).max(1), at.since_ms(start));
        let (neighbour, off_centre_ms) = if 2 * into_ms < long_ms {
            (start.minus_ms(1), long_ms - 2 * into_ms)
        } else {
            (end, 2 * into_ms - long_ms)
        };
        let (adjacent, _) = self.place(&zone.local(neighbour), neighbour);
        let adjacent_bp = if adjacent == period { 0 } else { off_centre_ms * 5_000 / long_ms };
        Moment {
            day: local_day(&local, at),
            period,
            adjacent,
            // at most 5,000
            adjacent_bp: u16::try_from(adjacent_bp).unwrap_or(5_000),
            grid: self,
        }
    }

    const fn per_day(self) -> u16 {
        1_440 / self.slot_min
    }

    /// The slot, and how far the wall clock is into it.
    fn place(self, local: &LocalTime, at: Time) -> (u16, u64) {
        let slot_ms = u64::from(self.slot_s()) * 1_000;
        let wall_s = u64::from(local.hour) * 3_600 + u64::from(local.minute) * 60;
        let wall_ms = (wall_s + u64::from(local.second)) * 1_000 + at.as_ms() % 1_000;
        let row = match self.fold {
            Fold::Week => u16::from(local.weekday),
            Fold::Weekend => u16::from(local.weekday >= 5),
            Fold::Day => 0,
        };
        // below 48
        let column = u16::try_from(wall_ms / slot_ms).unwrap_or(0);
        (row * self.per_day() + column, wall_ms % slot_ms)
    }

    pub(super) const fn to_u8(self) -> u8 {
        let fold = match self.fold {
            Fold::Week => 0,
            Fold::Weekend => 1,
            Fold::Day => 2,
        };
        // at most 48 half hours
        fold << 6 | (self.slot_min / 30).to_be_bytes()[1]
    }

    pub(super) fn from_u8(number: u8) -> Option<Self> {
        let fold = match number >> 6 {
            0 => Fold::Week,
            1 => Fold::Weekend,
            2 => Fold::Day,
            _ => return None,
        };
        Self::new(u16::from(number & 0x3F) * 30, fold)
    }
}

/// Which days share their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// None: each day of the week has its own.
    Week,
    /// Monday to Friday share theirs, Saturday and Sunday theirs.
    Weekend,
    /// All.
    Day,
}

/// A point in time, as the recurring week of a zone sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The local day, counted from 1970-01-01: with the period it names one occurrence.
    pub day: u16,
    /// The slot that contains the moment.
    pub period: u16,
    /// The slot on the nearer side.
    pub adjacent: u16,
    /// What the adjacent slot weighs in a blend, 0 to 5,000 basis points.
    pub adjacent_bp: u16,
    /// By which grid.
    pub grid: Grid,
}

/// Days from 1970-01-01 to the local day; days past the year 2149 count as its last.
fn local_day(local: &LocalTime, at: Time) -> u16 {
    let local_s =
        i64::try_from(at.as_s()).unwrap_or(i64::MAX).saturating_add(local.offset_s.into());
    u16::try_from(local_s.div_euclid(86_400).max(0)).unwrap_or(u16::MAX)
}

/// The first millisecond in `after + 1 ..= until` at which the condition holds, given that it holds from some point on.
fn first(after: Time, until: Time, holds: impl Fn(Time) -> bool) -> Time {
    let (mut no, mut yes) = (after, until);
    while yes.since_ms(no) > 1 {
        let middle = no.plus_ms(yes.since_ms(no) / 2);
        if holds(middle) {
            yes = middle;
        } else {
            no = middle;
        }
    }
    yes
}
