//! The state machine of registration, learning, and what may move strategies afterwards.

use crate::setting::REQUEST;
use interbank_risk_core::driving::{
    Attribute, Before, Driver, Event, Habits, Learner, Model, Outcome, Piece, Registration,
    Rejection, RiskLevel, Rules, RulesDraft, State, Stretch, Taken,
};
use port::Time;
use proptest::prelude::*;
use simkit::Rng;

pub(crate) const DAY_MS: u64 = 86_400_000;
const READY: Event = Event::Close { ready: 0b0101 };
const NOT_READY: Event = Event::Close { ready: 0 };

pub(crate) fn after(events: &[(Event, u64)]) -> Registration {
    let rules = Rules::default();
    let on = |it, (event, day): &(Event, u64)| {
        Some(Registration::on(it, *event, REQUEST.plus_ms(day * DAY_MS), &rules).unwrap())
    };
    events.iter().fold(None, on).unwrap()
}

#[test]
fn every_event_in_every_state() {
    use Event::{Accept, Apply, Resume, Revoke, Suspend};
    let rules = Rules::default();
    let states = [
        None,
        Some(after(&[(Apply, 0)])),
        Some(after(&[(Apply, 0), (Accept, 0)])),
        Some(after(&[(Apply, 0), (Accept, 0), (READY, 30)])),
        Some(after(&[(Apply, 0), (Suspend, 0)])),
        Some(after(&[(Apply, 0), (Accept, 0), (Suspend, 0)])),
        Some(after(&[(Apply, 0), (Accept, 0), (READY, 30), (Suspend, 30)])),
        Some(after(&[(Apply, 0), (Revoke, 0)])),
    ];
    let events = [Apply, Accept, READY, NOT_READY, Suspend, Resume, Revoke];
    let (applied, learning, active, revoked) =
        (Some(State::Applied), Some(State::Learning), Some(State::Active), Some(State::Revoked));
    let held = |before| Some(State::Suspended(before));
    let table = [
        [applied, None, None, None, None, None, None],
        [None, learning, None, None, held(Before::Applied), None, revoked],
        [None, None, active, learning, held(Before::Learning), None, revoked],
        [None, None, None, None, held(Before::Active), None, revoked],
        [None, None, None, None, None, applied, revoked],
        [None, None, None, None, None, learning, revoked],
        [None, None, None, None, None, active, revoked],
        [applied, None, None, None, None, None, None],
    ];
    let now = REQUEST.plus_ms(31 * DAY_MS);
    for (before, row) in states.into_iter().zip(table) {
        for (event, expected) in events.into_iter().zip(row) {
            let found = Registration::on(before, event, now, &rules);
            assert_eq!(found.map(|it| it.state()).ok(), expected, "{before:?} {event:?}");
            let Ok(found) = found else { continue };
            let mut bytes = vec![];
            found.encode(&mut bytes);
            assert_eq!(Registration::parse(&bytes), Ok(found));
        }
    }
}

#[test]
fn v06_the_period_closes_at_its_end_and_extends_where_too_little_was_seen() {
    let rules = Rules::default();
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    assert_eq!(learning.ends(), REQUEST.plus_ms(30 * DAY_MS));
    let close = |event, now| Registration::on(Some(learning), event, now, &rules);
    let early = close(READY, learning.ends().minus_ms(1)).unwrap_err();
    assert_eq!((early.state, early.code()), (Some(State::Learning), 3_406));
    let extended = close(NOT_READY, learning.ends()).unwrap();
    assert_eq!(extended.state(), State::Learning);
    assert_eq!(extended.ends(), REQUEST.plus_ms(30 * DAY_MS + 30 * DAY_MS / 4));
    let late = close(NOT_READY, learning.ends().plus_ms(100 * DAY_MS)).unwrap();
    assert!(late.ends() > learning.ends().plus_ms(100 * DAY_MS));
    let active = close(READY, learning.ends()).unwrap();
    assert_eq!(active.drivers().map(Driver::as_u8).collect::<Vec<_>>(), [0, 2]);
}

/// A trip of somebody who drives at about 60 km/h and starts at about 8, or of somebody else.
pub(crate) fn trip(rng: &mut Rng, ended: Time, is_owner: bool) -> Stretch {
    let mut about = |centre: i32, half: u64| {
        // the sum of three uniform numbers is bell-shaped enough
        let sum: u64 = (0..3).map(|_| rng.below(half)).sum();
        centre + i32::try_from(sum).unwrap() - i32::try_from(3 * half / 2).unwrap()
    };
    let (speed, start, rpm) = if is_owner { (6_000, 480, 2_000) } else { (9_500, 1_300, 3_600) };
    let piece = |attribute, value| Piece::new(attribute, value, 1_200_000);
    let pieces = [
        piece(Attribute::CruiseSpeed, about(speed, 500)),
        piece(Attribute::StartTime, about(start, 20)),
        piece(Attribute::UpshiftRpm, about(rpm, 150)),
        piece(Attribute::SeatSlot, if is_owner { 1 } else { 2 }),
        piece(Attribute::EngineLoad, about(if is_owner { 3_000 } else { 6_000 }, 400)),
    ];
    Stretch::new(ended, 1_200_000, pieces)
}

/// What 40 trips of the owner in the period of learning make.
pub(crate) fn learned(rules: &Rules, seed: u64) -> (Registration, Habits) {
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    let (mut rng, mut habits) = (Rng::new(seed), Habits::new(Driver::FIRST));
    for tag in 0..40 {
        let ended = REQUEST.plus_ms(u64::from(tag) * DAY_MS / 2 + 3_600_000);
        let window = trip(&mut rng, ended, true);
        assert_eq!(habits.learn(&learning, tag, &window), Taken::Learned);
    }
    assert!(habits.finish(rules));
    (learning, habits)
}

#[test]
fn v06_only_data_from_the_application_on_and_within_the_period_enters() {
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    let mut rng = Rng::new(1);
    let mut habits = Habits::new(Driver::FIRST);
    let empty = habits.clone();
    // it began a millisecond before the application; it ended with the period
    for ended in [REQUEST.plus_ms(1_199_999), learning.ends()] {
        let window = trip(&mut rng, ended, true);
        assert_eq!(habits.learn(&learning, 1, &window), Taken::OutsidePeriod);
    }
    assert_eq!(habits, empty);
    for ended in [REQUEST.plus_ms(1_200_000), learning.ends().minus_ms(1)] {
        let window = trip(&mut rng, ended, true);
        assert_eq!(habits.learn(&learning, 1, &window), Taken::Learned);
    }
    // neither before the application is accepted nor when learning is over
    for other in
        [after(&[(Event::Apply, 0)]), after(&[(Event::Apply, 0), (Event::Accept, 0), (READY, 30)])]
    {
        let window = trip(&mut rng, REQUEST.plus_ms(DAY_MS), true);
        assert_eq!(habits.clone().learn(&other, 1, &window), Taken::OutsidePeriod);
    }
}

#[test]
fn v06_each_attribute_gets_one_strategy_from_its_own_piece() {
    let (_, habits) = learned(&Rules::default(), 3);
    let set = habits.current().unwrap();
    let of: Vec<Attribute> = set.as_slice().iter().map(|one| one.attribute()).collect();
    let expected = [
        Attribute::CruiseSpeed,
        Attribute::UpshiftRpm,
        Attribute::StartTime,
        Attribute::SeatSlot,
        Attribute::EngineLoad,
    ];
    assert_eq!(of, expected);
    let Model::Band(cruise) = set.of(Attribute::CruiseSpeed).unwrap().model() else { panic!() };
    assert!((cruise.centre() / 256 - 6_000).abs() < 150, "{cruise:?}");
}

#[test]
fn v15_there_is_no_strategy_before_the_period_is_over_or_on_too_little_data() {
    let rules = Rules::default();
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    let (mut rng, mut habits) = (Rng::new(5), Habits::new(Driver::FIRST));
    // five hours of driving are fifteen windows of twenty minutes
    for tag in 0..15 {
        assert!(!habits.is_ready(&rules) && !habits.finish(&rules), "after {tag}");
        assert_eq!(habits.current(), None);
        let sets: Vec<_> = habits.current().into_iter().collect();
        let now = trip(&mut rng, REQUEST.plus_ms(DAY_MS), true);
        assert_eq!(rules.evaluate(&now, &sets), Outcome::Rejected(Rejection::NotReady));
        let ended = REQUEST.plus_ms((1 + u64::from(tag)) * DAY_MS);
        let _ = habits.learn(&learning, tag, &trip(&mut rng, ended, true));
    }
    assert!(habits.is_ready(&rules) && habits.finish(&rules));
}

#[test]
fn v15_eight_windows_at_least_however_long_they_are() {
    let rules = Rules::new(&RulesDraft { learn_hours: 0, ..RulesDraft::default() }).unwrap();
    let mut learner = Learner::new(Attribute::UpshiftRpm);
    for tag in 0..Learner::WINDOWS_MIN {
        assert_eq!(learner.finish(&rules), None);
        assert!(learner.update(tag, &Piece::new(Attribute::UpshiftRpm, 2_000, 300_000)));
    }
    assert!(learner.finish(&rules).is_some());
    // what cannot be believed or covers too little is never taken
    let mut faulty = Piece::new(Attribute::UpshiftRpm, 2_000, 300_000);
    faulty.fault = Some(interbank_risk_core::driving::SensorFault::Stuck);
    assert!(!learner.update(99, &faulty));
    assert!(!learner.update(99, &Piece::new(Attribute::UpshiftRpm, 2_000, 299_999)));
}

#[test]
fn v08_typical_learning_windows_evaluate_to_the_lowest_risk() {
    let rules = Rules::default();
    let (mut low, mut high) = (0, 0);
    for seed in 0..10 {
        let (_, habits) = learned(&rules, seed);
        let sets = [habits.current().unwrap()];
        let mut rng = Rng::new(seed);
        for tag in 0..40 {
            let ended = REQUEST.plus_ms(tag * DAY_MS / 2 + 3_600_000);
            match rules.evaluate(&trip(&mut rng, ended, true), &sets).level() {
                Some(RiskLevel::Low) => low += 1,
                Some(RiskLevel::High) => high += 1,
                _ => {}
            }
        }
    }
    // five bands of about 95 %: at least four of five match in 98 of 100 windows
    assert!(low >= 380 && high == 0, "{low} low, {high} high of 400");
}

#[test]
fn a_hundred_unconfirmed_trips_of_a_thief_leave_strategies_byte_identical() {
    let rules = Rules::default();
    let (_, habits) = learned(&rules, 7);
    let bytes = |habits: &Habits| {
        let mut bytes = vec![];
        habits.encode(&mut bytes);
        bytes
    };
    let before = bytes(&habits);
    let sets = [habits.current().unwrap()];
    let mut rng = Rng::new(8);
    for hour in 0..100 {
        let ended = REQUEST.plus_ms(31 * DAY_MS + hour * 3_600_000);
        let outcome = rules.evaluate(&trip(&mut rng, ended, false), &sets);
        assert_eq!(outcome.level(), Some(RiskLevel::High));
    }
    assert_eq!(bytes(&habits), before);
}

#[test]
fn confirmed_trips_move_strategies_by_bounded_steps_and_can_be_taken_back() {
    let rules = Rules::default();
    let (_, mut habits) = learned(&rules, 9);
    let cruise = |habits: &Habits| match habits
        .current()
        .unwrap()
        .of(Attribute::CruiseSpeed)
        .unwrap()
        .model()
    {
        Model::Band(band) => *band,
        other => panic!("{other:?}"),
    };
    let (before, stored) = (cruise(&habits), habits.clone());
    let mut rng = Rng::new(10);
    let start = Time::from_ms((REQUEST.as_ms() / DAY_MS + 32) * DAY_MS);
    for day in 0..10 {
        let previous = cruise(&habits);
        for tag in 0..6 {
            let ended = start.plus_ms(day * DAY_MS + u64::from(tag) * 3_600_000);
            let taken = habits.confirm(ended, &rules, tag, &trip(&mut rng, ended, false));
            let expected = if tag < 4 { Taken::Learned } else { Taken::EnoughOfThatDay };
            assert_eq!(taken, expected);
        }
        let step = cruise(&habits).centre() - previous.centre();
        assert!(step > 0 && step <= previous.spread() / 10, "day {day}: {step}");
    }
    assert!(cruise(&habits).centre() - before.centre() < 2 * before.spread());
    assert_eq!(habits.revoke(start), 40);
    assert_eq!(habits.current(), stored.current());
    assert_eq!(cruise(&habits), before);
}

#[test]
fn what_is_older_than_the_revocable_days_settles() {
    let rules = Rules::default();
    let (_, mut habits) = learned(&rules, 11);
    let mut rng = Rng::new(12);
    let start = REQUEST.plus_ms(31 * DAY_MS);
    let late = trip(&mut rng, start, true);
    for day in 0..40 {
        let now = start.plus_ms(day * DAY_MS);
        let _ = habits.confirm(now, &rules, 1, &trip(&mut rng, now, true));
        let current = habits.current();
        let mut bytes = vec![];
        habits.encode(&mut bytes);
        assert_eq!(Habits::parse(&bytes).as_ref(), Ok(&habits));
        assert_eq!(Habits::parse(&bytes).unwrap().current(), current);
    }
    let now = start.plus_ms(40 * DAY_MS);
    assert_eq!(habits.confirm(now, &rules, 2, &late), Taken::OutsidePeriod);
    assert_eq!(habits.revoke(Time::EPOCH), 14);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_events_keeps_the_machine_whole(events in prop::collection::vec((0_usize..7, 0_u64..40), 0..40)) {
        let all = [Event::Apply, Event::Accept, READY, NOT_READY, Event::Suspend, Event::Resume, Event::Revoke];
        let (rules, mut now, mut it) = (Rules::default(), REQUEST, None);
        for (at, days) in events {
            now = now.plus_ms(days * DAY_MS);
            if let Ok(next) = Registration::on(it, all[at], now, &rules) {
                prop_assert!(next.applied() <= next.changed());
                let has_drivers = next.drivers().count() > 0;
                prop_assert_eq!(has_drivers, next.drivers().count() == 2);
                if next.state() == State::Active { prop_assert!(has_drivers); }
                it = Some(next);
            }
        }
    }

    #[test]
    fn foreign_bytes_are_no_habits(seed in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1_u8..=255, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Habits::parse(&noise), Registration::parse(&noise));
        let rules = Rules::default();
        let (_, mut habits) = learned(&rules, seed);
        let now = REQUEST.plus_ms(31 * DAY_MS);
        let _ = habits.confirm(now, &rules, 1, &trip(&mut Rng::new(seed), now, true));
        let mut bytes = vec![];
        habits.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(found) = Habits::parse(&bytes) {
            let _ = found.current();
            let mut again = vec![];
            found.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
        }
        prop_assert!(Habits::parse(&bytes[..at]).is_err());
    }
}

#[test]
fn habits_fit_a_row_however_much_was_learned() {
    let learning = after(&[(Event::Apply, 0), (Event::Accept, 0)]);
    let (rules, mut habits, mut rng) = (Rules::default(), Habits::new(Driver::FIRST), Rng::new(13));
    let mut all = |ended| {
        let piece = |attribute: Attribute| {
            let (low, high) = attribute.range();
            let within = rng.below(u64::try_from(high - low).unwrap());
            Piece::new(attribute, low + i32::try_from(within).unwrap(), 1_200_000)
        };
        Stretch::new(ended, 1_200_000, Attribute::ALL.map(piece))
    };
    let size = |habits: &Habits| {
        let mut bytes = vec![];
        habits.encode(&mut bytes);
        assert_eq!(Habits::parse(&bytes).as_ref(), Ok(habits));
        bytes.len()
    };
    for tag in 0..300 {
        let window = all(REQUEST.plus_ms(u64::from(tag) * 3_600_000 + 1_200_000));
        assert_eq!(habits.learn(&learning, tag, &window), Taken::Learned);
    }
    let learned = size(&habits);
    assert!(habits.finish(&rules));
    let now = REQUEST.plus_ms(60 * DAY_MS);
    for tag in 0..200 {
        let _ = habits.confirm(now, &rules, tag, &all(now.minus_ms(u64::from(tag) * DAY_MS / 10)));
    }
    let confirmed = size(&habits);
    println!("{learned} bytes while learning, {confirmed} afterwards");
    assert!(learned.max(confirmed) < port::Row::VALUE_BYTES_MAX / 2);
}
