//! Many seeds of one simulation, and how a failing one is seen again.

use crate::Rng;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a simulation under many seeds; which and how many, the environment may say.
///
/// `package` is `env!("CARGO_PKG_NAME")` of the test, `name` what it proves. `INTERBANK_SIM_SEED` chooses the first seed
/// and `INTERBANK_SIM_SCHEDULES` how many; `cargo xtask sim` sets both. Returns how many ran. A panic within a run
/// counts as its failure.
///
/// # Errors
/// The first failing seed, with the command that runs exactly it again.
pub fn run(
    package: &str,
    name: &str,
    schedules: u64,
    simulate: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    run_seeds(package, name, Seeds::from_env(schedules), simulate)
}

/// As [`run`], but with seeds that the caller chose.
///
/// # Errors
/// As [`run`].
pub fn run_seeds(
    package: &str,
    name: &str,
    seeds: Seeds,
    mut simulate: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    for schedule in 0..seeds.schedules {
        let seed = seeds.seed(schedule);
        let Err(failed) = caught(|| simulate(seed)).unwrap_or_else(|why| Err(why.into())) else {
            continue;
        };
        let run = SeededRun { package: package.into(), name: name.into(), seed };
        return Err(Failure { run: Some(Box::new(run)), ..failed });
    }
    Ok(seeds.schedules)
}

/// Which seeds to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first seed; the others are derived from it.
    pub first: u64,
    /// How many.
    pub schedules: u64,
}

impl Seeds {
    /// What the environment says, otherwise seed 1 and `schedules`.
    pub fn from_env(schedules: u64) -> Self {
        let number = |name| read_env(name).and_then(|text| text.trim().parse().ok());
        Self {
            first: number("INTERBANK_SIM_SEED").unwrap_or(1),
            schedules: number("INTERBANK_SIM_SCHEDULES").unwrap_or(schedules),
        }
    }

    /// The seed of one schedule. The first is `first` itself, so that any seed can be run alone.
    pub fn seed(self, schedule: u64) -> u64 {
        if schedule == 0 {
            self.first
        } else {
            Rng::new(self.first.rotate_left(17) ^ schedule).next_u64()
        }
    }
}

/// A schedule that broke something. Its `Debug` is for people, so that `unwrap` in a test prints what to do.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was broken.
    pub why: String,
    /// What happened before, one line for each step.
    pub trace: Vec<String>,
    /// The choices that lead there, for [`crate::replay`].
    pub choices: Vec<usize>,
    /// The seeded run that failed, if it was one.
    pub run: Option<Box<SeededRun>>,
}

impl Failure {
    /// Without a trace.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), trace: Vec::new(), choices: Vec::new(), run: None }
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::new(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::new(why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(run) = &self.run {
            write!(f, "{}: ", run.name)?;
        }
        write!(f, "{}", self.why)?;
        for line in &self.trace {
            write!(f, "\n  {line}")?;
        }
        if !self.choices.is_empty() {
            write!(f, "\nchoices {:?}", self.choices)?;
        }
        if let Some(run) = &self.run {
            write!(f, "\nseed {}; run it again with\n  {}", run.seed, run.command())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Failure {}

/// Which seed of which simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededRun {
    /// Whose simulation it is.
    pub package: String,
    /// What it proves.
    pub name: String,
    /// The seed.
    pub seed: u64,
}

impl SeededRun {
    /// The command that runs it again, and no other seed.
    pub fn command(&self) -> String {
        format!("cargo xtask sim --package {} --seed {} --schedules 1", self.package, self.seed)
    }
}

/// A panic as an error, so that it comes with its seed and its trace.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a text"))
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the simulator's command reaches the tests; no core sees it"
)]
fn read_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: Seeds = Seeds { first: 40, schedules: 30 };

    #[test]
    fn a_failure_names_the_seed_and_the_command() {
        let bad = SEEDS.seed(9);
        let found = run_seeds("interbank-port", "a name", SEEDS, |seed| {
            if seed == bad { Err("broken".into()) } else { Ok(()) }
        });
        let text = format!("{:?}", found.unwrap_err());
        let command =
            format!("cargo xtask sim --package interbank-port --seed {bad} --schedules 1");
        assert!(text.starts_with("a name: broken") && text.ends_with(&command), "{text}");
    }

    #[test]
    fn the_command_runs_the_failing_seed_and_no_other() {
        let again = Seeds { first: SEEDS.seed(9), schedules: 1 };
        let mut ran = Vec::new();
        let done = run_seeds("p", "n", again, |seed| {
            ran.push(seed);
            Ok(())
        });
        assert_eq!((done.unwrap(), ran), (1, vec![SEEDS.seed(9)]));
    }

    #[test]
    fn a_panic_is_a_failure_with_a_seed() {
        let found = run_seeds("p", "n", SEEDS, |seed| {
            assert!(seed == 40, "not {seed}");
            Ok(())
        });
        let failure = found.unwrap_err();
        assert_eq!(failure.run.as_ref().map(|run| run.seed), Some(SEEDS.seed(1)));
        assert!(failure.why.starts_with("panicked: not "), "{failure}");
    }

    #[test]
    fn seeds_differ() {
        let seeds: std::collections::BTreeSet<u64> = (0..1_000).map(|n| SEEDS.seed(n)).collect();
        assert_eq!(seeds.len(), 1_000);
    }
}
