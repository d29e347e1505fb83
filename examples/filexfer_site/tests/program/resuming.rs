//! SIGKILL of either side in the middle: only what is missing moves again.

use crate::home::{Home, bytes, until};
use serde_json::Value;
use std::fs;

const GROUP: u64 = 16_384;
/// Groups between two checkpoints of a receiver: 64 MiB.
const CHECKPOINT: u64 = 4_096;
/// Groups on their way to a receiver: 4 MiB.
const WINDOW: u64 = 256;

#[test]
fn a_kill_of_either_side_costs_what_was_not_there_yet_and_no_more() {
    let home = Home::new();
    // Slow enough to be caught in the middle, quick to ask again.
    home.change("[forwarder]\n", "[forwarder]\nbytes_per_s = 40_000_000\n");
    home.append("\n[pace]\nagain_ms = 200\npatience_ms = 2000\nretry_ms = 100\n");
    let forwarding = || home.start(&["run", "--only", "r1", "--only", "ledger"]);
    let _access = home.start(&["access"]);
    let sender = forwarding();
    let receiver = home.start(&["client"]);
    until("presence", || home.json(&["status", "--of", "a-merchant"])["is_present"].as_bool());

    // The sending side: 64 MiB, stopped in the middle.
    let content = bytes(64 << 20, 1);
    let total = (content.len() as u64) / GROUP;
    fs::write(home.path("files/ledger/day.bin"), &content).unwrap();
    let submit = ["submit", "--as", "ledger", "--to", "merchant", "day.bin"];
    let id = home.json(&submit)["id"].as_str().unwrap().to_owned();
    let before = until("a quarter", || moved(&home, "day.bin").filter(|moved| *moved >= total / 4));
    assert!(before < total, "too quick to be stopped in the middle");
    sender.kill();
    assert!(!home.path("files/merchant/day.bin").exists(), "half a file is visible");
    let sender = forwarding();
    let result = over(&home, &id);
    assert_eq!(result["state"], "delivered");
    assert!(fs::read(home.path("files/merchant/day.bin")).unwrap() == content);
    let after = moved(&home, "day.bin").unwrap();
    assert!(after >= total && after <= total + WINDOW, "{after} of {total} groups were written");
    let jobs = home.json(&["status", "--id", &id]);
    let served = jobs[0]["groups_served"].as_u64().unwrap();
    assert!(served < total, "{served} groups were sent again after {before} of {total}");

    // Its receipts, by the public keys alone; the servers may be gone.
    let saved = home.json(&[
        "receipts",
        "save",
        "--as",
        "ledger",
        "--id",
        &id,
        "--to",
        home.path("").to_str().unwrap(),
    ]);
    let saved: Vec<&str> =
        saved["saved"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let source = home.path("files/ledger/day.bin");
    let content_of = ["--content", source.to_str().unwrap()];
    let verify = [&["receipts", "verify"][..], &saved, &content_of].concat();
    let verified = home.json(&verify);
    let stages = |party: &str, stage: &str| {
        let rows = verified.as_array().unwrap();
        rows.iter()
            .any(|row| row["party"] == party && row["stage"] == stage && row["id"] == id.as_str())
    };
    assert!(stages("r1", "origin") && stages("merchant", "verified"), "{verified}");
    assert_eq!(verified[0]["root"], blake3::hash(&content).to_hex().as_str());

    // The receiving side: beyond its first checkpoint.
    let content = bytes(160 << 20, 2);
    let total = (content.len() as u64) / GROUP;
    fs::write(home.path("files/ledger/big.bin"), &content).unwrap();
    let submit = ["submit", "--as", "ledger", "--to", "merchant", "big.bin"];
    let id = home.json(&submit)["id"].as_str().unwrap().to_owned();
    let before = until("a checkpoint", || {
        let taking = taking(&home, "big.bin")?;
        (taking["groups_safe"].as_u64()? >= CHECKPOINT).then(|| taking["groups_moved"].as_u64())?
    });
    assert!(before < total, "too quick to be stopped in the middle");
    receiver.kill();
    let _receiver = home.start(&["client"]);
    let result = over(&home, &id);
    assert_eq!(result["state"], "delivered");
    assert!(fs::read(home.path("files/merchant/big.bin")).unwrap() == content);
    let taking = taking(&home, "big.bin").unwrap();
    let count = |field: &str| taking[field].as_u64().unwrap();
    let (resumed, moved) = (count("groups_resumed"), count("groups_moved"));
    assert!(resumed >= CHECKPOINT, "{resumed} of {before} groups survived");
    assert_eq!(resumed + moved, total, "what was there is not asked for again");

    // Nothing unpublished stays, and the trail of all this is whole.
    for folder in ["files/merchant", "state/r1/spool"] {
        let own = home.path(folder).join(".filexfer-unpublished");
        until("cleaning up", || (fs::read_dir(&own).unwrap().count() == 0).then_some(()));
    }
    let audit = home.json(&["audit"]);
    assert!(audit["is_whole"] == true && audit["records"].as_u64().unwrap() > 10, "{audit}");
    drop(sender);
}

/// What the client says of a file that it takes.
fn taking(home: &Home, name: &str) -> Option<Value> {
    let status = home.json(&["status", "--of", "merchant"]);
    status.as_array().unwrap().iter().find(|taking| taking["name"] == name).cloned()
}

fn moved(home: &Home, name: &str) -> Option<u64> {
    taking(home, name)?["groups_moved"].as_u64()
}

fn over(home: &Home, id: &str) -> Value {
    until("the result", || {
        let status = home.json(&["status", "--of", "ledger", "--id", id]);
        Some(status["requests"][0].clone()).filter(|request| request["is_over"] == true)
    })
}
