//! The forwarding server's machine, one effect at a time: what it tells, and when.

use crate::asking::{NOW, key, party, request};
use crate::place::{metadata, registry};
use interbank_filexfer::*;
use port::{
    Bytes, Committed, Effect, Input, KeyAnswer, KeyId, KeyQuestion, Machine as _, Peer, ReadSet,
    Rows, Tenant, Ticket, Version,
};
use std::sync::Arc;

/// A machine whose store has nothing, and commits when the test says so.
struct Slowly {
    machine: Forwarder,
    commits: Vec<Ticket>,
    version: u64,
    /// Reads of rows, and frames that were sent.
    reads: usize,
    sent: Vec<(Peer, Bytes)>,
}

impl Slowly {
    fn new(registry: Registry) -> Self {
        let config = ForwarderConfig::new(Tenant::new(1), party("r1"), (KeyId(1), 1));
        let machine = Forwarder::open(config, Arc::new(registry), [5; 32]).unwrap();
        let mut slowly =
            Self { machine, commits: Vec::new(), version: 0, reads: 0, sent: Vec::new() };
        slowly.run();
        slowly
    }

    /// All but commits.
    fn run(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Read { ticket, want } => {
                    self.reads += 1;
                    let rows = Some(nothing(&want));
                    self.machine.handle(NOW, Input::Rows { ticket, rows }).unwrap();
                }
                Effect::Commit { ticket, .. } => self.commits.push(ticket),
                Effect::Send { to, frame } => self.sent.push((to, frame)),
                Effect::Ask { ticket, questions } => {
                    let [KeyQuestion::Sign { message, .. }] = &questions[..] else {
                        panic!("{questions:?}")
                    };
                    let answers = Some(vec![KeyAnswer::Signature(key("r1").sign(message))]);
                    self.machine.handle(NOW, Input::Keys { ticket, answers }).unwrap();
                }
            }
        }
    }

    fn commit(&mut self) {
        for ticket in std::mem::take(&mut self.commits) {
            self.version += 1;
            let fate = Committed::Applied(Version::new(self.version));
            self.machine.handle(NOW, Input::Committed { ticket, fate }).unwrap();
        }
        self.run();
    }

    fn frame(&mut self, from: &str, message: &Message) {
        let (from, bytes) = (Peer::new(from).unwrap(), message.to_frame().unwrap());
        self.machine.handle(NOW, Input::Frame { from: &from, bytes: &bytes }).unwrap();
        self.run();
    }

    /// Answers every look.
    fn look(&mut self, file: Option<&FileMetadata>) -> usize {
        let mut looks = 0;
        while let Some(work) = self.machine.poll_work() {
            if let Work::Look { transfer, .. } = work {
                self.machine.looked(NOW, &transfer, file).unwrap();
                looks += 1;
            }
            self.run();
        }
        looks
    }

    fn answers(&mut self) -> Vec<SignedVerdict> {
        let parse = |(_, frame): (Peer, Bytes)| match Message::parse(&frame) {
            Ok(Message::Answer(verdict)) => Some(verdict),
            _ => None,
        };
        std::mem::take(&mut self.sent).into_iter().filter_map(parse).collect()
    }
}

fn nothing(want: &ReadSet) -> Rows {
    Rows { points: vec![None; want.points.len()], scans: vec![Vec::new(); want.scans.len()] }
}

#[test]
fn a_verdict_is_told_again_only_once_it_is_durable() {
    for file in [Some(metadata()), None] {
        let mut slowly = Slowly::new(registry());
        let request = request("b1", "b1", "b2", "a");
        let submit = Message::Submit { request, hops: HopList::new(), file: None };
        slowly.frame("b1", &submit);
        assert_eq!(slowly.look(file.as_ref()), 1);
        let (reads, commits) = (slowly.reads, slowly.commits.len());
        assert_eq!((slowly.answers().len(), commits), (0, 1));
        // The requester asks again before the verdict is stored: it is neither told nor judged anew.
        slowly.frame("b1", &submit);
        assert_eq!(
            (slowly.answers().len(), slowly.reads, slowly.look(file.as_ref())),
            (0, reads, 0)
        );
        slowly.commit();
        let told = slowly.answers();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].verdict.outcome.is_ok(), file.is_some());
        if file.is_some() {
            slowly.frame("b1", &submit);
            assert_eq!(slowly.answers(), told);
        }
    }
}

#[test]
fn fd08_of_two_requests_under_one_id_the_second_waits_until_the_first_is_known() {
    let mut slowly = Slowly::new(registry());
    let first = request("b1", "b1", "b2", "a");
    let mut second = request("b1", "b1", "b2", "b");
    second.id = first.id;
    let signature = key("b1").sign(&second.to_sign().unwrap());
    let second = second.signed(signature);
    let submit = |request: &Request| {
        let request = request.clone();
        Message::Submit { request, hops: HopList::new(), file: None }
    };
    slowly.frame("b1", &submit(&first));
    assert_eq!(slowly.look(Some(&metadata())), 1);
    slowly.frame("b1", &submit(&second));
    assert_eq!(slowly.look(Some(&metadata())), 0, "neither judged");
    slowly.commit();
    let told = slowly.answers();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].verdict.request, first.digest().unwrap());
    // From now on the store knows that the id is taken, which this one does not play: it asks.
    let reads = slowly.reads;
    slowly.frame("b1", &submit(&second));
    assert_eq!(slowly.reads, reads + 1);
}
