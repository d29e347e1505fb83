//! The report in a terminal.

use crate::fleet::FleetReport;
use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Cell, CellAlignment, Table};
use std::fmt::Write as _;

/// Types, capacity, and the `rows` most loaded machines; 0 is all of them.
pub(crate) fn of(report: &FleetReport, rows: usize, is_terminal: bool) -> String {
    let machines = report.by_load();
    let shown = if rows == 0 { machines.len() } else { rows.min(machines.len()) };
    let mut text = format!("{}: {} machines\n\n", report.title, report.profiles.len());
    let names = || report.metrics.iter().map(|metric| metric.name().to_owned());

    let mut types =
        new(is_terminal, ["type", "machines", "load"].map(String::from).into_iter().chain(names()));
    for kind in report.report.types.iter() {
        let centre = kind.lambda().iter().copied().map(percent);
        let start = [kind.name().to_owned(), kind.members().to_string(), percent(kind.load())];
        types.add_row(cells(start.into_iter().chain(centre), 1));
    }
    let _ = writeln!(text, "{types}\n");

    let mut capacity = new(
        is_terminal,
        ["capacity", "allotted", "mean use", "95 % use", "spare"].map(String::from),
    );
    let allotted = report.metrics.iter().zip(&report.capacities);
    for (metric, sum) in allotted.filter_map(|(metric, sum)| Some((metric, (*sum)?))) {
        let share = |part: f64| percent(if sum.allotted > 0.0 { part / sum.allotted } else { 0.0 });
        let row = [
            metric.name().to_owned(),
            format!("{:.0}", sum.allotted),
            share(sum.used),
            share(sum.used_p95),
            share(sum.spare),
        ];
        capacity.add_row(cells(row, 1));
    }
    if !capacity.is_empty() {
        let _ = writeln!(text, "{capacity}\n");
    }

    let start = ["machine", "type", "sure", "load", "bursts"].map(String::from);
    let p95 = names().map(|name| format!("{name} 95 %"));
    let last = ["samples", "flawed", "mark"].map(String::from);
    let mut table = new(is_terminal, start.into_iter().chain(p95).chain(last));
    for machine in machines.iter().take(shown) {
        let of = machine.assessed;
        let start = [
            machine.profile.vm.to_string(),
            report.type_name(of.assignment.kind).to_owned(),
            percent(of.assignment.confidence),
            percent(of.load),
            format!("{:.3}", of.burstiness),
        ];
        let p95 = machine.found.metrics.iter().map(|metric| percent(metric.p95()));
        let counts = machine.profile.counts;
        let last = [
            counts.used.to_string(),
            (counts.seen - counts.used + machine.profile.skipped).to_string(),
            machine.marks().join(" "),
        ];
        table.add_row(cells(start.into_iter().chain(p95).chain(last), 2));
    }
    let _ = writeln!(text, "{table}");
    if shown < machines.len() {
        let _ = writeln!(
            text,
            "and {} machines of lower load (--rows 0 shows all)",
            machines.len() - shown
        );
    }
    for machine in report.without_load() {
        if let Err(why) = &machine.outcome {
            let _ = writeln!(text, "{}: {why}", machine.vm);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn new(is_terminal: bool, header: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_preset(if is_terminal { UTF8_HORIZONTAL_ONLY } else { NOTHING });
    table.set_header(cells(header, 2));
    table
}

/// Names to the left, numbers to the right.
fn cells(row: impl IntoIterator<Item = String>, names: usize) -> Vec<Cell> {
    let align = |(at, text): (usize, String)| {
        let is_mark = !text.starts_with(|first: char| first.is_ascii_digit());
        let side = if at < names || is_mark { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(side)
    };
    row.into_iter().enumerate().map(align).collect()
}
