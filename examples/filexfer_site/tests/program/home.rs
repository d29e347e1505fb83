//! A site in a folder of its own, its processes, and the commands around them.

use serde_json::Value;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Home {
    root: tempfile::TempDir,
    ports: [u16; 2],
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let ports = [(); 2].map(|()| free_port());
        let home = Self { root, ports };
        let ports = format!("{},{}", ports[0], ports[1]);
        let site = home.path("");
        let made = init(&site, &[&["--ports", &ports][..], options].concat());
        assert!(made.status.success(), "{made:?}");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let site = self.root.path().join("site");
        if name.is_empty() { site } else { site.join(name) }
    }

    pub(crate) fn forwarder_port(&self) -> u16 {
        self.ports[0]
    }

    /// Changes the configuration.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let path = self.path("site.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    pub(crate) fn append(&self, more: &str) {
        let path = self.path("site.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + more).unwrap();
    }

    /// What the configuration says of a key, the first or the second time.
    pub(crate) fn public_key(&self, after: &str) -> String {
        let text = fs::read_to_string(self.path("site.toml")).unwrap();
        let at = text.find(after).unwrap();
        let rest = &text[at..];
        let from = rest.find("public_key = \"").unwrap() + 14;
        rest[from..from + 64].to_owned()
    }

    /// A command, with the configuration where it belongs.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A command that has to succeed, and its answer.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command that has to fail with this exit code, and what it said.
    pub(crate) fn failure(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
        said
    }

    /// The same with variables in the environment.
    pub(crate) fn failure_with(
        &self,
        code: i32,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> String {
        let output = self.command(args).envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// Makes files of a pack, which takes no configuration.
    pub(crate) fn unpack(&self, pack: &Path) -> Output {
        Command::new(PROGRAM).arg("unpack").arg(pack).output().unwrap()
    }

    /// Starts servers with variables in the environment.
    pub(crate) fn start_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        self.spawn(command, args)
    }

    /// Starts servers, and waits until they are ready.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.spawn(self.command(args), args)
    }

    /// The same in a network namespace.
    pub(crate) fn start_within(&self, namespace: &str, args: &[&str]) -> Running {
        let inner = self.command(args);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(inner.get_program()).args(inner.get_args());
        self.spawn(command, args)
    }

    fn spawn(&self, mut command: Command, args: &[&str]) -> Running {
        let log = self.path(&format!("{}.log", args.join("")));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready: "), "{args:?}: {}", fs::read_to_string(&log).unwrap());
        Running { child, log }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--config").arg(self.path("site.toml"));
        command
    }
}

/// Servers in a process of their own; they end with the test.
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

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        let told = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(told.unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(120), what, look)
}

/// Waits until something is there, for so long.
pub(crate) fn within<T>(time: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not happen in time");
}

/// Makes a site.
pub(crate) fn init(folder: &Path, options: &[&str]) -> Output {
    Command::new(PROGRAM).arg("init").arg(folder).args(options).output().unwrap()
}

/// Made-up content.
pub(crate) fn bytes(len: usize, tag: u8) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(&[tag]).finalize_xof().fill(&mut content);
    content
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_filexfer-site");

/// A port that nobody has, over TCP or UDP, below those that the operating system gives to clients: one of those may have it
/// before a server does.
pub(crate) fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU64::new(RandomState::new().hash_one(0) >> 32));
    for _ in 0..10_000 {
        let drawn = next.fetch_add(1, Ordering::Relaxed) % 10_000;
        let port = 10_000 + u16::try_from(drawn).unwrap();
        let at = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
