//! SIGKILL of either side in the middle: only what is missing moves again.

use crate::home::{Home, Running, bytes, until};
use serde_json::Value;
use std::fs;

/// The sending side.
const SENDER: [&str; 5] = ["run", "--only", "r1", "--only", "ledger"];
const GROUP: u64 = 16_384;
/// Groups between two checkpoints of a receiver: 64 MiB.
const CHECKPOINT: u64 = 4_096;
/// Groups on their way to a receiver: 4 MiB.
const WINDOW: u64 = 256;

#[test]
fn a_kill_of_either_side_costs_what_was_not_there_yet_and_no_more() {
    let home = slow_enough();
    let _access = home.start(&["access"]);
    let sender = home.start(&SENDER);
    let receiver = home.start(&["client"]);
    until("presence", || home.json(&["status", "--of", "a-merchant"])["is_present"].as_bool());

    let (sender, id) = kill_of_the_sender(&home, sender);
    receipts_prove_it(&home, &id);
    let _receiver = kill_of_the_receiver(&home, receiver);

    // Nothing unpublished stays, and the trail of all this is whole.
    for folder in ["files/merchant", "state/r1/spool"] {
        let own = home.path(folder).join(".filexfer-unpublished");
        until("cleaning up", || (fs::read_dir(&own).unwrap().count() == 0).then_some(()));
    }
    let audit = home.json(&["audit"]);
    assert!(audit["is_whole"] == true && audit["records"].as_u64().unwrap() > 10, "{audit}");
    drop(sender);
}

/// Over QUIC the sending side alone: what the receiving side keeps does not depend on the link.
#[test]
fn over_quic_a_kill_of_the_sending_side_costs_no_more() {
    let home = slow_enough();
    home.change("rules = 1", "rules = 1\nlink = \"quic\"");
    let _access = home.start(&["access"]);
    let sender = home.start(&SENDER);
    let _receiver = home.start(&["client"]);
    let (_sender, id) = kill_of_the_sender(&home, sender);
    receipts_prove_it(&home, &id);
}

/// To be caught in the middle, and quick to ask again.
fn slow_enough() -> Home {
    let home = Home::new();
    home.change("[forwarder]\n", "[forwarder]\nbytes_per_s = 40_000_000\n");
    home.append("\n[pace]\nagain_ms = 200\npatience_ms = 2000\nretry_ms = 100\n");
    home
}

/// 64 MiB, stopped in the middle.
fn kill_of_the_sender(home: &Home, sender: Running) -> (Running, String) {
    let content = bytes(64 << 20, 1);
    let total = (content.len() as u64) / GROUP;
    fs::write(home.path("files/ledger/day.bin"), &content).unwrap();
    let submit = ["submit", "--as", "ledger", "--to", "merchant", "day.bin"];
    let id = home.json(&submit)["id"].as_str().unwrap().to_owned();
    let moved = || taking(home, "day.bin")?["groups_moved"].as_u64();
    let before = until("a quarter", || moved().filter(|moved| *moved >= total / 4));
    assert!(before < total, "too quick to be stopped in the middle");
    sender.kill();
    assert!(!home.path("files/merchant/day.bin").exists(), "half a file is visible");
    let sender = home.start(&SENDER);
    assert_eq!(over(home, &id)["state"], "delivered");
    assert!(fs::read(home.path("files/merchant/day.bin")).unwrap() == content);
    let after = moved().unwrap();
    assert!(after >= total && after <= total + WINDOW, "{after} of {total} groups were written");
    let jobs = home.json(&["status", "--id", &id]);
    let served = jobs[0]["groups_served"].as_u64().unwrap();
    assert!(served < total, "{served} groups were sent again after {before} of {total}");
    (sender, id)
}

/// By public keys alone, and about this content.
fn receipts_prove_it(home: &Home, id: &str) {
    let (to, source) = (home.path(""), home.path("files/ledger/day.bin"));
    let save = ["receipts", "save", "--as", "ledger", "--id", id, "--to", to.to_str().unwrap()];
    let saved = home.json(&save);
    let saved = saved["saved"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
    let saved: Vec<&str> = saved.collect();
    let content = ["--content", source.to_str().unwrap()];
    let verified = home.json(&[&["receipts", "verify"][..], &saved, &content].concat());
    for (party, stage) in [("r1", "origin"), ("merchant", "verified")] {
        let mut rows = verified.as_array().unwrap().iter();
        let is_it = |row: &Value| row["party"] == party && row["stage"] == stage && row["id"] == id;
        assert!(rows.any(is_it), "{party} {stage}: {verified}");
    }
    let root = blake3::hash(&fs::read(source).unwrap());
    assert_eq!(verified[0]["root"], root.to_hex().as_str());
}

/// 160 MiB, stopped beyond the first checkpoint.
fn kill_of_the_receiver(home: &Home, receiver: Running) -> Running {
    let content = bytes(160 << 20, 2);
    let total = (content.len() as u64) / GROUP;
    fs::write(home.path("files/ledger/big.bin"), &content).unwrap();
    let submit = ["submit", "--as", "ledger", "--to", "merchant", "big.bin"];
    let id = home.json(&submit)["id"].as_str().unwrap().to_owned();
    let before = until("a checkpoint", || {
        let taking = taking(home, "big.bin")?;
        (taking["groups_safe"].as_u64()? >= CHECKPOINT).then(|| taking["groups_moved"].as_u64())?
    });
    assert!(before < total, "too quick to be stopped in the middle");
    receiver.kill();
    assert!(!home.path("files/merchant/big.bin").exists(), "half a file is visible");
    let receiver = home.start(&["client"]);
    assert_eq!(over(home, &id)["state"], "delivered");
    assert!(fs::read(home.path("files/merchant/big.bin")).unwrap() == content);
    let taking = taking(home, "big.bin").unwrap();
    let count = |field: &str| taking[field].as_u64().unwrap();
    let (resumed, moved) = (count("groups_resumed"), count("groups_moved"));
    assert!(resumed >= CHECKPOINT, "{resumed} of {before} groups survived");
    assert_eq!(resumed + moved, total, "what was there is not asked for again");
    receiver
}

/// What the client says of a file that it takes.
fn taking(home: &Home, name: &str) -> Option<Value> {
    let status = home.json(&["status", "--of", "merchant"]);
    status.as_array().unwrap().iter().find(|taking| taking["name"] == name).cloned()
}

fn over(home: &Home, id: &str) -> Value {
    until("the result", || {
        let status = home.json(&["status", "--of", "ledger", "--id", id]);
        Some(status["requests"][0].clone()).filter(|request| request["is_over"] == true)
    })
}
