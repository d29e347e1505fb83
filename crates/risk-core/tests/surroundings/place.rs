//! A terminal, places with neighbours, and weeks: what the tests play with.

use interbank_risk_core::surroundings::*;
use port::{Time, Zone};
use seal::Secret;

/// 2023-11-14 22:30 UTC, a Tuesday: the centre of its hour.
pub(crate) const START: Time = Time::from_s(1_700_001_000);
pub(crate) const WEEK_MS: u64 = 7 * 86_400_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;

pub(crate) fn week(n: u64) -> Time {
    START.plus_ms(n * WEEK_MS)
}

pub(crate) fn terminal() -> TerminalId {
    TerminalId::new("phone-1").unwrap()
}

pub(crate) fn key(id: u8) -> TokenKey {
    TokenKey::derive(&Secret::new([7; 32]), id, &terminal())
}

pub(crate) fn keys() -> TerminalKeys {
    TerminalKeys::new(key(1))
}

pub(crate) fn policy() -> Policy {
    Policy::new(PolicyDraft::default()).unwrap()
}

pub(crate) fn policy_with(change: impl FnOnce(&mut PolicyDraft)) -> Policy {
    let mut draft = PolicyDraft::default();
    change(&mut draft);
    Policy::new(draft).unwrap()
}

/// An access point, each a device of its own.
pub(crate) fn router(n: u32) -> Address {
    let [_, a, b, c] = n.to_be_bytes();
    Address::octets(Protocol::Wifi, [0, a, b, c, 0x5a, 0x10])
}

/// An access point that was there for so many seconds.
pub(crate) fn near(n: u32, dwell_s: u32) -> Observation {
    Observation::new(router(n), Relation::InRange).dwelling_s(dwell_s)
}

pub(crate) fn report(taken: Time, neighbours: Vec<Observation>) -> Report {
    Report { taken, zone: "UTC".into(), nonce: None, scanned: Scanned::ALL, neighbours }
}

pub(crate) fn scan_in(grid: Grid, taken: Time, neighbours: Vec<Observation>) -> Scan {
    let when = grid.moment(&Zone::utc(), taken);
    Scan::take(&report(taken, neighbours), &keys(), when, None)
}

pub(crate) fn scan(taken: Time, neighbours: Vec<Observation>) -> Scan {
    scan_in(Grid::HOUR_OF_WEEK, taken, neighbours)
}

/// The worked example: six passing by, four for a while, three residents.
pub(crate) fn home() -> Vec<Observation> {
    let passing = (0..6).map(|n| near(n, 60));
    let while_ = (10..14).map(|n| near(n, 600));
    passing.chain(while_).chain((20..23).map(|n| near(n, 3_000))).collect()
}

/// A profile of the hour of [`START`], learned over so many weeks.
pub(crate) fn profile_of(neighbours: &[Observation], weeks: u64) -> Profile {
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), START);
    let mut profile = Profile::new(when.grid, when.period);
    for n in 0..weeks {
        assert!(profile.update(&scan(week(n), neighbours.to_vec()), &policy().learning()));
    }
    profile
}

pub(crate) fn assess(profile: &Profile, scan: &Scan) -> Assessment {
    let known = Known { own: Some(profile), adjacent: None };
    policy().assess(scan.taken(), scan, known, Facts::of(1_000))
}

pub(crate) fn basis_points(score: Score) -> u16 {
    score.familiarity().expect("a score").basis_points().as_u16()
}

pub(crate) fn encoded(profile: &Profile) -> Vec<u8> {
    let mut bytes = vec![];
    profile.encode(&mut bytes);
    bytes
}

/// Numbers that look random and are the same each time.
pub(crate) fn random(state: &mut u64) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 20) as u32
}

/// Types of one weight between cut points.
pub(crate) fn types_of(cuts: &[i64]) -> Vec<TypeDraft> {
    let of = |cut: &[i64]| TypeDraft {
        from_s: cut[0],
        to_s: cut[1],
        weight: 1,
        unknown: Unknown::new(),
    };
    cuts.windows(2).map(of).collect()
}
