//! The steps of a command: each is timed, a failed one does not hide the next, and the last line
//! says how it went.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The steps done so far.
pub(crate) struct Steps {
    command: &'static str,
    begun: Instant,
    done: Vec<Done>,
    skipped: Vec<String>,
}

impl Steps {
    pub(crate) fn new(command: &'static str) -> Self {
        Self { command, begun: Instant::now(), done: Vec::new(), skipped: Vec::new() }
    }

    /// Runs one step, and says whether it succeeded; an error is shown at once and remembered for
    /// the end.
    pub(crate) fn run(
        &mut self,
        name: impl Into<String>,
        step: impl FnOnce() -> Result<()>,
    ) -> bool {
        let name = name.into();
        println!("\n==> {name}");
        let begun = Instant::now();
        let outcome = step();
        let elapsed = begun.elapsed();
        match &outcome {
            Ok(()) => println!("==> {name}: ok in {}", Elapsed(elapsed)),
            Err(error) => println!("==> {name}: FAILED in {}\n    {error:#}", Elapsed(elapsed)),
        }
        self.done.push(Done { name, elapsed, ok: outcome.is_ok() });
        outcome.is_ok()
    }

    /// Says that something was not done, now and in the summary: no silent gaps.
    pub(crate) fn skip(&mut self, what: impl Into<String>) {
        let what = what.into();
        println!("\n==> skipped: {what}");
        self.skipped.push(what);
    }

    /// Prints the summary; fails when a step failed. `detail` is put into the last line.
    pub(crate) fn finish(self, detail: &str) -> Result<()> {
        println!();
        for Done { name, elapsed, ok } in &self.done {
            let word = if *ok { "ok" } else { "FAILED" };
            println!("{word:>8}  {:>12}  {name}", Elapsed(*elapsed).to_string());
        }
        for what in &self.skipped {
            println!(" skipped  {:>12}  {what}", "");
        }
        let failed: Vec<_> = self.done.iter().filter(|d| !d.ok).map(|d| d.name.as_str()).collect();
        let separator = if detail.is_empty() { "" } else { ", " };
        let rest = format!(
            "{} step{}{separator}{detail}, {}",
            self.done.len(),
            if self.done.len() == 1 { "" } else { "s" },
            Elapsed(self.begun.elapsed())
        );
        if !failed.is_empty() {
            bail!("xtask {}: FAILED ({}): {rest}", self.command, failed.join(", "));
        }
        println!("xtask {}: ok: {rest}", self.command);
        Ok(())
    }
}

struct Done {
    name: String,
    elapsed: Duration,
    ok: bool,
}

/// A duration as people say it.
struct Elapsed(Duration);

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        if seconds < 60 {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_command_but_not_the_next_step() {
        let mut steps = Steps::new("try");
        let mut second_ran = false;
        steps.run("first", || bail!("no"));
        steps.run("second", || {
            second_ran = true;
            Ok(())
        });
        let error = steps.finish("3 tests").unwrap_err().to_string();
        assert!(second_ran);
        assert!(error.starts_with("xtask try: FAILED (first): 2 steps, 3 tests, 0.0 s"), "{error}");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(Elapsed(Duration::from_millis(1_540)).to_string(), "1.5 s");
        assert_eq!(Elapsed(Duration::from_secs(754)).to_string(), "12 min 34 s");
    }
}
