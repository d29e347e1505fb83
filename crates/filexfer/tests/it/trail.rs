use interbank_filexfer::*;
use port::blocking::Store;
use port::{Batch, Commit, Expect, MemoryStore, ReadSet, Scan, Tenant, Time};
use seal::{Audit, Head};

const TENANT: Tenant = Tenant::new(1);

fn record(n: u64) -> Audit {
    Audit {
        at: Time::from_ms(n),
        tenant: TENANT,
        action: "filexfer.job.accepted".into(),
        actor: b"b1"[..].into(),
        subject: n.to_be_bytes().to_vec().into(),
        reasons: vec![],
        policy: [1; 32],
        correlation: [2; 16],
    }
}

fn rows(store: &MemoryStore) -> Vec<Vec<u8>> {
    let Ok(found) = store.read(&ReadSet::scan(Scan::first(Trail::table(TENANT), 100)));
    found.scans[0].iter().map(|(_, row)| row.value.to_vec()).collect()
}

fn written() -> (MemoryStore, Head) {
    let store = MemoryStore::new();
    let mut expect = Expect::Absent;
    for n in 0..10 {
        let Ok(found) = store.read(&ReadSet::points([Trail::head_key(TENANT)]));
        let head = found.points[0].as_ref().map(|row| &row.value[..]);
        let mut trail = Trail::resume(TENANT, head).unwrap();
        let mut batch = Batch::new();
        trail.record(&mut batch, &record(2 * n)).unwrap();
        trail.record(&mut batch, &record(2 * n + 1)).unwrap();
        trail.seal(&mut batch, expect);
        let Ok(Commit::Applied(version)) = store.commit(&batch) else { unreachable!() };
        // A second instance that goes on from the same head gets nowhere.
        assert_eq!(store.commit(&batch), Ok(Commit::Conflict));
        expect = Expect::At(version);
    }
    let Ok(found) = store.read(&ReadSet::points([Trail::head_key(TENANT)]));
    let row = found.points[0].clone().unwrap();
    (store, Trail::resume(TENANT, Some(&row.value)).unwrap().head())
}

#[test]
fn fd14_every_change_of_the_trail_shows() {
    let (store, head) = written();
    let rows = rows(&store);
    let verify = |rows: &[Vec<u8>]| Trail::verify(rows.iter().map(Vec::as_slice), head);
    let records = verify(&rows).unwrap();
    assert_eq!(records, (0..20).map(record).collect::<Vec<_>>());
    for at in 0..rows.len() {
        let mut changed = rows.clone();
        let last = changed[at].len() - 1;
        changed[at][last] ^= 1;
        assert_eq!(verify(&changed), Err(Tampered { number: at as u64 }));
        let mut gone = rows.clone();
        gone.remove(at);
        // without its last record it is a right trail that is too short
        assert!(verify(&gone).is_err());
        let mut swapped = rows.clone();
        swapped.swap(at, (at + 1) % 20);
        assert!(verify(&swapped).is_err());
    }
    assert!(Trail::resume(TENANT, Some(&[1, 2])).is_err());
}

#[test]
fn fd14_a_trail_is_checked_record_by_record_as_it_is_as_a_whole() {
    let (store, head) = written();
    let mut check = TrailCheck::new();
    for (n, row) in rows(&store).iter().enumerate() {
        assert_eq!(check.row(row), Ok(record(n as u64)));
        assert_eq!(check.records(), n as u64 + 1);
        if n < 19 {
            assert_eq!(check.clone().finish(head), Err(Tampered { number: n as u64 + 1 }));
        }
    }
    // A record too many is one that nobody wrote; what was right before stays so.
    assert_eq!(check.row(&rows(&store)[19]), Err(Tampered { number: 20 }));
    assert_eq!(TrailCheck::new().finish(head), Err(Tampered { number: 0 }));
}
