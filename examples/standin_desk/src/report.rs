//! What a rehearsal has shown, as text, JSON and CSV.

use crate::accounts;
use crate::exposure::{Exposure, Peak};
use crate::failure::Failure;
use crate::frames::Frames;
use crate::options::Shadow as Options;
use crate::rehearsal::Rehearsal;
use crate::shadow::{Difference, Outcome, Shadow, currency};
use crate::traffic::{Recorded, Recording, Traffic};
use crate::{hex, keys, sets, table};
use port::{Amount, Time};
use serde_json::{Value, json};
use standin::{Found, Parameters, Report, ResponseCode};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

/// Runs it, and says what came of it.
pub(crate) fn run(options: &Options, json: bool) -> Result<String, Failure> {
    if let Some(path) = &options.csv {
        can_be_written(path)?;
    }
    let parameters = sets::read(&options.parameters, options.trust.trust.as_deref())?;
    let tokens = options.token_key.as_deref().map(keys::tokens).transpose()?;
    let mut traffic: Box<dyn Recording> = if options.framed.iso8583.is_some() {
        let institution = parameters.institution();
        Box::new(Frames::open(&options.traffic, &options.framed, institution, tokens)?)
    } else {
        Box::new(Traffic::open(&options.traffic, tokens)?)
    };
    let first = traffic.next()?;
    let first = first.ok_or_else(|| Failure::file(&options.traffic, "it has no request"))?;
    let decides =
        if options.as_dated { parameters.clone() } else { at_any_time(&parameters, &first)? };
    let mut rehearsal = Rehearsal::new(&decides, options.zone.clone())?;
    if let Some(path) = &options.accounts {
        accounts::feed(path, first.at, &mut rehearsal)?;
    }
    let shadow = Shadow::new(&decides, rehearsal, options.outage.clone())?;
    let outcome = shadow.run(first, &mut *traffic)?;
    if let Some(path) = &options.csv {
        let csv = outcome.reconciliation.to_csv();
        std::fs::write(path, csv).map_err(|why| Failure::write(path, why))?;
    }
    if json {
        as_json(&parameters, &outcome)
    } else {
        Ok(as_text(&parameters, &outcome, options.rows))
    }
}

/// The same rules, decided by at whatever time the traffic is of.
fn at_any_time(parameters: &Parameters, first: &Recorded) -> Result<Parameters, Failure> {
    let mut draft = parameters.draft().clone();
    draft.issued_at_ms = first.at.as_ms();
    draft.effective_from_ms = 0;
    draft.valid_until_ms = u64::MAX;
    draft.stale_after_ms = u64::MAX;
    Parameters::new(draft).map_err(|why| Failure::Run(why.to_string()))
}

fn as_text(parameters: &Parameters, outcome: &Outcome, rows: usize) -> String {
    let counts = &outcome.counts;
    // Writing into a text cannot fail.
    let mut text = format!(
        "institution {}, version {}: {} requests, {} decided by stand-in ({} approved, {} declined, {} repeats), {} by the host, \
         {} of other institutions\n\n",
        parameters.institution(),
        parameters.version(),
        counts.read,
        counts.stand_in,
        counts.approved,
        counts.declined,
        counts.repeats,
        counts.host,
        counts.foreign,
    );
    text.push_str(&differences(outcome, rows));
    if !outcome.declines.is_empty() {
        let mut rows = table::new(["declines", "why"]);
        let mut all: Vec<_> = outcome.declines.iter().collect();
        all.sort_by_key(|(why, count)| (std::cmp::Reverse(**count), *why));
        for ((_, explained), count) in all {
            rows.add_row([count.to_string(), explained.clone()]);
        }
        let _ = writeln!(text, "{rows}\n");
    }
    let _ = writeln!(text, "{}\n", exposure(parameters, outcome));
    let mut rows = table::new(["reconciliation", "requests"]);
    for found in FOUND {
        rows.add_row([found.word().into(), outcome.reconciliation.count(found).to_string()]);
    }
    let _ = writeln!(text, "{rows}");
    let _ = write!(text, "journal {}", hex::text(&outcome.reconciliation.digest));
    text
}

fn differences(outcome: &Outcome, rows: usize) -> String {
    let all = &outcome.differences;
    if all.is_empty() {
        return "every decision is what happened\n\n".into();
    }
    let mut text = String::new();
    let mut totals = table::new(["difference", "requests", "amount asked for"]);
    for ((what, letters), total) in &outcome.totals {
        let sum = major(total.sum_minor, *letters);
        totals.add_row([what.word().into(), total.count.to_string(), sum]);
    }
    let _ = writeln!(text, "{totals}\n");
    let header =
        ["line", "time", "account", "initiator", "kind", "amount", "happened", "stand-in", "why"];
    let mut table = table::new(header);
    let shown = if rows == 0 { all.len() } else { rows.min(all.len()) };
    for one in &all[..shown] {
        let request = &one.request;
        table.add_row([
            one.line.to_string(),
            one.at.to_string(),
            account(one),
            request.initiator.to_string(),
            request.kind.to_string(),
            request.amount.to_string(),
            one.happened.map_or_else(|| "no answer".into(), said),
            said(one.decided),
            one.explained.clone(),
        ]);
    }
    let _ = writeln!(text, "{table}");
    if shown < all.len() {
        let _ = writeln!(text, " and {} more (--rows 0 shows all)", all.len() - shown);
    }
    text.push('\n');
    text
}

fn exposure(parameters: &Parameters, outcome: &Outcome) -> comfy_table::Table {
    let letters = parameters.currency();
    let amount = |minor: i64| Amount::new(minor, letters).to_string();
    let mut rows = table::new(["exposure", "peak", "cap", "when"]);
    let row = |who: String, peak: &Peak, cap: Option<i64>| {
        let when = if peak.peak_minor > 0 { peak.at.to_string() } else { "-".into() };
        [who, amount(peak.peak_minor), cap.map_or_else(|| "-".into(), amount), when]
    };
    let caps = &parameters.draft().exposure;
    rows.add_row(row("institution".into(), &outcome.exposure.whole, Some(caps.institution_minor)));
    for (initiator, peak) in &outcome.exposure.initiators {
        let cap = cap(parameters, initiator.as_u64());
        rows.add_row(row(format!("initiator {initiator}"), peak, cap));
    }
    rows
}

fn as_json(parameters: &Parameters, outcome: &Outcome) -> Result<String, Failure> {
    let counts = &outcome.counts;
    let totals = outcome.totals.iter().map(|((what, letters), total)| {
        json!({ "what": what.word(), "currency": currency(*letters).to_string(),
            "count": total.count, "sum_minor": sum_json(total.sum_minor) })
    });
    let declines = outcome.declines.iter().map(|((rule, explained), count)| {
        json!({ "rule": rule, "explained": explained, "count": count })
    });
    table::json(&json!({
        "parameters": {
            "institution": parameters.institution().as_u64(),
            "version": parameters.version(),
            "digest": hex::text(&parameters.digest()),
        },
        "requests": {
            "read": counts.read, "foreign": counts.foreign, "host": counts.host,
            "stand_in": counts.stand_in, "repeats": counts.repeats,
            "approved": counts.approved, "declined": counts.declined,
        },
        "totals": totals.collect::<Vec<_>>(),
        "differences": outcome.differences.iter().map(difference_json).collect::<Vec<_>>(),
        "declines": declines.collect::<Vec<_>>(),
        "exposure": exposure_json(parameters, &outcome.exposure),
        "reconciliation": reconciliation_json(&outcome.reconciliation),
    }))
}

fn difference_json(one: &Difference) -> Value {
    let request = &one.request;
    json!({
        "line": one.line,
        "at_ms": one.at.as_ms(),
        "what": one.what.word(),
        "account": request.account.token.to_string(),
        "initiator": request.initiator.as_u64(),
        "trace": request.key.trace(),
        "terminal": request.key.terminal().as_str(),
        "kind": request.kind.word(),
        "amount_minor": request.amount.minor(),
        "currency": request.amount.currency().to_string(),
        "happened": one.happened.map(answer_json),
        "stand_in": answer_json(one.decided),
        "rule": one.rule,
        "explained": one.explained,
    })
}

fn exposure_json(parameters: &Parameters, exposure: &Exposure) -> Value {
    let peak = |peak: &Peak, cap: Option<i64>| {
        let at = (peak.peak_minor > 0).then_some(peak.at).map(Time::as_ms);
        json!({ "peak_minor": peak.peak_minor, "at_ms": at, "cap_minor": cap })
    };
    let initiators = exposure.initiators.iter().map(|(who, one)| {
        let mut value = peak(one, cap(parameters, who.as_u64()));
        value["initiator"] = who.as_u64().into();
        value
    });
    let whole = Some(parameters.draft().exposure.institution_minor);
    json!({
        "currency": parameters.currency().to_string(),
        "institution": peak(&exposure.whole, whole),
        "initiators": initiators.collect::<Vec<_>>(),
    })
}

fn reconciliation_json(report: &Report) -> Value {
    let found = FOUND.map(|found| (found.word().to_owned(), Value::from(report.count(found))));
    let lines = report.lines.iter().filter(|line| line.found != Found::Matched).map(|line| {
        let minor = |amount: Option<Amount>| amount.map(Amount::minor);
        json!({
            "initiator": line.key.initiator().as_u64(),
            "trace": line.key.trace(),
            "sent_at_ms": line.key.sent_at().as_ms(),
            "terminal": line.key.terminal().as_str(),
            "found": line.found.word(),
            "journal_minor": minor(line.journal),
            "posted_minor": minor(line.posted),
            "postings": line.postings,
            "initiator_minor": minor(line.initiator),
        })
    });
    json!({
        "counts": found.into_iter().collect::<serde_json::Map<_, _>>(),
        "lines": lines.collect::<Vec<_>>(),
        "journal": hex::text(&report.digest),
    })
}

/// The cap of one initiator, if it has one of its own.
fn cap(parameters: &Parameters, initiator: u64) -> Option<i64> {
    let caps = &parameters.draft().exposure.initiators;
    caps.iter().find(|cap| cap.of == initiator).and_then(|cap| cap.sum_minor)
}

fn answer_json((code, amount): (ResponseCode, Option<Amount>)) -> Value {
    json!({ "code": code.to_string(), "approved_minor": amount.map(Amount::minor) })
}

/// `00`, or `10 20.00` for a part.
fn said((code, amount): (ResponseCode, Option<Amount>)) -> String {
    match amount {
        Some(amount) if code.as_bytes() == b"10" => format!("{code} {}", amount.to_major()),
        _ => code.to_string(),
    }
}

/// Enough of a token to tell accounts apart.
fn account(one: &Difference) -> String {
    let token = one.request.account.token.to_string();
    token.get(..8).map_or_else(String::new, |head| format!("{head}…"))
}

fn major(minor: i128, letters: [u8; 3]) -> String {
    match i64::try_from(minor) {
        Ok(minor) => Amount::new(minor, currency(letters)).to_string(),
        Err(_) => format!("{minor} minor units of {}", currency(letters)),
    }
}

/// As a number, where JSON readers can hold it.
fn sum_json(minor: i128) -> Value {
    i64::try_from(minor).map_or_else(|_| minor.to_string().into(), Value::from)
}

/// Whether a file can be there, found out before a long run and not after it.
fn can_be_written(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.map(std::fs::metadata) {
        Some(Err(why)) => Err(Failure::write(path, why)),
        Some(Ok(of)) if !of.is_dir() => Err(Failure::write(path, ErrorKind::NotADirectory)),
        _ if path.is_dir() => Err(Failure::write(path, ErrorKind::IsADirectory)),
        _ => Ok(()),
    }
}

const FOUND: [Found; 7] = [
    Found::Matched,
    Found::Missing,
    Found::Extra,
    Found::AmountDiffers,
    Found::Duplicate,
    Found::InitiatorDiffers,
    Found::InitiatorOnly,
];
