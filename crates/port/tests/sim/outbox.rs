//! Two outboxes drain one prefix through storms and crashes.

use interbank_port::outbox::{Answer, Config, Entry, Event, Outbox};
use interbank_port::{
    Batch, Bytes, Commit, CrateTag, Expect, Input, Key, KeyAnswer, KeyQuestion, Machine, Peer,
    ReadSet, Row, Scan, Tenant, Time, blocking, blocking::Store,
};
use simkit::{Failure, Faults, FaultyStore, LossyLink, Odds, Parcel, Rng, SimClock, Weather};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

type Id = [u8; 32];

const CONFIG: Config = Config {
    in_flight_max: 3,
    page_rows: 4,
    poll_ms: 2_000,
    retry_ms: 400,
    retry_max_ms: 3_000,
    stuck_after: 4,
};

/// Acts once for each key, however often it comes, and answers the same each time.
#[derive(Default)]
struct Ledger {
    acted: BTreeMap<Id, u32>,
    seen: u32,
}

impl Ledger {
    fn on_frame(&mut self, frame: &[u8]) -> Vec<u8> {
        let entry = Entry::parse(frame).unwrap();
        self.seen += 1;
        let number = u32::try_from(self.acted.len()).unwrap();
        let number = *self.acted.entry(entry.idempotency).or_insert(number);
        // Every third obligation is answered with content, which the bank has to decide on.
        let content = if entry.content[0].is_multiple_of(3) {
            Bytes::copy_from_slice(&number.to_be_bytes())
        } else {
            Bytes::new()
        };
        let mut bytes = Vec::new();
        Answer { idempotency: entry.idempotency, content }.encode(&mut bytes).unwrap();
        bytes
    }
}

struct World {
    rng: Rng,
    clock: SimClock,
    store: FaultyStore,
    outboxes: [Outbox; 2],
    to_core: LossyLink,
    to_bank: LossyLink,
    core: Ledger,
    /// Obligations whose commit was acknowledged, and those of unknown fate.
    promised: BTreeSet<Id>,
    perhaps: BTreeSet<Id>,
    delivered: BTreeMap<Id, u32>,
    made: u64,
    /// What the store had changed and the peer had seen at the last check.
    checked: (u64, u32),
}

impl World {
    fn new(seed: u64) -> Self {
        let rng = Rng::new(seed);
        let link = |name: &str| {
            let me = Peer::new(name).unwrap();
            LossyLink::new(me, rng.fork(name), Weather::STORM)
        };
        Self {
            clock: SimClock::new(Time::from_s(1_000), 2_000),
            store: FaultyStore::new(Faults::seeded(rng.fork("faults"), Odds::ROUGH)),
            outboxes: [(); 2].map(|()| Outbox::new(prefix(), CONFIG)),
            to_core: link("bank"),
            to_bank: link("core"),
            core: Ledger::default(),
            promised: BTreeSet::new(),
            perhaps: BTreeSet::new(),
            delivered: BTreeMap::new(),
            made: 0,
            checked: (0, 0),
            rng,
        }
    }

    /// A decision that owes something.
    fn owe(&mut self) {
        self.made += 1;
        let idempotency: Id = self.rng.bytes();
        let to = Peer::new("core").unwrap();
        let content = Bytes::copy_from_slice(&self.made.to_be_bytes()[7..]);
        let entry = Entry { idempotency, to, created: self.clock.now(), content };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        let mut batch = Batch::new();
        batch.put(entry.key(prefix()).unwrap(), Expect::Absent, bytes);
        match self.store.commit(&batch) {
            Ok(Commit::Applied(_)) => {
                self.promised.insert(idempotency);
                let which = self.rng.index(2);
                self.outboxes[which].nudge(self.clock.now());
            }
            Ok(Commit::Conflict) => {}
            Err(_) => {
                self.perhaps.insert(idempotency);
            }
        }
    }

    fn drain(&mut self, which: usize) -> Result<(), Failure> {
        let now = self.clock.now();
        let outbox = &mut self.outboxes[which];
        let drained = blocking::drain(outbox, now, &self.store, &self.to_core, &NoKeys)
            .map_err(|why| why.to_string())?;
        for event in drained.events {
            match event {
                Event::Delivered { idempotency } => self.count(idempotency)?,
                Event::Answered { key, version, entry, content } => {
                    self.decide(which, key, Expect::At(version), &entry, &content)?;
                }
                Event::Damaged { .. } => return Err("a row was damaged".into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// What the embedder does about an answer with content: a receipt, and the entry's row goes, in one batch.
    fn decide(
        &mut self,
        which: usize,
        key: Key,
        expect: Expect,
        entry: &Entry,
        content: &[u8],
    ) -> Result<(), Failure> {
        if self.core.acted.get(&entry.idempotency).map(|n| n.to_be_bytes())
            != content.try_into().ok()
        {
            return Err("an answer that nobody gave".into());
        }
        let receipt = receipts().raw(&entry.idempotency).unwrap();
        let mut batch = Batch::new();
        batch.put(receipt.clone(), Expect::Absent, content.to_vec()).delete(key, expect);
        let settled = match self.store.commit(&batch) {
            Ok(Commit::Applied(_)) => {
                self.count(entry.idempotency)?;
                true
            }
            // Somebody was here before, or nobody knows: the receipt tells.
            _ => match self.store.read(&ReadSet::points([receipt])) {
                Ok(rows) => rows.points[0].is_some(),
                Err(_) => false,
            },
        };
        if settled {
            self.outboxes[which].settled(&entry.idempotency);
        }
        Ok(())
    }

    fn count(&mut self, idempotency: Id) -> Result<(), Failure> {
        let times = self.delivered.entry(idempotency).or_default();
        *times += 1;
        if *times > 1 { Err("one row was deleted twice".into()) } else { Ok(()) }
    }

    fn deliver(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        for Parcel { frame, .. } in self.to_core.deliver(now) {
            let answer = self.core.on_frame(&frame);
            // A link that refuses an answer loses it; the entry comes again.
            let _ =
                blocking::Link::send(&self.to_bank, &Peer::new("bank").unwrap(), &answer.into());
        }
        for Parcel { from, frame, .. } in self.to_bank.deliver(now) {
            for which in 0..2 {
                let input = Input::Frame { from: &from, bytes: &frame };
                self.outboxes[which].handle(now, input).map_err(|why| why.to_string())?;
                self.drain(which)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, owing: bool) -> Result<(), Failure> {
        match self.rng.below(10) {
            0..=2 if owing => self.owe(),
            3 if owing => self.outboxes[self.rng.index(2)] = Outbox::new(prefix(), CONFIG),
            4..=6 => self.deliver()?,
            _ => self.clock.wander(&mut self.rng, 4_000),
        }
        for which in 0..2 {
            let now = self.clock.now();
            if self.outboxes[which].next_deadline().is_some_and(|deadline| deadline <= now) {
                self.outboxes[which].handle(now, Input::Tick).map_err(|why| why.to_string())?;
            }
            self.drain(which)?;
            if self.outboxes[which].in_flight() > CONFIG.in_flight_max {
                return Err("more in flight than there may be".into());
            }
        }
        if self.store.is_down() && self.rng.chance(1, 3) {
            self.store.restart_seeded(&mut self.rng);
            self.outboxes = [(); 2].map(|()| Outbox::new(prefix(), CONFIG));
        }
        self.check()
    }

    /// Nothing that was promised is lost, and nothing is done that nobody decided.
    fn check(&mut self) -> Result<(), Failure> {
        let state = (self.store.changes(), self.core.seen);
        if std::mem::replace(&mut self.checked, state) == state {
            return Ok(());
        }
        let waiting = self.waiting();
        let lost = self
            .promised
            .iter()
            .find(|id| !waiting.contains(*id) && !self.core.acted.contains_key(*id));
        if lost.is_some() {
            return Err("an entry is gone before anybody acted on it".into());
        }
        let decided = |id: &Id| self.promised.contains(id) || self.perhaps.contains(id);
        if self.core.acted.keys().all(decided) {
            Ok(())
        } else {
            Err("acted without a decision".into())
        }
    }

    fn waiting(&self) -> BTreeSet<Id> {
        self.rows(&prefix())
            .iter()
            .map(|row| Entry::parse(&row.value).unwrap().idempotency)
            .collect()
    }

    fn rows(&self, prefix: &Key) -> Vec<Row> {
        let rows = self.store.snapshot().rows.into_iter();
        rows.filter(|(key, _)| key.starts_with(prefix)).map(|(_, row)| row).collect()
    }
}

fn prefix() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

fn receipts() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 2)
}

struct NoKeys;

impl blocking::Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

#[test]
fn every_obligation_is_met_once() {
    let (mut acted, mut doubles) = (0, 0);
    let ran = simkit::run(env!("CARGO_PKG_NAME"), "every obligation is met once", 300, |seed| {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.turn(true)?;
        }
        // The storm is over: everything that is owed gets through.
        if world.store.is_down() {
            world.store.restart_seeded(&mut world.rng);
        }
        world.store.settle();
        world.store.set_faults(Faults::None);
        world.to_core.set_weather(Weather::FAIR);
        world.to_bank.set_weather(Weather::FAIR);
        let mut turns = 0;
        while !world.waiting().is_empty() || world.outboxes.iter().any(|one| one.in_flight() > 0) {
            world.turn(false)?;
            turns += 1;
            if turns > 2_000 {
                return Err(format!("{} still wait", world.waiting().len()).into());
            }
        }
        if let Some(id) = world.promised.iter().find(|id| !world.core.acted.contains_key(*id)) {
            return Err(format!("{id:?} was never acted on").into());
        }
        let scan = ReadSet::scan(Scan::first(receipts(), 1_000));
        let receipts = world.store.read(&scan).map_err(|why| why.to_string())?.scans[0].len();
        let told = world.core.acted.len();
        if receipts > told {
            return Err(format!("{receipts} receipts for {told} acts").into());
        }
        acted += u64::try_from(told).unwrap();
        doubles += u64::from(world.core.seen) - u64::try_from(told).unwrap();
        Ok(())
    });
    let ran = ran.unwrap();
    // A single seed may be a quiet one.
    assert!(
        ran < 100 || (acted > 15 * ran && doubles > ran),
        "{acted} acts and {doubles} doubles in {ran} runs"
    );
}
