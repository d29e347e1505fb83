//! Who and what is refused, and how that is said.

use crate::home::{Home, until};
use std::fs;
use std::time::Duration;

#[test]
fn a_refusal_says_its_reason_and_its_number() {
    let home = Home::new();
    fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
    fs::write(home.path("files/archive/a.csv"), b"1;2").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", home.path("files/ledger/link.csv")).unwrap();
    let _servers = home.start(&["run"]);
    let refused = |args: &[&str]| home.failure(4, &[&["submit", "--wait"], args].concat());
    let from_ledger = |to: &str, name: &str| refused(&["--as", "ledger", "--to", to, name]);
    let says = "filexfer-site: the request is refused: ";
    assert_eq!(from_ledger("merchant", "b.csv"), format!("{says}there is no such file (5047)\n"));
    // A link is as missing as what is not there.
    assert_eq!(
        from_ledger("merchant", "link.csv"),
        format!("{says}there is no such file (5047)\n")
    );
    assert_eq!(
        from_ledger("merchant", "../archive/a.csv"),
        format!("{says}the name is not acceptable (5046)\n")
    );
    assert_eq!(
        from_ledger("nobody", "a.csv"),
        format!("{says}sender or destination is not known (5041)\n")
    );
    assert_eq!(
        refused(&["--as", "archive", "--to", "merchant", "a.csv"]),
        format!("{says}the route is not allowed (5044)\n")
    );
    assert_eq!(
        refused(&["--as", "archive", "--from", "ledger", "--to", "merchant", "a.csv"]),
        format!("{says}the requester is not entitled (5045)\n")
    );
    assert_eq!(
        refused(&[
            "--as",
            "ledger",
            "--to",
            "merchant",
            "a.csv",
            "--deadline",
            "2020-01-01T00:00:00Z"
        ]),
        format!("{says}the deadline has passed (5052)\n")
    );
    assert_eq!(
        fs::read_dir(home.path("files/merchant")).unwrap().count(),
        1,
        "nothing but its own"
    );
    let jobs = home.json(&["status"]);
    assert_eq!(jobs.as_array().unwrap().len(), 7);
    assert!(jobs.as_array().unwrap().iter().all(|job| job["state"] == "refused"));

    // Without waiting for the result the refusal is told, too.
    let early = ["submit", "--as", "ledger", "--to", "merchant", "b.csv"];
    let said = home.failure(4, &early);
    assert_eq!(said, format!("{says}there is no such file (5047)\n"));
    // Several at one time: what is wrong with the first that is wrong, and how many others.
    let many = ["submit", "--as", "ledger", "--to", "merchant", "a.csv", "b.csv", "c.csv"];
    let said = home.failure(4, &many);
    assert_eq!(said, format!("{says}b.csv: there is no such file, and so is another (5047)\n"));
    // Who does not wait learns it later.
    let unheard = home.json(&[&early[..], &["--no-answer"]].concat());
    assert_eq!(unheard["state"], "asked");
    let id = unheard["id"].as_str().unwrap();
    until("the refusal", || {
        let status = home.json(&["status", "--of", "ledger", "--id", id]);
        (status["requests"][0]["code"] == 5_047).then_some(())
    });

    // A name that is taken is no refusal: the job fails.
    let send = ["submit", "--as", "ledger", "--to", "archive", "a.csv", "--wait"];
    fs::write(home.path("files/archive/a.csv"), b"other").unwrap();
    let said = home.failure(5, &send);
    assert_eq!(said, "filexfer-site: the file was not delivered: the name is taken (5031)\n");
    let versioned = home.json(&[&send[..], &["--on-conflict", "version"]].concat());
    assert_eq!(versioned["published_as"], "a.v2.csv");
    assert_eq!(fs::read(home.path("files/archive/a.v2.csv")).unwrap(), b"1;2");
}

#[test]
fn a_client_with_a_certificate_of_somebody_else_gets_nothing() {
    let (home, other) = (Home::new(), Home::new());
    let own = ["certificates/merchant.pem", "certificates/merchant.key"]
        .map(|name| (name, fs::read(home.path(name)).unwrap()));
    for (name, _) in &own {
        fs::copy(other.path(name), home.path(name)).unwrap();
    }
    fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
    let _servers = home.start(&["run", "--only", "r1", "--only", "ledger"]);
    let access = home.start(&["access"]);
    let client = home.start(&["client"]);
    // 9420: its certificate is not acceptable; 9425: it is told so.
    until("the refusal", || access.log().contains("code=9420").then_some(()));
    until("the refusal", || client.log().contains("code=9425").then_some(()));
    let id = home.json(&["submit", "--as", "ledger", "--to", "merchant", "a.csv"]);
    let id = id["id"].as_str().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(home.json(&["status", "--of", "a-merchant"])["is_present"], false);
    let job = &home.json(&["status", "--id", id])[0];
    assert!(job["groups_served"] == 0 && job["state"] != "delivered", "{job}");
    assert!(!home.path("files/merchant/a.csv").exists());
    // With its own it gets the file, without another request.
    client.kill();
    for (name, content) in own {
        fs::write(home.path(name), content).unwrap();
    }
    let _client = home.start(&["client"]);
    until("delivery", || fs::read(home.path("files/merchant/a.csv")).ok());
    assert_eq!(fs::read(home.path("files/merchant/a.csv")).unwrap(), b"1;2");
}

#[test]
fn a_receipt_that_was_changed_proves_nothing() {
    let home = Home::new();
    fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
    let servers = home.start(&["run"]);
    let send = ["submit", "--as", "ledger", "--to", "archive", "a.csv", "--wait"];
    let id = home.json(&send)["id"].as_str().unwrap().to_owned();
    let to = home.path("");
    let save = ["receipts", "save", "--as", "ledger", "--id", &id, "--to", to.to_str().unwrap()];
    let saved = home.json(&save);
    let unknown = ["receipts", "save", "--as", "ledger", "--id", &"0".repeat(32)];
    assert!(home.failure(2, &unknown).contains("there is no such request"));
    drop(servers);
    let receipts = saved["saved"].as_array().unwrap();
    assert_eq!(receipts.len(), 3, "origin, received, verified");
    let path = receipts[0].as_str().unwrap();
    let right = fs::read(path).unwrap();
    assert_eq!(home.json(&["receipts", "verify", path]).as_array().unwrap().len(), 1);
    for at in (0..right.len()).step_by(37) {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        fs::write(path, wrong).unwrap();
        let said = home.failure(6, &["receipts", "verify", path]);
        assert!(said.contains("proves nothing"), "{at}: {said}");
    }
    fs::write(path, right).unwrap();
    fs::write(home.path("files/ledger/a.csv"), b"1;3").unwrap();
    let changed = home.path("files/ledger/a.csv");
    let verify = ["receipts", "verify", path, "--content", changed.to_str().unwrap()];
    assert!(home.failure(6, &verify).contains("it is about other content"));
}

#[test]
fn a_request_waits_for_a_forwarding_server_that_is_down_as_long_as_the_site_says() {
    for (freshness_ms, becomes) in [(60_000, "delivered"), (1_500, "refused")] {
        let home = Home::new();
        home.change("[forwarder]", &format!("[forwarder]\nfreshness_ms = {freshness_ms}"));
        fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
        let _others = home.start(&["run", "--only", "ledger", "--only", "archive"]);
        let send = ["submit", "--as", "ledger", "--to", "archive", "a.csv", "--no-answer"];
        let id = home.json(&send)["id"].as_str().unwrap().to_owned();
        std::thread::sleep(Duration::from_secs(3));
        let _forwarder = home.start(&["forwarder"]);
        let request = until("an answer", || {
            let status = home.json(&["status", "--of", "ledger", "--id", &id]);
            let request = status["requests"][0].clone();
            (request["is_over"] == true).then_some(request)
        });
        assert_eq!(request["state"], becomes, "{request}");
        let is_there = home.path("files/archive/a.csv").exists();
        assert_eq!(is_there, becomes == "delivered");
        // 5040: its signature is not fresh.
        assert_eq!(request["code"] == 5_040, becomes == "refused", "{request}");
    }
}
