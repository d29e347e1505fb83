//! The server is killed in the middle of commits and started again, ten times.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod load;

use load::Load;
use std::time::{Duration, Instant};
use testbed::Postgres;

const KILLS: u64 = 10;
const WRITERS: u64 = 12;

#[test]
fn ten_kills_of_the_server_lose_nothing_and_double_nothing() {
    let server = Postgres::start().unwrap();
    assert_eq!(server.sql("SHOW fsync").unwrap(), "on");
    let runtime = bed::runtime();
    let load = Load::new(runtime.block_on(bed::open(&server.url())));
    let writers = runtime.block_on(async { load.start(WRITERS) });
    let (mut amid, mut caught) = (0, 0);
    for round in 0..KILLS {
        await_progress(&load, 100);
        std::thread::sleep(Duration::from_micros((round * 7_919) % 20_000));
        let in_flight = load.in_flight();
        server.kill();
        amid += u64::from(in_flight > 0);
        caught += in_flight;
        // for some time there is nobody to ask
        std::thread::sleep(Duration::from_millis(20 * (round % 4)));
        server.restart().unwrap();
    }
    await_progress(&load, 100);
    load.stop();
    runtime.block_on(writers.join_all());
    let figures = runtime.block_on(load.audit());
    println!("{KILLS} kills, {amid} amid {caught} commits: {figures:?}");
    figures.assert_sound();
    assert!(amid >= KILLS / 2, "{amid} kills met a commit");
    assert!(figures.unknown > 0, "{figures:?}");
    assert!(figures.acknowledged >= 100 * KILLS, "{figures:?}");
    assert_eq!(server.log().matches("was not properly shut down").count() as u64, KILLS);
}

/// Waits until so many more transfers were acknowledged.
fn await_progress<S: port::Store + Send + 'static>(load: &Load<S>, more: u64) {
    let (begun, known) = (Instant::now(), load.acknowledged());
    while load.acknowledged() < known + more {
        assert!(begun.elapsed() < Duration::from_secs(60), "the writers do not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
}
