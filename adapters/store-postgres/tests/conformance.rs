//! The script that every store has to pass, on a real server, through both faces.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::future::join_all;
use interbank_store_postgres::{Options, PostgresStore, blocking};
use port::conformance::{Answer, Ask, Script};
use port::{Batch, Store, StoreError};
use std::sync::Barrier;
use std::thread;
use testbed::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_asynchronous_face_passes_the_conformance_script() {
    let server = Postgres::start().unwrap();
    let options = || Options::from_url(&server.url()).unwrap().create(true);
    let mut store = PostgresStore::open(options()).await.unwrap();
    let mut crashes = 0;
    let mut script = Script::new(5, 300);
    while let Some(ask) = script.next_ask() {
        let answer = match ask {
            Ask::Commit(batch) => {
                Answer::Commit(store.commit(&batch).await.map_err(|why| why.fault()))
            }
            Ask::Read(want) => Answer::Read(store.read(&want).await.map_err(|why| why.fault())),
            Ask::Race(batches) => {
                let answers = join_all(batches.iter().map(|batch| store.commit(batch))).await;
                let fault = |answer: Result<_, interbank_store_postgres::Error>| {
                    answer.map_err(|why| why.fault())
                };
                Answer::Race(answers.into_iter().map(fault).collect())
            }
            Ask::Reopen => {
                store.close().await;
                // As after a crash, but not every time: it takes half a second
                crashes += 1;
                if crashes <= 4 {
                    server.kill();
                    server.restart().unwrap();
                }
                store = PostgresStore::open(options()).await.unwrap();
                Answer::Reopened
            }
        };
        script.answer(answer);
    }
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn the_blocking_face_passes_the_conformance_script() {
    use port::blocking::Store;
    let server = Postgres::options().fast().start().unwrap();
    let open =
        || blocking::PostgresStore::open(Options::from_url(&server.url()).unwrap().create(true));
    let mut store = open().unwrap();
    let mut script = Script::new(6, 300);
    while let Some(ask) = script.next_ask() {
        let commit = |batch: &Batch| store.commit(batch).map_err(|why| why.fault());
        let answer = match ask {
            Ask::Commit(batch) => Answer::Commit(commit(&batch)),
            Ask::Read(want) => Answer::Read(store.read(&want).map_err(|why| why.fault())),
            Ask::Race(batches) => {
                let start = Barrier::new(batches.len());
                Answer::Race(thread::scope(|scope| {
                    let racers: Vec<_> = batches
                        .iter()
                        .map(|batch| {
                            scope.spawn(|| {
                                start.wait();
                                commit(batch)
                            })
                        })
                        .collect();
                    racers.into_iter().map(|racer| racer.join().unwrap()).collect()
                }))
            }
            Ask::Reopen => {
                drop(store);
                store = open().unwrap();
                Answer::Reopened
            }
        };
        script.answer(answer);
    }
    assert_eq!(script.finish(), Ok(()));
}
