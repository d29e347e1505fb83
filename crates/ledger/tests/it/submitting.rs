//! The member's side: one addressee for each attempt, another one after silence, one registration.

use crate::place::desk::*;
use crate::place::*;
use interbank_ledger::*;
use port::{Effect, Input, Machine as _, Peer, Time};
use simkit::{Faults, Rng};
use std::collections::BTreeMap;

const CONFIG: SubmitterConfig =
    SubmitterConfig { patience_ms: 1_000, rest_ms: 10_000, audit_ms: 5_000, open_max: 5_000 };

fn supervision(count: usize) -> Vec<Peer> {
    (1..=count).map(|n| peer(&format!("s-{n}"))).collect()
}

fn sent(submitter: &mut Submitter) -> Vec<(Peer, Message)> {
    let effects = std::iter::from_fn(|| submitter.poll_effect());
    effects
        .map(|effect| match effect {
            Effect::Send { to, frame } => (to, Message::parse(&frame).unwrap()),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn hear(submitter: &mut Submitter, now: Time, from: &Peer, message: &Message) {
    let frame = message.to_frame().unwrap();
    submitter.handle(now, Input::Frame { from, bytes: &frame }).unwrap();
}

#[test]
fn l03_every_attempt_has_exactly_one_addressee() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let mut submitter = Submitter::new(CONFIG, supervision(3)).unwrap();
    let digest = submitter.submit(START, &request).unwrap();
    // Submitting twice is submitting once.
    assert_eq!(submitter.submit(START, &request), Ok(digest));
    let mut addressed = Vec::new();
    for attempt in 0..6 {
        let now = START.plus_ms(attempt * 1_000);
        assert_eq!(
            submitter.next_deadline(),
            (attempt == 0).then_some(now.plus_ms(1_000)).or(Some(now))
        );
        submitter.handle(now, Input::Tick).unwrap();
        let sent = sent(&mut submitter);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1, Message::Submit(Box::new(request.clone())));
        addressed.push(sent[0].0.clone());
        // Early and repeated ticks send nothing.
        submitter.handle(now, Input::Tick).unwrap();
        submitter.handle(now.plus_ms(999), Input::Tick).unwrap();
        assert!(submitter.poll_effect().is_none());
    }
    // Everybody once before anybody twice.
    let mut first: Vec<_> = addressed[..3].to_vec();
    first.sort();
    assert_eq!(first, supervision(3));
    assert_eq!(addressed[..3], addressed[3..]);
}

#[test]
fn ld03_after_a_lost_answer_another_node_is_asked_and_the_registration_stays_single() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    // Both names lead to the same chain, as two supervision nodes that agree on one do.
    let mut desk = Desk::new(policy(), Faults::None);
    place.play(&mut desk);
    place.follow(desk.chain());
    let request = place.request(thing(1), owner);
    let file = request.file().unwrap().unwrap();
    let mut submitter = Submitter::new(CONFIG, supervision(2)).unwrap();
    submitter.submit(START, &request).unwrap();
    let (first, message) = sent(&mut submitter).remove(0);
    desk.send("m-a", &message);
    assert!(matches!(desk.told_to("m-a")[..], [Message::Decided { .. }]));
    desk.told.clear();
    // The answer was lost.
    let now = START.plus_ms(1_000);
    submitter.handle(now, Input::Tick).unwrap();
    let (second, message) = sent(&mut submitter).remove(0);
    assert_ne!(first, second);
    desk.send("m-a", &message);
    let answer = desk.told_to("m-a")[0].clone();
    hear(&mut submitter, now, &second, &answer);
    assert!(matches!(submitter.poll_event(), Some(SubmitterEvent::Decided { .. })));
    // The first one's answer comes late.
    hear(&mut submitter, now, &first, &answer);
    assert_eq!(submitter.poll_event(), None);
    assert_eq!(submitter.open(), 1);
    // The audit goes on; then its outcome is told, and got by asking if that was lost.
    place.follow(desk.chain());
    let verdict = place.verdict(file, SUPERVISION, &[]);
    desk.told.clear();
    desk.own(&verdict);
    let height = Height(6);
    let concluded = Message::Concluded { file, height, outcome: Ok(()) };
    assert_eq!(desk.told_to("m-a"), [&concluded]);
    desk.told.clear();
    let now = now.plus_ms(5_000);
    submitter.handle(now, Input::Tick).unwrap();
    let (third, message) = sent(&mut submitter).remove(0);
    desk.send("m-a", &message);
    let answer = desk.told_to("m-a")[0].clone();
    hear(&mut submitter, now, &third, &answer);
    let event = SubmitterEvent::Concluded { file, height, outcome: Ok(()) };
    assert_eq!((submitter.poll_event(), submitter.open()), (Some(event), 0));
    assert_eq!(desk.chain().state().files().count(), 1);
    let outstanding: usize = supervision(2).iter().map(|it| submitter.outstanding(it)).sum();
    assert_eq!(outstanding, 0);
}

#[test]
fn answers_of_strangers_and_of_nothing_change_nothing() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let request = place.request(thing(1), owner);
    let mut submitter = Submitter::new(CONFIG, supervision(2)).unwrap();
    let digest = submitter.submit(START, &request).unwrap();
    let refused = Message::Refused { digest, why: Refusal::KnownFile };
    let frame = refused.to_frame().unwrap();
    let stranger = Input::Frame { from: &peer("m-b"), bytes: &frame };
    assert!(matches!(submitter.handle(START, stranger), Err(Error::Peer(_))));
    let to = peer("s-1");
    hear(&mut submitter, START, &to, &Message::Refused { digest: [0; 32], why: Refusal::Frozen });
    assert_eq!((submitter.poll_event(), submitter.open()), (None, 1));
    // What was decided is not refused afterwards, by whoever is behind.
    hear(&mut submitter, START, &to, &Message::Decided { digest, height: Height(9), place: 0 });
    hear(&mut submitter, START, &to, &refused);
    assert!(matches!(submitter.poll_event(), Some(SubmitterEvent::Decided { .. })));
    assert_eq!((submitter.poll_event(), submitter.open()), (None, 1));
    assert_eq!(Submitter::new(CONFIG, []).err(), Some(Misuse::Bounds));
    let mut full =
        Submitter::new(SubmitterConfig { open_max: 0, ..CONFIG }, supervision(1)).unwrap();
    assert_eq!(full.submit(START, &request), Err(Error::Busy));
}

/// How many of so many requests each of `count` nodes answers, if each answers after a while that is drawn, and one of them
/// (from 0) not at all.
fn loads(count: usize, requests: u32, silent: Option<usize>, seed: u64) -> BTreeMap<Peer, u32> {
    let mut rng = Rng::new(seed);
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let nodes = supervision(count);
    let silent = silent.map(|at| nodes[at].clone());
    let mut submitter = Submitter::new(CONFIG, nodes).unwrap();
    let mut answers: Vec<(Time, Peer, [u8; 32])> = Vec::new();
    let mut loads = BTreeMap::new();
    let mut now = START;
    let request = place.request(thing(1), owner);
    let mut submitted = 0;
    while submitted < requests || submitter.open() > 0 {
        now = now.plus_ms(5);
        if submitted < requests {
            submitted += 1;
            // A transaction of its own, without the price of signing it.
            let mut own = request.clone();
            if let Body::Register(it) = &mut own.body {
                it.instruction[..4].copy_from_slice(&submitted.to_be_bytes());
            }
            submitter.submit(now, &own).unwrap();
        }
        submitter.handle(now, Input::Tick).unwrap();
        for (to, message) in sent(&mut submitter) {
            let Message::Submit(transaction) = message else { panic!("{message:?}") };
            if Some(&to) != silent.as_ref() {
                let at = now.plus_ms(20 + rng.below(400));
                answers.push((at, to, transaction.digest().unwrap()));
            }
        }
        let (due, later) = answers.into_iter().partition(|(at, ..)| *at <= now);
        answers = later;
        for (_, from, digest) in due {
            *loads.entry(from.clone()).or_default() += 1;
            let outcome =
                Message::Concluded { file: FileId(digest), height: Height(9), outcome: Ok(()) };
            hear(&mut submitter, now, &from, &outcome);
        }
    }
    loads
}

/// Whether the most loaded node has less than 1.3 times the mean.
fn is_even(loads: &BTreeMap<Peer, u32>) -> bool {
    let (max, sum): (u32, u32) = (*loads.values().max().unwrap(), loads.values().sum());
    let count = u32::try_from(loads.len()).unwrap();
    10 * max * count < 13 * sum
}

#[test]
fn ld14_load_is_spread_and_a_silent_nodes_share_is_taken_over() {
    for (count, seed) in [(2, 1), (4, 2), (7, 3)] {
        let loads = loads(count, 700, None, seed);
        assert_eq!(loads.len(), count);
        assert_eq!(loads.values().sum::<u32>(), 700);
        assert!(is_even(&loads), "{loads:?}");
        let loads = self::loads(count, 700, Some(0), seed);
        assert_eq!(loads.len(), count - 1);
        assert_eq!(loads.values().sum::<u32>(), 700);
        assert!(is_even(&loads), "{loads:?}");
    }
}

#[test]
fn l17_load_is_spread_over_supervision_nodes() {
    let loads = loads(5, 1_000, None, 9);
    assert!(loads.len() == 5 && is_even(&loads), "{loads:?}");
}
