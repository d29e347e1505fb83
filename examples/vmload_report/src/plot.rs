//! Pictures as SVG, drawn with the page's own colours.

use crate::fleet::{FleetReport, Machine};
use crate::html::escape;
use crate::profile::{Distribution, SLICES, float_of};
use std::fmt::Write as _;

/// Machines by mean load of two metrics: colour is the type, size the load.
pub(crate) fn scatter(
    report: &FleetReport,
    machines: &[Machine<'_>],
    x: usize,
    y: usize,
) -> String {
    let name = |at: usize| report.metrics.iter().nth(at).map_or("", vmload::Metric::name);
    let reach = |at: usize| {
        let most = machines.iter().filter_map(|machine| machine.assessed.lambda.get(at)).copied();
        // the least of 10 %, 20 %, … that everything fits in
        (most.fold(0.05, f64::max) * 10.0).ceil() / 10.0
    };
    let (reach_x, reach_y) = (reach(x), reach(y));
    let place = |loads: &[f64]| {
        let of = |at: usize| loads.get(at).copied().unwrap_or_default();
        (46.0 + of(x) / reach_x * 340.0, 270.0 - of(y) / reach_y * 250.0)
    };
    let mut svg = format!(
        "<svg viewBox='0 0 400 310' role='img' aria-label='Machines by mean {} and {}'>",
        escape(name(x)),
        escape(name(y))
    );
    for step in 0..=5_u8 {
        let part = f64::from(step) / 5.0;
        let (at_x, at_y) = (46.0 + part * 340.0, 270.0 - part * 250.0);
        let _ = write!(
            svg,
            "<path class='grid' d='M46 {at_y:.1}H386M{at_x:.1} 20V270'/>\
             <text x='40' y='{:.1}' class='end'>{:.0}</text><text x='{at_x:.1}' y='286' class='mid'>{:.0}</text>",
            at_y + 4.0,
            part * reach_y * 100.0,
            part * reach_x * 100.0,
        );
    }
    let _ = write!(
        svg,
        "<text x='216' y='303' class='mid'>{} %</text><text x='12' y='14'>{} %</text>",
        escape(name(x)),
        escape(name(y))
    );
    // the lowest load on top, so that small points are not hidden
    for machine in machines {
        let of = machine.assessed;
        let (at_x, at_y) = place(&of.lambda);
        let vm = escape(machine.profile.vm.as_str());
        let _ = write!(
            svg,
            "<circle class='k{} pick' data-vm='{vm}' cx='{at_x:.1}' cy='{at_y:.1}' r='{:.1}'><title>{vm}: {}, load {:.1} %</title></circle>",
            of.assignment.kind % COLOURS,
            of.load.sqrt().mul_add(12.0, 2.0),
            escape(report.type_name(of.assignment.kind)),
            of.load * 100.0,
        );
    }
    for (kind, of) in report.report.types.iter().enumerate() {
        let (at_x, at_y) = place(of.lambda());
        if of.members() > 0 {
            let _ = write!(
                svg,
                "<path class='centre k{}' d='M{:.1} {at_y:.1}h14m-7 -7v14'><title>centre of {}</title></path>",
                kind % COLOURS,
                at_x - 7.0,
                escape(of.name())
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// A metric's distribution: whiskers at 5 and 95 percent, a box at 25 and 75, a line at the median, a dot at the highest.
pub(crate) fn spread(of: &Distribution, metric: usize) -> String {
    let [p5, p25, p50, p75, p95, most] = of.quantiles.map(|load| load * 96.0 + 2.0);
    format!(
        "<svg class='box m{}' viewBox='0 0 100 14' role='img' aria-label='median {:.0} %, 95 % below {:.0} %, highest {:.0} %'>\
         <path class='grid' d='M2 7H98'/><path class='whisker' d='M{p5:.1} 7H{p95:.1}M{p5:.1} 4v6M{p95:.1} 4v6'/>\
         <rect x='{p25:.1}' y='2.5' width='{:.1}' height='9' rx='1'/><path class='median' d='M{p50:.1} 2v10'/>\
         <circle cx='{most:.1}' cy='7' r='1.6'/></svg>",
        metric % COLOURS,
        of.quantiles[2] * 100.0,
        of.quantiles[4] * 100.0,
        of.quantiles[5] * 100.0,
        (p75 - p25).max(0.8),
    )
}

/// A machine's metrics over its time: the mean as a line, up to the highest as a band.
pub(crate) fn over_time(machine: &Machine<'_>, names: &[&str]) -> String {
    let count = machine.found.metrics.len();
    let height = float_of(count) * 66.0;
    let mut svg = format!(
        "<svg viewBox='0 0 520 {height}' role='img' aria-label='Load over time of {}'>",
        escape(machine.profile.vm.as_str())
    );
    for (at, (of, name)) in machine.found.metrics.iter().zip(names).enumerate() {
        let low = float_of(at).mul_add(66.0, 58.0);
        let _ = write!(
            svg,
            "<path class='grid' d='M40 {low}H516M40 {}H516M40 {}H516'/><text x='36' y='{}' class='end'>100</text>\
             <text x='36' y='{low}' class='end'>0</text><text x='44' y='{}'>{}</text>\
             <path class='band m{}' d='{}'/><path class='line m{}' d='{}'/>",
            low - 25.0,
            low - 50.0,
            low - 44.0,
            low - 40.0,
            escape(name),
            at % COLOURS,
            band(of, low),
            at % COLOURS,
            line(of, low),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// How many colours the page has; then they start again.
pub(crate) const COLOURS: usize = 8;

fn points(of: &Distribution, low: f64) -> impl Iterator<Item = (bool, f64, f64, f64)> {
    let points = of.over_time.iter().enumerate().map(move |(at, &(mean, most))| {
        let x = 40.0 + (float_of(at) + 0.5) / float_of(SLICES) * 476.0;
        (mean.is_finite(), x, low - mean * 50.0, low - most * 50.0)
    });
    points.filter(|(is_there, ..)| *is_there)
}

fn line(of: &Distribution, low: f64) -> String {
    let mut path = String::new();
    for (at, (_, x, mean, _)) in points(of, low).enumerate() {
        let _ = write!(path, "{}{x:.1} {mean:.1}", if at == 0 { 'M' } else { 'L' });
    }
    path
}

fn band(of: &Distribution, low: f64) -> String {
    let mut path = String::new();
    let mut back = Vec::new();
    for (at, (_, x, mean, most)) in points(of, low).enumerate() {
        let _ = write!(path, "{}{x:.1} {most:.1}", if at == 0 { 'M' } else { 'L' });
        back.push((x, mean));
    }
    for (x, mean) in back.iter().rev() {
        let _ = write!(path, "L{x:.1} {mean:.1}");
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}
