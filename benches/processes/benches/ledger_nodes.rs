//! Registrations by `ledger-node` as its users run it: four supervision nodes and a member, each a process of its own on this
//! machine, with TLS 1.3 between them and every block durable; once ordered by votes, once by the first of the four alone, so that
//! the price of the votes shows.
//!
//! A registration counts from the user's signed request, through the audit of the sealed document, to the decided block and its
//! news at the member. `ledger_node load` asks for many at a time: for the rate so many that the nodes are busy, for the finality
//! few, so that nobody waits for others.
//!
//! The files are under `benches/target/`; `INTERBANK_BENCH_DIR` names another disk.

use interbank_benches_processes::{Figures, disk, program};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn main() {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let disk = tempfile::tempdir_in(disk()).unwrap();
    let figures = Figures::new("ledger_nodes");
    let (busy, calm) = if is_quick { (500, 100) } else { (6_000, 1_000) };
    for (name, ordering) in [("votes", "bft"), ("alone", "single")] {
        let network = Network::start(&disk.path().join(name), ordering);
        network.load("WARM", 200, 32);
        let rate = network.load("BUSY", busy, 200);
        figures.put(
            &format!("{name}/rate"),
            rate["per_second"].as_f64().unwrap(),
            "registrations/s",
        );
        let finality = network.load("CALM", calm, 4);
        for share in ["p50", "p99"] {
            let took = finality[format!("{share}_ms")].as_f64().unwrap();
            figures.put(&format!("{name}/{share}"), took, "ms");
        }
        network.assert_one_state();
    }
}

/// Four supervision nodes and a member; they end with this value.
struct Network {
    home: PathBuf,
    nodes: Child,
}

impl Network {
    fn start(home: &Path, ordering: &str) -> Self {
        let nodes = Command::new(ledger_node())
            .args(["network", "--ordering", ordering, "--members", "1", "--first-port", "0"])
            .arg(home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let network = Self { home: home.to_owned(), nodes };
        let end = Instant::now() + Duration::from_secs(60);
        while !network.ask("member-1", &["party", "alice"]).status.success() {
            assert!(Instant::now() < end, "the nodes do not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
        network
    }

    /// Registers so many things, so many at a time; what `load` measured.
    fn load(&self, prefix: &str, count: u32, at_once: u32) -> Value {
        let (count, at_once) = (count.to_string(), at_once.to_string());
        let how = ["--count", &count, "--at-once", &at_once, "--prefix", prefix];
        let output = self.ask("member-1", &[&["load", "--as", "alice"][..], &how].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(measured["registered"].to_string(), count);
        measured
    }

    /// All nodes have come to the same state.
    fn assert_one_state(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        let names = (1..=4).map(|n| format!("supervision-{n}")).chain(["member-1".into()]);
        let names: Vec<String> = names.collect();
        loop {
            let roots: Vec<Value> = names
                .iter()
                .map(|name| {
                    let output = self.ask(name, &["status"]);
                    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
                    status["state_root"].clone()
                })
                .collect();
            if roots.iter().all(|root| root.is_string() && *root == roots[0]) {
                return;
            }
            assert!(Instant::now() < end, "the nodes stay apart: {roots:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn ask(&self, node: &str, args: &[&str]) -> std::process::Output {
        let folder = self.home.join(node);
        let mut command = Command::new(ledger_node());
        command.arg("--json").args(args);
        // Until the network is made there is no such folder.
        if folder.is_dir() {
            command.current_dir(folder);
        }
        command.output().unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The nodes end when this process does not hold their standard input any more.
        let _ = self.nodes.kill();
        let _ = self.nodes.wait();
    }
}

fn ledger_node() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("ledger-node"))
}
