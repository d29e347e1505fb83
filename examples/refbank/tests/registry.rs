//! The registry's page, with a member node that is played by this test: it answers on its socket as `ledger_node` does.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use running::{Bank, command, send};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

const OURS: &str = "6204b6f0d0b9e6c9a1f8f1a2f7c3ad13bd0c6bd8f5a9f7f6c2a8d4e1b0a9c8d7";
const HERS: &str = "f80c15bfaee8a7743addb1e825d4df0a0b4ad75f253c6da3e660e7be8deb7758";
const FILE: &str = "e6f0389cd5f11c6a006ee3894653f667d3ce7ada83c1ee9e05481cd1b98d2d74";

/// Answers until the test ends, and hands every question to `answer`.
fn member(socket: &Path, answer: fn(&Value) -> Value) {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("a question");
            let question = serde_json::from_str(&line).expect("JSON");
            writeln!(stream, "{}", answer(&question)).expect("the answer is taken");
        }
    });
}

fn answers(question: &Value) -> Value {
    let ask = question["ask"].as_str().expect("a question");
    let is_known = question["what"] == "vin:A1" || question["what"] == FILE;
    match ask {
        "list" => {
            assert_eq!(question["lienholder"], OURS);
            json!({ "ok": [{
                "thing_key": "892be0", "file": FILE, "owner": HERS, "type": "vehicle", "region": "eu",
                "state": "encumbered", "since": 5, "liens": [],
            }] })
        }
        "show" if is_known => json!({ "ok": {
            "thing": "vin:A1", "thing_key": "892be0", "height": 9, "state": "encumbered",
            "owner": { "party": HERS, "name": "alice <b>" }, "file": FILE, "type": "vehicle", "region": "eu",
            "since": 5, "liens": [{ "holder": OURS, "placed": 8, "reference": "00" }],
            "history": [
                { "height": 4, "time": "2026-11-26T10:54:15.612Z", "what": "registration requested" },
                { "height": 5, "time": "2026-11-26T10:54:15.637Z", "what": "approved",
                  "auditor": "supervision-1", "owner": { "party": HERS, "name": "alice <b>" } },
                { "height": 8, "time": "2026-11-26T11:00:00.000Z", "what": "lien placed" },
            ],
        } }),
        "prove" if is_known => {
            json!({ "ok": { "format": "interbank/ledger_node/proof/v1", "records": ["a\nb"] } })
        }
        _ => json!({ "error": "vin:<i>X was never registered" }),
    }
}

#[test]
fn the_page_shows_securities_with_history_and_hands_out_proofs() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    member(&socket, answers);
    let socket = socket.to_str().expect("a path");
    let arguments = ["--registry", socket, "--registry-party", OURS];
    let bank = Bank::start_with(&folder.path().join("data"), &arguments);
    let get = |path: &str| send(&bank.address, "GET", path, &[], b"");
    let all = get("/registry");
    assert_eq!(all.status, 200);
    assert!(
        all.text().contains("vehicle") && all.text().contains(&format!("/registry?thing={FILE}"))
    );
    for path in ["/registry?thing=vin:A1".to_owned(), format!("/registry?thing={FILE}")] {
        let page = get(&path).text();
        // What a registry says is text, and nothing else.
        assert!(page.contains("alice &#60;b&#62;") && !page.contains("<b>"), "{page}");
        assert!(page.contains("2026-11-26 10:54:15") && page.contains("lien placed"));
        assert!(page.contains(">ours<"), "the bank knows its own lien");
    }
    let proof = get("/registry/proof?thing=vin:A1");
    assert_eq!(proof.header("content-type"), Some("application/json"));
    let disposition = proof.header("content-disposition").expect("a name");
    assert!(disposition.contains("proof.json"));
    let body: Value = serde_json::from_slice(&proof.body).expect("JSON");
    let made = answers(&json!({ "ask": "prove", "what": "vin:A1" }));
    assert_eq!(body, made["ok"], "the proof is what the node made");
    for path in ["/registry?thing=vin:X", "/registry/proof?thing=vin:X"] {
        let unknown = get(path);
        assert_eq!(unknown.status, 404);
        assert!(unknown.text().contains("vin:&#60;i&#62;X was never registered"), "{path}");
    }
}

#[test]
fn a_registry_that_is_away_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("nobody");
    let arguments = ["--registry", socket.to_str().expect("a path"), "--registry-party", OURS];
    let bank = Bank::start_with(&folder.path().join("data"), &arguments);
    for path in ["/registry", "/registry?thing=vin:A1", "/registry/proof?thing=vin:A1"] {
        let away = send(&bank.address, "GET", path, &[], b"");
        assert_eq!(away.status, 503, "{path}");
        assert!(away.text().contains("does not answer"), "{path}");
    }
    let wrong = ["--registry", "socket", "--registry-party", "12"];
    let output = command().args(wrong).output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("a party has 64 digits"), "{said}");
}
