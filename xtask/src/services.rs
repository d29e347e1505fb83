//! `cargo xtask services`: private servers to work with by hand.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use testbed::{Installation, Postgres};

use crate::need;
use crate::workspace::Workspace;

/// Runs a private PostgreSQL on a free port of the loopback, for work by hand: `up`, `down`,
/// `status`.
///
/// It belongs to an unprivileged user, wants a password that is drawn anew each time, and keeps its
/// data in the temporary folder of the system until `down`. Nothing else is touched: no other
/// server, no standard port. What runs is written down in target/services. Tests do not need it:
/// each starts servers of its own.
#[derive(Args)]
pub(crate) struct Services {
    #[command(subcommand)]
    action: Action,
    /// Print nothing but JSON: state (`running`, `stale`, `stopped`), answers, pid, port, url,
    /// folder
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Start it, unless it runs; install PostgreSQL first if it is missing and we are root
    Up {
        /// Never install anything (nor does `--json`); say what is missing and fail
        #[arg(long)]
        no_install: bool,
    },
    /// End it, and remove its data
    Down,
    /// Say what runs and whether it answers
    Status,
}

impl Services {
    pub(crate) fn run(self) -> Result<()> {
        let site = Site::new(&Workspace::load()?.target_directory.join("services"))?;
        let status = match self.action {
            Action::Up { no_install } => site.up(|| find(!no_install && !self.json))?,
            Action::Down => site.down()?,
            Action::Status => site.status()?,
        };
        if self.json {
            println!("{}", serde_json::to_string(&Report { postgres: &status })?);
        } else {
            println!("{status}");
        }
        Ok(())
    }
}

/// Where is written down what runs. While this value lives, no other command changes it.
struct Site {
    state: PathBuf,
    _lock: File,
}

impl Site {
    fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| path.display().to_string())?;
        lock.lock().with_context(|| path.display().to_string())?;
        Ok(Self { state: folder.join("postgres.json"), _lock: lock })
    }

    fn up(&self, find: impl FnOnce() -> Result<Installation>) -> Result<Status> {
        match self.look()? {
            Found::Running(server, folder) => return Ok(Status::of(&server, &folder)),
            Found::Stale(state) => self.forget(&state)?,
            Found::Nothing => {}
        }
        let installation = find()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}-{now}", std::process::id()));
        let options = Postgres::options().installation(installation).password();
        let server = options.detached(&folder).start()?;
        let status = Status::of(&server, &folder);
        // what nobody could find again must not go on
        let (pid, port, url) = (status.pid, status.port, status.url.clone());
        match self.save(&State { folder, pid, port, url }) {
            Ok(()) => Ok(status),
            Err(error) => {
                server.remove()?;
                Err(error)
            }
        }
    }

    fn down(&self) -> Result<Status> {
        match self.look()? {
            Found::Running(server, _) => {
                server.remove()?;
                std::fs::remove_file(&self.state)?;
            }
            Found::Stale(state) => self.forget(&state)?,
            Found::Nothing => {}
        }
        Ok(Status::default())
    }

    fn status(&self) -> Result<Status> {
        Ok(match self.look()? {
            Found::Running(server, folder) => Status::of(&server, &folder),
            Found::Stale(state) => {
                Status { state: "stale", folder: Some(state.folder), ..Status::default() }
            }
            Found::Nothing => Status::default(),
        })
    }

    fn look(&self) -> Result<Found> {
        let text = match std::fs::read_to_string(&self.state) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            text => text.with_context(|| self.state.display().to_string())?,
        };
        let state: State = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged; end what runs, and remove it", self.state.display())
        })?;
        Ok(match Postgres::attach(&state.folder)? {
            Some(server) => Found::Running(server, state.folder),
            None => Found::Stale(state),
        })
    }

    fn save(&self, state: &State) -> Result<()> {
        let beside = self.state.with_extension("new");
        // it holds a password
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(serde_json::to_string_pretty(state)?.as_bytes())?;
        std::fs::rename(&beside, &self.state)?;
        Ok(())
    }

    /// Removes what a server left that ended without us, and only such a folder as we make.
    fn forget(&self, state: &State) -> Result<()> {
        let name = state.folder.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(FOLDER) {
            match std::fs::remove_dir_all(&state.folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| state.folder.display().to_string());
                }
                _ => {}
            }
        }
        std::fs::remove_file(&self.state).with_context(|| self.state.display().to_string())
    }
}

/// What is written down of a server. The folder tells it from strangers; the rest is for readers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct State {
    folder: PathBuf,
    pid: Option<u32>,
    port: Option<u16>,
    url: Option<String>,
}

enum Found {
    Nothing,
    Running(Postgres, PathBuf),
    /// It ended without us: killed, or the machine was started anew.
    Stale(State),
}

#[derive(Serialize)]
struct Report<'a> {
    postgres: &'a Status,
}

/// What is to be said about a server.
#[derive(Debug, PartialEq, Serialize)]
struct Status {
    state: &'static str,
    answers: bool,
    pid: Option<u32>,
    port: Option<u16>,
    url: Option<String>,
    folder: Option<PathBuf>,
}

impl Status {
    fn of(server: &Postgres, folder: &Path) -> Self {
        Self {
            state: "running",
            answers: server.sql("SELECT 1").is_ok(),
            pid: server.pid(),
            port: Some(server.port()),
            url: Some(server.url()),
            folder: Some(folder.to_owned()),
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        let (pid, port, url, folder) = (None, None, None, None);
        Self { state: "stopped", answers: false, pid, port, url, folder }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres: {}", self.state)?;
        if let (Some(pid), Some(url)) = (self.pid, &self.url) {
            let answers = if self.answers { "it answers" } else { "it does NOT answer" };
            write!(f, ", {answers}, process {pid}\n{url}")?;
        } else if let Some(folder) = &self.folder {
            write!(f, ", its process is gone; `down` removes {}", folder.display())?;
        }
        Ok(())
    }
}

fn find(may_install: bool) -> Result<Installation> {
    let found = need::satisfy(&["interbank-testbed"], may_install)?;
    let Some((_, postgres)) = found.iter().find(|(name, _)| *name == Installation::VARIABLE) else {
        bail!("PostgreSQL is no need of interbank-testbed");
    };
    Ok(Installation::at(postgres)?)
}

/// How the names of the servers' folders begin.
const FOLDER: &str = "interbank-services-";

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(folder: &Path, site: &Site) {
        let pid = Some(std::process::id());
        let state = State { folder: folder.to_owned(), pid, port: Some(20_000), url: None };
        site.save(&state).unwrap();
    }

    #[test]
    fn nothing_written_down_is_nothing_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(&dir.path().join("services")).unwrap();
        assert_eq!(site.status().unwrap(), Status::default());
        assert_eq!(site.down().unwrap(), Status::default());
        let json = serde_json::to_string(&Report { postgres: &Status::default() }).unwrap();
        assert!(json.starts_with(r#"{"postgres":{"state":"stopped","answers":false,"pid":null,"#));
    }

    #[test]
    fn a_process_that_got_the_number_of_a_server_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path()).unwrap();
        let folder = dir.path().join(format!("{FOLDER}1-1"));
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let file = format!("{}\n{}\n0\n20000\n", std::process::id(), folder.display());
        std::fs::write(folder.join("data/postmaster.pid"), file).unwrap();
        remember(&folder, &site);
        let status = site.status().unwrap();
        assert_eq!((status.state, status.folder.as_deref()), ("stale", Some(&*folder)));
        assert!(status.to_string().contains("its process is gone"), "{status}");
        assert_eq!(site.down().unwrap(), Status::default());
        assert!(!folder.exists() && !site.state.exists());
    }

    #[test]
    fn only_folders_that_we_make_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path()).unwrap();
        let folder = dir.path().join("precious");
        std::fs::create_dir(&folder).unwrap();
        remember(&folder, &site);
        site.down().unwrap();
        assert!(folder.exists() && !site.state.exists());
    }

    #[test]
    fn a_damaged_note_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path()).unwrap();
        std::fs::write(&site.state, "{").unwrap();
        let error = site.down().unwrap_err().to_string();
        assert!(error.ends_with("is damaged; end what runs, and remove it"), "{error}");
        assert!(site.state.exists());
    }

    #[test]
    fn up_twice_is_one_server_and_down_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path()).unwrap();
        let up = || site.up(|| Ok(Installation::find()?)).unwrap();
        let first = up();
        assert_eq!((first.state, first.answers), ("running", true));
        assert_ne!(first.port, Some(5432));
        assert_eq!(up(), first);
        assert_eq!(site.status().unwrap(), first);

        // it ends without us; the next one is another, and the old data goes
        let folder = first.folder.clone().unwrap();
        Postgres::attach(&folder).unwrap().unwrap().kill();
        assert_eq!(site.status().unwrap().state, "stale");
        let second = up();
        assert!(second.answers && second.url != first.url && !folder.exists());

        assert_eq!(site.down().unwrap(), Status::default());
        assert!(!second.folder.unwrap().exists() && !site.state.exists());
        assert!(!Path::new(&format!("/proc/{}/cmdline", second.pid.unwrap())).exists());
    }
}
