//! Objects as sources.

use crate::home::{Home, KINDS, LARGE, T, bytes, name, store};
use filexfer::{FileClass, FileKind, Groups, Message, Outboard, Place, Slice, TransferId, Work};
use interbank_files_object_store::{Done, Error};

#[tokio::test]
async fn slices_are_those_of_the_tree_wherever_the_file_is() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let content = bytes(LARGE, 1);
        home.put("one", "a", &content).await;
        let from = Place::Store(store("one"));
        let found = files.look(&store("one"), &name("a")).await.unwrap().unwrap();
        assert_eq!((found.kind, found.size), (FileKind::Regular, Some(LARGE as u64)), "{kind:?}");
        let (size, root) =
            files.prepare(T, &from, &name("a"), Some(found.stamp)).await.unwrap().unwrap();
        assert_eq!((size, &root), (LARGE as u64, blake3::hash(&content).as_bytes()));
        let outboard = Outboard::of(&content);
        let count = Groups::new(size).count();
        for range in [0..1, 0..64, 500..570, count - 1..count] {
            let frame = files.slice(&T, &from, &range).await.unwrap().unwrap();
            let group = |n: u64| content.chunks(16_384).nth(usize::try_from(n).unwrap());
            let mut expected = Vec::new();
            Message::begin_slice(&T, &range, &mut expected);
            Slice::encode(&outboard, size, &range, group, &mut expected).unwrap();
            assert!(frame == expected, "{kind:?} {range:?}");
        }
        assert_eq!(files.slice(&T, &from, &(3..count + 1)).await, Err(Error::Range));
        assert_eq!(files.slice(&T, &Place::Spool, &(0..1)).await, Err(Error::NotPrepared));
        // Empty, and not there.
        home.put("one", "empty", b"").await;
        let known = files.prepare(T, &from, &name("empty"), None).await.unwrap();
        assert_eq!(known, Some((0, *blake3::hash(b"").as_bytes())), "{kind:?}");
        let mut frame = Vec::new();
        Message::begin_slice(&T, &(0..1), &mut frame);
        assert_eq!(files.slice(&T, &from, &(0..1)).await, Ok(Some(frame)));
        assert_eq!(files.look(&store("one"), &name("b")).await, Ok(None));
        assert_eq!(files.prepare(T, &from, &name("b"), None).await, Ok(None));
        assert_eq!(files.look(&store("three"), &name("a")).await, Err(Error::NoPlace));
        files.forget(&T);
        assert_eq!(files.slice(&T, &from, &(0..1)).await, Err(Error::NotPrepared));
    }
}

#[tokio::test]
async fn a_source_that_is_replaced_is_found_out() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let from = Place::Store(store("one"));
        let (old, new) = (bytes(400_000, 1), bytes(400_000, 2));
        home.put("one", "a", &old).await;
        let stamp = files.look(&store("one"), &name("a")).await.unwrap().unwrap().stamp;
        assert!(files.prepare(T, &from, &name("a"), Some(stamp)).await.unwrap().is_some());
        assert!(files.slice(&T, &from, &(3..9)).await.unwrap().is_some());
        // The same length: only what the store says of it, or its bytes, tell.
        home.put("one", "a", &new).await;
        assert_eq!(files.slice(&T, &from, &(3..9)).await, Ok(None), "{kind:?}");
        assert_eq!(files.copy(&T, &from, &Place::Spool, &(3..9)).await, Ok(false));
        assert_eq!(files.prepare(T, &from, &name("a"), Some(stamp)).await, Ok(None));
        // Shorter, and gone.
        assert!(files.prepare(T, &from, &name("a"), None).await.unwrap().is_some());
        home.put("one", "a", b"short").await;
        assert_eq!(files.slice(&T, &from, &(20..21)).await, Ok(None), "{kind:?}");
        home.remove("one", "a").await;
        assert_eq!(files.slice(&T, &from, &(0..1)).await, Ok(None), "{kind:?}");
    }
}

#[tokio::test]
async fn work_is_done_as_machines_describe_it() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        home.put("one", "settlement/a", b"content").await;
        let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
        let done = async |work: Work| {
            let (transfer, done) = files.perform(&work).await.unwrap();
            assert_eq!(transfer, T);
            done
        };
        let look = Work::Look { transfer: T, store: store("one"), name: name("settlement/a") };
        let Done::Looked(Some(found)) = done(look).await else { panic!("{kind:?}") };
        assert_eq!(found.class, FileClass::new("settlement").unwrap());
        let prepare = Work::Prepare {
            transfer: T,
            from: from.clone(),
            name: name("settlement/a"),
            stamp: Some(found.stamp),
        };
        let root = *blake3::hash(b"content").as_bytes();
        assert_eq!(done(prepare).await, Done::Prepared(Some((7, root))));
        let copy =
            || Work::Copy { transfer: T, from: from.clone(), into: into.clone(), range: 0..1 };
        assert_eq!(done(copy()).await, Done::Copied(0..1));
        let to = port::Peer::new("r2").unwrap();
        let serve = Work::Serve { transfer: T, from: from.clone(), range: 0..1, to: to.clone() };
        let mut frame = Vec::new();
        Message::begin_slice(&T, &(0..1), &mut frame);
        frame.extend_from_slice(b"content");
        let slice = Done::Slice { range: 0..1, to, frame };
        assert_eq!(done(serve.clone()).await, slice);
        assert_eq!(done(Work::Sync { transfer: T, into: into.clone() }).await, Done::Synced);
        let publish =
            Work::Publish { transfer: T, into: into.clone(), name: name("b"), replace: false };
        assert_eq!(done(publish).await, Done::Published(Ok(())));
        home.put("one", "settlement/a", b"another").await;
        assert_eq!(done(serve).await, Done::Unstable);
        assert_eq!(done(copy()).await, Done::Unstable);
        assert_eq!(done(Work::Discard { transfer: T, at: into.clone() }).await, Done::Discarded);
        assert_eq!(home.get("two", "b").await.unwrap(), b"content");
        assert_eq!(home.names("two").await, ["b"], "{kind:?}");
    }
}

#[tokio::test]
async fn of_many_prepared_files_the_one_not_used_for_longest_is_forgotten() {
    let home = Home::new(KINDS[0]).await;
    let mut options = home.options();
    options.prepared_max = 2;
    let files = interbank_files_object_store::ObjectFiles::open(options).await.unwrap();
    let from = Place::Store(store("one"));
    home.put("one", "a", &[7; 70_000]).await;
    let transfers = [1, 2, 3].map(|tag| TransferId([tag; 16]));
    for transfer in &transfers[..2] {
        files.prepare(*transfer, &from, &name("a"), None).await.unwrap();
    }
    assert!(files.slice(&transfers[0], &from, &(0..1)).await.unwrap().is_some());
    files.prepare(transfers[2], &from, &name("a"), None).await.unwrap();
    assert_eq!(files.slice(&transfers[1], &from, &(0..1)).await, Err(Error::NotPrepared));
    assert!(files.slice(&transfers[0], &from, &(0..1)).await.unwrap().is_some());
}
