//! A network in a folder of its own, its processes, and the commands around them.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Home {
    root: tempfile::TempDir,
}

impl Home {
    /// A network of so many supervision and member nodes; nothing runs yet.
    pub(crate) fn new(validators: u32, members: u32, options: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("net");
        let made = Command::new(PROGRAM)
            .args(["network", folder.to_str().unwrap(), "--only-make", "--first-port", "0"])
            .args(["--validators", &validators.to_string(), "--members", &members.to_string()])
            .args(options)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("net").join(name)
    }

    /// Changes a node's configuration.
    pub(crate) fn append(&self, node: &str, more: &str) {
        let path = self.path(node).join("node.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + more).unwrap();
    }

    /// Writes a file to register.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A command at a node.
    pub(crate) fn run(&self, node: &str, args: &[&str]) -> Output {
        Command::new(PROGRAM).args(args).current_dir(self.path(node)).output().unwrap()
    }

    /// A command that goes on beside the test.
    pub(crate) fn begin(&self, node: &str, args: &[&str]) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--json").current_dir(self.path(node));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A command that has to succeed, and its answer.
    pub(crate) fn json(&self, node: &str, args: &[&str]) -> Value {
        let output = self.run(node, &[args, &["--json"]].concat());
        assert!(output.status.success(), "{node} {args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command that has to fail with this exit code, and what it said.
    pub(crate) fn failure(&self, code: i32, node: &str, args: &[&str]) -> String {
        let output = self.run(node, args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{node} {args:?}: {said}");
        assert!(output.stdout.is_empty());
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        said
    }

    /// Makes a user, and returns the party.
    pub(crate) fn party(&self, node: &str, name: &str) -> String {
        let made = self.json(node, &["party", name]);
        made["party"].as_str().unwrap().to_owned()
    }

    /// Starts a node, and waits until it is ready.
    ///
    /// Its port was free when it was chosen; a connection of somebody else on this machine may have it for a moment.
    pub(crate) fn start(&self, node: &str) -> Running {
        let log = self.path(node).join("log");
        until(&format!("{node} has its port"), || {
            let before = read(&log).len();
            let mut child = Command::new(PROGRAM)
                .args(["run", "node.toml"])
                .current_dir(self.path(node))
                .stdout(Stdio::piped())
                .stderr(File::options().create(true).append(true).open(&log).unwrap())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line.starts_with("ready: ") {
                return Some(Running { child, log: log.clone() });
            }
            child.wait().unwrap();
            let said = read(&log).split_off(before);
            assert!(said.contains("cannot listen: address in use"), "{node}: {said}");
            None
        })
    }

    /// Starts all nodes of the network.
    pub(crate) fn start_all(&self) -> Vec<(String, Running)> {
        let names = fs::read_dir(self.path("")).unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            entry
                .path()
                .join("node.toml")
                .exists()
                .then(|| entry.file_name().into_string().unwrap())
        });
        names.map(|name| (name.clone(), self.start(&name))).collect()
    }

    /// The nodes once all of them have this many blocks at least, and the same newest one: height and state root.
    pub(crate) fn agreed(&self, nodes: &[&str]) -> Value {
        until("all nodes have one state", || {
            // One that has just begun, or was something else a moment ago, may not answer yet.
            let status = nodes.iter().map(|node| self.run(node, &["status", "--json"]));
            let status = status.map(|output| serde_json::from_slice(&output.stdout).ok());
            let status: Vec<Value> = status.collect::<Option<_>>()?;
            let of = |status: &Value| {
                (status["height"].clone(), status["state_root"].clone(), status["log_root"].clone())
            };
            let first = of(&status[0]);
            status.iter().all(|status| of(status) == first).then(|| status[0].clone())
        })
    }
}

/// A node in a process of its own; it ends with the test.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), read(&self.log));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: not in time");
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ledger_node");
