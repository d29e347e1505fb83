//! What is wrong with a configuration is said in one sentence, before anything starts.

use crate::home::{Home, init};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let wrong = |from: &str, to: &str, words: &str| {
        let home = Home::new();
        home.change(from, to);
        let said = home.failure(3, &["check"]);
        assert!(said.contains("site.toml: ") && said.contains(words), "{said}");
    };
    wrong("rules = 1", "rulez = 1", "unknown field `rulez`");
    wrong("site = \"hq\"", "site = \"Head Office\"", "the site \"Head Office\" is none");
    wrong("id = \"archive\"", "id = \"ledger\"", "ledger: ");
    wrong("files/archive", "files/ledger", "two parties have the folder files/ledger");
    wrong("to = \"ledger\"", "to = \"leger\"", "a grant names leger, which is no party");
    wrong("public_key = \"", "public_key = \"x", "the public key of r1 is none");
    wrong("127.0.0.1:", "localhost ", "listen");
    wrong("[forwarder]", "[forwarder]\nfreshness_ms = 0", "no request would be fresh");
    wrong("rules = 1", "rules = 1\nlink = \"sctp\"", "unknown variant `sctp`");
    let client = "root = \"files/merchant\"";
    let also = |more: &str| format!("{client}\n{more}");
    wrong(client, &also("bytes_per_s = 1000"), "merchant: bytes_per_s is below 1048576");
    wrong(client, &also("delivery = \"pulled\""), "unknown variant `pulled`");
    wrong(client, &also("names = { \"../x\" = \"y\" }"), "merchant: names: ");
    let hours =
        |zone: &str| also(&format!("hours = {{ from = \"8:00\", until = \"9:00\"{zone} }}"));
    wrong(client, &hours(""), "\"8:00\" is no time of a day");
    wrong(client, &hours(", zone = \"../x\""), "the zone \"../x\" is none");
    wrong("rules = 1", "rules = 1\nzone = \"Nowhere/None\"", "the zone Nowhere/None: ");
    let ledger = "id = \"ledger\"\n";
    wrong(ledger, &format!("{ledger}signs_with = 2\n"), "ledger signs with key 2, which is none");
    let keys = |keys: &str| format!("{ledger}public_keys = [{keys}]\n");
    let key = "public_key = \"00\"";
    wrong(ledger, &keys(&format!("{{ number = 1, {key} }}")), "ledger has two keys of number 1");
    wrong(ledger, &keys(&format!("{{ number = 2, {key} }}")), "the public key of ledger is none");
    for (keeping, words) in [
        ("jobs_ms = 86_405_000", "a request could be used twice"),
        ("receipts_ms = 1", "not longer than receipts_ms"),
        ("every_ms = 1", "every_ms is below 100"),
    ] {
        let home = Home::new();
        home.append(&format!("\n[keeping]\n{keeping}\n"));
        assert!(home.failure(3, &["check"]).contains(words), "{keeping}");
    }
    let home = Home::new();
    home.append("\n[pace]\nagain_ms = 0\n");
    assert!(home.failure(3, &["check"]).contains("a pace is 0"));
    fs::remove_file(home.path("site.toml")).unwrap();
    assert!(home.failure(3, &["check"]).contains("site.toml: No such file"));
}

#[test]
fn a_site_that_cannot_be_made_leaves_nothing() {
    let home = Home::new();
    let other = home.path("other");
    let make = |options: &[&str]| init(&other, options);
    for (options, words) in [
        (&["--prefix", "B "][..], "--prefix: "),
        // It is well with the shorter names, and not with all.
        (&["--prefix", &"b".repeat(38)], "--prefix: "),
        (&["--site", "B"], "--site: "),
        (&["--ports", "7420"], "--ports takes two ports"),
    ] {
        let made = make(options);
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(made.status.code() == Some(2) && said.contains(words), "{options:?}: {said}");
        assert!(!other.exists(), "{options:?}");
    }
    assert!(make(&["--prefix", "b-"]).status.success());
    assert_eq!(make(&[]).status.code(), Some(3), "it is there");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let home = Home::new();
    assert!(home.failure(2, &["run", "--only", "r2"]).contains("r2 is no server of this site"));
    assert!(home.failure(2, &["backstage"]).contains("say which with --id: ledger, archive"));
    let seed = home.path("keys/r1.seed");
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.failure(3, &["forwarder"]).contains("chmod 600"));
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o600)).unwrap();
    let right = fs::read(&seed).unwrap();
    fs::write(&seed, "00".repeat(32)).unwrap();
    let said = home.failure(3, &["forwarder"]);
    assert!(said.contains("its public half is not the one in the configuration"), "{said}");
    fs::write(&seed, right).unwrap();
    // Another party's certificate.
    let own = home.path("certificates/r1.pem");
    let right = fs::read(&own).unwrap();
    fs::copy(home.path("certificates/ledger.pem"), &own).unwrap();
    let said = home.failure(3, &["forwarder"]);
    assert!(said.contains("r1.pem: "), "{said}");
    fs::write(&own, right).unwrap();
    fs::remove_dir_all(home.path("files/archive")).unwrap();
    assert!(home.failure(1, &["forwarder"]).contains("a store's folder cannot be used"));
    fs::create_dir(home.path("files/archive")).unwrap();
    // Once is enough.
    let _running = home.start(&["forwarder"]);
    let said = home.failure(1, &["forwarder"]);
    assert!(said.contains("in use already"), "{said}");
    assert!(home.failure(7, &["status", "--of", "ledger"]).contains("it does not run here"));
    assert!(home.failure(2, &["status", "--id", "12"]).contains("no id of 32 digits"));
}

#[test]
fn what_is_wrong_with_sftp_is_said_too() {
    let section = |id: &str, desk: &str| {
        format!(
            "\n[sftp]\nid = \"{id}\"\nlisten = \"127.0.0.1:1\"\nhost_key = \"k\"\ndesk = \"{desk}\"\n"
        )
    };
    let client = |home: &Home, to: &str| {
        let root = "root = \"files/merchant\"";
        home.change(root, &format!("{root}\nsftp = {{ keys = [], to = {{ {to} = \"x\" }} }}"));
    };
    let said = |home: &Home| home.failure(3, &["check"]);
    let home = Home::new();
    client(&home, "ledger");
    assert!(said(&home).contains("merchant has sftp, the site has none"));
    home.append(&section("sftp", "merchant"));
    assert!(said(&home).contains("the desk merchant is no backstage server of this site"));
    home.change("desk = \"merchant\"", "desk = \"ledger\"");
    home.change("id = \"sftp\"", "id = \"r1\"");
    assert!(said(&home).contains("the SFTP server has the name of a party: r1"));
    home.change("id = \"r1\"\nlisten = \"127.0.0.1:1\"", "id = \"sftp\"\nlisten = \"127.0.0.1:1\"");
    assert!(home.run(&["check"]).status.success());
    assert!(home.failure(2, &["run", "--only", "merchant"]).contains("served by the SFTP server"));
    assert!(home.failure(3, &["sftp"]).contains("k: "));
    assert!(home.failure(2, &["status", "--of", "sftp"]).contains("is not asked itself"));
    let home = Home::new();
    client(&home, "leger");
    home.append(&section("sftp", "ledger"));
    assert!(said(&home).contains("merchant pushes to leger, which is no party"));
}
