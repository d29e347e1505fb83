//! What is wrong is said in one sentence, with an exit code of its own.

use crate::home::Home;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn what_cannot_work_is_said_in_one_sentence() {
    let home = Home::new(1, 1, &[]);
    let said = home.failure(7, "member-1", &["status"]);
    assert!(said.contains("the node member-1 cannot be asked: it does not run here"), "{said}");
    let said = home.failure(3, "member-1", &["status", "-c", "nowhere.toml"]);
    assert!(said.contains("nowhere.toml: it is not there; go to a node's folder"), "{said}");
    let said = home.failure(2, "", &["network", "other", "--ask-people", "A B", "--only-make"]);
    assert!(said.contains("the type \"A B\"") && !home.path("other").exists(), "{said}");
    let said =
        home.failure(3, "member-1", &["transfer", "offer", "vin:1", "--to", "1", "--as", "x"]);
    assert!(said.contains("parties/x.seed: x has no key there; `ledger_node party x`"), "{said}");
    let said = home.failure(6, "", &["verify", "roots.pem"]);
    assert!(said.contains("not in the form of a proof"), "{said}");
    // A key that others may read is not used.
    let key = home.path("member-1/signing.seed");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let said = home.failure(3, "member-1", &["run"]);
    assert!(said.contains("chmod 600"), "{said}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    // Somebody else's key is not this node's.
    fs::copy(home.path("supervision-1/signing.seed"), &key).unwrap();
    let said = home.failure(3, "member-1", &["run"]);
    assert!(said.contains("its public half is not in the node's identity record"), "{said}");
    home.append("supervision-1", "\n[pace]\nagain_ms = 0\n");
    let said = home.failure(3, "supervision-1", &["run"]);
    assert!(said.contains("a pace is 0"), "{said}");
    let path = home.path("network.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("localhost/", "localhosT/", 1)).unwrap();
    let said = home.failure(3, "member-1", &["run"]);
    assert!(said.contains("the genesis is damaged"), "{said}");
}
