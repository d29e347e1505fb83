//! The outbox: every state meets every input, and the cases that money is lost in.

use crate::ledger::{Refused, account};
use interbank_port::outbox::{Answer, Config, Entry, Event, Outbox, OutboxError};
use interbank_port::{
    Batch, Bytes, Commit, Committed, Effect, Expect, Input, Key, KeyAnswer, KeyQuestion, Machine,
    Peer, Row, Rows, Ticket, Time, Version, blocking,
};
use simkit::{Fate, Faults, FaultyStore, LossyLink, Rng, Weather};

const CONFIG: Config = Config {
    in_flight_max: 2,
    page_rows: 2,
    poll_ms: 1_000,
    retry_ms: 100,
    retry_max_ms: 400,
    stuck_after: 3,
};

fn at(ms: u64) -> Time {
    Time::from_ms(ms)
}

fn core() -> Peer {
    Peer::new("core").unwrap()
}

fn entry(n: u8) -> Entry {
    let content = Bytes::copy_from_slice(&[n]);
    Entry { idempotency: [n; 32], to: core(), created: at(u64::from(n)), content }
}

fn stored(entry: &Entry) -> (Key, Vec<u8>) {
    let mut bytes = Vec::new();
    entry.encode(&mut bytes).unwrap();
    (entry.key(account()).unwrap(), bytes)
}

fn rows(entries: &[u8]) -> Option<Rows> {
    let page = entries.iter().map(|n| {
        let (key, value) = stored(&entry(*n));
        (key, Row { version: Version::new(u64::from(*n)), value: value.into() })
    });
    Some(Rows { points: vec![], scans: vec![page.collect()] })
}

fn answer(n: u8, content: &'static str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Answer { idempotency: [n; 32], content: content.into() }.encode(&mut bytes).unwrap();
    bytes
}

/// What came of an input: an error, effects by letter, events by letter, entries in flight.
fn seen(outbox: &mut Outbox, result: Result<(), OutboxError>) -> String {
    let mut text = String::new();
    match result {
        Ok(()) => {}
        Err(OutboxError::Frame(_)) => text.push_str("!frame "),
        Err(OutboxError::NotAsked) => text.push_str("!not-asked "),
        Err(OutboxError::Stranger) => text.push_str("!stranger "),
        Err(other) => panic!("{other}"),
    }
    while let Some(effect) = outbox.poll_effect() {
        text.push(match effect {
            Effect::Ask { .. } => 'K',
            Effect::Commit { .. } => 'C',
            Effect::Read { .. } => 'R',
            Effect::Send { .. } => 'S',
        });
    }
    while let Some(event) = outbox.poll_event() {
        text.push(match event {
            Event::Answered { .. } => 'a',
            Event::Damaged { .. } => 'x',
            Event::Delivered { .. } => 'd',
            Event::Stuck { .. } => 's',
            other => panic!("{other:?}"),
        });
    }
    text.push_str(&outbox.in_flight().to_string());
    text
}

fn give(outbox: &mut Outbox, ms: u64, input: Input<'_>) -> String {
    let result = outbox.handle(at(ms), input);
    seen(outbox, result)
}

#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    Reading,
    Waiting,
    Deleting,
    Full,
}

/// The read has ticket 1, the delete ticket 2.
fn made(state: State) -> Outbox {
    let mut outbox = Outbox::new(account(), CONFIG);
    if matches!(state, State::Fresh) {
        return outbox;
    }
    outbox.nudge(at(0));
    assert_eq!(seen(&mut outbox, Ok(())), "R0");
    let page = match state {
        State::Fresh | State::Reading => return outbox,
        State::Waiting | State::Deleting => rows(&[1]),
        State::Full => rows(&[1, 2]),
    };
    let sent = give(&mut outbox, 0, Input::Rows { ticket: Ticket(1), rows: page });
    assert!(["S1", "SS2"].contains(&&*sent));
    if matches!(state, State::Deleting) {
        let bytes = answer(1, "");
        let input = Input::Frame { from: &core(), bytes: &bytes };
        assert_eq!(give(&mut outbox, 0, input), "C1");
    }
    outbox
}

#[test]
fn every_state_meets_every_input() {
    let stranger = Peer::new("stranger").unwrap();
    let (me, ok, told, other) = (core(), answer(1, ""), answer(1, "told"), answer(9, ""));
    let committed = |ticket, fate| Input::Committed { ticket: Ticket(ticket), fate };
    let applied = Committed::Applied(Version::new(9));
    let page = |ticket, rows| Input::Rows { ticket: Ticket(ticket), rows };
    let table: [(&str, u64, Input<'_>, [&str; 5]); 17] = [
        // input, its time, and what comes of it in: Fresh, Reading, Waiting, Deleting, Full
        ("tick", 10, Input::Tick, ["R0", "0", "1", "1", "2"]),
        ("late tick", 5_000, Input::Tick, ["R0", "0", "SR1", "R1", "SS2"]),
        (
            "page",
            10,
            page(1, rows(&[3])),
            ["!not-asked 0", "S1", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
        (
            "empty page",
            10,
            page(1, rows(&[])),
            ["!not-asked 0", "0", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
        (
            "no page",
            10,
            page(1, None),
            ["!not-asked 0", "0", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
        (
            "no scan",
            10,
            page(1, Some(Rows::default())),
            ["!not-asked 0", "0", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
        (
            "other page",
            10,
            page(7, rows(&[3])),
            ["!not-asked 0", "!not-asked 0", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
        ("applied", 10, committed(2, applied), ["0", "0", "1", "d0", "2"]),
        ("conflict", 10, committed(2, Committed::Conflict), ["0", "0", "1", "0", "2"]),
        ("unknown", 10, committed(2, Committed::Unknown), ["0", "0", "1", "0", "2"]),
        ("other commit", 10, committed(7, applied), ["0", "0", "1", "1", "2"]),
        ("answer", 10, Input::Frame { from: &me, bytes: &ok }, ["0", "0", "C1", "1", "C2"]),
        (
            "answer with content",
            10,
            Input::Frame { from: &me, bytes: &told },
            ["0", "0", "a1", "1", "a2"],
        ),
        (
            "answer to another",
            10,
            Input::Frame { from: &me, bytes: &other },
            ["0", "0", "1", "1", "2"],
        ),
        (
            "answer of a stranger",
            10,
            Input::Frame { from: &stranger, bytes: &ok },
            ["0", "0", "!stranger 1", "!stranger 1", "!stranger 2"],
        ),
        (
            "no answer",
            10,
            Input::Frame { from: &me, bytes: &ok[..20] },
            ["!frame 0", "!frame 0", "!frame 1", "!frame 1", "!frame 2"],
        ),
        (
            "keys",
            10,
            Input::Keys { ticket: Ticket(1), answers: None },
            ["!not-asked 0", "!not-asked 0", "!not-asked 1", "!not-asked 1", "!not-asked 2"],
        ),
    ];
    let states = [State::Fresh, State::Reading, State::Waiting, State::Deleting, State::Full];
    for (name, ms, input, expected) in table {
        for (state, expected) in states.into_iter().zip(expected) {
            let mut outbox = made(state);
            let before = outbox.next_deadline();
            assert_eq!(give(&mut outbox, ms, input.clone()), expected, "{name} in {state:?}");
            if expected.starts_with('!') {
                assert_eq!(outbox.next_deadline(), before, "{name} in {state:?} is refused");
            }
        }
    }
    for (state, nudged, settled) in [
        (State::Fresh, "R0", "0"),
        (State::Reading, "0", "0"),
        (State::Waiting, "R1", "0"),
        (State::Deleting, "R1", "0"),
        (State::Full, "2", "1"),
    ] {
        let mut outbox = made(state);
        outbox.nudge(at(10));
        assert_eq!(seen(&mut outbox, Ok(())), nudged, "nudge in {state:?}");
        let mut outbox = made(state);
        outbox.settled(&[1; 32]);
        assert_eq!(seen(&mut outbox, Ok(())), settled, "settled in {state:?}");
    }
}

#[test]
fn an_answer_deletes_exactly_the_row_that_was_sent() {
    let mut outbox = made(State::Waiting);
    let bytes = answer(1, "");
    outbox.handle(at(0), Input::Frame { from: &core(), bytes: &bytes }).unwrap();
    let mut expected = Batch::new();
    expected.delete(entry(1).key(account()).unwrap(), Expect::At(Version::new(1)));
    let effect = outbox.poll_effect();
    assert_eq!(effect, Some(Effect::Commit { ticket: Ticket(2), batch: expected }));
}

#[test]
fn it_sends_again_at_growing_distances_and_says_once_that_it_is_stuck() {
    let mut outbox = made(State::Waiting);
    let mut sent = Vec::new();
    let mut stuck = Vec::new();
    for ms in 1..2_000 {
        let due = outbox.next_deadline().is_some_and(|deadline| deadline <= at(ms));
        outbox.handle(at(ms), Input::Tick).unwrap();
        while let Some(effect) = outbox.poll_effect() {
            assert!(due, "nothing is due before the deadline");
            match effect {
                Effect::Send { .. } => sent.push(ms),
                Effect::Read { ticket, .. } => {
                    outbox.handle(at(ms), Input::Rows { ticket, rows: rows(&[1]) }).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = outbox.poll_event() {
            stuck.push((ms, event));
        }
    }
    assert_eq!(sent, [100, 300, 700, 1_100, 1_500, 1_900]);
    let told = Event::Stuck { idempotency: [1; 32], attempts: 3 };
    assert_eq!(stuck, [(300, told)], "the third attempt");
}

#[test]
fn stuck_may_be_told_at_the_first_attempt() {
    let mut outbox = Outbox::new(account(), Config { stuck_after: 1, ..CONFIG });
    outbox.nudge(at(0));
    assert_eq!(seen(&mut outbox, Ok(())), "R0");
    let page = Input::Rows { ticket: Ticket(1), rows: rows(&[1]) };
    assert_eq!(give(&mut outbox, 0, page), "Ss1");
    assert_eq!(give(&mut outbox, 100, Input::Tick), "S1");
}

#[test]
fn a_clock_that_steps_back_delays_nothing_for_ever() {
    let mut outbox = made(State::Waiting);
    assert_eq!(give(&mut outbox, 90, Input::Tick), "1");
    assert_eq!(give(&mut outbox, 20, Input::Tick), "1");
    assert_eq!(give(&mut outbox, 100, Input::Tick), "S1");
}

#[test]
fn a_nudge_during_a_read_is_not_forgotten() {
    let mut outbox = made(State::Reading);
    outbox.nudge(at(1));
    assert_eq!(seen(&mut outbox, Ok(())), "0", "one read at a time");
    let page = Input::Rows { ticket: Ticket(1), rows: rows(&[]) };
    assert_eq!(give(&mut outbox, 2, page), "R0", "the page may be older than the nudge");
    let page = Input::Rows { ticket: Ticket(2), rows: rows(&[1]) };
    assert_eq!(give(&mut outbox, 3, page), "S1");
}

struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Refused;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Refused> {
        Err(Refused)
    }
}

/// A store with entries in it, an outbox, and a peer that answers what it gets.
struct World {
    store: FaultyStore,
    link: LossyLink,
    outbox: Outbox,
    /// In the order of arrival.
    got: Vec<u8>,
    events: Vec<Event>,
}

impl World {
    fn new(config: Config, entries: impl IntoIterator<Item = u8>) -> Self {
        let store = FaultyStore::new(Faults::None);
        for n in entries {
            let (key, value) = stored(&entry(n));
            put(&store, key, &value);
        }
        let link = LossyLink::new(Peer::new("bank").unwrap(), Rng::new(1), Weather::FAIR);
        let outbox = Outbox::new(account(), config);
        Self { store, link, outbox, got: Vec::new(), events: Vec::new() }
    }

    /// Nudges, and lets the peer answer until nothing more happens at this moment.
    fn at(&mut self, ms: u64) {
        self.outbox.nudge(at(ms));
        self.drain(ms);
        loop {
            let parcels = self.link.deliver(at(ms));
            if parcels.is_empty() {
                return;
            }
            for parcel in parcels {
                let n = Entry::parse(&parcel.frame).unwrap().content[0];
                self.got.push(n);
                let bytes = answer(n, "");
                let input = Input::Frame { from: &parcel.to, bytes: &bytes };
                self.outbox.handle(at(ms), input).unwrap();
                self.drain(ms);
            }
        }
    }

    fn drain(&mut self, ms: u64) {
        let drained =
            blocking::drain(&mut self.outbox, at(ms), &self.store, &self.link, &NoKeys).unwrap();
        self.events.extend(drained.events);
    }

    fn left(&self) -> usize {
        self.store.snapshot().rows.len()
    }

    fn delivered(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Delivered { .. })).count()
    }
}

fn put(store: &FaultyStore, key: Key, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, Expect::Any, value.to_vec());
    assert!(matches!(blocking::Store::commit(store, &batch), Ok(Commit::Applied(_))));
}

#[test]
fn more_entries_than_room_are_delivered_in_order_without_waiting() {
    for (in_flight_max, page_rows) in [(1, 1), (1, 8), (2, 3), (3, 2), (4, 64), (64, 4)] {
        let mut world = World::new(Config { in_flight_max, page_rows, ..CONFIG }, 1..=20);
        world.at(1_000);
        let case = format!("{in_flight_max} in flight, pages of {page_rows}");
        assert_eq!(world.got, (1..=20).collect::<Vec<u8>>(), "{case}");
        assert_eq!((world.left(), world.delivered()), (0, 20), "{case}");
    }
}

#[test]
fn damaged_rows_stay_and_hold_nobody_up() {
    let mut world = World::new(CONFIG, [2, 4]);
    for n in [1, 3, 5] {
        put(&world.store, account().number(n).unwrap(), b"no entry");
    }
    world.at(1_000);
    assert_eq!((&world.got[..], world.left()), (&[2, 4][..], 3));
    let damaged = |event: &&Event| matches!(event, Event::Damaged { .. });
    assert!(world.events.iter().filter(damaged).count() >= 3);
}

#[test]
fn a_delete_of_unknown_fate_is_looked_at_again() {
    for (fate, times) in [
        (Fate::UnknownApplied, 1),
        (Fate::UnknownLost, 2),
        (Fate::UnknownLate(0), 1),
        (Fate::UnknownLate(1), 2),
        (Fate::NotApplied, 2),
        (Fate::Conflict, 2),
    ] {
        let mut world = World::new(CONFIG, [1]);
        world.store.set_faults(Faults::commits([(1, fate)]));
        world.at(1_000);
        let deadline = world.outbox.next_deadline();
        assert_eq!(deadline, Some(at(1_100)), "{fate:?}: it looks again after the retry time");
        world.at(1_100);
        world.at(1_200);
        assert_eq!((world.left(), world.got.len()), (0, times), "{fate:?}");
        assert!(world.delivered() <= 1);
    }
}

#[test]
fn a_store_that_cannot_be_read_is_asked_again_later() {
    let mut world = World::new(CONFIG, [1]);
    world.store.set_faults(Faults::reads([1, 2]));
    world.at(1_000);
    assert_eq!((world.got.len(), world.outbox.next_deadline()), (0, Some(at(1_100))));
    world.outbox.handle(at(1_100), Input::Tick).unwrap();
    world.drain(1_100);
    assert_eq!(world.outbox.next_deadline(), Some(at(1_200)));
    world.at(1_200);
    assert_eq!((world.left(), world.delivered()), (0, 1));
}

#[test]
fn polling_without_pause_still_ends_each_drain() {
    let mut world = World::new(Config { poll_ms: 0, retry_ms: 0, ..CONFIG }, 1..=4);
    world.at(1_000);
    assert_eq!((world.left(), world.delivered()), (0, 4));
}

#[test]
fn an_answer_with_content_is_settled_by_the_embedder() {
    let mut world = World::new(CONFIG, [1]);
    world.outbox.nudge(at(1_000));
    world.drain(1_000);
    let bytes = answer(1, "declined");
    for _ in 0..2 {
        world.outbox.handle(at(1_001), Input::Frame { from: &core(), bytes: &bytes }).unwrap();
    }
    world.drain(1_001);
    let [Event::Answered { key, version, entry: sent, content }, second] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    assert_eq!(second, &world.events[0], "a doubled answer is told twice");
    assert_eq!((sent, &content[..]), (&entry(1), &b"declined"[..]));
    let mut batch = Batch::new();
    batch.delete(key.clone(), Expect::At(*version));
    assert!(matches!(blocking::Store::commit(&world.store, &batch), Ok(Commit::Applied(_))));
    assert_eq!(blocking::Store::commit(&world.store, &batch), Ok(Commit::Conflict));
    world.outbox.settled(&sent.idempotency);
    world.at(1_100);
    assert_eq!((world.outbox.in_flight(), world.left()), (0, 0));
}

#[test]
fn two_outboxes_on_one_prefix_delete_each_row_once() {
    let mut one = World::new(CONFIG, 1..=9);
    let mut events = Vec::new();
    let mut other = Outbox::new(account(), CONFIG);
    other.nudge(at(1_000));
    let drained = blocking::drain(&mut other, at(1_000), &one.store, &one.link, &NoKeys).unwrap();
    events.extend(drained.events);
    assert_eq!(other.in_flight(), 2);
    one.at(1_000);
    assert_eq!((one.left(), one.delivered()), (0, 9));
    for n in [1, 2] {
        let bytes = answer(n, "");
        other.handle(at(1_001), Input::Frame { from: &core(), bytes: &bytes }).unwrap();
    }
    let drained = blocking::drain(&mut other, at(1_001), &one.store, &one.link, &NoKeys).unwrap();
    assert_eq!((other.in_flight(), drained.events.len(), events.len()), (0, 0, 0));
}
