//! Evidence that grows while the vehicle drives, so that the answer is ready when the request comes.

use super::{Contrast, Rejection, RiskLevel, Rules, Stretch};
use crate::{BasisPoints, LogRatio};

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

    /// One window more, compared by an owner's [`Contrast`].
    pub fn update_from(&mut self, contrast: &Contrast, window: &Stretch) {
        self.update(contrast.of(window));
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

/// Fewer pieces than two never give a level.
const PIECES_MIN: usize = 2;
