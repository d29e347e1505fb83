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
