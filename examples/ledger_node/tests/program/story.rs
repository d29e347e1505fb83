//! From the request to the new owner's registration, and the proof of it, between processes.

use crate::home::{Home, until};
use std::fs;

const CAR: &str = "vin:WVWZZZ1JZXW000001";

#[test]
fn a_thing_is_registered_audited_transferred_and_proved() {
    let home = Home::new(1, 2, &["--ask-people", "vehicle"]);
    let _nodes = home.start_all();
    let alice = home.party("member-1", "alice");
    let bob = home.party("member-2", "bob");
    let deed = home.write("deed.txt", b"this car is hers");

    // A person has to approve: the command waits, or comes back.
    let register =
        ["register", &deed, "--thing", CAR, "--type", "vehicle", "--as", "alice", "--no-wait"];
    let file = home.json("member-1", &register)["transaction"].as_str().unwrap().to_owned();
    let waiting = until("the audit waits for a person", || {
        let audit = home.json("supervision-1", &["audit"]);
        audit["waiting"].as_array().unwrap().first().cloned()
    });
    assert_eq!(waiting["file"], *file);
    assert_eq!(waiting["owner"], *alice);
    assert_eq!(waiting["media_type"], "text/plain");
    let saved = home.path("seen.txt");
    home.json("supervision-1", &["document", &file, "--to", saved.to_str().unwrap()]);
    assert_eq!(fs::read(&saved).unwrap(), b"this car is hers");
    assert_eq!(home.json("member-1", &["show", CAR])["state"], "not registered");
    home.json("supervision-1", &["audit", "--approve", &file]);
    let outcome = until("the registration", || {
        let outcome = home.json("member-1", &["status", &file]);
        (outcome["is_over"] == true).then_some(outcome)
    });
    assert_eq!(outcome["state"], "registered");
    let again = home.failure(2, "supervision-1", &["audit", "--approve", &file]);
    assert!(again.contains("no audit of"), "{again}");

    // A second file for the same thing is refused by the chain itself.
    let said = home.failure(4, "member-1", &register[..8]);
    assert!(said.contains("has a live file") && said.contains("(70"), "{said}");

    // From member to member; then the chain has the outcome.
    let offer = home.json("member-1", &["transfer", "offer", CAR, "--to", &bob, "--as", "alice"]);
    let offer = offer["offer"].as_str().unwrap().to_owned();
    until("the offer arrives", || {
        let offers = home.json("member-2", &["transfer", "list"]);
        offers.as_array().unwrap().iter().any(|it| it["offer"] == *offer).then_some(())
    });
    until("the other side may read the document", || {
        let saved = home.path("bobs.txt");
        let document = ["document", &file, "--to", saved.to_str().unwrap()];
        home.run("member-2", &document).status.success().then_some(())
    });
    assert_eq!(fs::read(home.path("bobs.txt")).unwrap(), b"this car is hers");
    home.json("member-2", &["transfer", "accept", &offer, "--as", "bob"]);
    let shown = home.json("member-2", &["show", CAR]);
    assert_eq!(shown["owner"]["name"], "bob");
    assert_eq!(shown["state"], "awaiting registration by the new owner");

    // The new owner registers anew.
    let deed = home.write("his.txt", b"this car is his");
    let register =
        ["register", &deed, "--thing", CAR, "--type", "vehicle", "--as", "bob", "--no-wait"];
    let new = home.json("member-2", &register)["transaction"].as_str().unwrap().to_owned();
    until("the second audit", || {
        let audit = home.json("supervision-1", &["audit"]);
        (audit["waiting"][0]["file"] == *new).then_some(())
    });
    home.json("supervision-1", &["audit", "--approve", &new]);
    until("the second registration", || {
        (home.json("member-2", &["status", &new])["state"] == "registered").then_some(())
    });
    let shown = home.json("member-2", &["show", CAR]);
    assert_eq!(shown["file"], *new);
    let history = shown["history"].as_array().unwrap();
    let what: Vec<_> = history.iter().map(|row| row["what"].as_str().unwrap()).collect();
    let all = [
        "registration requested",
        "approved",
        "ownership went over",
        "registration requested",
        "approved",
    ];
    assert_eq!(what, all);

    // A stranger needs the proof and the public file, and no node.
    let proof = home.path("proof.json");
    let proof = proof.to_str().unwrap();
    home.json("member-2", &["prove", CAR, "--to", proof]);
    drop(_nodes);
    let verify = ["verify", proof, "--network", "network.toml"];
    let proved = home.json("", &verify);
    assert_eq!(proved["owner"], *bob);
    assert_eq!(proved["file"], *new);
    assert_eq!(proved["history"].as_array().unwrap().len(), 3);
    let text = fs::read_to_string(proof).unwrap();
    tampered(&home, &text);
    let other = Home::new(1, 1, &[]);
    let other = other.path("network.toml");
    let said = home.failure(6, "", &["verify", proof, "--network", other.to_str().unwrap()]);
    assert!(said.contains("another chain"), "{said}");
}

/// Every part of a proof counts.
fn tampered(home: &Home, text: &str) {
    let path = home.path("tampered.json");
    let verify = ["verify", path.to_str().unwrap(), "--network", "network.toml"];
    let mut refused = 0;
    for (at, letter) in text.char_indices().filter(|(_, it)| it.is_ascii_alphanumeric()).step_by(97)
    {
        // Digits above nine may be written as either.
        let other = if letter.eq_ignore_ascii_case(&'A') { "B" } else { "A" };
        let mut changed = text.to_owned();
        changed.replace_range(at..=at, other);
        fs::write(&path, &changed).unwrap();
        let output = home.run("", &verify);
        assert_eq!(output.status.code(), Some(6), "letter {at} of {changed}");
        refused += 1;
    }
    assert!(refused > 40, "{refused}");
    let mut parts: serde_json::Value = serde_json::from_str(text).unwrap();
    let records = parts["records"].as_array_mut().unwrap();
    records.pop();
    fs::write(&path, parts.to_string()).unwrap();
    let said = home.failure(6, "", &verify);
    assert!(said.contains("does not end with the owner"), "{said}");
}

#[test]
fn an_audit_rejects_with_its_reasons() {
    let home = Home::new(1, 1, &["--ask-people", "property"]);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let odd = home.write("odd.bin", b"what is this");
    let args = ["--thing", CAR, "--type", "vehicle", "--as", "alice"];
    let said = home.failure(2, "member-1", &[&["register", &odd], &args[..]].concat());
    assert!(said.contains("--media-type"), "{said}");
    let odd = ["register", &odd, "--media-type", "application/zip"];
    let said = home.failure(5, "member-1", &[&odd, &args[..]].concat());
    assert!(said.contains("the rules for its type are not met"), "{said}");
    // A person says no; the words stay at the supervision node.
    let deed = home.write("deed.pdf", b"%PDF");
    let args = ["--thing", "land:1/2", "--type", "property", "--as", "alice", "--no-wait"];
    let asked = home.json("member-1", &[&["register", &deed], &args[..]].concat());
    let file = asked["transaction"].as_str().unwrap().to_owned();
    until("the audit waits for a person", || {
        home.json("supervision-1", &["audit"])["waiting"].as_array().unwrap().first().map(drop)
    });
    let reject = ["audit", "--reject", &file, "--reason", "the survey is missing"];
    home.json("supervision-1", &reject);
    let outcome = until("the rejection", || {
        let outcome = home.json("member-1", &["status", &file]);
        (outcome["is_over"] == true).then_some(outcome)
    });
    assert_eq!(outcome["state"], "rejected");
    assert_eq!(outcome["why"], "a person has decided against it");
    assert_eq!(home.json("member-1", &["show", "land:1/2"])["state"], "not registered");
    // That nobody owns a thing is proved, too.
    let proof = home.path("nobody.json");
    home.json("member-1", &["prove", "land:1/2", "--to", proof.to_str().unwrap()]);
    let proved = home.json("", &["verify", proof.to_str().unwrap(), "--network", "network.toml"]);
    assert!(proved["owner"].is_null());
}

#[test]
fn ownership_goes_over_when_the_witness_says_it_was_paid() {
    let home = Home::new(1, 1, &[]);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-1", "bob");
    let bank = home.json("member-1", &["party", "bank"]);
    let witness = bank["public_key"].as_str().unwrap().to_owned();
    let bank = bank["party"].as_str().unwrap().to_owned();
    let deed = home.write("deed.txt", b"a house");
    let register = ["register", &deed, "--thing", "land:7", "--type", "property", "--as", "alice"];
    home.json("member-1", &register);
    // As long as it is the bank's security, nobody gets it without the bank.
    let reference = ["--reference", "loan 7", "--as", "alice"];
    let lien = ["lien", "offer", "land:7", "--to", &bank];
    let lien = home.json("member-1", &[&lien[..], &reference[..]].concat());
    home.json("member-1", &["lien", "accept", lien["offer"].as_str().unwrap(), "--as", "bank"]);
    let securities = home.json("supervision-1", &["list", "--lienholder", &bank]);
    assert_eq!(securities[0]["type"], "property");
    assert_eq!(home.json("member-1", &["show", "land:7"])["state"], "encumbered");
    let sold = ["transfer", "offer", "land:7", "--to", &bob, "--as", "alice"];
    let sold = home.json("member-1", &sold)["offer"].as_str().unwrap().to_owned();
    let said = home.failure(4, "member-1", &["transfer", "accept", &sold, "--as", "bob"]);
    assert!(said.contains("lien"), "{said}");
    home.json("member-1", &["lien", "release", "land:7", "--as", "bank"]);
    assert_eq!(home.json("member-1", &["list", "--lienholder", &bank]), serde_json::json!([]));
    // The public half of the bank's key is what both sides agree on.
    let offer = ["transfer", "offer", "land:7", "--to", &bob, "--as", "alice"];
    let offer = [&offer[..], &["--pay", "invoice 12", "--witness", &witness]].concat();
    let offer = home.json("member-1", &offer)["offer"].as_str().unwrap().to_owned();
    until("the offer arrives", || {
        let offers = home.json("member-1", &["transfer", "list"]);
        offers.as_array().unwrap().iter().any(|it| it["offer"] == *offer).then_some(())
    });
    home.json("member-1", &["transfer", "accept", &offer, "--as", "bob"]);
    let shown = home.json("member-1", &["show", "land:7"]);
    assert_eq!(
        (&shown["state"], &shown["owner"]["name"]),
        (&"transfer pending".into(), &"alice".into())
    );
    let settle = |key: &str| {
        let key = home.path(&format!("member-1/parties/{key}.seed"));
        let args = ["transfer", "settle", "land:7", "--witness-key", key.to_str().unwrap()];
        home.run("member-1", &args)
    };
    assert_eq!(settle("bob").status.code(), Some(4));
    assert!(settle("bank").status.success());
    let shown = home.json("member-1", &["show", "land:7"]);
    assert_eq!(shown["owner"]["name"], "bob");
    assert_ne!(bank, bob);
}

#[test]
fn a_supervision_node_that_does_not_order_audits_all_the_same() {
    let home = Home::new(2, 1, &["--ordering", "single", "--ask-people", "*"]);
    let text = fs::read_to_string(home.path("supervision-2/node.toml")).unwrap();
    let sooner = text.replace("[audit]\n", "[audit]\ntakeover_ms = 50\n");
    fs::write(home.path("supervision-2/node.toml"), sooner).unwrap();
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let deed = home.write("deed.txt", b"a boat");
    let register = ["register", &deed, "--thing", "boat:1", "--type", "boat"];
    let asked = [&register, &["--as", "alice", "--no-wait"][..]].concat();
    let asked = home.json("member-1", &asked);
    let file = asked["transaction"].as_str().unwrap().to_owned();
    until("the audit waits for a person there", || {
        home.run("supervision-2", &["audit", "--approve", &file]).status.success().then_some(())
    });
    until("it is registered", || {
        (home.json("member-1", &["status", &file])["state"] == "registered").then_some(())
    });
    let shown = home.json("member-1", &["show", "boat:1"]);
    assert_eq!(shown["history"][1]["auditor"], "supervision-2");
    let said = home.failure(2, "member-1", &["audit"]);
    assert!(said.contains("is a member"), "{said}");
}
