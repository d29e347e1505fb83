//! Keys are replaced, nodes come and go.

use crate::home::{Home, until};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const CAR: &str = "vin:CAR";

#[test]
fn keys_of_users_and_of_nodes_are_replaced_and_old_proofs_stay_good() {
    let home = Home::new(4, 1, &[]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-1", "bob");
    let deed = home.write("deed.txt", b"it is hers");
    let register = ["register", &deed, "--thing", CAR, "--type", "toy", "--as", "alice"];
    home.json("member-1", &register);
    let offer = ["transfer", "offer", CAR, "--to", &bob, "--as", "alice"];
    let offer = home.json("member-1", &offer)["offer"].as_str().unwrap().to_owned();
    let early = home.path("early.json");
    home.json("member-1", &["prove", CAR, "--to", early.to_str().unwrap()]);

    // A user's: the party stays who it is.
    let alice = home.json("member-1", &["status"])["node"].clone();
    assert_eq!(alice, "member-1");
    let before = fs::read_to_string(home.path("member-1/parties/alice.seed")).unwrap();
    let rotated = home.json("member-1", &["rotate", "--as", "alice"]);
    assert_eq!(rotated["number"], 2);
    let seed = home.path("member-1/parties/alice.seed");
    let now = fs::read_to_string(&seed).unwrap();
    assert_eq!(fs::metadata(&seed).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(now.ends_with(rotated["party"].as_str().unwrap()) && !now.starts_with(&before));
    assert_eq!(fs::read_to_string(home.path("member-1/parties/alice.seed.1")).unwrap(), before);
    let said = home.failure(2, "member-1", &["party", "alice"]);
    assert!(said.contains("is known to the chain already"), "{said}");
    // What was signed with the key before is good; what comes now is signed with the new one.
    home.json("member-1", &["transfer", "accept", &offer, "--as", "bob"]);
    let register = ["register", &deed, "--thing", "toy:2", "--type", "toy", "--as", "alice"];
    home.json("member-1", &register);
    assert_eq!(home.json("member-1", &["rotate", "--as", "alice"])["number"], 3);

    // The nodes', one after the other: no three of the first keys are left.
    for node in ["supervision-1", "member-1", "supervision-2", "supervision-3", "supervision-4"] {
        let rotated = home.json(node, &["rotate"]);
        assert_eq!(rotated["number"], 2, "{node}");
        let path = home.path(node).join("signing.seed");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().ends_with(" 2"));
        assert_eq!(home.json(node, &["status"])["key"], 2);
    }
    let register = ["register", &deed, "--thing", CAR, "--type", "toy", "--as", "bob"];
    home.json("member-1", &register);
    let late = home.path("late.json");
    home.json("member-1", &["prove", CAR, "--to", late.to_str().unwrap()]);
    // A stranger has nothing but the public file from the beginning.
    let verify = |path: &std::path::Path| {
        home.json("", &["verify", path.to_str().unwrap(), "--network", "network.toml"])
    };
    assert_eq!(verify(&late)["owner"], *bob);
    assert_eq!(verify(&early)["owner"], rotated["party"]);
    // Without what leads to the new keys, or with another order, it proves nothing.
    let text = fs::read_to_string(&late).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let changes = whole["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4);
    let broken = home.path("broken.json");
    let refused = |changed: &serde_json::Value| {
        fs::write(&broken, changed.to_string()).unwrap();
        let verify = ["verify", broken.to_str().unwrap(), "--network", "network.toml"];
        home.failure(6, "", &verify);
    };
    let with = |changes: Vec<serde_json::Value>| {
        let mut changed = whole.clone();
        changed["changes"] = changes.into();
        changed
    };
    refused(&with(Vec::new()));
    refused(&with(changes[..2].to_vec()));
    refused(&with([changes, &changes[3..]].concat()));
    refused(&with(changes.iter().rev().cloned().collect()));
    for part in ["header", "record"] {
        for (at, letter) in changes[3][part].as_str().unwrap().char_indices().step_by(61) {
            let mut text = changes[3][part].as_str().unwrap().to_owned();
            text.replace_range(at..=at, if letter == 'A' { "B" } else { "A" });
            let mut some = changes.to_vec();
            some[3][part] = text.into();
            refused(&with(some));
        }
    }

    // After a stop the nodes go on with the keys that they have now.
    for node in ["supervision-1", "supervision-2", "member-1"] {
        let place = nodes.iter().position(|(name, _)| name == node).unwrap();
        nodes.remove(place).1.kill();
        nodes.push((node.to_owned(), home.start(node)));
    }
    let register = ["register", &deed, "--thing", "toy:3", "--type", "toy", "--as", "alice"];
    home.json("member-1", &register);
    // A key that is not used any more starts nothing.
    let old = fs::read_to_string(home.path("supervision-3/signing.seed.1")).unwrap();
    let place = nodes.iter().position(|(name, _)| name == "supervision-3").unwrap();
    nodes.remove(place).1.kill();
    fs::write(home.path("supervision-3/signing.seed"), old + " 2").unwrap();
    until("it says so", || {
        let output = home.run("supervision-3", &["run"]);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code() == Some(3) && said.contains("key 2 of this node")).then_some(())
    });
}
