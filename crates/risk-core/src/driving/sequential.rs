//! Evidence that grows while the vehicle drives, so that the answer is ready when the request comes.

use super::{Attribute, Rejection, RiskLevel, Rules, Stretch, Windows};
use crate::{BasisPoints, LogRatio};
use alloc::vec::Vec;

/// What each value of one attribute says for the owner and against anybody: ln(P(value | owner) / P(value | population)).
///
/// The values are cut into eight parts that are equally frequent in the population; counts start from one, so that what was
/// never seen says much, but nothing says everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    attribute: Attribute,
    /// The first value of each part but the first.
    cuts: [i32; PARTS - 1],
    says: [LogRatio; PARTS],
}

impl Contrast {
    /// Of an owner's windows and values of many other vehicles in the same attribute. Fewer than eight others are no
    /// population to compare with: then no value says anything.
    pub fn new(attribute: Attribute, owner: &Windows, population: &[i32]) -> Self {
        let mut rising = population.to_vec();
        rising.sort_unstable();
        let mut cuts = [i32::MAX; PARTS - 1];
        for (at, cut) in cuts.iter_mut().enumerate() {
            *cut = rising.get((at + 1) * rising.len() / PARTS).copied().unwrap_or(i32::MAX);
        }
        let count = |values: &[i32]| {
            let mut counts = [1_u64; PARTS];
            for value in values {
                if let Some(count) = counts.get_mut(cuts.partition_point(|cut| cut <= value)) {
                    *count += 1;
                }
            }
            counts
        };
        let (own, all) = (count(owner.as_slice()), count(&rising));
        let (own_sum, all_sum) = (own.iter().sum(), all.iter().sum());
        let mut says = [LogRatio::ZERO; PARTS];
        if rising.len() < PARTS {
            return Self { attribute, cuts, says };
        }
        for ((one, own), all) in says.iter_mut().zip(own).zip(all) {
            *one = LogRatio::of(own, own_sum) - LogRatio::of(all, all_sum);
        }
        Self { attribute, cuts, says }
    }

    /// What a value says.
    pub fn of(&self, value: i32) -> LogRatio {
        let part = self.cuts.partition_point(|cut| *cut <= value);
        self.says.get(part).copied().unwrap_or_default()
    }

    /// Of which attribute.
    pub const fn attribute(&self) -> Attribute {
        self.attribute
    }
}

/// Wald's sequential probability ratio test, owner against population, over windows that follow each other.
///
/// The first time that the sum crosses a bound, the test has decided: with probability of at most about α it calls the owner
/// somebody else, of at most about β it calls somebody else the owner (Wald, *Sequential Analysis*, 1947; the bounds are exact
/// up to the overshoot, which makes them safer). It goes on afterwards, since the driver may change: what speaks for the owner
/// is held at its bound, so that hours of credit hide nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequential {
    sum: LogRatio,
    owner_from: LogRatio,
    other_to: LogRatio,
    temper: BasisPoints,
}

impl Sequential {
    /// With these error rates (each held within 0.01 % and 49.99 %), and the share of each window's evidence that counts:
    /// less than all where attributes say the same twice.
    pub fn new(alpha: BasisPoints, beta: BasisPoints, temper: BasisPoints) -> Self {
        let held = |share: BasisPoints| u64::from(share.as_u16().clamp(1, 4_999));
        let (alpha, beta) = (held(alpha), held(beta));
        Self {
            sum: LogRatio::ZERO,
            owner_from: LogRatio::of(10_000 - alpha, beta),
            other_to: LogRatio::of(alpha, 10_000 - beta),
            temper,
        }
    }

    /// One window more: its evidence.
    pub fn update(&mut self, evidence: LogRatio) {
        let part = i64::from(evidence.as_units()) * i64::from(self.temper.as_u16()) / 10_000;
        let part = LogRatio::from_units(i32::try_from(part).unwrap_or(0));
        self.sum = (self.sum + part).min(self.owner_from);
    }

    /// One window more, compared by an owner's contrasts. Faulty pieces say nothing.
    pub fn update_from(&mut self, contrasts: &[Contrast], window: &Stretch) {
        let says = |contrast: &Contrast| {
            let piece = window.piece(contrast.attribute).filter(|piece| piece.fault.is_none());
            piece.map_or(LogRatio::ZERO, |piece| contrast.of(piece.value))
        };
        self.update(contrasts.iter().map(says).sum());
    }

    /// The sum so far.
    pub const fn sum(&self) -> LogRatio {
        self.sum
    }

    /// Who drives, as far as it can be told.
    pub fn finding(&self) -> Finding {
        if self.sum >= self.owner_from {
            Finding::Owner
        } else if self.sum <= self.other_to {
            Finding::Other
        } else {
            Finding::Undecided
        }
    }

    /// The level at a request, given the stretch that ends at it. Its preset length and two pieces of data stay the floor
    /// (spec V9, V4), whatever was summed up before.
    ///
    /// # Errors
    /// [`Rejection::TooShort`], [`Rejection::TooFewPieces`].
    pub fn level(&self, rules: &Rules, stretch: &Stretch) -> Result<RiskLevel, Rejection> {
        if stretch.length_ms() < rules.preset_ms() {
            return Err(Rejection::TooShort);
        }
        if stretch.pieces().filter(|piece| piece.fault.is_none()).count() < PIECES_MIN {
            return Err(Rejection::TooFewPieces);
        }
        Ok(match self.finding() {
            Finding::Owner => RiskLevel::Low,
            Finding::Undecided => RiskLevel::Medium,
            Finding::Other => RiskLevel::High,
        })
    }

    /// The contrasts of all strategies of a set, against values of many other vehicles.
    pub fn contrasts<'a>(
        set: &super::StrategySet,
        population: impl Fn(Attribute) -> &'a [i32],
    ) -> Vec<Contrast> {
        let one = |strategy: &super::DrivingStrategy| {
            let attribute = strategy.attribute();
            Contrast::new(attribute, strategy.windows(), population(attribute))
        };
        set.as_slice().iter().map(one).collect()
    }
}

/// What a sequential test finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// Somebody else drives.
    Other,
    /// The owner drives.
    Owner,
    /// It cannot be told yet.
    Undecided,
}

const PARTS: usize = 8;
/// Fewer pieces than two never give a level.
const PIECES_MIN: usize = 2;
