//! An rsync daemon of our own, on a free port: in clear, with weak checksums, and with `--fsync`.

use super::sites::{free_port, wait_for_port};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Rsync {
    daemon: Child,
    folder: PathBuf,
    port: u16,
}

impl Rsync {
    pub(crate) fn new(disk: &Path) -> Self {
        let home = disk.join("rsync");
        let folder = home.join("files");
        fs::create_dir_all(&folder).unwrap();
        let configuration = home.join("rsyncd.conf");
        // A daemon that root starts becomes nobody unless it is told not to.
        let owner = if is_root() { "uid = root\ngid = root\n" } else { "" };
        let text = format!(
            "use chroot = no\n{owner}log file = {}\n[files]\npath = {}\nread only = no\n",
            home.join("log").display(),
            folder.display()
        );
        fs::write(&configuration, text).unwrap();
        let port = free_port();
        let daemon = Command::new(program())
            .args(["--daemon", "--no-detach", "--address", "127.0.0.1"])
            .args(["--port", &port.to_string()])
            .arg("--config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_port(port);
        Self { daemon, folder, port }
    }

    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `--fsync` and `--whole-file`, which is what suits a file that is not there yet.
    pub(crate) fn send(&self, source: &Path) {
        self.run(source, &["--fsync", "--whole-file"]);
    }

    /// Goes on with what is there.
    pub(crate) fn resume(&self, source: &Path) {
        self.run(source, &["--fsync", "--append-verify"]);
    }

    fn run(&self, source: &Path, options: &[&str]) {
        let to = format!("rsync://127.0.0.1:{}/files/", self.port);
        let status = Command::new(program()).args(options).arg(source).arg(to).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Rsync {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

fn program() -> PathBuf {
    std::env::var_os("INTERBANK_RSYNC").map_or_else(|| "rsync".into(), PathBuf::from)
}
