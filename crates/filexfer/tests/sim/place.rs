//! Who is at which site, and how each begins.

use crate::asking::{member, party};
use crate::world::{KEY, Roles, TENANT};
use interbank_filexfer::*;
use simkit::Rng;
use std::sync::Arc;

fn site(n: usize) -> SiteId {
    SiteId::new(&format!("s{n}")).unwrap()
}

/// The registry of one of the sites 1 to 3; `b4` and `c4` are at a site 4 that does not exist.
pub(crate) fn registry(at: usize, next_to_four: usize) -> Registry {
    let forwarder = |n: usize| member(&format!("r{n}"), Role::Forwarder);
    let mut registry = Registry::new(site(at), forwarder(at), 1).unwrap();
    for n in 1..=3 {
        let (b, c) = (format!("b{n}"), format!("c{n}"));
        let (backstage, client) = (member(&b, Role::Backstage), member(&c, Role::Client));
        if n == at {
            let store = member(&format!("nfs{n}"), Role::NetworkFileSystem);
            registry.backstage(backstage, store).unwrap();
            registry.client(client, member(&format!("a{n}"), Role::Access)).unwrap();
            // a second of each
            let (b, nfs) = (format!("bb{n}"), format!("nnfs{n}"));
            let store = member(&nfs, Role::NetworkFileSystem);
            registry.backstage(member(&b, Role::Backstage), store).unwrap();
            let (c, a) = (format!("cc{n}"), format!("aa{n}"));
            registry.client(member(&c, Role::Client), member(&a, Role::Access)).unwrap();
            // Who asks for what the one client sends to the other.
            registry.delegate(party(&format!("c{n}")), party(&format!("b{n}")));
        } else {
            for (party, other) in [(backstage, "bb"), (client, "cc")] {
                let role = party.role;
                registry.remote(party, site(n)).unwrap();
                registry.remote(member(&format!("{other}{n}"), role), site(n)).unwrap();
            }
        }
    }
    registry.remote(member("b4", Role::Backstage), site(4)).unwrap();
    for n in [at - 1, at + 1].into_iter().filter(|n| (1..=3).contains(n)) {
        registry.link(site(n), forwarder(n)).unwrap();
    }
    if at == 1 {
        registry.via(site(3), &site(2)).unwrap();
    }
    if at == 3 {
        registry.via(site(1), &site(2)).unwrap();
    }
    if next_to_four != 0 {
        registry.via(site(4), &site(next_to_four)).unwrap();
    }
    registry.grant(Grant::new(Who::Anyone, Who::Anyone, 1 << 40));
    registry
}

pub(crate) fn open(
    id: &str,
    registry: &Arc<Registry>,
    config: fn(&mut ForwarderConfig),
    at_once: bool,
    rng: &mut Rng,
) -> Roles {
    let number = &id[id.len() - 1..];
    let forwarder = party(&format!("r{number}"));
    match &id[..id.len() - 1] {
        "r" => {
            let mut brief = ForwarderConfig::new(TENANT, forwarder, (KEY, 1));
            brief.retry = Retry::new(500, 20_000, 0).unwrap();
            brief.paces = Paces { range_groups: 2, window_bytes: 1 << 16, patience_ms: 4_000 };
            config(&mut brief);
            let machine = Forwarder::open(brief, registry.clone(), rng.bytes()).unwrap();
            Roles::Forwarder(Box::new(machine))
        }
        "b" | "bb" => {
            let machine = BackstageServer::new(TENANT, &forwarder, 2_000).unwrap();
            Roles::Backstage(Box::new(machine.with_receipts(party(id), (KEY, 1), at_once)))
        }
        role @ ("a" | "aa") => {
            let client = party(&format!("{}{number}", role.replace('a', "c")));
            let mut access = AccessServer::new(&forwarder, &client).unwrap();
            access.client_is(true).unwrap();
            Roles::Access(access)
        }
        role => {
            let config = ClientConfig {
                tenant: TENANT,
                party: party(id),
                access: party(&format!("{}{number}", role.replace('c', "a"))),
                key: (KEY, 1),
                paces: Paces { range_groups: 2, window_bytes: 1 << 16, patience_ms: 4_000 },
            };
            let client = ClientServer::open(config).unwrap();
            Roles::Client(Box::new(if at_once { client.handing_over_at_once() } else { client }))
        }
    }
}

/// Which server has the store of a party, and which place in it.
pub(crate) fn host_of(owner: &str) -> (String, Place) {
    let number = &owner[owner.len() - 1..];
    if owner.starts_with('c') {
        return (owner.into(), Place::Store(party(owner)));
    }
    let store = if owner.starts_with("bb") { "nnfs" } else { "nfs" };
    (format!("r{number}"), Place::Store(party(&format!("{store}{number}"))))
}
