//! What the configuration says of single clients, of grants and of keys is what happens.

use crate::home::{Home, until};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CLIENT: &str = "root = \"files/merchant\"";

/// A stretch of each day, an hour long, so many hours from now (UTC).
fn hours(from_now: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let from = (now / 3_600 + from_now) % 24;
    format!("{{ from = \"{from:02}:00\", until = \"{:02}:00\" }}", (from + 1) % 24)
}

#[test]
fn a_client_that_collects_gets_its_files_when_it_asks_and_by_its_own_names() {
    let home = Home::new();
    let terms =
        "delivery = \"collected\"\nnames = { \"out\" = \"inbox\" }\nbytes_per_s = 4_000_000";
    home.change(CLIENT, &format!("{CLIENT}\n{terms}"));
    fs::create_dir(home.path("files/ledger/out")).unwrap();
    fs::write(home.path("files/ledger/out/a.csv"), b"1;2").unwrap();
    let _servers = home.start(&["run"]);
    let send = ["submit", "--as", "ledger", "--to", "merchant", "out/a.csv"];
    let id = home.json(&send)["id"].as_str().unwrap().to_owned();
    until("presence", || home.json(&["status", "--of", "a-merchant"])["is_present"].as_bool());
    std::thread::sleep(Duration::from_secs(2));
    let there = home.path("files/merchant/inbox/a.csv");
    assert!(!there.exists(), "it did not ask");
    home.json(&["collect"]);
    until("delivery", || fs::read(&there).ok());
    let state = || home.json(&["status", "--of", "ledger", "--id", &id])["requests"][0].clone();
    until("the result", || (state()["is_over"] == true).then_some(()));
    assert_eq!(
        (&state()["state"], fs::read(there).unwrap()),
        (&"delivered".into(), b"1;2".to_vec())
    );
    // Its server has to be there to ask.
    assert!(home.failure(2, &["collect", "--id", "ledger"]).contains("say which with --id"));
}

#[test]
fn outside_its_hours_a_grant_allows_nothing_and_a_client_gets_nothing() {
    let home = Home::new();
    let grant = "from = \"ledger\"\nto = \"*\"";
    home.change(grant, &format!("{grant}\nhours = {}", hours(2)));
    fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
    let servers = home.start(&["run"]);
    let said = home.failure(4, &["submit", "--as", "ledger", "--to", "archive", "a.csv"]);
    assert!(said.contains("the route is not allowed (5044)"), "{said}");
    servers.kill();
    home.change(&format!("hours = {}", hours(2)), "");
    home.change(CLIENT, &format!("{CLIENT}\nhours = {}", hours(2)));
    let servers = home.start(&["run"]);
    let id = home.json(&["submit", "--as", "ledger", "--to", "merchant", "a.csv"]);
    until("presence", || home.json(&["status", "--of", "a-merchant"])["is_present"].as_bool());
    std::thread::sleep(Duration::from_secs(2));
    assert!(!home.path("files/merchant/a.csv").exists());
    servers.kill();
    // It is its hour now.
    home.change(&format!("hours = {}", hours(2)), "");
    let _servers = home.start(&["run"]);
    until("delivery", || fs::read(home.path("files/merchant/a.csv")).ok());
    let id = id["id"].as_str().unwrap();
    until("the result", || {
        let requests = &home.json(&["status", "--of", "ledger", "--id", id])["requests"];
        (requests[0]["state"] == "delivered").then_some(())
    });
}

#[test]
fn one_key_replaces_another_and_what_the_old_one_signed_is_still_proven() {
    let home = Home::new();
    let old = home.public_key("id = \"ledger\"");
    let archive = home.public_key("id = \"archive\"");
    let forwarder = home.public_key("id = \"r1\"");
    fs::write(home.path("files/ledger/a.csv"), b"1;2").unwrap();
    fs::write(home.path("files/ledger/b.csv"), b"3;4").unwrap();
    let servers = home.start(&["run"]);
    let send = |name| ["submit", "--as", "ledger", "--to", "archive", name, "--wait"];
    let first = home.json(&send("a.csv"))["id"].as_str().unwrap().to_owned();
    let to = home.path("");
    let save = ["receipts", "save", "--as", "ledger", "--id", &first, "--to", to.to_str().unwrap()];
    let saved = home.json(&save);
    servers.kill();
    // The new keys of ledger and of the forwarding server are those that archive and merchant have had.
    let swap = |id: &str, was: &str, new: &str, seed: &str| {
        let two = format!(
            "public_keys = [{{ number = 1, public_key = \"{was}\", until = \"2020-01-01T00:00:00Z\" }}, \
             {{ number = 2, public_key = \"{new}\", from = \"2020-01-01T00:00:00Z\" }}]"
        );
        home.change(
            &format!("id = \"{id}\"\npublic_key = \"{was}\""),
            &format!("id = \"{id}\"\n{two}"),
        );
        // The lowest is the old one, which is over.
        let said = home.failure(3, &["run", "--only", id]);
        assert!(said.contains(&format!("key 1 of {id} is not valid now")), "{said}");
        home.change(&format!("id = \"{id}\"\n"), &format!("id = \"{id}\"\nsigns_with = 2\n"));
        let said = home.failure(3, &["run", "--only", id]);
        assert!(said.contains("its public half is not the one in the configuration"), "{said}");
        fs::copy(home.path(&format!("keys/{seed}.seed")), home.path(&format!("keys/{id}.seed")))
            .unwrap();
    };
    swap("ledger", &old, &archive, "archive");
    swap("r1", &forwarder, &home.public_key("id = \"merchant\""), "merchant");
    let _servers = home.start(&["run"]);
    assert_eq!(home.json(&send("b.csv"))["state"], "delivered");
    for path in saved["saved"].as_array().unwrap() {
        home.json(&["receipts", "verify", path.as_str().unwrap()]);
    }
}
