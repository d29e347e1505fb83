//! Answers of Ed25519 for long simulations, in which many nodes ask the same.
//!
//! Only built with `--cfg interbank_simulation`, as `cargo xtask sim` does. Signing and verifying depend on nothing but what
//! they are given, so an answer that is remembered by all of that is the answer.

#![allow(clippy::disallowed_types, reason = "a table that nobody goes through has no order")]

use crate::ed25519;
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;

/// As [`ed25519::verified`].
pub(crate) fn verified(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let name = [&[1], &key.to_bytes()[..], signature, message];
    VERIFIED
        .with(|answers| remembered(answers, name, || ed25519::verified(key, message, signature)))
}

/// As [`ed25519::signed`].
pub(crate) fn signed(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    let name = [&[2], &key.verifying_key().to_bytes()[..], &[], message];
    SIGNED.with(|answers| remembered(answers, name, || ed25519::signed(key, message)))
}

/// As [`ed25519::key_of`].
pub(crate) fn key_of(seed: &[u8; 32]) -> SigningKey {
    let name = [&[3], &seed[..], &[], &[]];
    KEYS.with(|answers| remembered(answers, name, || ed25519::key_of(seed)))
}

/// As [`ed25519::parsed`].
pub(crate) fn parsed(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    let name = [&[4], &bytes[..], &[], &[]];
    PARSED.with(|answers| remembered(answers, name, || ed25519::parsed(bytes)))
}

type Answers<T> = RefCell<HashMap<[u8; 32], T>>;

std::thread_local! {
    static VERIFIED: Answers<bool> = RefCell::default();
    static SIGNED: Answers<[u8; 64]> = RefCell::default();
    static KEYS: Answers<SigningKey> = RefCell::default();
    static PARSED: Answers<Option<VerifyingKey>> = RefCell::default();
}

/// So many answers are remembered, then all are forgotten.
const MANY: usize = 1 << 18;

fn remembered<T: Clone>(answers: &Answers<T>, name: [&[u8]; 4], find: impl FnOnce() -> T) -> T {
    // The first three parts are of known lengths.
    let name: [u8; 32] = name.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into();
    let mut answers = answers.borrow_mut();
    if answers.len() >= MANY {
        answers.clear();
    }
    answers.entry(name).or_insert_with(find).clone()
}
