//! What the command line says.

use crate::failure::Failure;
use clap::{Parser, ValueEnum};
use samples::{Column, Full, Layout, MetricColumns, OnBadRow, TimeColumn};
use std::path::PathBuf;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "vmload-report",
    version,
    about = "Load report of a fleet of virtual machines: types, load, bursts and what could be given back",
    after_help = AFTER,
)]
pub(crate) struct Options {
    /// A folder with one file of samples for each machine: .csv, .tsv or .txt, or with no ending, gzipped (.gz) or not.
    /// Without it a generated fleet is shown
    pub(crate) folder: Option<PathBuf>,
    /// How the files are laid out
    #[arg(long, value_enum, default_value = "bitbrains")]
    layout: Named,
    /// What is full load of disks and networks together in the Bitbrains layout, in KB/s
    #[arg(long, value_name = "KB/S", default_value_t = 125_000.0, value_parser = positive, allow_negative_numbers = true)]
    pub(crate) io_full: f64,
    /// With --layout columns: a metric, the columns that add up to it, and the column or number that is full load. Columns
    /// go by name, or by place as #0. A unit can follow the name, as in 'memory,KB=used/size'. May be repeated
    #[arg(long = "metric", value_name = "NAME[,UNIT]=COLUMN[+COLUMN...]/FULL")]
    metrics: Vec<String>,
    /// With --layout columns: the column with the time in seconds, or in milliseconds as COLUMN:ms
    #[arg(long, value_name = "COLUMN[:ms]")]
    time: Option<String>,
    /// With --layout columns: what is between cells; `tab` is the tabulator
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    separator: String,
    /// With --layout columns: the files have no header
    #[arg(long)]
    no_header: bool,
    /// End at the first bad row instead of counting it
    #[arg(long)]
    pub(crate) strict: bool,
    /// How many types of machines
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) types: u8,
    /// Compare machines by how their load is distributed, not by its mean alone
    #[arg(long)]
    pub(crate) by_profile: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report of one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// How many machines the table shows, highest load first; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) rows: usize,
    /// Read with so many threads instead of one for each processor
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Watch this host instead of reading files
    #[arg(long, alias = "watch", conflicts_with_all = ["folder", "html"])]
    pub(crate) host: bool,
    /// With --host: from sample to sample, in milliseconds [default: 1000]
    #[arg(long, value_name = "MS", conflicts_with = "folder", requires = "host", value_parser = clap::value_parser!(u64).range(50..))]
    pub(crate) interval: Option<u64>,
    /// With --host: end after so many samples
    #[arg(long, value_name = "N", conflicts_with = "folder", requires = "host")]
    pub(crate) samples: Option<u64>,
}

impl Options {
    pub(crate) fn layout(&self) -> Result<Layout, Failure> {
        let usage =
            |why: samples::Error| Failure::Usage(format!("the layout cannot be used: {why}"));
        let says_columns = self.time.is_some() || !self.metrics.is_empty() || self.no_header;
        match self.layout {
            Named::Bitbrains | Named::Planetlab if says_columns => {
                let why = "--time, --metric and --no-header need --layout columns";
                Err(Failure::Usage(why.into()))
            }
            Named::Planetlab | Named::Columns if self.folder.is_none() => {
                Err(Failure::Usage("--layout needs a folder of files".into()))
            }
            Named::Bitbrains => Layout::bitbrains(self.io_full).map_err(usage),
            Named::Planetlab => Layout::planetlab().map_err(usage),
            Named::Columns => self.columns(usage),
        }
    }

    pub(crate) const fn on_bad_row(&self) -> OnBadRow {
        if self.strict { OnBadRow::Refuse } else { OnBadRow::Skip }
    }

    fn columns(&self, usage: impl Fn(samples::Error) -> Failure) -> Result<Layout, Failure> {
        let separator = match self.separator.as_bytes() {
            b"tab" => b'\t',
            [separator] => *separator,
            _ => return Err(Failure::Usage("--separator is one ASCII character, or `tab`".into())),
        };
        let time = self.time.as_deref();
        let time = time.ok_or_else(|| Failure::Usage("--layout columns needs --time".into()))?;
        let time = match time.strip_suffix(":ms") {
            Some(column) => TimeColumn::Milliseconds(column_of(column)),
            None => TimeColumn::Seconds(column_of(time)),
        };
        let metrics = self.metrics.iter().map(|said| {
            let shape = || {
                Failure::Usage(format!(
                    "--metric {said:?} is not NAME[,UNIT]=COLUMN[+COLUMN...]/FULL"
                ))
            };
            let (name, rest) = said.split_once('=').ok_or_else(shape)?;
            let (sum, full) = rest.rsplit_once('/').ok_or_else(shape)?;
            let full = full.parse().map_or_else(|_| Full::Column(column_of(full)), Full::Fixed);
            let (name, unit) = name.split_once(',').unwrap_or((name, ""));
            Ok(MetricColumns::new(name, sum.split('+').map(column_of).collect(), full)
                .in_unit(unit))
        });
        let metrics: Result<Vec<MetricColumns>, Failure> = metrics.collect();
        Layout::new(separator, !self.no_header, time, metrics?).map_err(usage)
    }
}

/// A layout by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Named {
    /// Bitbrains GWA-T-12 (fastStorage, rnd): CPU, memory, disk and network together
    Bitbrains,
    /// PlanetLab (CoMon): a CPU percentage in each line
    Planetlab,
    /// As --time and --metric say
    Columns,
}

fn column_of(said: &str) -> Column {
    let place = said.strip_prefix('#').and_then(|place| place.parse().ok());
    place.map_or_else(|| Column::Named(said.into()), Column::At)
}

fn positive(said: &str) -> Result<f64, String> {
    let number = said.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "it is no positive number".into())
}

const AFTER: &str = "\
Examples:
  vmload-report                                     a generated fleet
  vmload-report traces --html report.html           a folder of Bitbrains files, table and page
  vmload-report traces --layout planetlab --json
  vmload-report logs --layout columns --time when:ms --metric 'cpu=used/100' --metric 'memory,KB=rss+cache/size'
  vmload-report --host                              this host, live

Exit codes: 0 done, 1 failed while running, 2 wrong arguments, 3 unusable folder, 4 unusable file, 5 cannot write.";
