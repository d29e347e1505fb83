//! What has changed from one set to another: rules by number, ranges by their start, counters and limits by what they are of.

use serde_json::{Map, Value};
use standin::{Parameters, ParametersDraft};
use std::collections::BTreeMap;
use std::fmt;

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Such as `rules[17].limits.single_minor`, by the rule's number.
    pub(crate) path: String,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {}: {old} -> {new}", self.path),
            (Some(old), None) => write!(f, "- {}: {old}", self.path),
            (None, Some(new)) => write!(f, "+ {}: {new}", self.path),
            (None, None) => write!(f, "  {}", self.path),
        }
    }
}

/// All changes, in the order of paths.
pub(crate) fn between(old: &Parameters, new: &Parameters) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", said(old.draft()).as_ref(), said(new.draft()).as_ref(), &mut changes);
    changes
}

/// What a draft says; what it leaves open is left out.
fn said(draft: &ParametersDraft) -> Option<Value> {
    serde_json::to_value(draft).ok().and_then(bare)
}

fn bare(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.into_iter().filter_map(bare).collect()),
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.into_iter().filter_map(|(key, value)| Some((key, bare(value)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        leaf => Some(leaf),
    }
}

fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, into: &mut Vec<Change>) {
    match (old, new) {
        _ if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                compare(&format!("{path}{dot}{key}"), old.get(key), new.get(key), into);
            }
        }
        (old, new) if name_of(path).is_some() => {
            let name = name_of(path).unwrap_or_default();
            let (old, new) = (by(name, old), by(name, new));
            let keys: std::collections::BTreeSet<u64> =
                old.keys().chain(new.keys()).copied().collect();
            for key in keys {
                let path = format!("{path}[{key}]");
                compare(&path, old.get(&key).copied(), new.get(&key).copied(), into);
            }
            // The order of a list is part of what is signed, and decides nothing.
        }
        (old, new) => {
            into.push(Change { path: path.into(), old: old.cloned(), new: new.cloned() });
        }
    }
}

/// By which field the items of a list are known.
fn name_of(path: &str) -> Option<&'static str> {
    match path {
        "rules" => Some("number"),
        "ranges" => Some("from"),
        "counters" => Some("id"),
        "exposure.initiators" => Some("of"),
        path if path.starts_with("rules[") && path.ends_with("].limits.windows") => Some("of"),
        _ => None,
    }
}

fn by<'a>(name: &str, list: Option<&'a Value>) -> BTreeMap<u64, &'a Value> {
    let items = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| Some((item.get(name)?.as_u64()?, item))).collect()
}
