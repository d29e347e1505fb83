//! The operator's page, and an outage as people at the pages see it: with the embedded store and with PostgreSQL.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use running::{Bank, Visitor, between};
use std::path::Path;
use std::time::{Duration, Instant};
use testbed::Postgres;

/// The payers' PINs, as the pages tell them.
const PIN: &str = "258036";
const BENS_PIN: &str = "714925";

/// Waits until the operator's page shows this.
fn until(visitor: &Visitor, want: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = visitor.get("/operator").text();
        if page.contains(want) {
            return page;
        }
        assert!(Instant::now() < deadline, "no {want} in {page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn behave(visitor: &Visitor, mood: &str, ms: &str) {
    let sent = visitor.post("/operator/accounting", &[("mood", mood), ("ms", ms)]);
    assert_eq!(sent.status, 303, "{}", sent.text());
}

fn pay(visitor: &Visitor, payer: (&str, &str), key: &str, amount: &str) -> String {
    let order = visitor.order(key, amount);
    let code = visitor.scan(payer.0, &order);
    assert_eq!(visitor.confirm(payer.0, &code, payer.1).status, 303);
    order
}

fn id(page: &str, id: &str) -> String {
    between(page, &format!("id=\"{id}\">"), "<").expect("it is on the page")
}

fn outage(start: &dyn Fn(&Path) -> Bank) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let bank = start(&data);
    let visitor = Visitor::new(&bank);
    let page = until(&visitor, "data-state=\"online\"");
    assert_eq!((id(&page, "mood"), id(&page, "waiting")), ("answers".into(), "0".into()));
    let paid = pay(&visitor, ("ava", PIN), "before", "2.00");
    visitor.until(&paid, "Paid");

    behave(&visitor, "down", "");
    until(&visitor, "data-state=\"stand-in\"");
    for (payer, key, amount) in [(("ava", PIN), "a", "4.00"), (("ben", BENS_PIN), "b", "5.00")] {
        visitor.until(&pay(&visitor, payer, key, amount), "Paid");
    }
    let large = pay(&visitor, ("ava", PIN), "large", "50.01");
    visitor.until(&large, "Waiting for payment");
    let told = visitor.get(&large).text();
    assert!(told.contains("above the limit while the accounting system is away"), "{told}");
    // The decline waits as well where a switch before this one may have asked: then a reversal is due.
    let page = until(&visitor, "data-drained=\"false\"");
    assert_eq!(id(&page, "exposure"), "9.00");
    let waiting = id(&page, "waiting");
    assert!(page.contains("61 amount limit exceeded") && page.contains("not all agree"), "{page}");
    let csv = visitor.get("/operator/report.csv");
    assert!(csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    assert_eq!(csv.text().matches(",missing,").count(), 2, "{}", csv.text());

    // The power fails in the middle of it.
    bank.kill();
    let bank = start(&data);
    let visitor = Visitor::new(&bank);
    let page = until(&visitor, "data-state=\"stand-in\"");
    assert_eq!(id(&page, "mood"), "does not answer");
    until(&visitor, &format!("id=\"waiting\">{waiting}<"));
    assert!(visitor.get("/bank").text().contains("2498.00"), "nothing is posted yet");

    behave(&visitor, "up", "");
    until(&visitor, "data-state=\"online\" data-drained=\"true\"");
    let page = visitor.get("/operator").text();
    assert_eq!((id(&page, "exposure"), id(&page, "agrees")), ("0.00".into(), "all agree".into()));
    assert!(page.contains("Nothing waits for a person."), "{page}");
    let csv = visitor.get("/operator/report.csv").text();
    assert_eq!(csv.matches(",matched,").count(), csv.lines().count() - 1, "{csv}");
    // 2.00, 4.00 and 5.00 once each, and what was declined can be paid now.
    let books = visitor.get("/bank").text();
    assert!(books.contains("2494.00") && books.contains("35.00"), "{books}");
    assert_eq!(visitor.post(&format!("{large}/refresh"), &[]).status, 303);
    let code = visitor.scan("ava", &large);
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    visitor.until(&large, "Paid");
}

#[test]
fn an_outage_with_a_power_cut_in_it_loses_and_doubles_nothing() {
    outage(&Bank::start);
}

#[test]
fn an_outage_on_postgres_loses_and_doubles_nothing() {
    let server = Postgres::start().expect("a server");
    let store = format!("postgres:{}", server.url());
    outage(&|data| Bank::start_with(data, &["--store", &store]));
}

/// The worst of the four cases: approved to the payer, and the accounting system's own no comes later.
#[test]
fn what_was_declined_too_late_is_posted_and_waits_for_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    until(&visitor, "data-state=\"online\"");
    behave(&visitor, "late", "2500");
    visitor.until(&pay(&visitor, ("ben", BENS_PIN), "large", "45.00"), "Paid");
    until(&visitor, "id=\"waiting\">1<");
    let page = until(&visitor, "data-drained=\"true\"");
    assert!(!page.contains("Nothing waits for a person."), "{page}");
    assert!(page.contains(">exception<") && page.contains("all agree"), "{page}");
    // The loss counts until somebody has looked.
    assert_eq!(id(&page, "exposure"), "45.00");
    let key = between(&page, "name=\"key\" value=\"", "\"").expect("a key");
    for wrong in ["", "00", "zz", &key.replace('0', "1")] {
        assert_eq!(visitor.post("/operator/resolve", &[("key", wrong)]).status, 404, "{wrong}");
    }
    assert_eq!(visitor.post("/operator/resolve", &[("key", &key)]).status, 303);
    let page = visitor.get("/operator").text();
    assert_eq!(id(&page, "exposure"), "0.00");
    assert!(page.contains("Nothing waits for a person.") && page.contains(">resolved<"), "{page}");
    assert_eq!(visitor.post("/operator/resolve", &[("key", &key)]).status, 404);
    let books = visitor.get("/bank").text();
    assert!(books.contains("-5.00") && books.contains("not enough money"), "{books}");
}

#[test]
fn two_processes_obey_one_operator() {
    let server = Postgres::start().expect("a server");
    let store = format!("postgres:{}", server.url());
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let banks = [(); 2].map(|()| Bank::start_with(&data, &["--store", &store]));
    let [first, second] = banks.each_ref().map(Visitor::new);
    let order = [("forced", "stand-in"), ("reason", "upgrade of the books")];
    assert_eq!(first.post("/operator/force", &order).status, 303);
    let page = until(&second, "data-state=\"forced stand-in\"");
    assert!(page.contains("stand-in by the operator: upgrade of the books"), "{page}");
    until(&first, "data-state=\"forced stand-in\"");
    for (visitor, key) in [(&first, "a"), (&second, "b")] {
        visitor.until(&pay(visitor, ("ava", PIN), key, "3.00"), "Paid");
    }
    assert!(first.get("/bank").text().contains("2500.00"), "nothing is posted yet");
    assert_eq!(second.post("/operator/force", &[("forced", "release")]).status, 303);
    for visitor in [&first, &second] {
        until(visitor, "data-state=\"online\"");
    }
    until(&first, "all agree");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !second.get("/bank").text().contains("2494.00") {
        assert!(Instant::now() < deadline, "{}", second.get("/bank").text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_the_operator_cannot_mean_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    for (mood, ms) in
        [("slow", ""), ("late", "0"), ("slow", "60001"), ("slow", "-1"), ("gone", "1")]
    {
        let sent = visitor.post("/operator/accounting", &[("mood", mood), ("ms", ms)]);
        assert_eq!(sent.status, 422, "{mood} {ms}");
    }
    let long = "x".repeat(201);
    for (forced, reason) in [("sideways", ""), ("stand-in", &*long), ("stand-in", "two\nlines")] {
        let sent = visitor.post("/operator/force", &[("forced", forced), ("reason", reason)]);
        assert_eq!(sent.status, 422, "{forced} {reason}");
    }
    let page = until(&visitor, "data-state=\"online\"");
    assert_eq!(id(&page, "mood"), "answers");
    assert!(page.contains("none, detection decides"), "{page}");
}
