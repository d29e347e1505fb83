//! The pure parts of file transmission: judging, verifying, sealing, receipts, turns and resuming.

use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::decode_ranges;
use bao_tree::{BaoTree, BlockSize, ChunkRanges};
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use interbank_filexfer::sealed::{
    ChunkSize, Opener, Opening, OpeningKey, SealedFor, SealedHeader, Sealer,
};
use interbank_filexfer::*;
use port::{Key, Tenant, Time};
use seal::{Secret, SigningKey, Validity};
use std::hint::black_box;
use std::io::Cursor;

const NOW: Time = Time::from_s(1_800_000_000);

/// A registry of 1,000 parties and as many grants: the whole judgement, with the requester's signature.
fn judge(c: &mut Criterion) {
    let mut group = c.benchmark_group("filexfer/judge");
    let (registry, key) = registry(500);
    let request = request(&key, JobId([1; 16]));
    let legitimacy = Legitimacy::new(&registry, Limits::default());
    let file = FileMetadata {
        kind: FileKind::Regular,
        class: FileClass::new("settlement").unwrap(),
        size: Some(1_000),
        root: None,
        is_being_written: false,
        is_stream: false,
        stamp: FileStamp::default(),
    };
    let (hops, known) = (HopList::new(), Known::default());
    let judged = legitimacy.judge(&request, &hops, NOW, Some(&file), &known);
    assert!(judged.is_ok(), "{judged:?}");
    group.bench_function("1k_parties", |b| {
        b.iter(|| legitimacy.judge(black_box(&request), &hops, NOW, Some(&file), &known));
    });
    let public = key.verifying_key();
    let message = request.to_sign().unwrap();
    group.bench_function("bare_ed25519", |b| {
        b.iter(|| public.verify(black_box(&message), &request.signature));
    });
    group.finish();
}

/// Receipts of one party: signed in batches of 1,024 with their proofs, and verified; each for itself beside them.
fn receipts(c: &mut Criterion) {
    const MANY: u64 = 1_024;
    let mut group = c.benchmark_group("filexfer/receipts");
    let key = SigningKey::from_seed(&Secret::new([1; 32]));
    let public = key.verifying_key();
    let all: Vec<Receipt> = (0..MANY).map(receipt).collect();
    let sign = |receipts: Vec<Receipt>| {
        let mut batch = ReceiptBatch::new();
        receipts.into_iter().for_each(|receipt| batch.push(receipt).unwrap());
        let signature = key.sign(&batch.head().to_sign());
        batch.sign(1, signature)
    };
    group.throughput(Throughput::Elements(MANY));
    group.bench_function("sign_1024", |b| {
        b.iter_batched(|| all.clone(), sign, BatchSize::LargeInput);
    });
    let signed = sign(all.clone());
    let verify = |signed: &[SignedReceipt]| {
        let mut verifier = ReceiptVerifier::new();
        signed.iter().all(|one| verifier.verify(one, &public).is_ok())
    };
    assert!(verify(&signed));
    group.bench_function("verify_1024", |b| b.iter(|| verify(black_box(&signed))));
    group.bench_function("both_1024", |b| {
        b.iter_batched(|| all.clone(), |all| assert!(verify(&sign(all))), BatchSize::LargeInput);
    });
    group.throughput(Throughput::Elements(1));
    let mut bytes = Vec::new();
    all[0].encode(&mut bytes).unwrap();
    group.bench_function("both_alone", |b| {
        b.iter(|| {
            let signature = key.sign(black_box(&bytes));
            assert!(public.verify(&bytes, &signature));
        });
    });
    group.finish();
}

/// Ranges of 1 MiB out of 64 MiB, checked against the root, on one core.
fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("filexfer/verify");
    let content = content(64 << 20);
    let size = content.len() as u64;
    let outboard = Outboard::of(&content);
    let slices: Vec<(std::ops::Range<u64>, Vec<u8>)> = (0..64)
        .map(|n| {
            let range = n * 64..(n + 1) * 64;
            let group = |at: u64| content.chunks(16_384).nth(at as usize);
            let mut slice = Vec::new();
            Slice::encode(&outboard, size, &range, group, &mut slice).unwrap();
            (range, slice)
        })
        .collect();
    let mut at = 0;
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("slice_1mib", |b| {
        b.iter(|| {
            at = (at + 1) % slices.len();
            let (range, slice) = &slices[at];
            Slice::open(outboard.root(), size, range, black_box(slice)).unwrap().bytes_len()
        });
    });
    // The floor: hashing as much in one go. The peer: the crate whose bytes these are, into memory.
    group.bench_function("bare_blake3", |b| {
        b.iter(|| {
            at = (at + 1) % 64;
            blake3::hash(black_box(&content[at << 20..(at + 1) << 20]))
        });
    });
    let tree = BaoTree::new(size, BlockSize::from_chunk_log(4));
    let chunks = |n: u64| {
        ChunkRanges::from(bao_tree::ChunkNum(n * 1_024)..bao_tree::ChunkNum((n + 1) * 1_024))
    };
    let pairs = vec![0; usize::try_from(tree.outboard_size()).unwrap()];
    let mut theirs = PreOrderOutboard { root: (*outboard.root()).into(), tree, data: pairs };
    let mut target = vec![0; content.len()];
    group.bench_function("bao_tree_1mib", |b| {
        b.iter(|| {
            at = (at + 1) % 64;
            let encoded = Cursor::new(&slices[at].1);
            decode_ranges(encoded, &chunks(at as u64), &mut target[..], &mut theirs).unwrap();
        });
    });
    group.finish();
}

/// 16 MiB sealed and opened in chunks of 64 KiB, with the content's root, on one core; beside the bare cipher.
fn seal_and_open(c: &mut Criterion) {
    const LEN: usize = 16 << 20;
    let mut group = c.benchmark_group("filexfer/sealed");
    let content = content(LEN);
    let key = OpeningKey::derive(&Secret::new([1; 32]));
    let (recipient, made_for) = (key.recipient_key(), SealedFor([2; 32]));
    let seal = |to: &mut Vec<u8>| {
        to.clear();
        let chunk = ChunkSize::default();
        let mut sealer = Sealer::new(&recipient, 1, made_for, chunk, &[3; 32]).unwrap();
        sealer.update(black_box(&content), to).unwrap();
        sealer.finish(to).unwrap()
    };
    let mut file = Vec::with_capacity(LEN + LEN / 1_024);
    let sealed = seal(&mut file);
    let mut to = Vec::with_capacity(file.capacity());
    group.throughput(Throughput::Bytes(LEN as u64));
    group.sample_size(20);
    group.bench_function("seal_16mib", |b| b.iter(|| seal(&mut to)));
    group.bench_function("open_16mib", |b| {
        b.iter(|| {
            to.clear();
            let opener = Opener::new(&file, file.len() as u64, &key, &made_for).unwrap();
            let mut opening = Opening::new(opener);
            opening.update(black_box(&file), &mut to).unwrap();
            assert_eq!(opening.finish().unwrap().root, sealed.root);
        });
    });
    assert!(file.len() > LEN + SealedHeader::BYTES);
    let cipher = ChaCha20Poly1305::new(&[5; 32].into());
    let mut buffer = content.clone();
    group.bench_function("bare_chacha20poly1305", |b| {
        b.iter(|| {
            for chunk in buffer.chunks_mut(65_520) {
                let nonce = [1; 12].into();
                black_box(cipher.encrypt_inout_detached(&nonce, &[], chunk.into()).unwrap());
            }
        });
    });
    group.finish();
}

/// Who is next, and its slot given back, while 100,000 jobs wait: in as many flows as there are pairs of 300 parties, and in as
/// many as there are jobs.
fn turns(c: &mut Criterion) {
    const JOBS: usize = 100_000;
    let mut group = c.benchmark_group("filexfer/turns");
    for (name, requesters) in [("100k_jobs", 300), ("100k_flows", 1_000)] {
        let parties: Vec<PartyId> =
            (0..requesters).map(|n| PartyId::new(&format!("party-{n}")).unwrap()).collect();
        let slots = Slots { waiting_max: 2 * JOBS, ..Slots::default() };
        let mut scheduler = Scheduler::new(slots);
        let push = |scheduler: &mut Scheduler, n: usize| {
            let (from, to) = match name {
                "100k_jobs" => (n % 300, (n / 300) % 30),
                _ => (n % 1_000, (n / 1_000) % 1_000),
            };
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let priority = (n % 7) as u8;
            scheduler.push(&parties[from], &parties[to], priority, JobId(id)).unwrap();
        };
        (0..JOBS).for_each(|n| push(&mut scheduler, n));
        let mut n = JOBS;
        group.bench_function(name, |b| {
            b.iter(|| {
                let (requester, job) = scheduler.next(|_| true).unwrap();
                scheduler.done(&requester, job);
                push(&mut scheduler, n);
                n += 1;
            });
        });
        assert_eq!(scheduler.waiting(), JOBS);
    }
    group.finish();
}

/// What is to be done for a file of 1 TB after a stop, from the rows of its bitmap: half of it there, 60 segments in work.
fn resume(c: &mut Criterion) {
    let mut group = c.benchmark_group("filexfer/resume");
    let (tenant, transfer) = (Tenant::new(1), TransferId([1; 16]));
    let size = 1_000_000_000_000;
    let mut bitmap = Bitmap::new([7; 32], size);
    let half = bitmap.groups().count() / 2 / 4_096 * 4_096;
    let mut rows: std::collections::BTreeMap<Key, Vec<u8>> = std::collections::BTreeMap::new();
    let mut keep = |bitmap: &mut Bitmap| {
        for op in bitmap.checkpoint(tenant, &transfer).unwrap().batch.ops() {
            match &op.change {
                port::Change::Put(value) => rows.insert(op.key.clone(), value.to_vec()),
                _ => rows.remove(&op.key),
            };
        }
    };
    bitmap.mark(&(0..half)).unwrap();
    keep(&mut bitmap);
    for n in 0..60 {
        let start = half + n * 100 * 4_096 + 17;
        bitmap.mark(&(start..start + 1_000)).unwrap();
        if bitmap.is_due() {
            keep(&mut bitmap);
        }
    }
    keep(&mut bitmap);
    let rows: Vec<(Key, Vec<u8>)> = rows.into_iter().collect();
    let restore = || {
        let restored = Bitmap::restore(rows.iter().map(|(key, row)| (key, &row[..])));
        restored.unwrap().unwrap().resume()
    };
    assert_eq!(restore().missing_groups, bitmap.groups().count() - half - 60_000);
    group.bench_function("1tb", |b| b.iter(|| black_box(restore())));
    group.finish();
}

fn registry(pairs: usize) -> (Registry, SigningKey) {
    let key = SigningKey::from_seed(&Secret::new([9; 32]));
    let party = |id: String, role| Party::new(PartyId::new(&id).unwrap(), role);
    let forwarder = party("r1".into(), Role::Forwarder);
    let mut registry = Registry::new(SiteId::new("s1").unwrap(), forwarder, 1).unwrap();
    for n in 0..pairs {
        let backstage = party(format!("b{n}"), Role::Backstage).with_key(
            1,
            key.verifying_key(),
            Validity::always(),
        );
        registry.backstage(backstage, party(format!("nfs{n}"), Role::NetworkFileSystem)).unwrap();
        let next = PartyId::new(&format!("b{}", (n + 1) % pairs)).unwrap();
        let from = PartyId::new(&format!("b{n}")).unwrap();
        registry.grant(Grant::new(Who::Party(from.clone()), Who::Party(next), 1 << 30));
        registry.grant(Grant::new(Who::Party(from), Who::At(SiteId::new("s9").unwrap()), 1));
    }
    (registry, key)
}

fn request(key: &SigningKey, id: JobId) -> Request {
    let request = Request {
        id,
        requester: PartyId::new("b250").unwrap(),
        sender: "b250".into(),
        destination: "b251".into(),
        file: FileSpec {
            name: "out/2027-01-15/settlement.csv".into(),
            size: None,
            root: None,
            class: FileClass::new("settlement").unwrap(),
        },
        mode: Mode::Push,
        not_before: None,
        deadline: None,
        priority: 0,
        on_conflict: OnConflict::Fail,
        made: NOW,
        nonce: [2; 16],
        key_number: 1,
        signature: [0; 64],
    };
    let signature = key.sign(&request.to_sign().unwrap());
    request.signed(signature)
}

fn receipt(n: u64) -> Receipt {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Receipt {
        stage: Stage::Verified,
        party: PartyId::new("r1").unwrap(),
        id: JobId(id),
        request: [1; 32],
        verdict: [2; 32],
        root: [3; 32],
        size: n,
        at: NOW,
        content: None,
        follows: None,
    }
}

fn content(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    content
}

criterion_group!(benches, judge, receipts, verify, seal_and_open, turns, resume);
criterion_main!(benches);
