//! Parameters that are offered, accepted, loaded and taken over at their time.

use crate::setting::*;
use interbank_standin::*;
use port::blocking::{Store as _, decide};
use port::{KeyId, KeyRefusal, MemoryStore, Time};
use seal::{Distrust, Secret, SoftKeys, TrustList, TrustedKey, Validity};
use simkit::{Fate, Faults, FaultyStore};

fn offer(bench: &Bench, now: Time, offer: impl Into<Offer>) -> InstallVerdict {
    offer_with(bench, now, &trust(), offer)
}

fn offer_with(
    bench: &Bench,
    now: Time,
    trust: &TrustList,
    offer: impl Into<Offer>,
) -> InstallVerdict {
    let mut install = bench.stand_in.install(now, trust, offer);
    let audited = decide(&bench.store, &Says(vec![]), &mut install).unwrap();
    assert_eq!(audited.audit.actor, ISSUER.as_bytes());
    audited.verdict
}

fn load(bench: &Bench, now: Time, trust: &TrustList) -> Loaded {
    decide(&bench.store, &Says(vec![]), &mut bench.stand_in.load(now, trust)).unwrap()
}

fn in_force(bench: &Bench, now: Time) -> (u64, Option<Time>) {
    match load(bench, now, &trust()) {
        Loaded::InForce { parameters, until } => (parameters.version(), until),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s02_parameters_survive_a_restart() {
    let mut bench = Bench::new(|_| {});
    let held = bench.stand_in.config().parameters.clone().unwrap();
    bench.store = MemoryStore::restore(&bench.store.snapshot());
    bench.use_set(None);
    // Nobody told this instance which set is in force.
    let request = bench.draft(1, 100);
    assert_eq!(bench.decide(NOW, HostOutcome::NotAsked, request, vec![]), Verdict::Outdated);
    let Loaded::InForce { parameters, until: None } = load(&bench, NOW, &trust()) else { panic!() };
    assert_eq!((&parameters, parameters.digest()), (&held, held.digest()));
    bench.use_set(Some(parameters));
    assert_eq!(bench.code(1, 100), "00");
}

#[test]
fn s02_a_set_of_a_thousand_rules_is_kept_in_parts() {
    let mut bench = Bench::new(|_| {});
    let large = set(8, |json| {
        let account = |n: usize| format!("{n:032x}");
        let rule = |n: usize| {
            let accounts: Vec<String> = (0..30).map(|m| account(n * 30 + m)).collect();
            serde_json::json!({ "number": n + 2, "scope": { "accounts": accounts }, "deny": "62" })
        };
        let rules = json["rules"].as_array_mut().unwrap();
        rules.extend((0..700).map(rule));
    });
    let mut bytes = Vec::new();
    sealed(&large).encode(&mut bytes).unwrap();
    assert!(bytes.len() > 10 * 65_536 && bytes.len() <= SealedParameters::BYTES_MAX);
    bench.install(NOW, &large);
    assert_eq!(in_force(&bench, NOW), (8, None));
    let too_large = set(9, |json| {
        let rule = |n: usize| {
            let accounts: Vec<String> = (0..32).map(|m| format!("{m:032x}")).collect();
            serde_json::json!({ "number": n + 2, "scope": { "accounts": accounts }, "deny": "62" })
        };
        json["rules"].as_array_mut().unwrap().extend((0..900).map(rule));
    });
    let refused = InstallVerdict::Refused(SealError::TooLarge);
    assert_eq!(offer(&bench, NOW, sealed(&too_large)), refused);
}

#[test]
fn s03_what_the_accounting_system_did_not_sign_decides_nothing() {
    let mut bench = Bench::new(|_| {});
    // A set that the stand-in side made up: no decision takes it, and nothing is written.
    let before = bench.store.snapshot();
    bench.use_set(Some(set(8, |json| json["rules"][0]["limits"] = serde_json::json!({}))));
    let request = bench.draft(1, 900_000);
    assert_eq!(bench.decide(NOW, HostOutcome::NotAsked, request, vec![]), Verdict::Outdated);
    let mut lease = bench.stand_in.lease(NOW, 0, id(1111), 1);
    assert_eq!(decide(&bench.store, &Says(vec![]), &mut lease), Ok(Leased::Outdated));
    // Nor is it accepted under any other key, or under the right one of somebody else.
    let forged = sealed_by(&set(8, |_| {}), &key(2), ISSUER);
    let refused = InstallVerdict::Refused(SealError::Signature);
    assert_eq!(offer(&bench, NOW, forged), refused);
    assert_eq!(bench.store.snapshot(), before);
}

#[test]
fn sd07_versions_only_rise_and_a_repeated_offer_is_acknowledged_again() {
    let bench = Bench::new(|_| {});
    let Loaded::InForce { parameters: seven, .. } = load(&bench, NOW, &trust()) else { panic!() };
    let eight = set(8, |json| json["pin_tries"] = 5.into());
    let InstallVerdict::Accepted { acknowledgement, sealed: None, parameters } =
        offer(&bench, NOW, sealed(&eight))
    else {
        panic!()
    };
    assert_eq!((acknowledgement.mark, &parameters), (eight.mark(), &eight));
    assert_eq!(acknowledgement.effective_from, NOW);
    assert_eq!(Acknowledgement::parse(&acknowledgement.encode()), Ok(acknowledgement));
    let before = bench.store.snapshot();
    let later = NOW.plus_ms(5_000);
    let again = InstallVerdict::Repeated { acknowledgement, sealed: None };
    assert_eq!(offer(&bench, later, sealed(&eight)), again);
    // The set before it is acknowledged again, too, and does not come back.
    assert!(matches!(offer(&bench, later, sealed(&seven)), InstallVerdict::Repeated { .. }));
    let refused = InstallVerdict::Refused(SealError::Version);
    for other in [set(6, |_| {}), set(8, |_| {}), set(7, |json| json["pin_tries"] = 4.into())] {
        assert_eq!(offer(&bench, later, sealed(&other)), refused);
    }
    assert_eq!(bench.store.snapshot(), before);
    assert_eq!(in_force(&bench, later), (8, None));
}

#[test]
fn sd07_stale_and_ended_sets_are_not_accepted() {
    let bench = Bench::new(|_| {});
    let stale = set(8, |json| json["stale_after_ms"] = 10_000_000.into());
    let ended = set(8, |json| json["valid_until_ms"] = NOW.as_ms().into());
    for (offered, why) in [(stale, SealError::Stale), (ended, SealError::Over)] {
        assert_eq!(offer(&bench, NOW, sealed(&offered)), InstallVerdict::Refused(why));
    }
    assert_eq!(in_force(&bench, NOW), (7, None));
}

#[test]
fn sd07_a_set_takes_over_at_its_effective_date() {
    let mut bench = Bench::new(|_| {});
    let at = NOW.plus_ms(60_000);
    let eight = set(8, |json| {
        json["effective_from_ms"] = at.as_ms().into();
        json["rules"][0]["limits"]["single_minor"] = 50.into();
    });
    let InstallVerdict::Accepted { acknowledgement, .. } = offer(&bench, NOW, sealed(&eight))
    else {
        panic!()
    };
    assert_eq!(acknowledgement.effective_from, at);
    assert_eq!(in_force(&bench, NOW), (7, Some(at)));
    assert_eq!(bench.code_at(at.minus_ms(1), 1, 100), "00");
    let request = RequestDraft { sent_at: Some(at), ..bench.draft(2, 100) };
    assert_eq!(bench.decide(at, HostOutcome::NotAsked, request, vec![]), Verdict::Outdated);
    assert_eq!(in_force(&bench, at), (8, None));
    bench.use_set(Some(eight));
    assert_eq!(bench.code_at(at, 3, 100), "61");
}

#[test]
fn sd07_changes_apply_to_their_base_alone() {
    let mut bench = Bench::new(|_| {});
    let seven = bench.stand_in.config().parameters.clone().unwrap();
    let eight = set(8, |json| {
        json["rules"].as_array_mut().unwrap().push(serde_json::json!({ "number": 2, "deny": "62",
            "scope": { "mccs": [7995] } }));
    });
    let delta = ParametersDelta::between(&seven, &sealed(&eight)).unwrap();
    assert_eq!((delta.base(), delta.result()), (seven.mark(), eight.mark()));
    let mut bytes = Vec::new();
    delta.encode(&mut bytes).unwrap();
    assert_eq!(ParametersDelta::parse(&bytes).as_ref(), Ok(&delta));
    // Any byte that changed on the way makes it worthless.
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        if let Ok(delta) = ParametersDelta::parse(&damaged) {
            let verdict = offer_of_any(&bench, delta);
            let harmless = matches!(&verdict, InstallVerdict::Refused(_))
                // Only the announced digest differs: the set that comes out is the one that was signed.
                || (41..73).contains(&at);
            assert!(harmless, "{at}: {verdict:?}");
            if matches!(verdict, InstallVerdict::Accepted { .. }) {
                bench = Bench::new(|_| {});
            }
        }
    }
    // A set in between, and the base is another one.
    let fork = set(8, |json| json["pin_tries"] = 4.into());
    let other = Bench::new(|json| json["pin_tries"] = 4.into());
    let base = InstallVerdict::Refused(SealError::Base);
    assert_eq!(offer(&other, NOW, delta.clone()), base);
    let InstallVerdict::Accepted { parameters, .. } = offer(&bench, NOW, delta.clone()) else {
        panic!()
    };
    assert_eq!(parameters, eight);
    assert!(matches!(offer(&bench, NOW, delta), InstallVerdict::Repeated { .. }));
    let late = ParametersDelta::between(&seven, &sealed(&fork)).unwrap();
    assert_eq!(offer(&bench, NOW, late), base);
    // Nothing was installed yet: there is no base.
    let empty = Bench { store: MemoryStore::new(), ..Bench::new(|_| {}) };
    let nine = ParametersDelta::between(&eight, &sealed(&set(9, |_| {}))).unwrap();
    assert_eq!(offer(&empty, NOW, nine), base);
}

fn offer_of_any(bench: &Bench, delta: ParametersDelta) -> InstallVerdict {
    let mut install = bench.stand_in.install(NOW, &trust(), delta);
    decide(&bench.store, &Says(vec![]), &mut install).unwrap().verdict
}

#[test]
fn sd07_a_revoked_key_takes_its_sets_away_an_ended_one_does_not() {
    let bench = Bench::new(|_| {});
    let mut revoked = trust();
    revoked.revoke(ISSUER, 1, NOW.plus_ms(1));
    assert!(matches!(load(&bench, NOW, &revoked), Loaded::InForce { .. }));
    let distrusted = Loaded::Distrusted(SealError::Distrust(Distrust::Revoked));
    assert_eq!(load(&bench, NOW.plus_ms(1), &revoked), distrusted);
    let mut ended = TrustList::new();
    let validity = Validity { from: Time::EPOCH, until: NOW.plus_ms(1) };
    ended.add(ISSUER, 1, TrustedKey::new(key(1).verifying_key(), validity));
    assert!(matches!(load(&bench, NOW.plus_ms(9), &ended), Loaded::InForce { .. }));
    let no_longer = InstallVerdict::Refused(SealError::Distrust(Distrust::NoLongerValid));
    assert_eq!(offer_with(&bench, NOW.plus_ms(1), &ended, sealed(&set(8, |_| {}))), no_longer);
    assert_eq!(load(&Bench { store: MemoryStore::new(), ..bench }, NOW, &trust()), Loaded::Nothing);
}

#[test]
fn sd07_other_rows_than_those_that_were_accepted_are_damage() {
    let bench = Bench::new(|_| {});
    // Signed as well, and under the right version; but not what was accepted.
    let mut other = Vec::new();
    sealed(&set(7, |json| json["pin_tries"] = 9.into())).encode(&mut other).unwrap();
    let rows = bench.store.snapshot().rows;
    let mut own = Vec::new();
    sealed(&set(7, |_| {})).encode(&mut own).unwrap();
    let (key, _) = rows.into_iter().find(|(_, row)| row.value == own).unwrap();
    bench.put(key.clone(), other);
    let mut load = bench.stand_in.load(NOW, &trust());
    let damaged = decide(&bench.store, &Says(vec![]), &mut load);
    let corrupt = Error::Corrupt(port::WireError::Invalid);
    assert_eq!(damaged, Err(port::DecideError::Decision(corrupt)));
    own.truncate(100);
    bench.put(key, own);
    let mut load = bench.stand_in.load(NOW, &trust());
    assert!(decide(&bench.store, &Says(vec![]), &mut load).is_err());
}

#[test]
fn sd07_installers_that_race_leave_the_newest() {
    let bench = Bench::new(|_| {});
    let accepted: Vec<u64> = std::thread::scope(|scope| {
        let threads = [[8, 12, 16], [15, 9, 13], [10, 14, 11]].map(|versions| {
            let bench = &bench;
            scope.spawn(move || {
                let mut accepted = vec![];
                for version in versions {
                    match offer(bench, NOW, sealed(&set(version, |_| {}))) {
                        InstallVerdict::Accepted { .. } => accepted.push(version),
                        InstallVerdict::Refused(SealError::Version) => {}
                        other => panic!("{other:?}"),
                    }
                }
                accepted
            })
        });
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(accepted.iter().max(), Some(&16));
    assert_eq!(in_force(&bench, NOW), (16, None));
}

/// The stand-in module's key, and who believes it.
fn module() -> (Signer, SoftKeys, TrustList) {
    let (name, id) = ("east", KeyId(9));
    let mut keys = SoftKeys::new();
    keys.add_signing(id, &Secret::new([8; 32]));
    let mut trust = TrustList::new();
    trust.add(name, 2, TrustedKey::new(key(8).verifying_key(), Validity::always()));
    (Signer { name: name.into(), key_id: 2, key: id }, keys, trust)
}

#[test]
fn sd07_an_acknowledgement_is_signed_before_it_is_durable_and_says_the_same_again() {
    let bench = Bench::new(|_| {});
    let (signer, keys, theirs) = module();
    let eight = set(8, |_| {});
    let install = |now: Time, offer: Offer| {
        let mut install = bench.stand_in.install(now, &trust(), offer).signed_by(signer.clone());
        decide(&bench.store, &keys, &mut install).unwrap().verdict
    };
    // Whole; the key holder does not sign, and nothing was accepted.
    let mut refused =
        bench.stand_in.install(NOW, &trust(), sealed(&eight)).signed_by(signer.clone());
    let refused = decide(&bench.store, &SoftKeys::new(), &mut refused);
    let unsigned = Error::Unsigned(KeyRefusal::UnknownKey);
    assert_eq!(refused.err(), Some(port::DecideError::Decision(unsigned)));
    assert_eq!(in_force(&bench, NOW), (7, None));
    let first = install(NOW, sealed(&eight).into());
    let InstallVerdict::Accepted { acknowledgement, sealed: Some(one), .. } = first else {
        panic!("{first:?}")
    };
    assert_eq!(one.open(NOW, &theirs), Ok(acknowledgement));
    assert_eq!((acknowledgement.mark, one.module()), (eight.mark(), "east"));
    // Again, and as changes: the same bytes, whenever.
    let changes = ParametersDelta::between(&set(7, |_| {}), &sealed(&eight)).unwrap();
    for offer in [Offer::from(sealed(&eight)), Offer::from(changes)] {
        let again = install(NOW.plus_ms(60_000), offer);
        let sealed = Some(one.clone());
        assert_eq!(again, InstallVerdict::Repeated { acknowledgement, sealed });
    }
    // As changes, for the first time: base, changes and signature are three rounds.
    let nine = ParametersDelta::between(&eight, &sealed(&set(9, |_| {}))).unwrap();
    let InstallVerdict::Accepted { sealed: Some(two), .. } = install(NOW, nine.into()) else {
        panic!("not signed")
    };
    assert_eq!(two.open(NOW, &theirs).unwrap().mark.version, 9);
    // A refused set is not acknowledged, and nobody is asked to sign.
    let InstallVerdict::Refused(SealError::Version) = install(NOW, sealed(&set(6, |_| {})).into())
    else {
        panic!("an older set")
    };
}

#[test]
fn sd07_nobody_else_acknowledges_and_nothing_of_it_can_be_changed() {
    let bench = Bench::new(|_| {});
    let (signer, keys, theirs) = module();
    let mut install =
        bench.stand_in.install(NOW, &trust(), sealed(&set(8, |_| {}))).signed_by(signer);
    let installed = decide(&bench.store, &keys, &mut install).unwrap().verdict;
    let InstallVerdict::Accepted { acknowledgement, sealed: Some(one), .. } = installed else {
        panic!("{installed:?}")
    };
    let mut bytes = Vec::new();
    one.encode(&mut bytes).unwrap();
    assert_eq!(SealedAcknowledgement::parse(&bytes), Ok(one.clone()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = SealedAcknowledgement::parse(&changed)
            .map_err(SealError::Form)
            .and_then(|changed| changed.open(NOW, &theirs));
        assert!(opened.is_err(), "byte {at}");
        assert!(SealedAcknowledgement::parse(&bytes[..at]).is_err());
    }
    // The accounting system's key signs sets, and another domain of the module's key something else.
    let by =
        |signature| SealedAcknowledgement::new(&acknowledgement, "east", 2, signature).unwrap();
    let message = SealedAcknowledgement::message(&acknowledgement);
    let wrong = [key(1).sign(&message), key(8).sign(&acknowledgement.encode())];
    for signature in wrong {
        let opened = by(signature).open(NOW, &theirs);
        assert_eq!(opened, Err(SealError::Signature));
    }
    assert_eq!(by(key(8).sign(&message)), one);
    let unknown = SealError::Distrust(Distrust::UnknownIssuer);
    assert_eq!(one.open(NOW, &trust()), Err(unknown));
    let long = SealedAcknowledgement::new(&acknowledgement, &"x".repeat(33), 2, [0; 64]);
    assert_eq!(long.err(), Some(port::WireError::TooLong));
}

#[test]
fn sd07_an_install_whose_commit_is_of_unknown_fate_is_acknowledged_as_it_stands() {
    let (signer, keys, theirs) = module();
    for fate in [Fate::UnknownApplied, Fate::UnknownLost, Fate::UnknownLate(0), Fate::Conflict] {
        let bench = Bench::new(|_| {});
        let store = FaultyStore::new(Faults::None);
        for (key, row) in bench.store.snapshot().rows {
            let mut batch = port::Batch::new();
            batch.put(key, port::Expect::Any, row.value);
            assert!(matches!(store.commit(&batch), Ok(port::Commit::Applied(_))));
        }
        store.set_faults(Faults::commits([(1, fate)]));
        let offer = sealed(&set(8, |_| {}));
        let mut install = bench.stand_in.install(NOW, &trust(), offer).signed_by(signer.clone());
        let installed = decide(&store, &keys, &mut install).unwrap().verdict;
        let (InstallVerdict::Accepted { acknowledgement, sealed, .. }
        | InstallVerdict::Repeated { acknowledgement, sealed }) = installed
        else {
            panic!("{installed:?}")
        };
        assert_eq!(sealed.unwrap().open(NOW, &theirs), Ok(acknowledgement), "{fate:?}");
    }
}

/// Initiators `from..=to` each have a cap.
fn capped(version: u64, from: u64, to: u64) -> Parameters {
    set(version, |json| {
        let cap = |of: u64| serde_json::json!({ "of": of, "sum_minor": 1_000 });
        json["exposure"]["initiators"] = (from..=to).map(cap).collect();
    })
}

#[test]
fn more_lanes_times_caps_than_one_row_holds_are_refused_before_an_outage() {
    let mut bench = Bench::new(|_| {});
    let lanes = 256;
    bench.stand_in = StandIn::new(StandInConfig { lanes, ..bench.stand_in.config().clone() });
    // 256 lanes, 14 caps and the institution's: 3,840 slices of 18 bytes.
    let too_many = capped(8, 1, 14);
    let refused = InstallVerdict::Refused(SealError::Lanes);
    assert_eq!(offer(&bench, NOW, sealed(&too_many)), refused);
    let with = |parameters| StandInConfig { lanes, ..config(Some(parameters)) };
    assert_eq!(with(too_many.clone()).check(), Err(Error::Lanes));
    let lease = |bench: &Bench, lane| {
        let mut lease = bench.stand_in.lease(NOW, lane, id(1), 1);
        decide(&bench.store, &Says(vec![]), &mut lease)
    };
    // A configuration that was changed afterwards says so as well, and what to do.
    let changed = Bench { stand_in: StandIn::new(with(too_many)), ..Bench::new(|_| {}) };
    let lanes = port::DecideError::Decision(Error::Lanes);
    assert_eq!(lease(&changed, 0), Err(lanes));
    assert!(Error::Lanes.to_string().contains("take fewer lanes"));
    // One cap less, and every lane leases; also under a set with as many other caps.
    for (version, from) in [(8, 1), (9, 101)] {
        bench.install(NOW, &capped(version, from, from + 12));
        assert_eq!(bench.stand_in.config().check(), Ok(()));
        for lane in 0..256 {
            let leased = lease(&bench, lane);
            assert!(matches!(leased, Ok(Leased::Spendable(_))), "{version} {lane} {leased:?}");
        }
    }
}

#[test]
fn an_installation_with_too_many_lanes_can_still_give_back() {
    let mut bench = Bench::new(|_| {});
    bench.install(NOW, &capped(8, 1, 14));
    bench.fill();
    let config = StandInConfig { lanes: 256, ..bench.stand_in.config().clone() };
    assert_eq!(config.check(), Err(Error::Lanes));
    bench.stand_in = StandIn::new(config);
    let mut lease = bench.stand_in.lease(NOW, 1, id(1), 1);
    let lanes = port::DecideError::Decision(Error::Lanes);
    assert_eq!(decide(&bench.store, &Says(vec![]), &mut lease), Err(lanes));
    let mut give_back = bench.stand_in.give_back(NOW, 0);
    assert!(decide(&bench.store, &Says(vec![]), &mut give_back).is_ok());
    let lane = Lane::parse(&bench.row(bench.stand_in.lane_key(0)).unwrap()).unwrap();
    assert!(lane.shares.iter().all(|share| share.granted_minor == 0));
}

#[test]
fn a_counter_is_not_defined_anew_under_its_number() {
    let window = |version: u64, counters: serde_json::Value| {
        set(version, |json| {
            json["counters"] = counters.clone();
            json["rules"][0]["limits"]["windows"] = serde_json::json!([]);
        })
    };
    let sliding = |ms: u64| serde_json::json!([{ "id": 1, "window": "sliding", "length_ms": ms }]);
    let day = serde_json::json!([{ "id": 1, "window": "day" }]);
    let mut bench = Bench::new(|_| {});
    let before = bench.store.snapshot();
    let refused = InstallVerdict::Refused(SealError::Counter(1));
    let seven = bench.stand_in.config().parameters.clone().unwrap();
    for other in [day.clone(), sliding(86_400_001)] {
        let other = window(8, other);
        assert_eq!(other.redefined(&seven), [1]);
        let changes = ParametersDelta::between(&seven, &sealed(&other)).unwrap();
        assert_eq!(offer(&bench, NOW, sealed(&other)), refused);
        assert_eq!(offer(&bench, NOW, changes), refused);
    }
    assert_eq!(bench.store.snapshot(), before);
    // Another number is another counter; and who leaves a number out does not get rid of what was counted under it.
    let eight = window(8, serde_json::json!([{ "id": 2, "window": "day" }]));
    assert!(eight.redefined(&seven).is_empty());
    bench.install(NOW, &eight);
    assert_eq!(offer(&bench, NOW, sealed(&window(9, day))), refused);
    bench.install(NOW, &window(9, sliding(86_400_000)));
}

#[test]
fn a_counter_of_a_set_that_never_came_into_force_is_known_as_well() {
    let bench = Bench::new(|_| {});
    let of = |version: u64, window: &'static str, from_ms: u64| {
        sealed(&set(version, |json| {
            json["effective_from_ms"] = from_ms.into();
            let counters = json["counters"].as_array_mut().unwrap();
            counters.push(serde_json::json!({ "id": 2, "window": window }));
        }))
    };
    let later = NOW.as_ms() + 60_000;
    assert!(matches!(offer(&bench, NOW, of(8, "day", later)), InstallVerdict::Accepted { .. }));
    let refused = InstallVerdict::Refused(SealError::Counter(2));
    assert_eq!(offer(&bench, NOW, of(9, "week", later)), refused);
}

/// A store of before: nothing in it says what counters stand for.
fn forget_counters(bench: &Bench) {
    let rows = bench.store.snapshot().rows;
    let table_at = port::Key::HEAD_BYTES - 1;
    let (row, _) = rows.into_iter().find(|(key, _)| key.as_bytes()[table_at] == 11).unwrap();
    let mut batch = port::Batch::new();
    batch.delete(row, port::Expect::Any);
    assert!(bench.store.commit(&batch).is_ok());
}

#[test]
fn where_nothing_says_what_counters_stand_for_the_stored_sets_do_whatever_the_instance_holds() {
    let refused = |id| InstallVerdict::Refused(SealError::Counter(id));
    let first =
        |version, of: u64| set(version, |json| json["counters"][0]["length_ms"] = of.into());
    let added = |version, window: &'static str| {
        set(version, |json| {
            json["effective_from_ms"] = (NOW.as_ms() + 60_000).into();
            let counters = json["counters"].as_array_mut().unwrap();
            counters.push(serde_json::json!({ "id": 2, "window": window }));
        })
    };
    for holds in [true, false] {
        let mut bench = Bench::new(|_| {});
        let seven = bench.stand_in.config().parameters.clone().unwrap();
        bench.use_set(holds.then_some(seven.clone()));
        forget_counters(&bench);
        let other = first(8, 3_600_000);
        assert_eq!(offer(&bench, NOW, sealed(&other)), refused(1));
        let changes = ParametersDelta::between(&seven, &sealed(&other)).unwrap();
        assert_eq!(offer(&bench, NOW, changes), refused(1));
        // Both the one in force and the one that comes next have a say.
        let eight = added(8, "day");
        assert!(matches!(offer(&bench, NOW, sealed(&eight)), InstallVerdict::Accepted { .. }));
        forget_counters(&bench);
        assert_eq!(offer(&bench, NOW, sealed(&first(9, 3_600_000))), refused(1));
        assert_eq!(offer(&bench, NOW, sealed(&added(9, "week"))), refused(2));
        let nine = added(9, "day");
        let changes = ParametersDelta::between(&eight, &sealed(&nine)).unwrap();
        assert!(matches!(offer(&bench, NOW, changes), InstallVerdict::Accepted { .. }));
        assert_eq!(offer(&bench, NOW, sealed(&added(10, "week"))), refused(2));
    }
}
