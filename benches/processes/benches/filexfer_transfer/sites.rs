//! Two sites of `filexfer-site`, each a process: `ledger` of the first sends to `b-archive` of the second.

use interbank_benches_processes::program;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) struct Sites {
    home: PathBuf,
}

/// What frames go over, within the sites and between them.
#[derive(Clone, Copy)]
pub(crate) enum Over {
    Tls,
    Quic,
}

impl Sites {
    pub(crate) fn new(disk: &Path, name: &str, over: Over) -> Self {
        let home = disk.join(name);
        fs::create_dir(&home).unwrap();
        let sites = Self { home };
        let dialled = free_port();
        for (site, prefix) in [("hq", ""), ("branch", "b-")] {
            let port = if site == "hq" { dialled } else { free_port() };
            let ports = format!("{port},{}", free_port());
            let made = Command::new(filexfer_site())
                .arg("init")
                .arg(sites.home.join(site))
                .args(["--site", site, "--prefix", prefix, "--ports", &ports])
                .stdout(Stdio::null())
                .status();
            assert!(made.unwrap().success());
        }
        let read = |path: &str| fs::read_to_string(sites.home.join(path)).unwrap();
        // Both believe both authorities.
        let roots = read("hq/roots.pem") + &read("branch/roots.pem");
        let (hq, branch) = (read("hq/site.toml"), read("branch/site.toml"));
        let link = match over {
            Over::Tls => "link = \"tls\"\n",
            Over::Quic => "link = \"quic\"\n",
        };
        let to_branch = format!(
            "\n[[neighbour]]\n{link}site = \"branch\"\nforwarder = \"b-r1\"\npublic_key = \"{}\"\n\
             party = [{{ id = \"b-archive\", role = \"backstage\", public_key = \"{}\" }}]\n",
            public_key(&branch, "[forwarder]"),
            public_key(&branch, "id = \"b-archive\""),
        );
        let to_hq = format!(
            "\n[[neighbour]]\n{link}site = \"hq\"\nforwarder = \"r1\"\npublic_key = \"{}\"\n\
             address = \"127.0.0.1:{dialled}\"\n\
             party = [{{ id = \"ledger\", role = \"backstage\", public_key = \"{}\" }}]\n\
             \n[[grant]]\nfrom = \"@hq\"\nto = \"b-archive\"\nsize_max = 1_099_511_627_776\n",
            public_key(&hq, "[forwarder]"),
            public_key(&hq, "id = \"ledger\""),
        );
        let write = |path: &str, text: String| fs::write(sites.home.join(path), text).unwrap();
        write("hq/roots.pem", roots.clone());
        write("branch/roots.pem", roots);
        write("hq/site.toml", link.to_owned() + &hq + &to_branch);
        write("branch/site.toml", link.to_owned() + &branch + &to_hq);
        sites
    }

    /// With a destination that makes files of packs.
    pub(crate) fn unpacking(self) -> Self {
        let path = self.home.join("branch/site.toml");
        let store = "root = \"files/archive\" }";
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(store, &format!("{store}\nunpack = true"))).unwrap();
        self
    }

    /// A file that `ledger` has.
    pub(crate) fn outgoing(&self, name: &str) -> PathBuf {
        self.home.join("hq/files/ledger").join(name)
    }

    /// A file that `b-archive` has got.
    pub(crate) fn incoming(&self, name: &str) -> PathBuf {
        self.home.join("branch/files/archive").join(name)
    }

    /// Starts both, and waits until a file went through.
    pub(crate) fn run(&self) -> Running<'_> {
        let start = |site: &str, servers: [&str; 2]| {
            let home = self.home.join(site);
            let mut child = Command::new(filexfer_site())
                .args(["run", "--only", servers[0], "--only", servers[1], "--config"])
                .arg(home.join("site.toml"))
                .stdout(Stdio::piped())
                .stderr(File::create(home.join("log")).unwrap())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert!(line.starts_with("ready: "), "{site}: {line}");
            child
        };
        let processes = [start("hq", ["r1", "ledger"]), start("branch", ["b-r1", "b-archive"])];
        let running = Running { sites: self, processes };
        super::content::write(&self.outgoing("first.bin"), 100_000);
        running.send(&["first.bin"]);
        fs::remove_file(self.incoming("first.bin")).unwrap();
        running
    }
}

/// The processes; they end with this value.
pub(crate) struct Running<'a> {
    sites: &'a Sites,
    processes: [Child; 2],
}

impl Running<'_> {
    /// Asks, and waits for the result of all.
    pub(crate) fn send<S: AsRef<str>>(&self, names: &[S]) {
        self.submit(&[], names);
    }

    /// The same in packs, until the destination has taken all files and signed for them.
    pub(crate) fn send_packed<S: AsRef<str>>(&self, names: &[S]) {
        self.submit(&["--pack"], names);
    }

    fn submit<S: AsRef<str>>(&self, options: &[&str], names: &[S]) {
        let output = self
            .command("submit")
            .args(["--as", "ledger", "--to", "b-archive", "--wait"])
            .args(options)
            .args(names.iter().map(AsRef::as_ref))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How many files of packs have a receipt that proves itself with the public keys alone.
    pub(crate) fn member_receipts(&self) -> usize {
        let folder = self.sites.home.join("receipts");
        fs::create_dir(&folder).unwrap();
        let output = self.command("status").args(["--of", "ledger"]).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        for request in status["requests"].as_array().unwrap() {
            let id = request["id"].as_str().unwrap();
            let save = ["--as", "ledger", "--id", id, "--to"];
            let saved = self.command("receipts save").args(save).arg(&folder).output().unwrap();
            assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        }
        let saved: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut members = 0;
        for some in saved.chunks(1_000) {
            let output = self.command("receipts verify").args(some).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let verified: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
            members += verified.iter().filter(|one| one["file"].is_string()).count();
        }
        members
    }

    /// How many requests were delivered with receipts, but for the first one.
    pub(crate) fn receipted(&self) -> usize {
        let output = self.command("status").args(["--of", "ledger"]).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let requests = status["requests"].as_array().unwrap();
        let is_done = |request: &&Value| {
            request["state"] == "delivered" && request["receipts"].as_u64() > Some(1)
        };
        requests.iter().filter(is_done).count() - 1
    }

    /// Bytes of memory that each process has.
    pub(crate) fn resident(&self) -> [f64; 2] {
        self.memory("VmRSS:")
    }

    /// The most that each process has had.
    pub(crate) fn peak(&self) -> [f64; 2] {
        self.memory("VmHWM:")
    }

    fn memory(&self, line: &str) -> [f64; 2] {
        [0, 1].map(|which: usize| {
            let path = format!("/proc/{}/status", self.processes[which].id());
            let status = fs::read_to_string(path).unwrap();
            let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
            found.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1_024.0
        })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(filexfer_site());
        command
            .args(name.split(' '))
            .args(["--json", "--config"])
            .arg(self.sites.home.join("hq/site.toml"));
        command
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

pub(crate) fn wait_for_port(port: u16) {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < end, "nobody listens at port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn public_key<'a>(text: &'a str, after: &str) -> &'a str {
    let rest = &text[text.find(after).unwrap()..];
    let from = rest.find("public_key = \"").unwrap() + 14;
    &rest[from..from + 64]
}

fn filexfer_site() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("filexfer-site"))
}
