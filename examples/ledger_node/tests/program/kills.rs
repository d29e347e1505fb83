//! Nodes that are killed lose nothing.

use crate::home::{Home, until};
use serde_json::Value;

#[test]
fn a_member_that_is_killed_and_restarted_loses_nothing() {
    let home = Home::new(1, 2, &["--ask-people", "*"]);
    let supervision = home.start("supervision-1");
    let (member, other) = (home.start("member-1"), home.start("member-2"));
    home.party("member-1", "alice");
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
