//! The folder of this process's servers, and who cleans up after the process however it ends.

use crate::{Error, Installation};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// One folder per process. A guardian outlives the process, ends what it left running, and removes the folder.
pub(crate) struct Home {
    folder: PathBuf,
    servers: AtomicU32,
    /// A cluster that nobody started yet: copying it is much faster than making one.
    template: Mutex<Option<PathBuf>>,
    /// Closes with the process, however it dies; that is the guardian's signal.
    _lifeline: ChildStdin,
}

impl Home {
    /// The home of this process, made when it is asked for first.
    pub(crate) fn of_process(installation: &Installation) -> Result<&'static Self, Error> {
        static HOME: OnceLock<Result<Home, Error>> = OnceLock::new();
        HOME.get_or_init(|| Self::make(installation)).as_ref().map_err(Clone::clone)
    }

    fn make(installation: &Installation) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("interbank-testbed-")
            .tempdir()
            .map_err(|why| Error::while_doing("a folder for servers", why))?
            .keep();
        let lifeline = guard(&folder)?;
        open_to(installation, &folder)?;
        let (servers, template) = (AtomicU32::new(0), Mutex::new(None));
        Ok(Self { folder, servers, template, _lifeline: lifeline })
    }

    /// A new folder for one server.
    pub(crate) fn next(&self, installation: &Installation) -> Result<PathBuf, Error> {
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("server-{number}"));
        new_folder(installation, &folder)?;
        Ok(folder)
    }

    /// Copies the template, which is made when it is needed first.
    pub(crate) fn copy_template(
        &self,
        installation: &Installation,
        data: &Path,
    ) -> Result<(), Error> {
        let mut template = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        let from = match &*template {
            Some(folder) => folder.clone(),
            None => {
                let folder = self.folder.join("template");
                init(installation, &folder)?;
                template.insert(folder).clone()
            }
        };
        let mut copy = installation.as_user("cp", &self.folder);
        run(copy.arg("-R").arg(from).arg(data))
    }
}

/// Makes a cluster: its superuser is [`SUPERUSER`], its encoding UTF-8, its order that of bytes.
pub(crate) fn init(installation: &Installation, data: &Path) -> Result<(), Error> {
    let folder = data.parent().unwrap_or(data);
    let mut init = installation.command("initdb", folder);
    init.args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"]);
    // a cluster that is lost before it was used is no loss
    init.args(["--locale", "C", "--no-sync", "--no-instructions", "-D"]);
    run(init.arg(data))
}

/// Makes a folder that belongs to the user of the servers.
pub(crate) fn new_folder(installation: &Installation, folder: &Path) -> Result<(), Error> {
    std::fs::create_dir(folder).map_err(|why| Error::while_doing(folder.display(), why))?;
    open_to(installation, folder)
}

/// Runs a program to its end; its words are the error.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    text(command).map(|_| ())
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn text(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|why| Error::while_doing(&name, why))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Error::while_doing(format_args!("{name}: {}", output.status), words.trim()))
}

/// The name of the superuser of each cluster.
pub(crate) const SUPERUSER: &str = "interbank";

fn open_to(installation: &Installation, folder: &Path) -> Result<(), Error> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(|why| Error::while_doing(folder.display(), why))?;
    installation.give(folder)?;
    // tried rather than computed: access lists and mounts have a say too
    run(installation.as_user("/bin/sh", Path::new("/")).args(["-c", "cd \"$1\"", "sh"]).arg(folder))
        .map_err(|_| {
            Error::while_doing(
                folder.display(),
                "the user of the servers cannot enter it; set TMPDIR to a folder open to all",
            )
        })
}

fn guard(folder: &Path) -> Result<ChildStdin, Error> {
    let guardian = Command::new("/bin/sh")
        .args(["-c", GUARDIAN, "interbank-testbed-guardian"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        // a key that ends the tests must not end the one who cleans up after them
        .process_group(0)
        .spawn()
        .map_err(|why| Error::while_doing("/bin/sh", why))?;
    guardian.stdin.ok_or_else(|| Error::new("the guardian has no lifeline"))
}

/// Waits for the end of its input, ends the servers in the folder, and removes it. A process number counts only while
/// its process was started with that folder: numbers are used again.
const GUARDIAN: &str = r#"
trap '' HUP INT TERM
read -r _
ours() { grep -aqF -- "$home/" "/proc/$1/cmdline" 2>/dev/null; }
home=$1
pids=
for file in "$home"/*/data/postmaster.pid; do
    pid=$(head -n 1 "$file" 2>/dev/null) && [ -n "$pid" ] && ours "$pid" && pids="$pids $pid"
done
for pid in $pids; do kill -QUIT "$pid"; kill -CONT "$pid"; done
for pid in $pids; do
    tries=100
    while ours "$pid" && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
    ours "$pid" && kill -KILL "$pid"
done
rm -rf -- "$home"
"#;
