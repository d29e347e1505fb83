//! The report for other programs.

use crate::fleet::{FleetReport, Machine};
use base16ct::lower;
use serde_json::{Map, Value, json};
use vmload::Reason;

/// One object; keys stay, and new ones may be added.
pub(crate) fn of(report: &FleetReport) -> String {
    let names = report.names();
    let units: Vec<Value> = report.units.iter().map(|unit| json!(unit)).collect();
    let types = report.report.types.iter().map(|kind| {
        json!({
            "name": kind.name(), "machines": kind.members(), "load": kind.load(),
            "centre": by_name(&names, kind.lambda().iter().map(|load| json!(load))), "spread": kind.spread(),
        })
    });
    let capacity = names.iter().zip(&report.capacities).filter_map(|(name, sum)| {
        let sum = (*sum)?;
        let value = json!({
            "allotted": sum.allotted, "used_mean": sum.used, "used_p95": sum.used_p95, "spare": sum.spare,
        });
        Some(((*name).to_owned(), value))
    });
    let unusable = report.without_load().filter_map(|machine| {
        let why = machine.outcome.as_ref().err()?;
        Some(json!({ "vm": machine.vm.as_str(), "code": why.code(), "why": why.to_string() }))
    });
    let whole = json!({
        "version": 1,
        "title": report.title,
        "metrics": names,
        "units": by_name(&names, units.into_iter()),
        "notes": report.notes(),
        "types": types.collect::<Vec<Value>>(),
        "capacity": capacity.collect::<Map<String, Value>>(),
        "machines": report.by_load().iter().map(|machine| one(report, &names, machine)).collect::<Vec<Value>>(),
        "unusable": unusable.collect::<Vec<Value>>(),
        "inertia": report.report.inertia,
        "type_inertia": report.report.type_inertia,
        "input_digest": report.report.input_digest.map(|digest| lower::encode_string(&digest)),
        "result_digest": lower::encode_string(&report.report.result_digest),
    });
    format!("{whole:#}")
}

fn one(report: &FleetReport, names: &[&str], machine: &Machine<'_>) -> Value {
    let Machine { profile, found, assessed } = machine;
    let metrics = found.metrics.iter().enumerate().map(|(at, of)| {
        let [p5, p25, p50, p75, p95, max] = of.quantiles;
        let levels = of.levels.iter().map(|(load, share)| json!({ "load": load, "share": share }));
        let mut metric = json!({
            "mean": of.mean, "p5": p5, "p25": p25, "p50": p50, "p75": p75, "p95": p95, "max": max,
            "levels": levels.collect::<Vec<Value>>(),
        });
        if let Some(spare) = report.spare(*machine, at) {
            metric["allotted"] = json!(profile.allotment.get(at));
            metric["spare"] = json!(spare);
        }
        metric
    });
    let groups = found
        .signature
        .iter()
        .map(|(share, centre)| json!({ "share": share.value(), "centre": centre }));
    let reason = match assessed.assignment.reason {
        Reason::NearerIn { metric, than } => {
            json!({ "nearer_in": names.get(metric), "than": report.type_name(than) })
        }
        _ => Value::Null,
    };
    let counts = profile.counts;
    json!({
        "vm": profile.vm.as_str(),
        "type": report.type_name(assessed.assignment.kind),
        "confidence": assessed.assignment.confidence,
        "distance": assessed.assignment.distance,
        "reason": reason,
        "load": assessed.load,
        "burstiness": assessed.burstiness,
        "lambda": assessed.lambda,
        "groups": groups.collect::<Vec<Value>>(),
        "metrics": by_name(names, metrics),
        "marks": machine.marks(),
        "from_ms": profile.span_ms.0,
        "until_ms": profile.span_ms.1,
        "counts": {
            "rows_skipped": profile.skipped.total(), "rows_without_allotment": profile.skipped.allotment, "seen": counts.seen, "used": counts.used, "dropped": counts.dropped,
            "joined": counts.joined, "missing": counts.missing, "not_a_number": counts.not_a_number,
            "infinite": counts.infinite, "outside": counts.outside, "duplicate": counts.duplicate,
            "skewed": counts.skewed, "disordered": counts.disordered, "held": counts.held,
        },
    })
}

fn by_name(names: &[&str], values: impl Iterator<Item = Value>) -> Map<String, Value> {
    names.iter().map(|name| (*name).to_owned()).zip(values).collect()
}
