//! Payments without the PIN, and from the car, over HTTP: each outcome, restarts, and messages that are made up.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use running::{Bank, Response, Visitor, between, send};
use std::time::{Duration, Instant};

/// Ava's PIN, as the pages tell it.
const PIN: &str = "258036";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn code(visitor: &Visitor, key: &str, amount: &str) -> (String, String) {
    let order = visitor.order(key, amount);
    let code = visitor.scan("ava", &order);
    (order, code)
}

fn around(visitor: &Visitor, code: &str, place: &str) -> Response {
    visitor.post("/wallet/ava/pay-without-pin", &[("code", code), ("place", place)])
}

fn learn(visitor: &Visitor) {
    let page = visitor.post("/wallet/ava/weeks-at-home", &[]);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("id=\"notice\""), "{}", page.text());
}

#[test]
fn a_new_phone_is_asked_for_the_pin_which_confirms_its_surroundings() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let (order, code) = code(&visitor, "first", "4.80");
    let page = around(&visitor, &code, "home").text();
    assert!(page.contains("Please enter the PIN this time."), "{page}");
    assert!(page.contains("nothing is known yet about this time of the week"), "{page}");
    assert_eq!(visitor.standing(&order), "Waiting for payment");
    let check = between(&page, "name=\"check\" value=\"", "\"").expect("a number");
    assert_eq!(check.len(), 32);
    let paid = visitor.post("/wallet/ava/pay", &[("code", &code), ("pin", PIN), ("check", &check)]);
    assert_eq!(paid.status, 303);
    assert_eq!(visitor.standing(&order), "Paid");
}

#[test]
fn the_usual_place_needs_no_pin_and_others_do_not_pay() {
    let folder = folder();
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    learn(&visitor);
    let (order, at_home) = code(&visitor, "home", "5.20");
    let page = around(&visitor, &at_home, "home").text();
    assert!(page.contains(">Paid</h1>") && page.contains("id=\"familiarity\""), "{page}");
    assert_eq!(visitor.standing(&order), "Paid");
    for (key, place, told) in [
        ("stolen", "elsewhere", "usual devices of dwell type 2 are missing"),
        ("forged", "recording", "the scan was made for another payment"),
    ] {
        let (order, code) = code(&visitor, key, "5.20");
        let page = around(&visitor, &code, place).text();
        assert!(page.contains("Paying without the PIN is refused here."), "{place}: {page}");
        assert!(page.contains(told), "{place}: {page}");
        assert!(!page.contains("id=\"pin\""), "{place}: the way is closed");
        assert_eq!(visitor.standing(&order), "Waiting for payment", "{place}");
    }
    // More than the policy lets pass without the PIN
    let (order, code_of_much) = code(&visitor, "much", "450.00");
    let page = around(&visitor, &code_of_much, "home").text();
    assert!(page.contains("above the limit for paying without the PIN"), "{page}");
    assert_eq!(visitor.standing(&order), "Waiting for payment");
    let wrong = around(&visitor, &code_of_much, "nowhere");
    assert_eq!(wrong.status, 422);
    // What was learned survives a restart.
    bank.terminate();
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    let (order, code) = code(&visitor, "again", "5.20");
    assert!(around(&visitor, &code, "home").text().contains(">Paid</h1>"));
    assert_eq!(visitor.standing(&order), "Paid");
}

#[test]
fn made_up_messages_pay_nothing() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let bytes = ("Content-Type", "application/octet-stream");
    let post = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        send(&bank.address, "POST", path, headers, body)
    };
    assert_eq!(post("/pay/without-pin", &[bytes], b"nothing of the kind").status, 400);
    assert_eq!(post("/pay/without-pin", &[], b"x").status, 415);
    assert_eq!(post("/pay/without-pin", &[bytes], &vec![0; 8 * 1024]).status, 413);
    assert_eq!(post("/pay/challenge", &[bytes], b"x").status, 400);
    // A stranger's phone gets a number, which leaves no trace, and nobody learns whether the account is there.
    let mut who = vec![7];
    who.extend_from_slice(b"phone-x\x106222000000000001");
    let given = post("/pay/challenge", &[bytes], &who);
    assert_eq!(given.status, 200);
    assert!(given.text().contains("nonce"), "{}", given.text());
    let visitor = Visitor::new(&bank);
    assert!(visitor.get("/bank").text().contains("chain intact"));
}

#[test]
fn a_car_pays_as_it_is_driven() {
    let folder = folder();
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    let drive = |visitor: &Visitor, trip: &str| {
        let page = visitor.post("/fuel/pay", &[("trip", trip)]);
        assert_eq!(page.status, 200, "{trip}");
        page.text()
    };
    let usual = drive(&visitor, "usual");
    assert!(
        usual.contains("Paid by the car") && usual.contains("<strong id=\"level\">low"),
        "{usual}"
    );
    let thief = drive(&visitor, "thief");
    assert!(thief.contains(">Refused<") && thief.contains("id=\"alert\""), "{thief}");
    assert!(thief.contains("cruise speed: not as usual"), "{thief}");
    let short = drive(&visitor, "short");
    assert!(short.contains("The vehicle has not been driven for long enough."), "{short}");
    let replayed = drive(&visitor, "recording");
    assert!(replayed.contains(">Not paid<") && !replayed.contains("id=\"level\""), "{replayed}");
    assert_eq!(visitor.post("/fuel/pay", &[("trip", "flying")]).status, 422);

    // Not quite as usual: the owner is asked, and says so with her PIN.
    let hurry = drive(&visitor, "hurry");
    assert!(hurry.contains("The owner is asked"), "{hurry}");
    let part =
        |name: &str| between(&hurry, &format!("name=\"{name}\" value=\""), "\"").expect("a value");
    let (code, id) = (part("code"), part("id"));
    let form = |pin: &'static str| [("code", &*code), ("id", &*id), ("pin", pin)];
    let wrong = visitor.post("/fuel/confirm", &form("000000"));
    assert_eq!(wrong.status, 422);
    let right = visitor.post("/fuel/confirm", &form(PIN)).text();
    assert!(right.contains("Paid by the owner") && right.contains("learns a little"), "{right}");

    // Two payments left the account, and the station has them.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut books = visitor.get("/bank").text();
    while !books.contains("91.80") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        books = visitor.get("/bank").text();
    }
    assert!(books.contains("Riverside Fuel") && books.contains("91.80"), "{books}");
    assert!(books.contains("chain intact"), "{books}");
    bank.terminate();
    let bank = Bank::start(&data);
    assert!(drive(&Visitor::new(&bank), "usual").contains("Paid by the car"));
}
