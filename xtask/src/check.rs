//! `cargo xtask check`: everything that can be said about the code without running it.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;

use crate::quality;
use crate::shell::Program;
use crate::steps::Steps;
use crate::tidy;
use crate::workspace::Workspace;

/// Checks format, lints, docs, licences and tidiness. Changes nothing.
///
/// - rustfmt, on the workspace and on the workspaces benches/, fuzz/ and quality/;
/// - clippy with `-D warnings` on all targets and features, and on the pure crates without their
///   default features;
/// - rustdoc with `-D warnings`;
/// - cargo-deny: licences, banned packages, sources (deny.toml);
/// - everything of `cargo xtask tidy`.
#[derive(Args)]
pub(crate) struct Check {
    /// Leave cargo-deny out
    #[arg(long)]
    no_deny: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let mut steps = Steps::new("check");
        steps.run("format", || {
            Program::cargo().args(["fmt", "--all", "--check"]).run()?;
            for manifest in satellites() {
                Program::cargo()
                    .args(["fmt", "--all", "--check", "--manifest-path", manifest])
                    .run()?;
            }
            Ok(())
        });
        steps.run("clippy", || clippy(&["--workspace", "--all-targets", "--all-features"]));
        steps.run("clippy, pure crates without default features", || {
            // one by one: together they would switch on each other's features
            for package in workspace.pure() {
                clippy(&["--package", &package.name, "--lib", "--no-default-features"])?;
            }
            Ok(())
        });
        for manifest in satellites() {
            steps.run(format!("clippy, {manifest}"), || {
                clippy(&["--manifest-path", manifest, "--all-targets"])
            });
        }
        steps.run("docs", || {
            Program::cargo()
                .args(["doc", "--workspace", "--no-deps", "--all-features"])
                .env("RUSTDOCFLAGS", "-D warnings")
                .run()
        });
        if self.no_deny {
            steps.skip("cargo-deny (--no-deny)");
        } else {
            steps.run("deny", deny);
        }
        tidy::check(&mut steps)?;
        steps.finish("")
    }
}

/// The manifests of the workspaces beside the main one, as far as they are there.
pub(crate) fn satellites() -> impl Iterator<Item = &'static str> {
    ["benches/Cargo.toml", "fuzz/Cargo.toml", quality::MANIFEST]
        .into_iter()
        .filter(|path| Path::new(path).is_file())
}

fn clippy(selection: &[&str]) -> Result<()> {
    Program::cargo().arg("clippy").args(selection).args(["--", "-D", "warnings"]).run()
}

fn deny() -> Result<()> {
    if !Program::cargo().args(["deny", "--version"]).works() {
        bail!(
            "cargo-deny is not installed. Install it with\n  cargo install --locked cargo-deny\nor leave it out with --no-deny"
        );
    }
    // offline, it wants the packages of all platforms to be at hand
    Program::cargo().args(["fetch", "--locked"]).run()?;
    // without `--workspace` only the root package is looked at, whose closure has no adapter in it;
    // advisories are left out: they change without the code changing, and need the network
    Program::cargo()
        .args(["deny", "--offline", "--workspace", "--all-features", "check"])
        .args(["licenses", "bans", "sources"])
        .run()
}
