//! Who asks: parties, their keys, and requests that they sign.

use interbank_filexfer::*;
use port::Time;
use seal::{Secret, SigningKey, Validity};

pub(crate) const NOW: Time = Time::from_s(1_800_000_000);

pub(crate) fn party(id: &str) -> PartyId {
    PartyId::new(id).unwrap()
}

/// Everybody's key follows from the name.
pub(crate) fn seed(id: &str) -> Secret<32> {
    let mut seed = [7; 32];
    seed[..id.len()].copy_from_slice(id.as_bytes());
    Secret::new(seed)
}

pub(crate) fn key(id: &str) -> SigningKey {
    SigningKey::from_seed(&seed(id))
}

pub(crate) fn member(id: &str, role: Role) -> Party {
    Party::new(party(id), role).with_key(1, key(id).verifying_key(), Validity::always())
}

pub(crate) fn request(requester: &str, sender: &str, destination: &str, name: &str) -> Request {
    let request = Request {
        id: JobId([1; 16]),
        requester: party(requester),
        sender: sender.into(),
        destination: destination.into(),
        file: FileSpec {
            name: name.into(),
            size: None,
            root: None,
            class: FileClass::new("settlement").unwrap(),
        },
        mode: Mode::Push,
        not_before: None,
        deadline: None,
        priority: 0,
        on_conflict: OnConflict::Fail,
        made: NOW,
        nonce: [2; 16],
        key_number: 1,
        signature: [0; 64],
    };
    sign(request)
}

/// Signed once more, after a change.
pub(crate) fn sign(request: Request) -> Request {
    let signature = key(request.requester.as_str()).sign(&request.to_sign().unwrap());
    request.signed(signature)
}
