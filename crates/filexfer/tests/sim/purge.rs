//! What is over is forgotten in time, and nothing else.

use crate::world::{TENANT, World, bytes};
use interbank_filexfer::*;
use port::blocking::{Store as _, decide};
use port::{Batch, CrateTag, Expect, Key, Time};
use seal::SoftKeys;
use std::collections::BTreeMap;

const DAY_MS: u64 = 86_400_000;

fn keeping() -> Keeping {
    Keeping::new(30 * DAY_MS, 300 * DAY_MS, &Limits::default()).unwrap()
}

/// Everything that is over in one server's store at that time; how much it was.
fn purge(world: &World, id: &str, now: Time) -> usize {
    let node = &world.nodes[id];
    let mut rows = 0;
    for table in [PurgeTable::Jobs, PurgeTable::Taken, PurgeTable::Inbox, PurgeTable::Receipts] {
        let mut after = None;
        for _ in 0..1_000 {
            let mut purge =
                Purge::new(TENANT, keeping(), now, table, after).by(node.registry.clone());
            let purged = decide(&node.store, &SoftKeys::new(), &mut purge).unwrap();
            rows += purged.rows;
            after = purged.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(after, None, "{table:?} never ends");
    }
    rows
}

/// How many rows each table has.
fn tables(world: &World, id: &str) -> BTreeMap<u8, usize> {
    let mut tables = BTreeMap::new();
    for (key, _) in world.nodes[id].store.snapshot().rows {
        *tables.entry(key.as_bytes()[Key::HEAD_BYTES - 1]).or_default() += 1;
    }
    tables
}

#[test]
fn what_is_over_is_forgotten_in_its_time() {
    let profile = Profile::new(ProtocolName::new("sftp").unwrap()).keeping_receipts(400 * DAY_MS);
    let mut world = World::serving(31, |_| {}, &[("c1", profile)]);
    for n in 0..30 {
        world.put("b1", &format!("f{n}"), bytes(100 * n, 1));
    }
    let mut requests = Vec::new();
    for n in 0..30 {
        // within the site, to a client, refused, and over two links
        let to = ["bb1", "c1", "nobody", "c3"][n % 4];
        let request = world.request("b1", "b1", to, &format!("f{n}"));
        world.submit(&request);
        requests.push(request);
    }
    world.settle();
    // One waits for its party.
    world.set_present("aa1", false);
    let waiting = world.request("b1", "b1", "cc1", "f7");
    world.submit(&waiting);
    world.run_until(world.now.plus_ms(300_000));
    world.check().unwrap_err();
    let start = world.now;

    let all = tables(&world, "r1");
    assert_eq!((all[&1], all[&10]), (31, 23));
    let servers = ["r1", "r2", "r3", "b1", "bb1", "c1", "c3"];
    for id in servers {
        assert_eq!(purge(&world, id, start.plus_ms(29 * DAY_MS)), 0, "{id}");
    }
    assert_eq!(tables(&world, "r1"), all);

    // After a month: of jobs that ended only receipts are left, and the trail.
    let month = start.plus_ms(31 * DAY_MS);
    for id in servers {
        assert!(purge(&world, id, month) > 0, "{id}");
        assert_eq!(purge(&world, id, month), 0, "{id}");
    }
    let left = tables(&world, "r1");
    assert_eq!((left[&1], left[&5], left.get(&10)), (1, 1, None));
    assert_eq!((left[&7], left[&11]), (all[&7], 23));
    assert_eq!(left[&3], all[&3]);
    let left = tables(&world, "c1");
    assert_eq!((left.get(&8), left[&7], left[&11]), (None, 8, 8));
    let left = tables(&world, "bb1");
    assert_eq!((left.get(&9), left.get(&14), left[&12]), (None, None, 8));

    // After a year: those of a client whose profile says so.
    let receipts = |world: &World| {
        let rows = world.rows("r1", &Forwarder::receipts(TENANT));
        let read = rows.iter().map(|row| SignedReceipt::parse(&row.value).unwrap());
        read.filter(|signed| signed.receipt.stage == Stage::HandedOver)
            .map(|signed| signed.receipt.party)
            .map(|party| party.as_str().to_owned())
            .collect::<std::collections::BTreeSet<String>>()
    };
    assert_eq!(receipts(&world).len(), 3);
    for id in servers {
        purge(&world, id, start.plus_ms(350 * DAY_MS));
    }
    assert_eq!(receipts(&world).into_iter().collect::<Vec<_>>(), ["c1"]);
    for id in servers {
        purge(&world, id, start.plus_ms(401 * DAY_MS));
    }
    assert_eq!(tables(&world, "r1").keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(tables(&world, "c1").keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert!(tables(&world, "bb1").is_empty());
    world.trail("r1");

    // What is forgotten is too old to be asked for again, and what waited all the time is delivered.
    world.now = start.plus_ms(401 * DAY_MS);
    world.results.clear();
    world.answers.clear();
    world.submit(&requests[0]);
    world.set_present("aa1", true);
    world.run_until(world.now.plus_ms(120_000));
    assert_eq!(world.answers[&requests[0].id].verdict.outcome, Err(Reason::BadAuth));
    assert!(world.content("cc1", "f7").is_some());
}

#[test]
fn fd08_a_job_is_kept_longer_than_its_request_is_believed() {
    let limits = Limits::default();
    let least = limits.freshness_ms + limits.skew_ms;
    assert_eq!(Keeping::new(least, DAY_MS, &limits), Err(Misuse::Bounds));
    assert_eq!(Keeping::new(least + 1, least, &limits), Err(Misuse::Bounds));
    assert!(Keeping::new(least + 1, least + 1, &limits).is_ok());
    assert!(Keeping::default().receipts_ms() > Keeping::default().jobs_ms());
}

/// A job may end while its bitmap is on disk and nobody pulls: then the purge takes what is left, however much it is.
#[test]
fn what_is_left_of_a_bitmap_goes_with_its_job() {
    let mut world = World::new(32);
    let request = world.request("b1", "b1", "bb1", "missing");
    world.submit(&request);
    world.settle();
    let transfer = request.transfer().unwrap();
    let prefix = Bitmap::scan(TENANT, &transfer).unwrap().prefix;
    let store = &world.nodes["r1"].store;
    for part in 0..5_u64 {
        let mut batch = Batch::new();
        for n in 0..40 {
            let key = prefix.clone().raw(&[1]).unwrap().number(part * 40 + n).unwrap();
            batch.put(key, Expect::Any, vec![1]);
        }
        assert!(matches!(store.commit(&batch), Ok(port::Commit::Applied(_))));
    }
    assert_eq!(tables(&world, "r1")[&4], 200);
    assert_eq!(purge(&world, "r1", world.now.plus_ms(31 * DAY_MS)), 1);
    let left = tables(&world, "r1");
    assert_eq!((left.get(&4), left.get(&1)), (None, None));
    let table = Key::new(CrateTag::FILEXFER, TENANT, 3);
    assert!(!world.rows("r1", &table).is_empty());
}
