//! What is over goes when its time has come, and what was proved of it still is.

use crate::home::{Home, until};
use serde_json::Value;

/// A network that keeps what is over for a few blocks, with a user and her deed.
fn home(validators: u32) -> (Home, String) {
    let home = Home::new(validators, 2, &["--keep", "12", "--ask-people", "ruin"]);
    let deed = home.write("deed.txt", b"it is hers");
    (home, deed)
}

/// Registers things until so many blocks have passed.
fn pass(home: &Home, deed: &str, from: u64, blocks: u64) {
    for number in 0..blocks.div_ceil(2) {
        let thing = format!("toy:{}", from + number);
        home.json(
            "member-1",
            &["register", deed, "--thing", &thing, "--type", "toy", "--as", "alice"],
        );
    }
}

fn files(listed: &Value) -> Vec<&str> {
    listed["files"].as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap()).collect()
}

#[test]
fn what_is_over_goes_after_its_time_by_a_supervision_node_and_history_still_has_it() {
    let (home, deed) = home(1);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let register = |thing: &'static str, kind: &'static str| {
        ["register", &deed, "--thing", thing, "--type", kind, "--as", "alice"]
    };
    let boat = home.json("member-1", &register("boat:1", "boat"));
    let boat = boat["file"].as_str().unwrap().to_owned();
    let live = home.json("member-1", &register("boat:2", "boat"));
    let live = live["file"].as_str().unwrap().to_owned();
    // A rejected request, and a retired file.
    let asked = home.json("member-1", &[&register("ruin:1", "ruin")[..], &["--no-wait"]].concat());
    let ruin = asked["transaction"].as_str().unwrap().to_owned();
    let reject = ["audit", "--reject", &ruin, "--reason", "it fell down"];
    until("a person decides", || home.run("supervision-1", &reject).status.success().then_some(()));
    until("it is rejected", || {
        (home.json("member-1", &["status", &ruin])["state"] == "rejected").then_some(())
    });
    home.json("member-1", &["retire", "boat:1", "--as", "alice"]);

    // Members do not purge; what is not over, or not for long enough, stays; what there is not is said.
    let said = home.failure(2, "member-1", &["purge"]);
    assert!(said.contains("supervision nodes purge files"), "{said}");
    let listed = home.json("supervision-1", &["purge", "--dry-run"]);
    assert_eq!(listed["count"], 0);
    assert_eq!(home.json("supervision-1", &["purge"])["purged"], 0);
    let said = home.failure(2, "supervision-1", &["purge", &boat]);
    assert!(said.contains("it may go from block"), "{said}");
    let said = home.failure(2, "supervision-1", &["purge", &live]);
    assert!(said.contains("it is registered; what was rejected or retired goes"), "{said}");
    let said = home.failure(2, "supervision-1", &["purge", &"7".repeat(64)]);
    assert!(said.contains("no file 7777"), "{said}");
    let said = home.failure(2, "supervision-1", &["purge", "boat:1"]);
    assert!(said.contains("is no file"), "{said}");

    // A member that is away meanwhile has not read anything of it into its index.
    let place = nodes.iter().position(|(name, _)| name == "member-2").unwrap();
    nodes.remove(place).1.kill();
    pass(&home, &deed, 10, 14);
    let listed = home.json("supervision-1", &["purge", "--dry-run"]);
    assert_eq!(files(&listed), [&ruin, &boat], "the one first that is over for longer");
    assert_eq!(listed["files"][0]["state"], "rejected");
    let purged = home.json("supervision-1", &["purge", &boat]);
    assert_eq!(purged["purged"], 1);
    let listed = home.json("supervision-1", &["purge", "--dry-run"]);
    assert_eq!(files(&listed), [&ruin]);
    assert_eq!(home.json("supervision-1", &["purge"])["purged"], 1);
    assert_eq!(home.json("supervision-1", &["purge"])["purged"], 0);
    let said = home.failure(2, "supervision-1", &["purge", &boat]);
    assert!(said.contains("it may be gone already"), "{said}");

    nodes.push(("member-2".into(), home.start("member-2")));
    home.agreed(&["supervision-1", "member-1", "member-2"]);
    for member in ["member-1", "member-2"] {
        let shown = home.json(member, &["show", "boat:1"]);
        let history = shown["history"].as_array().unwrap();
        let words: Vec<_> = history.iter().map(|it| it["what"].as_str().unwrap()).collect();
        assert_eq!(words, ["registration requested", "approved", "retired"], "{member}");
        // By a file that is gone as well.
        assert_eq!(home.json(member, &["show", &boat])["thing_key"], shown["thing_key"]);
    }
    // Who asked for it learns that it was, and is not any more.
    until("the outcome is stored", || {
        let status = home.json("member-1", &["status", &ruin]);
        (status["state"] == "purged" && status["was"] == "the auditors have decided against it")
            .then_some(())
    });
    // The thing can be registered again, and all of its title is proved.
    home.json("member-1", &register("boat:1", "boat"));
    let proof = home.path("proof.json");
    home.json("member-2", &["prove", "boat:1", "--to", proof.to_str().unwrap()]);
    let verify = ["verify", proof.to_str().unwrap(), "--network", "network.toml"];
    let shown = home.json("", &verify);
    assert!(shown["owner"].is_string(), "{shown}");
}

#[test]
fn a_document_is_erased_also_where_its_file_was_purged_before_anybody_looked() {
    let (home, deed) = home(1);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-2", "bob");
    let register = ["register", &deed, "--thing", "boat:1", "--type", "boat", "--as", "alice"];
    let file = home.json("member-1", &register)["file"].as_str().unwrap().to_owned();
    home.json("member-1", &["transfer", "offer", "boat:1", "--to", &bob, "--as", "alice"]);
    let saved = home.path("saved.txt");
    let document = ["document", &file, "--to", saved.to_str().unwrap()];
    until("the other side may read it", || {
        home.run("member-2", &document).status.success().then_some(())
    });
    let place = nodes.iter().position(|(name, _)| name == "member-2").unwrap();
    nodes.remove(place).1.kill();
    home.json("member-1", &["erase", &file, "--as", "alice"]);
    home.json("member-1", &["retire", "boat:1", "--as", "alice"]);
    pass(&home, &deed, 10, 14);
    assert_eq!(home.json("supervision-1", &["purge"])["purged"], 1);
    nodes.push(("member-2".into(), home.start("member-2")));
    home.agreed(&["supervision-1", "member-1", "member-2"]);
    until("its log says so", || {
        let log = std::fs::read_to_string(home.path("member-2").join("log")).unwrap();
        log.contains("document.erased").then_some(())
    });
}

#[test]
fn more_than_one_transaction_takes_go_in_several_and_two_nodes_may_purge_at_once() {
    let (home, deed) = home(4);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    // Auditors do not take such documents.
    let count = 34;
    for number in 0..count {
        let thing = format!("toy:{number}");
        let register = ["register", &deed, "--thing", &thing, "--type", "toy", "--as", "alice"];
        let more = ["--media-type", "application/zip", "--no-wait"];
        home.json("member-1", &[&register[..], &more].concat());
    }
    until("all are rejected", || {
        (home.json("member-1", &["status"])["waiting"] == 0).then_some(())
    });
    pass(&home, &deed, 100, 14);
    let listed = home.json("supervision-1", &["purge", "--dry-run"]);
    assert_eq!(listed["count"], count);
    let purging = ["supervision-1", "supervision-2"].map(|node| home.begin(node, &["purge"]));
    for purge in purging {
        let output = purge.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    for node in ["supervision-1", "supervision-2"] {
        assert_eq!(home.json(node, &["purge", "--dry-run"])["count"], 0);
    }
    home.agreed(&["supervision-1", "supervision-2", "supervision-3", "member-1", "member-2"]);
    let said = home.failure(2, "", &["network", "never", "--only-make", "--keep", "0"]);
    assert!(said.contains("--keep is at least one block"), "{said}");
}
