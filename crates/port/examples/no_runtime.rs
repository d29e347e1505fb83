//! Blocking and without any runtime: a decision that owes a notice, and the outbox that delivers it.
//!
//! `cargo run -p interbank-port --example no_runtime`

use interbank_port::blocking::{self, Keys, Link};
use interbank_port::outbox::{Answer, Config, Entry, Event, Outbox};
use interbank_port::{
    Answers, Ask, Batch, Bytes, Conclusion, CrateTag, Decision, Expect, Input, Key, KeyAnswer,
    KeyQuestion, Machine, MemoryStore, Peer, ReadSet, Step, Tenant, Time, WireError,
};
use std::{convert::Infallible, error::Error, sync::Mutex};

/// Reserves the only seat, and owes the usher a notice if it does.
struct Reserve {
    holder: &'static str,
    notice: Entry,
}

impl Decision for Reserve {
    type Verdict = bool;
    type Error = WireError;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([seat()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<bool>, WireError> {
        let free = matches!(answers.rows.points[..], [None]);
        let mut batch = Batch::new();
        if free {
            let mut stored = Vec::new();
            self.notice.encode(&mut stored)?;
            let key = self.notice.key(notices()).map_err(|_| WireError::TooLong)?;
            batch.put(seat(), Expect::Absent, self.holder.as_bytes());
            batch.put(key, Expect::Absent, stored);
        }
        Ok(Step::Done(Conclusion { verdict: free, batch }))
    }
}

fn seat() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

fn notices() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 2)
}

struct NoKeys;

impl Keys for NoKeys {
    type Error = Infallible;

    fn answer(&self, _: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        Ok(Vec::new())
    }
}

/// A socket in real life; here a list of what was sent.
#[derive(Default)]
struct Wire(Mutex<Vec<(Peer, Bytes)>>);

impl Link for Wire {
    type Error = Infallible;

    fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Infallible> {
        self.0.lock().unwrap_or_else(|held| held.into_inner()).push((to.clone(), frame.clone()));
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (store, wire, now) = (MemoryStore::new(), Wire::default(), Time::from_s(1_700_000_000));
    let to = Peer::new("usher").ok_or("a name")?;
    let notice = Entry { idempotency: [7; 32], to, created: now, content: "seat 1".into() };
    let mut ann = Reserve { holder: "ann", notice: notice.clone() };
    let mut bob = Reserve { holder: "bob", notice };
    assert!(blocking::decide(&store, &NoKeys, &mut ann)?);
    assert!(!blocking::decide(&store, &NoKeys, &mut bob)?);
    assert_eq!(store.len(), 2, "the seat, and the notice that is owed");

    let mut outbox = Outbox::new(notices(), Config::default());
    outbox.nudge(now);
    let drained = blocking::drain(&mut outbox, now, &store, &wire, &NoKeys)?;
    assert_eq!((drained.events, drained.store_failure), (vec![], None));
    let sent = wire.0.into_inner()?;
    let [(usher, frame)] = &sent[..] else { return Err("one frame".into()) };

    let mut reply = Vec::new();
    let idempotency = Entry::parse(frame)?.idempotency;
    Answer { idempotency, content: Bytes::new() }.encode(&mut reply)?;
    outbox.handle(now, Input::Frame { from: usher, bytes: &reply })?;
    let drained = blocking::drain(&mut outbox, now, &store, &Wire::default(), &NoKeys)?;
    assert_eq!(drained.events, [Event::Delivered { idempotency }]);
    assert_eq!(store.len(), 1, "only the seat is left");
    Ok(())
}
