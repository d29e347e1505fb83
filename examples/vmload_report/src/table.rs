//! The report in a terminal.

use crate::fleet::FleetReport;
use crate::quantity::{counted, grouped, percent, quantity};
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table, TableComponent};
use std::fmt::Write as _;

/// Types, capacity, and the `rows` most loaded machines; 0 is all of them.
pub(crate) fn of(report: &FleetReport, rows: usize, is_terminal: bool) -> String {
    let machines = report.by_load();
    let shown = if rows == 0 { machines.len() } else { rows.min(machines.len()) };
    let mut text = format!(
        "{}: {}\n\n",
        report.title,
        counted(report.profiles.len().try_into().unwrap_or(u64::MAX), "machine", "machines")
    );
    let _ = writeln!(text, "{}\n", types(report, is_terminal));
    if report.capacities.iter().any(Option::is_some) {
        let _ = writeln!(text, "{}\n", capacity(report, is_terminal));
        let _ = writeln!(text, "{}\n", spare(report, is_terminal));
    }
    let _ = writeln!(text, "{}", by_load(report, shown, is_terminal));
    if shown < machines.len() {
        let _ = writeln!(
            text,
            " and {} machines of lower load (--rows 0 shows all)",
            machines.len() - shown
        );
    }
    text.push('\n');
    for note in report.notes() {
        let _ = writeln!(text, "note: {note}");
    }
    for machine in report.without_load() {
        if let Err(why) = &machine.outcome {
            let _ = writeln!(text, "{}: {why}", machine.vm);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn types(report: &FleetReport, is_terminal: bool) -> Table {
    let start = ["type", "machines", "load"].map(String::from).into_iter();
    let means = report.names().into_iter().map(|name| format!("{name} mean"));
    let mut table = new(is_terminal, start.chain(means), 1);
    for kind in report.report.types.iter() {
        // without members a centre is its seed, which no machine has
        let of = |load: f64| if kind.members() > 0 { percent(load) } else { "-".into() };
        let centre = kind.lambda().iter().copied().map(of);
        let start = [kind.name().to_owned(), kind.members().to_string(), of(kind.load())];
        table.add_row(cells(start.into_iter().chain(centre), 1));
    }
    let (load, means) = report.overall();
    let start = ["all".to_owned(), report.by_load().len().to_string(), percent(load)];
    table.add_row(cells(start.into_iter().chain(means.into_iter().map(percent)), 1));
    table
}

fn capacity(report: &FleetReport, is_terminal: bool) -> Table {
    let header = ["capacity", "allotted", "mean use", "p95 use", "spare", ""];
    let mut table = new(is_terminal, header.map(String::from), 1);
    for (at, name) in report.names().into_iter().enumerate() {
        let Some(sum) = report.capacities.get(at).copied().flatten() else { continue };
        let share = |part: f64| percent(if sum.allotted > 0.0 { part / sum.allotted } else { 0.0 });
        let row = [
            name.to_owned(),
            quantity(sum.allotted, report.unit(at)),
            share(sum.used),
            share(sum.used_p95),
            share(sum.spare),
            quantity(sum.spare, report.unit(at)),
        ];
        table.add_row(cells(row, 1));
    }
    table
}

/// The machines that could give back most.
fn spare(report: &FleetReport, is_terminal: bool) -> Table {
    let measured: Vec<usize> = (0..report.capacities.len())
        .filter(|&at| report.capacities.get(at).is_some_and(Option::is_some))
        .collect();
    let names = report.names();
    let columns = measured.iter().filter_map(|&at| names.get(at)).flat_map(|name| {
        [format!("{name} allotted"), format!("{name} p95"), format!("{name} spare")]
    });
    let mut table = new(is_terminal, ["most to spare".to_owned()].into_iter().chain(columns), 1);
    for machine in report.by_spare().into_iter().take(SPARE_ROWS) {
        let of = |at: usize| {
            let allotted = machine.profile.allotment.get(at).copied().unwrap_or_default();
            let p95 = machine.found.metrics.get(at).map_or(0.0, crate::profile::Distribution::p95);
            let spare = report.spare(machine, at).unwrap_or_default();
            [quantity(allotted, report.unit(at)), percent(p95), quantity(spare, report.unit(at))]
        };
        let row = measured.iter().flat_map(|&at| of(at));
        table.add_row(cells([machine.profile.vm.to_string()].into_iter().chain(row), 1));
    }
    table
}

fn by_load(report: &FleetReport, shown: usize, is_terminal: bool) -> Table {
    let start = ["highest load", "type", "sure", "load"].map(String::from);
    let metrics = report.names().into_iter().flat_map(|name| [name.to_owned(), "p95".to_owned()]);
    let last = ["left out", "mark"].map(String::from);
    let mut table = new(is_terminal, start.into_iter().chain(metrics).chain(last), 2);
    for machine in report.by_load().iter().take(shown) {
        let of = machine.assessed;
        let start = [
            machine.profile.vm.to_string(),
            report.type_name(of.assignment.kind).to_owned(),
            format!("{:.0} %", of.assignment.confidence * 100.0),
            percent(of.load),
        ];
        let loads = machine.found.metrics.iter();
        let loads = loads.flat_map(|metric| [percent(metric.mean), percent(metric.p95())]);
        let last = [grouped(machine.profile.left_out()), machine.marks().join(" ")];
        table.add_row(cells(start.into_iter().chain(loads).chain(last), 2));
    }
    table
}

fn new(is_terminal: bool, header: impl IntoIterator<Item = String>, names: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    if is_terminal {
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_style(TableComponent::MiddleHeaderIntersections, '─');
        table.set_style(TableComponent::LeftHeaderIntersection, '─');
        table.set_style(TableComponent::RightHeaderIntersection, '─');
    }
    let header = header.into_iter().enumerate().map(|(at, text)| {
        let side =
            if at < names || text == "mark" { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(side)
    });
    table.set_header(header);
    table
}

/// Names to the left, numbers to the right.
fn cells(row: impl IntoIterator<Item = String>, names: usize) -> Vec<Cell> {
    let align = |(at, text): (usize, String)| {
        let is_mark = !text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        let side = if at < names || is_mark { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(side)
    };
    row.into_iter().enumerate().map(align).collect()
}

const SPARE_ROWS: usize = 5;
