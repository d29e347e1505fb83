//! A private PostgreSQL server.

use crate::home::{self, Home, SUPERUSER};
use crate::process;
use crate::{Error, Installation, Options};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A PostgreSQL server of the test's own, on a free port of the loopback, with data of its own.
///
/// It can be killed and started again while others use it. Dropped, it stops and its data goes; should this process die
/// before that, a guardian does the same.
#[derive(Debug)]
pub struct Postgres {
    installation: Installation,
    /// Holds `data`, `log` and, where there is one, `password`.
    folder: PathBuf,
    port: u16,
    password: Option<String>,
    settings: Mutex<BTreeMap<String, String>>,
    server: Mutex<Server>,
    outlives_us: bool,
}

impl Postgres {
    /// Starts a durable server that lets everybody on this machine in.
    ///
    /// # Errors
    /// There is no PostgreSQL here, or it does not start: the end of its log.
    pub fn start() -> Result<Self, Error> {
        Options::new().start()
    }

    /// For all else: see [`Options`].
    pub fn options() -> Options {
        Options::new()
    }

    /// A hot standby of another server: it follows, and takes reads only.
    ///
    /// # Errors
    /// The copy failed, or the standby does not start: the end of its log.
    pub fn standby_of(primary: &Self) -> Result<Self, Error> {
        let installation = primary.installation.clone();
        let folder = Home::of_process(&installation)?.next(&installation)?;
        let mut copy = primary.client("pg_basebackup");
        copy.args(["--checkpoint", "fast", "--wal-method", "stream", "--no-sync"]);
        copy.args(["--write-recovery-conf", "--pgdata"]).arg(folder.join("data"));
        home::run(&mut copy)?;
        let settings = primary.lock_settings().clone();
        let mut standby = Self {
            installation,
            folder,
            port: 0,
            password: primary.password.clone(),
            settings: Mutex::new(settings),
            server: Mutex::new(Server::Stopped),
            outlives_us: false,
        };
        standby.start_on_a_free_port()?;
        Ok(standby)
    }

    /// The [detached](Options::detached) server in a folder, if it runs; whoever has got its process number does not count.
    ///
    /// # Errors
    /// There is no PostgreSQL here, or its files cannot be read.
    pub fn attach(folder: &Path) -> Result<Option<Self>, Error> {
        let Some((pid, port)) = running_in(folder) else { return Ok(None) };
        let password = std::fs::read_to_string(folder.join("password"));
        Ok(Some(Self {
            installation: Installation::find()?,
            folder: folder.to_owned(),
            port,
            password: password.ok(),
            settings: Mutex::new(settings_in(&folder.join("data").join(CONFIG))?),
            server: Mutex::new(Server::Other(pid)),
            outlives_us: true,
        }))
    }

    pub(crate) fn make(options: Options) -> Result<Self, Error> {
        let installation = options.installation.map_or_else(Installation::find, Ok)?;
        let outlives_us = options.folder.is_some();
        let folder = match options.folder {
            Some(folder) => {
                home::new_folder(&installation, &folder)?;
                home::init(&installation, &folder.join("data"))?;
                folder
            }
            None => {
                let home = Home::of_process(&installation)?;
                let folder = home.next(&installation)?;
                home.copy_template(&installation, &folder.join("data"))?;
                folder
            }
        };
        let mut settings: BTreeMap<_, _> =
            SETTINGS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        settings.extend(options.settings);
        let mut server = Self {
            installation,
            folder,
            port: 0,
            password: None,
            settings: Mutex::new(settings),
            server: Mutex::new(Server::Stopped),
            outlives_us,
        };
        server.prepare(options.tls, &options.gate)?;
        server.start_on_a_free_port()?;
        if options.has_password {
            server.demand_password(&options.gate)?;
        }
        Ok(server)
    }

    /// Kills the server and all of its processes at once, as a power cut does to them; waits until all are gone.
    ///
    /// What the operating system has already been given is kept: it did not lose power.
    pub fn kill(&self) {
        let mut server = self.lock_server();
        if let Some(pid) = server.pid() {
            // stopped first, it cannot start another process while we look for them
            process::signal(pid, Signal::STOP);
            process::await_stop(pid);
            let mut all = process::children(pid);
            all.push(pid);
            all.iter().for_each(|pid| process::signal(*pid, Signal::KILL));
            // the memory that they share must be free before the next start
            process::are_gone(&all, PATIENCE);
            server.collect();
        }
        *server = Server::Stopped;
    }

    /// Lets sessions end in order, then stops.
    ///
    /// # Errors
    /// It goes on for a minute.
    pub fn stop(&self) -> Result<(), Error> {
        self.end(Signal::INT)
    }

    /// Starts again on the same data and the same port, after [`kill`](Self::kill) or [`stop`](Self::stop); a running
    /// server is stopped first. Waits until recovery is over and it answers.
    ///
    /// # Errors
    /// It does not start: the end of its log.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop()?;
        let mut failed = Err(Error::new("never started"));
        for _ in 0..BINDS_MAX {
            failed = match self.launch() {
                Ok(()) => return Ok(()),
                Err(Launch::PortTaken(why)) => Err(why),
                Err(Launch::Failed(why)) => return Err(why),
            };
            std::thread::sleep(Duration::from_millis(100));
        }
        failed
    }

    /// Changes a setting; a running server has taken it when this returns, new statements go by it.
    ///
    /// # Errors
    /// The server refuses the value.
    pub fn set(&self, name: &str, value: impl ToString) -> Result<(), Error> {
        self.lock_settings().insert(name.to_owned(), value.to_string());
        self.write_settings()?;
        let Some(pid) = self.lock_server().pid() else { return Ok(()) };
        let known = self.log().len();
        process::signal(pid, Signal::HUP);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let log = self.log();
            let news = log.get(known..).unwrap_or_default();
            if news.contains("contains errors") {
                return Err(Error::while_doing(name, news.trim()));
            }
            if news.contains("received SIGHUP") {
                // it says so before it reads the file; what depends on that has waited for its word
                std::thread::sleep(Duration::from_millis(50));
                let news = self.log().split_off(known);
                return match news.contains("contains errors") {
                    true => Err(Error::while_doing(name, news.trim())),
                    false => Ok(()),
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Error::new("the server does not read its settings"))
    }

    /// No file of the server grows beyond this, as if its disk were full: `None` takes the limit away.
    ///
    /// Choose a size that is no multiple of a page, and greater than a segment of the log (16 MiB): a server that cannot
    /// write its log gives up. Up to version 15 the error is that of a full disk, `53100`; later ones report an internal
    /// error. [`fill_disk`](Self::fill_disk) is `53100` in all.
    ///
    /// # Errors
    /// The operating system does not let us.
    pub fn limit_files(&self, bytes: Option<u64>) -> Result<(), Error> {
        let Some(pid) = self.lock_server().pid() else { return Ok(()) };
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        // first the one who starts the others; only the limit that its owner may raise again
        for pid in std::iter::once(pid).chain(process::children(pid)) {
            let mut prlimit = self.installation.as_user("prlimit", &self.folder);
            prlimit.args(["--pid", &pid.to_string(), &format!("--fsize={limit}:")]);
            match home::run(&mut prlimit) {
                // a session that ended meanwhile has no limits to set
                Err(why) if process::is_alive(pid) => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }

    /// A table of the database `postgres` has room for so many more pages, perhaps one more, and then its disk is full: what
    /// would come after them goes to `/dev/full`. No other file is concerned.
    ///
    /// Nobody may write to the table meanwhile. Its file becomes as long as a segment, which takes no space.
    ///
    /// # Errors
    /// There is no such table, or it is too long already.
    pub fn fill_disk(&self, table: &str, pages: u64) -> Result<(), Error> {
        let (file, beyond) = self.segments(table)?;
        let of = |name| {
            let text =
                self.sql(&format!("SELECT setting FROM pg_settings WHERE name = '{name}'"))?;
            text.parse::<u64>().map_err(|why| Error::while_doing(name, why))
        };
        let bytes = of("segment_size")?.saturating_sub(pages) * of("block_size")?;
        let failed = |why| Error::while_doing(file.display(), why);
        let opened = File::options().write(true).open(&file).map_err(failed)?;
        if opened.metadata().map_err(failed)?.len() > bytes {
            return Err(Error::while_doing(table, "too long"));
        }
        std::os::unix::fs::symlink("/dev/full", beyond).map_err(failed)?;
        opened.set_len(bytes).map_err(failed)
    }

    /// After [`fill_disk`](Self::fill_disk), there is room again. All sessions end: some keep the full disk open.
    ///
    /// # Errors
    /// The disk was not full.
    pub fn make_room(&self, table: &str) -> Result<(), Error> {
        let (_, beyond) = self.segments(table)?;
        std::fs::remove_file(&beyond).map_err(|why| Error::while_doing(beyond.display(), why))?;
        let end = "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.sql(end).map(drop)
    }

    /// Runs SQL as the superuser in the database `postgres` and returns what comes of it: a line for each row, `|` between
    /// columns.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, text: &str) -> Result<String, Error> {
        let mut psql = self.client("psql");
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", text]);
        home::text(&mut psql)
    }

    /// Makes an empty database and returns its URL: tests that share a server need not share rows.
    ///
    /// # Errors
    /// There is one of that name, or it is no simple name.
    pub fn database(&self, name: &str) -> Result<String, Error> {
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(Error::while_doing(name, "no simple name"));
        }
        self.sql(&format!("CREATE DATABASE {name}"))?;
        Ok(self.url_of(self.addr(), name))
    }

    /// Waits until this standby shows everything that its primary has shown so far.
    ///
    /// # Errors
    /// It does not get there.
    pub fn catch_up(&self, primary: &Self) -> Result<(), Error> {
        let position = primary.sql("SELECT pg_current_wal_lsn()")?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let there = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
            if self.sql(&there)? == "t" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::new("the standby does not catch up"))
    }

    /// Ends a server for good, also a [detached](Options::detached) one, and removes its folder.
    ///
    /// # Errors
    /// It cannot be ended, or its folder not be removed.
    pub fn remove(mut self) -> Result<(), Error> {
        self.outlives_us = true;
        self.end(Signal::INT).or_else(|_| self.end(Signal::QUIT))?;
        std::fs::remove_dir_all(&self.folder)
            .map_err(|why| Error::while_doing(self.folder.display(), why))
    }

    /// How a client reaches the database `postgres` as the superuser: `postgresql://user:password@host:port/database`.
    pub fn url(&self) -> String {
        self.url_of(self.addr(), "postgres")
    }

    /// The same for a database and an address, such as that of a [`crate::Proxy`].
    pub fn url_of(&self, addr: SocketAddr, database: &str) -> String {
        let password = self.password.iter().fold(String::new(), |_, word| format!(":{word}"));
        format!("postgresql://{SUPERUSER}{password}@{addr}/{database}")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of its first process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock_server().pid()
    }

    /// Where its data is.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn prepare(&self, tls: Option<(String, String)>, first: &str) -> Result<(), Error> {
        let data = self.data_dir();
        let config = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&config)
            .map_err(|why| Error::while_doing(config.display(), why))?;
        self.write("data/postgresql.conf", &format!("{text}\ninclude '{CONFIG}'\n"))?;
        if let Some((certificates, key)) = tls {
            self.write("data/server.crt", &certificates)?;
            self.write("data/server.key", &key)?;
            self.lock_settings().insert("ssl".into(), "on".into());
        }
        self.write("data/pg_hba.conf", &gate(first, "trust"))?;
        self.write("log", "")
    }

    fn demand_password(&mut self, first: &str) -> Result<(), Error> {
        let word = drawn_word()?;
        self.sql(&format!("ALTER ROLE {SUPERUSER} PASSWORD '{word}'"))?;
        self.write("data/pg_hba.conf", &gate(first, "scram-sha-256"))?;
        self.write("password", &word)?;
        self.password = Some(word);
        self.sql("SELECT pg_reload_conf()")?;
        // the reload is asynchronous: until it is through, anybody gets in
        let until = Instant::now() + PATIENCE;
        let mut without = self.client("psql");
        without.env_remove("PGPASSWORD").args(["-XqAtw", "-d", "postgres", "-c", "SELECT 1"]);
        while home::run(&mut without).is_ok() {
            if Instant::now() > until {
                return Err(Error::new("the server lets everybody in"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The first segment of a table, and where its second would be.
    fn segments(&self, table: &str) -> Result<(PathBuf, PathBuf), Error> {
        let file = self.sql(&format!("SELECT pg_relation_filepath('{table}')"))?;
        let file = self.data_dir().join(file);
        let beyond = file.with_extension("1");
        Ok((file, beyond))
    }

    fn start_on_a_free_port(&mut self) -> Result<(), Error> {
        let mut failed = Err(Error::new("never started"));
        for _ in 0..BINDS_MAX {
            self.port = free_port()?;
            failed = match self.launch() {
                Ok(()) => return Ok(()),
                Err(Launch::PortTaken(why)) => Err(why),
                Err(Launch::Failed(why)) => return Err(why),
            };
        }
        failed
    }

    fn launch(&self) -> Result<(), Launch> {
        self.write_settings().map_err(Launch::Failed)?;
        let known = self.log().len();
        let child = self.spawn().map_err(Launch::Failed)?;
        let pid = child.id();
        let mut server = self.lock_server();
        *server = Server::Ours(child);
        let until = Instant::now() + PATIENCE;
        loop {
            if self.says_ready(pid) {
                return Ok(());
            }
            let over = Instant::now() > until;
            if over {
                process::signal(pid, Signal::KILL);
                server.collect();
            }
            if server.pid().is_none() {
                *server = Server::Stopped;
                let log = self.log().split_off(known);
                let why = Error::while_doing("PostgreSQL does not start", last_lines(&log));
                let taken = log.contains("could not bind") || log.contains("already in use");
                return Err(if taken && !over {
                    Launch::PortTaken(why)
                } else {
                    Launch::Failed(why)
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn(&self) -> Result<Child, Error> {
        let log = || {
            let path = self.folder.join("log");
            File::options()
                .append(true)
                .create(true)
                .open(&path)
                .map(Stdio::from)
                .map_err(|why| Error::while_doing(path.display(), why))
        };
        self.installation
            .command("postgres", &self.folder)
            .arg("-D")
            .arg(self.data_dir())
            .args(["-p", &self.port.to_string()])
            .stdout(log()?)
            .stderr(log()?)
            // a key that ends the tests is not for it: whoever started it ends it
            .process_group(0)
            .spawn()
            .map_err(|why| Error::while_doing("postgres", why))
    }

    /// The server writes into its own file how far it is; no connection is needed to learn it.
    fn says_ready(&self, pid: u32) -> bool {
        let file =
            std::fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        lines.next() == Some(&pid.to_string())
            && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }

    fn end(&self, signal: Signal) -> Result<(), Error> {
        let mut server = self.lock_server();
        if let Some(pid) = server.pid() {
            process::signal(pid, signal);
            if !process::are_gone(&[pid], PATIENCE) {
                return Err(Error::new("the server does not stop"));
            }
            server.collect();
        }
        *server = Server::Stopped;
        Ok(())
    }

    /// A client program that knows where to go.
    fn client(&self, program: &str) -> Command {
        let mut command = self.installation.command(program, &self.folder);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", SUPERUSER]);
        command.env("PGCONNECT_TIMEOUT", "10");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }

    fn write_settings(&self) -> Result<(), Error> {
        let mut text = String::new();
        for (name, value) in &*self.lock_settings() {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        self.write(&format!("data/{CONFIG}"), &text)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        let failed = |why| Error::while_doing(path.display(), why);
        // written beside and moved: the server may read it at any time
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::set_permissions(&beside, Permissions::from_mode(0o600)).map_err(failed)?;
        self.installation.give(&beside)?;
        std::fs::rename(&beside, &path).map_err(failed)
    }

    fn lock_server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_settings(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.outlives_us {
            return;
        }
        if self.end(Signal::QUIT).is_err() {
            self.kill();
        }
        // should something be left, the guardian takes it
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The process of a server.
#[derive(Debug)]
enum Server {
    Stopped,
    /// Our child: it has to be collected.
    Ours(Child),
    /// Somebody else's child.
    Other(u32),
}

impl Server {
    fn pid(&mut self) -> Option<u32> {
        match self {
            Self::Stopped => None,
            Self::Ours(child) => match child.try_wait() {
                Ok(None) => Some(child.id()),
                _ => None,
            },
            Self::Other(pid) => process::is_alive(*pid).then_some(*pid),
        }
    }

    fn collect(&mut self) {
        match self {
            Self::Stopped => {}
            Self::Ours(child) => {
                let _ = child.wait();
            }
            Self::Other(pid) => process::collect(*pid),
        }
    }
}

enum Launch {
    PortTaken(Error),
    Failed(Error),
}

/// The process and the port of the server that runs on the data in a folder.
fn running_in(folder: &Path) -> Option<(u32, u16)> {
    let data = folder.join("data");
    let file = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = file.lines();
    let pid = lines.next()?.parse().ok()?;
    let port = lines.nth(2)?.parse().ok()?;
    (process::is_alive(pid) && process::has_argument(pid, &data)).then_some((pid, port))
}

/// The settings that were written there before.
fn settings_in(config: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text =
        std::fs::read_to_string(config).map_err(|why| Error::while_doing(config.display(), why))?;
    let pairs = text.lines().filter_map(|line| line.split_once(" = '"));
    let unquoted = |value: &str| value.strip_suffix('\'').unwrap_or(value).replace("''", "'");
    Ok(pairs.map(|(name, value)| (name.to_owned(), unquoted(value))).collect())
}

/// A port that nobody has now. Below those that the operating system gives to clients: otherwise, while a server is
/// down, a client could get its port, and even be connected to itself.
fn free_port() -> Result<u16, Error> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut drawn = [0; 2];
    draw(&mut drawn)?;
    let start = u16::from_be_bytes(drawn) % PORTS;
    for _ in 0..PORTS {
        let port = PORT_MIN + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new("no port is free"))
}

fn drawn_word() -> Result<String, Error> {
    let mut bytes = [0; 16];
    draw(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |word, byte| format!("{word}{byte:02x}")))
}

fn draw(bytes: &mut [u8]) -> Result<(), Error> {
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(bytes))
        .map_err(|why| Error::while_doing("/dev/urandom", why))
}

/// Who is let in, and how; these lines go first.
fn gate(first: &str, method: &str) -> String {
    format!(
        "{first}host all all 127.0.0.1/32 {method}\nhost replication all 127.0.0.1/32 {method}\n"
    )
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// What differs from a server as it comes: only the loopback, no socket file, room for many clients, and a start after a
/// crash that syncs the file system once and not each of a thousand files: as durable, and ten times as fast.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "200"),
    ("recovery_init_sync_method", "syncfs"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// Our part of the configuration, beside `postgresql.conf`.
const CONFIG: &str = "testbed.conf";
const PATIENCE: Duration = Duration::from_secs(60);
const BINDS_MAX: usize = 20;
const PORT_MIN: u16 = 20_000;
const PORTS: u16 = 10_000;
