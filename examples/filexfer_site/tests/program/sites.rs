//! All routes, within a site and from one to another.

use crate::home::{Home, bytes, until};
use std::fs;

#[test]
fn one_process_runs_a_whole_site_and_files_go_every_way() {
    let home = Home::new();
    let content = bytes(3_000_000, 1);
    fs::write(home.path("files/ledger/out.bin"), &content).unwrap();
    fs::write(home.path("files/merchant/in.bin"), &content).unwrap();
    // What was left behind by a stop, and belongs to no job, goes at the start.
    let left = home.path("files/archive/.filexfer-unpublished");
    fs::create_dir(&left).unwrap();
    fs::write(left.join(format!("{}.content", "ab".repeat(16))), b"left").unwrap();
    let _servers = home.start(&["run"]);
    assert_eq!(fs::read_dir(left).unwrap().count(), 0);
    let send = |args: &[&str]| home.json(&[&["submit", "--wait", "--as", "ledger"], args].concat());
    // To another backstage server, to a client, and from a client.
    let sent = send(&["--to", "archive", "out.bin"]);
    assert_eq!((&sent["state"], &sent["receipts"]), (&"delivered".into(), &3.into()), "{sent}");
    assert_eq!(send(&["--to", "merchant", "out.bin"])["state"], "delivered");
    assert_eq!(send(&["--from", "merchant", "--to", "ledger", "in.bin"])["state"], "delivered");
    for place in ["archive/out.bin", "merchant/out.bin", "ledger/in.bin"] {
        assert!(fs::read(home.path("files").join(place)).unwrap() == content, "{place}");
    }
    // Several at one time, and what is there already is versioned.
    let both = send(&["--to", "archive", "--on-conflict", "version", "out.bin", "in.bin"]);
    let states = both.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["delivered", "delivered"]);
    assert!(fs::read(home.path("files/archive/out.v2.bin")).unwrap() == content);
    // The destination was told.
    let arrived = until("the arrival", || {
        let status = home.json(&["status", "--of", "archive"]);
        let arrivals = status["arrivals"].as_array().unwrap();
        arrivals.iter().find(|one| one["name"] == "out.bin").cloned()
    });
    assert_eq!(arrived["root"], blake3::hash(&content).to_hex().as_str());
    // Asked about one id, each server says what it says of it among all others.
    let id = sent["id"].as_str().unwrap();
    let one = home.json(&["status", "--of", "archive", "--id", id]);
    assert_eq!(one["arrivals"].as_array().unwrap(), &[arrived]);
    let one = home.json(&["status", "--of", "ledger", "--id", id]);
    assert_eq!(one["requests"].as_array().unwrap().len(), 1);
    assert_eq!(one["requests"][0]["state"], "delivered");
    let one = home.json(&["status", "--id", id]);
    assert_eq!((one.as_array().unwrap().len(), &one[0]["name"]), (1, &"out.bin".into()));
    assert_eq!(home.json(&["status", "--id", &"0".repeat(32)]).as_array().unwrap().len(), 0);
    // For people.
    let shown = String::from_utf8(home.run(&["status"]).stdout).unwrap();
    assert_eq!(shown.lines().filter(|line| line.contains("name ")).count(), 5, "{shown}");
}

#[test]
fn a_file_crosses_from_one_site_to_a_client_of_another() {
    crosses("tls", "tls");
}

#[test]
fn between_sites_and_to_clients_it_may_be_quic() {
    crosses("quic", "tls");
    crosses("tls", "quic");
}

/// With a link between the sites, and one within them.
fn crosses(between: &str, within: &str) {
    let (one, two) = (Home::new(), Home::with(&["--site", "branch", "--prefix", "b-"]));
    // Both believe both authorities; `hq` is dialled by `branch`.
    let roots = ["one", "two"].map(|which| {
        let home = if which == "one" { &one } else { &two };
        fs::read_to_string(home.path("roots.pem")).unwrap()
    });
    for home in [&one, &two] {
        fs::write(home.path("roots.pem"), roots.concat()).unwrap();
        home.change("rules = 1", &format!("rules = 1\nlink = \"{within}\""));
    }
    one.append(&format!(
        "\n[[neighbour]]\nlink = \"{between}\"\nsite = \"branch\"\nforwarder = \"b-r1\"\npublic_key = \"{}\"\n\
         party = [{{ id = \"b-merchant\", role = \"client\", public_key = \"{}\" }}]\n",
        two.public_key("[forwarder]"),
        two.public_key("id = \"b-merchant\""),
    ));
    two.append(&format!(
        "\n[[neighbour]]\nlink = \"{between}\"\nsite = \"hq\"\nforwarder = \"r1\"\npublic_key = \"{}\"\naddress = \"127.0.0.1:{}\"\n\
         party = [{{ id = \"ledger\", role = \"backstage\", public_key = \"{}\" }}]\n\
         \n[[grant]]\nfrom = \"@hq\"\nto = \"b-merchant\"\nsize_max = 1_000_000_000\n",
        one.public_key("[forwarder]"),
        one.forwarder_port(),
        one.public_key("id = \"ledger\""),
    ));
    let content = bytes(5_000_000, 3);
    fs::write(one.path("files/ledger/far.bin"), &content).unwrap();
    let _one = one.start(&["run"]);
    let _two = two.start(&["run"]);
    let send = ["submit", "--as", "ledger", "--to", "b-merchant", "far.bin", "--wait"];
    let result = one.json(&send);
    assert_eq!(result["state"], "delivered");
    assert!(fs::read(two.path("files/merchant/far.bin")).unwrap() == content);
    // Receipts of both sites and of the client, verified with the keys that the first site knows.
    let id = result["id"].as_str().unwrap();
    let to = one.path("");
    let save = ["receipts", "save", "--as", "ledger", "--id", id, "--to", to.to_str().unwrap()];
    let saved = one.json(&save);
    let saved: Vec<&str> =
        saved["saved"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let verified = one.json(&[&["receipts", "verify"][..], &saved].concat());
    let parties: Vec<&str> =
        verified.as_array().unwrap().iter().map(|row| row["party"].as_str().unwrap()).collect();
    assert!(parties.contains(&"r1") && parties.contains(&"b-merchant"), "{verified}");
}

#[test]
fn certificates_are_read_again_when_the_program_is_told_to() {
    let home = Home::new();
    home.change("access = {", "link = \"quic\"\naccess = {");
    let servers = home.start(&["run"]);
    let count = |words: &str| servers.log().matches(words).count();
    // What cannot be used changes nothing: this one is another party's.
    let own = home.path("certificates/merchant.pem");
    let right = fs::read(&own).unwrap();
    fs::copy(home.path("certificates/ledger.pem"), &own).unwrap();
    servers.hang_up();
    until("a refusal", || (count("certificate.kept") == 1).then_some(()));
    until("the others", || (count("certificate.renewed") == 4).then_some(()));
    fs::write(&own, right).unwrap();
    servers.hang_up();
    until("all of them", || (count("certificate.renewed") == 9).then_some(()));
    assert_eq!(count("certificate.kept"), 1);
    fs::write(home.path("files/ledger/a"), b"content").unwrap();
    let sent = home.json(&["submit", "--wait", "--as", "ledger", "--to", "merchant", "a"]);
    assert_eq!(sent["state"], "delivered", "{sent}");
}
