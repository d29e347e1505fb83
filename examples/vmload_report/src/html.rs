//! The report as one page that needs nothing else: no network, no fonts, no libraries.

use crate::fleet::{BURSTY, FULL, FleetReport, IDLE, Machine};
use crate::plot::{COLOURS, over_time, scatter, spread};
use crate::profile::Distribution;
use crate::quantity::{grouped, percent, quantity};
use crate::when::{day, minute};
use base16ct::lower;
use std::fmt::Write as _;
use vmload::Reason;

/// The whole page.
pub(crate) fn page(report: &FleetReport) -> String {
    let machines = report.by_load();
    let names = report.names();
    let mut page = String::new();
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
    if names.len() > 1 {
        page.push_str("<section><h2>Machines by mean load</h2><p>Colour is the type, size the load, a cross the centre of a type. A point opens its machine.</p><div class='plots'>");
        for x in 0..names.len().min(3) {
            for y in x + 1..names.len().min(3) {
                page.push_str(&scatter(report, &machines, x, y));
            }
        }
        page.push_str("</div></section>");
    }
    capacity(&mut page, report, &names);
    spare(&mut page, report, &names);
    list(&mut page, report, &machines, &names);
    let _ = write!(
        page,
        "<footer>Marks: <b>full</b> some metric is above {:.0} % one sample in twenty; <b>idle</b> none is above {:.0} %; \
         <b>bursty</b> some metric is {:.0} points above its median one sample in twenty.<br>Load is the length of the mean over that of full load \
         of all metrics; p95 is what a machine stays below 95 % of the time.<br>SHA-256 of the input {}<br>SHA-256 of the result {}</footer></main>\
         <script>{SCRIPT}</script></body></html>",
        FULL * 100.0,
        IDLE * 100.0,
        BURSTY * 100.0,
        report.report.input_digest.map_or_else(String::new, |digest| lower::encode_string(&digest)),
        lower::encode_string(&report.report.result_digest),
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
    let span = report.span_ms().and_then(|(first, last)| Some((day(first)?, day(last)?)));
    if let Some((first, last)) = span {
        let _ = write!(page, "<p>{first} to {last}, times in UTC</p>");
    }
    let tiles = [
        ("machines", report.profiles.len().to_string()),
        ("samples", grouped(samples)),
        ("full", marked("full").to_string()),
        ("bursty", marked("bursty").to_string()),
        ("idle", marked("idle").to_string()),
    ];
    page.push_str("<dl class='tiles'>");
    for (name, value) in tiles {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    page.push_str("</dl>");
    let notes = report.notes();
    if !notes.is_empty() {
        page.push_str("<ul class='notes'>");
        for note in notes {
            let _ = write!(page, "<li>{}", escape(&note));
        }
        page.push_str("</ul>");
    }
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
        // without members a centre is its seed, which no machine has
        let of = |load: f64| if kind.members() > 0 { percent(load) } else { "-".into() };
        let _ = write!(
            page,
            "<tr><td><i class='dot k{}'></i>{}<td>{}<td>{}",
            at % COLOURS,
            escape(kind.name()),
            kind.members(),
            of(kind.load())
        );
        for load in kind.lambda() {
            let _ = write!(page, "<td>{}", of(*load));
        }
    }
    let (load, means) = report.overall();
    let _ = write!(page, "<tr><td>all<td>{}<td>{}", report.by_load().len(), percent(load));
    for mean in means {
        let _ = write!(page, "<td>{}", percent(mean));
    }
    page.push_str("</tbody></table></section>");
}

fn capacity(page: &mut String, report: &FleetReport, names: &[&str]) {
    if report.capacities.iter().all(Option::is_none) {
        return;
    }
    page.push_str("<section><h2>Capacity</h2><p>Spare is what stays free if every machine keeps its p95 and a quarter of that.</p><table id='capacity'><thead><tr><th>metric<th>allotted<th>mean use<th>p95 use<th colspan='2'>spare</thead><tbody>");
    for (at, (name, sum)) in names.iter().zip(&report.capacities).enumerate() {
        let Some(sum) = sum else { continue };
        let share = |part: f64| percent(if sum.allotted > 0.0 { part / sum.allotted } else { 0.0 });
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
            escape(name),
            escape(&quantity(sum.allotted, report.unit(at))),
            share(sum.used),
            share(sum.used_p95),
            share(sum.spare),
            escape(&quantity(sum.spare, report.unit(at))),
        );
    }
    page.push_str("</tbody></table></section>");
}

fn spare(page: &mut String, report: &FleetReport, names: &[&str]) {
    let machines = report.by_spare();
    if machines.is_empty() {
        return;
    }
    let measured =
        || (0..names.len()).filter(|&at| report.capacities.get(at).is_some_and(Option::is_some));
    page.push_str("<section><h2>Most to spare</h2><table id='spare'><thead><tr><th>machine");
    for name in measured().filter_map(|at| names.get(at)).map(|name| escape(name)) {
        let _ = write!(page, "<th>{name} allotted<th>p95<th>spare");
    }
    page.push_str("</thead><tbody>");
    for machine in machines.into_iter().take(SPARE_ROWS) {
        let vm = escape(machine.profile.vm.as_str());
        let _ =
            write!(page, "<tr><td><a class='pick' href='#{}' data-vm='{vm}'>{vm}</a>", anchor(&vm));
        for at in measured() {
            let _ = write!(
                page,
                "<td>{}<td>{}<td>{}",
                escape(&allotted(report, machine, at)),
                machine.found.metrics.get(at).map_or_else(String::new, |of| percent(of.p95())),
                escape(&spared(report, machine, at)),
            );
        }
    }
    page.push_str("</tbody></table></section>");
}

fn list(page: &mut String, report: &FleetReport, machines: &[Machine<'_>], names: &[&str]) {
    page.push_str("<section><h2>Machines</h2><p>A machine opens to its load over time: the line is the mean, the band reaches up to the highest. \
         Boxes hold half of the samples, whiskers nine in ten, the dot is the highest.</p>\
         <form hidden><label>Find <input id='find' type='search' placeholder='name, type or mark'></label> \
         <label>Order <select id='order'><option value='load'>highest load<option value='spare'>most to spare<option value='bursts'>most bursts\
         <option value='vm'>name</select></label></form><div id='machines'>");
    for (at, machine) in machines.iter().enumerate() {
        one(page, report, *machine, names, at < OPEN);
    }
    page.push_str("</div>");
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

fn one(page: &mut String, report: &FleetReport, machine: Machine<'_>, names: &[&str], open: bool) {
    let of = machine.assessed;
    let vm = escape(machine.profile.vm.as_str());
    let _ = write!(
        page,
        "<details class='vm' id='{}' data-vm='{vm}' data-load='{:.6}' data-spare='{:.6}' data-bursts='{:.6}'{}><summary>\
         <span class='name'><i class='dot k{}'></i>{vm}</span><span>{} <small>{:.0} % sure</small></span><span>{} <small>load</small></span><span class='boxes'>",
        anchor(&vm),
        of.load,
        report.spare_share(machine),
        machine.swing(),
        if open { " open" } else { "" },
        of.assignment.kind % COLOURS,
        escape(report.type_name(of.assignment.kind)),
        of.assignment.confidence * 100.0,
        percent(of.load),
    );
    for (metric, distribution) in machine.found.metrics.iter().enumerate() {
        page.push_str(&spread(
            distribution,
            metric,
            names.get(metric).copied().unwrap_or_default(),
        ));
    }
    page.push_str("</span><span>");
    for mark in machine.marks() {
        let _ = write!(page, "<b class='mark'>{mark}</b> ");
    }
    let _ = write!(
        page,
        "</span></summary><div class='time'>{}<div class='facts'>",
        over_time(&machine, names)
    );
    facts(page, report, machine, names);
    page.push_str("</div></div></details>");
}

/// What stands beside a machine's load over time.
fn facts(page: &mut String, report: &FleetReport, machine: Machine<'_>, names: &[&str]) {
    let has_allotments = report.capacities.iter().any(Option::is_some);
    page.push_str("<table><thead><tr><th><th>mean<th>p95<th>highest");
    page.push_str(if has_allotments {
        "<th>allotted<th>spare</thead><tbody>"
    } else {
        "</thead><tbody>"
    });
    for (at, (name, of)) in names.iter().zip(&machine.found.metrics).enumerate() {
        let [mean, p95, highest] = [of.mean, of.p95(), of.highest()].map(percent);
        let _ = write!(page, "<tr><td>{}<td>{mean}<td>{p95}<td>{highest}", escape(name));
        if has_allotments {
            let (allotted, spared) = (allotted(report, machine, at), spared(report, machine, at));
            let _ = write!(page, "<td>{}<td>{}", escape(&allotted), escape(&spared));
        }
    }
    page.push_str("</tbody></table><ul>");
    for (name, of) in names.iter().zip(&machine.found.metrics) {
        let levels = of
            .levels
            .iter()
            .map(|(load, share)| format!("{:.0} % for {}", load * 100.0, part(*share)));
        let levels = levels.collect::<Vec<_>>().join(", ");
        let _ = write!(page, "<li><b>{}</b> at {levels} of the time", escape(name));
        if let Some(time) = peak(machine, of) {
            let _ = write!(page, "; highest around {time}");
        }
    }
    if let Reason::NearerIn { metric, than } = machine.assessed.assignment.reason {
        let _ = write!(
            page,
            "<li>{} rather than {} for its {}",
            escape(report.type_name(machine.assessed.assignment.kind)),
            escape(report.type_name(than)),
            escape(names.get(metric).copied().unwrap_or_default()),
        );
    }
    let _ = write!(
        page,
        "<li>Bursts add {:.1} points to the load of the mean<li>{} samples, {} rows left out</ul>",
        machine.assessed.burstiness * 100.0,
        grouped(machine.profile.counts.used),
        grouped(machine.profile.left_out()),
    );
}

/// When a metric was highest, as near as the picture tells.
fn peak(machine: Machine<'_>, of: &Distribution) -> Option<String> {
    let (first, last) = machine.profile.span_ms;
    let parts = of.over_time.iter().enumerate().filter(|(_, (mean, _))| mean.is_finite());
    let (at, _) = parts.reduce(|a, b| if b.1.1 > a.1.1 { b } else { a })?;
    let parts = u64::try_from(of.over_time.len()).ok()?;
    let at = u64::try_from(at).ok()?;
    minute(first + last.saturating_sub(first) / parts * at)
}

fn part(share: f64) -> String {
    if share < 0.01 { "less than 1 %".into() } else { format!("{:.0} %", share * 100.0) }
}

fn allotted(report: &FleetReport, machine: Machine<'_>, at: usize) -> String {
    let allotted =
        machine.profile.allotment.get(at).filter(|_| report.spare(machine, at).is_some());
    allotted.map_or_else(String::new, |allotted| quantity(*allotted, report.unit(at)))
}

fn spared(report: &FleetReport, machine: Machine<'_>, at: usize) -> String {
    report.spare(machine, at).map_or_else(String::new, |spare| quantity(spare, report.unit(at)))
}

/// A name that links can carry.
fn anchor(vm: &str) -> String {
    vm.bytes().fold(String::from("vm-"), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "_{byte:02x}");
        }
        text
    })
}

/// So many machines are listed with most to spare.
const SPARE_ROWS: usize = 10;

/// So many machines are open from the start.
const OPEN: usize = 3;

const STYLE: &str = include_str!("../static/page.css");
const SCRIPT: &str = include_str!("../static/page.js");
