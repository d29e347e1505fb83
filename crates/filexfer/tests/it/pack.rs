use crate::asking::{NOW, key, party};
use interbank_filexfer::pack::{Entry, Manifest, MemberReceipt, PackError};
use interbank_filexfer::*;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

fn entry(name: &str, content: &[u8]) -> Entry {
    Entry::of(FileName::new(name).unwrap(), content)
}

fn manifest(count: usize) -> Manifest {
    let entries = (0..count).map(|n| entry(&format!("{n:03}.csv"), &vec![n as u8; n * 37]));
    Manifest::new(entries.collect(), false).unwrap()
}

fn encoded(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = Vec::new();
    manifest.encode(&mut bytes).unwrap();
    bytes
}

/// The receipt of who has taken a pack.
fn taken(content: Option<[u8; 32]>) -> SignedReceipt {
    let mut batch = ReceiptBatch::new();
    let (id, request, verdict, root) = (JobId([1; 16]), [2; 32], [3; 32], [4; 32]);
    let (stage, party, at) = (Stage::HandedOver, party("b2"), NOW);
    let follows = Some([5; 32]);
    let receipt =
        Receipt { stage, party, id, request, verdict, root, size: 9, at, content, follows };
    batch.push(receipt).unwrap();
    let signature = key("b2").sign(&batch.head().to_sign());
    batch.sign(1, signature).remove(0)
}

#[test]
fn a_manifest_says_which_bytes_of_its_pack_are_which_file() {
    let contents: [&[u8]; 3] = [b"one", b"", b"three"];
    let entries = contents.iter().zip(["a/1", "a/2", "b"]).map(|(c, name)| entry(name, c));
    let manifest = Manifest::new(entries.collect(), true).unwrap();
    let mut pack = encoded(&manifest);
    let length = pack.len();
    assert_eq!(Manifest::length(&pack), Ok(length));
    contents.iter().for_each(|content| pack.extend_from_slice(content));
    assert_eq!(manifest.size(), pack.len() as u64);
    assert_eq!(Manifest::parse(&pack[..length]).as_ref(), Ok(&manifest));
    for (part, content) in manifest.parts().zip(contents) {
        let bytes = part.bytes.start as usize..part.bytes.end as usize;
        assert_eq!(&pack[bytes], content);
        assert_eq!(part.entry.root, *blake3::hash(content).as_bytes());
    }
}

#[test]
fn fd04_a_pack_with_a_name_that_leads_elsewhere_or_means_another_is_none() {
    let bad = |names: &[&str]| {
        let entries = names.iter().map(|name| entry(name, b"x")).collect();
        Manifest::new(entries, false).err()
    };
    let collides = Some(PackError::Name(BadName::Collision));
    assert_eq!(bad(&["a", "a"]), collides);
    assert_eq!(bad(&["a", "A"]), collides);
    assert_eq!(bad(&["straße", "STRASSE"]), collides);
    assert_eq!(bad(&["a", "a/b"]), collides);
    assert_eq!(bad(&["x/b", "X/c"]), collides);
    assert_eq!(bad(&["a", "b"]), None);
    // As bytes, which nobody checked before.
    let good = encoded(&Manifest::new(vec![entry("ab/cdef", b"x")], false).unwrap());
    let at = good.windows(7).position(|bytes| bytes == b"ab/cdef").unwrap();
    for (name, why) in [
        (b"../cdef", BadName::Traversal),
        (b"/b/cdef", BadName::Absolute),
        (b"ab//def", BadName::Empty),
        (b"ab/nul.", BadName::Trailing),
        (b"nul/def", BadName::Reserved),
        (b"a\\..\\ef", BadName::Traversal),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + 7].copy_from_slice(name);
        assert_eq!(Manifest::parse(&bytes).err(), Some(PackError::Name(why)), "{name:?}");
    }
}

#[test]
fn what_is_no_manifest_is_refused() {
    assert_eq!(Manifest::new(Vec::new(), false).err(), Some(PackError::Count));
    let long = |n: usize| entry(&format!("{n:0230}"), b"");
    assert_eq!(
        Manifest::new((0..300).map(long).collect(), false).err(),
        Some(PackError::Count),
        "its row would have no room for it"
    );
    let names: Vec<String> = (0..300).map(|n| format!("{n:0230}")).collect();
    assert!(!Manifest::has_room(names.iter().map(String::as_str)));
    assert!(Manifest::has_room(names[..200].iter().map(String::as_str)));
    let mut huge = [entry("a", b""), entry("b", b"")];
    huge.iter_mut().for_each(|entry| entry.size = u64::MAX);
    assert_eq!(Manifest::new(huge.to_vec(), false).err(), Some(PackError::Size));
    let good = encoded(&manifest(3));
    for cut in 0..good.len() {
        assert_eq!(Manifest::parse(&good[..cut]).err(), Some(PackError::NotAPack), "{cut}");
    }
    assert!(Manifest::parse(&[&good[..], b"x"].concat()).is_err());
    assert_eq!(Manifest::length(&good[..13]), Err(PackError::NotAPack));
    assert_eq!(
        Manifest::length(b"pack\x01\x00\x00\x00\x00\x01\xFF\xFF\xFF\xFF"),
        Err(PackError::NotAPack)
    );
    assert_eq!(
        Manifest::length(b"pack\x02\x00\x00\x00\x00\x01\x00\x00\x00\x2B"),
        Err(PackError::NotAPack)
    );
    assert_eq!(
        Manifest::length(b"tape\x01\x00\x00\x00\x00\x01\x00\x00\x00\x2B"),
        Err(PackError::NotAPack)
    );
}

#[test]
fn every_file_of_a_pack_has_a_receipt_that_proves_itself() {
    let public = key("b2").verifying_key();
    for count in [1, 2, 3, 8, 100] {
        let manifest = manifest(count);
        let pack = taken(Some(manifest.commitment()));
        let receipts: Vec<MemberReceipt> = manifest.receipts(&pack).unwrap().collect();
        assert_eq!(receipts.len(), count);
        for (receipt, entry) in receipts.iter().zip(manifest.entries()) {
            let mut bytes = Vec::new();
            receipt.encode(&mut bytes).unwrap();
            let read = MemberReceipt::parse(&bytes).unwrap();
            assert_eq!((&read, &read.entry), (receipt, entry));
            assert_eq!(read.verify(&public), Ok(()));
            let stranger = key("r1").verifying_key();
            assert_eq!(read.verify(&stranger), Err(ReceiptError::BadSignature));
        }
    }
}

#[test]
fn a_receipt_of_a_pack_proves_nothing_else() {
    let public = key("b2").verifying_key();
    let mine = manifest(10);
    let pack = taken(Some(mine.commitment()));
    let receipts: Vec<MemberReceipt> = mine.receipts(&pack).unwrap().collect();
    let refused = |change: &dyn Fn(&mut MemberReceipt)| {
        let mut changed = receipts[6].clone();
        change(&mut changed);
        changed.verify(&public).err()
    };
    let not_in = Some(ReceiptError::NotIncluded);
    assert_eq!(refused(&|r| r.entry.size += 1), not_in);
    assert_eq!(refused(&|r| r.entry.root[9] ^= 1), not_in);
    assert_eq!(refused(&|r| r.entry.name = FileName::new("007.csv").unwrap()), not_in);
    assert_eq!(refused(&|r| r.index = 7), not_in);
    assert_eq!(refused(&|r| r.count = 11), not_in);
    assert_eq!(refused(&|r| r.index = u64::MAX), not_in);
    assert_eq!(refused(&|r| r.proof[3] ^= 1), not_in);
    assert_eq!(refused(&|r| r.proof.truncate(32)), not_in);
    assert_eq!(refused(&|r| r.proof.truncate(31)), Some(ReceiptError::Malformed));
    assert_eq!(refused(&|r| r.pack.receipt.content = None), not_in);
    assert_eq!(refused(&|r| r.pack = taken(None)), not_in);
    // Nor does one of another pack, or one that says nothing of files.
    assert!(manifest(11).receipts(&pack).is_none());
    assert!(mine.receipts(&taken(None)).is_none());
}

/// By the words of `docs/spec/filexfer.md`, without this crate's own functions.
#[test]
fn the_commitment_is_what_the_specification_says() {
    let hash = |parts: &[&[u8]]| -> [u8; 32] { Sha256::digest(parts.concat()).into() };
    let leaf = |name: &str, content: &[u8]| {
        let len = (name.len() as u16).to_be_bytes();
        let size = (content.len() as u64).to_be_bytes();
        let root = blake3::hash(content);
        hash(&[&[0], &len, name.as_bytes(), &size, root.as_bytes()])
    };
    let leaves = [leaf("a", b"1"), leaf("b", b"22"), leaf("c", b"")];
    let root = hash(&[&[1], &hash(&[&[1], &leaves[0], &leaves[1]]), &leaves[2]]);
    let domain = b"interbank/filexfer/pack/v1\0";
    let expected = hash(&[domain, &root, &3_u64.to_be_bytes()]);
    let entries = vec![entry("a", b"1"), entry("b", b"22"), entry("c", b"")];
    assert_eq!(Manifest::new(entries, false).unwrap().commitment(), expected);
}

proptest! {
    #[test]
    fn a_manifest_is_read_as_it_was_written(sizes in prop::collection::vec(0_u64..1 << 40, 1..60), replaces: bool) {
        let entries = sizes.iter().enumerate().map(|(n, size)| Entry {
            name: FileName::new(&format!("f{n}")).unwrap(),
            size: *size,
            root: [n as u8; 32],
        });
        let manifest = Manifest::new(entries.collect(), replaces).unwrap();
        let bytes = encoded(&manifest);
        let read = Manifest::parse(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&manifest));
        prop_assert_eq!(manifest.size(), bytes.len() as u64 + sizes.iter().sum::<u64>());
        let mut end = bytes.len() as u64;
        for (part, size) in manifest.parts().zip(&sizes) {
            prop_assert_eq!(part.bytes.clone(), end..end + size);
            end = part.bytes.end;
        }
    }
}
