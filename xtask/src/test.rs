//! `cargo xtask test`: every test of the workspace, from a fresh clone, in one command.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use testbed::{Installation, Postgres};

use crate::need::{self, Found};
use crate::shell::Program;
use crate::steps::Steps;
use crate::workspace::{Package, Workspace, repository_files};
use crate::{quality, sim, tidy};

/// Runs every test of the workspace: unit, integration and doc tests, examples, demos, a short
/// simulation, the quality of the risk engines on a small world, tidy.
///
/// First it finds the programs that tests start (a browser and its driver, a QR reader,
/// PostgreSQL). Missing ones are installed with apt-get when this runs as root; otherwise it says
/// exactly what to install and fails before any test runs. The tests learn the paths from
/// INTERBANK_CHROMIUM, INTERBANK_CHROMEDRIVER, INTERBANK_ZBARIMG, INTERBANK_RSVG and
/// INTERBANK_POSTGRES; set beforehand, these decide.
#[derive(Args)]
pub(crate) struct Test {
    /// Test only this package (its name or its folder's name); may be given several times. Leaves
    /// tidy out
    #[arg(short, long, value_name = "NAME")]
    package: Vec<String>,
    /// Never install anything; say what is missing and fail
    #[arg(long)]
    no_install: bool,
    /// Only tidy and the tests of the default members: no adapters, applications, examples, demos,
    /// simulation, quality
    #[arg(long)]
    fast: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let packages = self.packages(&workspace)?;
        let names: Vec<_> = packages.iter().map(|p| p.name.as_str()).collect();

        println!("==> needs");
        let found = need::satisfy(&names, !self.no_install)?;
        need::report(&found);

        let everything = self.package.is_empty();
        let mut run = Run { workspace: &workspace, packages, found, tally: Tally::default() };
        let mut steps = Steps::new("test");
        if everything {
            tidy::check(&mut steps)?;
        }
        for Step { name, slow, run: step } in STEPS {
            if *slow && self.fast {
                steps.skip(format!("{name} (--fast)"));
            } else {
                steps.run(*name, || step(&mut run));
            }
        }
        steps.finish(&run.tally.to_string())
    }

    fn packages<'a>(&self, workspace: &'a Workspace) -> Result<Vec<&'a Package>> {
        if !self.package.is_empty() {
            self.package.iter().map(|name| workspace.find(name)).collect()
        } else if self.fast {
            Ok(workspace.default_members())
        } else {
            Ok(workspace.packages.iter().collect())
        }
    }
}

/// What a test run consists of, in order. A failed step does not keep the next from running.
const STEPS: &[Step] = &[
    Step { name: "tests", slow: false, run: tests },
    Step { name: "examples", slow: true, run: examples },
    Step { name: "demos", slow: true, run: demos },
    Step { name: "simulation", slow: true, run: simulation },
    Step { name: "quality", slow: true, run: quality },
];

/// Where examples find the database that they may use as they like.
const DATABASE_URL: &str = "DATABASE_URL";

/// Programs that show a story and verify each step of it; each prints a summary in JSON.
const DEMOS: &[(&str, &[&str])] = &[("refbank", &["demo", "--json"])];

struct Step {
    name: &'static str,
    /// Left out by `--fast`.
    slow: bool,
    run: fn(&mut Run<'_>) -> Result<()>,
}

/// One test run: what is tested, with what, and the count so far.
struct Run<'a> {
    workspace: &'a Workspace,
    packages: Vec<&'a Package>,
    found: Found,
    tally: Tally,
}

impl Run<'_> {
    /// `--workspace`, or the packages one by one.
    fn selection(&self) -> Vec<&str> {
        if self.packages.len() == self.workspace.packages.len() {
            vec!["--workspace"]
        } else {
            self.packages.iter().flat_map(|p| ["--package", p.name.as_str()]).collect()
        }
    }
}

fn tests(run: &mut Run<'_>) -> Result<()> {
    let cargo = Program::cargo()
        .args(["test", "--all-features", "--no-fail-fast"])
        .args(run.selection())
        .envs(&run.found);
    cargo.lines(|line| run.tally.read(line))
}

fn examples(run: &mut Run<'_>) -> Result<()> {
    let orphans = orphans(run)?;
    if !orphans.is_empty() {
        bail!("no package declares {} as an [[example]]", orphans.join(", "));
    }
    let wanted = run.packages.iter().flat_map(|p| p.targets("example")).count();
    let built = built(run, "example")?;
    if built.len() != wanted {
        bail!(
            "{wanted} examples, but {} different names: each needs a name of its own",
            built.len()
        );
    }
    let server = database(run)?;
    let url = server.iter().map(|server| (DATABASE_URL, server.url().into()));
    let found: Found = run.found.iter().cloned().chain(url).collect();
    for (name, program) in built {
        println!("  -> example {name}");
        Program::new(program)
            .envs(&found)
            .limit(PATIENCE)
            .run()
            .with_context(|| format!("example `{name}`"))?;
    }
    Ok(())
}

/// A database for examples that want one; it ends with the step.
fn database(run: &Run<'_>) -> Result<Option<Postgres>> {
    let has_found = run.found.iter().any(|(variable, _)| *variable == Installation::VARIABLE);
    if !has_found {
        return Ok(None);
    }
    println!("  -> a private PostgreSQL");
    Ok(Some(Postgres::options().fast().start()?))
}

fn demos(run: &mut Run<'_>) -> Result<()> {
    let is_tested = |name: &str| run.packages.iter().any(|p| p.name == name);
    let demos: Vec<_> = DEMOS.iter().filter(|(name, _)| is_tested(name)).collect();
    if demos.is_empty() {
        println!("    none in these packages");
        return Ok(());
    }
    let built = built(run, "bin")?;
    for (name, args) in demos {
        let program = built.get(*name).with_context(|| format!("no program is called `{name}`"))?;
        println!("  -> {name} {}", args.join(" "));
        let output = Program::new(program).args(*args).envs(&run.found).limit(PATIENCE).text()?;
        let summary: serde_json::Value = serde_json::from_str(&output)
            .with_context(|| format!("`{name}` printed no JSON: {output:?}"))?;
        println!("{summary:#}");
    }
    Ok(())
}

fn simulation(run: &mut Run<'_>) -> Result<()> {
    if !run.packages.iter().any(|package| sim::has_simulation(package)) {
        println!("    none in these packages");
        return Ok(());
    }
    sim::run_short(&run.selection())
}

fn quality(run: &mut Run<'_>) -> Result<()> {
    if run.packages.iter().any(|package| package.name == MEASURED) {
        quality::run_short()
    } else {
        println!("    none in these packages");
        Ok(())
    }
}

/// The programs of one kind that `cargo test` has just built, and where they are. Asked for in the
/// same words, so that nothing is built twice: `cargo build` takes other features of what only
/// tests depend on, and would fill the disk with a second set.
fn built(run: &Run<'_>, kind: &str) -> Result<BTreeMap<String, PathBuf>> {
    let messages = Program::cargo()
        .args(["test", "--no-run", "--quiet", "--all-features"])
        .arg("--message-format=json-render-diagnostics")
        .args(run.selection())
        .envs(&run.found)
        .text()?;
    Ok(executables(&messages, kind))
}

fn executables(messages: &str, kind: &str) -> BTreeMap<String, PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        target: ArtifactTarget,
        profile: ArtifactProfile,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct ArtifactTarget {
        name: String,
        kind: Vec<String>,
    }
    #[derive(Deserialize)]
    struct ArtifactProfile {
        /// Its unit tests, not the program itself.
        test: bool,
    }
    // messages of other kinds have other fields, and are not meant
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts
        .filter(|artifact| !artifact.profile.test)
        .filter(|artifact| artifact.target.kind.iter().any(|k| k == kind))
        .filter_map(|artifact| Some((artifact.target.name, artifact.executable?)))
        .collect()
}

/// Example files that no package builds: easily forgotten, as the root package finds none by
/// itself.
fn orphans(run: &Run<'_>) -> Result<Vec<String>> {
    let root = std::env::current_dir()?;
    let declared: Vec<_> = run
        .workspace
        .packages
        .iter()
        .flat_map(|p| p.targets("example"))
        .map(|t| &t.src_path)
        .collect();
    let mut orphans = Vec::new();
    for file in repository_files()? {
        let in_examples = file.parent().is_some_and(|dir| dir.ends_with("examples"));
        let is_rust = file.extension().is_some_and(|e| e == "rs");
        if in_examples && is_rust && !declared.contains(&&root.join(&file)) {
            orphans.push(file.display().to_string());
        }
    }
    Ok(orphans)
}

/// The sum of cargo test's closing lines.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    fn read(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.trim().split_once(' ') {
                Some((n, "passed")) => self.passed += n.parse().unwrap_or(0),
                Some((n, "failed")) => self.failed += n.parse().unwrap_or(0),
                Some((n, "ignored")) => self.ignored += n.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, ignored } = self;
        write!(f, "{passed} tests passed, {failed} failed, {ignored} ignored")
    }
}

/// The package whose quality is measured.
const MEASURED: &str = "interbank-risk-core";

/// No example and no demo takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_adds_up_closing_lines_only() {
        let mut tally = Tally::default();
        for line in [
            "test q01_a ... ok\n",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.02s\n",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
            "error: 1 target failed:\n",
        ] {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed: 13, failed: 2, ignored: 1 });
    }

    #[test]
    fn programs_are_picked_from_cargo_messages_by_kind() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"port","kind":["lib"]},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"by_hand","kind":["example"]},"profile":{"test":false},"executable":"/t/debug/examples/by_hand"}
{"reason":"compiler-artifact","target":{"name":"refbank","kind":["bin"]},"profile":{"test":false},"executable":"/t/debug/refbank"}
{"reason":"compiler-artifact","target":{"name":"refbank","kind":["bin"]},"profile":{"test":true},"executable":"/t/debug/deps/refbank-1f"}
{"reason":"build-finished","success":true}
"#;
        let examples = executables(messages, "example");
        assert_eq!(examples, [("by_hand".into(), "/t/debug/examples/by_hand".into())].into());
        let programs = executables(messages, "bin");
        assert_eq!(programs, [("refbank".into(), "/t/debug/refbank".into())].into());
    }
}
