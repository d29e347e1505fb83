//! A private PostgreSQL server for one test program: on a free loopback port, with data that vanish.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A running server; it is stopped and its data are removed at the end.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server with these further lines in its configuration.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_with(settings, |_| {})
    }

    /// The same; `prepare` puts more files into the data folder before the start.
    pub(crate) fn start_with(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::Builder::new().prefix("store-postgres-").tempdir().unwrap();
        own(dir.path());
        let data = dir.path().join("data");
        run(command("initdb")
            .args(["-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&format!(
            "\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\n{settings}\n",
            dir.path().display()
        ));
        std::fs::write(&config, text).unwrap();
        prepare(&data);
        let server = Self { dir, port };
        server.up();
        server
    }

    /// Starts a standby from a base backup in a folder of the primary's.
    pub(crate) fn follow(primary: &Self, backup: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("store-postgres-").tempdir().unwrap();
        own(dir.path());
        let data = dir.path().join("data");
        std::fs::rename(backup, &data).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace(&format!("port = {}", primary.port), &format!("port = {port}"));
        std::fs::write(&config, text).unwrap();
        let server = Self { dir, port };
        server.up();
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn up(&self) {
        let log = self.dir.path().join("log");
        run(command("pg_ctl").args(["start", "-w", "-D"]).arg(self.data()).arg("-l").arg(log));
    }

    pub(crate) fn down(&self) {
        run(command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()));
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("app", "postgres")
    }

    pub(crate) fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements as the owner of everything.
    pub(crate) async fn sql(&self, database: &str, sql: &str) {
        let client = client(&self.url_of("app", database)).await;
        client.batch_execute(sql).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop =
            command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).status();
        assert!(stop.is_ok());
    }
}

/// A plain connection of the driver's.
pub(crate) async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The program of this name, as a user that the server accepts.
pub(crate) fn command(program: &str) -> Command {
    let path = binaries().join(program);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    command
}

pub(crate) fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        let id = Command::new("id").arg("-u").output().unwrap();
        id.stdout.starts_with(b"0\n")
    })
}

/// Gives a file or folder to the user that the server runs as.
pub(crate) fn own(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("-R").arg("nobody:nogroup").arg(path));
    }
}

pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// `INTERBANK_PG_BIN`, or where Debian keeps them, or the path.
fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("INTERBANK_PG_BIN") {
        return folder.into();
    }
    let found = std::fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        let mut folders: Vec<PathBuf> = versions
            .flatten()
            .map(|version| version.path().join("bin"))
            .filter(|bin| bin.join("initdb").exists())
            .collect();
        folders.sort();
        folders.pop()
    });
    found.unwrap_or_default()
}
