//! What is done with files, on a real file system.

use crate::home::{Home, T, bytes, name, store};
use filexfer::{
    Failure, FileClass, FileKind, Groups, Message, Outboard, Place, Slice, StoreFault, TransferId,
    Work,
};
use interbank_files_local::{Done, Error, LocalFiles, OpenError, Options};
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

#[test]
fn a_file_moves_from_one_store_to_another_group_by_group() {
    let home = Home::new();
    let files = home.open();
    for (len, tag) in [(0, 1_u8), (1, 2), (16_384, 3), (16_385, 4), (9_000_000, 6)] {
        let transfer = TransferId([tag; 16]);
        let content = bytes(len, tag);
        let file = name(&format!("out/{tag}.bin"));
        home.put("one", file.as_str(), &content);
        let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
        let found = files.look(&store("one"), &file).unwrap().unwrap();
        assert_eq!((found.kind, found.size), (FileKind::Regular, Some(len as u64)));
        let known = files.prepare(transfer, &from, &file, Some(found.stamp)).unwrap();
        assert_eq!(known, Some((len as u64, *blake3::hash(&content).as_bytes())));
        // From the back, in odd ranges.
        let mut end = Groups::new(len as u64).count();
        while end > 0 {
            let range = end.saturating_sub(37)..end;
            assert!(files.copy(&transfer, &from, &into, &range).unwrap());
            end = range.start;
        }
        files.sync(&transfer, &into).unwrap();
        let target = name(&format!("in/deep/{tag}.bin"));
        assert!(!home.path("two", target.as_str()).exists(), "visible before it is published");
        assert_eq!(files.publish(&transfer, &into, &target, false).unwrap(), Ok(()));
        assert_eq!(files.publish(&transfer, &into, &target, false).unwrap(), Ok(()), "once more");
        assert_eq!(home.get("two", target.as_str()), content);
        files.discard(&transfer, &into).unwrap();
        files.discard(&transfer, &into).unwrap();
        let found = fs::metadata(home.path("two", target.as_str())).unwrap();
        assert_eq!((found.nlink(), found.permissions().mode() & 0o777), (1, 0o640));
        assert!(files.unpublished(&into).unwrap().is_empty());
    }
}

#[test]
fn slices_are_those_of_the_tree_and_open_at_the_other_end() {
    let home = Home::new();
    let files = home.open();
    // Its proof is on disk: more than 256 pairs.
    let content = bytes(6_000_000, 1);
    home.put("one", "a", &content);
    let from = Place::Store(store("one"));
    let (size, root) = files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
    let outboard = Outboard::of(&content);
    assert_eq!(&root, outboard.root());
    let count = Groups::new(size).count();
    for range in [0..1, 0..64, 63..65, 200..264, count - 1..count, 0..count] {
        let encoded = encoded(files.slice(&T, &from, &range).unwrap());
        let group = |n: u64| content.chunks(16_384).nth(usize::try_from(n).unwrap());
        let mut expected = Vec::new();
        Slice::encode(&outboard, size, &range, group, &mut expected).unwrap();
        assert_eq!(encoded, expected);
        let slice = Slice::open(&root, size, &range, &encoded).unwrap();
        files.write(&T, &Place::Spool, &slice.groups).unwrap();
    }
    // From the spool it goes on as from a store.
    files.sync(&T, &Place::Spool).unwrap();
    assert_eq!(files.prepare(T, &Place::Spool, &name("a"), None).unwrap(), Some((size, root)));
    assert!(files.slice(&T, &Place::Spool, &(3..9)).unwrap().is_some());
    assert_eq!(files.slice(&T, &from, &(3..9)), Err(Error::NotPrepared), "it is the spool's now");
    assert!(files.slice(&T, &Place::Spool, &(3..count + 1)).is_err());
    files.discard(&T, &Place::Spool).unwrap();
    assert_eq!(files.slice(&T, &Place::Spool, &(3..9)), Err(Error::NotPrepared));
    assert_eq!(files.prepare(T, &Place::Spool, &name("a"), None).unwrap(), None);
    // Nothing of proofs stays on disk.
    assert_eq!(fs::read_dir(home.work()).unwrap().count(), 0);
}

#[test]
fn after_a_restart_a_file_that_is_the_same_is_served_without_reading_it_again() {
    let home = Home::new();
    let from = Place::Store(store("one"));
    let content = bytes(6_000_000, 1);
    home.put("one", "a", &content);
    let prepare = |files: &LocalFiles| files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
    let known = prepare(&home.open());
    // Other bytes under the old stamp: that they are not noticed now shows that nothing was read.
    let file = fs::File::options().write(true).open(home.path("one", "a")).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"\0\0\0\0\0\0\0\0", 200_000).unwrap();
    file.set_modified(before).unwrap();
    let files = home.open();
    assert_eq!(files.kept_transfers().unwrap(), [T]);
    assert_eq!(prepare(&files), known);
    let right = encoded(files.slice(&T, &from, &(0..12)).unwrap());
    assert!(Slice::open(&known.1, known.0, &(0..12), &right).is_ok());
    // They come out where they are asked for.
    assert!(files.slice(&T, &from, &(12..13)).unwrap().is_some());
    assert_eq!(files.slice(&T, &from, &(12..13)).unwrap(), None);
    // A file that says that it changed is read.
    file.set_modified(before + Duration::from_secs(1)).unwrap();
    assert_ne!(prepare(&files).1, known.1);
    files.forget(&T);
    assert_eq!(fs::read_dir(home.work()).unwrap().count(), 0);
}

#[test]
fn of_what_was_kept_the_newest_stays() {
    let home = Home::new();
    let from = Place::Store(store("one"));
    home.put("one", "a", &bytes(5_000_000, 1));
    let mut options = home.options();
    options.prepared_max = 2;
    let files = LocalFiles::open(options.clone()).unwrap();
    for tag in 1..=4 {
        files.prepare(TransferId([tag; 16]), &from, &name("a"), None).unwrap().unwrap();
    }
    let mut kept = files.kept_transfers().unwrap();
    kept.sort();
    assert_eq!(kept, [TransferId([3; 16]), TransferId([4; 16])]);
    drop(files);
    options.prepared_max = 1;
    assert_eq!(LocalFiles::open(options).unwrap().kept_transfers().unwrap().len(), 1);
}

#[test]
fn a_store_that_fails_says_which_of_the_two_it_was() {
    let home = Home::new();
    let mut options = home.options();
    options.stores.get_mut(&store("two")).unwrap().quota_bytes = 1_000;
    let files = LocalFiles::open(options).unwrap();
    home.put("one", "a", &bytes(40_000, 1));
    let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
    let copy = Work::Copy { transfer: T, from: from.clone(), into, range: 0..2 };
    let failed = |fault, why| Ok((T, Done::Failed(fault, why)));
    assert_eq!(files.perform(&copy), failed(StoreFault::Read, Error::NotPrepared));
    files.prepare(T, &from, &name("a"), None).unwrap().unwrap();
    assert_eq!(files.perform(&copy), failed(StoreFault::Write, Error::Full));
    files.forget(&T);
    let to = port::Peer::new("r2").unwrap();
    let serve = Work::Serve { transfer: T, from, range: 0..1, to };
    assert_eq!(files.perform(&serve), failed(StoreFault::Read, Error::NotPrepared));
}

/// What a frame carries.
fn encoded(frame: Option<Vec<u8>>) -> Vec<u8> {
    let Message::Slice { bytes, .. } = Message::parse(&frame.unwrap()).unwrap() else {
        panic!("no slice")
    };
    bytes.to_vec()
}

#[test]
fn a_source_that_changes_is_found_out() {
    let home = Home::new();
    let files = home.open();
    let from = Place::Store(store("one"));
    let content = bytes(400_000, 1);
    let prepared = |transfer: TransferId| {
        home.put("one", "a", &content);
        let stamp = files.look(&store("one"), &name("a")).unwrap().unwrap().stamp;
        assert!(files.prepare(transfer, &from, &name("a"), Some(stamp)).unwrap().is_some());
        stamp
    };
    let open = || fs::File::options().write(true).open(home.path("one", "a")).unwrap();
    // Another file since it was looked at.
    let stamp = prepared(T);
    home.put("one", "a", &bytes(400_000, 2));
    assert_eq!(files.prepare(T, &from, &name("a"), Some(stamp)).unwrap(), None);
    fs::remove_file(home.path("one", "a")).unwrap();
    assert_eq!(files.prepare(T, &from, &name("a"), Some(stamp)).unwrap(), None);

    // The same file with other bytes: its time tells.
    prepared(T);
    let file = open();
    file.write_all_at(b"x", 200_000).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    assert_eq!(files.slice(&T, &from, &(0..2)).unwrap(), None);
    assert!(!files.copy(&T, &from, &Place::Spool, &(0..2)).unwrap());

    // Its time was set back: whoever gets the range that is another refuses it, and when it is asked for again, it tells. No
    // other does.
    let stamp = prepared(T);
    let file = open();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"\0\0\0\0\0\0\0\0", 200_000).unwrap();
    file.set_modified(before).unwrap();
    assert_eq!(files.look(&store("one"), &name("a")).unwrap().unwrap().stamp, stamp);
    let (size, root) = (400_000, *blake3::hash(&content).as_bytes());
    for _ in 0..2 {
        let right = encoded(files.slice(&T, &from, &(0..2)).unwrap());
        assert!(Slice::open(&root, size, &(0..2), &right).is_ok());
    }
    let wrong = encoded(files.slice(&T, &from, &(12..13)).unwrap());
    assert!(Slice::open(&root, size, &(12..13), &wrong).is_err());
    assert_eq!(files.slice(&T, &from, &(12..13)).unwrap(), None);
    assert!(!files.copy(&T, &from, &Place::Spool, &(12..13)).unwrap(), "here nobody else compares");

    // It shrank.
    prepared(T);
    open().set_len(1_000).unwrap();
    assert_eq!(files.slice(&T, &from, &(20..21)).unwrap(), None);
}

#[test]
fn what_is_still_being_written_says_so_for_a_while() {
    let home = Home::new();
    home.put("one", "a", b"fresh");
    let mut options = home.options();
    options.stores.get_mut(&store("one")).unwrap().settle_ms = 60_000;
    let files = LocalFiles::open(options).unwrap();
    let is_written = || files.look(&store("one"), &name("a")).unwrap().unwrap().is_being_written;
    assert!(is_written());
    let file = fs::File::options().write(true).open(home.path("one", "a")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    assert!(!is_written());
}

#[test]
fn names_that_are_taken_and_names_that_are_replaced() {
    let home = Home::new();
    let files = home.open();
    let into = Place::Store(store("two"));
    files.write(&T, &into, &[(0, b"new")]).unwrap();
    files.sync(&T, &into).unwrap();
    home.put("two", "a", b"old");
    fs::create_dir(home.path("two", "folder")).unwrap();
    home.put("two", "target", b"target");
    symlink("target", home.path("two", "link")).unwrap();
    let publish = |to: &str, replace| files.publish(&T, &into, &name(to), replace).unwrap();
    for to in ["a", "folder", "link"] {
        assert_eq!(publish(to, false), Err(Failure::NameTaken), "{to}");
    }
    assert_eq!(publish("folder", true), Err(Failure::NameTaken));
    assert_eq!(home.get("two", "a"), b"old");
    assert_eq!(publish("a", true), Ok(()));
    assert_eq!(publish("a", true), Ok(()), "again, after a crash");
    assert_eq!(home.get("two", "a"), b"new");
    // A link is replaced itself; where it led to stays.
    assert_eq!(publish("link", true), Ok(()));
    assert_eq!(home.get("two", "target"), b"target");
    assert!(fs::symlink_metadata(home.path("two", "link")).unwrap().is_file());
    files.discard(&T, &into).unwrap();
    assert_eq!(home.get("two", "a"), b"new");
    assert_eq!(files.publish(&T, &into, &name("b"), false), Err(Error::NoContent));
    assert_eq!(home.own("two"), Vec::<String>::new());
    // What is left of a replacement that was interrupted goes at the next start.
    drop(files);
    fs::write(home.path("two", ".filexfer-unpublished/ab.link"), b"x").unwrap();
    drop(home.open());
    assert_eq!(home.own("two"), Vec::<String>::new());
}

#[test]
fn the_quota_holds_and_what_is_discarded_is_free_again() {
    let home = Home::new();
    let mut options = home.options();
    options.stores.get_mut(&store("two")).unwrap().quota_bytes = 40_000;
    let files = LocalFiles::open(options.clone()).unwrap();
    let into = Place::Store(store("two"));
    let group = vec![1; 16_384];
    let write = |files: &LocalFiles, transfer: u8, number: u64| {
        files.write(&TransferId([transfer; 16]), &into, &[(number, &group)])
    };
    assert_eq!(write(&files, 1, 0), Ok(()));
    assert_eq!(write(&files, 1, 1), Ok(()));
    assert_eq!(write(&files, 1, 0), Ok(()), "over it once more takes nothing");
    assert_eq!(write(&files, 2, 0), Err(Error::Full));
    drop(files);
    let files = LocalFiles::open(options).unwrap();
    assert_eq!(write(&files, 2, 0), Err(Error::Full), "also after a restart");
    let held = files.unpublished(&into).unwrap();
    assert_eq!(held[&TransferId([1; 16])], 32_768);
    files.discard(&TransferId([1; 16]), &into).unwrap();
    assert_eq!(write(&files, 2, 0), Ok(()));
}

#[test]
fn what_is_written_after_a_discard_comes_too_late() {
    let home = Home::new();
    let files = home.open();
    let into = Place::Store(store("two"));
    files.write(&T, &into, &[(0, b"x")]).unwrap();
    files.discard(&T, &into).unwrap();
    assert_eq!(files.write(&T, &into, &[(0, b"x")]), Err(Error::NoContent));
    assert_eq!(files.sync(&T, &into), Ok(()), "there is nothing to be on disk");
    assert_eq!(home.own("two"), Vec::<String>::new());
}

#[test]
fn a_root_belongs_to_one_process_and_has_to_be_there() {
    let home = Home::new();
    let files = home.open();
    assert_eq!(LocalFiles::open(home.options()).map(drop), Err(OpenError::InUse));
    drop(files);
    let twice = home.options().spool(home.area("one"));
    assert_eq!(LocalFiles::open(twice).map(drop), Err(OpenError::InUse));
    let missing = home.options().spool(home.area("none"));
    let not_found = std::io::ErrorKind::NotFound;
    assert_eq!(LocalFiles::open(missing).map(drop), Err(OpenError::Root(not_found)));
    let mut options = home.options();
    options.work = home.path("none", "");
    assert_eq!(LocalFiles::open(options).map(drop), Err(OpenError::Work(not_found)));
    let mut options = Options::new(home.work());
    options.prepared_max = 0;
    assert_eq!(LocalFiles::open(options).map(drop), Err(OpenError::Bounds));
    let files = home.open();
    assert_eq!(files.look(&store("three"), &name("a")).map(drop), Err(Error::NoPlace));
}

#[test]
fn of_many_prepared_files_the_one_not_used_for_longest_is_forgotten() {
    let home = Home::new();
    let mut options = home.options();
    options.prepared_max = 2;
    let files = LocalFiles::open(options).unwrap();
    let from = Place::Store(store("one"));
    let transfers = [1, 2, 3].map(|tag| TransferId([tag; 16]));
    home.put("one", "a", &bytes(70_000, 1));
    for transfer in &transfers[..2] {
        files.prepare(*transfer, &from, &name("a"), None).unwrap();
    }
    assert!(files.slice(&transfers[0], &from, &(0..1)).unwrap().is_some());
    files.prepare(transfers[2], &from, &name("a"), None).unwrap();
    assert_eq!(files.slice(&transfers[1], &from, &(0..1)), Err(Error::NotPrepared));
    assert!(files.slice(&transfers[0], &from, &(0..1)).unwrap().is_some());
    files.forget(&transfers[0]);
    assert_eq!(files.slice(&transfers[0], &from, &(0..1)), Err(Error::NotPrepared));
}

#[cfg(target_os = "linux")]
#[test]
fn small_files_are_ready_in_large_numbers_and_hold_no_descriptor() {
    let home = Home::new();
    let mut options = home.options();
    options.prepared_max = 1;
    let files = LocalFiles::open(options).unwrap();
    let from = Place::Store(store("one"));
    let open = || fs::read_dir("/proc/self/fd").unwrap().filter(|fd| leads_to(fd, "settlement-"));
    let transfers: Vec<TransferId> = (0..64).map(|tag| TransferId([tag; 16])).collect();
    for (tag, transfer) in transfers.iter().enumerate() {
        let file = format!("settlement-{tag}");
        home.put("one", &file, &bytes(1 + tag * 1_000, 1));
        files.prepare(*transfer, &from, &name(&file), None).unwrap().unwrap();
    }
    assert_eq!(open().count(), 0);
    assert!(transfers.iter().all(|of| files.slice(of, &from, &(0..1)).unwrap().is_some()));
    // What is served is what was prepared, or nothing.
    home.put("one", "settlement-5", &bytes(5_001, 2));
    fs::remove_file(home.path("one", "settlement-6")).unwrap();
    for (tag, transfer) in transfers.iter().enumerate() {
        let is_same = files.slice(transfer, &from, &(0..1)).unwrap().is_some();
        assert_eq!(is_same, tag != 5 && tag != 6);
    }
    // A large one needs the room of all of them, and stays open.
    home.put("one", "settlement-large", &bytes(70_000, 1));
    files.prepare(T, &from, &name("settlement-large"), None).unwrap().unwrap();
    assert_eq!(open().count(), 1);
    assert_eq!(files.slice(&transfers[0], &from, &(0..1)), Err(Error::NotPrepared));
}

#[cfg(target_os = "linux")]
fn leads_to(descriptor: &std::io::Result<fs::DirEntry>, what: &str) -> bool {
    let to = descriptor.as_ref().ok().and_then(|entry| fs::read_link(entry.path()).ok());
    to.is_some_and(|to| to.to_string_lossy().contains(what))
}

#[test]
fn work_is_done_as_machines_describe_it() {
    let home = Home::new();
    let files = home.open();
    home.put("one", "settlement/a", b"content");
    let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
    let done = |work: Work| {
        let (transfer, done) = files.perform(&work).unwrap();
        assert_eq!(transfer, T);
        done
    };
    let looked = done(Work::Look { transfer: T, store: store("one"), name: name("settlement/a") });
    let Done::Looked(Some(found)) = looked else { panic!("{looked:?}") };
    assert_eq!(found.class, FileClass::new("settlement").unwrap());
    let prepare = Work::Prepare {
        transfer: T,
        from: from.clone(),
        name: name("settlement/a"),
        stamp: Some(found.stamp),
    };
    let root = *blake3::hash(b"content").as_bytes();
    assert_eq!(done(prepare), Done::Prepared(Some((7, root))));
    let copy = |range| Work::Copy { transfer: T, from: from.clone(), into: into.clone(), range };
    assert_eq!(done(copy(0..1)), Done::Copied(0..1));
    let to = port::Peer::new("r2").unwrap();
    let serve = Work::Serve { transfer: T, from: from.clone(), range: 0..1, to: to.clone() };
    let message = Message::Slice { transfer: T, range: 0..1, bytes: b"content"[..].into() };
    let frame = message.to_frame().unwrap().to_vec();
    assert_eq!(done(serve.clone()), Done::Slice { range: 0..1, to, frame });
    assert_eq!(done(Work::Sync { transfer: T, into: into.clone() }), Done::Synced);
    let publish =
        Work::Publish { transfer: T, into: into.clone(), name: name("b"), replace: false };
    assert_eq!(done(publish), Done::Published(Ok(())));
    let source = fs::File::options().write(true).open(home.path("one", "settlement/a")).unwrap();
    source.set_len(3).unwrap();
    assert_eq!(done(serve), Done::Unstable);
    assert_eq!(done(copy(0..1)), Done::Unstable);
    assert_eq!(done(Work::Discard { transfer: T, at: into.clone() }), Done::Discarded);
    assert_eq!(home.get("two", "b"), b"content");
}

#[test]
#[cfg(target_os = "linux")]
fn long_runs_go_past_the_page_cache_unless_they_are_to_stay_there() {
    // Beside what is built: a folder for temporary files may be memory.
    let home = Home::new_in(env!("CARGO_TARGET_TMPDIR").as_ref());
    let mut options = home.options();
    options.stores.get_mut(&store("two")).unwrap().is_cached = true;
    let files = LocalFiles::open(options).unwrap();
    let content = bytes(3_000_007, 1);
    let groups: Vec<(u64, &[u8])> = (0..).zip(content.chunks(16_384)).collect();
    let probe = home.path("one", "probe");
    let takes_it = write_past_cache(&probe, &content[..1 << 20]) && !is_cached(&probe);
    for (folder, stays) in [("one", !takes_it), ("two", true), ("spool", true)] {
        let into = if folder == "spool" { Place::Spool } else { Place::Store(store(folder)) };
        // What ends within a block, first.
        for run in [&groups[100..], &groups[..60], &groups[60..100]] {
            files.write(&T, &into, run).unwrap();
        }
        let path = home.path(folder, ".filexfer-unpublished").join(&home.own(folder)[0]);
        assert_eq!(is_cached(&path), stays, "{folder}");
        files.sync(&T, &into).unwrap();
        assert_eq!(fs::read(path).unwrap(), content, "{folder}");
        files.discard(&T, &into).unwrap();
        let late = files.write(&T, &into, &groups[..60]);
        assert_eq!(late, Err(Error::NoContent));
    }
}

/// Whether the beginning of a file can be read without waiting for a disk.
#[cfg(target_os = "linux")]
fn is_cached(path: &std::path::Path) -> bool {
    let (file, mut byte) = (fs::File::open(path).unwrap(), [0]);
    let slices = &mut [std::io::IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(&file, slices, 0, rustix::io::ReadWriteFlags::NOWAIT) {
        Ok(read) => read == 1,
        Err(rustix::io::Errno::AGAIN) => false,
        Err(why) => panic!("{why}"),
    }
}

/// As this file system does it; `false` if it does not.
#[cfg(target_os = "linux")]
fn write_past_cache(path: &std::path::Path, content: &[u8]) -> bool {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::DIRECT;
    let Ok(file) = open(path, flags, Mode::from_raw_mode(0o600)).map(fs::File::from) else {
        return false;
    };
    let mut room = vec![0; content.len() + 4_096];
    let begins = room.as_ptr().align_offset(4_096);
    room[begins..begins + content.len()].copy_from_slice(content);
    file.write_all_at(&room[begins..begins + content.len()], 0).is_ok()
}
