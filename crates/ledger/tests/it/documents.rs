//! Documents: sealed for the nodes that are concerned, and committed to on the chain.

use crate::place::*;
use interbank_ledger::*;
use port::WireError;
use seal::Secret;

const CHAIN: ChainId = ChainId([8; 32]);

fn document() -> Document {
    let content = b"Deed of the house at 12 Long Lane, owner Jane Roe".to_vec();
    Document::new("text/plain; charset=utf-8", content, [5; 32]).unwrap()
}

fn sealing(seed: u8) -> SealingKey {
    SealingKey::from_seed(&Secret::new([seed; 32]))
}

fn entropy(n: u8) -> Secret<32> {
    Secret::new([n; 32])
}

/// Sealed for the member and the supervision node.
fn sealed() -> (SealedDocument, [u8; 32]) {
    let readers = [(MEMBER_A, sealing(1).public()), (SUPERVISION, sealing(2).public())];
    let document = document();
    let sealed = SealedDocument::seal(CHAIN, &document, &readers, &entropy(1)).unwrap();
    (sealed, document.commitment())
}

#[test]
fn l09_a_file_includes_any_bytes_with_their_media_type() {
    for (media_type, bytes) in [
        ("application/pdf", vec![]),
        ("image/png", (0..=255).collect()),
        ("application/octet-stream", vec![0; 100_000]),
    ] {
        let document = Document::new(media_type, bytes.clone(), [1; 32]).unwrap();
        let readers = [(MEMBER_A, sealing(1).public())];
        let sealed = SealedDocument::seal(CHAIN, &document, &readers, &entropy(2)).unwrap();
        let opened = sealed.open(CHAIN, &document.commitment(), MEMBER_A, &sealing(1)).unwrap();
        assert_eq!((opened.media_type(), opened.bytes()), (media_type, &bytes[..]));
    }
    assert_eq!(Document::new("", vec![], [1; 32]), Err(Misuse::Name));
    assert_eq!(Document::new("a\nb", vec![], [1; 32]), Err(Misuse::Name));
    let long = vec![0; Document::BYTES_MAX + 1];
    assert_eq!(Document::new("a/b", long, [1; 32]), Err(Misuse::TooLong));
}

#[test]
fn l10_what_travels_holds_no_plaintext_and_opens_for_related_nodes_alone() {
    let (sealed, commitment) = sealed();
    let mut frame = Vec::new();
    sealed.encode(&mut frame).unwrap();
    for word in [&b"Jane Roe"[..], b"Long Lane", b"text/plain", &[5; 32]] {
        assert!(!frame.windows(word.len()).any(|window| window == word));
    }
    let received = SealedDocument::parse(&frame).unwrap();
    for (node, key) in [(MEMBER_A, sealing(1)), (SUPERVISION, sealing(2))] {
        assert_eq!(received.open(CHAIN, &commitment, node, &key), Ok(document()));
    }
    // A stranger, a stranger under a reader's name, a reader under another's name.
    for (node, key) in [(MEMBER_B, sealing(3)), (MEMBER_A, sealing(3)), (MEMBER_A, sealing(2))] {
        assert_eq!(received.open(CHAIN, &commitment, node, &key), Err(SealError::NotForYou));
    }
    // On another chain, or for another file.
    let other = ChainId([9; 32]);
    let key = sealing(1);
    assert_eq!(received.open(other, &commitment, MEMBER_A, &key), Err(SealError::NotForYou));
    assert_eq!(received.open(CHAIN, &[0; 32], MEMBER_A, &key), Err(SealError::NotForYou));
}

#[test]
fn l10_no_byte_of_a_sealed_document_can_change() {
    let (sealed, commitment) = sealed();
    let mut frame = Vec::new();
    sealed.encode(&mut frame).unwrap();
    for at in 0..frame.len() {
        let mut damaged = frame.clone();
        damaged[at] ^= 1;
        let Ok(parsed) = SealedDocument::parse(&damaged) else { continue };
        let opened = [(MEMBER_A, sealing(1)), (SUPERVISION, sealing(2))]
            .map(|(node, key)| parsed.open(CHAIN, &commitment, node, &key).is_ok());
        assert_ne!(opened, [true, true], "byte {at}");
        assert!(SealedDocument::parse(&frame[..at]).is_err());
    }
    frame.push(0);
    assert_eq!(SealedDocument::parse(&frame), Err(WireError::Trailing));
}

#[test]
fn ld08_after_sealing_anew_a_former_reader_cannot_open_the_new_version() {
    let (old, commitment) = sealed();
    assert_eq!(old.open(CHAIN, &commitment, MEMBER_B, &sealing(3)), Err(SealError::NotForYou));
    // Member A goes, member B comes.
    let document = old.open(CHAIN, &commitment, SUPERVISION, &sealing(2)).unwrap();
    let readers = [(MEMBER_B, sealing(3).public()), (SUPERVISION, sealing(2).public())];
    let new = SealedDocument::seal(CHAIN, &document, &readers, &entropy(7)).unwrap();
    assert_ne!(new.digest(), old.digest());
    let key = sealing(1);
    assert_eq!(new.open(CHAIN, &commitment, MEMBER_A, &key), Err(SealError::NotForYou));
    assert_eq!(new.open(CHAIN, &commitment, MEMBER_B, &sealing(3)), Ok(document));
    // Its copy of the old version still opens: nobody can take that back.
    assert!(old.open(CHAIN, &commitment, MEMBER_A, &key).is_ok());
}

#[test]
fn ld08_a_reader_lets_another_one_in() {
    let (mut sealed, commitment) = sealed();
    let digest = sealed.digest();
    let buyer = (MEMBER_B, sealing(3).public());
    let own = (MEMBER_B, &sealing(3));
    let refused = sealed.share(CHAIN, &commitment, own, buyer, &entropy(3));
    assert_eq!(refused, Err(SealError::NotForYou));
    let own = (MEMBER_A, &sealing(1));
    sealed.share(CHAIN, &commitment, own, buyer, &entropy(3)).unwrap();
    assert_eq!(sealed.open(CHAIN, &commitment, MEMBER_B, &sealing(3)), Ok(document()));
    assert_eq!(sealed.digest(), digest);
    assert_eq!(sealed.readers().collect::<Vec<_>>(), [SUPERVISION, MEMBER_A, MEMBER_B]);
    // A node's next key takes the place of the one before.
    let next = (MEMBER_B, sealing(4).public());
    sealed.share(CHAIN, &commitment, own, next, &entropy(4)).unwrap();
    assert!(sealed.open(CHAIN, &commitment, MEMBER_B, &sealing(3)).is_err());
    assert!(sealed.open(CHAIN, &commitment, MEMBER_B, &sealing(4)).is_ok());
}

#[test]
fn a_shredded_document_opens_for_nobody_and_keeps_its_digest() {
    let (mut sealed, commitment) = sealed();
    let digest = sealed.digest();
    sealed.shred();
    let mut stored = Vec::new();
    sealed.encode(&mut stored).unwrap();
    let tombstone = SealedDocument::parse(&stored).unwrap();
    assert!(tombstone.is_shredded());
    for (node, key) in [(MEMBER_A, sealing(1)), (SUPERVISION, sealing(2))] {
        let refused = tombstone.open(CHAIN, &commitment, node, &key);
        assert_eq!(refused, Err(SealError::NotForYou));
    }
    assert_eq!(tombstone.digest(), digest);
}

#[test]
fn a_commitment_depends_on_the_salt_and_every_part() {
    let base = document();
    let with = |media_type: &str, bytes: &[u8], salt| {
        Document::new(media_type, bytes.to_vec(), salt).unwrap().commitment()
    };
    let (media_type, bytes) = (base.media_type(), base.bytes());
    assert_eq!(with(media_type, bytes, [5; 32]), base.commitment());
    assert_ne!(with(media_type, bytes, [6; 32]), base.commitment());
    assert_ne!(with("text/plain", bytes, [5; 32]), base.commitment());
    assert_ne!(with("a/b", b"c", [5; 32]), with("a/bc", b"", [5; 32]));
}

#[test]
fn weak_and_too_many_keys_are_refused() {
    let readers = [(MEMBER_A, [0; 32])];
    let weak = SealedDocument::seal(CHAIN, &document(), &readers, &entropy(1));
    assert_eq!(weak, Err(SealError::BadKey));
    let reader = |n| (NodeId(Height(n)), sealing(1).public());
    let readers: Vec<_> = (0..=64).map(reader).collect();
    let many = SealedDocument::seal(CHAIN, &document(), &readers, &entropy(1));
    assert_eq!(many, Err(SealError::Readers));
    assert!(SealedDocument::seal(CHAIN, &document(), &readers[..64], &entropy(1)).is_ok());
}
