//! How well the engines of risk-core tell owners from thieves, on a generated world: the program behind
//! `cargo xtask quality risk-core`.
#![forbid(unsafe_code)]

mod driving;
mod figures;
mod page;
mod plot;
mod surroundings;

use anyhow::{Context as _, Result, bail};
use figures::Figures;
use simkit::world::parameters::{
    CITY, FLEET, QUICK_CITY, QUICK_FLEET, REPORTING_SEEDS, TUNING_SEEDS,
};
use simkit::world::{CityParameters, FleetParameters};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<()> {
    let order = Order::read(std::env::args().skip(1))?;
    let begun = Instant::now();
    let figures = order.measure()?;
    if order.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else if order.tune {
        println!("{}", page::page(&figures));
    }
    if let Some(folder) = &order.write {
        write(&figures, folder)?;
    }
    if order.quick {
        floors(&figures)?;
        eprintln!("    nothing is broken, in {:.1} s", begun.elapsed().as_secs_f64());
        return Ok(());
    }
    let promises = page::promises(&figures);
    let kept = promises.iter().filter(|(_, kept)| *kept).count();
    for (text, kept) in &promises {
        eprintln!("    {} {text}", if *kept { "kept  " } else { "MISSED" });
    }
    eprintln!("    {kept} of {} kept, in {:.1} s", promises.len(), begun.elapsed().as_secs_f64());
    Ok(())
}

/// What to do.
#[derive(Default)]
struct Order {
    quick: bool,
    tune: bool,
    json: bool,
    write: Option<PathBuf>,
}

impl Order {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut order = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => order.quick = true,
                "--tune" => order.tune = true,
                "--json" => order.json = true,
                "--write" => order.write = Some(words.next().context("--write FOLDER")?.into()),
                other => bail!("`{other}` is not known"),
            }
        }
        if order.write.is_some() && (order.quick || order.tune) {
            bail!("only the reporting seeds with the whole world are written down");
        }
        Ok(order)
    }

    fn measure(&self) -> Result<Figures> {
        let (seeds, city, fleet, resamples): (&[u64], CityParameters, FleetParameters, usize) =
            if self.quick {
                (&TUNING_SEEDS[..1], QUICK_CITY, QUICK_FLEET, 200)
            } else if self.tune {
                (&TUNING_SEEDS, CITY, FLEET, 1_000)
            } else {
                (&REPORTING_SEEDS, CITY, FLEET, 2_000)
            };
        let cities = each(seeds, |seed, number| surroundings::Cases::draw(&city, seed, number))?;
        let fleets = each(seeds, |seed, number| driving::Cases::draw(&fleet, seed, number))?;
        let cities = cities.into_iter().reduce(|mut all, next| {
            all.merge(next);
            all
        });
        let fleets = fleets.into_iter().reduce(|mut all, next| {
            all.merge(next);
            all
        });
        Ok(Figures {
            quick: self.quick,
            seeds: seeds.to_vec(),
            resamples,
            surroundings: cities.context("no seed")?.finish(&city, resamples),
            driving: fleets.context("no seed")?.finish(&fleet, resamples),
        })
    }
}

/// One result for each seed, in the order of the seeds, however many threads there are.
fn each<T: Send>(seeds: &[u64], draw: impl Fn(u64, u32) -> Result<T> + Sync) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism()?.get();
    let numbered: Vec<(u64, u32)> = seeds.iter().copied().zip(0..).collect();
    let mut results = Vec::new();
    for batch in numbered.chunks(threads) {
        let batch: Vec<Result<T>> = std::thread::scope(|scope| {
            let running: Vec<_> =
                batch.iter().map(|(seed, number)| scope.spawn(|| draw(*seed, *number))).collect();
            let joined = running.into_iter().map(|one| one.join());
            joined.map(|end| end.unwrap_or_else(|_| bail!("a seed came to no end"))).collect()
        });
        results.extend(batch);
    }
    results.into_iter().collect()
}

fn write(figures: &Figures, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(folder.join("risk-core.md"), page::page(figures))?;
    for (name, svg) in plot::plots(figures)? {
        std::fs::write(folder.join(name), svg)?;
    }
    Ok(())
}

/// A small world is no ground for figures, but a broken engine shows in it.
fn floors(figures: &Figures) -> Result<()> {
    let mut faults = Vec::new();
    for scenario in figures.surroundings.scenarios.iter().filter(|s| s.usual_place) {
        let rate = scenario.comparison.evidence.equal_error;
        if rate > 3 * page::EER_MAX {
            faults.push(format!(
                "{}: equal error rate {}",
                scenario.name,
                page::percent(rate.into())
            ));
        }
    }
    for attack in &figures.surroundings.attacks {
        let Some(target) = attack.target else { continue };
        if attack.detected.estimate + 1_000 < i32::from(target) {
            let detected = page::percent(attack.detected.estimate);
            faults.push(format!("{}: {detected} detected", attack.name));
        }
    }
    for window in &figures.driving.windows {
        let area = window.comparison.evidence.area.max(window.comparison.baseline.area);
        if window.target.is_some_and(|target| area + 1_000 < target) {
            let area = page::area_text(area);
            faults.push(format!("driving, {} min: area {area}", window.minutes));
        }
    }
    let driving = &figures.driving;
    if driving.too_short_judged > 0 || driving.too_short == 0 {
        faults.push("driving: windows below the minimum were judged".to_owned());
    }
    if figures.surroundings.scenarios.len() < 8 || driving.windows.len() < 10 {
        faults.push("scenarios are missing".to_owned());
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("worse than any small world: {}", faults.join("; "))
    }
}
