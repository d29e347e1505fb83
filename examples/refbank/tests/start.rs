//! The start of the program: what keeps it from starting is told in one sentence, with an exit code of its own.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use running::{Bank, Visitor, command, run};
use std::net::TcpListener;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Runs with these arguments and expects one sentence and this exit code.
fn fails(arguments: &[&str], code: i32, says: &str) {
    let output = run(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    let sentences: Vec<_> = told.lines().filter(|line| line.starts_with("refbank: ")).collect();
    assert_eq!(sentences.len(), 1, "{told}");
    assert!(sentences[0].contains(says), "{told}");
    assert!(!told.contains("panicked") && !told.contains("backtrace"), "{told}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn a_taken_port_is_one_sentence() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let data = folder.path().join("data");
    fails(&["--listen", &address, "--data", text(&data), "--log", "off"], 3, "the port is taken");
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn a_folder_that_cannot_be_used_is_one_sentence() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("a file");
    for data in [file.clone(), file.join("below"), "/proc/refbank".into()] {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--log", "off"];
        fails(&arguments, 4, "cannot use the data folder");
    }
}

#[test]
fn a_damaged_store_is_one_sentence() {
    let folder = folder();
    let data = folder.path().join("data");
    Bank::start(&data).terminate();
    let files = std::fs::read_dir(data.join("store")).expect("the store");
    let sized =
        files.flatten().map(|file| (file.metadata().map_or(0, |about| about.len()), file.path()));
    let (_, largest) = sized.max().expect("a file");
    let mut bytes = std::fs::read(&largest).expect("its bytes");
    let len = bytes.len().min(4096);
    bytes[..len].fill(0xA5);
    std::fs::write(&largest, bytes).expect("damage");
    let arguments = ["--listen", "127.0.0.1:0", "--data", text(&data), "--log", "off"];
    fails(&arguments, 5, "cannot open the store");
}

#[test]
fn one_changed_byte_of_a_row_is_one_sentence() {
    let folder = folder();
    let data = folder.path().join("data");
    let bank = Bank::start(&data);
    Visitor::new(&bank).order("first", "1.00");
    assert_eq!(bank.terminate(), Some(0));
    let mut changed = 0;
    for file in std::fs::read_dir(data.join("store")).expect("the store").flatten() {
        let mut bytes = std::fs::read(file.path()).expect("its bytes");
        let found = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"Flat white"));
        let found: Vec<_> = found.collect();
        changed += found.len();
        for at in found {
            bytes[at] ^= 1;
        }
        std::fs::write(file.path(), bytes).expect("damage");
    }
    assert!(changed > 0, "the note is in the store");
    let arguments = ["--listen", "127.0.0.1:0", "--data", text(&data), "--log", "off"];
    fails(&arguments, 5, "cannot open the store");
}

#[test]
fn a_folder_in_use_is_one_sentence() {
    let folder = folder();
    let data = folder.path().join("data");
    let _bank = Bank::start(&data);
    let arguments = ["--listen", "127.0.0.1:0", "--data", text(&data), "--log", "off"];
    fails(&arguments, 5, "another process has it open");
}

#[test]
fn keys_are_guarded() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let data = folder.path().join("data");
    Bank::start(&data).terminate();
    let keys = data.join("keys.json");
    for file in ["keys.json", "accounting.json", "wallet.json"] {
        let about = std::fs::metadata(data.join(file)).expect("the file");
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let arguments = ["--listen", "127.0.0.1:0", "--data", text(&data), "--log", "off"];
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    fails(&arguments, 6, "chmod 600");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let kept = std::fs::read(&keys).expect("keys");
    std::fs::write(&keys, &kept[..kept.len() / 2]).expect("damage");
    fails(&arguments, 6, "damaged");
    std::fs::remove_file(&keys).expect("no keys");
    fails(&arguments, 6, "it is missing, but the store is there");
    assert!(!keys.exists(), "no new keys for old rows");
}

#[test]
fn the_command_line_explains_itself() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    let told = String::from_utf8_lossy(&help.stdout).into_owned();
    for part in ["--listen", "--data", "demo", "serve", "keys.json", "Examples:", "Exit codes:"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let demo = command().args(["demo", "--help"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&demo.stdout).into_owned();
    assert!(told.contains("--json") && told.contains("--svg"), "{told}");
    assert_eq!(run(&["--nonsense"]).status.code(), Some(2));
}
