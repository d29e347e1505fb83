//! What is over is forgotten in its time.

use crate::home::{Home, until};
use std::fs;

#[test]
fn what_is_over_is_forgotten_in_its_time_and_what_is_under_way_is_not() {
    let home = Home::new();
    home.change("[forwarder]", "[forwarder]\nfreshness_ms = 4_000");
    home.append("\n[keeping]\njobs_ms = 15_000\nnotices_ms = 15_000\nevery_ms = 200\n");
    for name in ["a", "b"] {
        fs::write(home.path("files/ledger").join(name), name).unwrap();
    }
    let servers = ["r1", "ledger", "archive", "a-merchant"];
    let only = servers.iter().flat_map(|id| ["--only", id]);
    let args: Vec<&str> = ["run"].into_iter().chain(only).collect();
    let running = home.start(&args);
    let send = |to: &str, name: &str, how: &str| {
        home.json(&["submit", "--as", "ledger", "--to", to, name, how])["id"].clone()
    };
    send("archive", "a", "--wait");
    home.failure(4, &["submit", "--as", "ledger", "--to", "archive", "none", "--wait"]);
    // Its client is away for longer than anything is kept.
    let waits = send("merchant", "b", "--timeout-s=60");
    let count = |of: &[&str], what: &str| {
        let status = home.json(&[&["status"], of].concat());
        let all = if what.is_empty() { &status } else { &status[what] };
        all.as_array().unwrap().len()
    };
    let of_ledger = ["--of", "ledger"];
    assert_eq!((count(&[], ""), count(&of_ledger, "requests")), (3, 3));
    until("the end of what is over", || {
        let left = [
            count(&[], ""),
            count(&of_ledger, "requests"),
            count(&["--of", "archive"], "arrivals"),
        ];
        (left == [1, 1, 0]).then_some(())
    });
    assert_eq!(home.json(&["status"])[0]["id"], waits);
    // The trail goes on, and nothing that is forgotten is asked for again.
    assert_eq!(home.json(&["audit"])["is_whole"], true);
    running.kill();
    let _running = home.start(&args);
    assert_eq!((count(&[], ""), count(&of_ledger, "requests")), (1, 1));
    let _client = home.start(&["client"]);
    until("delivery", || fs::read(home.path("files/merchant/b")).ok());
    until("the end of the last", || (count(&[], "") == 0).then_some(()));
    until("the end of its request", || (count(&of_ledger, "requests") == 0).then_some(()));
    assert!(home.path("files/archive/a").exists(), "files are nobody's to remove");
}
