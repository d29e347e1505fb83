//! What goes wrong, and when.

use crate::Rng;
use std::collections::BTreeMap;

/// Decides the fate of each operation on a [`crate::FaultyStore`].
#[derive(Clone, Debug)]
pub enum Faults {
    /// Nothing ever fails.
    None,
    /// Chosen operations fail; all others are honest.
    Script(Script),
    /// Operations fail by chance.
    Seeded(Rng, Odds),
}

impl Faults {
    /// The commits with these numbers (from 1, in the order in which they arrive) meet these fates.
    pub fn commits(fates: impl IntoIterator<Item = (u64, Fate)>) -> Self {
        Self::Script(Script { commits: fates.into_iter().collect(), reads: Vec::new() })
    }

    /// The reads with these numbers (from 1) fail.
    pub fn reads(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self::Script(Script { commits: BTreeMap::new(), reads: numbers.into_iter().collect() })
    }

    /// As likely as `odds` say.
    pub fn seeded(rng: Rng, odds: Odds) -> Self {
        Self::Seeded(rng, odds)
    }

    pub(crate) fn commit(&mut self, number: u64) -> Fate {
        match self {
            Self::None => Fate::Honest,
            Self::Script(script) => script.commits.get(&number).copied().unwrap_or(Fate::Honest),
            Self::Seeded(rng, odds) => odds.draw(rng),
        }
    }

    pub(crate) fn read_fails(&mut self, number: u64) -> bool {
        match self {
            Self::None => false,
            Self::Script(script) => script.reads.contains(&number),
            Self::Seeded(rng, odds) => rng.chance(u64::from(odds.read_fails), 1_000),
        }
    }
}

/// Fates by number.
#[derive(Clone, Debug, Default)]
pub struct Script {
    commits: BTreeMap<u64, Fate>,
    reads: Vec<u64>,
}

/// What becomes of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What the contract says when all is well.
    Honest,
    /// `Conflict` although every expectation holds; nothing is written.
    Conflict,
    /// An error with `NotApplied`; nothing is written.
    NotApplied,
    /// Decided as always, but the answer is lost: an error with `Unknown`.
    UnknownApplied,
    /// Nothing is ever written, and the answer is an error with `Unknown`.
    UnknownLost,
    /// An error with `Unknown` now; the batch arrives only after so many further operations, and applies if its
    /// expectations still hold then. A restart in between takes it or lets it land.
    UnknownLate(u32),
    /// The store stops before it wrote anything: `Unknown`, and nothing works until the restart.
    CrashBefore,
    /// The store stops after it wrote everything: `Unknown`, and nothing works until the restart.
    CrashAfter,
    /// The store stops with the batch in its unsynced tail: the restart takes it or lets it land.
    CrashUnsynced,
}

/// How likely each fate is, in thousandths. What is left over is honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odds {
    /// [`Fate::Conflict`].
    pub conflict: u16,
    /// [`Fate::NotApplied`].
    pub not_applied: u16,
    /// [`Fate::UnknownApplied`].
    pub unknown_applied: u16,
    /// [`Fate::UnknownLost`].
    pub unknown_lost: u16,
    /// [`Fate::UnknownLate`], by up to 12 operations.
    pub unknown_late: u16,
    /// One of the three crashes.
    pub crash: u16,
    /// A read that fails.
    pub read_fails: u16,
}

impl Odds {
    /// Nothing fails.
    pub const CALM: Self = Self {
        conflict: 0,
        not_applied: 0,
        unknown_applied: 0,
        unknown_lost: 0,
        unknown_late: 0,
        crash: 0,
        read_fails: 0,
    };

    /// A third of all commits goes wrong in some way.
    pub const ROUGH: Self = Self {
        conflict: 50,
        not_applied: 50,
        unknown_applied: 60,
        unknown_lost: 60,
        unknown_late: 60,
        crash: 40,
        read_fails: 30,
    };

    fn draw(&self, rng: &mut Rng) -> Fate {
        let mut rest = rng.below(1_000);
        let late = u32::try_from(1 + rng.below(12)).unwrap_or(1);
        let crash = [Fate::CrashBefore, Fate::CrashAfter, Fate::CrashUnsynced][rng.index(3)];
        let table = [
            (self.conflict, Fate::Conflict),
            (self.not_applied, Fate::NotApplied),
            (self.unknown_applied, Fate::UnknownApplied),
            (self.unknown_lost, Fate::UnknownLost),
            (self.unknown_late, Fate::UnknownLate(late)),
            (self.crash, crash),
        ];
        for (share, fate) in table {
            match rest.checked_sub(u64::from(share)) {
                Some(less) => rest = less,
                None => return fate,
            }
        }
        Fate::Honest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_comes_about_as_often_as_its_odds() {
        let mut faults = Faults::seeded(Rng::new(1), Odds::ROUGH);
        let fates: Vec<Fate> = (1..=20_000).map(|number| faults.commit(number)).collect();
        let count = |fate: Fate| fates.iter().filter(|found| **found == fate).count();
        assert!((850..1_150).contains(&count(Fate::Conflict)));
        assert!((1_050..1_350).contains(&count(Fate::UnknownLost)));
        let crashes = [Fate::CrashBefore, Fate::CrashAfter, Fate::CrashUnsynced].map(count);
        assert!(crashes.iter().all(|n| (200..340).contains(n)), "{crashes:?}");
        assert!(count(Fate::Honest) > 13_000);
        let reads = (1..=20_000).filter(|number| faults.read_fails(*number)).count();
        assert!((480..720).contains(&reads));
    }

    #[test]
    fn a_script_hits_what_it_names() {
        let mut faults = Faults::commits([(2, Fate::CrashAfter)]);
        assert_eq!(
            [1, 2, 3].map(|n| faults.commit(n)),
            [Fate::Honest, Fate::CrashAfter, Fate::Honest]
        );
        assert!(!faults.read_fails(2) && Faults::reads([2]).read_fails(2));
    }
}
