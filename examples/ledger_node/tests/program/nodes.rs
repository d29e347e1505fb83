//! Nodes that come later, and nodes that have to leave.

use crate::home::{Home, Running, until};
use serde_json::Value;

const CAR: &str = "vin:CAR";

/// Waits until a supervision node has heard of what people have to agree on.
fn waiting(home: &Home, node: &str, name: &str) -> Value {
    until("the motion is here", || {
        let nodes = home.json(node, &["node", "list"]);
        nodes["waiting"].as_array().unwrap().iter().find(|it| it["name"] == *name).cloned()
    })
}

/// Adds a node, and has two supervision nodes let it join.
fn joined(home: &Home, name: &str, role: &str) -> Running {
    let added = home.json("", &["node", "add", ".", name, "--role", role]);
    assert!(!added["told"].as_array().unwrap().is_empty());
    let running = home.start(name);
    assert_eq!(home.json(name, &["status"])["state"], "asks to join");
    let motion = waiting(home, "supervision-1", name);
    assert_eq!((&motion["what"], &motion["needed"]), (&"join".into(), &2.into()));
    assert_eq!(motion["public_key"], home.json(name, &["status"])["public_key"]);
    let signed = home.json("supervision-1", &["node", "admit", name]);
    assert_eq!(signed["signed_by"].as_array().unwrap().len(), 1);
    // One is not enough, and the other hears of the first one's.
    until("the other has it with that signature", || {
        (waiting(home, "supervision-2", name)["signed_by"][0] == "supervision-1").then_some(())
    });
    assert_eq!(home.json(name, &["status"])["state"], "asks to join");
    home.json("supervision-2", &["node", "admit", name]);
    until("it has joined", || {
        let output = home.run(name, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["records"].as_u64().map(drop)
    });
    running
}

/// Two supervision nodes revoke a node.
fn revoke(home: &Home, name: &str) {
    home.json("supervision-1", &["node", "revoke", name]);
    waiting(home, "supervision-2", name);
    home.json("supervision-2", &["node", "revoke", name]);
    until("it is revoked", || {
        let nodes = home.json("supervision-1", &["node", "list"]);
        let mut nodes = nodes["nodes"].as_array().unwrap().iter();
        let node = nodes.find(|it| it["name"] == *name).unwrap();
        (!node["revoked"].is_null()).then_some(())
    });
}

#[test]
fn a_member_that_comes_later_serves_users_and_one_that_is_revoked_does_not() {
    let home = Home::new(2, 1, &[]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let deed = home.write("deed.txt", b"it is hers");
    let register = ["register", &deed, "--thing", CAR, "--type", "toy", "--as", "alice"];
    home.json("member-1", &register);
    let said = home.failure(2, "supervision-1", &["node", "admit", "member-9"]);
    assert!(said.contains("no member-9 has asked to join"), "{said}");
    let said = home.failure(2, "", &["node", "add", ".", "member-1"]);
    assert!(said.contains("has a node member-1 already"), "{said}");
    nodes.push(("member-2".into(), joined(&home, "member-2", "member")));
    let bob = home.party("member-2", "bob");
    home.agreed(&["supervision-1", "supervision-2", "member-1", "member-2"]);
    let offer = ["transfer", "offer", CAR, "--to", &bob, "--as", "alice"];
    let offer = home.json("member-1", &offer)["offer"].as_str().unwrap().to_owned();
    until("the offer arrives", || {
        let offers = home.json("member-2", &["transfer", "list"]);
        offers.as_array().unwrap().iter().any(|it| it["offer"] == *offer).then_some(())
    });
    home.json("member-2", &["transfer", "accept", &offer, "--as", "bob"]);
    let register = ["register", &deed, "--thing", CAR, "--type", "toy", "--as", "bob"];
    home.json("member-2", &register);
    home.agreed(&["supervision-1", "supervision-2", "member-1", "member-2"]);
    // It knows that it has joined when it comes up again, and its key can be replaced.
    let place = nodes.iter().position(|(name, _)| name == "member-2").unwrap();
    nodes.remove(place).1.kill();
    nodes.push(("member-2".into(), home.start("member-2")));
    assert_eq!(home.json("member-2", &["rotate"])["number"], 2);
    let register = ["register", &deed, "--thing", "toy:2", "--type", "toy", "--as", "bob"];
    home.json("member-2", &register);
    let proof = home.path("proof.json");
    home.json("member-2", &["prove", CAR, "--to", proof.to_str().unwrap()]);
    let verify = ["verify", proof.to_str().unwrap(), "--network", "network.toml"];
    assert_eq!(home.json("", &verify)["owner"], *bob);

    revoke(&home, "member-2");
    let register = ["register", &deed, "--thing", "toy:3", "--type", "toy", "--as", "bob"];
    let said = home.failure(4, "member-2", &register);
    assert!(said.contains("revoked"), "{said}");
    // What it has done stays done.
    assert_eq!(home.json("member-1", &["show", CAR])["owner"], *bob);
    let said = home.failure(2, "supervision-1", &["node", "revoke", "member-2"]);
    assert!(said.contains("was revoked already"), "{said}");
}

#[test]
fn a_supervision_node_that_comes_later_votes_in_the_place_of_one_that_is_revoked() {
    let home = Home::new(4, 1, &[]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let deed = home.write("deed.txt", b"it is hers");
    let register = |number: u32| {
        let thing = format!("toy:{number}");
        home.json(
            "member-1",
            &["register", &deed, "--thing", &thing, "--type", "toy", "--as", "alice"],
        );
    };
    register(1);
    revoke(&home, "supervision-4");
    register(2);
    nodes.push(("supervision-5".into(), joined(&home, "supervision-5", "supervision")));
    register(3);
    // Of four that vote now, three are needed: the new one is among them.
    nodes.retain(|(name, _)| name != "supervision-3" && name != "supervision-4");
    register(4);
    home.agreed(&["supervision-1", "supervision-2", "supervision-5", "member-1"]);
    let proof = home.path("proof.json");
    home.json("member-1", &["prove", "toy:4", "--to", proof.to_str().unwrap()]);
    let verify = ["verify", proof.to_str().unwrap(), "--network", "network.toml"];
    home.json("", &verify);
}
