//! Foreign and damaged bytes: refused, never a panic, never half done.

use crate::bank::Bank;
use interbank_qrpay::*;
use port::blocking::{Store as _, decide};
use port::{Batch, Expect, Key};
use proptest::prelude::*;
use seal::Account;

prop_compose! {
    fn any_request()(
        account in "[0-9A-Z]{1,64}",
        uid in "[0-9A-Za-z._:-]{1,64}",
        kind in 0..3_u8,
        bytes in any::<[u8; 32]>(),
        digits in "[0-9]{6,10}",
        challenge_ref in prop::option::of(any::<u32>()),
    ) -> PaymentRequest {
        let reply = match kind {
            0 => Reply::Mac(bytes),
            1 => Reply::Signature([bytes[0]; 64]),
            _ => Reply::Typed(TypedCode::new(digits.as_bytes()).unwrap()),
        };
        PaymentRequest { account: Account::new(account).unwrap(), uid: Uid::new(uid).unwrap(), reply, challenge_ref }
    }
}

proptest! {
    #[test]
    fn q07_requests_come_back_from_their_bytes(request in any_request()) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        prop_assert!(bytes.len() <= PaymentRequest::BYTES_MAX);
        prop_assert_eq!(PaymentRequest::parse(&bytes), Ok(request));
    }

    #[test]
    fn qd09_any_bytes_are_a_canonical_request_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(request) = PaymentRequest::parse(&bytes) {
            let mut back = Vec::new();
            request.encode(&mut back);
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn qd09_damaged_requests_are_canonical_or_refused(request in any_request(), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        prop_assert!(PaymentRequest::parse(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(request) = PaymentRequest::parse(&bytes) {
            let mut back = Vec::new();
            request.encode(&mut back);
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn qd09_requests_from_anywhere_are_decided(request in any_request()) {
        let (bank, wallet) = Bank::with_payer();
        let issued = bank.order();
        let aimed = PaymentRequest { uid: issued.uid.clone(), ..request.clone() };
        let own = PaymentRequest { account: wallet.account.clone(), ..aimed.clone() };
        for request in [request, aimed, own] {
            prop_assert!(bank.refusal(&request).is_some());
        }
        prop_assert_eq!(bank.debits(), 0);
    }

    #[test]
    fn answers_and_instructions_of_any_bytes_are_canonical_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = bytes::Bytes::from(bytes);
        if let Ok(instruction) = Instruction::parse(&bytes) {
            let mut back = Vec::new();
            instruction.encode(&mut back);
            prop_assert_eq!(&back[..], &bytes[..]);
        }
        if let Ok(settlement) = Settlement::parse(&bytes) {
            prop_assert_eq!(settlement.to_bytes(), bytes);
        }
    }
}

/// Every byte of every row, damaged and cut: the decision reports corruption or decides, and never panics.
#[test]
fn damaged_rows_are_reported_not_believed() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let request = wallet.answer(&issued);
    let snapshot = bank.store.snapshot();
    let mut corrupt = 0;
    for (key, row) in &snapshot.rows {
        for at in 0..row.value.len() {
            for value in [&row.value[..at], &flipped(&row.value, at)[..]] {
                let store = port::MemoryStore::restore(&snapshot);
                overwrite(&store, key, value.to_vec());
                let token = bank.tokens.token(&request.account);
                let mut redeem = bank.server.redeem(bank.now, request.clone(), token);
                corrupt += usize::from(decide(&store, &bank.keys, &mut redeem).is_err());
                let again = bank.server.issue(bank.now, &[1; 32], bank.request("key-1"));
                let _ = decide(&store, &bank.keys, &mut again.unwrap());
            }
        }
    }
    assert!(corrupt > 300, "only {corrupt} damages were reported");
}

fn flipped(value: &[u8], at: usize) -> Vec<u8> {
    let mut value = value.to_vec();
    value[at] ^= 0xFF;
    value
}

fn overwrite(store: &port::MemoryStore, key: &Key, value: Vec<u8>) {
    let mut batch = Batch::new();
    batch.put(key.clone(), Expect::Any, value);
    assert!(matches!(store.commit(&batch), Ok(port::Commit::Applied(_))));
}
