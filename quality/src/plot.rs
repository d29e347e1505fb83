//! The plots of the report, as SVG.

use crate::figures::{Attack, Figures, Scenario, Window};
use crate::page::{AREA_MIN, EER_MAX};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// File names with their contents.
pub fn plots(figures: &Figures) -> Result<Vec<(&'static str, String)>> {
    let mut plots = vec![
        ("surroundings.svg", surroundings(&figures.surroundings.scenarios)?),
        ("attacks.svg", attacks(&figures.surroundings.attacks)?),
    ];
    plots.push(("driving.svg", driving(figures)?));
    Ok(plots)
}

/// Horizontal bars, two for each scenario, and the target as a line.
fn surroundings(scenarios: &[Scenario]) -> Result<String> {
    let rows: Vec<Row<'_>> = scenarios
        .iter()
        .map(|scenario| Row {
            name: &scenario.name,
            bars: vec![
                (bp(scenario.comparison.baseline.equal_error.into()), BASELINE),
                (bp(scenario.comparison.evidence.equal_error.into()), EVIDENCE),
            ],
            target: scenario.usual_place.then(|| bp(EER_MAX.into())),
        })
        .collect();
    let longest = rows.iter().flat_map(|row| row.bars.iter().map(|bar| bar.0)).fold(10.0, f64::max);
    bars("Equal error rate in %: less is better", &rows, (longest / 5.0).ceil() * 5.0, true)
}

fn attacks(attacks: &[Attack]) -> Result<String> {
    let rows: Vec<Row<'_>> = attacks
        .iter()
        .map(|attack| Row {
            name: &attack.name,
            bars: vec![(bp(attack.detected.estimate), EVIDENCE)],
            target: attack.target.map(|target| bp(target.into())),
        })
        .collect();
    bars("Detected in % (last rows: honest owners)", &rows, 100.0, false)
}

fn driving(figures: &Figures) -> Result<String> {
    let mut svg = String::new();
    // without the departure: the harder ones
    let windows: Vec<&Window> =
        figures.driving.windows.iter().filter(|window| !window.from_departure).collect();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, 360)).into_drawing_area();
        root.fill(&WHITE).map_err(fault)?;
        let longest = windows.iter().map(|w| f64::from(w.minutes)).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&root)
            .caption("Area under the curve by window length", (FONT, 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..longest + 1.0, 0.5..1.0)
            .map_err(fault)?;
        chart
            .configure_mesh()
            .x_desc("minutes")
            .label_style((FONT, 12))
            .axis_desc_style((FONT, 12))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.2}"))
            .draw()
            .map_err(fault)?;
        type Area = fn(&Window) -> u16;
        let areas: [(&str, RGBColor, Area); 2] = [
            ("baseline", BASELINE, |w| w.comparison.baseline.area),
            ("evidence", EVIDENCE, |w| w.comparison.evidence.area),
        ];
        for (name, colour, area) in areas {
            let points: Vec<(f64, f64)> = windows
                .iter()
                .map(|w| (f64::from(w.minutes), f64::from(area(w)) / 10_000.0))
                .collect();
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))
                .map_err(fault)?
                .label(name)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled())
                });
            let dots = points.into_iter().map(|point| Circle::new(point, 4, colour.filled()));
            chart.draw_series(dots).map_err(fault)?;
        }
        let targets = AREA_MIN.map(|(minutes, area)| {
            let (x, y) = (f64::from(minutes), f64::from(area) / 10_000.0);
            PathElement::new(vec![(x - 0.6, y), (x + 0.6, y)], TARGET.stroke_width(3))
        });
        chart
            .draw_series(targets)
            .map_err(fault)?
            .label("target")
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + 12, y)], TARGET.stroke_width(3)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font((FONT, 12))
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(fault)?;
        root.present().map_err(fault)?;
    }
    Ok(svg)
}

struct Row<'a> {
    name: &'a str,
    bars: Vec<(f64, RGBColor)>,
    target: Option<f64>,
}

fn bars(title: &str, rows: &[Row<'_>], end: f64, has_legend: bool) -> Result<String> {
    let mut svg = String::new();
    let height = 80 + 34 * u32::try_from(rows.len())?;
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE).map_err(fault)?;
        root.draw(&Text::new(title.to_owned(), (12, 10), (FONT, 16))).map_err(fault)?;
        if has_legend {
            for (at, (name, colour)) in
                [("baseline", BASELINE), ("evidence", EVIDENCE)].iter().enumerate()
            {
                let x = 560 + 110 * i32::try_from(at)?;
                let key = Rectangle::new([(x, 12), (x + 12, 24)], colour.filled());
                root.draw(&key).map_err(fault)?;
                root.draw(&Text::new((*name).to_owned(), (x + 18, 11), (FONT, 13)))
                    .map_err(fault)?;
            }
        }
        let x_of = |value: f64| -> i32 {
            let span = f64::from(WIDTH) - f64::from(LEFT) - 70.0;
            // within the picture, since no value is above its end
            (f64::from(LEFT) + value / end * span).round() as i32
        };
        let label = (FONT, 13).into_font().color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
        for (at, row) in rows.iter().enumerate() {
            let top = 48 + 34 * i32::try_from(at)?;
            root.draw(&Text::new(row.name.to_owned(), (LEFT - 8, top + 11), label.clone()))
                .map_err(fault)?;
            let each = 22 / i32::try_from(row.bars.len().max(1))?;
            for (number, (value, colour)) in row.bars.iter().enumerate() {
                let y = top + each * i32::try_from(number)?;
                let bar =
                    Rectangle::new([(LEFT, y), (x_of(*value), y + each - 1)], colour.filled());
                root.draw(&bar).map_err(fault)?;
                let text = format!("{value:.2}");
                let at = (x_of(*value) + 4, y + each / 2);
                let style = (FONT, 11).into_font().color(&BLACK);
                let style = style.pos(Pos::new(HPos::Left, VPos::Center));
                root.draw(&Text::new(text, at, style)).map_err(fault)?;
            }
            if let Some(target) = row.target {
                let x = x_of(target);
                let line =
                    PathElement::new(vec![(x, top - 3), (x, top + 25)], TARGET.stroke_width(2));
                root.draw(&line).map_err(fault)?;
            }
        }
        root.present().map_err(fault)?;
    }
    Ok(svg)
}

fn bp(bp: i32) -> f64 {
    f64::from(bp) / 100.0
}

fn fault(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

const WIDTH: u32 = 860;
const LEFT: i32 = 330;
const FONT: &str = "sans-serif";
const BASELINE: RGBColor = RGBColor(0x9A, 0xA5, 0xB1);
const EVIDENCE: RGBColor = RGBColor(0x1F, 0x6F, 0xB2);
const TARGET: RGBColor = RGBColor(0xC0, 0x39, 0x2B);
