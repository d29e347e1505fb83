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

/// A client that takes an offer, and has begun with its file.
fn taking() -> ClientServer {
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
    let offer = Offer {
        transfer: TRANSFER,
        request: [1; 32],
        verdict: [2; 32],
        id: JobId([3; 16]),
        name: FileName::new("a").unwrap(),
        on_conflict: OnConflict::Fail,
        size: 100_000,
        root: [5; 32],
        deadline: None,
    };
    let frame = Message::Offer(offer).to_frame().unwrap();
    let from = Peer::new("a1").unwrap();
    client.handle(NOW, Input::Frame { from: &from, bytes: &frame }).unwrap();
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
