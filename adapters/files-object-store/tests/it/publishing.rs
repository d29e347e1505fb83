//! From staged pieces to an object under its name, in one step.

use crate::home::{Home, KINDS, Kind, LARGE, T, bytes, name, store};
use filexfer::{Failure, Groups, Place, TransferId};
use interbank_files_object_store::{Error, ObjectFiles, OpenError};

/// Everything of a content, group by group.
pub(crate) fn groups(content: &[u8]) -> Vec<(u64, &[u8])> {
    if content.is_empty() {
        vec![(0, content)]
    } else {
        (0..).zip(content.chunks(16_384)).collect()
    }
}

#[tokio::test]
async fn nothing_is_visible_before_it_is_published_and_then_all_of_it() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let into = Place::Store(store("two"));
        for (len, tag) in [(0, 1_u8), (1, 2), (16_385, 3), (8 << 20, 4), (LARGE, 5)] {
            let transfer = TransferId([tag; 16]);
            let content = bytes(len, tag);
            // From the back, in odd ranges.
            let mut parts = groups(&content);
            parts.reverse();
            for parts in parts.chunks(37) {
                files.write(&transfer, &into, parts).await.unwrap();
            }
            files.sync(&transfer, &into).await.unwrap();
            assert_eq!(files.unpublished(&into).unwrap()[&transfer], len as u64);
            let target = name(&format!("in/deep/{tag}.bin"));
            assert_eq!(home.get("two", target.as_str()).await, None, "visible too soon");
            for time in ["once", "again, as after a crash"] {
                let done = files.publish(&transfer, &into, &target, false).await;
                assert_eq!(done, Ok(Ok(())), "{kind:?} {len} {time}");
            }
            assert!(home.get("two", target.as_str()).await.unwrap() == content, "{kind:?} {len}");
            files.discard(&transfer, &into).await.unwrap();
            files.discard(&transfer, &into).await.unwrap();
            assert!(home.get("two", target.as_str()).await.unwrap() == content, "{kind:?} {len}");
        }
        assert!(files.unpublished(&into).unwrap().is_empty());
        assert!(home.names("two").await.iter().all(|at| at.starts_with("in/deep/")), "{kind:?}");
    }
}

#[tokio::test]
async fn names_that_are_taken_and_names_that_are_replaced() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let into = Place::Store(store("two"));
        for (len, tag) in [(100, 1_u8), (LARGE, 2)] {
            let transfer = TransferId([tag; 16]);
            let content = bytes(len, tag);
            files.write(&transfer, &into, &groups(&content)).await.unwrap();
            let publish = async |to: &str, replace| {
                files.publish(&transfer, &into, &name(to), replace).await.unwrap()
            };
            let (a, b) = (format!("{tag}.a"), format!("{tag}.b"));
            home.put("two", &a, b"old").await;
            assert_eq!(publish(&a, false).await, Err(Failure::NameTaken), "{kind:?}");
            assert_eq!(publish(&a, false).await, Err(Failure::NameTaken), "{kind:?}");
            assert_eq!(home.get("two", &a).await.unwrap(), b"old");
            // The same content that was there before is somebody else's all the same.
            home.put("two", &b, &content).await;
            assert_eq!(publish(&b, false).await, Err(Failure::NameTaken), "{kind:?}");
            assert_eq!(publish(&a, true).await, Ok(()), "{kind:?}");
            assert_eq!(publish(&a, true).await, Ok(()), "{kind:?}: again, after a crash");
            assert!(home.get("two", &a).await.unwrap() == content);
            files.discard(&transfer, &into).await.unwrap();
            let published = files.publish(&transfer, &into, &name("c"), false).await;
            assert_eq!(published, Err(Error::NoContent));
        }
        assert_eq!(home.names("two").await, ["1.a", "1.b", "2.a", "2.b"], "{kind:?}");
    }
}

#[tokio::test]
async fn who_comes_first_has_the_name() {
    // All of these decide it in one step; a store that can only look first is the one that is left out.
    for kind in [Kind::Memory, Kind::Folder] {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let into = Place::Store(store("two"));
        for (len, file, first) in [(1_000, "small", 1_u8), (9 << 20, "large", 5)] {
            let tags = [first, first + 1, first + 2, first + 3];
            let transfers = tags.map(|tag| TransferId([tag; 16]));
            for (transfer, tag) in transfers.iter().zip(tags) {
                files.write(transfer, &into, &groups(&bytes(len, tag))).await.unwrap();
            }
            let target = name(file);
            let publish = |transfer| files.publish(transfer, &into, &target, false);
            let done = futures_util::future::join_all(transfers.iter().map(publish)).await;
            let won: Vec<usize> = (0..4).filter(|which| done[*which] == Ok(Ok(()))).collect();
            assert_eq!(won.len(), 1, "{kind:?} {file}: {done:?}");
            let expected = bytes(len, tags[won[0]]);
            assert!(home.get("two", file).await.unwrap() == expected);
        }
    }
}

#[tokio::test]
async fn what_is_not_whole_is_not_published() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let files = home.open().await;
        let into = Place::Store(store("two"));
        let content = bytes(LARGE, 1);
        // The first piece is missing, then the end of it.
        let parts = groups(&content);
        files.write(&T, &into, &parts[540..]).await.unwrap();
        let publish = async || files.publish(&T, &into, &name("a"), false).await;
        assert_eq!(publish().await, Err(Error::NoContent), "{kind:?}");
        files.write(&T, &into, &parts[..100]).await.unwrap();
        assert_eq!(publish().await, Err(Error::NoContent), "{kind:?}");
        files.write(&T, &into, &parts[100..540]).await.unwrap();
        assert_eq!(publish().await, Ok(Ok(())), "{kind:?}");
        assert!(home.get("two", "a").await.unwrap() == content);
    }
}

#[tokio::test]
async fn the_quota_holds_and_what_is_discarded_is_free_again() {
    let home = Home::new(Kind::Folder).await;
    let mut options = home.options();
    options.stores.get_mut(&store("two")).unwrap().quota_bytes = 40_000;
    let files = ObjectFiles::open(options.clone()).await.unwrap();
    let into = Place::Store(store("two"));
    let group = vec![1; usize::try_from(Groups::BYTES).unwrap()];
    let write = async |files: &ObjectFiles, tag: u8, number: u64| {
        files.write(&TransferId([tag; 16]), &into, &[(number, &group)]).await
    };
    assert_eq!(write(&files, 1, 0).await, Ok(()));
    assert_eq!(write(&files, 1, 1).await, Ok(()));
    assert_eq!(write(&files, 1, 0).await, Ok(()), "over it once more takes nothing");
    assert_eq!(write(&files, 2, 0).await, Err(Error::Full));
    files.sync(&TransferId([1; 16]), &into).await.unwrap();
    drop(files);
    let files = ObjectFiles::open(options).await.unwrap();
    assert_eq!(write(&files, 2, 0).await, Err(Error::Full), "also after a restart");
    files.discard(&TransferId([1; 16]), &into).await.unwrap();
    assert_eq!(write(&files, 2, 0).await, Ok(()));
    // What is written after a discard comes too late.
    assert_eq!(write(&files, 1, 0).await, Err(Error::NoContent));
    assert_eq!(files.sync(&TransferId([1; 16]), &into).await, Ok(()));
    assert_eq!(home.names("two").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_once() {
    let home = Home::new(Kind::Memory).await;
    let refusal = async |options| ObjectFiles::open(options).await.map(drop);
    let mut options = home.options();
    options.prepared_max = 0;
    assert_eq!(refusal(options).await, Err(OpenError::Bounds));
    let mut options = home.options();
    options.pieces_max = 0;
    assert_eq!(refusal(options).await, Err(OpenError::Bounds));
    let mut options = home.options();
    options.work = options.work.join("none");
    let not_found = std::io::ErrorKind::NotFound;
    assert_eq!(refusal(options).await, Err(OpenError::Work(not_found)));
    assert_eq!(interbank_files_object_store::Roots::new(b"").map(drop), Err(OpenError::Roots));
}
