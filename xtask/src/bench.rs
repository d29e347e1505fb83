//! `cargo xtask bench`: measures, keeps the results, and writes the README's table from them.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::need;
use crate::peers::Peers;
use crate::results::{self, Machine, Results, Run};
use crate::shell::Program;
use crate::table;
use crate::workspace::Workspace;

/// Runs the benches of benches/, writes benches/results.json and the README's table of speeds.
///
/// benches/table.toml says which results form which row of the table. A bench may leave figures
/// that are not times (memory, quality) as JSON files {"id": …, "value": …, "unit": …} in the
/// folder named by INTERBANK_BENCH_FIGURES. Programs that a bench runs beside ours (rsync, an SSH
/// server) are installed as `cargo xtask test` installs what it needs. Peers that are no crates are measured by the Python
/// script of the bench's name in benches/peers/, in a virtual environment that is made for it.
#[derive(Args)]
pub(crate) struct Bench {
    /// The bench target to run; without it, all of them
    name: Option<String>,
    /// Fewer samples: to try a bench out. The table says so
    #[arg(long)]
    quick: bool,
    /// The date to record, as YYYY-MM-DD; today when not given
    #[arg(long)]
    date: Option<String>,
    /// Never install anything; say what is missing and fail
    #[arg(long)]
    no_install: bool,
    /// Measure nothing; write the README's table from benches/results.json
    #[arg(long, conflicts_with_all = ["name", "quick", "date", "no_install"])]
    render: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        if !self.render {
            self.measure()?;
        }
        table::write()?;
        println!("xtask bench: ok: README.md holds the table of {}", results::FILE);
        Ok(())
    }

    fn measure(&self) -> Result<()> {
        if !Path::new(MANIFEST).is_file() {
            bail!("there is no {MANIFEST}");
        }
        let workspace = Workspace::load_at(MANIFEST)?;
        let mut names: Vec<_> =
            workspace.packages.iter().flat_map(|p| p.targets("bench")).map(|t| &t.name).collect();
        if let Some(wanted) = &self.name {
            if !names.contains(&wanted) {
                let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
                bail!("no bench is called `{wanted}`; there are {}", names.join(", "));
            }
            names.retain(|name| *name == wanted);
        }
        let found = need::satisfy(
            &names.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            !self.no_install,
        )?;
        need::report(&found);
        let machine = Machine::detect()?;
        let commit = results::commit()?;
        let date = self.date.clone().unwrap_or_else(today);
        let mut all = Results::load()?;
        for name in names {
            println!("\n==> bench {name}");
            let home = workspace.target_directory.join("criterion").join(name);
            let figures = home.join("figures");
            std::fs::create_dir_all(&figures).with_context(|| figures.display().to_string())?;
            let begun = SystemTime::now();
            let quick: &[&str] = if self.quick { &["--", "--quick"] } else { &[] };
            Program::cargo()
                .args(["bench", "--manifest-path", MANIFEST, "--bench", name])
                .args(quick)
                .env("CRITERION_HOME", &home)
                .env("INTERBANK_BENCH_FIGURES", &figures)
                .envs(&found)
                .run()?;
            let mut run = Run {
                bench: name.clone(),
                commit: commit.clone(),
                date: date.clone(),
                quick: self.quick,
                machine: machine.clone(),
                rows: Vec::new(),
                figures: Vec::new(),
            };
            run.read(&home, begun)?;
            if let Some(peers) = Peers::of(name, &workspace.target_directory) {
                peers.measure(&mut run)?;
            }
            println!("    {} times, {} figures", run.rows.len(), run.figures.len());
            all.replace(run);
            // saved after each, so that an interrupted run is not lost
            all.save()?;
        }
        Ok(())
    }
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}

const MANIFEST: &str = "benches/Cargo.toml";
