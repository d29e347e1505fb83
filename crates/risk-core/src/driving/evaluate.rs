//! From pieces and strategies to a risk level.

use super::model::share;
use super::outline::{Shown, Tally};
use super::{
    Attribute, Deviation, Driver, DrivingStrategy, Piece, Reason, Rules, StrategySet, Stretch,
};
use crate::{BasisPoints, Contribution, Reasons};
use alloc::vec::Vec;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use serde::{Deserialize, Serialize};

/// How risky it is that somebody else drives. The evaluator knows no payments: what a level means for one, the platform
/// decides (spec V14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// It drives as its owner does.
    Low,
    /// Some of it is as usual.
    Medium,
    /// It does not drive as its owner does.
    High,
}

impl RiskLevel {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Low,
            2 => Self::Medium,
            3 => Self::High,
            _ => return None,
        })
    }
}

impl Rules {
    /// Evaluates a stretch against the strategies of a vehicle's drivers. Nothing is allocated.
    ///
    /// Refused before any data is looked at: no strategies ([`Rejection::NotReady`]), a stretch shorter than the preset length
    /// ([`Rejection::TooShort`], spec V9), fewer than two pieces ([`Rejection::TooFewPieces`], spec V4). Then only pieces that
    /// cover the length of their own strategy are compared (spec V11), and two at least have to be.
    pub fn evaluate(&self, stretch: &Stretch, sets: &[StrategySet]) -> Outcome {
        let sets = sets.get(..Driver::COUNT_MAX).unwrap_or(sets);
        if sets.iter().all(|set| set.as_slice().is_empty()) {
            return Outcome::Rejected(Rejection::NotReady);
        }
        if stretch.length_ms() < self.preset_ms() {
            return Outcome::Rejected(Rejection::TooShort);
        }
        if stretch.count() < PIECES_MIN {
            return Outcome::Rejected(Rejection::TooFewPieces);
        }
        let shown = Shown::new(stretch);
        let mut best: Option<(&StrategySet, Tally, BasisPoints)> = None;
        for set in sets {
            let tally = set.tally(&shown);
            let share = share(tally.matched, tally.weight);
            let better = best.is_none_or(|(_, _, highest)| share > highest);
            if tally.eligible >= PIECES_MIN && better {
                best = Some((set, tally, share));
            }
        }
        let Some((set, tally, matched)) = best else {
            return Outcome::Rejected(Rejection::TooFewPieces);
        };
        let penalty = self.penalty(sets.len());
        let conformity = matched.as_u16().saturating_sub(penalty.as_u16());
        let conformity = BasisPoints::new(conformity).unwrap_or_default();
        let mut lines = [None; Attribute::COUNT];
        let mut strategies = set.as_slice().iter().peekable();
        for (line, attribute) in lines.iter_mut().zip(Attribute::ALL) {
            let strategy = strategies.next_if(|strategy| strategy.attribute() == attribute);
            *line = stretch.piece(attribute).map(|piece| Line::of(piece, strategy));
        }
        Outcome::Evaluated(Evaluation {
            level: self.level(conformity),
            conformity,
            matched,
            penalty,
            driver: set.driver(),
            weight: tally.weight,
            lines,
        })
    }

    /// The level of a conformity: a pure function of the two, and falling.
    pub fn level(&self, conformity: BasisPoints) -> RiskLevel {
        if conformity >= self.low_from() {
            RiskLevel::Low
        } else if conformity >= self.medium_from() {
            RiskLevel::Medium
        } else {
            RiskLevel::High
        }
    }
}

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "an evaluation allocates nothing")]
pub enum Outcome {
    /// A level, and what it rests on.
    Evaluated(Evaluation),
    /// No level: the request is refused.
    Rejected(Rejection),
}

impl Outcome {
    /// The evaluation, if there is one.
    pub const fn evaluation(&self) -> Option<&Evaluation> {
        match self {
            Self::Evaluated(evaluation) => Some(evaluation),
            Self::Rejected(_) => None,
        }
    }

    /// The level, if there is one.
    pub fn level(&self) -> Option<RiskLevel> {
        self.evaluation().map(|evaluation| evaluation.level)
    }

    /// Why there is no level.
    pub const fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Evaluated(_) => None,
            Self::Rejected(why) => Some(*why),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Rejected(why) => {
                writer.u8(0).u8(why.number());
            }
            Self::Evaluated(evaluation) => evaluation.write(writer.u8(1)),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match reader.u8()? {
            0 => Self::Rejected(Rejection::from_number(reader.u8()?).ok_or(WireError::Invalid)?),
            1 => Self::Evaluated(Evaluation::read(reader)?),
            _ => return Err(WireError::Invalid),
        })
    }
}

/// A level and what it rests on. [`Evaluation::recombined`] makes the conformity from the lines again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// How risky it is.
    pub level: RiskLevel,
    /// Weight of what matches among all that was compared, less the penalty: what the level is made of.
    pub conformity: BasisPoints,
    /// The same before the penalty.
    pub matched: BasisPoints,
    /// What the best of several drivers loses for being the best of several: ln(drivers) times a rate.
    pub penalty: BasisPoints,
    /// Whose strategies fit best.
    pub driver: Driver,
    /// The weight of all that was compared.
    weight: u32,
    lines: [Option<Line>; Attribute::COUNT],
}

impl Evaluation {
    /// Each piece and what became of it, in the order of attributes.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// The reasons, the weightiest first: matches count for, deviations against; what was not compared counts nothing.
    pub fn reasons(&self) -> Reasons<Reason> {
        let share = |weight: u16| {
            i32::from(BasisPoints::of(u64::from(weight), u64::from(self.weight)).as_u16())
        };
        let mut all: Vec<Contribution<Reason>> = Vec::with_capacity(Attribute::COUNT + 1);
        for line in self.lines() {
            let (attribute, weight) = (line.attribute, line.weight);
            let (reason, basis_points) = match line.standing {
                Standing::Matches(_) => (Reason::Matches(attribute), share(weight)),
                Standing::Deviates(_) => (Reason::Deviates(attribute), -share(weight)),
                Standing::TooLittle => (Reason::TooLittle(attribute), 0),
                Standing::NoStrategy => (Reason::NoStrategy(attribute), 0),
                Standing::Faulty(fault) => (Reason::Faulty(attribute, fault), 0),
            };
            all.push(Contribution { reason, basis_points });
        }
        if self.penalty > BasisPoints::ZERO {
            let basis_points = -i32::from(self.penalty.as_u16());
            all.push(Contribution { reason: Reason::SeveralDrivers, basis_points });
        }
        Reasons::new(all)
    }

    /// The conformity, made from the lines and the penalty alone.
    pub fn recombined(&self) -> BasisPoints {
        let (mut weight, mut matched) = (0_u64, 0_u64);
        for line in self.lines() {
            match line.standing {
                Standing::Matches(_) => {
                    weight += u64::from(line.weight);
                    matched += u64::from(line.weight);
                }
                Standing::Deviates(_) => weight += u64::from(line.weight),
                Standing::Faulty(_) | Standing::NoStrategy | Standing::TooLittle => {}
            }
        }
        let share = BasisPoints::of(matched, weight).as_u16();
        BasisPoints::new(share.saturating_sub(self.penalty.as_u16())).unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer
            .u8(self.level.number())
            .u16(self.conformity.as_u16())
            .u16(self.matched.as_u16())
            .u16(self.penalty.as_u16())
            .u8(self.driver.as_u8())
            .u8(u8::try_from(self.lines().count()).unwrap_or(u8::MAX));
        for line in self.lines() {
            writer.u8(line.attribute.number()).fixed(&line.value.to_be_bytes()).u16(line.weight);
            line.standing.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let share = |reader: &mut Reader<'_>| {
            BasisPoints::new(reader.u16()?).map_err(|_| WireError::Invalid)
        };
        let level = RiskLevel::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let (conformity, matched, penalty) = (share(reader)?, share(reader)?, share(reader)?);
        let driver = Driver::new(reader.u8()?).ok_or(WireError::Invalid)?;
        let count = usize::from(reader.u8()?);
        let (mut lines, mut weight, mut last) = ([None; Attribute::COUNT], 0, None);
        for _ in 0..count {
            let attribute = Attribute::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
            let value = i32::from_be_bytes(reader.array()?);
            let line =
                Line { attribute, value, weight: reader.u16()?, standing: Standing::read(reader)? };
            let heavy = line.weight <= DrivingStrategy::WEIGHT_MAX;
            if last.is_some_and(|last| last >= attribute) || !heavy {
                return Err(WireError::Invalid);
            }
            if matches!(line.standing, Standing::Matches(_) | Standing::Deviates(_)) {
                weight += u32::from(line.weight);
            }
            last = Some(attribute);
            if let Some(place) = lines.get_mut(attribute.at()) {
                *place = Some(line);
            }
        }
        let evaluation = Self { level, conformity, matched, penalty, driver, weight, lines };
        if evaluation.recombined() == conformity { Ok(evaluation) } else { Err(WireError::Invalid) }
    }
}

/// One piece in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of which attribute.
    pub attribute: Attribute,
    /// What the stretch shows of it.
    pub value: i32,
    /// What its strategy weighs; 0 without a strategy.
    pub weight: u16,
    /// What became of it.
    pub standing: Standing,
}

impl Line {
    fn of(piece: &Piece, strategy: Option<&DrivingStrategy>) -> Self {
        let weight = strategy.map_or(0, DrivingStrategy::weight);
        let standing = match (piece.fault, strategy) {
            (Some(fault), _) => Standing::Faulty(fault),
            (None, None) => Standing::NoStrategy,
            (None, Some(strategy)) if piece.coverage_ms < u64::from(strategy.min_len_ms()) => {
                Standing::TooLittle
            }
            (None, Some(strategy)) => {
                let fit = strategy.compare(piece.value);
                if fit.matches {
                    Standing::Matches(fit.deviation)
                } else {
                    Standing::Deviates(fit.deviation)
                }
            }
        };
        Self { attribute: piece.attribute, value: piece.value, weight, standing }
    }
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Compared, and not as usual.
    Deviates(Deviation),
    /// Not compared: the sensor cannot be believed.
    Faulty(super::SensorFault),
    /// Compared, and as usual.
    Matches(Deviation),
    /// Not compared: there is no strategy for it.
    NoStrategy,
    /// Not compared: it covers less than its strategy asks for.
    TooLittle,
}

impl Standing {
    fn write(self, writer: &mut Writer<'_>) {
        let deviation = |writer: &mut Writer<'_>, kind: u8, deviation| {
            match deviation {
                Deviation::Spreads(hundredths) => writer.u8(kind).u32(hundredths),
                Deviation::Rarity(share) => writer.u8(kind + 1).u32(share.as_u16().into()),
            };
        };
        match self {
            Self::TooLittle => _ = writer.u8(0),
            Self::NoStrategy => _ = writer.u8(1),
            Self::Faulty(fault) => _ = writer.u8(2).u8(fault.number()),
            Self::Matches(off) => deviation(writer, 3, off),
            Self::Deviates(off) => deviation(writer, 5, off),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = reader.u8()?;
        Ok(match kind {
            0 => Self::TooLittle,
            1 => Self::NoStrategy,
            2 => {
                let fault = super::SensorFault::from_number(reader.u8()?);
                Self::Faulty(fault.ok_or(WireError::Invalid)?)
            }
            3..=6 => {
                let number = reader.u32()?;
                let deviation = if kind % 2 == 1 {
                    Deviation::Spreads(number)
                } else {
                    let share = u16::try_from(number).ok().and_then(|it| BasisPoints::new(it).ok());
                    Deviation::Rarity(share.ok_or(WireError::Invalid)?)
                };
                if kind < 5 { Self::Matches(deviation) } else { Self::Deviates(deviation) }
            }
            _ => return Err(WireError::Invalid),
        })
    }
}

/// Why there is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// There are no strategies yet (spec V15).
    NotReady,
    /// Fewer than two pieces can be compared (spec V4, V11).
    TooFewPieces,
    /// Data was acquired for less than the preset length (spec V9).
    TooShort,
}

impl Rejection {
    /// Stable number, 3410 to 3412.
    pub const fn code(self) -> u32 {
        match self {
            Self::NotReady => 3_410,
            Self::TooFewPieces => 3_411,
            Self::TooShort => 3_412,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::NotReady => 0,
            Self::TooFewPieces => 1,
            Self::TooShort => 2,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::NotReady,
            1 => Self::TooFewPieces,
            2 => Self::TooShort,
            _ => return None,
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "this vehicle is still being learned",
            Self::TooFewPieces => "too little of how the vehicle is driven can be compared",
            Self::TooShort => "the vehicle has not been driven for long enough",
        })
    }
}

/// "Multiple" pieces (spec V4, V11).
const PIECES_MIN: usize = 2;
