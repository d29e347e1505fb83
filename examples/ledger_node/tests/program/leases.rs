//! What is let, erased, frozen and retired.

use crate::home::{Home, until};
use std::fs;

#[test]
fn a_thing_is_let_and_the_lease_ends_when_both_sides_say_so() {
    let home = Home::new(1, 2, &[]);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-2", "bob");
    let deed = home.write("deed.txt", b"a boat");
    let register = ["register", &deed, "--thing", "boat:1", "--type", "boat", "--as", "alice"];
    home.json("member-1", &register);
    let lease = ["lease", "offer", "boat:1", "--to", &bob, "--as", "alice"];
    let term = |from: &'static str, until: &'static str| {
        [&lease[..], &["--from", from, "--until", until, "--exclusive"]].concat()
    };
    let said = home.failure(2, "member-1", &term("2090-01-01", "2089-01-01"));
    assert!(said.contains("--until has to be after --from"), "{said}");
    let said = home.failure(2, "member-1", &term("soon", "later"));
    assert!(said.contains("\"soon\" is no time"), "{said}");
    let arrived = |node: &str, offer: &str| {
        until("the offer arrives", || {
            let offers = home.json(node, &["lease", "list"]);
            offers.as_array().unwrap().iter().find(|it| it["offer"] == *offer).cloned()
        })
    };
    let offered =
        |args: &[&str], node: &str| home.json(node, args)["offer"].as_str().unwrap().to_owned();
    let offer = offered(&term("2026-01-01", "2089-01-31T12:00:00Z"), "member-1");
    let seen = arrived("member-2", &offer);
    assert_eq!(seen["what"], "lease");
    assert_eq!(seen["until_time"], "2089-01-31T12:00:00Z");
    assert_eq!(seen["exclusive"], true);
    home.json("member-2", &["lease", "accept", &offer, "--as", "bob"]);
    let shown = home.json("member-2", &["show", "boat:1"]);
    assert_eq!(shown["state"], "encumbered");
    assert_eq!(shown["leases"][0]["lessee"]["name"], "bob");
    // The chain refuses another one in the same time.
    let offer = offered(&term("2088-01-01", "2090-01-01"), "member-1");
    arrived("member-2", &offer);
    let said = home.failure(4, "member-2", &["lease", "accept", &offer, "--as", "bob"]);
    assert!(said.contains("a lease overlaps it"), "{said}");
    // As long as it runs, both sides have to want its end; here the lessee does first.
    let offer = offered(&["lease", "end", "boat:1", "--as", "bob"], "member-2");
    assert_eq!(arrived("member-1", &offer)["what"], "end of a lease");
    home.json("member-1", &["lease", "accept", &offer, "--as", "alice"]);
    let shown = home.json("member-1", &["show", "boat:1"]);
    assert_eq!(
        (&shown["state"], shown["leases"].as_array().unwrap().len()),
        (&"registered".into(), 0)
    );
    let said = home.failure(2, "member-1", &["lease", "end", "boat:1", "--as", "alice"]);
    assert!(said.contains("no such lease of yours is on boat:1"), "{said}");
}

#[test]
fn an_erased_document_is_nowhere_and_what_was_proved_still_is() {
    let home = Home::new(1, 2, &[]);
    let mut nodes = home.start_all();
    home.party("member-1", "alice");
    let bob = home.party("member-2", "bob");
    let deed = home.write("deed.txt", b"a boat, and whose");
    let register = ["register", &deed, "--thing", "boat:1", "--type", "boat", "--as", "alice"];
    let file = home.json("member-1", &register)["file"].as_str().unwrap().to_owned();
    home.json("member-1", &["transfer", "offer", "boat:1", "--to", &bob, "--as", "alice"]);
    let saved = home.path("saved.txt");
    let document = ["document", &file, "--to", saved.to_str().unwrap()];
    until("the other side may read it", || {
        home.run("member-2", &document).status.success().then_some(())
    });
    let proof = home.path("proof.json");
    home.json("member-1", &["prove", "boat:1", "--to", proof.to_str().unwrap()]);
    // The other side cannot; and one that is away does it when it comes back.
    let said = home.failure(4, "member-2", &["erase", &file, "--as", "bob"]);
    assert!(said.contains("not the owner"), "{said}");
    let place = nodes.iter().position(|(name, _)| name == "member-2").unwrap();
    nodes.remove(place).1.kill();
    home.json("member-1", &["erase", &file, "--as", "alice"]);
    nodes.push(("member-2".into(), home.start("member-2")));
    for node in ["member-1", "member-2"] {
        let said = until("it is erased here", || {
            let output = home.run(node, &document);
            (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
        });
        assert!(said.contains("the document was erased in block"), "{said}");
        assert!(!home.json(node, &["show", "boat:1"])["erased"].is_null());
        until("its log says so", || {
            let log = fs::read_to_string(home.path(node).join("log")).unwrap();
            log.contains("document.erased").then_some(())
        });
    }
    let verify = ["verify", proof.to_str().unwrap(), "--network", "network.toml"];
    assert_eq!(home.json("", &verify)["file"], *file);
    let said = home.failure(4, "member-1", &["erase", &file, "--as", "alice"]);
    assert!(said.contains("was erased"), "{said}");
}

#[test]
fn what_is_frozen_stays_as_it_is_and_what_is_retired_is_registered_no_more() {
    let home = Home::new(1, 1, &[]);
    let _nodes = home.start_all();
    home.party("member-1", "alice");
    let deed = home.write("deed.txt", b"a boat");
    let register = ["register", &deed, "--thing", "boat:1", "--type", "boat", "--as", "alice"];
    let file = home.json("member-1", &register)["file"].as_str().unwrap().to_owned();
    let decision = ["--reference", "court of admiralty, 7 B 12/26"];
    let freeze = |verb: &'static str| [&[verb, "boat:1"][..], &decision].concat();
    let retire = ["retire", "boat:1", "--as", "alice"];
    // Only supervision may, and only what there is.
    let said = home.failure(2, "member-1", &freeze("freeze"));
    assert!(said.contains("supervision nodes freeze things"), "{said}");
    let said = home.failure(2, "supervision-1", &[&["freeze", "boat:2"][..], &decision].concat());
    assert!(said.contains("boat:2 is not registered"), "{said}");

    let frozen = home.json("supervision-1", &freeze("freeze"));
    assert_eq!((&frozen["file"], &frozen["is_frozen"]), (&file.as_str().into(), &true.into()));
    until("the member knows", || {
        (home.json("member-1", &["show", "boat:1"])["state"] == "frozen").then_some(())
    });
    let said = home.failure(4, "member-1", &retire);
    assert!(said.contains("frozen"), "{said}");
    // Again changes nothing.
    assert_eq!(home.json("supervision-1", &freeze("freeze")), frozen);
    home.json("supervision-1", &freeze("unfreeze"));
    until("it is let go", || {
        (home.json("member-1", &["show", "boat:1"])["state"] == "registered").then_some(())
    });

    home.json("member-1", &retire);
    let shown = home.json("member-1", &["show", "boat:1"]);
    assert_eq!((&shown["state"], &shown["owner"]), (&"not registered".into(), &().into()));
    let history = shown["history"].as_array().unwrap();
    let words: Vec<_> = history.iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["registration requested", "approved", "frozen", "unfrozen", "retired"]);
    let said = home.failure(2, "member-1", &retire);
    assert!(said.contains("boat:1 is not registered"), "{said}");
}
