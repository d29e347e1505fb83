//! Two sites with backstage servers and clients, and requests between them.

use crate::asking::member;
use interbank_filexfer::*;

pub(crate) fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
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
