//! Three sites in a chain, each with a forwarding server, a backstage server, a client and its access server.

use crate::disk::Disk;
use interbank_filexfer::*;
use port::blocking::{Store as _, drain};
use port::{Bytes, Input, KeyId, Machine, Peer, ReadSet, Row, Tenant, Time, blocking};
use seal::{Secret, SigningKey, SoftKeys, Validity};
use simkit::{Faults, FaultyStore, LossyLink, Odds, Parcel, Rng, Weather};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const START: Time = Time::from_s(1_800_000_000);
const TENANT: Tenant = Tenant::new(1);
const KEY: KeyId = KeyId(1);

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
    pub(crate) config: fn(&mut ForwarderConfig),
}

pub(crate) struct Node {
    pub(crate) role: Roles,
    pub(crate) store: FaultyStore,
    pub(crate) disk: Disk,
    link: LossyLink,
    keys: SoftKeys,
    registry: Arc<Registry>,
}

pub(crate) enum Roles {
    Forwarder(Box<Forwarder>),
    Backstage(Box<BackstageServer>),
    Access(AccessServer),
    Client(Box<ClientServer>),
}

pub(crate) fn party(id: &str) -> PartyId {
    PartyId::new(id).unwrap()
}

fn site(n: usize) -> SiteId {
    SiteId::new(&format!("s{n}")).unwrap()
}

fn seed(id: &str) -> Secret<32> {
    let mut seed = [9; 32];
    seed[..id.len()].copy_from_slice(id.as_bytes());
    Secret::new(seed)
}

pub(crate) fn key(id: &str) -> SigningKey {
    SigningKey::from_seed(&seed(id))
}

fn member(id: &str, role: Role) -> Party {
    Party::new(party(id), role).with_key(1, key(id).verifying_key(), Validity::always())
}

/// The registry of one of the sites 1 to 3; `b4` and `c4` are at a site 4 that does not exist.
fn registry(at: usize, next_to_four: usize) -> Registry {
    let forwarder = |n: usize| member(&format!("r{n}"), Role::Forwarder);
    let mut registry = Registry::new(site(at), forwarder(at), 1).unwrap();
    for n in 1..=3 {
        let (b, c) = (format!("b{n}"), format!("c{n}"));
        let (backstage, client) = (member(&b, Role::Backstage), member(&c, Role::Client));
        if n == at {
            let store = member(&format!("nfs{n}"), Role::NetworkFileSystem);
            registry.backstage(backstage, store).unwrap();
            registry.client(client, member(&format!("a{n}"), Role::Access)).unwrap();
            // a second of each
            let (b, nfs) = (format!("bb{n}"), format!("nnfs{n}"));
            let store = member(&nfs, Role::NetworkFileSystem);
            registry.backstage(member(&b, Role::Backstage), store).unwrap();
            let (c, a) = (format!("cc{n}"), format!("aa{n}"));
            registry.client(member(&c, Role::Client), member(&a, Role::Access)).unwrap();
        } else {
            for (party, other) in [(backstage, "bb"), (client, "cc")] {
                let role = party.role;
                registry.remote(party, site(n)).unwrap();
                registry.remote(member(&format!("{other}{n}"), role), site(n)).unwrap();
            }
        }
    }
    registry.remote(member("b4", Role::Backstage), site(4)).unwrap();
    for n in [at - 1, at + 1].into_iter().filter(|n| (1..=3).contains(n)) {
        registry.link(site(n), forwarder(n)).unwrap();
    }
    if at == 1 {
        registry.via(site(3), &site(2)).unwrap();
    }
    if at == 3 {
        registry.via(site(1), &site(2)).unwrap();
    }
    if next_to_four != 0 {
        registry.via(site(4), &site(next_to_four)).unwrap();
    }
    registry.grant(Grant::new(Who::Anyone, Who::Anyone, 1 << 40));
    registry
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    pub(crate) fn with(seed: u64, config: fn(&mut ForwarderConfig)) -> Self {
        let rng = Rng::new(seed);
        let mut world = Self {
            now: START,
            nodes: BTreeMap::new(),
            corruption: 0,
            corrupted: 0,
            crashes: 0,
            cut: Vec::new(),
            asked: Vec::new(),
            answers: BTreeMap::new(),
            results: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            config,
            rng,
        };
        // To the site that is not there: 1 → 2 → 3 → 2, a circle.
        for (at, next) in [(1, 2), (2, 3), (3, 2)] {
            let registry = Arc::new(registry(at, next));
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
        let role = open(id, registry, self.config, &mut self.rng);
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
        let request = Request {
            id: JobId(self.rng.bytes()),
            requester: party(requester),
            sender: from.into(),
            destination: to.into(),
            file: FileSpec {
                name: name.into(),
                size: None,
                root: None,
                class: FileClass::new("settlement").unwrap(),
            },
            mode: Mode::Push,
            not_before: None,
            deadline: None,
            priority: 0,
            on_conflict: OnConflict::Fail,
            made: self.now,
            nonce: self.rng.bytes(),
            key_number: 1,
            signature: [0; 64],
        };
        sign(request)
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
        node.role = open(id, &node.registry, self.config, &mut self.rng);
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

    /// Until nothing is due within a quarter of an hour, or everything asked for is over.
    pub(crate) fn settle(&mut self) {
        self.run_until(self.now.plus_ms(1));
        for _ in 0..4_000 {
            let all_over = self.asked.iter().all(|request| self.is_over(request));
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

    fn slice(
        &mut self,
        id: &str,
        from: &Peer,
        transfer: TransferId,
        range: std::ops::Range<u64>,
        bytes: &Bytes,
    ) {
        let mut bytes = bytes.to_vec();
        if !bytes.is_empty() && self.rng.chance(self.corruption, 1_000) {
            let at = self.rng.index(bytes.len());
            bytes[at] ^= 1 << self.rng.below(8);
            self.corrupted += 1;
        }
        let now = self.now;
        let node = self.nodes.get_mut(id).unwrap();
        let written = match &mut node.role {
            Roles::Forwarder(machine) => {
                match machine.open_slice(from, &transfer, &range, &bytes) {
                    Ok((into, slice)) => {
                        node.disk.write(transfer, &into, &slice);
                        machine.written(now, &transfer, &range)
                    }
                    Err(_) => return,
                }
            }
            Roles::Client(machine) => match machine.open_slice(from, &transfer, &range, &bytes) {
                Ok(slice) => {
                    node.disk.write(transfer, &Place::Store(party(id)), &slice);
                    machine.written(now, &transfer, &range)
                }
                Err(_) => return,
            },
            _ => return,
        };
        if written == Err(Error::Fenced) {
            self.crash(id);
        }
        self.attend(id);
    }

    fn give(&mut self, id: &str, input: impl FnOnce(&mut Roles, Time) -> Result<(), Error>) {
        let now = self.now;
        let done = input(&mut self.nodes.get_mut(id).unwrap().role, now);
        if done == Err(Error::Fenced) {
            self.crash(id);
        }
        self.attend(id);
    }

    /// Carries out everything that a server wants done, until it wants no more.
    fn attend(&mut self, id: &str) {
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
                let _ = drain(machine.as_mut(), now, &*store, &*link, &*keys)?;
            }
            Roles::Access(machine) => {
                let _ = drain(machine, now, &*store, &*link, &*keys)?;
            }
            Roles::Client(machine) => {
                let _ = drain(machine.as_mut(), now, &*store, &*link, &*keys)?;
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
        for (_, row) in rows.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let notice = Notice::parse(&row.value).unwrap();
            match notice.kind {
                NoticeKind::Result => results.entry(notice.id).or_default().push(notice),
                NoticeKind::Arrival => {
                    self.arrivals.insert(notice.transfer, vec![notice]);
                }
            }
        }
        self.results.extend(results);
    }

    /// Does one thing with files; `false` if there is none.
    fn work(&mut self, id: &str) -> bool {
        let now = self.now;
        let node = self.nodes.get_mut(id).unwrap();
        let Node { role, disk, link, .. } = node;
        let work = match role {
            Roles::Forwarder(machine) => machine.poll_work(),
            Roles::Client(machine) => machine.poll_work(),
            _ => None,
        };
        let Some(work) = work else { return false };
        let done = match (role, work) {
            (Roles::Forwarder(machine), work) => match work {
                Work::Look { transfer, store, name } => {
                    let found = disk.look(&Place::Store(store), name.as_str());
                    machine.looked(now, &transfer, found.as_ref())
                }
                Work::Prepare { transfer, from, name, stamp } => {
                    let file = disk.prepare(transfer, &from, name.as_str(), stamp);
                    machine.prepared(now, &transfer, file)
                }
                Work::Copy { transfer, from, into, range } => {
                    if disk.copy(transfer, &from, &into, &range) {
                        machine.written(now, &transfer, &range)
                    } else {
                        machine.unstable(now, &transfer)
                    }
                }
                Work::Serve { transfer, from, range, to } => {
                    match disk.slice(transfer, &from, &range) {
                        Some(bytes) => {
                            send_slice(link, &to, transfer, range, bytes);
                            Ok(())
                        }
                        None => machine.unstable(now, &transfer),
                    }
                }
                Work::Sync { transfer, into } => {
                    disk.sync(transfer, &into);
                    machine.synced(now, &transfer)
                }
                Work::Publish { transfer, into, name, replace } => {
                    let done = disk.publish(transfer, &into, name.as_str(), replace);
                    machine.published(now, &transfer, done)
                }
                Work::Discard { transfer, at } => {
                    disk.discard(transfer, &at);
                    Ok(())
                }
            },
            (Roles::Client(machine), work) => match work {
                Work::Prepare { transfer, from, name, stamp } => {
                    let file = disk.prepare(transfer, &from, name.as_str(), stamp);
                    machine.prepared(now, &transfer, file)
                }
                Work::Serve { transfer, from, range, to } => {
                    match disk.slice(transfer, &from, &range) {
                        Some(bytes) => {
                            send_slice(link, &to, transfer, range, bytes);
                            Ok(())
                        }
                        None => machine.unstable(&transfer),
                    }
                }
                Work::Sync { transfer, into } => {
                    disk.sync(transfer, &into);
                    machine.synced(now, &transfer)
                }
                Work::Publish { transfer, into, name, replace } => {
                    let done = disk.publish(transfer, &into, name.as_str(), replace);
                    machine.published(now, &transfer, done)
                }
                Work::Discard { transfer, at } => {
                    disk.discard(transfer, &at);
                    Ok(())
                }
                Work::Look { .. } | Work::Copy { .. } => panic!("not a client's work"),
            },
            _ => Ok(()),
        };
        if done == Err(Error::Fenced) {
            self.crash(id);
        }
        true
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

    /// What must be true whenever everything is over.
    pub(crate) fn check(&self) -> Result<(), String> {
        for request in &self.asked {
            let name = format!("{} {}→{}", request.id, request.sender, request.destination);
            let transfer = request.transfer().unwrap();
            let published: u32 = self
                .nodes
                .values()
                .map(|node| node.disk.published.get(&transfer).copied().unwrap_or(0))
                .sum();
            if let Some(answer) = self.answers.get(&request.id)
                && answer.verdict.outcome.is_err()
            {
                if published != 0 {
                    return Err(format!("{name} was refused and published"));
                }
                continue;
            }
            let Some(results) = self.results.get(&request.id) else {
                let jobs: Vec<String> = ["r1", "r2", "r3"]
                    .iter()
                    .filter_map(|r| {
                        let job = self.forwarder(r).job(&transfer)?;
                        Some(format!("{r}: {:?} try {:?}", job.state, job.try_at))
                    })
                    .collect();
                let answer = self.answers.get(&request.id).map(|answer| answer.verdict.outcome);
                return Err(format!(
                    "{name} never ended: answer {answer:?}, jobs {jobs:?}, now {:?}",
                    self.now
                ));
            };
            let [result] = &results[..] else {
                return Err(format!("{name} has {} results", results.len()));
            };
            if result.state.is_delivered() {
                let (size, root) = result.file.unwrap();
                let found = self.content(&request.destination, &result.name);
                let content = found.ok_or(format!("{name} is not there"))?;
                if content.len() as u64 != size || *blake3::hash(content).as_bytes() != root {
                    return Err(format!("{name} has other content"));
                }
                if published != 1 {
                    return Err(format!("{name} was published {published} times"));
                }
                let is_backstage = request.destination.starts_with('b');
                if is_backstage && !self.arrivals.contains_key(&transfer) {
                    return Err(format!("{name}: the destination was not told"));
                }
                self.check_receipts(request, result)?;
            } else if published != 0 {
                return Err(format!("{name} ended as {:?} and was published", result.state));
            }
        }
        for (id, node) in &self.nodes {
            if let Roles::Forwarder(forwarder) = &node.role {
                if forwarder.jobs() != 0 {
                    return Err(format!("{id} has jobs left"));
                }
                self.trail(id);
            }
        }
        Ok(())
    }

    fn check_receipts(&self, request: &Request, result: &Notice) -> Result<(), String> {
        let mut verified = 0;
        for bytes in &result.receipts {
            let signed = SignedReceipt::parse(bytes).map_err(|why| why.to_string())?;
            let public = key(signed.receipt.party.as_str()).verifying_key();
            signed.verify(&public).map_err(|why| why.to_string())?;
            let receipt = &signed.receipt;
            let is_its = receipt.id == request.id
                && receipt.request == request.digest().unwrap()
                && Some((receipt.size, receipt.root)) == result.file;
            if !is_its {
                return Err("a receipt is about something else".into());
            }
            verified += u32::from(receipt.stage == Stage::Verified);
        }
        if verified == 1 { Ok(()) } else { Err(format!("{verified} receipts of verification")) }
    }

    pub(crate) fn unpublished(&self) -> usize {
        self.nodes.values().map(|node| node.disk.unpublished()).sum()
    }
}

pub(crate) fn sign(request: Request) -> Request {
    let signature = key(request.requester.as_str()).sign(&request.to_sign().unwrap());
    request.signed(signature)
}

/// Which server has the store of a party, and which place in it.
fn host_of(owner: &str) -> (String, Place) {
    let number = &owner[owner.len() - 1..];
    if owner.starts_with('c') {
        return (owner.into(), Place::Store(party(owner)));
    }
    let store = if owner.starts_with("bb") { "nnfs" } else { "nfs" };
    (format!("r{number}"), Place::Store(party(&format!("{store}{number}"))))
}

fn send_slice(
    link: &LossyLink,
    to: &Peer,
    transfer: TransferId,
    range: std::ops::Range<u64>,
    bytes: Vec<u8>,
) {
    use blocking::Link as _;
    let frame = Message::Slice { transfer, range, bytes: bytes.into() }.to_frame().unwrap();
    // A link that is down: the range is asked for again.
    let _ = link.send(to, &frame);
}

fn open(
    id: &str,
    registry: &Arc<Registry>,
    config: fn(&mut ForwarderConfig),
    rng: &mut Rng,
) -> Roles {
    let number = &id[id.len() - 1..];
    let forwarder = party(&format!("r{number}"));
    match &id[..id.len() - 1] {
        "r" => {
            let mut brief = ForwarderConfig::new(TENANT, forwarder, (KEY, 1));
            brief.retry = Retry::new(500, 20_000, 0).unwrap();
            brief.paces = Paces { range_groups: 2, window_bytes: 1 << 16, patience_ms: 4_000 };
            config(&mut brief);
            let machine = Forwarder::open(brief, registry.clone(), rng.bytes()).unwrap();
            Roles::Forwarder(Box::new(machine))
        }
        "b" | "bb" => {
            Roles::Backstage(Box::new(BackstageServer::new(TENANT, &forwarder, 2_000).unwrap()))
        }
        role @ ("a" | "aa") => {
            let client = party(&format!("{}{number}", role.replace('a', "c")));
            let mut access = AccessServer::new(&forwarder, &client).unwrap();
            access.client_is(true).unwrap();
            Roles::Access(access)
        }
        role => {
            let config = ClientConfig {
                tenant: TENANT,
                party: party(id),
                access: party(&format!("{}{number}", role.replace('c', "a"))),
                key: (KEY, 1),
                paces: Paces { range_groups: 2, window_bytes: 1 << 16, patience_ms: 4_000 },
            };
            Roles::Client(Box::new(ClientServer::open(config).unwrap()))
        }
    }
}

/// Made-up content of a length.
pub(crate) fn bytes(len: usize, tag: u8) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(&[tag]).finalize_xof().fill(&mut content);
    content
}
