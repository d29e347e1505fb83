//! The program, a folder, and short words for what the tests do over and over.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of its own for each test, in which the program runs.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// With the accounting system's key in `key` and `key.pub`, and those of instances in `east`, `west` and `instances`.
    pub(crate) fn with_key() -> Self {
        let desk = Self::new();
        desk.done(
            "parameters key --issuer accounting.example --key-id 3 --out key --public key.pub",
        );
        fs::create_dir(desk.path("instances")).expect("a folder");
        for name in ["east", "west"] {
            let public = format!("instances/{name}.pub");
            desk.done(&format!("parameters key --issuer {name} --out {name} --public {public}"));
        }
        desk
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        let program = env!("CARGO_BIN_EXE_standin-desk");
        let arguments = arguments.split_whitespace();
        Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("it starts")
    }

    /// Runs it; it must end well.
    pub(crate) fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs it with `--json`; it must end well.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{arguments} --json"))).expect("JSON")
    }

    /// Runs it; it must end with this code and one sentence, which is given back.
    pub(crate) fn fails(&self, code: i32, arguments: &str) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        if code != 2 {
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.starts_with("standin-desk: "), "{said}");
        }
        said
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// Writes a file that nobody else may read.
    pub(crate) fn secret(&self, name: &str, content: &str) {
        self.write(name, content);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let own = fs::Permissions::from_mode(0o600);
            fs::set_permissions(self.path(name), own).expect("a mode");
        }
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    /// Copies the invented set, changed, to `name`.
    pub(crate) fn set(&self, name: &str, changes: &[(&str, &str)]) {
        let mut set = data("set.toml");
        for (from, to) in changes {
            assert!(set.contains(from), "{from}");
            set = set.replace(from, to);
        }
        self.write(name, set);
    }

    /// Writes the invented set with this version and signs it, to `name`.
    pub(crate) fn signed(&self, name: &str, version: u64) {
        let toml = format!("{name}.toml");
        self.set(&toml, &[("version = 7", &format!("version = {version}"))]);
        self.done(&format!("parameters sign {toml} --key key --out {name} --with-findings"));
    }
}

/// A file of `tests/data`.
pub(crate) fn data(name: &str) -> String {
    fs::read_to_string(Path::new(DATA).join(name)).expect("a file")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(crate) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
