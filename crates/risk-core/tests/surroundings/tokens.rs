//! What the table at [`Token`] claims, by simulation; and rotation.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::Zone;
use seal::Secret;
use std::collections::BTreeSet;

fn tokens(count: u32, from: u32) -> Vec<Token> {
    let addresses: Vec<Address> = (from..from + count).map(router).collect();
    let mut tokens = vec![Token::default(); addresses.len()];
    key(1).tokens(&addresses, &mut tokens);
    tokens
}

#[test]
fn batches_and_single_tokens_agree() {
    for (n, token) in tokens(150, 0).into_iter().enumerate() {
        assert_eq!(key(1).token(&router(n as u32)), token);
        assert_eq!(Token::new(token.as_u32()), token);
        assert!(token.as_u32() < 1 << Token::BITS && token.group() < 1 << 16);
    }
}

/// 3 % of terminals with 1,000 addresses have a collision: 1,000² / 2²⁵. Over 400,000 addresses that makes 12 in 400 groups.
#[test]
fn collisions_are_as_rare_as_stated() {
    let all = tokens(400_000, 0);
    let hit = all
        .chunks(1_000)
        .filter(|group| group.iter().collect::<BTreeSet<_>>().len() < group.len())
        .count();
    assert!((2..=28).contains(&hit), "{hit} of 400 terminals, 12 expected");
}

/// 64 neighbours against strangers: 64 / 2²⁴ each. Of 2 million strangers 7.6 pass for one of them.
#[test]
fn strangers_hardly_ever_pass() {
    let known: BTreeSet<Token> = tokens(64, 0).into_iter().collect();
    let passed = tokens(2_000_000, 1_000).iter().filter(|token| known.contains(token)).count();
    assert!(passed <= 24, "{passed} strangers passed");
}

/// Even with the key a token fits one address in 2²⁴: of 2³¹ in use, 128. Here: of 2²² candidates one in four fits nothing
/// but the true one, and a token has 0.25 false candidates on average.
#[test]
fn a_key_alone_gives_no_address_back() {
    let targets: BTreeSet<Token> = tokens(1_000, 3_000_000).into_iter().collect();
    let candidates = tokens(1 << 21, 0).iter().filter(|token| targets.contains(token)).count();
    // 1,000 × 2²¹ / 2²⁴ = 125
    assert!((80..=170).contains(&candidates), "{candidates} false candidates, 125 expected");
}

#[test]
fn tokens_of_other_keys_and_terminals_are_unlinked() {
    let other = TerminalId::new("phone-2").unwrap();
    let makers = [
        key(1),
        key(2),
        TokenKey::derive(&Secret::new([7; 32]), 1, &other),
        TokenKey::derive(&Secret::new([8; 32]), 1, &terminal()),
    ];
    let seen: BTreeSet<Token> =
        makers.iter().flat_map(|key| (0..50).map(|n| key.token(&router(n)))).collect();
    assert!(seen.len() >= 199, "{} different of 200", seen.len());
}

#[test]
fn addresses_of_one_router_are_one_device() {
    let base = [0x00, 0x11, 0x22, 0x33, 0x44, 0x50];
    let group = |octets| key(1).token(&Address::octets(Protocol::Wifi, octets)).group();
    let [a, b, c, d, e, _] = base;
    assert_eq!(group(base), group([a, b, c, d, e, 0x5f]));
    assert_eq!(group(base), group([a | 2, b, c, d, e, 0x51]));
    assert_ne!(group(base), group([a, b, c, d, e, 0x60]));
    let radio = |protocol| key(1).token(&Address::octets(protocol, base)).group();
    assert_eq!(radio(Protocol::Bluetooth), radio(Protocol::BlePublic));
    assert_ne!(radio(Protocol::Bluetooth), radio(Protocol::Wifi));
}

fn scan_with(keys: &TerminalKeys, n: u64, neighbours: Vec<Observation>) -> Scan {
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(n));
    Scan::take(&report(week(n), neighbours), keys, when, None)
}

#[test]
fn a_profile_moves_to_a_new_key_without_a_break() {
    let learning = policy().learning();
    let mut profile = profile_of(&home(), 6);
    let rotating = TerminalKeys::rotating(key(2), key(1)).unwrap();
    // Found under the old key, before and after half of it was learned under the new one.
    let full = scan_with(&rotating, 6, home());
    assert_eq!(basis_points(assess(&profile, &full).baseline), 10_000);
    assert!(profile.update(&scan_with(&rotating, 6, home()[..7].to_vec()), &learning));
    assert_eq!(profile.neighbours().len(), 13);
    assert_eq!(basis_points(assess(&profile, &scan_with(&rotating, 7, home())).baseline), 10_000);
    // When the overlap is over, what was not seen again no longer counts, for or against.
    let alone = TerminalKeys::new(key(2));
    let later = assess(&profile, &scan_with(&alone, 7, home()));
    assert_eq!((later.coverage.references, later.coverage.present), (7, 7));
    // And it is forgotten with the next key.
    let next = TerminalKeys::rotating(key(3), key(2)).unwrap();
    assert!(profile.update(&scan_with(&next, 8, home()), &learning));
    assert_eq!(profile.neighbours().len(), 13);
    assert_eq!(profile.key_id(), 3);
    assert_eq!(Profile::parse(&encoded(&profile)), Ok(profile));
}

#[test]
fn keys_too_far_apart_give_no_evidence() {
    let profile = profile_of(&home(), 6);
    for keys in [
        TerminalKeys::new(key(2)),
        TerminalKeys::rotating(key(3), key(2)).unwrap(),
        TerminalKeys::rotating(key(5), key(4)).unwrap(),
    ] {
        let assessed = assess(&profile, &scan_with(&keys, 6, home()));
        assert_eq!(assessed.baseline, Score::NoEvidence(Abstention::KeysTooOld));
    }
    assert!(TerminalKeys::rotating(key(3), key(1)).is_err());
}
