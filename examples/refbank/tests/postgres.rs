//! Two processes of the bank on one PostgreSQL database: one bank.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use running::{Bank, Visitor, command, read_log};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use testbed::Postgres;

/// Ava's PIN, as the pages tell it.
const PIN: &str = "258036";

struct Place {
    server: Postgres,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let server = Postgres::start().expect("a server");
        Self { server, folder: tempfile::tempdir().expect("a folder") }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn store(&self) -> String {
        format!("postgres:{}", self.server.url())
    }

    fn bank(&self) -> Bank {
        Bank::start_with(&self.data(), &["--store", &self.store()])
    }
}

/// Runs the program until it refuses.
fn refused(data: &Path, store: &str) -> Output {
    let mut bank = command();
    bank.args(["--listen", "127.0.0.1:0", "--log", "off", "--store", store, "--data"]).arg(data);
    bank.output().expect("the program runs")
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Follows an order's page, and says when it turned to paid.
fn follow(visitor: &Visitor, order: &str) -> std::thread::JoinHandle<Instant> {
    let mut stream = TcpStream::connect(&visitor.address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit can be set");
    let head = format!(
        "GET {order}/events HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        visitor.address, visitor.cookie
    );
    stream.write_all(head.as_bytes()).expect("the request is taken");
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line.contains("data-standing=\"Paid\"")), "it turns to paid");
        Instant::now()
    })
}

#[test]
fn two_processes_on_one_database_are_one_bank() {
    let place = Place::new();
    let (first, second) = (place.bank(), place.bank());
    let (shop, payer) = (Visitor::new(&first), Visitor::new(&second));
    let order = shop.order("till-1", "12.50");
    let paid_at = follow(&shop, &order);
    // The wallet of the second process sees the screen of the first one's shop.
    let code = payer.scan("ava", &order);
    assert_eq!(payer.confirm("ava", &code, PIN).status, 303);
    let answered = Instant::now();
    let shown = paid_at.join().expect("the page is followed").saturating_duration_since(answered);
    assert!(shown < Duration::from_secs(1), "shown after {shown:?}");
    assert_eq!((shop.standing(&order), payer.standing(&order)), ("Paid".into(), "Paid".into()));

    // One of them dies; the other goes on, and a new one knows everything.
    first.kill();
    let next = payer.order("till-2", "3.00");
    let code = payer.scan("ava", &next);
    assert_eq!(payer.confirm("ava", &code, PIN).status, 303);
    payer.until(&next, "Paid");
    let late = place.bank();
    let late = Visitor::new(&late);
    assert_eq!(late.standing(&order), "Paid");
    assert_eq!(late.standing(&next), "Paid");
}

#[test]
fn payers_who_race_at_two_processes_pay_once() {
    let place = Place::new();
    let banks = [place.bank(), place.bank()];
    let visitors = banks.each_ref().map(Visitor::new);
    for round in 0..6 {
        let order = visitors[0].order(&format!("race-{round}"), "2.00");
        let codes = visitors.each_ref().map(|visitor| visitor.scan("ava", &order));
        std::thread::scope(|scope| {
            for (visitor, code) in visitors.iter().zip(&codes) {
                for _ in 0..2 {
                    scope.spawn(move || assert_eq!(visitor.confirm("ava", code, PIN).status, 303));
                }
            }
        });
        visitors[1].until(&order, "Paid");
    }
    // The book is kept by both, and says 6 × 2.00.
    let sql = "SELECT count(*) FROM interbank.qrpay_payments WHERE state = 'paid'";
    assert_eq!(place.server.sql(sql).expect("the views are there").trim(), "6");
    for visitor in &visitors {
        let page = visitor.get("/bank").text();
        assert!(page.contains("2488.00") && page.contains("chain intact"), "{page}");
    }
}

#[test]
fn a_server_that_dies_is_a_pause_and_no_loss() {
    let place = Place::new();
    let bank = place.bank();
    let visitor = Visitor::new(&bank);
    let order = visitor.order("till-1", "5.00");
    let code = visitor.scan("ava", &order);
    place.server.kill();
    let answer = visitor.confirm("ava", &code, PIN);
    assert_ne!(answer.status, 303, "nobody could say that it is paid");
    assert_eq!(visitor.get("/healthz").status, 503);
    place.server.restart().expect("it comes back");
    let deadline = Instant::now() + Duration::from_secs(15);
    while visitor.get("/healthz").status != 200 {
        assert!(Instant::now() < deadline, "healthy again: {}", read_log(&place.data()));
        std::thread::sleep(Duration::from_millis(50));
    }
    // The same message once more: whatever became of the first one, one debit.
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    visitor.until(&order, "Paid");
    let sql = "SELECT count(*) FROM interbank.qrpay_payments";
    assert_eq!(place.server.sql(sql).expect("the views are there").trim(), "1");
}

#[test]
fn what_cannot_work_is_said_in_one_sentence() {
    let place = Place::new();
    place.bank().kill();
    // Other keys than those of the rows.
    let other = place.folder.path().join("other");
    let output = refused(&other, &place.store());
    assert_eq!(output.status.code(), Some(6));
    assert!(says(&output).contains("keys.json"), "{}", says(&output));
    // The keys are gone, the rows are there.
    std::fs::rename(place.data().join("keys.json"), place.folder.path().join("kept"))
        .expect("moved");
    let output = refused(&place.data(), &place.store());
    assert_eq!(output.status.code(), Some(6));
    assert!(says(&output).contains("bring it back from a backup"), "{}", says(&output));
    // Nobody there; no such database; not a store at all.
    let nobody = "postgres:postgresql://bank:hidden@127.0.0.1:1/bank";
    let absent = place.store().replace("/postgres", "/nothing");
    for (store, code, part) in [
        (nobody, 5, "nobody answers"),
        (&*absent, 5, "no database of this name"),
        ("postgres:", 2, "a store is"),
        ("mysql:x", 2, "a store is"),
    ] {
        let output = refused(&other, store);
        assert_eq!(output.status.code(), Some(code), "{store}: {}", says(&output));
        assert!(says(&output).contains(part), "{store}: {}", says(&output));
        assert!(!says(&output).contains("hidden"), "{}", says(&output));
    }
}
