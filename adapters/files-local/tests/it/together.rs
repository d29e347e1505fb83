//! Work that is done together is done as if each had come alone.

use crate::home::{Home, name, store};
use filexfer::{Failure, Place, TransferId, Work};
use interbank_files_local::{Done, Error, Performed};

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
