//! Recorded requests: what a policy is tried on, in the shadow of another one or over a whole history.

use super::{Facts, Known, Plan, Policy, Profile, Scan};
use crate::Judge;
use port::Time;

/// A request as it was, with what was known at its time.
///
/// A [`Policy`] is a [`Judge`] of such requests: so a draft can be put beside the live one
/// ([`Shadow`](crate::shadow::Shadow)) or tried over a history ([`backtest`](crate::backtest)).
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When it was judged.
    pub now: Time,
    /// What the terminal found.
    pub scan: Scan,
    /// What was known of the period.
    pub own: Option<Profile>,
    /// What was known of the adjacent period.
    pub adjacent: Option<Profile>,
    /// What else was known.
    pub facts: Facts,
}

impl Judge for Policy {
    type Case = Recorded;
    type Outcome = Plan;

    fn judge(&self, case: &Recorded) -> Plan {
        let known = Known { own: case.own.as_ref(), adjacent: case.adjacent.as_ref() };
        self.assess(case.now, &case.scan, known, case.facts).plan
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Address, Learning, Observation, PolicyDraft, Protocol, Relation, Report, Scanned,
        TerminalId, TerminalKeys, TokenKey,
    };
    use super::*;
    use crate::backtest;
    use alloc::borrow::ToOwned as _;
    use alloc::vec::Vec;
    use port::Zone;
    use seal::Secret;

    /// Ten neighbours of which the first `present` are there.
    fn scan(policy: &Policy, at: Time, present: u8) -> Scan {
        let id = TerminalId::new("t").unwrap();
        let keys = TerminalKeys::new(TokenKey::derive(&Secret::new([1; 32]), 1, &id));
        let neighbour = |n: u8| {
            let address = Address::octets(Protocol::Wifi, [0, 1, 2, n, 4, 16 * n]);
            Observation::new(address, Relation::InRange).dwelling_s(1_800)
        };
        let report = Report {
            taken: at,
            zone: "Etc/UTC".to_owned(),
            nonce: None,
            scanned: Scanned::ALL,
            neighbours: (0..present).map(neighbour).collect(),
        };
        Scan::take(&report, &keys, policy.grid().moment(&Zone::utc(), at), None)
    }

    #[test]
    fn a_stricter_draft_shows_in_a_backtest_what_it_would_change() {
        let live = Policy::new(PolicyDraft::default()).unwrap();
        let mut draft = PolicyDraft::default();
        (draft.bands[1].to, draft.bands[2].from) = (8_499, 8_500);
        let draft = Policy::new(draft).unwrap();
        let week = |n: u64| Time::from_s(1_704_105_000 + n * 7 * 86_400);
        let learning: Learning = live.learning();
        let usual = scan(&live, week(0), 10);
        let mut profile = Profile::new(live.grid(), usual.when().period);
        for n in 0..5 {
            assert!(profile.update(&scan(&live, week(n), 10), &learning));
        }
        let history: Vec<(bool, Recorded)> = (0..=10)
            .map(|present| {
                let recorded = Recorded {
                    now: week(5),
                    scan: scan(&live, week(5), present),
                    own: Some(profile.clone()),
                    adjacent: None,
                    facts: Facts::of(1_000),
                };
                (present >= 7, recorded)
            })
            .collect();
        let report = backtest::run(&live, &draft, history.iter().map(|(t, r)| (*t, r)), 9, || 0);
        let allow = Plan::Allow { limit_minor: 20_000 };
        assert_eq!((report.count(true, allow), report.count(false, allow)), (4, 0));
        assert_eq!(report.comparison.examples(allow, Plan::AskPin), [7, 8]);
        assert_eq!(report.comparison.differed(), 2);
    }
}
