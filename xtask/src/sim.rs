//! `cargo xtask sim`: the seeded simulations of the crates, as long as one likes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell::Program;
use crate::workspace::{Package, Workspace};

/// Runs the simulations: random schedules of racing requests, faults and crashes that must keep
/// every invariant.
///
/// Each package with a test target named `sim` takes part. The tests read INTERBANK_SIM_SEED and
/// INTERBANK_SIM_SCHEDULES. The same seed and number of schedules give the same run, bit for bit.
#[derive(Args)]
pub(crate) struct Sim {
    /// The seed of the run; without it a new one is drawn and shown
    #[arg(long)]
    seed: Option<u64>,
    /// How many schedules each simulation runs through
    #[arg(long, default_value_t = LONG)]
    schedules: u64,
    /// Repeats with the following seeds until this many minutes have passed
    #[arg(long, value_name = "MINUTES", conflicts_with = "ci")]
    minutes: Option<u64>,
    /// The short setting of `cargo xtask test`: a fixed seed, 2,000 schedules, no optimized build
    #[arg(long, conflicts_with_all = ["seed", "schedules"])]
    ci: bool,
    /// Only this package (its name or its folder's name)
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
}

impl Sim {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let packages: Vec<_> = match &self.package {
            Some(name) => vec![workspace.find(name)?],
            None => workspace.packages.iter().filter(|p| has_simulation(p)).collect(),
        };
        if !packages.iter().any(|p| has_simulation(p)) {
            bail!("no package here has a test target named `{TARGET}`");
        }
        let selection: Vec<_> =
            packages.iter().flat_map(|p| ["--package", p.name.as_str()]).collect();
        if self.ci {
            run_short(&selection)?;
            println!("xtask sim: ok: {SHORT} schedules in each of {} packages", packages.len());
            return Ok(());
        }
        let until = self.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
        let mut seed = match self.seed {
            Some(seed) => seed,
            None => drawn_seed()?,
        };
        let mut rounds = 0_u64;
        loop {
            simulate(&selection, seed, self.schedules, Profile::Release)?;
            rounds += 1;
            if until.is_none_or(|until| Instant::now() >= until) {
                break;
            }
            seed = seed.wrapping_add(1);
        }
        println!(
            "xtask sim: ok: {rounds} × {} schedules in each of {} packages, last seed {seed}",
            self.schedules,
            packages.len()
        );
        Ok(())
    }
}

/// The bounded simulation of a test run: with the selection that the tests had, it uses their
/// build.
pub(crate) fn run_short(selection: &[&str]) -> Result<()> {
    simulate(selection, CI_SEED, SHORT, Profile::Dev)
}

/// Whether a package has simulations.
pub(crate) fn has_simulation(package: &Package) -> bool {
    package.targets("test").any(|target| target.name == TARGET)
}

#[derive(PartialEq, Eq)]
enum Profile {
    Dev,
    Release,
}

fn simulate(selection: &[&str], seed: u64, schedules: u64, profile: Profile) -> Result<()> {
    println!("    seed {seed}, {schedules} schedules");
    let mut cargo = Program::cargo()
        .args(["test", "--all-features", "--no-fail-fast", "--test", TARGET])
        .args(selection)
        .env("INTERBANK_SIM_SEED", seed.to_string())
        .env("INTERBANK_SIM_SCHEDULES", schedules.to_string());
    let is_long = profile == Profile::Release;
    if is_long {
        // many nodes verify the same signatures: most of a long run would be that
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        cargo = cargo
            .args(["--release", "--target-dir", "target/sim"])
            .env("RUSTFLAGS", format!("{flags} --cfg interbank_simulation"));
    }
    cargo = cargo.args(["--", "--nocapture"]);
    if is_long {
        // what takes minutes even where optimized
        cargo = cargo.arg("--include-ignored");
    }
    cargo.run().with_context(|| {
        format!(
            "seed {seed} did not pass; replay it with\n  cargo xtask sim --seed {seed} --schedules {schedules}\n"
        )
    })
}

/// A seed that differs from run to run; what makes a run repeatable is that it is shown.
fn drawn_seed() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    // microseconds keep the number short enough to be typed
    Ok(u64::try_from(now.as_micros())?)
}

/// The name of the test target that holds a package's simulations.
const TARGET: &str = "sim";
const LONG: u64 = 100_000;
const SHORT: u64 = 2_000;
const CI_SEED: u64 = 1;
