//! The script that every store has to pass, on the real file, through both faces.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_redb::{Options, RedbStore};
use port::conformance::{Answer, Ask, Script};
use port::{Batch, Commit, Fault, Store, StoreError, blocking};
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

type Answers = Vec<Result<Commit, Fault>>;

#[test]
fn the_blocking_face_passes_the_conformance_script() {
    run(
        |store, want| blocking::Store::read(store, want).map_err(|why| why.fault()),
        |store, batch| blocking::Store::commit(store, batch).map_err(|why| why.fault()),
        |store, batches| {
            let start = Barrier::new(batches.len());
            thread::scope(|scope| {
                let racers: Vec<_> = batches
                    .iter()
                    .map(|batch| {
                        scope.spawn(|| {
                            start.wait();
                            blocking::Store::commit(store, batch).map_err(|why| why.fault())
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            })
        },
    );
}

#[test]
fn the_asynchronous_face_passes_the_conformance_script() {
    run(
        |store, want| block_on(Store::read(store, want)).map_err(|why| why.fault()),
        |store, batch| block_on(Store::commit(store, batch)).map_err(|why| why.fault()),
        |store, batches| {
            // All futures on one thread, polled in turn: they share the line and the writer thread
            let mut racers: Vec<_> =
                batches.iter().map(|batch| Box::pin(Store::commit(store, batch))).collect();
            let mut answers: Vec<Option<Result<Commit, Fault>>> = vec![None; batches.len()];
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            let mut context = Context::from_waker(&waker);
            while answers.iter().any(Option::is_none) {
                for (racer, answer) in racers.iter_mut().zip(&mut answers) {
                    if answer.is_none()
                        && let Poll::Ready(ready) = racer.as_mut().poll(&mut context)
                    {
                        *answer = Some(ready.map_err(|why| why.fault()));
                    }
                }
                if answers.iter().any(Option::is_none) {
                    thread::park();
                }
            }
            answers.into_iter().flatten().collect()
        },
    );
}

fn run(
    read: impl Fn(&RedbStore, &port::ReadSet) -> Result<port::Rows, Fault>,
    commit: impl Fn(&RedbStore, &Batch) -> Result<Commit, Fault>,
    race: impl Fn(&RedbStore, &[Batch]) -> Answers,
) {
    // Rows stay in the journal, or move into the tree after every group
    for options in [Options::new(), Options::new().journal_bytes(1)] {
        run_with(options.create(true), &read, &commit, &race);
    }
}

fn run_with(
    options: Options,
    read: impl Fn(&RedbStore, &port::ReadSet) -> Result<port::Rows, Fault>,
    commit: impl Fn(&RedbStore, &Batch) -> Result<Commit, Fault>,
    race: impl Fn(&RedbStore, &[Batch]) -> Answers,
) {
    let dir = tempfile::tempdir().unwrap();
    let open = || RedbStore::open(dir.path(), options).unwrap();
    let mut store = Some(open());
    let mut script = Script::new(5, 300);
    while let Some(ask) = script.next_ask() {
        let open_store = store.as_ref().unwrap();
        let answer = match ask {
            Ask::Commit(batch) => Answer::Commit(commit(open_store, &batch)),
            Ask::Read(want) => Answer::Read(read(open_store, &want)),
            Ask::Race(batches) => Answer::Race(race(open_store, &batches)),
            Ask::Reopen => {
                store.take().unwrap().close().unwrap();
                store = Some(open());
                Answer::Reopened
            }
        };
        script.answer(answer);
    }
    assert_eq!(script.finish(), Ok(()));
    store.unwrap().check().unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(ready) => return ready,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
