use crate::asking::{NOW, party};
use interbank_filexfer::*;
use port::{Committed, Effect, Input, KeyId, Machine as _, Peer, Rows, Tenant, Ticket};

const TRANSFER: TransferId = TransferId([4; 16]);

fn read_ticket(client: &mut ClientServer) -> Ticket {
    match client.poll_effect() {
        Some(Effect::Read { ticket, .. }) => ticket,
        other => panic!("{other:?} is no read"),
    }
}

fn nothing(points: usize, scans: usize) -> Option<Rows> {
    Some(Rows { points: vec![None; points], scans: vec![Vec::new(); scans] })
}

/// A client that has read what is stored: nothing.
fn idle() -> ClientServer {
    let mut client = ClientServer::open(ClientConfig {
        tenant: Tenant::new(1),
        party: party("c1"),
        access: party("a1"),
        key: (KeyId(1), 1),
        paces: Paces::default(),
    })
    .unwrap();
    let ticket = read_ticket(&mut client);
    client.handle(NOW, Input::Rows { ticket, rows: nothing(1, 0) }).unwrap();
    // Hand-overs that were not told before a stop: none.
    let ticket = read_ticket(&mut client);
    client.handle(NOW, Input::Rows { ticket, rows: nothing(0, 1) }).unwrap();
    client
}

fn tell(client: &mut ClientServer, message: &Message) -> Result<(), Error> {
    let frame = message.to_frame().unwrap();
    client.handle(NOW, Input::Frame { from: &Peer::new("a1").unwrap(), bytes: &frame })
}

fn offer() -> Message {
    Message::Offer(Offer {
        transfer: TRANSFER,
        request: [1; 32],
        verdict: [2; 32],
        id: JobId([3; 16]),
        name: FileName::new("a").unwrap(),
        on_conflict: OnConflict::Fail,
        size: 100_000,
        root: [5; 32],
        deadline: None,
    })
}

/// A client that takes an offer, and has begun with its file.
fn taking() -> ClientServer {
    let mut client = idle();
    tell(&mut client, &offer()).unwrap();
    let ticket = read_ticket(&mut client);
    client.handle(NOW, Input::Rows { ticket, rows: nothing(1, 1) }).unwrap();
    assert!(matches!(client.poll_effect(), Some(Effect::Send { .. })), "it asks for groups");
    client
}

/// A disk that is full for a moment costs a range; one that stays full ends the job, and says so.
#[test]
fn what_cannot_be_written_for_long_ends_as_store_failed() {
    let mut client = taking();
    let patience = Paces::default().patience_ms;
    let full = |client: &mut ClientServer, after_ms| {
        client.store_failed(NOW.plus_ms(after_ms), &TRANSFER, StoreFault::Write).unwrap();
        std::iter::from_fn(|| client.poll_effect()).collect::<Vec<Effect>>()
    };
    assert!(full(&mut client, 0).is_empty());
    assert!(full(&mut client, 1).is_empty(), "several ranges at one time are one failure");
    // Something was written since: it begins anew.
    client.written(NOW.plus_ms(2), &TRANSFER, &(0..7)).unwrap();
    let _ = std::iter::from_fn(|| client.poll_effect()).count();
    assert!(full(&mut client, patience).is_empty());
    let effects = full(&mut client, 2 * patience);
    let [Effect::Commit { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let fate = Committed::Applied(port::Version::new(1));
    client.handle(NOW.plus_ms(2 * patience), Input::Committed { ticket: *ticket, fate }).unwrap();
    let Some(Effect::Send { frame, .. }) = client.poll_effect() else { panic!("nothing is told") };
    let Ok(Message::Taken { outcome, .. }) = Message::parse(&frame) else { panic!("{frame:?}") };
    assert_eq!(outcome, Err(Failure::StoreFailed));
}

/// A batch whose fate is unknown is lost to the trail: the next one must not follow on it.
#[test]
fn after_an_unknown_commit_nothing_more_is_written() {
    let mut client = taking();
    client.published(NOW, &TRANSFER, Err(Failure::FileUnstable)).unwrap();
    let Some(Effect::Commit { ticket, .. }) = client.poll_effect() else { panic!("no commit") };
    let fate = Committed::Unknown;
    assert_eq!(client.handle(NOW, Input::Committed { ticket, fate }), Err(Error::Fenced));
    assert_eq!(client.written(NOW, &TRANSFER, &(0..1)), Err(Error::Fenced));
    assert_eq!(client.synced(NOW, &TRANSFER), Err(Error::Fenced));
    assert_eq!(client.published(NOW, &TRANSFER, Ok(())), Err(Error::Fenced));
    assert_eq!(client.prepared(NOW, &TRANSFER, None), Err(Error::Fenced));
    assert_eq!(client.poll_effect(), None);
}

fn prepares(client: &mut ClientServer) -> usize {
    let is_prepare = |work: &Work| matches!(work, Work::Prepare { .. });
    std::iter::from_fn(|| client.poll_work()).filter(is_prepare).count()
}

/// Who asks waits a second for what may take an hour to read.
#[test]
fn a_file_that_is_being_read_is_not_read_again_because_it_is_asked_for_again() {
    let mut client = idle();
    let fetch = Message::Fetch { transfer: TRANSFER, name: FileName::new("a").unwrap() };
    for _ in 0..3 {
        tell(&mut client, &fetch).unwrap();
    }
    assert_eq!(prepares(&mut client), 1);
    tell(&mut client, &fetch).unwrap();
    assert_eq!(prepares(&mut client), 0, "it is still being read");
    client.prepared(NOW, &TRANSFER, Some((5, [6; 32]))).unwrap();
    // Who asks in another attempt did not hear the answer; the files know whether it still holds.
    tell(&mut client, &fetch).unwrap();
    assert_eq!(prepares(&mut client), 1);
    client.store_failed(NOW, &TRANSFER, StoreFault::Read).unwrap();
    tell(&mut client, &fetch).unwrap();
    assert_eq!(prepares(&mut client), 1, "what failed is tried again when it is asked for");
}

#[test]
fn what_is_being_read_keeps_its_place_among_what_is_asked_for() {
    let mut client = idle();
    let fetch = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Message::Fetch { transfer: TransferId(id), name: FileName::new("a").unwrap() }
    };
    for number in 0..ClientServer::PULLS_MAX {
        tell(&mut client, &fetch(number)).unwrap();
    }
    let more = fetch(ClientServer::PULLS_MAX);
    assert_eq!(tell(&mut client, &more), Err(Error::Busy));
    assert_eq!(prepares(&mut client), ClientServer::PULLS_MAX);
    let Message::Fetch { transfer, .. } = fetch(7) else { unreachable!() };
    client.prepared(NOW, &transfer, Some((5, [6; 32]))).unwrap();
    tell(&mut client, &more).unwrap();
    assert_eq!(prepares(&mut client), 1);
}

/// The forwarding server offers until it is answered: an offer may come in together with the news that all is done.
#[test]
fn an_offer_whose_end_is_not_recorded_yet_is_not_taken_again() {
    let mut client = taking();
    client.published(NOW, &TRANSFER, Err(Failure::NameTaken)).unwrap();
    tell(&mut client, &offer()).unwrap();
    let Some(Effect::Commit { ticket, .. }) = client.poll_effect() else { panic!("no commit") };
    tell(&mut client, &offer()).unwrap();
    assert_eq!(client.poll_effect(), None, "nothing is read before it is recorded");
    let fate = Committed::Applied(port::Version::new(1));
    client.handle(NOW, Input::Committed { ticket, fate }).unwrap();
    assert!(matches!(client.poll_effect(), Some(Effect::Send { .. })), "what became of it");
    // From now on the row answers.
    tell(&mut client, &offer()).unwrap();
    let _ = read_ticket(&mut client);
}
