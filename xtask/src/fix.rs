//! `cargo xtask fix`: repairs what a machine can repair.

use anyhow::{Context, Result};
use clap::Args;

use crate::check::satellites;
use crate::conformance::{self, Conformance};
use crate::shell::Program;
use crate::steps::Steps;
use crate::workspace::{Workspace, repository_files};

/// Applies clippy's suggestions, formats, and writes the generated pages anew.
///
/// The README's table of speeds comes from measurements: `cargo xtask bench` writes it.
#[derive(Args)]
pub(crate) struct Fix {}

impl Fix {
    pub(crate) fn run(self) -> Result<()> {
        let mut steps = Steps::new("fix");
        steps.run("clippy --fix", || {
            Program::cargo()
                .args(["clippy", "--fix", "--allow-dirty", "--allow-staged"])
                .args(["--workspace", "--all-targets", "--all-features"])
                .run()
        });
        steps.run("format", || {
            Program::cargo().args(["fmt", "--all"]).run()?;
            for manifest in satellites() {
                Program::cargo().args(["fmt", "--all", "--manifest-path", manifest]).run()?;
            }
            Ok(())
        });
        steps.run("conformance page", || {
            let conformance = Conformance::read(&Workspace::load()?, &repository_files()?)?;
            std::fs::write(conformance::PAGE, conformance.page()).context(conformance::PAGE)?;
            for fault in conformance.faults() {
                println!("    yours to repair: {fault}");
            }
            Ok(())
        });
        steps.finish("")
    }
}
