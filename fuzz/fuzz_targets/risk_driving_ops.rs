//! Any sequence of decisions about two vehicles, over a store whose commits get lost, come late, come twice or end unknown:
//! habits follow from what was confirmed, each request has one level, and damaged rows are reported, never a panic.

#![no_main]

use interbank_risk_core::driving::*;
use interbank_simkit::{Fate, Faults, FaultyStore};
use libfuzzer_sys::fuzz_target;
use port::blocking::{Store as _, decide};
use port::outbox::Entry;
use port::{
    Amount, Batch, Currency, DecideError, Decision, Expect, Key, MemoryStore, Peer, Row, Snapshot,
    Tenant, Time,
};
use seal::{Secret, SigningKey, SoftKeys};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    static BANK: OnceLock<Bank> = OnceLock::new();
    let mut play = Play::new(BANK.get_or_init(Bank::new));
    // Every operation takes three bytes: which, on what, and what becomes of its commit.
    for operation in bytes.chunks_exact(3).take(40) {
        play.perform(operation[0], operation[1], operation[2]);
        play.check();
    }
    play.finish();
});

struct Bank {
    server: DrivingServer,
    signer: SigningKey,
    /// The first vehicle is active, the second one is learning.
    start: Snapshot,
    counters: [u64; 2],
    now: Time,
}

impl Bank {
    fn new() -> Self {
        let draft =
            RulesDraft { learn_days: 4, learn_hours: 0, preset_s: 60, ..RulesDraft::default() };
        let platform = Peer::new("platform").unwrap();
        let config = DrivingConfig::new(Tenant::new(4), Rules::new(&draft).unwrap(), platform);
        let server = DrivingServer::new(config).unwrap();
        let signer = SigningKey::from_seed(&Secret::new([9; 32]));
        let (store, mut counters) = (MemoryStore::new(), [0; 2]);
        let mut now = Time::from_ms(1_700_000_000_000);
        fn run<D: Decision>(store: &MemoryStore, mut decision: D) {
            assert!(decide(store, &SoftKeys::new(), &mut decision).is_ok());
        }
        for who in 0..2 {
            run(&store, server.apply(now, car(who), &signer.verifying_key()));
            run(&store, server.change(now, car(who), Event::Accept));
        }
        for trip in 1..=12_u8 {
            now = now.plus_ms(DAY_MS / 2);
            for who in 0..2_u8 {
                let samples = drive(now, who, trip, &mut counters[usize::from(who)]);
                let signature = signer.sign(&samples.signed_bytes());
                run(&store, server.record(now, samples, signature));
                run(&store, server.learn(now, car(who), Driver::FIRST, [trip; 16]));
            }
        }
        run(&store, server.change(now, car(0), Event::Close { ready: 0 }));
        Self { server, signer, start: store.snapshot(), counters, now }
    }
}

struct Play<'b> {
    bank: &'b Bank,
    store: FaultyStore,
    now: Time,
    counters: [u64; 2],
    windows: u8,
    sent: Vec<EvaluateRequest>,
    recorded: Vec<(Samples, [u8; 64])>,
    /// What each request came to.
    levels: BTreeMap<(u8, u8), LevelNotice>,
    damaged: bool,
}

impl<'b> Play<'b> {
    fn new(bank: &'b Bank) -> Self {
        Self {
            bank,
            store: FaultyStore::over(&bank.start, Faults::None),
            now: bank.now,
            counters: bank.counters,
            windows: 100,
            sent: Vec::new(),
            recorded: Vec::new(),
            levels: BTreeMap::new(),
            damaged: false,
        }
    }

    fn perform(&mut self, op: u8, on: u8, fate: u8) {
        self.store.set_faults(Faults::commits([(1, fate_of(fate))]));
        let calm = self.store.pending() == 0 && !self.damaged;
        let before = self.rows();
        let who = on & 1;
        let server = &self.bank.server;
        match op % 16 {
            0..=2 => self.record(who, on),
            3 => self.record_again(on),
            4..=6 => self.evaluate(who, on),
            7 => self.evaluate_again(on),
            8 | 9 => _ = self.decide(server.confirm(self.now, car(who), [on >> 1 & 7; 16])),
            10 => self.learn(who, on),
            11 => self.change(who, on),
            12 => {
                let from = self.now.minus_ms(u64::from(on) * DAY_MS / 16);
                _ = self.decide(server.take_back(self.now, car(who), from));
            }
            13 => {
                let tables = [PurgeTable::Requests, PurgeTable::Revoked, PurgeTable::Stretches];
                _ = self.decide(server.purge(self.now, tables[usize::from(on) % 3], None));
            }
            14 if on & 7 == 0 => self.now = self.now.minus_ms(u64::from(on) * 15),
            14 => self.now = self.now.plus_ms(u64::from(on) * u64::from(on) * 10_000),
            _ => self.damage(on, fate),
        }
        if self.store.is_down() {
            self.store.restart(fate & 0x80 != 0);
        }
        if !calm || self.damaged {
            return;
        }
        let after = self.rows();
        let of = |rows: &[(Key, Row)], table: Option<u8>, who: u8| -> Vec<(Key, Row)> {
            let name = car(who);
            let named = |key: &Key| {
                let parts = key.as_bytes().get(Key::HEAD_BYTES..).unwrap_or_default();
                parts.windows(5).any(|part| part == name.as_bytes())
            };
            let all = rows.iter().filter(|(key, _)| match table {
                Some(table) => table_of(key) == table,
                None => table_of(key) != OUTBOX,
            });
            all.filter(|(key, _)| named(key)).cloned().collect()
        };
        if ![3, 7, 13].contains(&(op % 16)) {
            let other = 1 - who;
            assert_eq!(of(&before, None, other), of(&after, None, other), "of the other vehicle");
        }
        // Neither driving nor paying teaches anything by itself.
        if op % 16 <= 7 {
            for who in 0..2 {
                assert_eq!(of(&before, Some(HABITS), who), of(&after, Some(HABITS), who));
            }
        }
    }

    fn record(&mut self, who: u8, on: u8) {
        self.now = self.now.plus_ms(200_000);
        let samples = drive(self.now, who, on >> 1, &mut self.counters[usize::from(who)]);
        let mut signature = self.bank.signer.sign(&samples.signed_bytes());
        if on > 250 {
            signature[5] ^= 1;
        }
        self.recorded.push((samples.clone(), signature));
        let record = self.bank.server.record(self.now, samples, signature);
        let told = self.decide(record);
        if on > 250 && !self.damaged {
            assert!(told.is_none_or(|told| told.verdict.granted().is_none()), "not signed");
        }
    }

    fn record_again(&mut self, on: u8) {
        let at = usize::from(on) % self.recorded.len().max(1);
        let Some((samples, signature)) = self.recorded.get(at).cloned() else { return };
        _ = self.decide(self.bank.server.record(self.now, samples, signature));
    }

    fn evaluate(&mut self, who: u8, on: u8) {
        let amount = Amount::new(i64::from(on) * 10, Currency::parse("EUR").unwrap());
        let request = EvaluateRequest { id: [on >> 1 & 7; 16], vehicle: car(who), amount };
        self.sent.push(request.clone());
        self.evaluate_one(request);
    }

    fn evaluate_again(&mut self, on: u8) {
        if let Some(request) = self.sent.get(usize::from(on) % self.sent.len().max(1)) {
            self.evaluate_one(request.clone());
        }
    }

    fn evaluate_one(&mut self, request: EvaluateRequest) {
        let named = (request.vehicle.as_bytes()[4], request.id[0]);
        let told = self.decide(self.bank.server.evaluate(self.now, request.clone()));
        let Some(evaluated) = told.and_then(|told| told.verdict.granted()) else { return };
        if self.damaged {
            return;
        }
        let notice = evaluated.notice;
        assert_eq!((&notice.vehicle, notice.amount), (&request.vehicle, request.amount));
        let first = self.levels.entry(named).or_insert_with(|| notice.clone());
        assert_eq!(*first, notice, "one request, two levels");
    }

    fn learn(&mut self, who: u8, on: u8) {
        self.windows = self.windows.wrapping_add(on & 2);
        let driver = Driver::new(u8::from(on > 200)).unwrap();
        let learn = self.bank.server.learn(self.now, car(who), driver, [self.windows; 16]);
        _ = self.decide(learn);
    }

    fn change(&mut self, who: u8, on: u8) {
        let server = &self.bank.server;
        let event = match on >> 1 & 7 {
            0 | 1 => Event::Suspend,
            2 | 3 => Event::Resume,
            4 => Event::Accept,
            5 => Event::Close { ready: 0 },
            6 => Event::Revoke,
            _ => {
                let key = self.bank.signer.verifying_key();
                _ = self.decide(server.apply(self.now, car(who), &key));
                return;
            }
        };
        _ = self.decide(server.change(self.now, car(who), event));
    }

    /// One byte of one row changes, or its end is cut: from here on nothing is right any more, and nothing may panic.
    fn damage(&mut self, on: u8, how: u8) {
        let rows = self.rows();
        if how < 192 || rows.is_empty() {
            return;
        }
        let (key, row) = &rows[usize::from(on) % rows.len()];
        let mut value = row.value.to_vec();
        let at = usize::from(how).wrapping_mul(31) % value.len().max(1);
        if on & 1 == 0 {
            value.truncate(at);
        } else if let Some(byte) = value.get_mut(at) {
            *byte ^= how;
        }
        self.damaged = true;
        let mut batch = Batch::new();
        batch.put(key.clone(), Expect::Any, value);
        self.store.set_faults(Faults::None);
        assert!(self.store.commit(&batch).is_ok());
    }

    fn decide<D: Decision<Error = Error>>(&self, mut decision: D) -> Option<D::Verdict> {
        match decide(&self.store, &SoftKeys::new(), &mut decision) {
            Ok(verdict) => Some(verdict),
            Err(DecideError::Store(_) | DecideError::Unknown(_) | DecideError::Busy) => None,
            Err(DecideError::Decision(Error::Clock(_))) => None,
            Err(why) => {
                assert!(self.damaged, "{why:?}");
                None
            }
        }
    }

    fn rows(&self) -> Vec<(Key, Row)> {
        self.store.snapshot().rows
    }

    fn check(&mut self) {
        if self.damaged {
            return;
        }
        let rows = self.rows();
        let mut owed = BTreeSet::new();
        for (key, row) in &rows {
            match table_of(key) {
                VEHICLE => assert!(Registration::parse(&row.value[33..]).is_ok()),
                HABITS => assert!(Habits::parse(&row.value).is_ok()),
                OUTBOX => {
                    let entry = Entry::parse(&row.value).unwrap();
                    assert!(owed.insert(entry.idempotency), "one level, told twice");
                }
                _ => {}
            }
        }
        // What was purged may be asked anew.
        let kept: BTreeSet<(u8, u8)> = rows
            .iter()
            .filter(|(key, _)| table_of(key) == REQUEST)
            .map(|(key, _)| {
                let bytes = key.as_bytes();
                (bytes[bytes.len() - 17], bytes[bytes.len() - 1])
            })
            .collect();
        self.levels.retain(|named, _| kept.contains(named));
    }

    /// All that was late arrives; every request still has the outcome that it had.
    fn finish(&mut self) {
        self.store.settle();
        self.store.set_faults(Faults::None);
        self.check();
        for request in core::mem::take(&mut self.sent) {
            self.evaluate_one(request);
        }
        self.check();
    }
}

/// Two minutes up to now.
fn drive(now: Time, who: u8, style: u8, counter: &mut u64) -> Samples {
    let style = i32::from(style);
    let mut readings = vec![
        Reading::new(now.minus_ms(117_000), Attribute::SeatSlot, style % 4),
        Reading::new(now.minus_ms(117_000), Attribute::MirrorSlot, 2),
    ];
    for n in 0..40_i32 {
        let at = now.minus_ms(u64::try_from(39 - n).unwrap() * 3_000);
        let [speed, steering] = [6_000 + 20 * style + n * 7 % 13, 300 + style + n * 5 % 11];
        readings.push(Reading::new(at, Attribute::CruiseSpeed, speed));
        readings.push(Reading::new(at, Attribute::SteeringRate, steering));
    }
    let samples = Samples::new(car(who), *counter, readings).unwrap();
    *counter += samples.readings().len() as u64;
    samples
}

fn car(who: u8) -> VehicleId {
    VehicleId::new(if who == 0 { "car-1" } else { "car-2" }).unwrap()
}

fn table_of(key: &Key) -> u8 {
    key.as_bytes()[Key::HEAD_BYTES - 1]
}

fn fate_of(byte: u8) -> Fate {
    match byte & 15 {
        0 => Fate::Conflict,
        1 => Fate::NotApplied,
        2 => Fate::UnknownApplied,
        3 => Fate::UnknownLost,
        4 => Fate::UnknownLate(u32::from(byte >> 4)),
        5 => Fate::CrashBefore,
        6 => Fate::CrashAfter,
        7 => Fate::CrashUnsynced,
        _ => Fate::Honest,
    }
}

const DAY_MS: u64 = 86_400_000;
const VEHICLE: u8 = 0x30;
const HABITS: u8 = 0x32;
const REQUEST: u8 = 0x33;
const OUTBOX: u8 = 0x3F;
