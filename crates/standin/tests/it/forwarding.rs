//! How what was decided reaches the accounting system: order, pace, repeats, exceptions, and after a restart.

use crate::setting::{Bench, NOW, cny};
use interbank_standin::*;
use port::blocking::{Store as _, decide};
use port::{Effect, Input, Machine, ReadSet, Time};
use seal::{Account, AccountRef};

struct Desk {
    bench: Bench,
    forwarder: Forwarder,
    now: Time,
    told: Vec<ForwarderEvent>,
    /// How many rows were read by scans.
    scanned: usize,
}

impl Desk {
    fn new(edit: impl Fn(&mut ForwarderConfig)) -> Self {
        let bench =
            Bench::new(|json| json["rules"][0]["limits"]["windows"][0]["count"] = 99.into());
        let mut config = ForwarderConfig::default();
        edit(&mut config);
        let forwarder = Forwarder::new(NOW, &bench.stand_in, config).unwrap();
        Self { bench, forwarder, now: NOW, told: Vec::new(), scanned: 0 }
    }

    fn account(number: u8) -> AccountInfo {
        let clear = Account::new("6200000000000005").unwrap();
        AccountInfo::new(&clear, AccountRef::from_bytes([number; 16]))
    }

    fn approve(&mut self, account: u8, trace: u64, host: HostOutcome) -> RequestKey {
        let draft =
            RequestDraft { account: Some(Self::account(account)), ..self.bench.draft(trace, 100) };
        let key = TransactionRequest::new(draft.clone()).unwrap().key;
        match self.bench.decide(self.now, host, draft, vec![]) {
            Verdict::Answered(answered) => assert!(answered.response.is_approval()),
            other => panic!("{other:?}"),
        }
        self.forwarder.nudge(self.now, AccountRef::from_bytes([account; 16]));
        key
    }

    fn turn(&mut self) -> Vec<Advice> {
        while let Some(effect) = self.forwarder.poll_effect() {
            let input = match effect {
                Effect::Commit { ticket, batch } => {
                    let Ok(commit) = self.bench.store.commit(&batch);
                    Input::Committed { ticket, fate: commit.into() }
                }
                Effect::Read { ticket, want } => {
                    let rows = self.bench.store.read(&want).ok();
                    let pages = rows.iter().flat_map(|rows| &rows.scans);
                    self.scanned += pages.map(Vec::len).sum::<usize>();
                    Input::Rows { ticket, rows }
                }
                other => panic!("{other:?}"),
            };
            self.forwarder.handle(self.now, input).unwrap();
        }
        let mut sent = Vec::new();
        while let Some(event) = self.forwarder.poll_event() {
            match event {
                ForwarderEvent::Send(advice) => sent.push(*advice),
                other => self.told.push(other),
            }
        }
        sent
    }

    fn open(&mut self) -> Vec<Advice> {
        self.forwarder.open(self.now, true);
        self.turn()
    }

    fn pass(&mut self, ms: u64) -> Vec<Advice> {
        self.now = self.now.plus_ms(ms);
        self.forwarder.handle(self.now, Input::Tick).unwrap();
        self.turn()
    }

    fn answer(&mut self, key: &RequestKey, outcome: AdviceOutcome) -> Vec<Advice> {
        self.forwarder.answered(self.now, key, outcome);
        self.turn()
    }

    fn entry(&self, account: u8, request: RequestKey) -> Entry {
        let account = AccountRef::from_bytes([account; 16]);
        let entry = EntryRef { account, role: Role::Request, request };
        self.bench.entry(&entry).unwrap()
    }

    fn out_minor(&self) -> i64 {
        let Ok(rows) = self.bench.store.read(&ReadSet::points([self.bench.stand_in.lane_key(0)]));
        let lane = Lane::parse(&rows.points[0].as_ref().unwrap().value).unwrap();
        lane.shares[0].out_minor
    }
}

#[test]
fn sd06_one_at_a_time_of_an_account_and_accounts_beside_each_other() {
    let mut desk = Desk::new(|_| {});
    for trace in 1..=3 {
        desk.approve(1, trace, HostOutcome::NotAsked);
        desk.approve(2, 10 + trace, HostOutcome::NotAsked);
    }
    desk.turn();
    assert_eq!((desk.forwarder.backlog(), desk.out_minor()), (6, 600));
    let mut sent = desk.open();
    let mut order = Vec::new();
    while !sent.is_empty() {
        assert!(sent.len() <= 2);
        let advice = sent.remove(0);
        order.push((advice.request.account.token.as_bytes()[0], advice.seq));
        sent.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    for account in [1, 2] {
        let seqs: Vec<u64> = order.iter().filter(|one| one.0 == account).map(|one| one.1).collect();
        assert_eq!(seqs, [1, 2, 3]);
    }
    desk.pass(1);
    assert!(desk.forwarder.is_drained());
    assert_eq!((desk.forwarder.backlog(), desk.out_minor()), (0, 0));
}

#[test]
fn sd03_a_repeat_is_marked_after_every_unanswered_send_and_a_late_answer_counts() {
    let mut desk = Desk::new(|_| {});
    desk.now = NOW.plus_ms(1);
    let key = desk.approve(1, 1, HostOutcome::NotAsked);
    let first = desk.open();
    assert_eq!((first[0].mti, first[0].maybe_applied), (Mti::AUTHORIZATION_ADVICE, false));
    assert!(desk.pass(10_000).is_empty());
    let mut again = desk.pass(1_500);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].mti, again[0].attempt), (Mti::AUTHORIZATION_ADVICE.repeat(), 2));
    assert!(again[0].maybe_applied);
    // Not counted, and marked all the same: a message in flight when the sender stops.
    again = desk.pass(10_000);
    assert!(again.is_empty());
    // The answer to the first comes while the next repeat rests.
    desk.answer(&key, AdviceOutcome::Posted);
    assert_eq!(desk.entry(1, key).state, EntryState::Posted);
    assert!(desk.pass(600_000).is_empty());
    desk.answer(&key, AdviceOutcome::AlreadyPosted);
    assert!(
        matches!(desk.told.last(), Some(ForwarderEvent::Unmatched { key: other }) if *other == key)
    );
}

#[test]
fn sd03_after_a_restart_everything_queued_is_owed_and_marked() {
    let mut desk = Desk::new(|_| {});
    for trace in 1..=40 {
        desk.approve(u8::try_from(trace % 7).unwrap(), trace, HostOutcome::NotAsked);
    }
    let config = ForwarderConfig { page_rows: 3, window_first: 50, ..ForwarderConfig::default() };
    desk.forwarder = Forwarder::new(desk.now, &desk.bench.stand_in, config).unwrap();
    desk.forwarder.handle(desk.now, Input::Tick).unwrap();
    let mut sent = desk.open();
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|one| one.mti.is_repeat() && one.maybe_applied));
    let mut count = 0;
    while let Some(advice) = sent.pop() {
        count += 1;
        sent.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    assert_eq!((count, desk.out_minor()), (40, 0));
}

#[test]
fn sd03_what_is_refused_is_kept_and_blocks_nobody() {
    let mut desk = Desk::new(|_| {});
    let bad = desk.approve(1, 1, HostOutcome::NotAsked);
    let good = desk.approve(1, 2, HostOutcome::NotAsked);
    desk.open();
    let next = desk.answer(&bad, AdviceOutcome::Refused(ResponseCode::INVALID_CARD));
    assert_eq!(next[0].key, good);
    desk.answer(&good, AdviceOutcome::PostedNegative);
    assert_eq!(desk.entry(1, bad).state, EntryState::Exception);
    assert_eq!(desk.entry(1, good).state, EntryState::PostedNegative);
    // The loss stays in the exposure until somebody looked.
    assert_eq!(desk.out_minor(), 100);
    let account = AccountRef::from_bytes([1; 16]);
    let entry = EntryRef { account, role: Role::Request, request: bad };
    let mut resolve = desk.bench.stand_in.settle(desk.now, entry, Settlement::Resolved);
    let settled = decide(&desk.bench.store, &crate::setting::Says(vec![]), &mut resolve).unwrap();
    assert_eq!(settled.verdict, Settled::Done { undelivered: 0 });
    assert_eq!(desk.out_minor(), 0);
}

#[test]
fn sd03_one_that_is_never_answered_is_a_dead_letter_and_an_outage_is_none() {
    let mut desk = Desk::new(|config| {
        (config.strikes_max, config.retry_max_ms) = (3, 1_000);
        config.escalate_ms = 86_400_000;
    });
    let poison = desk.approve(1, 1, HostOutcome::NotAsked);
    desk.open();
    // Nothing at all is answered: that is an outage, however long.
    (0..200).for_each(|_| drop(desk.pass(5_000)));
    assert_eq!(desk.entry(1, poison).state, EntryState::Queued);
    assert!(desk.told.is_empty());
    for trace in 2..100 {
        let other = desk.approve(2, trace, HostOutcome::NotAsked);
        desk.turn();
        desk.answer(&other, AdviceOutcome::Posted);
        desk.pass(5_000);
    }
    assert_eq!(desk.entry(1, poison).state, EntryState::Exception);
    let dead = desk
        .told
        .iter()
        .any(|one| matches!(one, ForwarderEvent::DeadLetter { why: DeadLetter::Unanswered, .. }));
    assert!(dead && desk.out_minor() == 100);
}

#[test]
fn sd03_what_waits_too_long_is_escalated_and_goes_on_waiting() {
    let mut desk = Desk::new(|_| {});
    let key = desk.approve(1, 1, HostOutcome::NotAsked);
    desk.turn();
    // Closed all the time: escalation needs no sends.
    desk.pass(3_599_999);
    assert!(desk.told.is_empty());
    desk.pass(1);
    desk.pass(3_600_000);
    let ages: Vec<u64> = desk
        .told
        .iter()
        .filter_map(|one| match one {
            ForwarderEvent::Escalated { age_ms, .. } => Some(*age_ms),
            _ => None,
        })
        .collect();
    assert_eq!(ages, [3_600_000, 7_200_000]);
    assert_eq!(desk.open().len(), 1);
    let account = AccountRef::from_bytes([1; 16]);
    let audit = desk.forwarder.give_up(desk.now, &account, "olga", "posted by hand").unwrap();
    assert_eq!((&audit.actor[..], &audit.subject[..]), (&b"olga"[..], &b"posted by hand"[..]));
    desk.turn();
    assert_eq!(desk.entry(1, key).state, EntryState::Exception);
    assert_eq!(
        desk.forwarder.give_up(desk.now, &account, "olga", "").err(),
        Some(ForwarderError::NothingWaits)
    );
}

#[test]
fn sd04_a_late_answer_decides_between_advice_and_force() {
    for (said, posting, state) in [
        (None, Posting::Advice, EntryState::Posted),
        (Some(true), Posting::Advice, EntryState::Posted),
        (Some(false), Posting::ForcedAdvice, EntryState::Exception),
    ] {
        let mut desk = Desk::new(|_| {});
        let key = desk.approve(1, 1, HostOutcome::Unknown);
        if let Some(said) = said {
            desk.forwarder.host_said(desk.now, &key, said);
        }
        let sent = desk.open();
        assert_eq!((sent[0].posting, sent[0].key), (posting, key), "{said:?}");
        assert_eq!(sent[0].maybe_applied, said != Some(false) || sent[0].mti.is_repeat());
        desk.answer(&key, AdviceOutcome::Posted);
        assert_eq!(desk.entry(1, key).state, state);
    }
}

#[test]
fn sd04_a_decline_after_silence_is_told_as_a_reversal() {
    for (said, messages) in [(None, 1), (Some(true), 1), (Some(false), 0)] {
        let mut desk = Desk::new(|_| {});
        let draft = RequestDraft {
            account: Some(Desk::account(1)),
            amount: Some(cny(99_999)),
            ..desk.bench.draft(1, 1)
        };
        let key = TransactionRequest::new(draft.clone()).unwrap().key;
        let Verdict::Answered(answered) =
            desk.bench.decide(NOW, HostOutcome::Unknown, draft, vec![])
        else {
            panic!("not answered")
        };
        assert!(!answered.response.is_approval());
        if let Some(said) = said {
            desk.forwarder.host_said(NOW, &key, said);
        }
        desk.forwarder.nudge(NOW, AccountRef::from_bytes([1; 16]));
        let sent = desk.open();
        assert_eq!(sent.len(), messages, "{said:?}");
        if let Some(reversal) = sent.first() {
            assert_eq!((reversal.posting, reversal.original), (Posting::Reversal, Some(key)));
            assert_eq!(reversal.mti.first(), Mti::REVERSAL_ADVICE);
            assert_eq!(reversal.key.class(), Class::Reversal);
            let message = reversal.key;
            desk.answer(&message, AdviceOutcome::Posted);
        }
        assert_ne!(desk.entry(1, key).state, EntryState::Queued);
        desk.pass(1);
        assert!(desk.forwarder.is_drained());
    }
}

#[test]
fn sd03_the_window_grows_with_answers_and_halves_on_time_outs() {
    let mut desk = Desk::new(|config| (config.window_first, config.window_max) = (4, 6));
    for account in 1..=60 {
        desk.approve(account, u64::from(account), HostOutcome::NotAsked);
    }
    let mut flying = desk.open();
    assert_eq!(flying.len(), 4);
    for _ in 0..20 {
        let advice = flying.remove(0);
        flying.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    assert_eq!((desk.forwarder.window(), desk.forwarder.in_flight()), (6, 6));
    let sent = desk.pass(10_000);
    assert_eq!((desk.forwarder.window(), sent.len()), (3, 3));
    // A host that says so is believed at once.
    desk.answer(&sent[0].key, AdviceOutcome::Busy);
    assert_eq!(desk.forwarder.window(), 1);
}

#[test]
fn sd03_what_is_told_wrongly_changes_nothing() {
    let mut desk = Desk::new(|_| {});
    desk.approve(1, 1, HostOutcome::NotAsked);
    desk.open();
    let stranger = desk.bench.key_of(77);
    desk.answer(&stranger, AdviceOutcome::Posted);
    assert!(matches!(desk.told[..], [ForwarderEvent::Unmatched { .. }]));
    let rows = Input::Rows { ticket: port::Ticket(999), rows: None };
    assert_eq!(desk.forwarder.handle(NOW, rows), Err(ForwarderError::NotAsked));
    assert_eq!(desk.forwarder.backlog(), 1);
    let bad = ForwarderConfig { settle_max: 50, ..ForwarderConfig::default() };
    assert!(Forwarder::new(NOW, &desk.bench.stand_in, bad).is_err());
}

#[test]
fn sd03_what_has_ended_costs_no_reads() {
    let mut desk = Desk::new(|_| {});
    let mut sent = desk.open();
    for trace in 1..=90 {
        desk.approve(u8::try_from(trace % 3).unwrap(), trace, HostOutcome::NotAsked);
        sent.extend(desk.turn());
    }
    while let Some(advice) = sent.pop() {
        sent.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    assert!(desk.forwarder.is_drained());
    desk.scanned = 0;
    // A round each minute, and somebody points at an account with thirty entries behind it.
    for _ in 0..10 {
        desk.pass(60_000);
    }
    let key = desk.approve(1, 91, HostOutcome::NotAsked);
    assert_eq!(desk.turn().len(), 1);
    assert_eq!(desk.scanned, 1);
    desk.answer(&key, AdviceOutcome::Posted);
    assert!(desk.forwarder.is_drained());
    assert_eq!(desk.scanned, 1);
}

#[test]
fn sd03_a_nudge_does_not_spoil_the_round_under_way() {
    let mut desk = Desk::new(|config| config.page_rows = 1);
    let first = desk.approve(1, 1, HostOutcome::NotAsked);
    desk.turn();
    // A round is under way over what one account owes; another one is pointed at all the time, and owes nothing.
    desk.open();
    desk.answer(&first, AdviceOutcome::Posted);
    for _ in 0..100 {
        desk.forwarder.nudge(desk.now, AccountRef::from_bytes([9; 16]));
        assert!(!desk.forwarder.is_drained(), "nobody has looked");
        desk.turn();
        assert!(desk.forwarder.is_drained());
    }
    // More are pointed at than it remembers: everything is looked through.
    let mut desk = Desk::new(|config| config.wanted_max = 1);
    for account in 1..=5 {
        desk.approve(account, u64::from(account), HostOutcome::NotAsked);
    }
    desk.turn();
    assert_eq!(desk.forwarder.backlog(), 5);
}

#[test]
fn sd03_an_old_page_is_no_news() {
    let mut desk = Desk::new(|_| {});
    desk.now = NOW.plus_ms(1);
    let key = desk.approve(1, 1, HostOutcome::NotAsked);
    assert_eq!(desk.open().len(), 1);
    // A round reads the entry, and before its page arrives the entry is answered and ends.
    desk.now = desk.now.plus_ms(5_000);
    let other = AccountRef::from_bytes([1; 16]);
    desk.forwarder.nudge(desk.now, other);
    let Some(Effect::Read { ticket, want }) = desk.forwarder.poll_effect() else { panic!() };
    let rows = desk.bench.store.read(&want).ok();
    desk.answer(&key, AdviceOutcome::Posted);
    assert_eq!((desk.entry(1, key).state, desk.forwarder.backlog()), (EntryState::Posted, 0));
    desk.forwarder.handle(desk.now, Input::Rows { ticket, rows }).unwrap();
    assert!(desk.turn().is_empty(), "sent again, as if for the first time");
    assert!(desk.forwarder.is_drained());
}

#[test]
fn a_decline_that_is_owed_after_all_is_not_taken_for_an_old_page() {
    let mut desk = Desk::new(|_| {});
    desk.now = NOW.plus_ms(1);
    let account = Some(Desk::account(1));
    let declined = |desk: &Desk, host| {
        let draft = RequestDraft {
            account: account.clone(),
            amount: Some(cny(99_999)),
            ..desk.bench.draft(1, 1)
        };
        let key = TransactionRequest::new(draft.clone()).unwrap().key;
        assert!(matches!(
            desk.bench.decide(desk.now, host, draft, vec![]),
            Verdict::Answered(answered) if !answered.response.is_approval()
        ));
        key
    };
    let late = declined(&desk, HostOutcome::NotAsked);
    let second = desk.approve(1, 2, HostOutcome::NotAsked);
    let third = desk.approve(1, 3, HostOutcome::NotAsked);
    desk.open();
    // The later ones are told first: the second is answered, the third is on its way.
    let sent = desk.answer(&second, AdviceOutcome::Posted);
    assert_eq!((sent[0].key, desk.forwarder.backlog()), (third, 1));
    declined(&desk, HostOutcome::Unknown);
    for _ in 0..2 {
        desk.forwarder.nudge(desk.now, AccountRef::from_bytes([1; 16]));
        assert!(desk.turn().is_empty());
        assert_eq!(desk.forwarder.backlog(), 2);
    }
    let sent = desk.answer(&third, AdviceOutcome::Posted);
    assert_eq!((sent[0].posting, sent[0].original), (Posting::Reversal, Some(late)));
    // It is answered; a page of before shows it still, and is no news.
    let fourth = desk.approve(1, 4, HostOutcome::NotAsked);
    let Some(Effect::Read { ticket, want }) = desk.forwarder.poll_effect() else { panic!() };
    let rows = desk.bench.store.read(&want).ok();
    desk.answer(&sent[0].key, AdviceOutcome::Posted);
    desk.forwarder.handle(desk.now, Input::Rows { ticket, rows }).unwrap();
    let sent = desk.turn();
    assert_eq!(sent.iter().map(|one| one.key).collect::<Vec<_>>(), [fourth]);
    desk.answer(&fourth, AdviceOutcome::Posted);
    desk.pass(1);
    assert!(desk.forwarder.is_drained());
    assert_eq!(desk.entry(1, late).state, EntryState::Posted);
}

#[test]
fn sd02_many_that_wait_are_taken_up_piece_by_piece() {
    let mut desk = Desk::new(|config| {
        (config.entries_max, config.page_rows) = (1_000, 100);
        (config.window_first, config.window_max) = (64, 64);
    });
    // Twelve times as many as it may hold. Nobody pointed at them: it starts over them.
    let entries = 12_000_u64;
    let journal = desk.bench.stand_in.clone();
    let first = desk.approve(1, 1, HostOutcome::NotAsked);
    let EntryRef { role, .. } =
        EntryRef { account: AccountRef::from_bytes([1; 16]), role: Role::Request, request: first };
    let template = desk.entry(1, first);
    let state = AccountState { seq: 10, undelivered: 10, ..AccountState::default() };
    for number in 0..entries / 10 {
        let mut token = [7; 16];
        token[2..10].copy_from_slice(&number.to_be_bytes());
        let account = AccountRef::from_bytes(token);
        desk.bench.put(journal.account_key(&account), state.encode().unwrap());
        for seq in 1..=10 {
            let mut entry = template.clone();
            let draft = RequestDraft {
                account: Some(AccountInfo { token: account, ..Desk::account(1) }),
                ..desk.bench.draft(10_000 + number * 10 + seq, 100)
            };
            entry.request = TransactionRequest::new(draft).unwrap();
            entry.seq = seq;
            let mut row = Vec::new();
            entry.encode(&mut row).unwrap();
            let request = entry.request.key;
            let [open, _] = journal.entry_keys(&EntryRef { account, role, request });
            desk.bench.put(open, row);
        }
    }
    desk.scanned = 0;
    let mut sent = desk.open();
    let (mut delivered, mut most) = (0, 0);
    while let Some(advice) = sent.pop() {
        most = most.max(desk.forwarder.backlog());
        delivered += 1;
        sent.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    assert_eq!(delivered, entries + 1);
    assert!(desk.forwarder.is_drained());
    assert!(most <= 1_010, "{most} in memory");
    // A page is read when there is room for it: hardly a row is read twice.
    let read = u64::try_from(desk.scanned).unwrap();
    assert!(read <= entries + entries / 4, "{read} rows read");
}

#[test]
fn sd02_a_journal_of_version_1_is_refused() {
    let mut desk = Desk::new(|_| {});
    let key = desk.approve(1, 1, HostOutcome::NotAsked);
    let account = AccountRef::from_bytes([1; 16]);
    let entry = EntryRef { account, role: Role::Request, request: key };
    // As version 1 laid it out: table 4, no place.
    let head = desk.bench.stand_in.journal();
    let institution = desk.bench.stand_in.config().institution;
    let old = port::Key::new(port::CrateTag::STANDIN, institution.tenant(), 4);
    assert_eq!(head.as_bytes().len(), old.as_bytes().len());
    let old = old.raw(&entry.to_bytes()).unwrap();
    let mut row = Vec::new();
    desk.entry(1, key).encode(&mut row).unwrap();
    desk.bench.put(old.clone(), row);
    let mut sent = desk.open();
    while let Some(advice) = sent.pop() {
        sent.extend(desk.answer(&advice.key, AdviceOutcome::Posted));
    }
    desk.pass(60_000);
    let refused = desk.told.iter().filter(|one| matches!(one, ForwarderEvent::Damaged { .. }));
    assert!(refused.count() >= 1, "{:?}", desk.told);
    assert_eq!(desk.told.last(), Some(&ForwarderEvent::Damaged { row: old }));
    assert!(!desk.forwarder.is_drained());
    // Accounts of such a store are not decided over: nobody would see what they owe.
    let key = desk.bench.stand_in.account_key(&desk.bench.account.token);
    let mut state = AccountState::default().encode().unwrap();
    state[0] = 1;
    desk.bench.put(key, state);
    let request = TransactionRequest::new(desk.bench.draft(7, 100)).unwrap();
    let mut authorize = desk.bench.stand_in.authorize(NOW, 1, HostOutcome::NotAsked, request);
    let refused = decide(&desk.bench.store, &crate::setting::Says(vec![]), &mut authorize);
    assert!(matches!(refused, Err(port::DecideError::Decision(Error::Corrupt(_)))), "{refused:?}");
}
