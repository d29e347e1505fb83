//! What must be usable from many threads, is: this file only has to compile, and to run once under a real executor.

use crate::ledger::{Add, ScriptedKeys};
use interbank_port::{MemoryStore, Peer, Time, blocking, decide, drain, outbox};
use simkit::{Faults, FaultyStore, LossyLink, Rng, Weather};
use std::sync::Arc;

fn is_send<T: Send>(value: T) -> T {
    value
}

fn is_send_and_sync<T: Send + Sync>(value: T) -> T {
    value
}

#[test]
fn futures_of_both_loops_are_send() {
    let store = is_send_and_sync(FaultyStore::new(Faults::None));
    let keys = is_send_and_sync(blocking::Immediate(ScriptedKeys::default()));
    let me = Peer::new("me").unwrap();
    let link = is_send_and_sync(LossyLink::new(me, Rng::new(1), Weather::FAIR));
    let mut add = Add::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let verdict = runtime.block_on(is_send(decide(&store, &keys, &mut add)));
    assert_eq!(verdict, Ok(1));

    let prefix = crate::ledger::account();
    let mut machine = outbox::Outbox::new(prefix, outbox::Config::default());
    machine.nudge(Time::from_ms(1));
    let drained = is_send(drain(&mut machine, Time::from_ms(1), &store, &link, &keys));
    let drained = runtime.block_on(drained).unwrap();
    // The account is no entry: it was read, and told.
    assert_eq!(drained.events.len(), 1);
}

#[test]
fn racing_decisions_on_threads_lose_no_update() {
    let store = Arc::new(MemoryStore::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let told: Vec<u64> = runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|request| {
                let store = store.clone();
                tokio::spawn(async move {
                    let keys = blocking::Immediate(ScriptedKeys::default());
                    decide(&*store, &keys, &mut Add::new(request)).await
                })
            })
            .collect();
        let mut told = Vec::new();
        for task in tasks {
            told.push(task.await.unwrap().unwrap());
        }
        told
    });
    let mut sorted = told;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=64).collect::<Vec<u64>>());
}
