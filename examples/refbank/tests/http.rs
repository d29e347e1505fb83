//! The bank over HTTP, as a process: guards, limits, payments, restarts.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and may talk"
)]

mod running;

use running::{Bank, Visitor, read_log, send};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Ava's PIN, as the pages tell it.
const PIN: &str = "258036";

#[test]
fn every_response_carries_the_security_headers() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    for (path, status) in [
        ("/", 200),
        ("/merchant", 200),
        ("/wallet", 200),
        ("/wallet/ava", 200),
        ("/bank", 200),
        ("/fuel", 200),
        ("/registry", 200),
        ("/healthz", 200),
        ("/static/style.css", 200),
        ("/static/live.js", 200),
        ("/merchant/orders/nothing", 404),
        ("/nowhere", 404),
    ] {
        let response = send(&bank.address, "GET", path, &[], b"");
        assert_eq!(response.status, status, "{path}");
        let policy = response.header("content-security-policy").expect("a policy").to_owned();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "{path}");
        // What the policy forbids must not be there either.
        let text = response.text();
        assert!(!text.contains("<script>") && !text.contains(" style=\""), "{path}");
        assert!(!text.contains(" onclick"), "{path}");
    }
    assert_eq!(send(&bank.address, "GET", "/healthz", &[], b"").text(), "ok\n");
}

#[test]
fn other_host_names_are_not_answered() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let port = bank.address.rsplit(':').next().unwrap_or_default();
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(&bank.address).expect("somebody listens");
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(ask(&format!("127.0.0.1:{port}")), "200");
    assert_eq!(ask(&format!("localhost:{port}")), "200");
    assert_eq!(ask("evil.example"), "421");
    assert_eq!(ask(&format!("evil.example:{port}")), "421");
}

#[test]
fn forms_of_strangers_are_refused() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "1.00");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let posts = [
        ("/merchant/orders".to_owned(), "key=k&amount=1&note="),
        (format!("{order}/refresh"), ""),
        (format!("{order}/cancel"), ""),
        (format!("{order}/refund"), "key=k&amount=1"),
        ("/wallet/ava/screen".to_owned(), "picture=x"),
        ("/wallet/ava/pay".to_owned(), "code=x&pin=0000"),
        ("/wallet/ava/pay-without-pin".to_owned(), "code=x&place=home"),
        ("/wallet/ava/weeks-at-home".to_owned(), ""),
        ("/fuel/pay".to_owned(), "trip=usual"),
        ("/fuel/confirm".to_owned(), "code=x&id=00&pin=0000"),
        ("/bank/unlock".to_owned(), "account=00"),
        ("/operator/accounting".to_owned(), "mood=down"),
        ("/operator/force".to_owned(), "forced=stand-in"),
        ("/operator/resolve".to_owned(), "key=00"),
    ];
    for (path, fields) in &posts {
        // Without a session, with another session's token, and with the right token from another site.
        let none = send(&bank.address, "POST", path, &[form], fields.as_bytes());
        assert_eq!(none.status, 403, "{path} without a token");
        let other = Visitor::new(&bank);
        let body = format!("{fields}&csrf={}", other.token);
        let headers = [form, ("Cookie", &*visitor.cookie)];
        let crossed = send(&bank.address, "POST", path, &headers, body.as_bytes());
        assert_eq!(crossed.status, 403, "{path} with another's token");
        let body = format!("{fields}&csrf={}", visitor.token);
        let headers = [form, ("Cookie", &*visitor.cookie), ("Sec-Fetch-Site", "cross-site")];
        let foreign = send(&bank.address, "POST", path, &headers, body.as_bytes());
        assert_eq!(foreign.status, 403, "{path} from another site");
    }
    let picture = visitor.get(&format!("{order}/code.png")).body;
    assert_eq!(visitor.upload("ava", "wrong", &picture).status, 403);
    assert_eq!(visitor.standing(&order), "Waiting for payment");
    let orders = visitor.get("/merchant").text().matches("href=\"/merchant/orders/").count();
    assert_eq!(orders, 1, "no stranger made one");
    let cookie = send(&bank.address, "GET", "/", &[], b"");
    let cookie = cookie.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
}

#[test]
fn what_is_too_large_or_no_request_is_refused() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let large = "x".repeat(20 * 1024);
    let refused =
        visitor.post("/merchant/orders", &[("key", "k"), ("amount", "1"), ("note", &large)]);
    assert_eq!(refused.status, 413);
    let refused = visitor.upload("ava", &visitor.token, &vec![0; 9 * 1024 * 1024]);
    assert_eq!(refused.status, 413);
    let bytes = ("Content-Type", "application/octet-stream");
    let pay = |headers: &[(&str, &str)], body: &[u8]| {
        send(&bank.address, "POST", "/pay", headers, body).status
    };
    assert_eq!(pay(&[bytes], &[1; 257]), 413);
    assert_eq!(pay(&[bytes], b"no payment request"), 400);
    assert_eq!(pay(&[bytes], b""), 400);
    assert_eq!(pay(&[], b"x"), 415);
    assert_eq!(visitor.upload("ava", &visitor.token, b"no picture").status, 422);
    for amount in ["", "0", "-1", "1.001", "1e3", "99999999999999999999", "NaN", "10000.01"] {
        let refused =
            visitor.post("/merchant/orders", &[("key", "k"), ("amount", amount), ("note", "")]);
        assert_eq!(refused.status, 422, "{amount}");
    }
    assert_eq!(visitor.get("/healthz").status, 200);
}

#[test]
fn an_order_is_paid_by_an_uploaded_picture() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "12.50");
    let picture = visitor.get(&format!("{order}/code.png"));
    assert_eq!(picture.header("content-type"), Some("image/png"));
    let page = visitor.upload("ava", &visitor.token, &picture.body);
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("12.50 EUR") && text.contains("Corner Coffee"), "{text}");
    assert!(text.contains("Signed by refbank.example (key 1)"), "{text}");
    let code = running::between(&text, "name=\"code\" value=\"", "\"").expect("a code");
    let paid = visitor.confirm("ava", &code, PIN);
    assert_eq!(paid.status, 303);
    let outcome = visitor.get(paid.header("location").expect("an outcome")).text();
    assert!(outcome.contains(">Paid</h1>"), "{outcome}");
    assert_eq!(visitor.standing(&order), "Paid");
    // The picture is gone from the screen.
    assert_eq!(visitor.get(&format!("{order}/code.png")).status, 404);
    let books = visitor.get("/bank").text();
    assert!(books.contains("2487.50") && books.contains("chain intact"), "{books}");
}

#[test]
fn a_wrong_pin_tells_nothing_and_five_block_the_code() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "3.00");
    let code = visitor.scan("ava", &order);
    for attempt in 0..5 {
        assert_eq!(visitor.standing(&order), "Waiting for payment");
        let refused = visitor.confirm("ava", &code, &format!("00000{attempt}"));
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("Account or reply is not right."), "{}", refused.text());
    }
    assert_eq!(visitor.standing(&order), "Code blocked");
    let late = visitor.confirm("ava", &code, PIN);
    assert_eq!(late.status, 422);
    // A new code works.
    assert_eq!(visitor.post(&format!("{order}/refresh"), &[]).status, 303);
    let code = visitor.scan("ava", &order);
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    assert_eq!(visitor.standing(&order), "Paid");
}

#[test]
fn ten_wrong_replies_lock_the_account_until_the_bank_unlocks_it() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    for round in 0..2 {
        let order = visitor.order(&format!("order-{round}"), "3.00");
        let code = visitor.scan("ava", &order);
        for attempt in 0..5 {
            assert_eq!(visitor.confirm("ava", &code, &format!("0000{round}{attempt}")).status, 422);
        }
    }
    let order = visitor.order("last", "3.00");
    let code = visitor.scan("ava", &order);
    let refused = visitor.confirm("ava", &code, PIN);
    assert!(refused.text().contains("The account is locked"), "{}", refused.text());
    let books = visitor.get("/bank").text();
    let token = running::between(&books, "name=\"account\" value=\"", "\"").expect("a lock");
    assert_eq!(visitor.post("/bank/unlock", &[("account", &token)]).status, 303);
    assert!(!visitor.get("/bank").text().contains("name=\"account\""));
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    assert_eq!(visitor.standing(&order), "Paid");
}

#[test]
fn a_changed_code_is_not_even_shown() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "3.00");
    let code = visitor.scan("ava", &order);
    let mut changed = code.into_bytes();
    let at = changed.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("it is text");
    let refused = visitor.confirm("ava", &changed, PIN);
    assert_eq!(refused.status, 422);
    let text = refused.text();
    assert!(text.contains("role=\"alert\"") && !text.contains("id=\"pin\""), "{text}");
    assert_eq!(visitor.standing(&order), "Waiting for payment");
}

#[test]
fn an_order_can_be_cancelled_and_a_payment_refunded() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "5.00");
    assert_eq!(visitor.post(&format!("{order}/cancel"), &[]).status, 303);
    assert_eq!(visitor.standing(&order), "Cancelled");
    let order = visitor.order("second", "5.00");
    let code = visitor.scan("ava", &order);
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    let refund = |key: &str, amount: &str| {
        visitor.post(&format!("{order}/refund"), &[("key", key), ("amount", amount)]).status
    };
    assert_eq!(refund("R-1", "2.00"), 303);
    assert_eq!(refund("R-1", "2.00"), 303, "the same refund again");
    assert_eq!(visitor.standing(&order), "Partly refunded");
    assert_eq!(refund("R-2", "3.01"), 409);
    assert_eq!(refund("R-2", "3.00"), 303);
    assert_eq!(visitor.standing(&order), "Refunded");
    assert_eq!(refund("R-3", "0.01"), 409);
    assert_eq!(visitor.post(&format!("{order}/cancel"), &[]).status, 409);
}

#[test]
fn what_was_paid_survives_a_kill() {
    let folder = folder();
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    let waiting = visitor.order("waiting", "7.00");
    let paid = visitor.order("paid", "12.50");
    let code = visitor.scan("ava", &paid);
    let outcome = visitor.confirm("ava", &code, PIN);
    let outcome = outcome.header("location").expect("an outcome").to_owned();
    // Accepted is durable; whether it was settled by now does not matter.
    bank.kill();
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    visitor.until(&paid, "Paid");
    assert_eq!(visitor.standing(&waiting), "Waiting for payment");
    assert!(visitor.get(&outcome).text().contains(">Paid</h1>"));
    // The phone is still bound, the same answer is still the same payment, and there is one debit.
    assert_eq!(visitor.confirm("ava", &code, PIN).header("location"), Some(&*outcome));
    let code = visitor.scan("ava", &waiting);
    assert_eq!(visitor.confirm("ava", &code, PIN).status, 303);
    visitor.until(&waiting, "Paid");
    let books = visitor.get("/bank").text();
    assert!(books.contains("2480.50") && books.contains("chain intact"), "{books}");
    assert_eq!(bank.terminate(), Some(0));
}

#[test]
fn open_pages_do_not_keep_the_bank_from_closing() {
    let folder = folder();
    let bank = Bank::start(&folder.path().join("data"));
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "1.00");
    let mut stream = TcpStream::connect(&bank.address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit can be set");
    let request = format!(
        "GET {order}/events HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        bank.address, visitor.cookie
    );
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut some = [0; 4096];
    let mut seen = String::new();
    while !seen.contains("event: fragment") {
        let len = stream.read(&mut some).expect("events come");
        assert!(len > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&some[..len]));
    }
    assert!(seen.contains("text/event-stream"), "{seen}");
    assert_eq!(bank.terminate(), Some(0));
}

#[test]
fn logs_tell_no_secrets() {
    let folder = folder();
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    let visitor = Visitor::new(&bank);
    let order = visitor.order("first", "12.50");
    let code = visitor.scan("ava", &order);
    visitor.confirm("ava", &code, "999999");
    visitor.confirm("ava", &code, PIN);
    visitor.until(&order, "Paid");
    assert_eq!(bank.terminate(), Some(0));
    let log = read_log(&data);
    assert!(log.contains("pay.accepted") && log.contains("pay.settled"), "{log}");
    let hex = |text: &str| -> Vec<String> {
        let parts = text.split('"').map(str::to_owned);
        parts.filter(|part| part.len() == 64).collect()
    };
    let mut secrets = Vec::new();
    for file in ["keys.json", "accounting.json", "wallet.json"] {
        let held = hex(&std::fs::read_to_string(data.join(file)).expect("a file with secrets"));
        assert!(!held.is_empty(), "{file}");
        secrets.extend(held);
    }
    assert!(secrets.len() >= 9);
    secrets.extend([PIN, "999999", "6222000000000001", &code, &visitor.token].map(String::from));
    secrets.push(visitor.cookie.clone());
    for secret in secrets {
        assert!(!log.contains(&secret), "the log tells a secret");
    }
}
