//! The README's table of speeds, rendered from `benches/results.json` by the rows of
//! `benches/table.toml`.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::results::{Results, Run};

/// Whether the repository has benches, and so must have a table.
pub(crate) fn is_expected() -> bool {
    Path::new("benches/Cargo.toml").is_file()
}

/// Fails unless the README holds the table that would be written now.
pub(crate) fn check() -> Result<()> {
    let readme = std::fs::read_to_string(README).context(README)?;
    if readme != with_section(&readme, &rendered()?)? {
        bail!("{README}: the table of speeds is stale; `cargo xtask bench --render` writes it");
    }
    Ok(())
}

/// Writes the table into the README, between its markers.
pub(crate) fn write() -> Result<()> {
    let readme = std::fs::read_to_string(README).context(README)?;
    let fresh = with_section(&readme, &rendered()?)?;
    std::fs::write(README, fresh).context(README)
}

fn rendered() -> Result<String> {
    let text = std::fs::read_to_string(FILE).context(FILE)?;
    let table: Table = toml::from_str(&text).context(FILE)?;
    render(&table, &Results::load()?)
}

/// `benches/table.toml`: the rows, in the order in which they are shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    row: Vec<TableRow>,
}

/// One row: our result, beside those of the peers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    /// The human name.
    what: String,
    /// The id of our result: criterion's `group/function/value`, or the id of a figure.
    ours: String,
    /// How it is shown.
    unit: Unit,
    /// The bench that measures it, where a machine may lack what that bench needs: without a run of it the row is left out.
    bench: Option<String>,
    /// The target in that unit, for results where less is better.
    at_most: Option<f64>,
    /// The target in that unit, for results where more is better.
    at_least: Option<f64>,
    #[serde(default)]
    peers: Vec<Peer>,
}

/// What a user would take instead, or the floor that nobody can go below.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    name: String,
    id: String,
    /// How many times as good as this peer we mean to be.
    ratio_at_least: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "per_s")]
    PerSecond,
    #[serde(rename = "MiB/s")]
    MebibytesPerSecond,
    /// The unit that the figure itself names; less is better.
    #[serde(rename = "figure")]
    Figure,
    /// The same; more is better.
    #[serde(rename = "rate")]
    Rate,
}

/// A result in the unit of its row.
struct Shown {
    value: f64,
    suffix: String,
    more_is_better: bool,
}

impl Shown {
    fn new(id: &str, unit: Unit, results: &Results) -> Result<Self> {
        if let Unit::Figure | Unit::Rate = unit {
            let figure = results.figure(id).with_context(|| unknown(id, results))?;
            // as ratios are written
            let space = if figure.unit == "×" { "" } else { " " };
            let suffix = format!("{space}{}", figure.unit);
            let more_is_better = matches!(unit, Unit::Rate);
            return Ok(Self { value: figure.value, suffix, more_is_better });
        }
        let row = results.row(id).with_context(|| unknown(id, results))?;
        let ns = row.ns_per_element();
        let (value, suffix, more_is_better) = match unit {
            Unit::Nanoseconds => (ns, " ns", false),
            Unit::Microseconds => (ns / 1e3, " µs", false),
            Unit::Milliseconds => (ns / 1e6, " ms", false),
            Unit::PerSecond => (1e9 / ns, "/s", true),
            Unit::MebibytesPerSecond => {
                let bytes = row.bytes().with_context(|| format!("`{id}` states no bytes"))?;
                (bytes / MEBIBYTE * 1e9 / row.median_ns, " MiB/s", true)
            }
            Unit::Figure | Unit::Rate => unreachable!("handled above"),
        };
        Ok(Self { value, suffix: suffix.to_owned(), more_is_better })
    }

    /// How many times as good this is as the other.
    fn ratio(&self, other: &Self) -> f64 {
        if self.more_is_better { self.value / other.value } else { other.value / self.value }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", Number(self.value), self.suffix)
    }
}

/// A number with three digits that matter, and thousands marked.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(value) = *self;
        let decimals = match value.abs() {
            v if v < 10.0 => 2,
            v if v < 100.0 => 1,
            _ => 0,
        };
        let text = format!("{value:.decimals$}");
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            f.write_char(digit)?;
        }
        f.write_str(rest)
    }
}

fn render(table: &Table, results: &Results) -> Result<String> {
    let mut text = String::new();
    for line in conditions(results) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("\n| What | Ours | Peer | Ratio | Target |\n|---|--:|--:|--:|---|\n");
    let is_measured = |row: &&TableRow| {
        let mut runs = results.runs.iter();
        row.bench.as_ref().is_none_or(|bench| runs.any(|run| run.bench == *bench))
    };
    for row in table.row.iter().filter(is_measured) {
        let cells = cells(row, results).with_context(|| format!("{FILE}: row “{}”", row.what))?;
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    Ok(text)
}

fn cells(row: &TableRow, results: &Results) -> Result<[String; 5]> {
    let ours = Shown::new(&row.ours, row.unit, results)?;
    let mut peers = Vec::new();
    let mut ratios = Vec::new();
    let mut targets = Vec::new();
    if let Some(limit) = row.at_most {
        targets.push(target("≤", limit, &ours.suffix, ours.value <= limit));
    }
    if let Some(limit) = row.at_least {
        targets.push(target("≥", limit, &ours.suffix, ours.value >= limit));
    }
    for peer in &row.peers {
        let theirs = Shown::new(&peer.id, row.unit, results)?;
        let ratio = ours.ratio(&theirs);
        peers.push(format!("{}: {theirs}", peer.name));
        ratios.push(format!("{}×", Number(ratio)));
        if let Some(limit) = peer.ratio_at_least {
            targets.push(target("≥", limit, "×", ratio >= limit));
        }
    }
    let or_dash = |list: Vec<String>| {
        if list.is_empty() { "–".to_owned() } else { list.join("<br>") }
    };
    Ok([row.what.clone(), ours.to_string(), or_dash(peers), or_dash(ratios), or_dash(targets)])
}

fn target(sign: &str, limit: f64, suffix: &str, met: bool) -> String {
    // as written in the file: a target is not a measurement, and needs no rounding
    let limit = if limit < 1_000.0 { limit.to_string() } else { Number(limit).to_string() };
    format!("{sign} {limit}{suffix}: {}", if met { "met" } else { "**missed**" })
}

/// Under which conditions the results came about: one line for each that differs.
fn conditions(results: &Results) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for run in &results.runs {
        let condition = condition(run);
        match lines.iter_mut().find(|(known, _)| *known == condition) {
            Some((_, benches)) => benches.push(&run.bench),
            None => lines.push((condition, vec![&run.bench])),
        }
    }
    match lines.as_slice() {
        [] => vec!["Nothing is measured yet.".to_owned()],
        [(condition, _)] => vec![format!("Measured {condition}.")],
        several => several
            .iter()
            .map(|(condition, benches)| format!("- {}: measured {condition}.", benches.join(", ")))
            .collect(),
    }
}

fn condition(run: &Run) -> String {
    let Run { commit, date, quick, machine, .. } = run;
    let quick = if *quick { ", in quick runs" } else { "" };
    format!(
        "at commit {commit} on {date}, {} ({} cores), rustc {}{quick}; medians",
        machine.cpu, machine.cores, machine.rustc
    )
}

fn unknown(id: &str, results: &Results) -> String {
    let known = results.ids();
    if known.is_empty() {
        return format!("`{id}` is not measured; `cargo xtask bench` does it");
    }
    format!("`{id}` is not among the results: {}", known.join(", "))
}

/// The page with this text between its markers.
fn with_section(page: &str, text: &str) -> Result<String> {
    let (Some(begin), Some(end)) = (page.find(BEGIN), page.find(END)) else {
        bail!("{README} lacks the markers {BEGIN} and {END}");
    };
    let begin = begin + BEGIN.len();
    if begin > end {
        bail!("{README} has {END} before {BEGIN}");
    }
    Ok(format!("{}\n{text}{}", &page[..begin], &page[end..]))
}

const README: &str = "README.md";
const FILE: &str = "benches/table.toml";
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";
const MEBIBYTE: f64 = 1_048_576.0;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::{Figure, Machine, Row};

    fn results() -> Results {
        let row = |id: &str, median_ns, elements| Row {
            id: id.into(),
            group: "g".into(),
            function: None,
            value: None,
            median_ns,
            throughput: BTreeMap::from([("elements".into(), elements), ("bytes".into(), 1 << 20)]),
        };
        Results {
            runs: vec![Run {
                bench: "redeem".into(),
                commit: "abc".into(),
                date: "2026-01-02".into(),
                quick: false,
                machine: Machine { cpu: "Some CPU".into(), cores: 2, rustc: "1.95.0".into() },
                rows: vec![
                    row("ours", 650.0, 1),
                    row("peer", 1300.0, 1),
                    row("many", 64_000.0, 64),
                ],
                figures: [("memory", 812.4, "B"), ("slow", 400.0, "MB/s"), ("low", 1.25, "×")]
                    .map(|(id, value, unit)| Figure { id: id.into(), value, unit: unit.into() })
                    .into(),
            }],
        }
    }

    fn lines(table: &str) -> Vec<String> {
        let table = toml::from_str(table).unwrap();
        render(&table, &results()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_table_names_machine_and_commit_and_compares() {
        let lines = lines(
            "[[row]]\nwhat = 'Redeem'\nours = 'ours'\nunit = 'ns'\nat_most = 700\n\
             peers = [{ name = 'bare', id = 'peer', ratio_at_least = 2.5 }]\n\
             [[row]]\nwhat = 'Rate'\nours = 'many'\nunit = 'per_s'\nat_least = 400000\n\
             peers = [{ name = 'bare', id = 'peer' }]\n\
             [[row]]\nwhat = 'Bulk'\nours = 'ours'\nunit = 'MiB/s'\n\
             [[row]]\nwhat = 'Memory'\nours = 'memory'\nunit = 'figure'\nat_most = 1024\n\
             [[row]]\nwhat = 'Low'\nours = 'low'\nunit = 'rate'\nat_least = 1\n\
             peers = [{ name = 'slow', id = 'slow' }]\n",
        );
        assert_eq!(
            lines[0],
            "Measured at commit abc on 2026-01-02, Some CPU (2 cores), rustc 1.95.0; medians."
        );
        assert_eq!(
            lines[4..],
            [
                "| Redeem | 650 ns | bare: 1,300 ns | 2.00× | ≤ 700 ns: met<br>≥ 2.5×: **missed** |",
                "| Rate | 1,000,000/s | bare: 769,231/s | 1.30× | ≥ 400,000/s: met |",
                "| Bulk | 1,538,462 MiB/s | – | – | – |",
                "| Memory | 812 B | – | – | ≤ 1,024 B: met |",
                // More is better, whatever it is.
                "| Low | 1.25× | slow: 400 MB/s | 0.00× | ≥ 1×: met |",
            ]
        );
    }

    #[test]
    fn a_row_may_wait_for_its_bench() {
        let row = |ours: &str, bench: &str| {
            lines(&format!(
                "[[row]]\nwhat = 'x'\nours = '{ours}'\nunit = 'ns'\nbench = '{bench}'\n"
            ))
        };
        assert_eq!(row("typo", "other").len(), 4, "the head alone");
        assert_eq!(row("ours", "redeem").len(), 5);
    }

    #[test]
    fn an_unknown_id_or_field_is_refused() {
        let table = toml::from_str("[[row]]\nwhat = 'x'\nours = 'typo'\nunit = 'ns'\n").unwrap();
        let error = format!("{:#}", render(&table, &results()).unwrap_err());
        assert!(
            error.contains("`typo` is not among the results: ours, peer, many, memory, slow, low"),
            "{error}"
        );
        assert!(
            toml::from_str::<Table>("[[row]]\nwhat='x'\nours='y'\nunit='ns'\ntarget=1").is_err()
        );
    }

    #[test]
    fn runs_under_other_conditions_are_told_apart() {
        let mut both = results();
        both.replace(Run { bench: "store".into(), quick: true, ..results().runs.remove(0) });
        let lines = conditions(&both);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("- redeem: measured at commit abc"), "{lines:?}");
        assert!(lines[1].ends_with("in quick runs; medians."), "{lines:?}");
    }

    #[test]
    fn only_the_section_between_the_markers_changes() {
        let page = format!("# A\n{BEGIN}\nold\n{END}\nrest\n");
        let fresh = with_section(&page, "new\n").unwrap();
        assert_eq!(fresh, format!("# A\n{BEGIN}\nnew\n{END}\nrest\n"));
        assert_eq!(with_section(&fresh, "new\n").unwrap(), fresh);
        assert!(with_section("# A\n", "new\n").is_err());
        assert!(with_section(&format!("{END}{BEGIN}"), "new\n").is_err());
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown: Vec<_> =
            [0.123, 1.5, 64.25, 999.5, 12_345.6].iter().map(|n| Number(*n).to_string()).collect();
        assert_eq!(shown, ["0.12", "1.50", "64.2", "1,000", "12,346"]);
    }
}
