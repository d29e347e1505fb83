use crate::asking::{NOW, key, party};
use interbank_filexfer::*;
use proptest::prelude::*;

fn receipt(n: u64, stage: Stage) -> Receipt {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Receipt {
        stage,
        party: party("r1"),
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

fn batch(count: u64) -> Vec<SignedReceipt> {
    let mut batch = ReceiptBatch::new();
    for n in 0..count {
        let stage = [Stage::Origin, Stage::Received, Stage::Verified, Stage::HandedOver];
        batch.push(receipt(n, stage[(n % 4) as usize])).unwrap();
    }
    let signature = key("r1").sign(&batch.head().to_sign());
    batch.sign(1, signature)
}

#[test]
fn f13_one_signature_proves_every_receipt_offline() {
    let public = key("r1").verifying_key();
    for count in [1, 2, 3, 7, 64, 100] {
        let signed = batch(count);
        assert_eq!(signed.len() as u64, count);
        for one in &signed {
            // as from a file, with nothing but the public key
            let mut bytes = Vec::new();
            one.encode(&mut bytes).unwrap();
            let read = SignedReceipt::parse(&bytes).unwrap();
            assert_eq!((&read, read.verify(&public)), (one, Ok(())));
            assert_eq!(one.verify(&key("r2").verifying_key()), Err(ReceiptError::BadSignature));
        }
    }
}

#[test]
fn f13_what_was_not_signed_is_not_proved() {
    let public = key("r1").verifying_key();
    let signed = batch(20);
    let refused = |change: &dyn Fn(&mut SignedReceipt)| {
        let mut changed = signed[5].clone();
        change(&mut changed);
        changed.verify(&public).err()
    };
    assert_eq!(refused(&|r| r.receipt.stage = Stage::HandedOver), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.receipt.root[0] ^= 1), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.receipt.verdict[0] ^= 1), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.index = 6), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.index = 20), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.proof = signed[4].proof.clone()), Some(ReceiptError::NotIncluded));
    assert_eq!(refused(&|r| r.signature[0] ^= 1), Some(ReceiptError::BadSignature));
    assert!(refused(&|r| r.head.count = 19).is_some());
    assert!(refused(&|r| r.head.count = 21).is_some());
    assert!(refused(&|r| r.proof.truncate(31)).is_some());
    assert!(refused(&|r| r.proof.clear()).is_some());
}

#[test]
fn a_batchs_signature_is_checked_once_by_who_remembers() {
    let public = key("r1").verifying_key();
    let (mut checks, mut seen) = (0, None);
    for one in batch(50) {
        one.verify_with(&mut |head, signature| {
            if seen == Some((*head, *signature)) {
                return true;
            }
            checks += 1;
            let right = public.verify(&head.to_sign(), signature);
            seen = right.then_some((*head, *signature));
            right
        })
        .unwrap();
    }
    assert_eq!(checks, 1);
}

/// Whatever is changed, and whatever was proved before, the verifier of many answers as the receipt alone.
#[test]
fn f13_a_verifier_of_many_answers_as_one() {
    let public = key("r1").verifying_key();
    let others = key("r2").verifying_key();
    for count in [1, 2, 5, 33] {
        let signed = batch(count);
        let mut verifier = ReceiptVerifier::new();
        assert_eq!(verifier.verify(&signed[0], &others), Err(ReceiptError::BadSignature));
        for round in 0..2 {
            for one in signed.iter().rev() {
                let mut forms = vec![one.clone(); 7];
                forms[1].receipt.root[0] ^= 1;
                forms[2].index = (one.index + 1) % count;
                forms[3].proof.extend([0; 32]);
                forms[4].proof.push(0);
                forms[5].signature[3] ^= 1;
                if let Some(byte) = forms[6].proof.last_mut() {
                    *byte ^= 1;
                }
                for form in &forms {
                    assert_eq!(verifier.verify(form, &public), form.verify(&public), "{round}");
                }
                assert_eq!(verifier.verify(one, &others), Err(ReceiptError::BadSignature));
            }
        }
    }
}

/// RFC 9162 §2.1: a leaf is SHA-256 of 0 and the entry, a node of 1 and both children.
#[test]
fn heads_are_those_of_rfc_9162() {
    use sha2::{Digest, Sha256};
    let signed = batch(3);
    let leaf = |at: usize| {
        let mut bytes = vec![0];
        signed[at].receipt.encode(&mut bytes).unwrap();
        Sha256::digest(&bytes)
    };
    let node = |left: &[u8], right: &[u8]| Sha256::digest([&[1], left, right].concat());
    let root = node(&node(&leaf(0), &leaf(1)), &leaf(2));
    assert_eq!(signed[0].head.root[..], root[..]);
    assert_eq!(signed[0].proof, [&leaf(1)[..], &leaf(2)[..]].concat());
}

/// A sealed file's receipt binds both: the root that everybody sees, and the content that the ends know.
#[test]
fn f13_a_receipt_binds_content_and_what_it_follows() {
    let plain = receipt(1, Stage::Verified);
    let digest = plain.digest().unwrap();
    let forms = [
        plain.clone(),
        Receipt { content: Some([8; 32]), ..plain.clone() },
        Receipt { follows: Some(digest), ..plain.clone() },
        Receipt { content: Some([8; 32]), follows: Some(digest), ..plain.clone() },
    ];
    let mut seen = std::collections::BTreeSet::new();
    for form in &forms {
        let mut bytes = Vec::new();
        form.encode(&mut bytes).unwrap();
        assert_eq!(Receipt::parse(&bytes).as_ref(), Ok(form));
        assert!(seen.insert(form.digest().unwrap()));
        // Version 1 is what was always written; version 2 has more to say.
        assert_eq!(bytes[0], if *form == plain { 1 } else { 2 });
        for len in 0..bytes.len() {
            assert!(Receipt::parse(&bytes[..len]).is_err());
        }
    }
    let mut empty = Vec::new();
    plain.encode(&mut empty).unwrap();
    empty[0] = 2;
    empty.extend([0, 0]);
    assert_eq!(Receipt::parse(&empty), Err(port::WireError::Invalid));

    let mut batch = ReceiptBatch::new();
    batch.push(forms[3].clone()).unwrap();
    let signature = key("r1").sign(&batch.head().to_sign());
    let mut signed = batch.sign(1, signature).remove(0);
    let public = key("r1").verifying_key();
    assert_eq!(signed.verify(&public), Ok(()));
    signed.receipt.content = Some([9; 32]);
    assert_eq!(signed.verify(&public), Err(ReceiptError::NotIncluded));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn foreign_receipts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let _ = SignedReceipt::parse(&bytes);
        let one = &batch(5)[2];
        let mut changed = Vec::new();
        one.encode(&mut changed).unwrap();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        if let Ok(read) = SignedReceipt::parse(&changed) {
            let only_key_number = SignedReceipt { key_number: one.key_number, ..read.clone() } == *one;
            prop_assert_eq!(read.verify(&key("r1").verifying_key()).is_ok(), only_key_number);
        }
    }
}
