//! Pictures as SVG, drawn with the page's own colours.

use crate::fleet::{FleetReport, Machine};
use crate::html::escape;
use crate::profile::{Distribution, float_of};
use crate::when::ticks;
use std::fmt::Write as _;

/// Machines by mean load of two metrics: colour is the type, size the load.
pub(crate) fn scatter(
    report: &FleetReport,
    machines: &[Machine<'_>],
    x: usize,
    y: usize,
) -> String {
    let name = |at: usize| escape(report.metrics.iter().nth(at).map_or("", vmload::Metric::name));
    let (name_x, name_y) = (name(x), name(y));
    let plane = Plane::around(machines, x, y);
    let mut svg = format!(
        "<svg viewBox='0 0 400 314' role='img' aria-label='Machines by mean {name_x} and {name_y}'>"
    );
    plane.draw(&mut svg);
    let _ = write!(
        svg,
        "<text x='216' y='308' class='mid'>mean {name_x}, %</text><text x='8' y='14'>mean {name_y}, %</text>",
    );
    // the lowest load on top, so that small points are not hidden
    for machine in machines {
        let of = machine.assessed;
        let (at_x, at_y) = plane.place(&of.lambda);
        let vm = escape(machine.profile.vm.as_str());
        let _ = write!(
            svg,
            "<circle class='k{} pick' data-vm='{vm}' cx='{at_x:.1}' cy='{at_y:.1}' r='{:.1}'><title>{vm}: {}, load {:.1} %</title></circle>",
            of.assignment.kind % COLOURS,
            of.load.sqrt().mul_add(10.0, 2.0),
            escape(report.type_name(of.assignment.kind)),
            of.load * 100.0,
        );
    }
    for (kind, of) in report.report.types.iter().enumerate() {
        let (at_x, at_y) = plane.place(of.lambda());
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
pub(crate) fn spread(of: &Distribution, metric: usize, name: &str) -> String {
    let [p5, p25, p50, p75, p95, most] = of.quantiles.map(|load| load * 96.0 + 2.0);
    format!(
        "<span><small>{}</small><svg class='box m{}' viewBox='0 0 100 14' role='img' aria-label='{}: median {:.0} %, 95 % below {:.0} %, highest {:.0} %'>\
         <path class='grid' d='M2 7H98M2 3v8M98 3v8'/><path class='whisker' d='M{p5:.1} 7H{p95:.1}M{p5:.1} 4v6M{p95:.1} 4v6'/>\
         <rect x='{p25:.1}' y='2.5' width='{:.1}' height='9' rx='1'/><path class='median' d='M{p50:.1} 2v10'/>\
         <circle cx='{most:.1}' cy='7' r='1.6'/></svg></span>",
        escape(name),
        metric % COLOURS,
        escape(name),
        of.median() * 100.0,
        of.p95() * 100.0,
        of.highest() * 100.0,
        (p75 - p25).max(0.8),
    )
}

/// A machine's metrics over its time: the mean as a line, up to the highest as a band. The pictures are stretched to the
/// page's width; what is written stands beside them, so that it is not.
pub(crate) fn over_time(machine: &Machine<'_>, names: &[&str]) -> String {
    let ticks = ticks(machine.profile.span_ms);
    let mut html = String::from("<div class='lanes'>");
    for (at, (of, name)) in machine.found.metrics.iter().zip(names).enumerate() {
        let name = escape(name);
        // of one part a line over all of the width
        let width = float_of(of.over_time.len().max(2) - 1);
        let _ = write!(
            html,
            "<div class='lane m{}'><b>{name}</b><i>100 %</i><i>0</i><svg viewBox='0 0 {width} {HIGH}' preserveAspectRatio='none' role='img' \
             aria-label='{name} of {} over time'><path class='grid' d='M0 0H{width}M0 {}H{width}M0 {HIGH}H{width}",
            at % COLOURS,
            escape(machine.profile.vm.as_str()),
            HIGH / 2.0,
        );
        for (share, _) in &ticks {
            let _ = write!(html, "M{:.1} 0V{HIGH}", share * width);
        }
        let (line, band) = paths(of);
        let _ = write!(
            html,
            "'/><path class='band' d='{band}'/><path class='line' d='{line}'/></svg></div>"
        );
    }
    html.push_str("<div class='dates'>");
    for (share, label) in &ticks {
        let _ = write!(html, "<span style='left:{:.1}%'>{label}</span>", share * 100.0);
    }
    html.push_str("</div></div>");
    html
}

/// How many colours the page has; then they start again.
pub(crate) const COLOURS: usize = 8;

/// Two metrics' axes, and where they are in a picture.
struct Plane {
    x: (usize, Axis),
    y: (usize, Axis),
}

impl Plane {
    /// As large as the mean loads of these machines are.
    fn around(machines: &[Machine<'_>], x: usize, y: usize) -> Self {
        let axis = |at: usize| {
            let means = machines.iter().filter_map(|machine| machine.assessed.lambda.get(at));
            (at, Axis::up_to(means.copied().fold(0.0, f64::max)))
        };
        Self { x: axis(x), y: axis(y) }
    }

    fn place(&self, loads: &[f64]) -> (f64, f64) {
        let share =
            |(at, axis): &(usize, Axis)| loads.get(*at).copied().unwrap_or_default() / axis.reach;
        (share(&self.x).mul_add(WIDE, LEFT), share(&self.y).mul_add(-TALL, BOTTOM))
    }

    /// Lines at the marks, and what they say.
    fn draw(&self, svg: &mut String) {
        let (top, right) = (BOTTOM - TALL, LEFT + WIDE);
        for (share, label) in self.y.1.marks() {
            let at = share.mul_add(-TALL, BOTTOM);
            let _ = write!(
                svg,
                "<path class='grid' d='M{LEFT} {at:.1}H{right}'/><text x='40' y='{:.1}' class='end'>{label}</text>",
                at + 4.0
            );
        }
        for (share, label) in self.x.1.marks() {
            let at = share.mul_add(WIDE, LEFT);
            let _ = write!(
                svg,
                "<path class='grid' d='M{at:.1} {top}V{BOTTOM}'/><text x='{at:.1}' y='291' class='mid'>{label}</text>",
            );
        }
    }
}

/// An axis from nothing up to a round number.
struct Axis {
    reach: f64,
    steps: u8,
}

impl Axis {
    fn up_to(most: f64) -> Self {
        let fits = |step: &&f64| most <= **step * 5.0;
        let step = STEPS.iter().find(fits).copied().unwrap_or(0.2);
        let steps = (1..5_u8).find(|&steps| most <= step * f64::from(steps)).unwrap_or(5);
        Self { reach: step * f64::from(steps), steps }
    }

    /// Places from 0 to 1, and percentages.
    fn marks(&self) -> impl Iterator<Item = (f64, String)> {
        (0..=self.steps).map(|step| {
            let share = f64::from(step) / f64::from(self.steps);
            let percent = share * self.reach * 100.0;
            let decimals = if self.reach < 0.05 { 1 } else { 0 };
            (share, format!("{percent:.decimals$}"))
        })
    }
}

/// The line of the means, and the band between them and the highest. Both end where a machine gave no samples.
fn paths(of: &Distribution) -> (String, String) {
    let (mut line, mut band) = (String::new(), String::new());
    let parts: Vec<(usize, f64, f64)> = of
        .over_time
        .iter()
        .enumerate()
        .filter(|(_, (mean, _))| mean.is_finite())
        .map(|(at, &(mean, most))| (at, height(mean), height(most)))
        .collect();
    if let [(_, mean, most)] = parts[..] {
        return (format!("M0 {mean}H1"), format!("M0 {most}H1V{mean}H0Z"));
    }
    for run in parts.chunk_by(|a, b| a.0 + 1 == b.0) {
        draw(&mut line, true, run.iter().map(|&(at, mean, _)| (at, mean)));
        draw(&mut band, true, run.iter().map(|&(at, _, most)| (at, most)));
        draw(&mut band, false, run.iter().rev().map(|&(at, mean, _)| (at, mean)));
        band.push('Z');
    }
    (line, band)
}

/// From point to point; those in the middle of a level stretch say nothing and are left out.
fn draw(path: &mut String, moves: bool, points: impl Iterator<Item = (usize, f64)>) {
    let points: Vec<(usize, f64)> = points.collect();
    for (at, &(x, y)) in points.iter().enumerate() {
        let is_level = |at: Option<usize>| {
            at.and_then(|at| points.get(at))
                .is_some_and(|(_, other)| other.to_bits() == y.to_bits())
        };
        if is_level(at.checked_sub(1)) && is_level(at.checked_add(1)) {
            continue;
        }
        let _ = write!(path, "{}{x} {y}", if moves && at == 0 { 'M' } else { 'L' });
    }
    if points.len() == 1 {
        // a dot
        path.push_str("h0");
    }
}

/// From the top, whole, which a screen does not tell from more digits.
fn height(load: f64) -> f64 {
    (HIGH - load * HIGH).round()
}

const HIGH: f64 = 200.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 276.0;
const WIDE: f64 = 340.0;
const TALL: f64 = 246.0;
const STEPS: [f64; 7] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
