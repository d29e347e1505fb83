use crate::asking::{NOW, request};
use crate::place::{metadata, registry, site};
use interbank_filexfer::*;
use port::{Tenant, Time};
use proptest::prelude::*;
use std::sync::Arc;

fn verdict(outcome: Result<(), Reason>) -> Box<SignedVerdict> {
    let rules = registry().rules();
    let request = [4; 32];
    let verdict =
        Verdict { request, id: JobId([1; 16]), site: site("s1"), outcome, rules, at: NOW };
    Box::new(SignedVerdict { verdict, signature: [6; 64] })
}

fn permit() -> Box<Permit> {
    let registry = registry();
    let request = request("b1", "b1", "b2", "a");
    let legitimacy = Legitimacy::new(&registry, Limits::default());
    let known = Known::default();
    Box::new(legitimacy.judge(&request, &HopList::new(), NOW, Some(&metadata()), &known).unwrap())
}

fn job() -> Job {
    Job::new(NOW, request("b1", "b1", "b2", "a"), HopList::new())
}

fn name() -> FileName {
    FileName::new("a").unwrap()
}

fn known() -> JobEvent {
    JobEvent::Known { size: 1_000, root: [9; 32] }
}

fn accepted() -> JobEvent {
    JobEvent::Judged(verdict(Ok(())), Some(permit()))
}

fn events() -> Vec<JobEvent> {
    vec![
        accepted(),
        JobEvent::Judged(verdict(Err(Reason::TooLarge)), None),
        JobEvent::Schedule,
        JobEvent::PartyAbsent,
        JobEvent::PartyPresent,
        JobEvent::Start,
        known(),
        JobEvent::AllMoved,
        JobEvent::Interrupted { entropy: 7 },
        JobEvent::Published { name: name() },
        JobEvent::Acknowledged,
        JobEvent::Failed(Failure::StoreFailed),
        JobEvent::Cancel,
        JobEvent::Tick,
        JobEvent::Spooled,
        JobEvent::NameTaken,
    ]
}

fn after(events: &[JobEvent]) -> Job {
    events.iter().fold(job(), |job, event| job.on(NOW, event, &Retry::default()).unwrap())
}

fn in_each_state() -> Vec<Job> {
    let way = [
        accepted(),
        JobEvent::Schedule,
        JobEvent::Start,
        known(),
        JobEvent::AllMoved,
        JobEvent::Published { name: name() },
        JobEvent::Acknowledged,
    ];
    let mut jobs: Vec<Job> = (0..=way.len()).map(|n| after(&way[..n])).collect();
    jobs.push(after(&[JobEvent::Judged(verdict(Err(Reason::TooLarge)), None)]));
    jobs.push(after(&[accepted(), JobEvent::Schedule, JobEvent::PartyAbsent]));
    jobs.push(after(&[accepted(), JobEvent::Failed(Failure::NameTaken)]));
    jobs.push(after(&[JobEvent::Cancel]));
    let mut late = job();
    Arc::make_mut(&mut late.request).deadline = Some(NOW);
    jobs.push(late.on(NOW, &JobEvent::Tick, &Retry::default()).unwrap());
    jobs
}

/// Every state against every event: which are taken, and where they lead.
#[test]
fn fd01_transition_table() {
    let number = |state: State| match state {
        State::Received => 'r',
        State::Refused(_) => 'x',
        State::Accepted => 'a',
        State::Scheduled => 's',
        State::Waiting => 'w',
        State::Transferring => 't',
        State::Verifying => 'v',
        State::Delivered => 'd',
        State::Acknowledged => 'k',
        State::Failed(_) => 'f',
        State::Cancelled => 'c',
        State::Expired => 'e',
    };
    let mut table = Vec::new();
    for job in in_each_state() {
        let line: String = events()
            .iter()
            .map(|event| {
                job.on(NOW, event, &Retry::default()).map_or('.', |next| number(next.state))
            })
            .collect();
        table.push(format!("{} {line}", number(job.state)));
    }
    // in order: accepted, refused, schedule, absent, present, start, known, moved, interrupted, published,
    // acknowledged, failed, cancel, tick (no deadline), spooled, name taken
    assert_eq!(
        table,
        [
            "r ax..........c...",
            "a ..s........fc...",
            "s ...w.t.....fc...",
            "t ...w..t.s..fc...",
            "t ...w..tvs..fc.s.",
            "v ........sd.f...f",
            "d ..........k.....",
            "k ................",
            "x ................",
            "w ....s......fc...",
            "f ................",
            "c ................",
            "e ................",
        ]
    );
}

#[test]
fn fd06_not_before_and_deadline_are_kept() {
    let mut job = after(&[accepted()]);
    Arc::make_mut(&mut job.request).not_before = Some(NOW.plus_ms(5_000));
    Arc::make_mut(&mut job.request).deadline = Some(NOW.plus_ms(9_000));
    let retry = Retry::default();
    let job = job.on(NOW, &JobEvent::Schedule, &retry).unwrap();
    assert_eq!(job.next_deadline(), Some(NOW.plus_ms(5_000)));
    assert_eq!(job.on(NOW.plus_ms(4_999), &JobEvent::Start, &retry), Err(NotNow));
    let started = job.on(NOW.plus_ms(5_000), &JobEvent::Start, &retry).unwrap();
    assert_eq!(started.next_deadline(), Some(NOW.plus_ms(9_000)));
    assert_eq!(started.on(NOW.plus_ms(8_999), &JobEvent::Tick, &retry), Err(NotNow));
    for job in [job, started.clone()] {
        let late = job.on(NOW.plus_ms(9_000), &JobEvent::Tick, &retry).unwrap();
        assert_eq!(late.state, State::Expired);
    }
    // What is being published is not called off: nobody could say whether it was.
    let published = started.on(NOW, &known(), &retry).unwrap();
    let published = published.on(NOW, &JobEvent::AllMoved, &retry).unwrap();
    assert_eq!(published.on(NOW.plus_ms(9_000), &JobEvent::Tick, &retry), Err(NotNow));
    assert_eq!(published.on(NOW, &JobEvent::Cancel, &retry), Err(NotNow));
    assert_eq!(published.next_deadline(), None);
}

#[test]
fn fd07_waiting_for_a_party_uses_up_no_attempts() {
    let retry = Retry::new(1_000, 60_000, 3).unwrap();
    let mut job = after(&[accepted(), JobEvent::Schedule]);
    for hour in 0..100 {
        let now = NOW.plus_ms(hour * 3_600_000);
        job = job.on(now, &JobEvent::PartyAbsent, &retry).unwrap();
        job = job.on(now, &JobEvent::PartyPresent, &retry).unwrap();
    }
    assert_eq!((job.state, job.attempts), (State::Scheduled, 0));
    for n in 1..=3 {
        let at = job.try_at.max(NOW);
        job = job.on(at, &JobEvent::Start, &retry).unwrap();
        job = job.on(at, &JobEvent::Interrupted { entropy: n }, &retry).unwrap();
    }
    assert_eq!(job.state, State::Failed(Failure::GaveUp));
}

#[test]
fn fd09_a_file_that_turns_out_to_be_another_fails() {
    let retry = Retry::default();
    let job = after(&[accepted(), JobEvent::Schedule, JobEvent::Start, known()]);
    let other = JobEvent::Known { size: 1_000, root: [8; 32] };
    let failed = job.on(NOW, &other, &retry).unwrap();
    assert_eq!(failed.state, State::Failed(Failure::FileUnstable));
    let mut stream = after(&[accepted(), JobEvent::Schedule, JobEvent::Start]);
    stream.size_max = 999;
    assert_eq!(stream.on(NOW, &JobEvent::AllMoved, &retry), Err(NotNow));
    let grown = stream.on(NOW, &known(), &retry).unwrap();
    assert_eq!(grown.state, State::Failed(Failure::TooLarge));
}

#[test]
fn fd08_jobs_of_two_requesters_do_not_share_ids() {
    let tenant = Tenant::new(1);
    let [one, two] = ["b1", "b2"].map(|who| request(who, "b1", "b2", "a"));
    assert_eq!(one.id, two.id);
    assert_ne!(Job::key_of(tenant, &one), Job::key_of(tenant, &two));
}

#[test]
fn fd01_every_state_survives_its_row() {
    for mut job in in_each_state() {
        job.hops.visit(&site("s9")).unwrap();
        job.try_at = Time::from_ms(77);
        let mut bytes = Vec::new();
        job.encode(&mut bytes).unwrap();
        assert_eq!(Job::parse(&bytes), Ok(job));
        for cut in 0..bytes.len() {
            assert!(Job::parse(&bytes[..cut]).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn fd01_no_order_of_events_leaves_an_end(steps in prop::collection::vec((0..16_usize, 0..5_000_u64), 1..60)) {
        let retry = Retry::new(10, 1_000, 5).unwrap();
        let (mut job, mut now) = (job(), NOW);
        Arc::make_mut(&mut job.request).deadline = Some(NOW.plus_ms(60_000));
        let mut published = 0;
        let events = events();
        for (which, wait_ms) in steps {
            now = now.plus_ms(wait_ms);
            let Ok(next) = job.on(now, &events[which], &retry) else { continue };
            prop_assert!(!job.state.is_final());
            prop_assert!(!job.state.is_delivered() || next.state == State::Acknowledged);
            published += u32::from(next.state == State::Delivered);
            prop_assert_eq!(next.state.is_delivered(), published == 1);
            prop_assert_eq!(next.name.is_some(), next.state.is_delivered());
            job = next;
        }
    }

    #[test]
    fn foreign_jobs_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Job::parse(&bytes);
        let _ = Request::parse(&bytes);
        let _ = SignedVerdict::parse(&bytes);
    }
}
