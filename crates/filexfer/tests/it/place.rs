//! Two sites with backstage servers and clients, and requests between them.

use interbank_filexfer::*;
use port::Time;
use seal::{Secret, SigningKey, Validity};

pub(crate) const NOW: Time = Time::from_s(1_800_000_000);

pub(crate) fn party(id: &str) -> PartyId {
    PartyId::new(id).unwrap()
}

pub(crate) fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

/// Everybody's key follows from the name.
pub(crate) fn key(id: &str) -> SigningKey {
    let mut seed = [7; 32];
    seed[..id.len()].copy_from_slice(id.as_bytes());
    SigningKey::from_seed(&Secret::new(seed))
}

pub(crate) fn member(id: &str, role: Role) -> Party {
    Party::new(party(id), role).with_key(1, key(id).verifying_key(), Validity::always())
}

/// Site `s1`: backstage `b1`, `b2`, clients `c1`, `c2`; site `s2` behind it with `b9` and `c9`. Everything is allowed.
pub(crate) fn registry() -> Registry {
    let mut registry = bare();
    registry.grant(Grant::new(Who::Anyone, Who::Anyone, 1 << 40));
    registry
}

/// The same without grants.
pub(crate) fn bare() -> Registry {
    let mut registry = Registry::new(site("s1"), member("r1", Role::Forwarder), 3).unwrap();
    for n in 1..=2 {
        let (b, nfs) = (format!("b{n}"), format!("nfs{n}"));
        let backstage = member(&b, Role::Backstage);
        registry.backstage(backstage, member(&nfs, Role::NetworkFileSystem)).unwrap();
        let (c, a) = (format!("c{n}"), format!("a{n}"));
        registry.client(member(&c, Role::Client), member(&a, Role::Access)).unwrap();
    }
    registry.link(site("s2"), member("r2", Role::Forwarder)).unwrap();
    registry.remote(member("b9", Role::Backstage), site("s2")).unwrap();
    registry.remote(member("c9", Role::Client), site("s2")).unwrap();
    registry
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

pub(crate) fn sign(request: Request) -> Request {
    let key = key(request.requester.as_str());
    let signature = key.sign(&request.to_sign().unwrap());
    request.signed(signature)
}

pub(crate) fn metadata() -> FileMetadata {
    FileMetadata {
        kind: FileKind::Regular,
        class: FileClass::new("settlement").unwrap(),
        size: Some(1_000),
        root: Some([9; 32]),
        is_being_written: false,
        is_stream: false,
        stamp: FileStamp { size: 1_000, changed: 1, number: 1 },
    }
}
