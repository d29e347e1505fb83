//! Bytes from anywhere: no panic, and what is read is what would be written.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::Time;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (0..5_usize, any::<[u8; 6]>())
            .prop_map(|(at, octets)| Address::octets(Protocol::ALL[at], octets)),
        (any::<u16>(), any::<u16>(), any::<u64>()).prop_map(|(a, b, c)| Address::cell(a, b, c)),
    ]
}

fn any_report() -> impl Strategy<Value = Report> {
    let one = (address(), 0..3_u8, any::<Option<u32>>(), any::<bool>()).prop_map(
        |(address, relation, dwell_s, opted_out)| Observation {
            address,
            relation: Relation::from_u8(relation).unwrap(),
            dwell_s,
            opted_out,
        },
    );
    let nonce = any::<Option<[u8; 16]>>().prop_map(|nonce| nonce.map(Nonce));
    (any::<u64>(), "[A-Za-z/_]{0,64}", nonce, 0..64_u8, prop::collection::vec(one, 0..257))
        .prop_map(|(ms, zone, nonce, scanned, neighbours)| Report {
            taken: Time::from_ms(ms),
            zone,
            nonce,
            scanned: Scanned::from_bits(scanned << 1).unwrap(),
            neighbours,
        })
}

/// What each form that can be read from these bytes would be written as.
fn written_again(bytes: &[u8]) -> Vec<Vec<u8>> {
    let written = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut to = vec![];
        encode(&mut to);
        to
    };
    let trace = Trace::parse(bytes).ok().map(|read| {
        let _ = read.recompute();
        written(&|to| read.encode(to).unwrap())
    });
    let all = [
        Report::parse(bytes).ok().map(|read| written(&|to| read.encode(to).unwrap())),
        Profile::parse(bytes).ok().map(|read| written(&|to| read.encode(to))),
        History::parse(bytes).ok().map(|read| written(&|to| read.encode(to))),
        Policy::parse(bytes).ok().map(|read| written(&|to| read.encode(to))),
        Population::parse(bytes).ok().map(|read| written(&|to| read.encode(to))),
        trace,
    ];
    all.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn reports_come_back(report in any_report()) {
        let mut bytes = vec![];
        report.encode(&mut bytes).unwrap();
        prop_assert!(bytes.len() <= Report::BYTES_MAX);
        prop_assert_eq!(Report::parse(&bytes), Ok(report));
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            prop_assert!(Report::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn any_report_can_be_learned_and_judged(reports in prop::collection::vec(any_report(), 1..4)) {
        let grid = Grid::new(1_440, Fold::Day).unwrap();
        let mut profile = Profile::new(grid, 0);
        for report in &reports {
            let when = grid.moment(&port::Zone::utc(), report.taken);
            let scan = Scan::take(report, &keys(), when, None);
            prop_assert!(scan.len() <= report.neighbours.len() && usize::from(scan.reported()) <= 256);
            profile.update(&scan, &policy().learning());
            prop_assert_eq!(Profile::parse(&encoded(&profile)), Ok(profile.clone()));
            let known = Known { own: Some(&profile), adjacent: Some(&profile) };
            let assessed = policy().assess(report.taken, &scan, known, Facts::of(i64::MAX));
            prop_assert!(!assessed.reasons().as_slice().is_empty());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_canonical(at in 0..700_usize, flip in 1..=255_u8, extra in prop::collection::vec(any::<u8>(), 0..3)) {
        let profile = profile_of(&home(), 3);
        let mut history = History::new(profile.grid(), profile.period());
        for n in 0..3 {
            history.update(week(n), &scan(week(n), home()), 1_000_000_000, &policy().learning());
        }
        let scan = scan(week(4), home());
        let policy = policy();
        let trace = policy.trace(week(4), &scan, Known { own: Some(&profile), adjacent: None }, Facts::of(5));
        let mut forms = [encoded(&profile), vec![], vec![], vec![], vec![]];
        history.encode(&mut forms[1]);
        trace.encode(&mut forms[2]).unwrap();
        policy.encode(&mut forms[3]);
        report(week(1), home()).encode(&mut forms[4]).unwrap();
        for bytes in &mut forms {
            let at = at % bytes.len();
            bytes[at] ^= flip;
            bytes.extend(&extra);
            for again in written_again(bytes) {
                prop_assert_eq!(&again, &*bytes);
            }
        }
    }

    #[test]
    fn noise_is_refused_or_canonical(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(version) = bytes.first_mut() {
            // Without it, nearly all would be refused at once.
            *version = 1;
        }
        for again in written_again(&bytes) {
            prop_assert_eq!(&again, &bytes);
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let mut long = report(START, (0..257).map(|n| near(n, 1)).collect());
    assert_eq!(long.encode(&mut vec![]), Err(port::WireError::TooLong));
    assert_eq!(Report::parse(&vec![1; Report::BYTES_MAX + 1]), Err(port::WireError::TooLong));
    long.neighbours.truncate(1);
    long.zone = "z".repeat(65);
    assert_eq!(long.encode(&mut vec![]), Err(port::WireError::TooLong));
    // A sketch that claims to be large has to bring the bytes before anything is allocated for it.
    assert_eq!(
        Population::parse(&[1, 20, 0, 0, 0, 0, 0, 0, 0, 0]),
        Err(port::WireError::Truncated)
    );
    for bad in ["", "a b", "ü", &"x".repeat(65)] {
        assert_eq!(TerminalId::new(bad), Err(BadTerminal));
    }
}

#[test]
fn reports_are_signed_as_a_whole() {
    let key = seal::SigningKey::from_seed(&seal::Secret::new([3; 32]));
    let mut report = report(START, home());
    let signature = key.sign(&report.signed_bytes().unwrap());
    assert!(report.is_signed_by(&key.verifying_key(), &signature));
    report.neighbours[3].dwell_s = Some(61);
    assert!(!report.is_signed_by(&key.verifying_key(), &signature));
}
