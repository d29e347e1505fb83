//! What a node shows of a thing: owner, state, history.

use crate::failure::Failure;
use crate::hex;
use crate::index::{self, Entry};
use crate::rows::{self, Table};
use crate::say;
use ledger::{Body, Chain, PartyId, Settlement, Status, ThingId, ThingKey, Title};
use port::Store;
use serde_json::{Value, json};

/// A thing by its name, or by a file about it.
pub(crate) fn what(chain: &Chain, text: &str) -> Result<(ThingKey, Option<ThingId>), String> {
    if let Some(digest) = say::digest(text) {
        let file = chain.state().file(ledger::FileId(digest));
        return file
            .map(|file| (file.thing, None))
            .ok_or_else(|| format!("no file {text} is known"));
    }
    say::thing(text).map(|thing| (thing.key(), Some(thing)))
}

/// Owner, state and history of a thing.
pub(crate) async fn show<S: Store>(store: &S, chain: &Chain, text: &str) -> Result<Value, String> {
    let (thing, words) = what(chain, text)?;
    index::catch_up(store, chain).await.map_err(|why| why.to_string())?;
    let history = index::history(store, thing).await.map_err(|why| why.to_string())?;
    if history.is_empty() {
        return Err(format!("{text} was never registered, and nobody has asked for it"));
    }
    let state = chain.state();
    let mut shown = json!({
        "thing": words.map(|thing| thing.to_string()),
        "thing_key": hex::text(&thing.0),
        "height": chain.head().map(|head| head.header.height.0),
        "owner": Value::Null,
        "state": "not registered",
    });
    if let Some(holding) = state.holding(thing) {
        shown["owner"] = name(store, holding.owner).await;
        shown["file"] = hex::text(&holding.file.0).into();
        if let Some(file) = state.file(holding.file) {
            shown["state"] = say::stage(file.stage()).into();
            shown["type"] = file.kind.as_str().into();
            shown["region"] = file.region.as_str().into();
            shown["since"] = file.since.0.into();
            shown["member"] = state.node(file.member).map(|node| node.name.as_str()).into();
            shown["liens"] = file.liens.len().into();
            shown["leases"] = file.leases.len().into();
            if let Status::Pending { to, settlement, .. } = &file.status {
                shown["pending"] = pending(*to, settlement);
            }
        }
    }
    let mut title = Title::new(thing, state.genesis().policy().approvals);
    let mut rows = Vec::new();
    for Entry { record, .. } in &history {
        let before = title.steps().len();
        title.update(record);
        let mut row = json!({
            "height": record.height.0,
            "time": record.time.to_string(),
            "what": say::body(&record.transaction.body),
        });
        if let Some(step) = title.steps().get(before) {
            row["owner"] = match step.owner {
                Some(owner) => name(store, owner).await,
                None => Value::Null,
            };
            row["file"] = step.file.map(|file| hex::text(&file.0)).into();
        }
        if let Body::Judge(verdict) = &record.transaction.body {
            row["auditor"] = state.node(verdict.auditor).map(|node| node.name.as_str()).into();
            if !verdict.is_approval() {
                row["reasons"] = verdict.reasons.iter().map(ToString::to_string).collect();
            }
        }
        rows.push(row);
    }
    shown["history"] = rows.into();
    Ok(shown)
}

/// A party, by the name under which it is known here if it is.
async fn name<S: Store>(store: &S, party: PartyId) -> Value {
    let digits = hex::text(&party.0);
    let Ok(key) = Table::Parties.row(&party.0) else { return digits.into() };
    match rows::one(store, key).await {
        Ok(Some(row)) => match std::str::from_utf8(&row.value) {
            Ok(name) => json!({ "party": digits, "name": name }),
            Err(_) => digits.into(),
        },
        _ => digits.into(),
    }
}

fn pending(to: PartyId, settlement: &Settlement) -> Value {
    json!({
        "to": hex::text(&to.0),
        "reference": hex::text(&settlement.reference),
        "witness": hex::text(&settlement.witness.to_bytes()),
        "until": settlement.until.0,
    })
}

/// Why audits have rejected a file.
pub(crate) async fn reasons<S: Store>(
    store: &S,
    chain: &Chain,
    file: ledger::FileId,
) -> Result<Vec<String>, Failure> {
    let Some(thing) = chain.state().file(file).map(|file| file.thing) else {
        return Ok(Vec::new());
    };
    index::catch_up(store, chain).await?;
    let history = index::history(store, thing).await?;
    let verdicts = history.iter().filter_map(|entry| match &entry.record.transaction.body {
        Body::Judge(verdict) if verdict.file == file => Some(&verdict.reasons),
        _ => None,
    });
    Ok(verdicts.flatten().map(ToString::to_string).collect())
}
