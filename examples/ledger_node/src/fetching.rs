//! Whom a node that comes late asks for a snapshot and its chunks, one after the other. Nothing here reads, writes or believes
//! anything: what comes is handed out, and whoever judges it says when it was wrong.

use crate::word::Word;
use bytes::Bytes;
use port::{Peer, Time};
use std::collections::{BTreeMap, VecDeque};

/// Where the asking stands.
pub(crate) struct Fetching {
    /// The first one is asked.
    suppliers: VecDeque<Peer>,
    above: u64,
    again_ms: u64,
    rest_ms: u64,
    want: Want,
    /// Whether the first one was asked for that.
    is_asked: bool,
    due: Time,
    /// What became of it with those who were asked in this round.
    round: BTreeMap<Peer, Mark>,
    /// How many rounds brought no snapshot, with somebody saying no.
    rounds: u32,
    /// Who gave something wrong, and until when it is left alone.
    resting: BTreeMap<Peer, Time>,
    sends: VecDeque<(Peer, Word)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Snapshot,
    Chunk { snapshot: [u8; 32], number: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Silent,
    /// Its chain is not that long.
    Short,
    /// It does not have it, or does not give it.
    Without,
    Wrong,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// A snapshot to judge.
    Snapshot { manifest: Bytes, changes: Bytes },
    /// The chunk that was wanted, to judge.
    Chunk(Bytes),
    /// Nobody gives a snapshot: the chain is not that long, or all have said no.
    Nobody { is_short: bool },
    /// Nobody has this snapshot any more.
    Gone,
}

impl Fetching {
    /// Begins by asking for a snapshot.
    pub(crate) fn new(
        suppliers: impl IntoIterator<Item = Peer>,
        above: u64,
        again_ms: u64,
        rest_ms: u64,
    ) -> Self {
        Self {
            suppliers: suppliers.into_iter().collect(),
            above,
            again_ms,
            rest_ms,
            want: Want::Snapshot,
            is_asked: false,
            due: Time::EPOCH,
            round: BTreeMap::new(),
            rounds: 0,
            resting: BTreeMap::new(),
            sends: VecDeque::new(),
        }
    }

    /// A snapshot is wanted next.
    pub(crate) fn want_snapshot(&mut self, now: Time) {
        self.want(now, Want::Snapshot);
    }

    /// A chunk is wanted next, first of who gave the last one.
    pub(crate) fn want_chunk(&mut self, now: Time, snapshot: [u8; 32], number: u64) {
        self.want(now, Want::Chunk { snapshot, number });
    }

    /// What was handed out was wrong: whoever gave it rests, and another is asked for the same.
    pub(crate) fn refuse(&mut self, now: Time) -> Option<Got> {
        if let Some(supplier) = self.suppliers.front().cloned() {
            self.resting.insert(supplier, now.plus_ms(self.rest_ms));
        }
        self.pass(now, Mark::Wrong)
    }

    /// Who gave what everything rested on was wrong, and rests.
    pub(crate) fn rest(&mut self, now: Time, supplier: &Peer) {
        self.resting.insert(supplier.clone(), now.plus_ms(self.rest_ms));
    }

    /// A supplier can be reached from now on: what it was asked before is lost.
    pub(crate) fn on_connected(&mut self, now: Time, supplier: &Peer) {
        if self.is_asked && self.suppliers.front() == Some(supplier) {
            self.ask(now);
        }
    }

    /// Who is asked now.
    pub(crate) fn supplier(&self) -> Option<&Peer> {
        self.suppliers.front()
    }

    /// A word; only from who was asked, and only what it was asked for.
    pub(crate) fn on_word(&mut self, now: Time, from: &Peer, word: Word) -> Option<Got> {
        // Two that come late at one time are not to wait for each other.
        match word {
            Word::WantSnapshot { .. } => {
                self.sends.push_back((from.clone(), Word::NoSnapshot { is_short: false }));
            }
            Word::WantChunk { snapshot, .. } => {
                self.sends.push_back((from.clone(), Word::NoChunk { snapshot }));
            }
            _ => {}
        }
        if !self.is_asked || self.suppliers.front() != Some(from) {
            return None;
        }
        match (self.want, word) {
            (Want::Snapshot, Word::Snapshot { manifest, changes }) => {
                self.is_asked = false;
                Some(Got::Snapshot { manifest, changes })
            }
            (Want::Snapshot, Word::NoSnapshot { is_short }) => {
                self.pass(now, if is_short { Mark::Short } else { Mark::Without })
            }
            (Want::Chunk { snapshot, number }, Word::Chunk { snapshot: of, number: at, chunk })
                if (snapshot, number) == (of, at) =>
            {
                self.is_asked = false;
                Some(Got::Chunk(chunk))
            }
            (Want::Chunk { snapshot, .. }, Word::NoChunk { snapshot: of }) if snapshot == of => {
                self.pass(now, Mark::Without)
            }
            _ => None,
        }
    }

    /// Asks, and turns to another if nothing comes.
    pub(crate) fn on_tick(&mut self, now: Time) -> Option<Got> {
        if now < self.due {
            return None;
        }
        if self.is_asked {
            return self.pass(now, Mark::Silent);
        }
        self.ask(now);
        None
    }

    pub(crate) const fn next_deadline(&self) -> Time {
        self.due
    }

    pub(crate) fn poll_send(&mut self) -> Option<(Peer, Word)> {
        self.sends.pop_front()
    }

    fn want(&mut self, now: Time, want: Want) {
        self.want = want;
        self.round.clear();
        self.ask(now);
    }

    /// The first one has not given what is wanted; the next one is asked, or the round is over.
    fn pass(&mut self, now: Time, mark: Mark) -> Option<Got> {
        self.is_asked = false;
        if let Some(supplier) = self.suppliers.front() {
            self.round.insert(supplier.clone(), mark);
        }
        self.suppliers.rotate_left(1);
        if self.suppliers.iter().any(|it| !self.round.contains_key(it) && !self.rests(now, it)) {
            self.ask(now);
            return None;
        }
        let marks = std::mem::take(&mut self.round);
        let said = |mark: Mark| marks.values().any(|it| *it == mark);
        // Who gave something wrong, or rests for that, may be right the next time; who is silent may come back.
        self.due = now.plus_ms(self.again_ms);
        match self.want {
            Want::Snapshot if said(Mark::Short) => Some(Got::Nobody { is_short: true }),
            Want::Snapshot if said(Mark::Without) => {
                self.rounds += 1;
                let is_over = !said(Mark::Silent) || self.rounds >= ROUNDS_MAX;
                is_over.then_some(Got::Nobody { is_short: false })
            }
            Want::Chunk { .. } if said(Mark::Without) => Some(Got::Gone),
            _ => None,
        }
    }

    /// Asks the next one that does not rest and was not asked in this round.
    fn ask(&mut self, now: Time) {
        self.due = now.plus_ms(self.again_ms);
        self.resting.retain(|_, until| *until > now);
        for _ in 0..self.suppliers.len() {
            let is_next =
                |it: &&Peer| !self.round.contains_key(*it) && !self.resting.contains_key(*it);
            if let Some(supplier) = self.suppliers.front().filter(is_next) {
                let word = match self.want {
                    Want::Snapshot => Word::WantSnapshot { above: self.above },
                    Want::Chunk { snapshot, number } => Word::WantChunk { snapshot, number },
                };
                self.sends.push_back((supplier.clone(), word));
                self.is_asked = true;
                return;
            }
            self.suppliers.rotate_left(1);
        }
    }

    fn rests(&self, now: Time, supplier: &Peer) -> bool {
        self.resting.get(supplier).is_some_and(|until| *until > now)
    }
}

/// Where some say no, those who are silent are waited for so many times.
const ROUNDS_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str) -> Peer {
        Peer::new(name).unwrap()
    }

    fn fetching() -> Fetching {
        Fetching::new(["one", "two", "three"].map(peer), 1_000, 100, 5_000)
    }

    fn asked(fetching: &mut Fetching) -> Vec<String> {
        let sends = std::iter::from_fn(|| fetching.poll_send());
        sends.map(|(to, _)| to.as_str().to_owned()).collect()
    }

    const NOW: Time = Time::from_ms(1_000_000);
    const SNAPSHOT: [u8; 32] = [7; 32];

    #[test]
    fn who_is_silent_is_passed_over_and_what_was_not_asked_for_is_not_taken() {
        let mut it = fetching();
        assert_eq!(it.on_tick(NOW), None);
        assert_eq!(asked(&mut it), ["one"]);
        let manifest = Word::Snapshot { manifest: Bytes::new(), changes: Bytes::new() };
        assert_eq!(it.on_word(NOW, &peer("two"), manifest.clone()), None);
        let chunk = Word::Chunk { snapshot: SNAPSHOT, number: 0, chunk: Bytes::new() };
        assert_eq!(it.on_word(NOW, &peer("one"), chunk), None);
        assert_eq!(it.on_tick(NOW.plus_ms(99)), None);
        assert_eq!(it.on_tick(NOW.plus_ms(100)), None);
        assert_eq!(asked(&mut it), ["two"]);
        // Too late.
        assert_eq!(it.on_word(NOW, &peer("one"), manifest.clone()), None);
        assert!(it.on_word(NOW, &peer("two"), manifest.clone()).is_some());
        assert_eq!(it.on_word(NOW, &peer("two"), manifest), None, "once");
    }

    #[test]
    fn ld12_who_gives_a_wrong_chunk_rests_and_another_is_asked_for_the_same() {
        let mut it = fetching();
        it.want_chunk(NOW, SNAPSHOT, 3);
        let chunk = |number: u64| Word::Chunk {
            snapshot: SNAPSHOT,
            number,
            chunk: Bytes::from_static(b"c"),
        };
        assert_eq!(it.on_word(NOW, &peer("one"), chunk(2)), None, "another number");
        assert!(it.on_word(NOW, &peer("one"), chunk(3)).is_some());
        assert_eq!(it.refuse(NOW), None);
        assert_eq!(asked(&mut it), ["one", "two"]);
        assert!(it.on_word(NOW, &peer("two"), chunk(3)).is_some());
        // It stays with who was right, and does not come back to who was not before it has rested.
        it.want_chunk(NOW, SNAPSHOT, 4);
        assert_eq!(asked(&mut it), ["two"]);
        assert_eq!(it.on_word(NOW, &peer("two"), Word::NoChunk { snapshot: SNAPSHOT }), None);
        assert_eq!(asked(&mut it), ["three"]);
        let no = Word::NoChunk { snapshot: SNAPSHOT };
        assert_eq!(it.on_word(NOW, &peer("three"), no), Some(Got::Gone));
        it.want_snapshot(NOW.plus_ms(5_000));
        it.on_tick(NOW.plus_ms(5_100));
        it.on_tick(NOW.plus_ms(5_200));
        assert!(asked(&mut it).contains(&"one".to_owned()));
    }

    #[test]
    fn all_have_to_say_no_before_nobody_gives_one() {
        let no = |is_short| Word::NoSnapshot { is_short };
        let mut it = fetching();
        it.on_tick(NOW);
        assert_eq!(it.on_word(NOW, &peer("one"), no(false)), None);
        assert_eq!(it.on_word(NOW, &peer("two"), no(true)), None);
        // The third one is away, and the second has said enough.
        let got = it.on_tick(NOW.plus_ms(100));
        assert_eq!(got, Some(Got::Nobody { is_short: true }));

        let mut it = fetching();
        it.on_tick(NOW);
        assert_eq!(it.on_word(NOW, &peer("one"), no(false)), None);
        assert_eq!(it.on_word(NOW, &peer("two"), no(false)), None);
        // One that is away may have one: it is asked again.
        assert_eq!(it.on_tick(NOW.plus_ms(100)), None);
        it.on_tick(NOW.plus_ms(200));
        assert_eq!(asked(&mut it).len(), 4);
        // But not for ever.
        let mut now = NOW.plus_ms(200);
        let got = (0..1_000).find_map(|_| {
            now = now.plus_ms(100);
            let got = it.on_tick(now);
            ["one", "two"]
                .into_iter()
                .fold(got, |got, name| got.or_else(|| it.on_word(now, &peer(name), no(false))))
        });
        assert_eq!(got, Some(Got::Nobody { is_short: false }));
        assert_eq!(it.rounds, ROUNDS_MAX);
    }
}
