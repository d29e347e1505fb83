//! `cargo xtask quality`: how well the risk engines tell owners from thieves on the generated world.

use std::path::Path;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::shell::Program;

/// Measures on the reporting seeds and writes the page with its plots into docs/quality/.
///
/// The program that measures is the package in quality/, a workspace of its own. Parameters and
/// seeds stand in crates/simkit/src/world/parameters.rs.
#[derive(Args)]
pub(crate) struct Quality {
    /// Whose quality
    engine: Engine,
    /// A small world, as `cargo xtask test` runs it: checks that nothing broke, writes nothing
    #[arg(long)]
    quick: bool,
    /// The tuning seeds in place of the reporting ones: prints the page, writes nothing
    #[arg(long, conflicts_with = "quick")]
    tune: bool,
    /// Prints all figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    RiskCore,
}

impl Quality {
    pub(crate) fn run(self) -> Result<()> {
        if !Path::new(MANIFEST).is_file() {
            bail!("there is no {MANIFEST}");
        }
        let Engine::RiskCore = self.engine;
        let mut args = Vec::new();
        if self.quick {
            args.push("--quick");
        }
        if self.tune {
            args.push("--tune");
        }
        if self.json {
            args.push("--json");
        }
        if !self.quick && !self.tune {
            args.extend(["--write", FOLDER]);
        }
        measure(&args)?;
        let what = if self.quick || self.tune { "measured" } else { "docs/quality/ is new" };
        // JSON on standard output stays JSON
        eprintln!("xtask quality: ok: {what}");
        Ok(())
    }
}

/// The bounded run of a test: fails when the engines fall below what a small world allows.
pub(crate) fn run_short() -> Result<()> {
    measure(&["--quick"])
}

fn measure(args: &[&str]) -> Result<()> {
    Program::cargo()
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path", MANIFEST, "--"])
        .args(args)
        .run_quietly()
}

pub(crate) const MANIFEST: &str = "quality/Cargo.toml";
const FOLDER: &str = "docs/quality";
