//! `cargo xtask tidy`: what no compiler checks.

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::conformance::Conformance;
use crate::source::tests_in;
use crate::steps::Steps;
use crate::workspace::{Workspace, repository_files};
use crate::{conformance, invariant, link, purity, size, table};

/// Checks purity, spec ids, invariants, links and generated pages. Changes nothing.
///
/// - The pure crates are `no_std`, forbid `unsafe`, use their README as crate page, and depend on
///   nothing that touches the world; every package states its rust-version.
/// - Every id in `docs/spec/*.ids` has a test that asserts something and is named after it: `Qd3`
///   by `qd03_…`.
/// - Every *Invariant:* paragraph in ARCHITECTURE.md names an existing test in backticks.
/// - Relative links in Markdown lead to a file and a heading.
/// - `docs/conformance.md` and the README's table of speeds are what would be generated now.
///
/// Long files and functions are reported, not refused.
#[derive(Args)]
pub(crate) struct Tidy {}

impl Tidy {
    pub(crate) fn run(self) -> Result<()> {
        let mut steps = Steps::new("tidy");
        check(&mut steps)?;
        steps.finish("")
    }
}

/// Every check as a step of a larger command.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    let workspace = Workspace::load()?;
    let files = repository_files()?;

    steps.run("tidy: purity", || none(purity::faults(&workspace)?));
    steps.run("tidy: spec ids", || {
        let conformance = Conformance::read(&workspace, &files)?;
        println!("    {} ids", conformance.len());
        none(conformance.faults())
    });
    steps.run("tidy: conformance page", || {
        let page = Conformance::read(&workspace, &files)?.page();
        let committed = std::fs::read_to_string(conformance::PAGE).unwrap_or_default();
        if page != committed {
            bail!("{} is stale; `cargo xtask fix` writes it", conformance::PAGE);
        }
        Ok(())
    });
    steps.run("tidy: invariants", || {
        let page = std::fs::read_to_string(invariant::PAGE).context(invariant::PAGE)?;
        let sources = files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs"));
        let (faults, count) = invariant::faults(&page, &tests_in(sources)?);
        println!("    {count} invariants");
        none(faults)
    });
    steps.run("tidy: links", || {
        let (faults, followed) = link::faults(&files)?;
        println!("    {followed} links");
        none(faults)
    });
    if table::is_expected() {
        steps.run("tidy: table of speeds", table::check);
    } else {
        steps.skip("tidy: table of speeds, as there is no benches/Cargo.toml");
    }
    steps.run("tidy: sizes (a report)", || {
        for line in size::report(&files)? {
            println!("    {line}");
        }
        Ok(())
    });
    Ok(())
}

/// An error that lists the faults, if there are any.
fn none(faults: Vec<String>) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("faults: {}\n    {}", faults.len(), faults.join("\n    "))
}
