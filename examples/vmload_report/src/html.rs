//! The report as one page that needs nothing else: no network, no fonts, no libraries.

use crate::fleet::{BURSTY, FULL, FleetReport, IDLE, Machine};
use crate::json::hex;
use crate::plot::{COLOURS, over_time, scatter, spread};
use crate::table::percent;
use std::fmt::Write as _;

/// The whole page.
pub(crate) fn page(report: &FleetReport) -> String {
    let machines = report.by_load();
    let names: Vec<&str> = report.metrics.iter().map(vmload::Metric::name).collect();
    let mut page = String::with_capacity(machines.len() * 24_000);
    let title = escape(&report.title);
    // Nothing is loaded, and nothing but this page's own script runs, whatever a machine is called.
    let _ = write!(
        page,
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>\
         <meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\
         <meta name='viewport' content='width=device-width'><title>Load of {title}</title><style>{STYLE}</style></head>\
         <body><main><h1>Load of {title}</h1>",
    );
    summary(&mut page, report, &machines);
    types(&mut page, report, &names);
    page.push_str("<section><h2>Machines by mean load</h2><p>Colour is the type, size the load, a cross the centre of a type. A point opens its machine.</p><div class='plots'>");
    for x in 0..names.len().min(3) {
        for y in x + 1..names.len().min(3) {
            page.push_str(&scatter(report, &machines, x, y));
        }
    }
    page.push_str("</div></section>");
    capacity(&mut page, report, &names);
    list(&mut page, report, &machines, &names);
    let _ = write!(
        page,
        "<footer>Input {}<br>Result {}<br>Marks: <b>full</b> some metric is above {:.0} % one sample in twenty; <b>idle</b> none is above {:.0} %; \
         <b>bursty</b> bursts add more than {BURSTY} to the load of the mean.</footer></main><script>{SCRIPT}</script></body></html>",
        report.report.input_digest.map_or_else(String::new, |digest| hex(&digest)),
        hex(&report.report.result_digest),
        FULL * 100.0,
        IDLE * 100.0,
    );
    page
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn summary(page: &mut String, report: &FleetReport, machines: &[Machine<'_>]) {
    let marked =
        |mark: &str| machines.iter().filter(|machine| machine.marks().contains(&mark)).count();
    let samples: u64 = report.profiles.iter().map(|profile| profile.counts.used).sum();
    let flawed: u64 =
        report.profiles.iter().map(|of| of.counts.seen - of.counts.used + of.skipped).sum();
    let tiles = [
        ("machines", report.profiles.len().to_string()),
        ("samples", samples.to_string()),
        ("left out", flawed.to_string()),
        ("full", marked("full").to_string()),
        ("bursty", marked("bursty").to_string()),
        ("idle", marked("idle").to_string()),
    ];
    page.push_str("<dl class='tiles'>");
    for (name, value) in tiles {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    page.push_str("</dl>");
}

fn types(page: &mut String, report: &FleetReport, names: &[&str]) {
    page.push_str(
        "<section><h2>Types</h2><table id='types'><thead><tr><th>type<th>machines<th>load",
    );
    for name in names {
        let _ = write!(page, "<th>mean {}", escape(name));
    }
    page.push_str("</thead><tbody>");
    for (at, kind) in report.report.types.iter().enumerate() {
        let _ = write!(
            page,
            "<tr><td><i class='dot k{}'></i>{}<td>{}<td>{}",
            at % COLOURS,
            escape(kind.name()),
            kind.members(),
            percent(kind.load())
        );
        for load in kind.lambda() {
            let _ = write!(page, "<td>{}", percent(*load));
        }
    }
    page.push_str("</tbody></table></section>");
}

fn capacity(page: &mut String, report: &FleetReport, names: &[&str]) {
    if report.capacities.iter().all(Option::is_none) {
        return;
    }
    page.push_str("<section><h2>Capacity</h2><p>Spare is what stays free if every machine keeps its 95 % use and a quarter of that.</p><table id='capacity'><thead><tr><th>metric<th>allotted<th>mean use<th>95 % use<th>spare</thead><tbody>");
    for (name, sum) in names.iter().zip(&report.capacities) {
        let Some(sum) = sum else { continue };
        let share = |part: f64| percent(if sum.allotted > 0.0 { part / sum.allotted } else { 0.0 });
        let _ = write!(
            page,
            "<tr><td>{}<td>{:.0}<td>{}<td>{}<td>{}",
            escape(name),
            sum.allotted,
            share(sum.used),
            share(sum.used_p95),
            share(sum.spare)
        );
    }
    page.push_str("</tbody></table></section>");
}

fn list(page: &mut String, report: &FleetReport, machines: &[Machine<'_>], names: &[&str]) {
    page.push_str("<section><h2>Machines, highest load first</h2><p>A machine opens to its load over time: the line is the mean, the band reaches up to the highest.</p>");
    for (at, machine) in machines.iter().enumerate() {
        let of = machine.assessed;
        let vm = escape(machine.profile.vm.as_str());
        let _ = write!(
            page,
            "<details class='vm' data-vm='{vm}'{}><summary><span class='name'><i class='dot k{}'></i>{vm}</span>\
             <span>{} <small>{:.0} % sure</small></span><span>{} <small>load</small></span><span>{:.3} <small>bursts</small></span><span class='boxes'>",
            if at < OPEN { " open" } else { "" },
            of.assignment.kind % COLOURS,
            escape(report.type_name(of.assignment.kind)),
            of.assignment.confidence * 100.0,
            percent(of.load),
            of.burstiness,
        );
        for (metric, distribution) in machine.found.metrics.iter().enumerate() {
            page.push_str(&spread(distribution, metric));
        }
        page.push_str("</span><span>");
        for mark in machine.marks() {
            let _ = write!(page, "<b class='mark'>{mark}</b> ");
        }
        let _ =
            write!(page, "</span></summary><div class='time'>{}<ul>", over_time(machine, names));
        for (name, metric) in names.iter().zip(&machine.found.metrics) {
            let levels = metric.levels.iter().map(|(load, share)| {
                format!("{:.0} % for {:.0} % of the time", load * 100.0, share * 100.0)
            });
            let _ = write!(
                page,
                "<li><b>{}</b> {}",
                escape(name),
                levels.collect::<Vec<_>>().join(", ")
            );
        }
        page.push_str("</ul></div></details>");
    }
    for machine in report.without_load() {
        if let Err(why) = &machine.outcome {
            let _ = write!(
                page,
                "<p class='none'>{}: {}</p>",
                escape(machine.vm.as_str()),
                escape(&why.to_string())
            );
        }
    }
    page.push_str("</section>");
}

/// So many machines are open from the start.
const OPEN: usize = 3;

const STYLE: &str = include_str!("../static/page.css");
const SCRIPT: &str = include_str!("../static/page.js");
