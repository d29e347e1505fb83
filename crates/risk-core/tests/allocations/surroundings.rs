//! Judging allocates nothing, and neither do reading, learning and placing in time.

use super::allocations;
use interbank_risk_core::surroundings::*;
use port::{Time, Zone};

#[test]
fn an_assessment_without_a_trace_allocates_nothing() {
    let policy = Policy::new(PolicyDraft::default()).unwrap();
    let key = TokenKey::derive(&seal::Secret::new([7; 32]), 1, &TerminalId::new("t").unwrap());
    let keys = TerminalKeys::new(key.clone());
    let zone = Zone::utc();
    let router = |n: u8| Address::octets(Protocol::Wifi, [0, n, 3, 4, 5, 6]);
    let take = |week: u64, range: core::ops::Range<u8>| {
        let taken = Time::from_s(1_700_000_000 + week * 604_800);
        let found =
            |n| Observation::new(router(n), Relation::InRange).dwelling_s(u32::from(n) * 50);
        let neighbours = range.map(found).collect();
        let report =
            Report { taken, zone: "UTC".into(), nonce: None, scanned: Scanned::ALL, neighbours };
        Scan::take(&report, &keys, policy.grid().moment(&zone, taken), None)
    };
    let mut own = Profile::new(policy.grid(), take(0, 0..1).when().period);
    let mut adjacent = Profile::new(policy.grid(), take(0, 0..1).when().adjacent);
    let learning = policy.learning();
    for week in 0..4 {
        own.update(&take(week, 0..70), &learning);
    }
    let mut bytes = Vec::new();
    own.encode(&mut bytes);
    let scan = take(4, 40..90);
    let known = Known { own: Some(&own), adjacent: Some(&adjacent) };
    let facts = Facts::of(1_000);
    assert_eq!(allocations(|| policy.assess(scan.taken(), &scan, known, facts)).0, 0);
    let (count, parsed) = allocations(|| Profile::parse(&bytes));
    assert_eq!((count, parsed.as_ref()), (0, Ok(&own)));
    assert_eq!(allocations(|| policy.grid().moment(&zone, scan.taken())).0, 0);
    let mut tokens = [Token::default(); 32];
    let addresses: [Address; 32] = core::array::from_fn(|n| router(n.to_be_bytes()[7]));
    assert_eq!(allocations(|| key.tokens(&addresses, &mut tokens)).0, 0);
    assert_eq!(allocations(|| own.update(&scan, &learning)).0, 0);
    assert_eq!(allocations(|| adjacent.update(&scan, &learning)).0, 0);
    // A trace keeps what the neighbours of a profile said.
    let known = Known { own: Some(&own), adjacent: None };
    assert_eq!(allocations(|| policy.trace(scan.taken(), &scan, known, facts)).0, 1);
}
