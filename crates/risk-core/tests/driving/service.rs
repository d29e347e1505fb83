//! The payment device over a store.

use crate::platform::euros;
use crate::registration::DAY_MS;
use crate::setting::REQUEST;
use interbank_risk_core::driving::{
    Attribute, Before, Driver, DrivingConfig, DrivingServer, Evaluate, EvaluateRequest, Evaluated,
    Event, Habits, LevelNotice, Misuse, PurgeTable, Reading, Refusal, Registration, Rejection,
    Replayed, Reply, RiskLevel, Rules, RulesDraft, Samples, State, Taken, Trace, VehicleId,
    Verdict,
};
use port::blocking::{Store, decide};
use port::outbox::Entry;
use port::{
    Batch, Commit, Key, MemoryStore, Peer, ReadSet, Row, Rows, Scan, Tenant, Time, WireError,
};
use seal::{Audited, Secret, SigningKey, SoftKeys};
use simkit::Rng;
use std::cell::RefCell;
use std::convert::Infallible;

/// A store that notes which tables are read.
pub(crate) struct Counting {
    pub(crate) inner: MemoryStore,
    tables: RefCell<Vec<u8>>,
}

impl Store for Counting {
    type Error = Infallible;

    fn read(&self, want: &ReadSet) -> Result<Rows, Infallible> {
        let tables = want.points.iter().map(|key| key.as_bytes()[Key::HEAD_BYTES - 1]);
        self.tables.borrow_mut().extend(tables);
        Store::read(&self.inner, want)
    }

    fn commit(&self, batch: &Batch) -> Result<Commit, Infallible> {
        Store::commit(&self.inner, batch)
    }
}

const DATA: u8 = 0x31;
const HABITS: u8 = 0x32;

pub(crate) struct Device {
    pub(crate) server: DrivingServer,
    pub(crate) store: Counting,
    keys: SoftKeys,
    signer: SigningKey,
    rng: Rng,
    counter: u64,
    id: u8,
}

impl Device {
    fn new() -> Self {
        let draft = RulesDraft { learn_days: 10, learn_hours: 2, ..RulesDraft::default() };
        let platform = Peer::new("platform").unwrap();
        let config = DrivingConfig::new(Tenant::new(4), Rules::new(&draft).unwrap(), platform);
        Self {
            server: DrivingServer::new(config).unwrap(),
            store: Counting { inner: MemoryStore::new(), tables: RefCell::default() },
            keys: SoftKeys::with_prepared(0),
            signer: SigningKey::from_seed(&Secret::new([9; 32])),
            rng: Rng::new(0xca5),
            counter: 0,
            id: 100,
        }
    }

    pub(crate) fn run<D: port::Decision>(&self, mut decision: D) -> D::Verdict {
        self.store.tables.borrow_mut().clear();
        decide(&self.store, &self.keys, &mut decision).unwrap()
    }

    fn reads(&self, table: u8) -> usize {
        self.store.tables.borrow().iter().filter(|read| **read == table).count()
    }

    fn apply(&self, now: Time) -> Option<State> {
        let verdict = self.run(self.server.apply(now, car(), &self.signer.verifying_key())).verdict;
        verdict.granted().map(|changed| changed.registration.state())
    }

    fn change(&self, now: Time, event: Event) -> Result<State, u32> {
        match self.run(self.server.change(now, car(), event)).verdict {
            Verdict::Granted(changed) => Ok(changed.registration.state()),
            Verdict::Declined(why) => Err(why.code()),
        }
    }

    /// Drives for so long, up to now; sends samples for each quarter of an hour.
    pub(crate) fn drive(&mut self, now: Time, length_s: u64, is_owner: bool) {
        let (speed, steering, seat) = if is_owner { (6_000, 300, 1) } else { (10_500, 700, 3) };
        let trip = i32::try_from(self.rng.below(600)).unwrap() - 300;
        let mut readings = vec![];
        for s in (0..=length_s).step_by(4) {
            let at = now.minus_ms((length_s - s) * 1_000);
            let noise = |rng: &mut Rng, half: u64| i32::try_from(rng.below(half)).unwrap();
            let value = speed + trip + noise(&mut self.rng, 500);
            readings.push(Reading::new(at, Attribute::CruiseSpeed, value));
            let value = steering + trip / 10 + noise(&mut self.rng, 60);
            readings.push(Reading::new(at, Attribute::SteeringRate, value));
            if s == 0 {
                readings.push(Reading::new(at, Attribute::SeatSlot, seat));
            }
        }
        for part in readings.chunks(450) {
            assert_eq!(self.send(now, part.to_vec()).declined(), None);
        }
    }

    fn send(&mut self, now: Time, readings: Vec<Reading>) -> Verdict<u64> {
        let samples = Samples::new(car(), self.counter, readings).unwrap();
        self.counter += samples.readings().len() as u64;
        let signature = self.signer.sign(&samples.signed_bytes());
        self.sent(now, samples, signature)
    }

    fn sent(&self, now: Time, samples: Samples, signature: [u8; 64]) -> Verdict<u64> {
        match self.run(self.server.record(now, samples, signature)).verdict {
            Verdict::Granted(recorded) => Verdict::Granted(recorded.stretch_ms),
            Verdict::Declined(why) => Verdict::Declined(why),
        }
    }

    fn learn(&mut self, now: Time) -> Verdict<()> {
        self.id += 1;
        self.run(self.server.learn(now, car(), Driver::FIRST, [self.id; 16])).verdict
    }

    pub(crate) fn evaluate(&self, now: Time, id: u8) -> Audited<Verdict<Evaluated>> {
        self.run(self.server.evaluate(now, request(id)))
    }

    pub(crate) fn outbox(&self) -> Vec<Entry> {
        self.rows(self.server.outbox())
            .iter()
            .map(|row| Entry::parse(&row.value).unwrap())
            .collect()
    }

    fn rows(&self, prefix: Key) -> Vec<Row> {
        let page =
            Store::read(&self.store.inner, &ReadSet::scan(Scan::first(prefix, 1_000))).unwrap();
        page.scans.into_iter().flatten().map(|(_, row)| row).collect()
    }

    fn habits(&self) -> Vec<Row> {
        self.rows(Key::new(port::CrateTag::RISK_CORE, Tenant::new(4), HABITS))
    }

    /// An active vehicle: accepted at once, twenty trips in ten days.
    pub(crate) fn active() -> Self {
        let mut device = Self::new();
        assert_eq!(device.apply(REQUEST), Some(State::Applied));
        assert_eq!(device.change(REQUEST, Event::Accept), Ok(State::Learning));
        for half_day in 1..20 {
            let now = REQUEST.plus_ms(half_day * DAY_MS / 2);
            device.drive(now, 900, true);
            assert_eq!(device.learn(now), Verdict::Granted(()));
        }
        assert_eq!(device.change(start().minus_ms(1), CLOSE), Err(3_406));
        assert_eq!(device.change(start(), CLOSE), Ok(State::Active));
        device
    }
}

const CLOSE: Event = Event::Close { ready: 0 };

pub(crate) fn start() -> Time {
    REQUEST.plus_ms(10 * DAY_MS)
}

pub(crate) fn car() -> VehicleId {
    VehicleId::vin("1M8GDM9AXKP042788").unwrap()
}

pub(crate) fn request(id: u8) -> EvaluateRequest {
    EvaluateRequest { id: [id; 16], vehicle: car(), amount: euros(4_500) }
}

fn level(verdict: Audited<Verdict<Evaluated>>) -> Result<RiskLevel, Refusal> {
    match verdict.verdict {
        Verdict::Granted(evaluated) => Ok(evaluated.notice.level),
        Verdict::Declined(why) => Err(why),
    }
}

#[test]
fn v01_the_level_is_made_by_the_device_from_what_it_recorded() {
    let mut device = Device::active();
    device.drive(start().plus_ms(DAY_MS), 900, false);
    let audited = device.evaluate(start().plus_ms(DAY_MS), 1);
    let evaluated = audited.verdict.clone().granted().unwrap();
    assert_eq!(evaluated.notice.level, RiskLevel::High);
    // a request with anything that could be a level behind it is none
    let mut bytes = vec![];
    request(1).encode(&mut bytes);
    bytes.push(1);
    let refused = device.server.on_message(start(), &bytes).err();
    assert_eq!(refused, Some(WireError::Trailing));
    // and the platform gets the level, not what it was made from
    let [entry] = &device.outbox()[..] else { panic!() };
    assert_eq!(LevelNotice::parse(&entry.content), Ok(evaluated.notice));
    assert!(entry.content.len() < 120, "{}", entry.content.len());
    assert_eq!(audited.audit.action, "risk.driving.evaluate.judged");
    assert_eq!(audited.audit.policy, device.server.config().rules.digest());
}

#[test]
fn a_level_is_made_again_from_its_trace_alone() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let plain = device.evaluate(now, 1).verdict.granted().unwrap();
    assert_eq!(plain.trace, None);
    let traced =
        device.run(device.server.evaluate(now, request(2)).traced()).verdict.granted().unwrap();
    let bytes = traced.trace.unwrap();
    let trace = Trace::parse(&bytes).unwrap();
    assert_eq!((trace.recompute(), *trace.outcome()), (traced.outcome, traced.outcome));
    assert_eq!((trace.outcome(), trace.rules()), (&plain.outcome, &device.server.config().rules));
}

#[test]
fn v02_a_request_without_a_good_identification_is_an_error() {
    let device = Device::new();
    let mut bytes = vec![];
    request(1).encode(&mut bytes);
    assert!(device.server.on_message(REQUEST, &bytes).is_ok());
    // an empty identification, one with a blank, one that is cut
    let empty = [&bytes[..17], &[0], &bytes[35..]].concat();
    let mut blank = bytes.clone();
    blank[20] = b' ';
    let refused = |bytes: &[u8]| device.server.on_message(REQUEST, bytes).err();
    assert_eq!(refused(&empty), Some(WireError::Invalid));
    assert_eq!(refused(&blank), Some(WireError::Invalid));
    assert_eq!(refused(&bytes[..30]), Some(WireError::Truncated));
}

#[test]
fn v03_of_an_unregistered_vehicle_no_driving_data_is_read() {
    let mut device = Device::new();
    let expect = |device: &Device, id, why| {
        let audited = device.evaluate(start(), id);
        assert_eq!(audited.verdict.declined(), Some(why));
        assert_eq!((device.reads(DATA), device.reads(HABITS)), (0, 0), "{why}");
        assert_eq!(audited.audit.reasons, [why.code()]);
        assert!(device.outbox().is_empty());
    };
    expect(&device, 1, Refusal::NotRegistered);
    let _ = device.apply(REQUEST);
    expect(&device, 2, Refusal::Rejected(Rejection::NotReady));
    let _ = device.change(REQUEST, Event::Revoke);
    expect(&device, 3, Refusal::Revoked);
    device = Device::active();
    let _ = device.change(start(), Event::Suspend);
    expect(&device, 4, Refusal::Suspended);
    // a registered one: its data once, its habits once
    let _ = device.change(start(), Event::Resume);
    device.drive(start().plus_ms(DAY_MS), 900, true);
    let _ = device.evaluate(start().plus_ms(DAY_MS), 5);
    assert_eq!((device.reads(DATA), device.reads(HABITS)), (1, 1));
}

#[test]
fn v09_too_short_a_stretch_is_refused_and_the_platform_not_called() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 599, true);
    let audited = device.evaluate(now.minus_ms(3_000), 1);
    assert_eq!(level(audited), Err(Refusal::Rejected(Rejection::TooShort)));
    assert!(device.outbox().is_empty());
    assert_eq!(
        device.evaluate(now.plus_ms(2_000), 2).verdict.granted().map(|it| it.notice.level),
        Some(RiskLevel::Low)
    );
    assert_eq!(device.outbox().len(), 1);
}

#[test]
fn v13_exactly_one_message_for_each_evaluated_request() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let first = device.evaluate(now, 1);
    let evaluated = first.verdict.clone().granted().unwrap();
    assert_eq!((evaluated.notice.level, evaluated.repeated), (RiskLevel::Low, false));
    assert_eq!((evaluated.notice.request, evaluated.notice.amount), ([1; 16], euros(4_500)));
    assert_eq!(evaluated.notice.expires, now.plus_ms(120_000));
    // the same again, even after a thief took over: the stored result, and no second message
    device.drive(now.plus_ms(DAY_MS), 900, false);
    let again = device.evaluate(now.plus_ms(DAY_MS), 1);
    assert_eq!(again.audit.action, "risk.driving.evaluate.repeated");
    let again = again.verdict.granted().unwrap();
    assert!(again.repeated);
    assert_eq!((again.notice, again.outcome), (evaluated.notice.clone(), evaluated.outcome));
    assert_eq!(device.outbox().len(), 1);
    // another amount under the same id is another request
    let other = EvaluateRequest { amount: euros(4_501), ..request(1) };
    let refused = device.run(device.server.evaluate(now, other)).verdict.declined();
    assert_eq!(refused, Some(Refusal::IdReused));
    // another request gets its own level and its own message
    assert_eq!(level(device.evaluate(now.plus_ms(DAY_MS), 2)), Ok(RiskLevel::High));
    assert_eq!(device.outbox().len(), 2);
    let ids: Vec<[u8; 32]> = device.outbox().iter().map(|entry| entry.idempotency).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn v15_a_request_during_learning_is_rejected() {
    let mut device = Device::new();
    let _ = device.apply(REQUEST);
    let _ = device.change(REQUEST, Event::Accept);
    device.drive(start(), 900, true);
    assert_eq!(level(device.evaluate(start(), 1)), Err(Refusal::Rejected(Rejection::NotReady)));
    // nothing learned: the period is extended, and it stays so
    assert_eq!(device.change(start(), CLOSE), Ok(State::Learning));
    assert_eq!(level(device.evaluate(start(), 2)), Err(Refusal::Rejected(Rejection::NotReady)));
    assert!(device.habits().is_empty());
}

#[test]
fn v17_the_message_handler_does_what_the_component_does() {
    let ask = |by_message: bool| {
        let mut device = Device::active();
        let mut replies = vec![];
        for (day, is_owner) in [(1, true), (2, false), (3, true)] {
            let now = start().plus_ms(day * DAY_MS);
            device.drive(now, if day == 3 { 100 } else { 900 }, is_owner);
            let request = request(u8::try_from(day).unwrap());
            let (id, mut bytes, mut reply) = (request.id, vec![], vec![]);
            request.encode(&mut bytes);
            let decision: Evaluate = if by_message {
                device.server.on_message(now, &bytes).unwrap()
            } else {
                device.server.evaluate(now, request)
            };
            let audited = device.run(decision);
            Reply::of(id, &audited.verdict).encode(&mut reply);
            assert_eq!(Reply::parse(&reply), Ok(Reply::of(id, &audited.verdict)));
            replies.push((reply, audited));
        }
        (replies, device.outbox())
    };
    assert_eq!(ask(true), ask(false));
    let results: Vec<_> =
        ask(true).0.iter().map(|(reply, _)| Reply::parse(reply).unwrap().result).collect();
    assert_eq!(results, [Ok(RiskLevel::Low), Ok(RiskLevel::High), Err(Rejection::TooShort.code())]);
}

#[test]
fn samples_are_taken_only_signed_and_once() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    let readings: Vec<Reading> = (0..20)
        .map(|s| Reading::new(now.plus_ms(s * 1_000), Attribute::CruiseSpeed, 6_000 + s as i32))
        .collect();
    let samples = Samples::new(car(), device.counter, readings.clone()).unwrap();
    let forged = device.sent(now, samples.clone(), [0; 64]);
    assert_eq!(forged, Verdict::Declined(Refusal::BadSignature));
    assert_eq!(device.reads(DATA), 0);
    let good = device.signer.sign(&samples.signed_bytes());
    let at = now.plus_ms(19_000);
    assert_eq!(device.sent(at, samples.clone(), good), Verdict::Granted(19_000));
    let again = device.sent(at, samples, good);
    assert_eq!(again, Verdict::Declined(Refusal::Replayed(Replayed::Counter)));
    device.counter += 20;
    let series = device.send(at, readings);
    assert_eq!(series, Verdict::Declined(Refusal::Replayed(Replayed::Series)));
}

#[test]
fn only_confirmed_trips_move_habits_and_they_can_be_taken_back() {
    let mut device = Device::active();
    let before = device.habits();
    for day in 1..=10 {
        let now = start().plus_ms(day * DAY_MS);
        device.drive(now, 900, false);
        assert_eq!(level(device.evaluate(now, u8::try_from(day).unwrap())), Ok(RiskLevel::High));
    }
    assert_eq!(device.habits(), before);
    let now = start().plus_ms(10 * DAY_MS);
    let confirm = |id: u8| device.run(device.server.confirm(now, car(), [id; 16])).verdict;
    assert_eq!(confirm(99), Verdict::Declined(Refusal::UnknownRequest));
    assert_eq!(confirm(10), Verdict::Granted(Taken::Learned));
    assert_ne!(device.habits()[0].value, before[0].value);
    assert_eq!(confirm(10), Verdict::Granted(Taken::AlreadyTaken));
    let back = device.run(device.server.take_back(now, car(), now)).verdict;
    assert_eq!(back, 1);
    let strategies = |row: &Row| Habits::parse(&row.value).unwrap().current().unwrap();
    assert_eq!(strategies(&device.habits()[0]), strategies(&before[0]));
}

#[test]
fn a_window_is_learned_once_and_needs_the_preset_length() {
    let mut device = Device::new();
    let _ = device.apply(REQUEST);
    assert_eq!(device.learn(REQUEST), Verdict::Declined(Refusal::NotLearning));
    let _ = device.change(REQUEST, Event::Accept);
    let now = REQUEST.plus_ms(DAY_MS);
    device.drive(now, 500, true);
    let short = Refusal::Rejected(Rejection::TooShort);
    assert_eq!(device.learn(now), Verdict::Declined(short));
    device.drive(now.plus_ms(DAY_MS), 900, true);
    let now = now.plus_ms(DAY_MS);
    assert_eq!(device.learn(now), Verdict::Granted(()));
    let habits = device.habits();
    let again = device.run(device.server.learn(now, car(), Driver::FIRST, [device.id; 16]));
    assert_eq!(
        (again.verdict, &again.audit.action[..]),
        (Verdict::Granted(()), "risk.driving.learn.repeated")
    );
    // under another id the stretch is used up
    assert_eq!(device.learn(now), Verdict::Declined(short));
    assert_eq!(device.habits(), habits);
}

#[test]
fn revoking_deletes_what_was_known_and_purging_the_rest() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let _ = device.evaluate(now, 1);
    assert_eq!(device.change(now, Event::Revoke), Ok(State::Revoked));
    assert!(device.habits().is_empty());
    let purge = |now, table| device.run(device.server.purge(now, table, None)).rows;
    let kept_ms = device.server.config().request_kept_ms;
    // one request and nineteen windows
    assert_eq!(purge(now.plus_ms(kept_ms - 1), PurgeTable::Requests), 19);
    assert_eq!(purge(now.plus_ms(kept_ms), PurgeTable::Requests), 1);
    assert_eq!(purge(now.plus_ms(399 * DAY_MS), PurgeTable::Revoked), 0);
    assert_eq!(purge(now.plus_ms(400 * DAY_MS), PurgeTable::Revoked), 1);
    // only the notice to the platform is left
    assert_eq!(device.store.inner.len(), 1);
    assert_eq!(device.change(now, Event::Accept), Err(3_406));
}

#[test]
fn an_ended_stretch_is_purged_and_its_numbers_stay_known() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let purge = |now| device.run(device.server.purge(now, PurgeTable::Stretches, None)).rows;
    assert_eq!(purge(now.plus_ms(DAY_MS - 1)), 0);
    assert_eq!(purge(now.plus_ms(DAY_MS)), 1);
    assert_eq!(purge(now.plus_ms(DAY_MS)), 0);
    let readings = vec![Reading::new(now, Attribute::SeatSlot, 1)];
    let samples = Samples::new(car(), 0, readings).unwrap();
    let signature = device.signer.sign(&samples.signed_bytes());
    let replayed = Refusal::Replayed(Replayed::Counter);
    assert_eq!(device.sent(now, samples, signature), Verdict::Declined(replayed));
}

#[test]
fn requests_are_kept_as_long_as_anything_needs_them() {
    let device = Device::new();
    let mut config = device.server.config().clone();
    config.request_kept_ms = 14 * DAY_MS - 1;
    assert_eq!(DrivingServer::new(config.clone()).err(), Some(Misuse::Retention));
    config.request_kept_ms = 14 * DAY_MS;
    assert!(DrivingServer::new(config).is_ok());
}

#[test]
fn a_trip_that_waited_while_the_vehicle_was_held_is_never_learned() {
    let mut device = Device::active();
    let stolen = start().plus_ms(DAY_MS);
    device.drive(stolen, 900, false);
    let _ = device.evaluate(stolen, 1);
    let before = device.habits();
    let (reported, found) = (stolen.plus_ms(3_600_000), stolen.plus_ms(DAY_MS));
    assert_eq!(device.change(reported, Event::Suspend), Ok(State::Suspended(Before::Active)));
    assert_eq!(device.run(device.server.take_back(reported, car(), stolen)).verdict, 0);
    assert_eq!(device.change(found, Event::Resume), Ok(State::Active));
    let confirm = |now, id: u8| device.run(device.server.confirm(now, car(), [id; 16])).verdict;
    let outside = Refusal::NotTaken(Taken::OutsidePeriod);
    assert_eq!(confirm(found, 1), Verdict::Declined(outside));
    assert_eq!(device.habits(), before);
    // What comes afterwards is learned as ever.
    let now = found.plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let _ = device.evaluate(now, 2);
    let confirmed = device.run(device.server.confirm(now, car(), [2; 16])).verdict;
    assert_eq!(confirmed, Verdict::Granted(Taken::Learned));
}

#[test]
fn v06_a_trip_of_an_earlier_registration_moves_nothing_of_the_next() {
    let mut device = Device::active();
    let sold = start().plus_ms(DAY_MS);
    device.drive(sold, 900, true);
    let _ = device.evaluate(sold, 1);
    assert_eq!(device.change(sold, Event::Revoke), Ok(State::Revoked));
    assert_eq!(device.apply(sold), Some(State::Applied));
    assert_eq!(device.change(sold, Event::Accept), Ok(State::Learning));
    for half_day in 1..20 {
        let now = sold.plus_ms(half_day * DAY_MS / 2);
        device.drive(now, 900, false);
        assert_eq!(device.learn(now), Verdict::Granted(()));
    }
    let now = sold.plus_ms(10 * DAY_MS);
    assert_eq!(device.change(now, CLOSE), Ok(State::Active));
    let before = device.habits();
    let confirmed = device.run(device.server.confirm(now, car(), [1; 16])).verdict;
    assert_eq!(confirmed, Verdict::Declined(Refusal::NotTaken(Taken::OutsidePeriod)));
    assert_eq!(device.habits(), before);
}

#[test]
fn v05_a_vehicle_known_before_the_gap_was_changed_is_measured_by_the_new_one() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let mut config = device.server.config().clone();
    let draft =
        RulesDraft { gap_max_s: 3, learn_days: 10, learn_hours: 2, ..RulesDraft::default() };
    config.rules = Rules::new(&draft).unwrap();
    let server = DrivingServer::new(config).unwrap();
    // Readings come every four seconds: with a gap of three, the stretch after the change has no length.
    device.server = server;
    let later = now.plus_ms(DAY_MS);
    device.drive(later, 900, true);
    let short = Refusal::Rejected(Rejection::TooShort);
    assert_eq!(level(device.evaluate(later, 1)), Err(short));
}

#[test]
fn a_repeated_level_is_recorded_under_the_rules_that_decided() {
    let mut device = Device::active();
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let first = device.evaluate(now, 1).audit.policy;
    let mut config = device.server.config().clone();
    config.rules = Rules::new(&RulesDraft { low_from: 9_000, ..RulesDraft::default() }).unwrap();
    device.server = DrivingServer::new(config).unwrap();
    let again = device.evaluate(now, 1).audit;
    assert_eq!((&again.action[..], again.policy), ("risk.driving.evaluate.repeated", first));
    assert_ne!(first, device.server.config().rules.digest());
}

/// Both halves of the crate lie under one tag and tenant: no table of one is a table of the other.
#[test]
fn surroundings_and_driving_share_a_store_without_meeting() {
    use interbank_risk_core::surroundings as around;
    let mut device = Device::active();
    let tables = |device: &Device| -> std::collections::BTreeSet<u8> {
        let rows = device.store.inner.snapshot().rows;
        rows.iter().map(|(key, _)| key.as_bytes()[Key::HEAD_BYTES - 1]).collect()
    };
    let now = start().plus_ms(DAY_MS);
    device.drive(now, 900, true);
    let _ = device.evaluate(now, 1);
    let driving = tables(&device);
    let policy = around::Policy::new(around::PolicyDraft::default()).unwrap();
    let book = around::PolicyBook::new(vec![policy.clone()]).unwrap();
    let config = around::SurroundingsConfig::new(Tenant::new(4), book);
    let server = around::SurroundingsServer::new(config).unwrap();
    // A terminal with the very name of the vehicle, and a request with the very id.
    let terminal = around::TerminalId::new("1M8GDM9AXKP042788").unwrap();
    let keys =
        around::TerminalKeys::new(around::TokenKey::derive(&Secret::new([7; 32]), 1, &terminal));
    let report = around::Report {
        taken: now,
        zone: "UTC".into(),
        nonce: None,
        scanned: around::Scanned::ALL,
        neighbours: vec![],
    };
    let when = policy.grid().moment(&port::Zone::utc(), now);
    let scan = || around::Scan::take(&report, &keys, when, None);
    let before = device.store.inner.snapshot().rows;
    let challenge = server.challenge(now, terminal.clone(), [1; 32]);
    let _ = device.run(challenge);
    let _ = device.run(server.learn(now, terminal.clone(), [1; 16], scan()));
    let all = tables(&device);
    assert_eq!(driving, [0x30, 0x31, 0x32, 0x33, 0x3f].into());
    assert_eq!(
        all.difference(&driving).copied().collect::<Vec<_>>(),
        [0x20, 0x21, 0x22, 0x23, 0x24]
    );
    while !device.run(server.forget(now, terminal.clone())).verdict.is_done {}
    assert_eq!(
        device.store.inner.snapshot().rows,
        before,
        "forgetting a terminal leaves the vehicle"
    );
}

/// Whatever comes in whatever order, with a clock that jumps: rows stay readable, nothing is known of a vehicle that is not
/// registered, and each level has one notice.
#[test]
fn any_sequence_of_decisions_keeps_the_rows_whole() {
    let (mut levels, mut windows, mut confirmed, mut actives) = (0, 0, 0, 0);
    for seed in 1..=80_u64 {
        let mut device = Device::new();
        let draft =
            RulesDraft { learn_days: 4, learn_hours: 0, preset_s: 60, ..RulesDraft::default() };
        let mut config = device.server.config().clone();
        config.rules = Rules::new(&draft).unwrap();
        device.server = DrivingServer::new(config).unwrap();
        let (mut rng, mut now) = (Rng::new(seed), REQUEST);
        for step in 0..250_u64 {
            now = match rng.below(12) {
                0 if rng.below(3) == 0 => now.plus_ms(rng.below(30) * DAY_MS / 10),
                1 => now.minus_ms(rng.below(4_000)),
                _ => now.plus_ms(600_000 + rng.below(3_600_000)),
            };
            let id = [u8::try_from(step / 3).unwrap(); 16];
            let event = match rng.below(30) {
                0 => Some(Event::Suspend),
                1 if rng.below(3) == 0 => Some(Event::Revoke),
                2..=4 => Some(Event::Resume),
                5..=7 => Some(Event::Accept),
                8..=10 => Some(CLOSE),
                _ => None,
            };
            let mut fates = vec![];
            macro_rules! run {
                ($decision:expr) => {{
                    let mut decision = $decision;
                    let told = decide(&device.store, &device.keys, &mut decision);
                    fates.push(told.as_ref().err().map(|failed| format!("{failed:?}")));
                    told.ok().map(|told| told.verdict)
                }};
            }
            match (event, rng.below(16)) {
                (Some(event), _) => _ = run!(device.server.change(now, car(), event)),
                (None, 0) => {
                    _ = run!(device.server.apply(now, car(), &device.signer.verifying_key()))
                }
                (None, 1..=8) => {
                    let readings = (0..40).flat_map(|n| {
                        let at = now.minus_ms((39 - n) * 3_000);
                        let mut value = |half| i32::try_from(rng.below(half)).unwrap();
                        let [speed, steering] = [6_000 + value(400), 300 + value(60)];
                        [(Attribute::CruiseSpeed, speed), (Attribute::SteeringRate, steering)]
                            .map(|(attribute, value)| Reading::new(at, attribute, value))
                    });
                    let mut readings: Vec<Reading> = readings.collect();
                    readings.insert(0, Reading::new(now.minus_ms(117_000), Attribute::SeatSlot, 1));
                    readings
                        .insert(0, Reading::new(now.minus_ms(117_000), Attribute::MirrorSlot, 2));
                    let samples = Samples::new(car(), device.counter, readings).unwrap();
                    device.counter += 82;
                    let signature = device.signer.sign(&samples.signed_bytes());
                    _ = run!(device.server.record(now, samples, signature));
                    match rng.below(2) {
                        0 => {
                            let driver = Driver::new(u8::from(rng.below(4) == 0)).unwrap();
                            let mut window = [0; 16];
                            window[..8].copy_from_slice(&rng.below(u64::MAX).to_be_bytes());
                            let learned = run!(device.server.learn(now, car(), driver, window));
                            windows +=
                                u32::from(learned.is_some_and(|it| it == Verdict::Granted(())));
                        }
                        _ => {
                            let ask = EvaluateRequest { id, ..request(1) };
                            let told = run!(device.server.evaluate(now, ask));
                            levels += u32::from(told.is_some_and(|it| it.declined().is_none()));
                        }
                    }
                }
                (None, 9..=12) => {
                    let told = run!(device.server.confirm(now, car(), id));
                    confirmed +=
                        u32::from(told.is_some_and(|it| it == Verdict::Granted(Taken::Learned)));
                }
                (None, 13) => {
                    _ = run!(device.server.take_back(now, car(), now.minus_ms(3 * DAY_MS)))
                }
                (None, _) => {
                    let tables = [PurgeTable::Requests, PurgeTable::Revoked, PurgeTable::Stretches];
                    let table = tables[usize::try_from(rng.below(3)).unwrap()];
                    let mut purge = device.server.purge(now, table, None);
                    let told = decide(&device.store, &device.keys, &mut purge);
                    fates.push(told.err().map(|failed| format!("{failed:?}")));
                }
            }
            for failed in fates.into_iter().flatten() {
                assert!(failed.contains("Clock"), "seed {seed}, step {step}: {failed}");
            }
            // What is there can be read, and is there only where it may be.
            let known = device.rows(Key::new(port::CrateTag::RISK_CORE, Tenant::new(4), 0x30));
            let state =
                known.first().map(|row| Registration::parse(&row.value[33..]).unwrap().state());
            actives += u32::from(state == Some(State::Active));
            let habits = device.habits();
            for row in &habits {
                assert!(Habits::parse(&row.value).is_ok(), "seed {seed}, step {step}");
            }
            let learns = matches!(
                state,
                Some(
                    State::Learning
                        | State::Active
                        | State::Suspended(Before::Learning | Before::Active)
                )
            );
            assert!(learns || habits.is_empty(), "seed {seed}, step {step}: {state:?}");
            let mut ids: Vec<_> = device.outbox().iter().map(|entry| entry.idempotency).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), count);
        }
    }
    let counts = format!("{levels} levels, {windows} windows, {confirmed} trips, {actives} active");
    assert!(levels > 100 && windows > 400 && confirmed > 10 && actives > 500, "{counts}");
}
