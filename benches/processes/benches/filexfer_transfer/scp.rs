//! scp to a server of our own, on a free port, with keys of its own, as the user who runs the bench.

use super::rsync::is_root;
use super::sites::{free_port, wait_for_port};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Scp {
    server: Child,
    home: PathBuf,
    port: u16,
}

impl Scp {
    pub(crate) fn new(disk: &Path) -> Self {
        let home = disk.join("scp");
        fs::create_dir_all(home.join("files")).unwrap();
        for name in ["host", "user"] {
            if !home.join(name).exists() {
                let made = Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(home.join(name))
                    .status();
                assert!(made.unwrap().success());
            }
        }
        fs::copy(home.join("user.pub"), home.join("authorized")).unwrap();
        if is_root() {
            // Debian's server wants it where it starts as root.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port();
        let shown = |name: &str| home.join(name).display().to_string();
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\n",
            shown("host"),
            shown("authorized")
        );
        fs::write(home.join("sshd_config"), text).unwrap();
        let program = std::env::var_os("INTERBANK_SSHD")
            .map_or_else(|| "/usr/sbin/sshd".into(), PathBuf::from);
        let server = Command::new(program)
            .args(["-D", "-f"])
            .arg(home.join("sshd_config"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_port(port);
        Self { server, home, port }
    }

    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.home.join("files").join(name)
    }

    pub(crate) fn send(&self, source: &Path) {
        self.run(source, &[]);
    }

    pub(crate) fn send_folder(&self, source: &Path) {
        self.run(source, &["-r"]);
    }

    fn run(&self, source: &Path, options: &[&str]) {
        let known = format!("UserKnownHostsFile={}", self.home.join("known").display());
        let status = Command::new("scp")
            .args(options)
            .args(["-q", "-F", "none", "-P", &self.port.to_string(), "-i"])
            .arg(self.home.join("user"))
            .args(["-o", "StrictHostKeyChecking=accept-new", "-o", &known])
            .arg(source)
            .arg(format!("127.0.0.1:{}/", self.home.join("files").display()))
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Scp {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
