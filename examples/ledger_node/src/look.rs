//! What a node shows of a thing: owner, state, history.

use crate::base::Base;
use crate::failure::Failure;
use crate::hex;
use crate::index::{self, Entry};
use crate::motions::role_name;
use crate::rows::{self, Table};
use crate::say;
use ledger::{
    Body, Chain, File, FileId, KeyRing, Lease, Lien, PartyId, Settlement, Status, ThingId,
    ThingKey, Title,
};
use port::Store;
use serde_json::{Value, json};

/// A thing by its name, or by a file about it, which may be purged; the index has to be up to date.
pub(crate) async fn what<S: Store>(
    store: &S,
    chain: &Chain,
    base: Option<&Base>,
    text: &str,
) -> Result<(ThingKey, Option<ThingId>), String> {
    if let Some(digest) = say::digest(text) {
        let thing = index::thing_of(store, chain, FileId(digest)).await;
        let thing = thing.map_err(|why| why.to_string())?;
        return thing.map(|thing| (thing, None)).ok_or_else(|| match base {
            None => format!("no file {text} is known"),
            Some(base) => format!("no file {text} is known here; {}", base.why(chain)),
        });
    }
    say::thing(text).map(|thing| (thing.key(), Some(thing)))
}

/// A file by its digits, or the live one of a thing.
pub(crate) fn file<'a>(chain: &'a Chain, text: &str) -> Result<(FileId, &'a File), String> {
    let state = chain.state();
    let id = match say::digest(text) {
        Some(digest) => FileId(digest),
        None => {
            let holding = state.holding(say::thing(text)?.key());
            holding.ok_or_else(|| format!("{text} is not registered"))?.file
        }
    };
    state.file(id).map(|file| (id, file)).ok_or_else(|| format!("no file {text} is known"))
}

/// Owner, state and history of a thing.
pub(crate) async fn show<S: Store>(
    store: &S,
    chain: &Chain,
    base: Option<&Base>,
    text: &str,
) -> Result<Value, String> {
    index::catch_up(store, chain).await.map_err(|why| why.to_string())?;
    let (thing, words) = what(store, chain, base, text).await?;
    let history = index::history(store, thing).await.map_err(|why| why.to_string())?;
    let state = chain.state();
    if history.is_empty() && state.holding(thing).is_none() {
        return Err(match base {
            None => format!("{text} was never registered, and nobody has asked for it"),
            Some(base) => {
                format!(
                    "{text} is not registered, and of its past nothing is here: {}",
                    base.why(chain)
                )
            }
        });
    }
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
            let mut liens = Vec::new();
            for lien in &file.liens {
                let mut row = lien_row(lien);
                row["holder"] = name(store, lien.holder).await;
                liens.push(row);
            }
            shown["liens"] = liens.into();
            let mut leases = Vec::new();
            for lease in &file.leases {
                let mut row = lease_row(lease);
                row["lessee"] = name(store, lease.lessee).await;
                leases.push(row);
            }
            shown["leases"] = leases.into();
            shown["erased"] = file.erased.map(|height| height.0).into();
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
    if let Some(base) = base.filter(|_| !is_whole(chain, &title)) {
        shown["history_from"] = base.from().0.into();
        shown["before_that"] = base.why(chain).into();
    }
    Ok(shown)
}

/// What the records that are here say of a thing's ownership; the index has to be up to date.
pub(crate) async fn title<S: Store>(
    store: &S,
    chain: &Chain,
    thing: ThingKey,
) -> Result<Title, Failure> {
    let mut title = Title::new(thing, chain.state().genesis().policy().approvals);
    for entry in index::history(store, thing).await? {
        title.update(&entry.record);
    }
    Ok(title)
}

/// Whether the records that a title was made of lead to whoever owns the thing now: then none of them is missing, back to the last
/// retirement.
pub(crate) fn is_whole(chain: &Chain, title: &Title) -> bool {
    let holding = chain.state().holding(title.thing());
    holding.is_some_and(|it| (title.owner(), title.file()) == (Some(it.owner), Some(it.file)))
}

/// Registered things, by what is known of them; the chain knows their names as hashes alone.
pub(crate) fn list(
    chain: &Chain,
    owner: Option<&str>,
    lienholder: Option<&str>,
    kind: Option<&str>,
) -> Result<Value, String> {
    let owner = owner.map(say::party).transpose()?;
    let lienholder = lienholder.map(say::party).transpose()?;
    let state = chain.state();
    let all = state.holdings().filter_map(|(thing, holding)| {
        let file = state.file(holding.file)?;
        let is_owners = owner.is_none_or(|owner| owner == holding.owner);
        let is_security =
            lienholder.is_none_or(|holder| file.liens.iter().any(|lien| lien.holder == holder));
        let is_kind = kind.is_none_or(|kind| kind == file.kind.as_str());
        (is_owners && is_security && is_kind).then_some((thing, holding, file))
    });
    let rows = all.take(LIST_MAX).map(|(thing, holding, file)| {
        json!({
            "thing_key": hex::text(&thing.0),
            "file": hex::text(&holding.file.0),
            "owner": hex::text(&holding.owner.0),
            "type": file.kind.as_str(),
            "region": file.region.as_str(),
            "state": say::stage(file.stage()),
            "since": file.since.0,
            "liens": file.liens.iter().map(lien_row).collect::<Vec<_>>(),
            "leases": file.leases.iter().map(lease_row).collect::<Vec<_>>(),
        })
    });
    Ok(rows.collect())
}

fn lien_row(lien: &Lien) -> Value {
    json!({
        "holder": hex::text(&lien.holder.0),
        "placed": lien.placed.0,
        "reference": hex::text(&lien.reference),
    })
}

fn lease_row(lease: &Lease) -> Value {
    json!({
        "lease": hex::text(&lease.id.0),
        "lessee": hex::text(&lease.lessee.0),
        "from_time": lease.from.to_string(),
        "until_time": lease.until.to_string(),
        "exclusive": lease.exclusive,
    })
}

/// The nodes of the chain; at a supervision node, who is to join or leave as well.
pub(crate) fn nodes(chain: &Chain, motions: Option<Vec<Value>>) -> Value {
    let rows = chain.state().nodes().map(|(id, node)| {
        json!({
            "name": node.name.as_str(),
            "role": role_name(node.role),
            "joined": id.0.0,
            "key": node.ring.newest(),
            "revoked": node.revoked.map(|height| height.0),
        })
    });
    json!({ "nodes": rows.collect::<Vec<_>>(), "waiting": motions })
}

/// What the chain knows of a party: members, and the keys that count for the next block.
pub(crate) fn party(chain: &Chain, text: &str) -> Result<Value, String> {
    let state = chain.state();
    let party = state.party(say::party(text)?);
    let party = party.ok_or_else(|| format!("the chain knows no party {text}"))?;
    let members = party.members.iter().filter_map(|id| state.node(*id));
    let numbers = (1..=party.ring.newest()).rev().take(KeyRing::KEYS_MAX);
    let keys = numbers.filter_map(|number| {
        let key = party.ring.at(number, chain.next_height())?;
        Some(json!({ "number": number, "public_key": hex::text(&key.to_bytes()) }))
    });
    Ok(json!({
        "party": text,
        "members": members.map(|node| node.name.as_str()).collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
    }))
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
    file: FileId,
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

/// So many things are listed at most.
const LIST_MAX: usize = 1_000;
