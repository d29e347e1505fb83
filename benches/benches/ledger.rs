//! The ledger: transfers through the state, signatures, the log and its proofs, restart, and how large things are.
//!
//! A transfer is what the described system calls one: ownership goes over, and the new owner registers anew. Half of the
//! transfers are of 100 things, each of which changes hands again and again: its transfer, the new owner's request and the
//! verdict come one after the other. The other half are of things of which each is transferred once, somewhere among 250,000 of
//! 10,000 owners. Nothing is refused.
//!
//! The restart reads rows of a million live documents from `store-redb`, written under `target/`, so that it is a disk and not a
//! memory file system; `INTERBANK_BENCH_DIR` names another disk.

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use interbank_ledger::*;
use port::blocking::{Keys as _, Store};
use port::wire::Writer;
use port::{
    Batch, Commit, Committed, CrateTag, Effect, Expect, Input, Key, KeyId, Machine as _,
    MemoryStore, Tenant, Time,
};
use rs_merkle::MerkleTree;
use seal::{Secret, SigningKey, SoftKeys, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};
use store_redb::{Options, RedbStore};
use tempfile::TempDir;

const NOW: Time = Time::from_s(1_800_000_000);
const AT: At = At { height: Height(10), time: NOW };
const FOUNDER: NodeId = NodeId::FOUNDER;
const MEMBERS: [NodeId; 2] = [NodeId(Height(1)), NodeId(Height(2))];
const TENANT: Tenant = Tenant::new(1);

/// Transactions whose signatures were found right before: judged and taken, and the same with both roots after every block.
fn state(c: &mut Criterion) {
    const TRANSFERS: usize = 50_000;
    let mut group = c.benchmark_group("ledger/state");
    // What is not measured, a copy of the world for each run, takes several times as long.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(1));
    let world = World::new(250_000, 10_000);
    let map = world.map();
    let transactions = world.transfers(TRANSFERS, false);
    for (name, elements) in [("transactions", transactions.len()), ("transfers", TRANSFERS)] {
        group.throughput(Throughput::Elements(elements as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                (0..times)
                    .map(|_| timed(world.state.clone(), |it| execute(it, &transactions)))
                    .sum()
            });
        });
    }
    group.throughput(Throughput::Elements(TRANSFERS as u64));
    group.bench_function("transfers_with_roots", |b| {
        b.iter_custom(|times| {
            let run = |it: &mut (State, StateMap, Log)| execute_with_roots(it, &transactions);
            let given = || (world.state.clone(), map.clone(), Log::new());
            (0..times).map(|_| timed(given(), run)).sum()
        });
    });
    group.finish();
}

fn execute(state: &mut State, transactions: &[Transaction]) {
    for (place, transaction) in transactions.iter().enumerate() {
        state.look_ahead(transactions, place);
        for entry in state.judge_verified(AT, transaction).unwrap() {
            state.take(entry);
        }
    }
}

/// As in blocks of one batch of rows each: what stands under a name at a block's end goes into the map, once.
fn execute_with_roots(it: &mut (State, StateMap, Log), transactions: &[Transaction]) {
    const CHANGED_MAX: usize = 91;
    let (state, map, log) = it;
    let (mut changed, mut stored) = (BTreeSet::new(), 0);
    let mut record = Vec::new();
    for (place, transaction) in transactions.iter().enumerate() {
        state.look_ahead(transactions, place);
        for entry in state.judge_verified(AT, transaction).unwrap() {
            stored += usize::from(changed.insert(entry.key()));
            if let Entry::Thing(thing, after) = &entry {
                // What the two parties own is under the root as well.
                let holders = state.holding(*thing).into_iter().chain(*after);
                changed.extend(holders.map(|holding| EntryKey::Tally(holding.owner)));
            }
            state.take(entry);
        }
        record.clear();
        let (height, time) = (AT.height, AT.time);
        let it = Record { height, place: 0, time, transaction: transaction.clone() };
        it.encode(&mut record).unwrap();
        log.push(leaf_hash(&record));
        if stored + 3 > CHANGED_MAX {
            map.update(std::mem::take(&mut changed).into_iter().map(|key| {
                let value = state.entry(key).and_then(|entry| entry.value().unwrap());
                (key.path(), value.map(|value| Sha256::digest(&value).into()))
            }));
            stored = 0;
            black_box((map.root(), log.root()));
        }
    }
}

/// Whole blocks as another node takes them: every signature, both roots; beside the bare checks of the same signatures.
fn signatures(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger/signatures");
    group.sample_size(10);
    let world = World::new(2_000, 500);
    let (chain, blocks) = world.blocks(4);
    let checks: Vec<(VerifyingKey, Vec<u8>, [u8; 64])> = blocks
        .iter()
        .flat_map(|block| &block.transactions)
        .flat_map(|it| {
            let message = it.to_sign().unwrap();
            it.signatures.iter().map(move |one| (public(one.by), message.clone(), one.bytes))
        })
        .collect();
    group.throughput(Throughput::Elements(checks.len() as u64));
    group.bench_function("blocks", |b| {
        let take = |mut chain: Chain| {
            for block in &blocks {
                black_box(chain.take(block).unwrap());
            }
            chain
        };
        b.iter_batched(|| chain.clone(), take, BatchSize::LargeInput);
    });
    group.bench_function("bare_ed25519", |b| {
        b.iter(|| {
            assert!(checks.iter().all(|(key, message, bytes)| key.verify(message, bytes)));
        });
    });
    group.finish();
}

/// Entries of 32 bytes into an empty log, one at a time, a million of them; and what their hashing alone costs.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger/append");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    let entries = entries(MILLION);
    let mut log = Log::new();
    group.throughput(Throughput::Elements(MILLION as u64));
    group.bench_function("interbank", |b| {
        b.iter(|| {
            log = Log::new();
            entries.iter().for_each(|entry| log.push(leaf_hash(entry)));
            log.root()
        });
    });
    group.bench_function("bare_hashing", |b| {
        b.iter(|| {
            let hash = |hash: [u8; 32], entry: &[u8; 32]| {
                let leaf = leaf_hash(entry);
                let mut node = [1; 65];
                node[1..33].copy_from_slice(&hash);
                node[33..].copy_from_slice(&leaf);
                Sha256::digest(node).into()
            };
            entries.iter().fold([0; 32], hash)
        });
    });
    group.bench_function("ct_merkle", |b| {
        b.iter(|| ct_tree(&entries).root());
    });
    // One at a time takes it hours: in one batch, and fewer in batches of 1,000.
    group.bench_function("rs_merkle", |b| {
        b.iter(|| rs_tree(&entries).root());
    });
    const FEW: usize = 50_000;
    group.throughput(Throughput::Elements(FEW as u64));
    group.bench_function("rs_merkle_by_1000", |b| {
        b.iter(|| {
            let mut tree = MerkleTree::<rs_merkle::algorithms::Sha256>::new();
            for some in entries[..FEW].chunks(1_000) {
                tree.append(&mut some.iter().map(|entry| leaf_hash(entry)).collect());
                tree.commit();
            }
            tree.root()
        });
    });
    group.finish();
}

/// Proofs in a tree of a million leaves, of any of them, and their verification from the entry to the root.
fn proofs(c: &mut Criterion) {
    let entries = entries(MILLION);
    let mut log = Log::new();
    entries.iter().for_each(|entry| log.push(leaf_hash(entry)));
    let (root, size) = (log.root(), log.size());
    let (theirs, others) = (ct_tree(&entries), rs_tree(&entries));
    assert_eq!(theirs.root().as_bytes()[..], root[..]);
    let mut drawn = 1_u64;
    let mut draw = || {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (drawn >> 33) as usize % MILLION
    };
    let mut group = c.benchmark_group("ledger/prove");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    group.bench_function("interbank", |b| b.iter(|| log.inclusion(draw() as u64, size)));
    group.bench_function("ct_merkle", |b| b.iter(|| theirs.prove_inclusion(draw())));
    group.bench_function("rs_merkle", |b| b.iter(|| others.proof(&[draw()])));
    group.finish();
    let mut group = c.benchmark_group("ledger/verify");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let some: Vec<usize> = (0..1_000).map(|_| draw()).collect();
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % some.len();
        at
    };
    let proofs: Vec<_> =
        some.iter().map(|index| log.inclusion(*index as u64, size).unwrap()).collect();
    group.bench_function("interbank", |b| {
        b.iter(|| {
            let n = next();
            let leaf = leaf_hash(&entries[some[n]]);
            assert!(verify_inclusion(&root, size, some[n] as u64, &leaf, &proofs[n]));
        });
    });
    let proofs: Vec<_> = some.iter().map(|index| theirs.prove_inclusion(*index)).collect();
    let their_root = theirs.root();
    group.bench_function("ct_merkle", |b| {
        b.iter(|| {
            let n = next();
            let entry = &entries[some[n]];
            their_root.verify_inclusion(entry, some[n] as u64, &proofs[n]).unwrap();
        });
    });
    let proofs: Vec<_> = some.iter().map(|index| others.proof(&[*index])).collect();
    let other_root = others.root().unwrap();
    group.bench_function("rs_merkle", |b| {
        b.iter(|| {
            let n = next();
            let leaf = leaf_hash(&entries[some[n]]);
            assert!(proofs[n].verify(other_root, &[some[n]], &[leaf], MILLION));
        });
    });
    group.finish();
}

/// From a closed store to a node that answers: a million live documents, two records of each in the log.
fn restart(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger/restart");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(10));
    let mut stored: Option<(AuthorityConfig, TempDir)> = None;
    group.bench_function("1m_documents", |b| {
        b.iter_custom(|times| {
            let (config, dir) = stored.get_or_insert_with(|| World::new(MILLION, 10_000).store());
            (0..times).map(|_| reopen(config, dir.path())).sum()
        });
    });
    group.finish();
}

fn reopen(config: &AuthorityConfig, dir: &Path) -> Duration {
    let started = Instant::now();
    let store = RedbStore::open(dir, Options::new()).unwrap();
    let mut machine = Authority::open(config.clone()).unwrap();
    carry(&mut machine, &store);
    let taken = started.elapsed();
    assert_eq!(machine.poll_event(), Some(AuthorityEvent::Opened(Height(11))));
    assert_eq!(machine.chain().unwrap().state().holdings().count(), MILLION);
    store.close().unwrap();
    taken
}

/// What an entry of the log takes on disk besides its transaction, and how long the file is that proves one of a million.
fn sizes(_: &mut Criterion) {
    const MANY: usize = 1_000;
    const PARTIES: usize = 50;
    let world = World::new(2_000, 500);
    let genesis = world.state.genesis();
    let store = MemoryStore::new();
    let mut machine = Authority::open(config(&world.state)).unwrap();
    carry(&mut machine, &store);
    let window = Window::new(Height(0), 1_000);
    let submit = |machine: &mut Authority, body, key_of: Option<Signer>, signers: &[Signer]| {
        let mut it = Transaction::new(world.state.chain(), window, body);
        if let Some(signer) = key_of {
            let signature = key(signer).sign(&it.to_sign().unwrap());
            it = it.signed(Signer::Key(public(signer).to_bytes()), 0, signature);
        }
        let it = sign(it, signers);
        let digest = it.digest().unwrap();
        machine.submit(NOW, it).unwrap();
        digest
    };
    for number in 0..3 {
        let own = Signer::Node(NodeId(Height(number)));
        let founder = [Signer::Node(FOUNDER)];
        let others = if number == 0 { &[] } else { &founder[..] };
        submit(&mut machine, Body::Join(identity(number)), Some(own), others);
        carry(&mut machine, &store);
    }
    for number in 0..PARTIES {
        let through = party(number);
        let own = Signer::Party(through.party);
        let kind = PartyKind::Individual;
        let key = Some(public(own));
        let body = Associate { through, kind, key, leaves: None, sequence: 0 };
        submit(&mut machine, Body::Associate(body), Some(own), &[Signer::Node(through.member)]);
    }
    carry(&mut machine, &store);
    // What is counted are registrations: requests, and their verdicts.
    let before = overhead(&store);
    let requests: Vec<FileId> = (0..MANY / 2)
        .map(|number| {
            let through = party(number % PARTIES);
            let request = request(number, thing_key(number), through, None);
            FileId(submit(&mut machine, Body::Register(request), None, &both(&[through])))
        })
        .collect();
    carry(&mut machine, &store);
    for file in requests {
        let verdict = Verdict { file, auditor: FOUNDER, reasons: Vec::new(), rules: [3; 32] };
        submit(&mut machine, Body::Judge(verdict), None, &[Signer::Node(FOUNDER)]);
    }
    carry(&mut machine, &store);
    let after = overhead(&store);
    assert_eq!(after.1 - before.1, MANY);
    figure("ledger/log_bytes_per_entry", (after.0 - before.0) as f64 / MANY as f64, "B");
    // Digests of what could come again: they go when the windows are over.
    let decided: usize = table(&store, DECIDED).map(|(key, value)| key + value.len()).sum();
    figure("ledger/decided_bytes_per_entry", decided as f64 / after.1 as f64, "B");
    let kept: Vec<usize> = table(&store, ENTRIES).map(|(key, value)| key + value.len()).collect();
    let each = kept.iter().sum::<usize>() as f64 / kept.len() as f64;
    figure("ledger/state_bytes_per_entry", each, "B");

    let transfer = world.transfers(2, true).pop().unwrap();
    let mut log = Log::new();
    entries(MILLION - 1).iter().for_each(|entry| log.push(leaf_hash(entry)));
    let (height, time) = (AT.height, AT.time);
    let mut record = Vec::new();
    Record { height, place: 0, time, transaction: transfer }.encode(&mut record).unwrap();
    log.push(leaf_hash(&record));
    let origin = genesis.origin();
    let note = Note::new(&Checkpoint::of(origin, &log).text()).unwrap();
    let note = note.signed_by(origin, &key(Signer::Node(FOUNDER)));
    let index = log.size() - 1;
    // The longest path: that of the first leaf.
    let path = log.inclusion(0, log.size()).unwrap();
    let own = log.inclusion(index, log.size()).unwrap();
    let longer = (path.len() - own.len()) * 45;
    let proof = RecordProof::new(record, index, own, note);
    let trust = Trust {
        chain: world.state.chain(),
        origin: origin.into(),
        keys: vec![public(Signer::Node(FOUNDER))],
        vouchers: 1,
    };
    proof.verify(&trust).unwrap();
    figure("ledger/proof_file", (proof.to_string().len() + longer) as f64, "B");
}

/// Bytes of blocks, tiles and head beyond the transactions, and how many transactions there are.
fn overhead(store: &MemoryStore) -> (usize, usize) {
    let all = [HEAD, BLOCKS, TILES]
        .map(|number| table(store, number).map(|(key, value)| key + value.len()).sum::<usize>());
    let blocks: Vec<Block> =
        table(store, BLOCKS).map(|(_, value)| Block::parse(&value).unwrap()).collect();
    let transactions: Vec<_> = blocks.iter().flat_map(|block| &block.transactions).collect();
    let bytes: usize = transactions.iter().map(|it| it.to_bytes().unwrap().len()).sum();
    (all.iter().sum::<usize>() - bytes, transactions.len())
}

fn table(store: &MemoryStore, number: u8) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let prefix = Key::new(CrateTag::LEDGER, TENANT, number);
    let rows = store.snapshot().rows.into_iter();
    rows.filter(move |(key, _)| key.starts_with(&prefix))
        .map(|(key, row)| (key.as_bytes().len(), row.value.to_vec()))
}

/// A registry as it is after many registrations, without their transactions.
struct World {
    state: State,
    things: usize,
    parties: usize,
}

impl World {
    fn new(things: usize, parties: usize) -> Self {
        let policy = Policy { window_max: 1_000_000, keep: 1_000_000, ..Policy::default() };
        let genesis = Genesis::new("registry.example/things", policy, identity(0), NOW).unwrap();
        let mut state = State::new(genesis).unwrap();
        for number in 0..3 {
            let Identity { name, role, signing, sealing } = identity(number);
            let height = Height(number);
            let ring = KeyRing::new(signing, height);
            let node = Node { name, role, ring, sealing, revoked: None };
            state.take(Entry::Node(NodeId(height), node));
        }
        for number in 0..parties {
            let Through { party, member } = party(number);
            let ring = KeyRing::new(public(Signer::Party(party)), Height(0));
            let members = member.into();
            let kind = PartyKind::Individual;
            state.take(Entry::Party(party, Party { kind, ring, members, sequence: 0 }));
        }
        for number in 0..things {
            let (file, thing) = live(number, parties);
            state.take(file);
            state.take(thing);
        }
        Self { state, things, parties }
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let state = &self.state;
        let nodes = state.nodes().map(|(id, node)| Entry::Node(id, node.clone()));
        let parties = (0..self.parties).map(|number| {
            let id = party(number).party;
            Entry::Party(id, state.party(id).unwrap().clone())
        });
        let files = state.files().map(|(id, file)| Entry::File(id, Box::new(file.clone())));
        let things = state.holdings().map(|(thing, it)| Entry::Thing(thing, Some(it)));
        nodes.chain(parties).chain(files).chain(things)
    }

    fn map(&self) -> StateMap {
        let mut map = StateMap::new();
        let tallies = self.state.tallies().map(|(party, count)| Entry::Tally(party, count));
        map.update(self.entries().chain(tallies).map(|entry| {
            let value = entry.value().unwrap().unwrap();
            (entry.key().path(), Some(Sha256::digest(&value).into()))
        }));
        map
    }

    /// So many transfers, every second one of a hot thing together with the new owner's request and its verdict.
    fn transfers(&self, count: usize, is_signed: bool) -> Vec<Transaction> {
        const HOT: usize = 100;
        let chain = self.state.chain();
        let window = Window::new(Height(0), 1_000_000);
        let mut hot: Vec<(FileId, usize)> =
            (0..HOT).map(|thing| (file_id(thing), owner(thing, self.parties))).collect();
        let mut all = Vec::new();
        let mut push = |body, signers: &[Signer]| {
            let it = Transaction::new(chain, window, body);
            let it = if is_signed { sign(it, signers) } else { marked(it, signers) };
            let digest = it.digest().unwrap();
            all.push(it);
            digest
        };
        for n in 0..count {
            let is_hot = n % 2 == 0;
            let thing = if is_hot { n / 2 % HOT } else { HOT + n * 7_919 % (self.things - HOT) };
            let (file, from) =
                if is_hot { hot[thing] } else { (file_id(thing), owner(thing, self.parties)) };
            let to = (from + 1 + n % 17) % self.parties;
            let (seller, buyer) = (party(from), party(to));
            let on = OnFile { file, revision: 0 };
            let body = Transfer { on, member: seller.member, to: buyer, settlement: None };
            push(Body::Transfer(body), &both(&[seller, buyer]));
            if is_hot {
                let request = request(n, thing_key(thing), buyer, Some(file));
                let next = FileId(push(Body::Register(request), &both(&[buyer])));
                let (auditor, reasons) = (FOUNDER, Vec::new());
                let verdict = Verdict { file: next, auditor, reasons, rules: [3; 32] };
                push(Body::Judge(verdict), &[Signer::Node(FOUNDER)]);
                hot[thing] = (next, to);
            }
        }
        all
    }

    /// A chain of this world, and blocks of signed transfers that follow it.
    fn blocks(&self, count: usize) -> (Chain, Vec<Block>) {
        let chain = self.chain();
        let mut ahead = chain.clone();
        let transactions = self.transfers(count * 30, true);
        let mut rest = &transactions[..];
        let mut blocks = Vec::new();
        for _ in 0..count {
            let draft = ahead.draft(NOW, FOUNDER, rest, 91);
            assert!(draft.fates.iter().all(Result::is_ok));
            rest = &rest[draft.fates.len()..];
            let signature = key(Signer::Node(FOUNDER)).sign(&draft.header.to_sign());
            let block = draft.clone().into_block(1, signature);
            ahead.adopt(&draft, block.header.clone()).unwrap();
            blocks.push(block);
        }
        (chain, blocks)
    }

    /// As if all of it had been decided by one last block.
    fn chain(&self) -> Chain {
        let (head, leaves) = self.head();
        let genesis = self.state.genesis().clone();
        Chain::restore(genesis, head, self.entries(), leaves).unwrap()
    }

    fn head(&self) -> (SignedHeader, Vec<[u8; 32]>) {
        let leaves: Vec<[u8; 32]> =
            (0..2 * self.things as u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut log = Log::new();
        leaves.iter().for_each(|leaf| log.push(*leaf));
        let header = Header {
            chain: self.state.chain(),
            height: AT.height,
            previous: [0; 32],
            time: AT.time,
            proposer: FOUNDER,
            transactions_root: [0; 32],
            log_size: log.size(),
            log_root: log.root(),
            state_root: self.map().root(),
        };
        let signature = key(Signer::Node(FOUNDER)).sign(&header.to_sign());
        (SignedHeader::by_authority(header, 1, signature), leaves)
    }

    /// The rows of it in a store on disk.
    fn store(&self) -> (AuthorityConfig, TempDir) {
        let (head, leaves) = self.head();
        let mut log = Log::new();
        leaves.iter().for_each(|leaf| log.push(*leaf));
        let origin = self.state.genesis().origin();
        let note = Note::new(&Checkpoint::of(origin, &log).text()).unwrap();
        let note = note.signed_by(origin, &key(Signer::Node(FOUNDER)));
        let (mut header, mut value) = (Vec::new(), Vec::new());
        head.encode(&mut header).unwrap();
        let mut writer = Writer::new(&mut value, 1);
        writer.lp16(&header).unwrap().lp16(note.to_string().as_bytes()).unwrap();
        let mut rows = vec![(Key::new(CrateTag::LEDGER, TENANT, HEAD), value)];
        for (index, tile) in (0..).zip(leaves.chunks(Log::TILE_WIDTH)) {
            let key = Key::new(CrateTag::LEDGER, TENANT, TILES).number(index).unwrap();
            rows.push((key, tile.concat()));
        }
        for entry in self.entries() {
            let key = Key::new(CrateTag::LEDGER, TENANT, ENTRIES);
            let key = key.raw(&entry.key().to_bytes()).unwrap();
            rows.push((key, entry.value().unwrap().unwrap()));
        }
        let dir = dir();
        let store = RedbStore::open(dir.path(), Options::new().create(true)).unwrap();
        thread::scope(|scope| {
            for part in rows.chunks(rows.len().div_ceil(64)) {
                let store = &store;
                scope.spawn(move || {
                    for rows in part.chunks(Batch::OPS_MAX) {
                        let mut batch = Batch::new();
                        for (key, value) in rows {
                            batch.put(key.clone(), Expect::Any, value.clone());
                        }
                        assert!(matches!(store.commit(&batch), Ok(Commit::Applied(_))));
                    }
                });
            }
        });
        store.close().unwrap();
        (config(&self.state), dir)
    }
}

/// A registered file and its thing.
fn live(number: usize, parties: usize) -> (Entry, Entry) {
    let (id, thing) = (file_id(number), thing_key(number));
    let Through { party: owner, member } = party(owner(number, parties));
    let file = File {
        thing,
        kind: Label::new("vehicle").unwrap(),
        region: Label::new("de-by").unwrap(),
        owner,
        member,
        commitment: [1; 32],
        sealed: [2; 32],
        erased: None,
        status: Status::Registered,
        frozen: false,
        revision: 0,
        since: Height(5),
        since_time: NOW,
        predecessor: None,
        approvals: vec![FOUNDER],
        rejections: Vec::new(),
        leases: Vec::new(),
        liens: Vec::new(),
    };
    let holding = Holding { file: id, owner };
    (Entry::File(id, Box::new(file)), Entry::Thing(thing, Some(holding)))
}

/// Carries all effects out, with the founder's key.
fn carry(machine: &mut Authority, store: &impl Store) {
    let mut keys = SoftKeys::new();
    keys.add_signing(KeyId(1), &seed(Signer::Node(FOUNDER)));
    while let Some(effect) = machine.poll_effect() {
        match effect {
            Effect::Read { ticket, want } => {
                let rows = store.read(&want).ok();
                machine.handle(NOW, Input::Rows { ticket, rows }).unwrap();
            }
            Effect::Commit { ticket, batch } => {
                let Ok(commit) = store.commit(&batch) else { panic!("the store fails") };
                let fate = Committed::from(commit);
                machine.handle(NOW, Input::Committed { ticket, fate }).unwrap();
            }
            Effect::Ask { ticket, questions } => {
                let answers = Some(keys.answer(&questions).unwrap());
                machine.handle(NOW, Input::Keys { ticket, answers }).unwrap();
            }
            Effect::Send { .. } => {}
        }
    }
}

fn config(state: &State) -> AuthorityConfig {
    AuthorityConfig {
        tenant: TENANT,
        genesis: state.genesis().clone(),
        node: FOUNDER,
        key: KeyId(1),
        key_number: 1,
        retry_ms: 100,
    }
}

fn identity(number: u64) -> Identity {
    let role = if number == 0 { Role::Supervision } else { Role::Member };
    let signing = public(Signer::Node(NodeId(Height(number))));
    let name = NodeName::new(&format!("node-{number}")).unwrap();
    Identity { name, role, signing, sealing: [1; 32] }
}

fn party(number: usize) -> Through {
    PARTIES.0[number]
}

fn request(
    number: usize,
    thing: ThingKey,
    owner: Through,
    predecessor: Option<FileId>,
) -> Register {
    let mut instruction = [0; 16];
    instruction[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Register {
        instruction,
        thing,
        kind: Label::new("vehicle").unwrap(),
        region: Label::new("de-by").unwrap(),
        owner,
        commitment: [1; 32],
        sealed: [2; 32],
        predecessor,
    }
}

const fn owner(thing: usize, parties: usize) -> usize {
    thing % parties
}

fn file_id(number: usize) -> FileId {
    FileId(Sha256::digest((number as u64).to_le_bytes()).into())
}

fn thing_key(number: usize) -> ThingKey {
    ThingKey(Sha256::digest((number as u64).to_be_bytes()).into())
}

/// The parties and their members.
fn both(through: &[Through]) -> Vec<Signer> {
    through.iter().flat_map(|it| [Signer::Party(it.party), Signer::Node(it.member)]).collect()
}

fn sign(transaction: Transaction, signers: &[Signer]) -> Transaction {
    signers.iter().fold(transaction, |it, by| {
        let number = u16::from(!matches!(by, Signer::Key(_)));
        it.sign(*by, number, &key(*by)).unwrap()
    })
}

/// With signatures whose bytes nobody looks at.
fn marked(transaction: Transaction, signers: &[Signer]) -> Transaction {
    signers.iter().fold(transaction, |it, by| it.signed(*by, 1, [0; 64]))
}

fn key(signer: Signer) -> SigningKey {
    SigningKey::from_seed(&seed(signer))
}

fn public(signer: Signer) -> VerifyingKey {
    key(signer).verifying_key()
}

fn seed(signer: Signer) -> Secret<32> {
    match signer {
        Signer::Node(node) => Secret::new([node.0.0 as u8; 32]),
        Signer::Party(party) => party_seed(PARTIES.1[&party]),
        Signer::Key(bytes) => {
            let nodes = (0..3).map(|n| Secret::new([n; 32]));
            let parties = (0..PARTIES.0.len()).map(party_seed);
            let is_its =
                |seed: &Secret<32>| SigningKey::from_seed(seed).verifying_key().to_bytes() == bytes;
            nodes.chain(parties).find(is_its).unwrap()
        }
    }
}

fn party_seed(number: usize) -> Secret<32> {
    let mut name = [0xAA; 32];
    name[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Secret::new(name)
}

fn entries(count: usize) -> Vec<[u8; 32]> {
    (0..count as u64).map(|n| Sha256::digest(n.to_be_bytes()).into()).collect()
}

fn ct_tree(entries: &[[u8; 32]]) -> MemoryBackedTree<Sha256, [u8; 32]> {
    let mut tree = MemoryBackedTree::new();
    entries.iter().for_each(|entry| tree.push(*entry));
    tree
}

fn rs_tree(entries: &[[u8; 32]]) -> MerkleTree<rs_merkle::algorithms::Sha256> {
    let leaves: Vec<[u8; 32]> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    MerkleTree::from_leaves(&leaves)
}

fn timed<T>(mut it: T, run: impl FnOnce(&mut T)) -> Duration {
    let started = Instant::now();
    run(&mut it);
    started.elapsed()
}

fn figure(id: &str, value: f64, unit: &str) {
    println!("{id}: {value} {unit}");
    if let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") {
        let text = format!("{{\"id\": \"{id}\", \"value\": {value}, \"unit\": \"{unit}\"}}");
        let file = format!("{}.json", id.replace('/', "_"));
        std::fs::write(Path::new(&folder).join(file), text).unwrap();
    }
}

fn dir() -> TempDir {
    let target = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target");
    let place = std::env::var_os("INTERBANK_BENCH_DIR").map_or_else(target, PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    tempfile::tempdir_in(place).unwrap()
}

/// Ten thousand parties: through which member each acts, and the number of each.
static PARTIES: LazyLock<(Vec<Through>, BTreeMap<PartyId, usize>)> = LazyLock::new(|| {
    let through = (0..10_000).map(|number| {
        let first = SigningKey::from_seed(&party_seed(number)).verifying_key();
        Through { party: PartyId::of(&first), member: MEMBERS[number % 2] }
    });
    let through: Vec<Through> = through.collect();
    let numbers = through.iter().enumerate().map(|(number, it)| (it.party, number)).collect();
    (through, numbers)
});

const MILLION: usize = 1_000_000;

// The tables of docs/spec/ledger.md.
const HEAD: u8 = 1;
const BLOCKS: u8 = 2;
const ENTRIES: u8 = 3;
const TILES: u8 = 4;
const DECIDED: u8 = 5;

criterion_group!(benches, state, signatures, append, proofs, restart, sizes);
criterion_main!(benches);
