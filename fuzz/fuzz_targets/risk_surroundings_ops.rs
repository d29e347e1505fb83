//! Any sequence of decisions about two terminals, over a store whose commits get lost, come late, come twice or end unknown:
//! what is known follows from what was confirmed, and damaged rows are reported, never a panic.

#![no_main]

use interbank_risk_core::surroundings::*;
use interbank_simkit::{Fate, Faults, FaultyStore};
use libfuzzer_sys::fuzz_target;
use port::blocking::{Store as _, decide};
use port::{Batch, DecideError, Decision, Expect, Key, Row, Tenant, Time, Zone};
use seal::{Secret, SoftKeys};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fuzz_target!(|bytes: &[u8]| {
    static SERVER: OnceLock<SurroundingsServer> = OnceLock::new();
    let mut play = Play::new(SERVER.get_or_init(server));
    // Every operation takes three bytes: which, on what, and what becomes of its commit.
    for operation in bytes.chunks_exact(3).take(64) {
        play.perform(operation[0], operation[1], operation[2]);
        play.check();
    }
    play.finish();
});

/// A whole day is one period, so that many scans meet in it.
fn server() -> SurroundingsServer {
    let dwell = |from_s, to_s| TypeDraft { from_s, to_s, weight: 1, unknown: Unknown::new() };
    let mut draft = PolicyDraft::default();
    (draft.grid.fold, draft.grid.slot_min) = ("day".into(), 1_440);
    draft.types = vec![dwell(0, 3_600), dwell(3_600, 86_400)];
    let book = PolicyBook::new(vec![Policy::new(draft).unwrap()]).unwrap();
    SurroundingsServer::new(SurroundingsConfig::new(Tenant::new(1), book)).unwrap()
}

struct Play<'s> {
    server: &'s SurroundingsServer,
    store: FaultyStore,
    now: Time,
    draws: u8,
    key_id: u8,
    nonces: [Option<Nonce>; 2],
    sent: Vec<CheckRequest>,
    /// What each request came to.
    judged: BTreeMap<(u8, u8), Assessment>,
    /// Requests whose scan was learned.
    confirmed: BTreeSet<(u8, u8)>,
    damaged: bool,
}

impl<'s> Play<'s> {
    fn new(server: &'s SurroundingsServer) -> Self {
        Self {
            server,
            store: FaultyStore::new(Faults::None),
            now: Time::from_s(1_700_001_000),
            draws: 0,
            key_id: 1,
            nonces: [None; 2],
            sent: Vec::new(),
            judged: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            damaged: false,
        }
    }

    fn perform(&mut self, op: u8, on: u8, fate: u8) {
        self.store.set_faults(Faults::commits([(1, fate_of(fate))]));
        let calm = self.store.pending() == 0 && !self.damaged;
        let before = self.rows();
        let who = on & 1;
        match op % 16 {
            0 | 1 => self.challenge(who),
            2..=4 => self.check_new(who, on),
            5 => self.check_again(on),
            6 | 7 => self.confirm(who, on),
            8 | 9 => self.learn(who, on),
            10 => self.revoke(who, on),
            11 => _ = self.decide(self.server.reinstate(self.now, terminal(who))),
            12 => self.purge(on),
            13 if on > 200 => self.forget(who),
            13 => self.key_id = self.key_id.saturating_add(1 + u8::from(on > 150)),
            14 if on & 3 == 0 => self.now = self.now.minus_ms(u64::from(on) * 20),
            14 => self.now = self.now.plus_ms(u64::from(on) * u64::from(on) * 15_000),
            _ => self.damage(on, fate),
        }
        if self.store.is_down() {
            self.store.restart(fate & 0x80 != 0);
        }
        let after = self.rows();
        if !calm || self.damaged {
            return;
        }
        let of = |rows: &[(Key, Row)], table: Option<u8>, who: u8| -> Vec<(Key, Row)> {
            let name = terminal(who);
            let named = |key: &Key| {
                key.as_bytes()[Key::HEAD_BYTES..].windows(7).any(|part| part == name.as_bytes())
            };
            let all = rows.iter().filter(|(key, _)| table.is_none_or(|it| table_of(key) == it));
            all.filter(|(key, _)| named(key)).cloned().collect()
        };
        if op % 16 != 12 && op % 16 != 5 {
            let other = 1 - who;
            assert_eq!(of(&before, None, other), of(&after, None, other), "of the other terminal");
        }
        // Neither a challenge nor a check teaches anything.
        if op % 16 <= 5 {
            for table in [PROFILE, HISTORY] {
                assert_eq!(of(&before, Some(table), who), of(&after, Some(table), who));
            }
        }
    }

    fn challenge(&mut self, who: u8) {
        self.draws = self.draws.wrapping_add(1);
        let set = self.server.challenge(self.now, terminal(who), [self.draws; 32]);
        if let Some(set) = self.decide(set) {
            self.nonces[usize::from(who)] = Some(set.verdict.nonce);
        }
    }

    fn check_new(&mut self, who: u8, on: u8) {
        let request = CheckRequest {
            id: [on >> 1 & 7; 16],
            terminal: terminal(who),
            scan: self.scan(who, on),
            amount_minor: i64::from(on) * 100,
            account_limit_minor: None,
            population: None,
        };
        self.sent.push(request.clone());
        self.check_one(request);
    }

    fn check_again(&mut self, on: u8) {
        if let Some(request) = self.sent.get(usize::from(on) % self.sent.len().max(1)) {
            self.check_one(request.clone());
        }
    }

    fn check_one(&mut self, request: CheckRequest) {
        let named = (request.terminal.as_bytes()[6], request.id[0]);
        let Some(told) = self.decide(self.server.check(self.now, request)) else { return };
        let Some(checked) = told.verdict.granted() else { return };
        if self.damaged {
            return;
        }
        let first = self.judged.entry(named).or_insert(checked.assessment);
        assert_eq!(*first, checked.assessment, "one request, two outcomes");
    }

    fn confirm(&mut self, who: u8, on: u8) {
        let id = on >> 1 & 7;
        let confirm = self.server.confirm(self.now, terminal(who), [id; 16]);
        if let Some(told) = self.decide(confirm) {
            self.told(who, id, told.verdict);
        }
    }

    fn learn(&mut self, who: u8, on: u8) {
        // Ids of their own: whether one was judged does not matter here.
        let id = 8 | on >> 1 & 7;
        let learn = self.server.learn(self.now, terminal(who), [id; 16], self.scan(who, on));
        if let Some(told) = self.decide(learn) {
            self.told(who, id, told.verdict);
        }
    }

    fn told(&mut self, who: u8, id: u8, verdict: Verdict<Learned>) {
        let Some(learned) = verdict.granted() else { return };
        let first = self.confirmed.insert((terminal(who).as_bytes()[6], id));
        assert!(first || learned.repeated || self.damaged, "one scan, learned twice");
    }

    fn revoke(&mut self, who: u8, on: u8) {
        let from = self.now.minus_ms(u64::from(on) * 3_600_000);
        let revoke = self.server.revoke(self.now, terminal(who), from, None);
        if self.decide(revoke).is_none() || self.damaged || self.store.pending() > 0 {
            return;
        }
        for (key, row) in self.rows() {
            if table_of(&key) == HISTORY
                && key.as_bytes().windows(7).any(|part| part == terminal(who).as_bytes())
            {
                let last = History::parse(&row.value).unwrap().last();
                assert!(last.is_none_or(|last| last < from), "revoked and still known");
            }
        }
    }

    fn purge(&mut self, on: u8) {
        let tables = [PurgeTable::Challenges, PurgeTable::Periods, PurgeTable::Requests];
        _ = self.decide(self.server.purge(self.now, tables[usize::from(on % 3)], None));
    }

    fn forget(&mut self, who: u8) {
        _ = self.decide(self.server.forget(self.now, terminal(who)));
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

    fn scan(&self, who: u8, on: u8) -> Scan {
        let found = |n: u8| {
            let address = Address::octets(Protocol::Wifi, [0, 0, 0x5e, 0, n, n.wrapping_mul(16)]);
            Observation::new(address, Relation::InRange).dwelling_s(u32::from(n) * 600)
        };
        let taken = self.now.minus_ms(u64::from(on & 15) * 200);
        let report = Report {
            taken,
            zone: "UTC".into(),
            nonce: self.nonces[usize::from(who)].filter(|_| on & 0x70 != 0x70),
            scanned: Scanned::ALL,
            neighbours: (on >> 4..(on >> 4) + (on & 15)).map(found).collect(),
        };
        let key = |id| TokenKey::derive(&Secret::new([7; 32]), id, &terminal(who));
        let keys = if self.key_id > 1 && on & 8 == 0 {
            TerminalKeys::rotating(key(self.key_id), key(self.key_id - 1)).unwrap()
        } else {
            TerminalKeys::new(key(self.key_id))
        };
        let grid = self.server.config().policies.at(self.now).unwrap().grid();
        Scan::take(&report, &keys, grid.moment(&Zone::utc(), taken), None)
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
        let learning = self.server.config().policies.at(self.now).unwrap().learning();
        let profiles: BTreeMap<&[u8], &Row> = rows
            .iter()
            .filter(|(key, _)| table_of(key) == PROFILE)
            .map(|(key, row)| (&key.as_bytes()[Key::HEAD_BYTES..], row))
            .collect();
        let mut histories = 0;
        for (key, row) in rows.iter().filter(|(key, _)| table_of(key) == HISTORY) {
            let history = History::parse(&row.value).unwrap();
            let mut bytes = Vec::new();
            history.current(&learning).encode(&mut bytes);
            let beside = profiles.get(&key.as_bytes()[Key::HEAD_BYTES..]);
            assert_eq!(beside.map(|row| &row.value[..]), Some(&bytes[..]));
            histories += 1;
        }
        assert_eq!(histories, profiles.len(), "a profile without its history");
        // What was purged may be asked anew.
        let kept: BTreeSet<(u8, u8)> = rows
            .iter()
            .filter(|(key, _)| table_of(key) == REQUEST)
            .map(|(key, _)| {
                let bytes = key.as_bytes();
                (bytes[bytes.len() - 17], bytes[bytes.len() - 1])
            })
            .collect();
        self.judged.retain(|named, _| kept.contains(named));
        self.confirmed.retain(|named| kept.contains(named));
    }

    /// All that was late arrives; every request still has the outcome that it had.
    fn finish(&mut self) {
        self.store.settle();
        self.store.set_faults(Faults::None);
        self.check();
        for request in core::mem::take(&mut self.sent) {
            self.check_one(request);
        }
        self.check();
    }
}

fn terminal(who: u8) -> TerminalId {
    TerminalId::new(if who == 0 { "phone-1" } else { "phone-2" }).unwrap()
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

const PROFILE: u8 = 0x22;
const HISTORY: u8 = 0x23;
const REQUEST: u8 = 0x24;
