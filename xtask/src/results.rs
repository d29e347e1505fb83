//! What the benches measured, as committed in `benches/results.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::shell::{Program, files_under};
use crate::workspace::git;

/// The last run of each bench.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) runs: Vec<Run>,
}

impl Results {
    /// The committed results; none when there is no file yet.
    pub(crate) fn load() -> Result<Self> {
        match std::fs::read_to_string(FILE) {
            Ok(text) => serde_json::from_str(&text).context(FILE),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context(FILE),
        }
    }

    pub(crate) fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(FILE, text).context(FILE)
    }

    /// Puts a run in the place of the earlier run of the same bench.
    pub(crate) fn replace(&mut self, run: Run) {
        self.runs.retain(|earlier| earlier.bench != run.bench);
        self.runs.push(run);
        self.runs.sort_by(|a, b| a.bench.cmp(&b.bench));
    }

    /// What was measured under an id.
    pub(crate) fn row(&self, id: &str) -> Option<&Row> {
        self.runs.iter().flat_map(|run| &run.rows).find(|row| row.id == id)
    }

    /// A figure that is not a time.
    pub(crate) fn figure(&self, id: &str) -> Option<&Figure> {
        self.runs.iter().flat_map(|run| &run.figures).find(|figure| figure.id == id)
    }

    /// Every id that a table may name.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let rows = self.runs.iter().flat_map(|run| run.rows.iter().map(|row| row.id.as_str()));
        let figures = self.runs.iter().flat_map(|run| run.figures.iter().map(|f| f.id.as_str()));
        rows.chain(figures).collect()
    }
}

/// One run of one bench: where, when, on which code, and what came out.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) bench: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    /// Measured with `--quick`: fewer samples, wider error.
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) figures: Vec<Figure>,
}

impl Run {
    /// Reads what criterion has written into `home` since `begun`; what is older belongs to benches
    /// that no longer exist.
    pub(crate) fn read(&mut self, home: &Path, begun: SystemTime) -> Result<()> {
        for file in files_under(home) {
            let is_new = file.metadata()?.modified()? >= begun;
            let in_new = file.parent().is_some_and(|dir| dir.ends_with("new"));
            if is_new && in_new && file.ends_with("estimates.json") {
                let benchmark = std::fs::read_to_string(file.with_file_name("benchmark.json"))?;
                let estimates = std::fs::read_to_string(&file)?;
                self.rows.push(
                    Row::from_criterion(&benchmark, &estimates)
                        .with_context(|| file.display().to_string())?,
                );
            } else if is_new && file.parent().is_some_and(|dir| dir.ends_with("figures")) {
                let text = std::fs::read_to_string(&file)?;
                self.figures
                    .push(serde_json::from_str(&text).with_context(|| file.display().to_string())?);
            }
        }
        self.sort();
        Ok(())
    }

    /// Puts rows and figures in the order of their ids.
    pub(crate) fn sort(&mut self) {
        self.rows.sort_by(|a, b| a.id.cmp(&b.id));
        self.figures.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) rustc: String,
}

impl Machine {
    /// This machine.
    pub(crate) fn detect() -> Result<Self> {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let rustc = Program::new("rustc").arg("--version").text()?;
        Ok(Self {
            cpu: cpu_model(&cpuinfo).unwrap_or("unknown processor").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            rustc: rustc.split_whitespace().nth(1).unwrap_or("unknown").to_owned(),
        })
    }
}

/// One measured function.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `group/function/value`, as criterion names it.
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) function: Option<String>,
    pub(crate) value: Option<String>,
    /// The median time of one iteration.
    pub(crate) median_ns: f64,
    /// What one iteration handles: `{"elements": 64}` or `{"bytes": 248}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) throughput: BTreeMap<String, u64>,
}

impl Row {
    fn from_criterion(benchmark: &str, estimates: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Benchmark {
            group_id: String,
            function_id: Option<String>,
            value_str: Option<String>,
            full_id: String,
            throughput: Option<BTreeMap<String, serde_json::Value>>,
        }
        #[derive(Deserialize)]
        struct Estimates {
            median: Estimate,
        }
        #[derive(Deserialize)]
        struct Estimate {
            point_estimate: f64,
        }
        let benchmark: Benchmark = serde_json::from_str(benchmark)?;
        let estimates: Estimates = serde_json::from_str(estimates)?;
        let throughput = benchmark.throughput.unwrap_or_default();
        Ok(Self {
            id: benchmark.full_id,
            group: benchmark.group_id,
            function: benchmark.function_id,
            value: benchmark.value_str,
            // a tenth of a nanosecond is below what any clock here can tell
            median_ns: (estimates.median.point_estimate * 10.0).round() / 10.0,
            throughput: throughput
                .into_iter()
                .filter_map(|(kind, amount)| Some((kind.to_ascii_lowercase(), amount.as_u64()?)))
                .collect(),
        })
    }

    /// What a peer's script measured; an iteration handles so many elements.
    pub(crate) fn of_peer(id: &str, median_ns: f64, elements: u64) -> Self {
        let mut parts = id.rsplitn(3, '/');
        let (value, function) = (parts.next(), parts.next());
        Self {
            id: id.to_owned(),
            group: parts.next().unwrap_or(id).to_owned(),
            function: function.map(str::to_owned),
            value: value.map(str::to_owned),
            median_ns,
            throughput: BTreeMap::from([("elements".to_owned(), elements)]),
        }
    }

    /// The time of one element, where an iteration handles several.
    pub(crate) fn ns_per_element(&self) -> f64 {
        self.median_ns / self.amount("elements")
    }

    /// The bytes that one iteration handles.
    pub(crate) fn bytes(&self) -> Option<f64> {
        self.throughput.contains_key("bytes").then(|| self.amount("bytes"))
    }

    #[allow(clippy::cast_precision_loss)] // amounts are far below 2^53
    fn amount(&self, kind: &str) -> f64 {
        self.throughput.get(kind).map_or(1.0, |amount| *amount as f64)
    }
}

/// A result that is not a time: bytes per order, inertia, bytes on disk.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) id: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// The commit that is measured, marked when there are changes beside it.
pub(crate) fn commit() -> Result<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // what a bench run itself writes is no change of the code
    let code = ["status", "--porcelain", "--", ".", ":!README.md", ":!benches/results.json"];
    let changes = if git(&code)?.is_empty() { "" } else { " with changes" };
    Ok(format!("{}{changes}", commit.trim()))
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

/// Where the results are committed.
pub(crate) const FILE: &str = "benches/results.json";

#[cfg(test)]
mod tests {
    use super::*;

    const BENCHMARK: &str = r#"{"group_id":"redeem","function_id":"full","value_str":"10000","throughput":{"Elements":4},"full_id":"redeem/full/10000","directory_name":"redeem/full/10000","title":"redeem/full/10000"}"#;
    const ESTIMATES: &str = r#"{"mean":{"point_estimate":9000.0},"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1.0,"upper_bound":2.0},"point_estimate":8000.06,"standard_error":3.0}}"#;

    fn run(bench: &str, commit: &str) -> Run {
        Run {
            bench: bench.into(),
            commit: commit.into(),
            date: "2026-01-02".into(),
            quick: false,
            machine: Machine { cpu: "c".into(), cores: 2, rustc: "1.95.0".into() },
            rows: Vec::new(),
            figures: Vec::new(),
        }
    }

    #[test]
    fn criterion_files_become_rows() {
        let row = Row::from_criterion(BENCHMARK, ESTIMATES).unwrap();
        assert_eq!(row.id, "redeem/full/10000");
        assert_eq!((row.group.as_str(), row.value.as_deref()), ("redeem", Some("10000")));
        assert_eq!(row.median_ns.to_string(), "8000.1");
        assert_eq!(row.ns_per_element().to_string(), "2000.025");
        assert_eq!(row.bytes(), None);
    }

    #[test]
    fn only_what_this_run_wrote_is_read() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = home.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        for dir in ["redeem/full/10000/new", "redeem/full/10000/base"] {
            write(&format!("{dir}/benchmark.json"), BENCHMARK);
            write(&format!("{dir}/estimates.json"), ESTIMATES);
        }
        write("figures/memory.json", r#"{"id":"memory/order","value":812,"unit":"B"}"#);

        let mut now = run("redeem", "a");
        now.read(home.path(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((now.rows.len(), now.figures.len()), (1, 1));

        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let mut stale = run("redeem", "a");
        stale.read(home.path(), later).unwrap();
        assert_eq!((stale.rows.len(), stale.figures.len()), (0, 0));
    }

    #[test]
    fn a_new_run_takes_the_place_of_the_old_one() {
        let mut results = Results::default();
        for (bench, commit) in [("store", "1"), ("redeem", "1"), ("store", "2")] {
            results.replace(run(bench, commit));
        }
        let runs: Vec<_> =
            results.runs.iter().map(|r| (r.bench.as_str(), r.commit.as_str())).collect();
        assert_eq!(runs, [("redeem", "1"), ("store", "2")]);
        let text = serde_json::to_string(&results).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    }

    #[test]
    fn the_processor_is_named() {
        let info = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n";
        assert_eq!(cpu_model(info), Some("Some CPU @ 2 GHz"));
        assert_eq!(cpu_model(""), None);
    }
}
