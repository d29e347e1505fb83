//! The four-way table, a test for each cell, and the planted faults.

use interbank_standin::*;
use port::{Amount, Currency, Time};

fn action(host: HostOutcome, stand_in: StandInOutcome) -> (Posting, bool, bool) {
    let Action { posting, maybe_applied, exception, charge_exposure } = Action::of(host, stand_in);
    assert_eq!(exception, charge_exposure);
    (posting, maybe_applied, exception)
}

#[test]
fn sd04_approved_and_approved_is_one_posting() {
    let found = action(HostOutcome::Approved, StandInOutcome::Approved);
    assert_eq!(found, (Posting::Advice, true, false));
}

#[test]
fn sd04_approved_and_declined_is_undone() {
    let found = action(HostOutcome::Approved, StandInOutcome::Declined);
    assert_eq!(found, (Posting::Reversal, true, false));
}

#[test]
fn sd04_declined_and_approved_is_forced_and_looked_at() {
    let found = action(HostOutcome::Declined, StandInOutcome::Approved);
    assert_eq!(found, (Posting::ForcedAdvice, false, true));
}

#[test]
fn sd04_declined_and_declined_is_nothing() {
    let found = action(HostOutcome::Declined, StandInOutcome::Declined);
    assert_eq!(found, (Posting::None, false, false));
}

#[test]
fn sd04_unknown_and_approved_may_be_there_already() {
    let found = action(HostOutcome::Unknown, StandInOutcome::Approved);
    assert_eq!(found, (Posting::Advice, true, false));
}

#[test]
fn sd04_unknown_and_declined_is_undone_in_case() {
    let found = action(HostOutcome::Unknown, StandInOutcome::Declined);
    assert_eq!(found, (Posting::Reversal, true, false));
}

#[test]
fn sd04_a_host_that_was_not_asked_knows_nothing() {
    let of = |stand_in| action(HostOutcome::NotAsked, stand_in);
    assert_eq!(of(StandInOutcome::Approved), (Posting::Advice, false, false));
    assert_eq!(of(StandInOutcome::Declined), (Posting::None, false, false));
}

fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

fn approved(trace: u64) -> Entry {
    let account = seal::Account::new("6200000000000005").unwrap();
    let request = TransactionRequest::new(RequestDraft {
        institution: InstitutionId::new(6222),
        initiator: InstitutionId::new(1111),
        account: Some(AccountInfo::new(&account, seal::AccountRef::from_bytes([7; 16]))),
        amount: Some(cny(500)),
        kind: Some(Kind::Purchase),
        mti: Some(Mti::FINANCIAL),
        trace: Some(trace),
        sent_at: Some(Time::from_s(1_785_000_000)),
        terminal: Some(Text::new("=T\"1").unwrap()),
        ..RequestDraft::default()
    })
    .unwrap();
    let response = Response {
        mti: request.mti.response().unwrap(),
        key: request.key,
        code: ResponseCode::APPROVED,
        approved: Some(request.amount),
        auth_code: None,
        source: Source::Host,
        balance: None,
        retrieval_ref: None,
    };
    Entry {
        seq: trace,
        at: Time::from_s(1_785_000_000),
        epoch: 1,
        host: HostOutcome::NotAsked,
        request,
        response,
        reason: 0,
        rule: 0,
        spent_minor: 500,
        spent_after_minor: 500,
        capped: false,
        parameters: [0; 32],
        previous: [0; 32],
        state: EntryState::Queued,
    }
}

#[test]
fn sd17_each_planted_fault_is_found() {
    let mut all = Reconciliation::new();
    for trace in 1..=5 {
        let entry = approved(trace);
        let key = entry.request.key;
        all.journal(&entry).initiator(key, cny(500));
        match trace {
            1 => all.posting(key, cny(500)),
            2 => &mut all,
            3 => all.posting(key, cny(501)),
            4 => all.posting(key, cny(500)).posting(key, cny(500)),
            _ => all.posting(key, cny(500)).initiator(key, cny(499)),
        };
    }
    all.posting(approved(6).request.key, cny(1));
    let mut declined = approved(7);
    declined.response.code = ResponseCode::AMOUNT_LIMIT;
    declined.response.approved = None;
    all.journal(&declined).initiator(declined.request.key, cny(500));
    let report = all.finish();
    let found: Vec<Found> = report.lines.iter().map(|line| line.found).collect();
    assert_eq!(
        found,
        [
            Found::Matched,
            Found::Missing,
            Found::AmountDiffers,
            Found::Duplicate,
            Found::InitiatorDiffers,
            Found::Extra,
            Found::InitiatorOnly
        ]
    );
    assert_eq!(report.count(Found::Missing), 1);
    let csv = report.to_csv();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 9);
    let time = "2026-07-25T17:20:00Z";
    assert_eq!(lines[1], format!("1111,1,{time},\"'=T\"\"1\",matched,5.00,5.00,1,5.00,CNY"));
    assert_eq!(lines[2], format!("1111,2,{time},\"'=T\"\"1\",missing,5.00,,0,5.00,CNY"));
}

#[test]
fn sd17_what_is_not_owed_is_expected_in_no_books() {
    let mut all = Reconciliation::new();
    let mut undone = approved(1);
    undone.state = EntryState::NotOwed;
    all.journal(&undone);
    // The accounting system had approved what the terminal was told to be declined: posted, and taken back.
    let mut declined = approved(2);
    declined.response.code = ResponseCode::AMOUNT_LIMIT;
    declined.response.approved = None;
    let key = declined.request.key;
    all.journal(&declined).posting(key, cny(500)).posting(key, cny(-500));
    let report = all.finish();
    let found: Vec<(u64, Found)> =
        report.lines.iter().map(|line| (line.key.trace(), line.found)).collect();
    assert_eq!(found, [(2, Found::Matched)]);
    let totals: Vec<(bool, u64, i128)> =
        report.totals.iter().map(|total| (total.approved, total.count, total.sum_minor)).collect();
    assert_eq!(totals, [(false, 1, 500), (true, 1, 500)]);
}

#[test]
fn sd17_one_journal_has_one_digest_in_any_order() {
    let entries: Vec<Entry> = (1..=4).map(approved).collect();
    let digest = |entries: &[&Entry]| {
        let mut all = Reconciliation::new();
        for entry in entries {
            all.journal(entry);
        }
        all.finish().digest
    };
    let [a, b, c, d] = &entries[..] else { panic!() };
    let whole = digest(&[a, b, c, d]);
    assert_eq!(digest(&[d, b, a, c]), whole);
    assert_ne!(digest(&[a, b, c]), whole);
    // Delivery does not change it.
    let posted = Entry { state: EntryState::Posted, ..d.clone() };
    assert_eq!(digest(&[a, b, c, &posted]), whole);
    let other = Entry { spent_minor: 501, ..d.clone() };
    assert_ne!(digest(&[a, b, c, &other]), whole);
}
