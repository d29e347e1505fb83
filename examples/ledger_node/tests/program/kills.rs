//! Nodes that are killed lose nothing.

use crate::home::{Home, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn a_member_that_is_killed_and_restarted_loses_nothing() {
    let home = Home::new(1, 2, &["--ask-people", "*"]);
    let supervision = home.start("supervision-1");
    let (member, other) = (home.start("member-1"), home.start("member-2"));
    home.party("member-1", "alice");
    // A second process of it by mistake changes nothing.
    home.failure(3, "member-1", &["run"]);
    assert_eq!(home.json("member-1", &["status"])["role"], "member");
    // The other member is not there while these are made; supervision goes away before it has answered.
    other.kill();
    supervision.kill();
    let deed = home.write("deed.txt", b"a boat");
    let files: Vec<String> = (0..3)
        .map(|number| {
            let thing = format!("boat:{number}");
            let register = ["register", &deed, "--thing", &thing, "--type", "boat"];
            let asked =
                home.json("member-1", &[&register, &["--as", "alice", "--no-wait"][..]].concat());
            asked["transaction"].as_str().unwrap().to_owned()
        })
        .collect();
    member.kill();
    let _member = home.start("member-1");
    for file in &files {
        assert_eq!(home.json("member-1", &["status", file])["state"], "submitted");
    }
    let supervision = home.start("supervision-1");
    for file in &files {
        until("a request waits for a person", || {
            let audit = home.json("supervision-1", &["audit"]);
            audit["waiting"].as_array().unwrap().iter().any(|it| it["file"] == **file).then_some(())
        });
    }
    // What a person has said survives, too.
    home.json("supervision-1", &["audit", "--approve", &files[0]]);
    supervision.kill();
    let _supervision = home.start("supervision-1");
    for file in &files[1..] {
        until("it still waits", || {
            home.run("supervision-1", &["audit", "--approve", file]).status.success().then_some(())
        });
    }
    let _other = home.start("member-2");
    for file in &files {
        until("it is registered", || {
            (home.json("member-1", &["status", file])["state"] == "registered").then_some(())
        });
    }
    let agreed = home.agreed(&["supervision-1", "member-1", "member-2"]);
    assert_eq!(agreed["things"], 3);
    // Nothing is submitted again for ever.
    until("nothing waits", || {
        let status: Value = home.json("member-1", &["status"]);
        (status["waiting"] == 0).then_some(())
    });
}

#[test]
fn four_validators_lose_nothing_while_one_after_the_other_is_killed() {
    let registered = storm(Duration::from_secs(6), Duration::from_millis(1_200));
    assert!(registered > 4, "{registered}");
}

/// Two minutes, one kill every few seconds; `INTERBANK_SECONDS` says otherwise.
#[test]
#[ignore = "takes minutes: cargo test --release -p ledger-node -- --ignored"]
fn four_validators_under_load_for_minutes() {
    let seconds = std::env::var("INTERBANK_SECONDS").map_or(120, |text| text.parse().unwrap());
    let registered = storm(Duration::from_secs(seconds), Duration::from_secs(3));
    println!("{registered} registered in {seconds} s");
}

/// Registers things for a while, and kills and restarts a supervision node again and again meanwhile. Returns how many things were
/// registered; all of them are, everywhere.
fn storm(time: Duration, between: Duration) -> u64 {
    let home = Home::new(4, 2, &[]);
    let pace = "\n[pace]\npatience_ms = 500\nagain_ms = 300\npropose_ms = 400\nvote_ms = 200\nresend_ms = 200\n";
    let names: Vec<String> = (1..=4).map(|number| format!("supervision-{number}")).collect();
    for name in &names {
        home.append(name, &format!("\n[audit]\ntakeover_ms = 500\n{pace}"));
    }
    for name in ["member-1", "member-2"] {
        home.append(name, pace);
    }
    let mut nodes: BTreeMap<String, _> = home.start_all().into_iter().collect();
    home.party("member-1", "alice");
    let seconds = time.as_secs().to_string();
    let load =
        ["load", "--as", "alice", "--count", "1000000", "--at-once", "8", "--for-s", &seconds];
    let load = home.begin("member-1", &load);
    let end = Instant::now() + time;
    for name in names.iter().cycle() {
        std::thread::sleep(between);
        if Instant::now() >= end {
            break;
        }
        nodes.remove(name).unwrap().kill();
        std::thread::sleep(between / 4);
        nodes.insert(name.clone(), home.start(name));
    }
    // Every single one that was asked for was decided, or this fails.
    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{measured}");
    let all: Vec<&str> = nodes.keys().map(String::as_str).collect();
    let agreed = home.agreed(&all);
    assert_eq!(agreed["things"], measured["registered"]);
    measured["registered"].as_u64().unwrap()
}
