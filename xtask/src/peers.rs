//! Peers that are no crates: a Python script beside a bench measures them on the data of that bench.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::results::{Figure, Row, Run};
use crate::shell::Program;

/// The script of a bench's peers, with an environment of its own for what it needs.
pub(crate) struct Peers {
    bench: String,
    script: PathBuf,
    home: PathBuf,
}

impl Peers {
    /// Those of this bench, if it has any; `target` is where built things go.
    pub(crate) fn of(bench: &str, target: &Path) -> Option<Self> {
        let script = Path::new(FOLDER).join(format!("{bench}.py"));
        let home = target.join("peers");
        script.is_file().then(|| Self { bench: bench.to_owned(), script, home })
    }

    /// Measures them on one thread, and adds what they say to the run.
    pub(crate) fn measure(&self, run: &mut Run) -> Result<()> {
        let python = self.python()?;
        let data = self.home.join(&self.bench);
        Program::cargo()
            .args(["bench", "--manifest-path", "benches/Cargo.toml", "--bench", &self.bench])
            .env("INTERBANK_BENCH_DATA", &data)
            .run()?;
        let repeats = if run.quick { "1" } else { "5" };
        let mut said = Vec::new();
        Program::new(&python)
            .arg(&self.script)
            .arg(&data)
            .args(["--repeats", repeats])
            .lines(|line| said.push(Said::read(line)))?;
        for line in said {
            match line? {
                Said::Time { id, median_ns, elements } => {
                    run.rows.push(Row::of_peer(&id, median_ns, elements));
                }
                Said::Figure { id, value, unit } => run.figures.push(Figure { id, value, unit }),
            }
        }
        run.sort();
        Ok(())
    }

    /// A Python that has what the scripts need, in the very versions that are written down.
    fn python(&self) -> Result<PathBuf> {
        let python = self.home.join("python/bin/python");
        let needs = Path::new(FOLDER).join("requirements.txt");
        if !python.is_file() {
            let made =
                Program::new("python3").args(["-m", "venv"]).arg(self.home.join("python")).run();
            made.context(
                "the peers of this bench need Python 3 with venv: `apt-get install python3-venv`",
            )?;
        }
        let installed = Program::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(needs)
            .run();
        installed.context("the peers of this bench come from the Python package index")?;
        Ok(python)
    }
}

/// A line that a script printed.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Said {
    Time { id: String, median_ns: f64, elements: u64 },
    Figure { id: String, value: f64, unit: String },
}

impl Said {
    fn read(line: &str) -> Result<Self> {
        match serde_json::from_str(line) {
            Ok(said) => Ok(said),
            Err(_) => bail!("a peer's script printed what is no result: {}", line.trim()),
        }
    }
}

const FOLDER: &str = "benches/peers";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_time_or_a_figure() {
        let time = Said::read("{\"id\": \"a/b/1\", \"median_ns\": 12, \"elements\": 3}\n").unwrap();
        assert_eq!(time, Said::Time { id: "a/b/1".into(), median_ns: 12.0, elements: 3 });
        let figure = Said::read(r#"{"id": "i/b", "value": 1.5, "unit": "load²"}"#).unwrap();
        assert_eq!(figure, Said::Figure { id: "i/b".into(), value: 1.5, unit: "load²".into() });
        assert!(Said::read("Traceback (most recent call last):").is_err());
    }

    #[test]
    fn a_bench_without_a_script_has_no_such_peers() {
        assert!(Peers::of("no_such_bench", Path::new("target")).is_none());
    }
}
