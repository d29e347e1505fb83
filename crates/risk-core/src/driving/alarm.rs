//! An alarm with a promise: how often it may sound while the owner drives.

use super::{Piece, StrategySet, Stretch};
use crate::BasisPoints;

/// How unusual a stretch is among a driver's own learning windows.
///
/// Each piece that can be compared gives a p-value and an e-value ([`Windows`](super::Windows)). If the stretch is one more
/// window of the same driver, exchangeable with those that were learned, then for each α
///
/// - [`Alarm::by_bonferroni`] is true with probability α at most: the least p-value times the number of pieces is ≤ α;
/// - [`Alarm::by_average`] is true with probability α at most: the mean of the e-values is ≥ 1/α (Markov's inequality).
///
/// Both hold however the attributes depend on each other. The first finds one attribute that is far off, the second many that
/// are somewhat off. With n windows no p-value is below 1/(n + 1): more pieces or a smaller α need more windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    pieces: u32,
    least_p: (u32, u32),
    e_sum_milli: u64,
}

impl Alarm {
    /// Compares a stretch with one driver's windows; `None` where nothing can be compared.
    pub fn of(stretch: &Stretch, set: &StrategySet) -> Option<Self> {
        let mut alarm: Option<Self> = None;
        for strategy in set.as_slice() {
            let believed = |piece: &&Piece| {
                piece.fault.is_none() && piece.coverage_ms >= u64::from(strategy.min_len_ms())
            };
            let piece = stretch.piece(strategy.attribute()).filter(believed);
            let Some(piece) = piece.filter(|_| !strategy.windows().as_slice().is_empty()) else {
                continue;
            };
            let p = strategy.windows().p_value(strategy.attribute(), piece.value);
            let e = strategy.windows().e_value_milli(strategy.attribute(), piece.value);
            let so_far = alarm.unwrap_or(Self { pieces: 0, least_p: (1, 1), e_sum_milli: 0 });
            let less = u64::from(p.0) * u64::from(so_far.least_p.1)
                < u64::from(so_far.least_p.0) * u64::from(p.1);
            alarm = Some(Self {
                pieces: so_far.pieces + 1,
                least_p: if less { p } else { so_far.least_p },
                e_sum_milli: so_far.e_sum_milli.saturating_add(e),
            });
        }
        alarm
    }

    /// Whether it sounds for all drivers of a vehicle: then it keeps its promise for whichever of them drives. `false` where
    /// one of them cannot be compared.
    pub fn for_all(
        stretch: &Stretch,
        sets: &[StrategySet],
        sounds: impl Fn(&Self) -> bool,
    ) -> bool {
        let one = |set| Self::of(stretch, set).is_some_and(|alarm| sounds(&alarm));
        !sets.is_empty() && sets.iter().all(one)
    }

    /// Whether the least p-value, times the number of pieces, is at most α.
    pub fn by_bonferroni(&self, alpha: BasisPoints) -> bool {
        let (part, whole) = self.least_p;
        u64::from(part) * u64::from(self.pieces) * 10_000
            <= u64::from(whole) * u64::from(alpha.as_u16())
    }

    /// Whether the mean of the e-values is at least 1/α.
    pub fn by_average(&self, alpha: BasisPoints) -> bool {
        let (sum, alpha) = (u128::from(self.e_sum_milli), u128::from(alpha.as_u16()));
        sum * alpha >= u128::from(self.pieces) * 10_000_000
    }

    /// The p-value of Bonferroni's combination, rounded up.
    pub fn p_value(&self) -> BasisPoints {
        let (part, whole) = self.least_p;
        let p =
            (u64::from(part) * u64::from(self.pieces) * 10_000).div_ceil(u64::from(whole).max(1));
        u16::try_from(p).ok().and_then(|p| BasisPoints::new(p).ok()).unwrap_or(BasisPoints::ONE)
    }

    /// The mean of the e-values, in thousandths, rounded down.
    pub const fn e_value_milli(&self) -> u64 {
        self.e_sum_milli / if self.pieces == 0 { 1 } else { self.pieces as u64 }
    }

    /// How many pieces were compared.
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }
}
