//! Sealing keys of nodes are replaced: what was sealed before stays readable, and former keys go when nothing needs them.

use crate::home::{Home, Running, until};
use crate::rowed::{Rowed, seed};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Registers a thing, and returns its file.
pub(crate) fn register(home: &Home, node: &str, user: &str, thing: &str) -> String {
    let deed = home.write("deed.txt", thing.as_bytes());
    let register = ["register", &deed, "--thing", thing, "--type", "toy", "--as", user];
    home.json(node, &register)["file"].as_str().unwrap().to_owned()
}

/// What a node shows of a document, if it opens it.
pub(crate) fn document(home: &Home, node: &str, file: &str) -> Option<String> {
    let saved = home.path("saved.txt");
    let _ = fs::remove_file(&saved);
    let output = home.run(node, &["document", file, "--to", saved.to_str().unwrap()]);
    output.status.success().then(|| fs::read_to_string(&saved).unwrap())
}

/// Blocks pass.
fn pass(home: &Home, node: &str, user: &str, prefix: &str) {
    let load = ["load", "--as", user, "--count", "20", "--at-once", "1", "--prefix", prefix];
    home.json(node, &load);
}

fn mode(home: &Home, node: &str, name: &str) -> u32 {
    fs::metadata(home.path(node).join(name)).unwrap().permissions().mode() & 0o777
}

fn has(home: &Home, node: &str, name: &str) -> bool {
    home.path(node).join(name).exists()
}

fn again(home: &Home, nodes: &mut Vec<(String, Running)>, name: &str, between: impl FnOnce()) {
    let place = nodes.iter().position(|(node, _)| node == name).unwrap();
    nodes.remove(place).1.kill();
    between();
    nodes.push((name.to_owned(), home.start(name)));
}

#[test]
fn ld08_a_sealing_key_is_replaced_and_the_former_one_goes_when_nothing_needs_it() {
    let home = Home::new(1, 2, &["--keep", "30"]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-2", "bob");
    let early = register(&home, "member-1", "alice", "toy:EARLY");
    let gone = register(&home, "member-1", "alice", "toy:GONE");
    home.json("member-1", &["retire", "toy:GONE", "--as", "alice"]);
    let first = seed(&home, "member-1", "sealing.seed");
    for node in ["member-1", "supervision-1", "member-2"] {
        let rotated = home.json(node, &["rotate", "--sealing"]);
        assert_eq!(rotated["number"], 2, "{node}");
        assert_eq!(rotated["sealing_public_key"].as_str().unwrap().len(), 64);
        let status = home.json(node, &["status"]);
        assert_eq!((&status["sealing_key"], &status["key"]), (&2.into(), &2.into()));
        assert_eq!(status["former_sealing_keys"], serde_json::json!([1]));
        for name in ["sealing.seed", "sealing.seed.1", "signing.seed", "signing.seed.1"] {
            assert_eq!(mode(&home, node, name), 0o600, "{node} {name}");
        }
        assert!(seed(&home, node, "sealing.seed").ends_with(" 2"));
        assert!(!has(&home, node, "sealing.seed.next") && !has(&home, node, "signing.seed.next"));
    }
    assert_eq!(seed(&home, "member-1", "sealing.seed.1"), first);
    let second = seed(&home, "member-1", "sealing.seed");
    // One that is replaced alone leaves the other where it is.
    let rotated = home.json("member-1", &["rotate"]);
    assert_eq!((&rotated["number"], &rotated["sealing_key"]), (&3.into(), &Value::Null));
    assert_eq!(home.json("member-1", &["status"])["sealing_key"], 2);
    assert_eq!(seed(&home, "member-1", "sealing.seed"), second);

    // New documents are sealed for the new keys; old ones are read as before, and given to others.
    home.agreed(&["supervision-1", "member-1", "member-2"]);
    let late = register(&home, "member-1", "alice", "toy:LATE");
    let offer = ["transfer", "offer", "toy:EARLY", "--to", &bob, "--as", "alice"];
    home.json("member-1", &offer);
    until("the other side may read the document", || document(&home, "member-2", &early));
    for (file, content) in [(&early, "toy:EARLY"), (&late, "toy:LATE"), (&gone, "toy:GONE")] {
        assert_eq!(document(&home, "member-1", file).as_deref(), Some(content));
    }
    again(&home, &mut nodes, "member-1", || {
        let rowed = Rowed::of(&home, "member-1", 1);
        assert!(rowed.opens(&early, &first) && rowed.opens(&gone, &first));
        assert!(!rowed.opens(&early, &second) && !rowed.opens(&late, &first));
        assert!(rowed.opens(&late, &second));
    });
    // What was shared with the other member is sealed for its newest key, too.
    again(&home, &mut nodes, "member-2", || {
        let rowed = Rowed::of(&home, "member-2", 2);
        assert!(rowed.opens(&early, &seed(&home, "member-2", "sealing.seed")));
        assert!(!rowed.opens(&early, &seed(&home, "member-2", "sealing.seed.1")));
    });

    // Wrapped anew at once; the former key stays as long as a request may come that was sealed for it.
    let rewrapped = home.json("member-1", &["rewrap"]);
    assert_eq!((&rewrapped["documents"], &rewrapped["wrapped"]), (&3.into(), &2.into()));
    assert_eq!(rewrapped["deleted"], serde_json::json!([]));
    assert_eq!(rewrapped["kept"][0]["number"], 1, "{rewrapped}");
    let why = rewrapped["kept"][0]["why"].as_str().unwrap();
    assert!(why.contains("may still come"), "{why}");
    assert!(has(&home, "member-1", "sealing.seed.1"));
    let rewrapped = home.json("member-1", &["rewrap"]);
    assert_eq!((&rewrapped["documents"], &rewrapped["wrapped"]), (&3.into(), &0.into()));

    // A file that was purged has its request in a block.
    pass(&home, "member-1", "alice", "P");
    assert_eq!(home.json("supervision-1", &["purge"])["purged"], 1);
    assert!(document(&home, "member-1", &gone).is_none());
    assert_eq!(home.json("member-1", &["rotate", "--sealing"])["number"], 4);
    let third = seed(&home, "member-1", "sealing.seed");
    let rewrapped = home.json("member-1", &["rewrap"]);
    assert_eq!((&rewrapped["wrapped"], &rewrapped["unreadable"]), (&23.into(), &0.into()));
    // The first key is over by now, the second is not.
    assert_eq!(rewrapped["deleted"], serde_json::json!([1]));
    assert_eq!(rewrapped["kept"][0]["number"], 2);
    assert!(!has(&home, "member-1", "sealing.seed.1") && has(&home, "member-1", "sealing.seed.2"));
    pass(&home, "member-1", "alice", "Q");
    for node in ["member-1", "supervision-1", "member-2"] {
        let rewrapped = home.json(node, &["rewrap"]);
        assert_eq!(rewrapped["kept"], serde_json::json!([]), "{node}");
        assert_eq!(home.json(node, &["status"])["former_sealing_keys"], serde_json::json!([]));
        assert!(!has(&home, node, "sealing.seed.1") && !has(&home, node, "sealing.seed.2"));
    }

    // With the newest key alone everything opens, and with no former one anything.
    again(&home, &mut nodes, "member-1", || {
        let rowed = Rowed::of(&home, "member-1", 1);
        assert_eq!(rowed.len(), 43);
        for file in rowed.files() {
            assert!(rowed.opens(file, &third), "{file}");
            assert!(!rowed.opens(file, &first) && !rowed.opens(file, &second), "{file}");
        }
    });
    for (file, content) in [(&early, "toy:EARLY"), (&late, "toy:LATE")] {
        assert_eq!(document(&home, "member-1", file).as_deref(), Some(content));
    }
    assert_eq!(document(&home, "member-2", &early).as_deref(), Some("toy:EARLY"));
    register(&home, "member-2", "bob", "toy:LAST");
    // Whoever looks from outside finds nothing else than before.
    let proof = home.path("proof.json");
    home.json("member-1", &["prove", "toy:EARLY", "--to", proof.to_str().unwrap()]);
    home.json("", &["verify", proof.to_str().unwrap(), "--network", "network.toml"]);
}

#[test]
fn a_document_on_its_way_opens_with_the_key_that_it_is_sealed_for() {
    let home = Home::new(1, 1, &["--keep", "12", "--ask-people", "boat"]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let deed = home.write("boat.txt", b"a boat");
    let asked = ["register", &deed, "--thing", "boat:1", "--type", "boat", "--as", "alice"];
    let asked = home.json("member-1", &[&asked, &["--no-wait"][..]].concat());
    let file = asked["transaction"].as_str().unwrap().to_owned();
    let waiting = || {
        until("the audit waits for a person", || {
            let audit = home.json("supervision-1", &["audit"]);
            (audit["waiting"][0]["media_type"] == "text/plain").then_some(())
        });
    };
    waiting();
    assert_eq!(home.json("supervision-1", &["rotate", "--sealing"])["number"], 2);
    // What it had in memory is gone; it comes again from the member, under the former key.
    again(&home, &mut nodes, "supervision-1", || {});
    waiting();
    until("the document is here", || document(&home, "supervision-1", &file));
    // As long as that audit waits, the key stays, however many blocks pass.
    pass(&home, "member-1", "alice", "P");
    let rewrapped = home.json("supervision-1", &["rewrap"]);
    assert_eq!(rewrapped["deleted"], serde_json::json!([]));
    let why = rewrapped["kept"][0]["why"].as_str().unwrap();
    assert!(why.contains("an audit waits"), "{why}");
    home.json("supervision-1", &["audit", "--approve", &file]);
    until("the registration", || {
        (home.json("member-1", &["status", &file])["state"] == "registered").then_some(())
    });
    let rewrapped = home.json("supervision-1", &["rewrap"]);
    assert_eq!(rewrapped["deleted"], serde_json::json!([1]));
    assert_eq!(rewrapped["documents"], 0);
    assert!(!has(&home, "supervision-1", "sealing.seed.1"));
    // The next one is sealed for the key that is left.
    assert_eq!(
        home.run("member-1", &["rotate", "--sealing", "--as", "alice"]).status.code(),
        Some(2)
    );
    register(&home, "member-1", "alice", "toy:1");
}

#[test]
fn keys_are_replaced_and_documents_wrapped_anew_whenever_nodes_are_killed() {
    let home = Home::new(4, 1, &["--keep", "30"]);
    for name in ["supervision-1", "supervision-2", "supervision-3", "supervision-4", "member-1"] {
        home.append(name, "\n[pace]\npatience_ms = 500\nagain_ms = 200\npropose_ms = 400\n");
    }
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let many = ["load", "--as", "alice", "--count", "300", "--at-once", "16", "--prefix", "A"];
    home.json("member-1", &many);
    let first = seed(&home, "member-1", "sealing.seed");
    // At any moment: before the key is drawn, while the chain is asked, while it takes its place.
    for node in ["member-1", "supervision-2"] {
        for delay in [0, 5, 20, 60, 150, 300] {
            let mut rotate = home.begin(node, &["rotate", "--sealing"]);
            std::thread::sleep(Duration::from_millis(delay));
            again(&home, &mut nodes, node, || {});
            let _ = rotate.kill();
            rotate.wait().unwrap();
        }
        until("nothing is under way", || {
            let output = home.run(node, &["status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            status["next_key"].is_null().then_some(())
        });
        // Each that was asked for is one, or none if the node was killed before it had heard.
        let status = home.json(node, &["status"]);
        assert_eq!(status["sealing_key"], status["key"], "{node}");
        assert!(status["key"].as_u64().unwrap() > 1, "{node}");
        assert!(!has(&home, node, "sealing.seed.next") && !has(&home, node, "signing.seed.next"));
        assert!(has(&home, node, "sealing.seed.1"));
    }
    pass(&home, "member-1", "alice", "B");
    // And while documents are wrapped anew, and keys go.
    let newest = seed(&home, "member-1", "sealing.seed");
    let mut halfway = 0;
    for delay in (0..24).map(|step| 5 * step) {
        let mut rewrap = home.begin("member-1", &["rewrap"]);
        std::thread::sleep(Duration::from_millis(delay));
        again(&home, &mut nodes, "member-1", || {
            let rowed = Rowed::of(&home, "member-1", 4);
            let anew = rowed.files().filter(|file| rowed.opens(file, &newest)).count();
            let is_kept = has(&home, "member-1", "sealing.seed.1");
            assert!(anew == rowed.len() || is_kept, "{anew} of {}", rowed.len());
            halfway += u32::from(anew > 20 && anew < rowed.len());
        });
        let _ = rewrap.kill();
        rewrap.wait().unwrap();
        if !has(&home, "member-1", "sealing.seed.1") {
            break;
        }
    }
    assert!(halfway > 0);
    until("former keys are gone", || {
        let output = home.run("member-1", &["rewrap", "--json"]);
        let rewrapped: Value = serde_json::from_slice(&output.stdout).ok()?;
        assert_eq!(rewrapped["unreadable"], 0);
        if rewrapped["kept"] != serde_json::json!([]) {
            pass(&home, "member-1", "alice", "C");
            return None;
        }
        Some(())
    });
    again(&home, &mut nodes, "member-1", || {
        let rowed = Rowed::of(&home, "member-1", 4);
        assert!(rowed.len() >= 320);
        for file in rowed.files() {
            assert!(rowed.opens(file, &newest) && !rowed.opens(file, &first), "{file}");
        }
    });
    home.agreed(&["supervision-1", "supervision-2", "supervision-3", "supervision-4", "member-1"]);
}

#[test]
fn a_change_that_was_stopped_between_any_two_files_is_gone_on_with() {
    let home = Home::new(1, 1, &[]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let early = register(&home, "member-1", "alice", "toy:EARLY");
    let path = |name: &str| home.path("member-1").join(name);
    let counts = |number: u16| {
        until("both keys count", || {
            let output = home.run("member-1", &["status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            let is_so = status["key"] == number && status["sealing_key"] == number;
            (is_so && status["next_key"].is_null()).then_some(())
        });
        for name in ["sealing.seed.next", "signing.seed.next"] {
            assert!(!has(&home, "member-1", name), "{name}");
        }
        assert_eq!(document(&home, "member-1", &early).as_deref(), Some("toy:EARLY"));
    };
    // The sealing key is drawn, the signing key is not; another one was being drawn before.
    again(&home, &mut nodes, "member-1", || {
        let text = format!("{} 2", "5e".repeat(32));
        for name in ["sealing.seed.next", "sealing.seed.new", "signing.seed.new"] {
            fs::write(path(name), &text).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
    });
    counts(2);
    assert!(seed(&home, "member-1", "sealing.seed").starts_with("5e5e"));
    // It counts on the chain, and no file has its place yet.
    let back = |name: &str| {
        fs::rename(path(name), path(&format!("{name}.next"))).unwrap();
        fs::rename(path(&format!("{name}.1")), path(name)).unwrap();
    };
    again(&home, &mut nodes, "member-1", || {
        back("sealing.seed");
        back("signing.seed");
    });
    counts(2);
    // The former sealing key has its second name, and the new one not its place.
    again(&home, &mut nodes, "member-1", || {
        back("sealing.seed");
        back("signing.seed");
        fs::hard_link(path("sealing.seed"), path("sealing.seed.1")).unwrap();
    });
    counts(2);
    // The sealing key has its place, the signing key has not.
    again(&home, &mut nodes, "member-1", || back("signing.seed"));
    counts(2);
    assert_eq!(home.json("member-1", &["rotate", "--sealing"])["number"], 3);
    counts(3);
    // As many as may be kept; one more would have no place.
    for number in 4..=16 {
        assert_eq!(home.json("member-1", &["rotate", "--sealing"])["number"], number);
    }
    let said = home.failure(2, "member-1", &["rotate", "--sealing"]);
    assert!(said.contains("`ledger_node rewrap`"), "{said}");
    counts(16);
    // Another sealing key than the chain's starts nothing.
    let place = nodes.iter().position(|(node, _)| node == "member-1").unwrap();
    nodes.remove(place).1.kill();
    fs::copy(path("sealing.seed"), path("mine")).unwrap();
    fs::write(path("sealing.seed"), format!("{} 16", "6e".repeat(32))).unwrap();
    until("it says so", || {
        let output = home.run("member-1", &["run"]);
        let said = String::from_utf8(output.stderr).unwrap();
        let is_so = said.contains("the sealing key of this node is another one");
        (output.status.code() == Some(3) && is_so).then_some(())
    });
    fs::copy(path("mine"), path("sealing.seed")).unwrap();
    // Nor does one that others may read, also if it is a former one.
    fs::set_permissions(path("sealing.seed.1"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = home.failure(3, "member-1", &["run"]);
    assert!(said.contains("sealing.seed.1") && said.contains("others may use it"), "{said}");
}
