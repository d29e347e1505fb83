//! Nodes that come late and begin with a snapshot.

use crate::home::{Home, Running, until};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const CAR: &str = "vin:CAR";

/// A user of the first member, a document, and so many registered things.
fn grown(home: &Home, things: u32) -> String {
    home.party("member-1", "alice");
    let count = things.to_string();
    home.json("member-1", &["load", "--as", "alice", "--count", &count, "--at-once", "16"]);
    home.write("deed.txt", b"it is hers")
}

fn register<'a>(deed: &'a str, thing: &'a str, user: &'a str) -> [&'a str; 8] {
    ["register", deed, "--thing", thing, "--type", "toy", "--as", user]
}

fn log(home: &Home, node: &str) -> String {
    fs::read_to_string(home.path(node).join("log")).unwrap_or_default()
}

fn logged(home: &Home, node: &str, event: &str) {
    until(event, || log(home, node).contains(event).then_some(()));
}

/// Where a node keeps the chunks that it gives away.
fn served(home: &Home, node: &str) -> PathBuf {
    home.path(node).join("state/snapshots/chunks")
}

/// Changes a bit in the middle of this chunk on a node's disk; again, and it is as before.
fn damage(home: &Home, node: &str, number: usize) {
    let path = served(home, node);
    let mut bytes = fs::read(&path).unwrap();
    let length = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let at = (0..number).fold(0, |at, _| at + 4 + length(at));
    let middle = at + 4 + length(at) / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
}

fn stop(nodes: &mut Vec<(String, Running)>, name: &str) {
    let place = nodes.iter().position(|(it, _)| it == name).unwrap();
    nodes.remove(place).1.kill();
}

#[test]
fn ld12_a_member_joins_by_a_snapshot_and_goes_on_by_blocks() {
    let home = Home::new(4, 1, &[]);
    // One that votes gives it.
    home.append("member-1", "\n[snapshots]\nserve = false\n");
    home.append("supervision-1", "\n[snapshots]\nkept_s = 2\n");
    let mut nodes = home.start_all();
    let deed = grown(&home, 60);
    home.json("member-1", &register(&deed, CAR, "alice"));
    // Who vouches for blocks is not any more who did when the network's file was made.
    for node in ["supervision-1", "supervision-2"] {
        assert_eq!(home.json(node, &["rotate"])["number"], 2);
    }
    until("both keys are in use", || {
        let number = |node| home.json(node, &["status"])["key"] == 2;
        (number("supervision-1") && number("supervision-2")).then_some(())
    });
    let said = home.failure(
        2,
        "",
        &["node", "add", ".", "supervision-5", "--role", "supervision", "--snapshot-above", "9"],
    );
    assert!(said.contains("takes all blocks"), "{said}");
    home.json("", &["node", "add", ".", "member-2", "--snapshot-above", "20"]);
    home.append("member-2", "\n[pace]\nagain_ms = 3000\n");
    nodes.push(("member-2".into(), home.start("member-2")));
    logged(&home, "member-2", "snapshot.taken");
    for node in ["supervision-1", "supervision-2"] {
        until("it may join", || {
            home.run(node, &["node", "admit", "member-2"]).status.success().then_some(())
        });
    }
    let joined = until("it has joined", || {
        let output = home.run("member-2", &["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["records"].as_u64().map(|_| status)
    });
    assert!(joined["blocks_from"].as_u64() > Some(20), "{joined}");
    let all = ["supervision-1", "supervision-2", "supervision-3", "member-1", "member-2"];
    home.agreed(&all);

    // It serves users as any other member does.
    let bob = home.party("member-2", "bob");
    home.json("member-2", &register(&deed, "toy:B1", "bob"));
    let offer = ["transfer", "offer", CAR, "--to", &bob, "--as", "alice"];
    let offer = home.json("member-1", &offer)["offer"].as_str().unwrap().to_owned();
    until("the offer arrives", || {
        let offers = home.json("member-2", &["transfer", "list"]);
        offers.as_array().unwrap().iter().any(|it| it["offer"] == *offer).then_some(())
    });
    home.json("member-2", &["transfer", "accept", &offer, "--as", "bob"]);
    home.json("member-2", &register(&deed, CAR, "bob"));
    home.agreed(&all);

    // What is older it does not say, but why, and who does.
    let shown = home.json("member-2", &["show", CAR]);
    assert_eq!(shown["owner"]["name"], "bob");
    assert_eq!(shown["history"][0]["what"], "ownership went over");
    assert_eq!(shown["history_from"], joined["blocks_from"]);
    let why = "this node joined by a snapshot and has no blocks before";
    let said = shown["before_that"].as_str().unwrap();
    assert!(said.contains(why) && said.contains("ask supervision-1 or supervision-2"), "{said}");
    let path = home.path("proof.json");
    let proof = path.to_str().unwrap();
    let said = home.failure(2, "member-2", &["prove", CAR, "--to", proof]);
    assert!(said.contains("not all of its history is here") && said.contains(why), "{said}");
    let said = home.failure(2, "member-2", &["show", "vin:NEVER"]);
    assert!(said.contains("of its past nothing is here") && said.contains(why), "{said}");
    let said = home.failure(2, "member-2", &["show", &"7".repeat(64)]);
    assert!(said.contains(why), "{said}");
    let verify = ["verify", proof, "--network", "network.toml"];
    home.json("member-2", &["prove", CAR, "--only-now", "--to", proof]);
    assert_eq!(home.json("", &verify)["owner"], *bob);
    // Of what began later it has everything.
    assert!(home.json("member-2", &["show", "toy:B1"])["before_that"].is_null());
    home.json("member-2", &["prove", "toy:B1", "--to", proof]);
    assert_eq!(home.json("", &verify)["history"].as_array().unwrap().len(), 1);
    home.json("member-1", &["prove", CAR, "--to", proof]);
    assert_eq!(home.json("", &verify)["history"].as_array().unwrap().len(), 3);

    // It comes up again as what it is; and what it was given is not kept for ever.
    stop(&mut nodes, "member-2");
    nodes.push(("member-2".into(), home.start("member-2")));
    home.json("member-2", &register(&deed, "toy:B2", "bob"));
    home.agreed(&all);
    assert!(!home.path("member-2").join("state/snapshot").exists());
    logged(&home, "supervision-1", "snapshot.made");
    until("it is removed", || (!served(&home, "supervision-1").exists()).then_some(()));
}

#[test]
fn ld12_a_wrong_chunk_is_refused_and_another_supplier_asked() {
    let home = Home::new(1, 3, &[]);
    for node in ["member-2", "member-3"] {
        // With patience: the one that lies is to be asked, however slow it is.
        home.append(node, "\n[snapshots]\njoin_above = 10\n\n[pace]\nagain_ms = 10000\n");
    }
    let mut nodes: Vec<_> =
        ["supervision-1", "member-1"].map(|name| (name.to_owned(), home.start(name))).into();
    grown(&home, 80);
    nodes.push(("member-2".into(), home.start("member-2")));
    logged(&home, "member-2", "snapshot.taken");
    damage(&home, "member-1", 3);
    nodes.push(("member-3".into(), home.start("member-3")));
    logged(&home, "member-3", "snapshot.taken");
    let log = log(&home, "member-3");
    assert!(log.contains("chunk.refused"), "{log}");
    home.agreed(&["supervision-1", "member-1", "member-2", "member-3"]);
    // One that itself joined so gives snapshots as well.
    assert!(served(&home, "member-2").exists());
}

#[test]
fn ld12_killed_while_it_takes_a_snapshot_it_goes_on_with_what_it_has() {
    let home = Home::new(1, 3, &[]);
    let pace = "\n[pace]\nagain_ms = 200\nrest_ms = 200\n";
    for node in ["member-2", "member-3"] {
        home.append(node, &format!("\n[snapshots]\njoin_above = 10\n{pace}"));
    }
    let mut nodes: Vec<_> =
        ["supervision-1", "member-1"].map(|name| (name.to_owned(), home.start(name))).into();
    let deed = grown(&home, 80);
    // At any moment; one that was done before begins again, with an empty disk.
    let state = home.path("member-2").join("state");
    for turn in 0..20 {
        let running = home.start("member-2");
        std::thread::sleep(Duration::from_millis(turn * 4));
        running.kill();
        if state.join("rows").exists() {
            fs::remove_dir_all(state.join("rows")).unwrap();
        }
    }
    nodes.push(("member-2".into(), home.start("member-2")));
    home.agreed(&["supervision-1", "member-1", "member-2"]);
    assert!(home.json("member-2", &["status"])["blocks_from"].is_u64());

    // In the middle: one chunk is wrong, and nobody else is there.
    damage(&home, "member-1", 3);
    stop(&mut nodes, "supervision-1");
    stop(&mut nodes, "member-2");
    let running = home.start("member-3");
    logged(&home, "member-3", "chunk.refused");
    let status = home.json("member-3", &["status"]);
    assert_eq!((&status["state"], &status["chunks"]), (&"takes a snapshot".into(), &3.into()));
    // A second process of this node has nothing to do with it.
    let said = home.failure(3, "member-3", &["run"]);
    assert!(said.contains("another process takes a snapshot for this node"), "{said}");
    let said = home.failure(2, "member-3", &["show", CAR]);
    assert!(said.contains("member-3 takes a snapshot of the chain first"), "{said}");
    running.kill();
    let state = home.path("member-3").join("state");
    assert!(!state.join("rows").exists());
    // As if it had been killed while it wrote one more.
    let chunks = state.join("snapshot/chunks");
    let half = [fs::read(&chunks).unwrap(), vec![0, 0, 9, 9, 1, 1]].concat();
    fs::write(&chunks, half).unwrap();
    // Whoever gave it forgets it when it is started again, and gives the same one, since no block came meanwhile.
    stop(&mut nodes, "member-1");
    nodes.push(("member-1".into(), home.start("member-1")));
    nodes.push(("member-3".into(), home.start("member-3")));
    logged(&home, "member-3", "snapshot.resumed");
    logged(&home, "member-3", "snapshot.taken");
    let said = log(&home, "member-3");
    assert!(said.contains("snapshot.gone"), "{said}");
    assert_eq!(said.matches("snapshot.begun").count(), 1, "it went on with what it had: {said}");
    for name in ["supervision-1", "member-2"] {
        nodes.push((name.into(), home.start(name)));
    }
    home.party("member-3", "carol");
    home.json("member-3", &register(&deed, "toy:C1", "carol"));
    home.agreed(&["supervision-1", "member-1", "member-2", "member-3"]);
}

#[test]
fn ld12_without_need_or_without_a_supplier_all_blocks_are_taken() {
    let home = Home::new(1, 3, &[]);
    home.append("supervision-1", "\n[snapshots]\nserve = false\n");
    home.append("member-2", "\n[snapshots]\nserve = false\njoin_above = 100000\n");
    home.append("member-3", "\n[snapshots]\njoin_above = 1\n");
    let mut nodes: Vec<_> =
        ["supervision-1", "member-1"].map(|name| (name.to_owned(), home.start(name))).into();
    let deed = grown(&home, 3);
    home.json("member-1", &register(&deed, CAR, "alice"));
    // One would give a snapshot, and there are not so many blocks.
    nodes.push(("member-2".into(), home.start("member-2")));
    logged(&home, "member-2", "snapshot.not_needed");
    // Nobody gives one.
    stop(&mut nodes, "member-1");
    home.append("member-1", "\n[snapshots]\nserve = false\n");
    nodes.push(("member-1".into(), home.start("member-1")));
    nodes.push(("member-3".into(), home.start("member-3")));
    logged(&home, "member-3", "snapshot.nobody_has_one");
    home.agreed(&["supervision-1", "member-1", "member-2", "member-3"]);
    for node in ["member-2", "member-3"] {
        assert!(home.json(node, &["status"])["blocks_from"].is_null());
        let shown = home.json(node, &["show", CAR]);
        assert_eq!(shown["history"][0]["what"], "registration requested");
        assert!(shown["before_that"].is_null());
    }
    // Whoever orders has all blocks.
    stop(&mut nodes, "supervision-1");
    home.append("supervision-1", "join_above = 5\n");
    let said = home.failure(3, "supervision-1", &["run"]);
    assert!(said.contains("it orders, and so takes all blocks"), "{said}");
}

#[test]
fn ld12_a_supervision_node_that_does_not_order_audits_after_a_snapshot() {
    let home = Home::new(2, 1, &["--ordering", "single"]);
    let text = fs::read_to_string(home.path("supervision-2/node.toml")).unwrap();
    let more =
        "[snapshots]\njoin_above = 10\n\n[audit]\nask_people = [\"toy\"]\ntakeover_ms = 50\n";
    fs::write(home.path("supervision-2/node.toml"), format!("{text}\n{more}")).unwrap();
    let mut nodes: Vec<_> =
        ["supervision-1", "member-1"].map(|name| (name.to_owned(), home.start(name))).into();
    let deed = grown(&home, 30);
    // It has to ask people, too, so that the other one can be first.
    stop(&mut nodes, "supervision-1");
    home.append("supervision-1", "\n[audit]\nask_people = [\"toy\"]\n");
    nodes.push(("supervision-1".into(), home.start("supervision-1")));
    let ask = |thing: &str| {
        let register = [&register(&deed, thing, "alice")[..], &["--no-wait"]].concat();
        home.json("member-1", &register)["transaction"].as_str().unwrap().to_owned()
    };
    let approved = |node: &str, file: &str| {
        until("a person says yes", || {
            home.run(node, &["audit", "--approve", file]).status.success().then_some(())
        });
        until("it is registered", || {
            (home.json("member-1", &["status", file])["state"] == "registered").then_some(())
        });
    };
    let early = ask(CAR);
    until("it waits for a person", || {
        let audit = home.json("supervision-1", &["audit"]);
        audit["waiting"].as_array().unwrap().iter().any(|it| it["file"] == *early).then_some(())
    });
    nodes.push(("supervision-2".into(), home.start("supervision-2")));
    // What was asked for before has to be judged by who knows it; what comes later may be judged by either.
    logged(&home, "supervision-2", "audit.left_to_others");
    approved("supervision-1", &early);
    let later = ask("toy:1");
    approved("supervision-2", &later);
    let shown = home.json("member-1", &["show", "toy:1"]);
    assert_eq!(shown["history"][1]["auditor"], "supervision-2");
    assert!(home.json("supervision-2", &["status"])["blocks_from"].is_u64());
    let why = home.json("supervision-2", &["show", CAR])["before_that"].as_str().map(str::to_owned);
    assert!(why.is_some_and(|why| why.ends_with("ask supervision-1")));
    home.agreed(&["supervision-1", "supervision-2", "member-1"]);
}

#[test]
fn what_is_purged_after_a_snapshot_is_still_something_of_its_thing() {
    let home = Home::new(1, 2, &["--keep", "12"]);
    home.append("member-2", "\n[snapshots]\njoin_above = 10\n");
    let mut nodes: Vec<_> =
        ["supervision-1", "member-1"].map(|name| (name.to_owned(), home.start(name))).into();
    let deed = grown(&home, 20);
    let file = home.json("member-1", &register(&deed, CAR, "alice"));
    let file = file["file"].as_str().unwrap();
    nodes.push(("member-2".into(), home.start("member-2")));
    logged(&home, "member-2", "snapshot.taken");
    home.json("member-1", &["retire", CAR, "--as", "alice"]);
    for number in 0..7 {
        home.json("member-1", &register(&deed, &format!("toy:{number}"), "alice"));
    }
    assert_eq!(home.json("supervision-1", &["purge", file])["purged"], 1);
    home.agreed(&["supervision-1", "member-1", "member-2"]);
    for what in [CAR, file] {
        let shown = home.json("member-2", &["show", what]);
        assert_eq!(shown["history"][0]["what"], "retired");
        assert!(shown["before_that"].is_string());
    }
    // A thing that nothing has happened to since is shown as it is.
    let shown = home.json("member-2", &["show", "load:L1"]);
    assert_eq!(
        (&shown["state"], shown["history"].as_array().unwrap().len()),
        (&"registered".into(), 0)
    );
    assert!(shown["before_that"].is_string());
}
