//! `cargo xtask fuzz`: the fuzz targets, each for a while.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;

use crate::shell::Program;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Runs the fuzz targets of fuzz/Cargo.toml with cargo-fuzz on the nightly toolchain.
///
/// New inputs are kept in fuzz/corpus, which is not committed; fuzz/seeds, where it
/// exists, has more in a folder per target. A finding is left in fuzz/artifacts, and cargo-fuzz
/// prints how to replay it.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// The target to run; without it, all of them
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
    /// Only print the names of the targets
    #[arg(long)]
    list: bool,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<()> {
        let targets = chosen(targets()?, self.target.as_deref())?;
        if self.list {
            println!("{}", targets.join("\n"));
            return Ok(());
        }
        require_tools()?;
        let mut steps = Steps::new("fuzz");
        for target in &targets {
            steps.run(format!("fuzz {target}"), || fuzz(target, self.seconds));
        }
        steps.finish("")
    }
}

fn targets() -> Result<Vec<String>> {
    if !Path::new(MANIFEST).is_file() {
        bail!("there is no {MANIFEST}");
    }
    let workspace = Workspace::load_at(MANIFEST)?;
    let bins = workspace.packages.iter().flat_map(|p| p.targets("bin"));
    Ok(bins.map(|target| target.name.clone()).collect())
}

fn chosen(targets: Vec<String>, wanted: Option<&str>) -> Result<Vec<String>> {
    match wanted {
        Some(wanted) if !targets.iter().any(|target| target == wanted) => {
            bail!("no fuzz target is called `{wanted}`; there are {}", targets.join(", "))
        }
        Some(wanted) => Ok(vec![wanted.to_owned()]),
        None if targets.is_empty() => bail!("{MANIFEST} has no targets"),
        None => Ok(targets),
    }
}

fn require_tools() -> Result<()> {
    if !nightly("rustc").arg("--version").works() {
        bail!(
            "the nightly toolchain is not installed. Install it with\n  rustup toolchain install nightly --profile minimal"
        );
    }
    if !nightly("cargo").args(["fuzz", "--version"]).works() {
        bail!("cargo-fuzz is not installed. Install it with\n  cargo install --locked cargo-fuzz");
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let corpus = format!("fuzz/corpus/{target}");
    // libFuzzer wants every folder that it is given to exist
    std::fs::create_dir_all(&corpus)?;
    let seeds = format!("fuzz/seeds/{target}");
    let mut cargo = nightly("cargo").args(["fuzz", "run", target, corpus.as_str()]);
    if Path::new(&seeds).is_dir() {
        cargo = cargo.arg(&seeds);
    }
    cargo.arg("--").arg(format!("-max_total_time={seconds}")).run()
}

/// A program of the nightly toolchain: only that one has the sanitizers.
fn nightly(program: &str) -> Program {
    Program::new("rustup").args(["run", "nightly", program])
}

const MANIFEST: &str = "fuzz/Cargo.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_target_is_answered_with_the_right_ones() {
        let targets = || vec!["emv_parse".to_owned(), "redeem_ops".to_owned()];
        assert_eq!(chosen(targets(), None).unwrap(), targets());
        assert_eq!(chosen(targets(), Some("redeem_ops")).unwrap(), ["redeem_ops"]);
        let error = chosen(targets(), Some("emv")).unwrap_err().to_string();
        assert!(error.ends_with("there are emv_parse, redeem_ops"), "{error}");
        assert!(chosen(Vec::new(), None).is_err());
    }
}
