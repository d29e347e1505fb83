//! Programs of the workspace.

use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A package's program, as its users build it; a variable such as `INTERBANK_LEDGER_NODE` names another.
pub fn program(package: &str) -> PathBuf {
    let variable = format!("INTERBANK_{}", package.to_uppercase().replace('-', "_"));
    if let Some(program) = std::env::var_os(variable) {
        return program.into();
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", package, "--message-format", "json"])
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{package} does not build");
    let said = String::from_utf8(output.stdout).unwrap();
    let built = said.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    built.expect("cargo says where the program is")
}
