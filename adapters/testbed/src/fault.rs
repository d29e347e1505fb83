//! What a network does to one request.

use std::collections::VecDeque;

/// What becomes of a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Both get through.
    Pass,
    /// The request comes this much later, and so does each piece of the answer.
    Delay(u16),
    /// The connection is cut before anything of the request gets through.
    CutBefore,
    /// The request gets through and the connection is cut at once: the server is in the middle of it.
    CutDuring,
    /// The request gets through, the server gives its whole answer, and then the connection is cut: it was done, and
    /// nobody learns of it.
    CutAfter,
    /// The connection is cut after so many bytes of the answer.
    CutWithin(u16),
    /// The request gets through. Then the client's incoming half is closed: it can still send.
    HalfClose,
    /// The request gets through; nothing ever comes back, and the connection stays open.
    Silence,
    /// Neither this request nor a later one gets through, and the connection stays open.
    Deaf,
}

/// How likely each fate is, in thousandths per request. What is left over passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// A new connection is closed at once.
    pub refuse: u16,
    /// [`Fate::Delay`], by up to [`delay_max_ms`](Self::delay_max_ms).
    pub delay: u16,
    /// The longest delay.
    pub delay_max_ms: u16,
    /// [`Fate::CutBefore`].
    pub cut_before: u16,
    /// [`Fate::CutDuring`].
    pub cut_during: u16,
    /// [`Fate::CutAfter`].
    pub cut_after: u16,
    /// [`Fate::CutWithin`], by up to 200 bytes.
    pub cut_within: u16,
    /// [`Fate::HalfClose`].
    pub half_close: u16,
    /// [`Fate::Silence`].
    pub silence: u16,
    /// [`Fate::Deaf`].
    pub deaf: u16,
}

impl Odds {
    /// Something happens to one request in ten, mostly a cut.
    pub const ROUGH: Self = Self {
        refuse: 50,
        delay: 30,
        delay_max_ms: 20,
        cut_before: 15,
        cut_during: 15,
        cut_after: 15,
        cut_within: 10,
        half_close: 10,
        silence: 3,
        deaf: 3,
    };

    fn draw(&self, dice: &mut Dice) -> Fate {
        let mut rest = dice.below(1_000);
        let (bytes, delay_ms) = (1 + dice.below(200), dice.below(self.delay_max_ms.max(1)) + 1);
        let table = [
            (self.delay, Fate::Delay(delay_ms)),
            (self.cut_before, Fate::CutBefore),
            (self.cut_during, Fate::CutDuring),
            (self.cut_after, Fate::CutAfter),
            (self.cut_within, Fate::CutWithin(bytes)),
            (self.half_close, Fate::HalfClose),
            (self.silence, Fate::Silence),
            (self.deaf, Fate::Deaf),
        ];
        for (share, fate) in table {
            match rest.checked_sub(share) {
                Some(less) => rest = less,
                None => return fate,
            }
        }
        Fate::Pass
    }
}

/// What is going to happen on all connections together.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Fates of requests to come: how many pass before each.
    traps: VecDeque<(u64, Fate)>,
    odds: Option<(u64, Odds)>,
    connections: u64,
    pub(crate) refuses: bool,
}

impl Plan {
    pub(crate) fn trap(&mut self, after: u64, fate: Fate) {
        self.traps.push_back((after, fate));
    }

    pub(crate) fn set_odds(&mut self, odds: Option<(u64, Odds)>) {
        self.odds = odds;
        self.connections = 0;
    }

    pub(crate) fn disarm(&mut self) -> usize {
        let left = self.traps.len();
        self.traps.clear();
        left
    }

    /// The dice of the next connection, and whether it is refused.
    pub(crate) fn connect(&mut self) -> (Dice, bool) {
        let (seed, odds) = self.odds.unwrap_or_default();
        let mut dice = Dice::new(seed, self.connections);
        self.connections += 1;
        let refused = self.refuses || dice.below(1_000) < odds.refuse;
        (dice, refused)
    }

    /// A trap that is due goes before chance.
    pub(crate) fn fate(&mut self, dice: &mut Dice) -> Fate {
        if let Some((after, fate)) = self.traps.front_mut() {
            let fate = *fate;
            if *after == 0 {
                self.traps.pop_front();
                return fate;
            }
            *after -= 1;
        }
        self.odds.map_or(Fate::Pass, |(_, odds)| odds.draw(dice))
    }
}

/// Chance, from a seed: one per connection, so that what meets its requests does not hang on what the others do.
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    fn new(seed: u64, connection: u64) -> Self {
        Self { state: seed.rotate_left(32) ^ connection.wrapping_mul(0xd134_2543_de82_ef95) }
    }

    /// SplitMix64.
    fn below(&mut self, limit: u16) -> u16 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        u16::try_from((word >> 32) % u64::from(limit.max(1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_about_as_often_as_their_odds_and_the_same_for_a_seed() {
        let draw = |seed| {
            let mut plan = Plan::default();
            plan.set_odds(Some((seed, Odds::ROUGH)));
            let (mut dice, _) = plan.connect();
            (0..20_000).map(|_| plan.fate(&mut dice)).collect::<Vec<_>>()
        };
        let fates = draw(1);
        let count = |wanted: &dyn Fn(&Fate) -> bool| fates.iter().filter(|f| wanted(f)).count();
        assert!((240..360).contains(&count(&|f| *f == Fate::CutAfter)));
        assert!((30..100).contains(&count(&|f| *f == Fate::Silence)));
        assert!((500..700).contains(&count(&|f| matches!(f, Fate::Delay(1..=20)))));
        assert!(count(&|f| *f == Fate::Pass) > 17_000);
        assert_eq!(fates, draw(1));
        assert_ne!(fates, draw(2));
    }

    #[test]
    fn connections_are_refused_by_their_odds() {
        let mut plan = Plan::default();
        plan.set_odds(Some((9, Odds { refuse: 500, ..Odds::default() })));
        let refused = (0..1_000).filter(|_| plan.connect().1).count();
        assert!((430..570).contains(&refused), "{refused}");
    }

    #[test]
    fn traps_spring_in_turn_and_then_chance_is_asked() {
        let mut plan = Plan::default();
        plan.trap(1, Fate::CutAfter);
        plan.trap(0, Fate::Deaf);
        let (mut dice, _) = plan.connect();
        let fates = [0; 4].map(|_| plan.fate(&mut dice));
        assert_eq!(fates, [Fate::Pass, Fate::CutAfter, Fate::Deaf, Fate::Pass]);
        plan.trap(7, Fate::Silence);
        assert_eq!(plan.disarm(), 1);
    }
}
