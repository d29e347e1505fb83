//! Work that is done together is done as if each had come alone.

use crate::home::{Home, T, bytes, name, store};
use filexfer::{Failure, Place, TransferId, Work};
use interbank_files_local::{Done, Error, Performed};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn much_work_is_answered_in_its_order_and_one_that_fails_takes_no_other_with_it() {
    for many in [3, 40] {
        let home = Home::new();
        let files = home.open();
        let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
        let transfers: Vec<TransferId> = (0..many).map(|tag| TransferId([tag; 16])).collect();
        let all = |work: &dyn Fn(TransferId) -> Work| {
            let works: Vec<Work> = transfers.iter().map(|transfer| work(*transfer)).collect();
            let done = files.perform_all(&works);
            assert_eq!(done.len(), works.len());
            done
        };
        let each = |done: &[Performed], what: &Done| {
            let mut pairs = transfers.iter().zip(done);
            pairs.all(|(transfer, done)| done.as_ref() == Ok(&(*transfer, what.clone())))
        };
        home.put("one", "a", b"content");
        home.put("two", "taken/2", b"another");
        let known = Some((7, *blake3::hash(b"content").as_bytes()));
        let prepare =
            |transfer| Work::Prepare { transfer, from: from.clone(), name: name("a"), stamp: None };
        assert!(each(&all(&prepare), &Done::Prepared(known)));
        let copy =
            |transfer| Work::Copy { transfer, from: from.clone(), into: into.clone(), range: 0..1 };
        assert!(each(&all(&copy), &Done::Copied(0..1)));
        let sync = |transfer| Work::Sync { transfer, into: into.clone() };
        assert!(each(&all(&sync), &Done::Synced));
        // The first goes nowhere, the second has no content, the third has a name that is taken.
        files.discard(&transfers[1], &into).unwrap();
        let nowhere = Place::Store(store("three"));
        let publish = |transfer: TransferId| Work::Publish {
            transfer,
            into: if transfer == transfers[0] { nowhere.clone() } else { into.clone() },
            name: name(&format!("taken/{}", transfer.0[0])),
            replace: false,
        };
        let done = all(&publish);
        assert_eq!(done[0], Err(Error::NoPlace));
        assert_eq!(done[1], Err(Error::NoContent));
        let taken = Done::Published(Err(Failure::NameTaken));
        assert_eq!(done[2], Ok((transfers[2], taken)));
        for (transfer, done) in transfers.iter().zip(&done).skip(3) {
            assert_eq!(done, &Ok((*transfer, Done::Published(Ok(())))));
            assert_eq!(home.get("two", &format!("taken/{}", transfer.0[0])), b"content");
        }
        assert_eq!(home.get("two", "taken/2"), b"another");
        assert!(!home.path("two", "taken/0").exists() && !home.path("two", "taken/1").exists());
    }
}

/// A second look at a large file must not take away the proof that the first one is writing.
#[test]
fn a_file_that_is_asked_for_while_it_is_read_is_read_once() {
    let home = Home::new();
    let files = home.open();
    let content = bytes(24_000_000, 1);
    home.put("one", "a", &content);
    let from = Place::Store(store("one"));
    let proofs = Mutex::new(BTreeSet::new());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let found = fs::read_dir(home.work()).unwrap().filter_map(Result::ok);
                let found =
                    found.filter_map(|entry| entry.metadata().ok()).map(|found| found.ino());
                proofs.lock().unwrap().extend(found);
            }
        });
        let prepare = || files.prepare(T, &from, &name("a"), None).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(prepare)).collect();
        for thread in threads {
            let known = Some((24_000_000, *blake3::hash(&content).as_bytes()));
            assert_eq!(thread.join().unwrap(), known);
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(proofs.into_inner().unwrap().len(), 1, "proofs that were begun");
    assert!(files.slice(&T, &from, &(300..310)).unwrap().is_some());
}

/// Each attempt of a job asks anew. That other bytes under the old stamp are not noticed shows that nothing was read.
#[test]
fn a_large_file_that_is_prepared_is_not_read_again() {
    let home = Home::new();
    let files = home.open();
    home.put("one", "a", &bytes(6_000_000, 1));
    let from = Place::Store(store("one"));
    let prepare = || files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
    let known = prepare();
    let file = fs::File::options().write(true).open(home.path("one", "a")).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"\0\0\0\0\0\0\0\0", 200_000).unwrap();
    file.set_modified(before).unwrap();
    // The proof on disk is gone, the one in memory is not.
    for entry in fs::read_dir(home.work()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(prepare(), known);
    file.set_modified(before + Duration::from_secs(1)).unwrap();
    assert_ne!(prepare().1, known.1, "it says that it changed");
}
