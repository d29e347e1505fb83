//! Three sites in a chain, each with a forwarding server, a backstage server, a client and its access server.

use crate::asking::{NOW, request, seed, sign};
use crate::disk::Disk;
use crate::place::{host_of, open, registry};
use interbank_filexfer::*;
use port::blocking::{Store as _, drain};
use port::outbox::Entry;
use port::{Input, KeyId, Machine, Peer, ReadSet, Row, Tenant, Time};
use seal::SoftKeys;
use simkit::{Faults, FaultyStore, LossyLink, Odds, Parcel, Rng, Weather};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) const TENANT: Tenant = Tenant::new(1);
pub(crate) const KEY: KeyId = KeyId(1);

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) rng: Rng,
    /// Chance of a flipped byte in a slice, in thousandths.
    pub(crate) corruption: u64,
    pub(crate) corrupted: u64,
    pub(crate) crashes: u64,
    cut: Vec<(String, String)>,
    /// Requests that an application wants a result of.
    pub(crate) asked: Vec<Request>,
    pub(crate) answers: BTreeMap<JobId, SignedVerdict>,
    pub(crate) results: BTreeMap<JobId, Vec<Notice>>,
    pub(crate) arrivals: BTreeMap<TransferId, Vec<Notice>>,
    pub(crate) handed: BTreeMap<TransferId, Vec<Notice>>,
    /// How often each notice reached somebody, by its idempotency key.
    pub(crate) told: BTreeMap<[u8; 32], usize>,
    /// What began anew, since what was stored of it was damaged.
    pub(crate) anew: BTreeSet<TransferId>,
    pub(crate) config: fn(&mut ForwarderConfig),
    /// Whether what arrived counts as taken; otherwise see [`World::hand_over`].
    pub(crate) hands_over_at_once: bool,
}

pub(crate) struct Node {
    pub(crate) role: Roles,
    pub(crate) store: FaultyStore,
    pub(crate) disk: Disk,
    pub(crate) link: LossyLink,
    keys: SoftKeys,
    pub(crate) registry: Arc<Registry>,
}

pub(crate) enum Roles {
    Forwarder(Box<Forwarder>),
    Backstage(Box<BackstageServer>),
    Access(AccessServer),
    Client(Box<ClientServer>),
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    pub(crate) fn with(seed: u64, config: fn(&mut ForwarderConfig)) -> Self {
        Self::serving(seed, config, &[])
    }

    /// With clients that have profiles.
    pub(crate) fn serving(
        seed: u64,
        config: fn(&mut ForwarderConfig),
        profiles: &[(&str, Profile)],
    ) -> Self {
        let rng = Rng::new(seed);
        let mut world = Self {
            now: NOW,
            nodes: BTreeMap::new(),
            corruption: 0,
            corrupted: 0,
            crashes: 0,
            cut: Vec::new(),
            asked: Vec::new(),
            answers: BTreeMap::new(),
            results: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            handed: BTreeMap::new(),
            told: BTreeMap::new(),
            anew: BTreeSet::new(),
            config,
            hands_over_at_once: true,
            rng,
        };
        // To the site that is not there: 1 → 2 → 3 → 2, a circle.
        for (at, next) in [(1, 2), (2, 3), (3, 2)] {
            let mut registry = registry(at, next);
            for (client, profile) in profiles.iter().filter(|(c, _)| c.ends_with(&at.to_string())) {
                registry.serve(&crate::asking::party(client), profile.clone()).unwrap();
            }
            let registry = Arc::new(registry);
            for role in ["r", "b", "a", "c", "bb", "aa", "cc"] {
                world.add(&format!("{role}{at}"), &registry);
            }
        }
        world.settle();
        world
    }

    fn add(&mut self, id: &str, registry: &Arc<Registry>) {
        let mut keys = SoftKeys::new();
        keys.add_signing(KEY, &seed(id));
        let link = LossyLink::new(Peer::new(id).unwrap(), self.rng.fork(id), Weather::FAIR);
        let role = open(id, registry, self.config, self.hands_over_at_once, &mut self.rng);
        let node = Node {
            role,
            store: FaultyStore::new(Faults::None),
            disk: Disk::default(),
            link,
            keys,
            registry: registry.clone(),
        };
        self.nodes.insert(id.into(), node);
    }

    /// A file in the store of a backstage server or a client.
    pub(crate) fn put(&mut self, owner: &str, name: &str, content: Vec<u8>) {
        let (host, place) = host_of(owner);
        self.nodes.get_mut(&host).unwrap().disk.put(place, name, content);
    }

    pub(crate) fn content(&self, owner: &str, name: &str) -> Option<&Vec<u8>> {
        let (host, place) = host_of(owner);
        self.nodes[&host].disk.files.get(&(place, name.into())).map(|file| &file.content)
    }

    pub(crate) fn disk(&self, owner: &str) -> &Disk {
        &self.nodes[&host_of(owner).0].disk
    }

    pub(crate) fn request(&mut self, requester: &str, from: &str, to: &str, name: &str) -> Request {
        let id = JobId(self.rng.bytes());
        let nonce = self.rng.bytes();
        sign(Request { id, made: self.now, nonce, ..request(requester, from, to, name) })
    }

    pub(crate) fn submit(&mut self, request: &Request) {
        if !self.asked.contains(request) {
            self.asked.push(request.clone());
        }
        let now = self.now;
        let id = request.requester.as_str().to_owned();
        if let Roles::Backstage(backstage) = &mut self.nodes.get_mut(&id).unwrap().role {
            backstage.submit(now, request.clone()).unwrap();
        }
        self.attend(&id);
    }

    /// The application at the destination has taken a file.
    pub(crate) fn hand_over(&mut self, id: &str, transfer: &TransferId, content: Option<[u8; 32]>) {
        // It may have just begun.
        self.attend(id);
        let (now, arrival) = (self.now, self.arrivals.get(transfer).map(|all| all[0].clone()));
        match &mut self.nodes.get_mut(id).unwrap().role {
            Roles::Backstage(machine) => machine.hand_over(now, &arrival.unwrap(), content),
            Roles::Client(machine) => machine.hand_over(now, transfer, content),
            _ => panic!("{id} is no destination"),
        }
        .unwrap();
        self.attend(id);
    }

    /// A client asks for what waits for it.
    pub(crate) fn collect(&mut self, client: &str) {
        if let Roles::Client(client) = &mut self.nodes.get_mut(client).unwrap().role {
            client.collect().unwrap();
        }
        self.attend(client);
    }

    pub(crate) fn set_present(&mut self, access: &str, present: bool) {
        if let Roles::Access(access) = &mut self.nodes.get_mut(access).unwrap().role {
            access.client_is(present).unwrap();
        }
        self.attend(access);
    }

    pub(crate) fn weather(&mut self, weather: Weather) {
        for node in self.nodes.values() {
            node.link.set_weather(weather);
        }
    }

    pub(crate) fn faults(&mut self, odds: Option<Odds>) {
        for (id, node) in &self.nodes {
            node.store.set_faults(match odds {
                Some(odds) => Faults::seeded(self.rng.fork(id), odds),
                None => Faults::None,
            });
        }
    }

    /// Nothing passes between two servers, in both directions.
    pub(crate) fn partition(&mut self, one: &str, other: &str) {
        self.cut.push((one.into(), other.into()));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// The server stops and starts again from what is durable.
    pub(crate) fn crash(&mut self, id: &str) {
        self.crashes += 1;
        let node = self.nodes.get_mut(id).unwrap();
        node.store.crash();
        node.store.restart_seeded(&mut self.rng);
        node.disk.crash(&mut self.rng);
        node.role = open(id, &node.registry, self.config, self.hands_over_at_once, &mut self.rng);
        if let Roles::Access(access) = &mut node.role {
            access.client_is(true).unwrap();
        }
        // The application asks again for what it has no result of.
        let open: Vec<Request> = self
            .asked
            .iter()
            .filter(|r| r.requester.as_str() == id && !self.is_over(r))
            .cloned()
            .collect();
        for request in open {
            self.submit(&request);
        }
    }

    pub(crate) fn is_over(&self, request: &Request) -> bool {
        let refused = |answer: &SignedVerdict| answer.verdict.outcome.is_err();
        self.results.contains_key(&request.id) || self.answers.get(&request.id).is_some_and(refused)
    }

    /// Over, and what was delivered is known to be taken.
    fn is_all_over(&self, request: &Request) -> bool {
        let results = self.results.get(&request.id);
        let is_delivered = results.is_some_and(|results| results[0].state.is_delivered());
        let is_handed = || self.handed.contains_key(&request.transfer().unwrap());
        self.is_over(request) && (!is_delivered || is_handed())
    }

    /// Until nothing is due within a quarter of an hour, or everything asked for is over.
    pub(crate) fn settle(&mut self) {
        self.run_until(self.now.plus_ms(1));
        for _ in 0..4_000 {
            let all_over = self.asked.iter().all(|request| self.is_all_over(request));
            if all_over && self.is_quiet() {
                return;
            }
            let Some(next) = self.next() else { return };
            if next > self.now.plus_ms(900_000) {
                return;
            }
            self.now = self.now.max(next).plus_ms(1);
            self.step();
        }
    }

    fn is_quiet(&self) -> bool {
        let is_idle = |node: &Node| match &node.role {
            Roles::Forwarder(forwarder) => forwarder.jobs() == 0,
            _ => true,
        };
        self.nodes.values().all(|node| node.link.next_arrival().is_none() && is_idle(node))
    }

    pub(crate) fn run_until(&mut self, end: Time) {
        loop {
            self.step();
            match self.next() {
                Some(next) if next < end => self.now = self.now.max(next).plus_ms(1),
                _ => break,
            }
        }
        self.now = self.now.max(end);
        self.step();
    }

    fn next(&self) -> Option<Time> {
        let of = |node: &Node| {
            let deadline = match &node.role {
                Roles::Forwarder(machine) => machine.next_deadline(),
                Roles::Backstage(machine) => machine.next_deadline(),
                Roles::Access(machine) => machine.next_deadline(),
                Roles::Client(machine) => machine.next_deadline(),
            };
            deadline.into_iter().chain(node.link.next_arrival()).min()
        };
        self.nodes.values().filter_map(of).min()
    }

    /// Delivers what has arrived, and wakes everybody.
    fn step(&mut self) {
        let ids: Vec<String> = self.nodes.keys().cloned().collect();
        let mut parcels: Vec<Parcel> = Vec::new();
        for id in &ids {
            parcels.extend(self.nodes[id].link.deliver(self.now));
        }
        for parcel in parcels {
            self.deliver(parcel);
        }
        for id in ids {
            self.give(&id, |role, now| match role {
                Roles::Forwarder(machine) => machine.handle(now, Input::Tick),
                Roles::Backstage(machine) => machine.handle(now, Input::Tick),
                Roles::Access(machine) => machine.handle(now, Input::Tick),
                Roles::Client(machine) => machine.handle(now, Input::Tick),
            });
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        let Parcel { from, to, mut frame } = parcel;
        let is_cut = |(one, other): &(String, String)| {
            (one == from.as_str() && other == to.as_str())
                || (one == to.as_str() && other == from.as_str())
        };
        if self.cut.iter().any(is_cut) {
            return;
        }
        let id = to.as_str().to_owned();
        if let Ok(Message::Slice { transfer, range, bytes }) = Message::parse(&frame) {
            let is_access = matches!(self.nodes[&id].role, Roles::Access(_));
            if !is_access {
                self.slice(&id, &from, transfer, range, &bytes);
                return;
            }
            if !bytes.is_empty() && self.rng.chance(self.corruption, 1_000) {
                let mut bad = bytes.to_vec();
                let at = self.rng.index(bad.len());
                bad[at] ^= 1 << self.rng.below(8);
                self.corrupted += 1;
                frame = Message::Slice { transfer, range, bytes: bad.into() }.to_frame().unwrap();
            }
        }
        if let Ok(Message::Notice(bytes)) = Message::parse(&frame) {
            *self.told.entry(Entry::parse(&bytes).unwrap().idempotency).or_default() += 1;
        }
        self.give(&id, |role, now| {
            let input = Input::Frame { from: &from, bytes: &frame };
            match role {
                Roles::Forwarder(machine) => machine.handle(now, input),
                Roles::Backstage(machine) => machine.handle(now, input),
                Roles::Access(machine) => machine.handle(now, input),
                Roles::Client(machine) => machine.handle(now, input),
            }
        });
    }

    pub(crate) fn give(
        &mut self,
        id: &str,
        input: impl FnOnce(&mut Roles, Time) -> Result<(), Error>,
    ) {
        let now = self.now;
        let done = input(&mut self.nodes.get_mut(id).unwrap().role, now);
        if done == Err(Error::Fenced) {
            self.crash(id);
        }
        self.attend(id);
    }

    /// Carries out everything that a server wants done, until it wants no more.
    pub(crate) fn attend(&mut self, id: &str) {
        for _ in 0..10_000 {
            let fenced = self.drain(id) == Err(Error::Fenced);
            if fenced || self.nodes[id].store.is_down() {
                self.crash(id);
                continue;
            }
            if !self.work(id) {
                return;
            }
        }
        panic!("{id} never comes to rest");
    }

    fn drain(&mut self, id: &str) -> Result<(), Error> {
        let now = self.now;
        let node = self.nodes.get_mut(id).unwrap();
        let Node { role, store, link, keys, .. } = node;
        match role {
            Roles::Forwarder(machine) => {
                let drained = drain(machine.as_mut(), now, &*store, &*link, &*keys)?;
                self.anew.extend(drained.events.iter().filter_map(|event| match event {
                    ForwarderEvent::BeganAnew { transfer } => Some(*transfer),
                    _ => None,
                }));
            }
            Roles::Access(machine) => {
                let _ = drain(machine, now, &*store, &*link, &*keys)?;
            }
            Roles::Client(machine) => {
                let drained = drain(machine.as_mut(), now, &*store, &*link, &*keys)?;
                self.anew.extend(drained.events.iter().filter_map(|event| match event {
                    ClientEvent::BeganAnew { transfer } => Some(*transfer),
                    _ => None,
                }));
            }
            Roles::Backstage(machine) => {
                let drained = drain(machine.as_mut(), now, &*store, &*link, &*keys)?;
                for event in drained.events {
                    // Of notices the inbox is what counts: see `read_inbox`.
                    if let BackstageEvent::Answered(answer) = event {
                        self.answers.insert(answer.verdict.id, answer);
                    }
                }
                self.read_inbox(id);
            }
        }
        Ok(())
    }

    /// What the application finds in its inbox.
    fn read_inbox(&mut self, id: &str) {
        let rows = self.nodes[id].store.snapshot().rows;
        let prefix = BackstageServer::inbox(TENANT);
        let mut results: BTreeMap<JobId, Vec<Notice>> = BTreeMap::new();
        let mut handed: BTreeMap<TransferId, Vec<Notice>> = BTreeMap::new();
        for (_, row) in rows.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let notice = Notice::parse(&row.value).unwrap();
            match notice.kind {
                NoticeKind::Result => results.entry(notice.id).or_default().push(notice),
                NoticeKind::Arrival => {
                    self.arrivals.insert(notice.transfer, vec![notice]);
                }
                NoticeKind::HandedOver => handed.entry(notice.transfer).or_default().push(notice),
            }
        }
        self.results.extend(results);
        self.handed.extend(handed);
    }

    pub(crate) fn forwarder(&self, id: &str) -> &Forwarder {
        match &self.nodes[id].role {
            Roles::Forwarder(forwarder) => forwarder,
            _ => panic!("{id} is no forwarder"),
        }
    }

    /// All rows under a prefix of a server's store.
    pub(crate) fn rows(&self, id: &str, prefix: &port::Key) -> Vec<Row> {
        let rows = self.nodes[id].store.snapshot().rows;
        rows.into_iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, row)| row).collect()
    }

    /// The audit trail of a forwarding server, checked against its head.
    pub(crate) fn trail(&self, id: &str) -> Vec<seal::Audit> {
        let store = &self.nodes[id].store;
        let head = ReadSet::points([Trail::head_key(TENANT)]);
        let found = store.read(&head).unwrap();
        let head = found.points[0].as_ref().map(|row| &row.value[..]);
        let head = Trail::resume(TENANT, head).unwrap().head();
        let rows = self.rows(id, &Trail::table(TENANT));
        Trail::verify(rows.iter().map(|row| &row.value[..]), head).unwrap()
    }

    pub(crate) fn unpublished(&self) -> usize {
        self.nodes.values().map(|node| node.disk.unpublished()).sum()
    }
}

/// Made-up content of a length.
pub(crate) fn bytes(len: usize, tag: u8) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(&[tag]).finalize_xof().fill(&mut content);
    content
}
