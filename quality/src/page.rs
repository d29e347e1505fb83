//! The page of the report.

use crate::figures::{Alarms, Attack, Comparison, Figures, Gain, Levels, Scenario, Share, Window};
use std::fmt::Write as _;

/// What was promised beforehand.
pub const EER_MAX: u16 = 500;
pub const AREA_MIN: [(u32, u16); 2] = [(1, 7_500), (10, 8_500)];

/// Every promise with whether it was kept, in words.
pub fn promises(figures: &Figures) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for scenario in &figures.surroundings.scenarios {
        let evidence = &scenario.comparison.evidence;
        if scenario.usual_place {
            let text = format!(
                "{}: equal error rate {} of at most {}",
                scenario.name,
                percent(evidence.equal_error.into()),
                percent(EER_MAX.into())
            );
            all.push((text, evidence.equal_error <= EER_MAX));
        }
        if scenario.chain {
            let gain = scenario.comparison.equal_error_gain;
            let text = format!(
                "{}: evidence better than baseline, equal error rate {}",
                scenario.name,
                difference(gain)
            );
            all.push((text, gain.high < 0));
        }
    }
    let attacks = figures.surroundings.attacks.iter();
    for attack in attacks.filter(|attack| attack.target.is_some()) {
        let target = attack.target.unwrap_or(0);
        let text = format!(
            "{}: {} detected of at least {}",
            attack.name,
            percent(attack.detected.estimate),
            percent(target.into())
        );
        all.push((text, attack.detected.estimate >= i32::from(target)));
    }
    for window in &figures.driving.windows {
        let Some(target) = window.target else { continue };
        let area = window.comparison.evidence.area.max(window.comparison.baseline.area);
        let text = format!(
            "driving, {} min{}: area under the curve {} of at least {}",
            window.minutes,
            part(window),
            area_text(area),
            area_text(target)
        );
        all.push((text, area >= target));
    }
    let driving = &figures.driving;
    if driving.windows.is_empty() {
        return all;
    }
    let text = format!(
        "driving: {} results from {} windows below the minimum",
        driving.too_short_judged, driving.too_short
    );
    all.push((text, driving.too_short_judged == 0 && driving.too_short > 0));
    for alarm in &driving.alarms {
        let text = format!(
            "driving, alarm by {}: sounds for {} of owners' trips, at most {}",
            alarm.by,
            percent(alarm.owners.estimate),
            percent(alarm.alpha.into())
        );
        all.push((text, alarm.owners.estimate <= i32::from(alarm.alpha)));
    }
    all
}

/// The page in Markdown.
pub fn page(figures: &Figures) -> String {
    let mut page = String::from(HEAD);
    let seeds: Vec<String> = figures.seeds.iter().map(u64::to_string).collect();
    let surroundings = &figures.surroundings;
    let _ = write!(
        page,
        "Reporting seeds: {}. Tuning seeds, of which nothing is shown here: {}. Each seed is a city of {} people with {} weeks \
         of learning and {} weeks in which every payment is judged, and a fleet of {} cars. Intervals are of 95 %: Wilson's for \
         shares; for differences between the two scores, {} paired resamples of whole people (cars).\n\n",
        seeds.join(", "),
        simkit::world::parameters::TUNING_SEEDS.map(|seed| seed.to_string()).join(", "),
        surroundings.people,
        surroundings.learning_weeks,
        surroundings.judged_weeks,
        figures.driving.cars,
        figures.resamples,
    );
    page.push_str("## Promises\n\n| promise | kept |\n| --- | --- |\n");
    for (text, kept) in promises(figures) {
        let _ = writeln!(page, "| {text} | {} |", if kept { "yes" } else { "**no**" });
    }
    page.push_str(SURROUNDINGS);
    page.push_str(
        "| scenario | owners / thieves | EER baseline | EER evidence | difference | AUC baseline | AUC evidence | difference |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for scenario in &surroundings.scenarios {
        let name =
            if scenario.chain { format!("{} (c)", scenario.name) } else { scenario.name.clone() };
        let _ = writeln!(page, "| {name} {}", comparison(&scenario.comparison));
    }
    page.push_str(COVERAGE);
    for scenario in &surroundings.scenarios {
        let _ = writeln!(page, "{}", coverage(scenario));
    }
    page.push_str(ATTACKS);
    for tried in &surroundings.attacks {
        let _ = writeln!(page, "{}", attack(tried));
    }
    drive(&mut page, figures);
    page.push_str(LIMITS);
    page
}

fn drive(page: &mut String, figures: &Figures) {
    page.push_str(DRIVING);
    for window in &figures.driving.windows {
        let _ = writeln!(page, "{}", driving(window));
    }
    let _ = writeln!(
        page,
        "\nWindows below the minimum length, shown to the default rules and to the sequential test: {} tried, {} judged.",
        figures.driving.too_short, figures.driving.too_short_judged
    );
    page.push_str(LEVELS);
    for one in &figures.driving.levels {
        let _ = writeln!(page, "{}", levels(one));
    }
    page.push_str(ALARMS);
    for alarm in &figures.driving.alarms {
        let _ = writeln!(page, "{}", alarms(alarm));
    }
}

fn comparison(c: &Comparison) -> String {
    format!(
        "| {} / {} | {} | {} | {} | {} | {} | {} |",
        c.owners,
        c.thieves,
        percent(c.baseline.equal_error.into()),
        percent(c.evidence.equal_error.into()),
        difference(c.equal_error_gain),
        area_text(c.baseline.area),
        area_text(c.evidence.area),
        area_difference(c.area_gain),
    )
}

fn coverage(scenario: &Scenario) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        scenario.name,
        share(scenario.abstained),
        share(scenario.abstained_stolen),
        share(scenario.owners_pass),
        share(scenario.thieves_pass),
        percent(scenario.comparison.baseline.rejected_at_1_percent.into()),
        percent(scenario.comparison.evidence.rejected_at_1_percent.into()),
    )
}

fn attack(attack: &Attack) -> String {
    let target = attack.target.map_or("none".to_owned(), |target| percent(target.into()));
    format!(
        "| {} | {} | {} | {} | {} | {target} |",
        attack.name,
        attack.detected.cases,
        attack.detected_if,
        share(attack.detected),
        share(attack.passed),
    )
}

fn driving(window: &Window) -> String {
    let target = window.target.map_or("none".to_owned(), area_text);
    format!(
        "| {} min{} {} {} | {} | {target} |",
        window.minutes,
        part(window),
        comparison(&window.comparison),
        share(window.refused),
        share(window.refused_stolen)
    )
}

fn part(window: &Window) -> &'static str {
    if window.from_departure { " from departure" } else { "" }
}

fn levels(levels: &Levels) -> String {
    let shares =
        [levels.low, levels.medium, levels.high, levels.refused, levels.owner, levels.other];
    let shares = shares.map(share).join(" | ");
    format!("| {} | {} | {shares} |", levels.who, levels.low.cases)
}

fn alarms(alarm: &Alarms) -> String {
    format!(
        "| {} | {} | {} | {} | {} |",
        alarm.by,
        alarm.owners.cases,
        percent(alarm.alpha.into()),
        share(alarm.owners),
        share(alarm.thieves)
    )
}

fn share(share: Share) -> String {
    if share.cases == 0 {
        return "no case".to_owned();
    }
    format!("{} ({}–{})", percent(share.estimate), hundredths(share.low), hundredths(share.high))
}

fn difference(gain: Gain) -> String {
    format!("{} ({} to {})", signed(gain.estimate), signed(gain.low), signed(gain.high))
}

fn area_difference(gain: Gain) -> String {
    let text = |bp: i32| {
        let sign = if bp < 0 { '−' } else { '+' };
        format!("{sign}0.{:04}", bp.unsigned_abs())
    };
    format!("{} ({} to {})", text(gain.estimate), text(gain.low), text(gain.high))
}

/// Basis points as a percentage.
pub fn percent(bp: i32) -> String {
    format!("{} %", hundredths(bp))
}

fn hundredths(bp: i32) -> String {
    format!("{}.{:02}", bp / 100, bp % 100)
}

fn signed(bp: i32) -> String {
    let sign = if bp < 0 { '−' } else { '+' };
    format!("{sign}{}", hundredths(bp.abs()))
}

/// Basis points of an area under a curve as a number up to one.
pub fn area_text(bp: u16) -> String {
    format!("{}.{:04}", bp / 10_000, bp % 10_000)
}

const HEAD: &str = "<!-- written by `cargo xtask quality risk-core`; do not edit -->

# How well risk-core tells owners from thieves

A generated world, not a field study: the generator is [`simkit::world`](../../crates/simkit/src/world.rs), every number of it \
stands in [`parameters.rs`](../../crates/simkit/src/world/parameters.rs) and was fixed before scores were tuned (the one later change is named there). It shows how \
the two scores compare, what they miss, and that nothing got worse; it does not show the rates of a bank's own customers. \
Those come from a [backtest](../../crates/risk-core/src/backtest.rs) over recorded history.

";

const SURROUNDINGS: &str = "
## Surroundings

For each payment of an owner at a usual place, a thief tries to pay with the same phone at the same time elsewhere. *Baseline* is \
the share of usual neighbours that are there, by dwell type; *evidence* weighs each neighbour by how common it is among all \
terminals. Rates are on payments of which the score says something; abstentions are in the second table. Scenarios marked (c) \
have networks whose addresses are the same at every site: 60 % of their thieves sit at another site of the same chain.

![Equal error rates by scenario](surroundings.svg)

";

const COVERAGE: &str = "
By the default policy with the evidence score: how often the engine abstains (then the PIN is asked), who pays without a PIN, and \
which share of owners a threshold that lets 1 % of thieves pass would turn away.

| scenario | abstained, owners | abstained, thieves | owners without PIN | thieves without PIN | owners lost at 1 %, baseline | \
evidence |
| --- | --- | --- | --- | --- | --- | --- |
";

const ATTACKS: &str = "
## Attacks on scans

Forged scans take their copy from an earlier payment of the owner at the same place. *Copied*: the findings of the earlier report \
under a new time and the right nonce. *Stale*: the earlier report as it was. *Half-copied*: half of its devices mixed into the \
thief's own scan. The last rows are no attacks: what honest owners have to bear.

![Detection by attack](attacks.svg)

| what is tried | cases | counts as detected | detected | pays without PIN | target |
| --- | --- | --- | --- | --- | --- |
";

const DRIVING: &str = "
## Driving

The engine learns a month of a car's trips, each as one window. Then a request comes at some time of a later trip: of one of the \
car's own drivers, or of a stranger in the same car. The stretch is what was acquired in the minutes before: the last ones of the \
trip, as after a gap, or (*from departure*) its first ones, which also show the hour and the time from belt to departure; thieves \
keep no hours here. *Baseline* is the conformity of the specification, the share of attributes that match; *evidence* is the \
log-likelihood ratio of owner against population (`Contrast`). The population is the month of all cars of the fleet, to which each \
thief contributes as one of its drivers, in a car of their own. Ten of the generated attributes are ones that the engine knows, and \
the hour.

The default rules give no level below ten minutes. To compare the scores there all the same, the baseline is made by rules with \
the window's length as the preset one, and strategies that ask for at most half of it. No institution should do so.

![Area under the curve by window length](driving.svg)

| window | owners / thieves | EER baseline | EER evidence | difference | AUC baseline | AUC evidence | difference | owners refused | \
thieves refused | target |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

const LEVELS: &str = "
What is said of the first ten minutes of a trip: the level by the default rules (the baseline's), and the finding of the \
sequential test by the evidence, with errors of 5 % promised either way. \
Driving that a program generates from three recorded trips of the owner is reported without a target: whoever can record the \
owner can imitate the mean of each attribute, which is why a level never approves alone.

| who drives | cases | low | medium | high | refused | found to be the owner | found to be another |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

const ALARMS: &str = "
How often an alarm sounds over whole trips of at least ten minutes, which is what was learned, so that its promise holds. A month \
of thirty trips is little for it: with 28 windows no p-value is below 1/29, and Bonferroni over eleven attributes cannot sound \
below 38 %.

| alarm | owners' trips | promised at most | sounds for owners | sounds for thieves |
| --- | --- | --- | --- | --- |
";

const LIMITS: &str = "
## What this does not show

- A relay that passes on what an accomplice sees next to the owner shows the owner's surroundings. Only things that are connected \
to the owner's phone are missing, so such attacks are mostly not detected; the same holds for a neighbour behind one wall.
- Signal strengths, positions and cells' neighbour lists are not used, since the engine takes identifiers only.
- People here keep to habits for two months. Holidays, moves and new jobs lead to abstentions that are not counted.
- Attributes of driving are independent of the road here, apart from a common factor for traffic.
";
