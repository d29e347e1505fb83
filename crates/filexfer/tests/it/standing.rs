//! A forwarding server compares a request's signature once, and never not at all.

use crate::asking::{NOW, party, request};
use crate::place::{metadata, registry};
use interbank_filexfer::*;
use port::{
    Committed, Effect, Input, KeyAnswer, KeyId, Machine as _, Peer, Rows, Tenant, Ticket, Time,
    Version,
};
use std::sync::Arc;

/// A forwarding server that has got a request, and asks its store whether it knows it.
fn asked(request: &Request) -> (Forwarder, Ticket) {
    let config = ForwarderConfig::new(Tenant::new(1), party("r1"), (KeyId(1), 1));
    let mut forwarder = Forwarder::open(config, Arc::new(registry()), [1; 32]).unwrap();
    let ticket = read_ticket(&mut forwarder);
    let rows = Some(Rows { points: vec![None], scans: vec![Vec::new()] });
    forwarder.handle(NOW, Input::Rows { ticket, rows }).unwrap();
    // What waits to be told: nothing.
    while let Some(effect) = forwarder.poll_effect() {
        let Effect::Read { ticket, want } = effect else { panic!("{effect:?} is no read") };
        let rows = Some(Rows {
            points: vec![None; want.points.len()],
            scans: vec![Vec::new(); want.scans.len()],
        });
        forwarder.handle(NOW, Input::Rows { ticket, rows }).unwrap();
    }
    let submit = Message::Submit { request: request.clone(), hops: HopList::new(), file: None };
    let (from, frame) = (Peer::new("b1").unwrap(), submit.to_frame().unwrap());
    forwarder.handle(NOW, Input::Frame { from: &from, bytes: &frame }).unwrap();
    let ticket = read_ticket(&mut forwarder);
    (forwarder, ticket)
}

fn read_ticket(forwarder: &mut Forwarder) -> Ticket {
    match forwarder.poll_effect() {
        Some(Effect::Read { ticket, .. }) => ticket,
        other => panic!("{other:?} is no read"),
    }
}

/// Nothing is known of it.
fn is_new(forwarder: &mut Forwarder, ticket: Ticket) {
    let rows = Some(Rows { points: vec![None], scans: Vec::new() });
    forwarder.handle(NOW, Input::Rows { ticket, rows }).unwrap();
}

/// What it says, after signing and storing.
fn outcome(forwarder: &mut Forwarder, now: Time) -> Result<(), Reason> {
    while let Some(effect) = forwarder.poll_effect() {
        let input = match effect {
            Effect::Ask { ticket, .. } => {
                Input::Keys { ticket, answers: Some(vec![KeyAnswer::Signature([0; 64])]) }
            }
            Effect::Commit { ticket, .. } => {
                Input::Committed { ticket, fate: Committed::Applied(Version::new(1)) }
            }
            Effect::Send { .. } => continue,
            Effect::Read { .. } => panic!("nothing more has to be known"),
        };
        forwarder.handle(now, input).unwrap();
        if let Some(ForwarderEvent::Judged(signed)) = forwarder.poll_event() {
            return signed.verdict.outcome;
        }
    }
    panic!("it was not judged");
}

fn ask() -> Request {
    request("b1", "b1", "b2", "out/day.csv")
}

#[test]
fn f06_a_request_that_stands_is_accepted_when_its_file_was_looked_at() {
    let request = ask();
    let (mut forwarder, ticket) = asked(&request);
    is_new(&mut forwarder, ticket);
    forwarder.looked(NOW, &request.transfer().unwrap(), Some(&metadata())).unwrap();
    assert_eq!(outcome(&mut forwarder, NOW), Ok(()));
}

#[test]
fn f06_what_time_has_changed_since_it_stood_counts() {
    let request = ask();
    let (mut forwarder, ticket) = asked(&request);
    is_new(&mut forwarder, ticket);
    let late = NOW.plus_ms(Limits::default().freshness_ms + 1);
    forwarder.looked(late, &request.transfer().unwrap(), Some(&metadata())).unwrap();
    assert_eq!(outcome(&mut forwarder, late), Err(Reason::BadAuth));
}

#[test]
fn f06_who_looks_before_it_was_asked_to_gets_no_forged_request_through() {
    let mut forged = ask();
    forged.signature[3] ^= 1;
    let (mut forwarder, _) = asked(&forged);
    forwarder.looked(NOW, &forged.transfer().unwrap(), Some(&metadata())).unwrap();
    assert_eq!(outcome(&mut forwarder, NOW), Err(Reason::BadAuth));
}
