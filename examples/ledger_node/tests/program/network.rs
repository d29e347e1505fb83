//! A network by one command.

use crate::home::{PROGRAM, until};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn one_command_runs_a_network_of_four_and_whoever_dies_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("demo");
    let mut network = Command::new(PROGRAM)
        .args(["network", folder.to_str().unwrap(), "--first-port", "0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(network.stdout.take().unwrap()).lines();
    let mut ready = || -> (String, u64) {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        (line["ready"].as_str().unwrap().to_owned(), line["pid"].as_u64().unwrap())
    };
    let nodes: Vec<_> = (0..6).map(|_| ready()).collect();
    let (_, pid) = nodes.iter().find(|(name, _)| name == "supervision-1").unwrap();
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let (name, again) = ready();
    assert_eq!(name, "supervision-1");
    assert_ne!(again, *pid);
    let status = |node: &str| -> Option<Value> {
        let at = folder.join(node);
        let output = Command::new(PROGRAM).args(["status", "--json"]).current_dir(at).output();
        serde_json::from_slice(&output.unwrap().stdout).ok()
    };
    until("all six identities are blocks everywhere", || {
        let heights = nodes.iter().filter_map(|(name, _)| status(name));
        heights.filter(|status| status["height"] == 5).nth(5).map(drop)
    });
    // The nodes end with whoever started them, however that ends.
    network.kill().unwrap();
    network.wait().unwrap();
    until("all nodes have ended", || {
        let pids = nodes.iter().map(|(_, pid)| *pid).filter(|it| it != pid).chain([again]);
        let is_there = |pid: u64| Path::new(&format!("/proc/{pid}/cmdline")).exists();
        pids.map(is_there).all(|it| !it).then_some(())
    });
}
