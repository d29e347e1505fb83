//! All faults of a set, not the first one alone: what is faulty is set aside, and the rest is checked again.

use crate::mask;
use serde_json::{Map, Value};
use standin::{Parameters, ParametersDraft, ParametersFault};
use std::fmt;

/// What was found.
pub(crate) struct Faults {
    /// Each with its path in the file.
    pub(crate) found: Vec<Found>,
    /// The set, if nothing was found.
    pub(crate) parameters: Option<Parameters>,
    /// There may be more: so much is wrong that the rest could not be checked.
    pub(crate) more: bool,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Such as `rules[2].limits.single_minor`.
    pub(crate) path: String,
    /// [`ParametersFault::code`]; none for a value of another type than it should be.
    pub(crate) code: Option<u32>,
    pub(crate) words: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.words),
            path => write!(f, "{path}: {}", self.words),
        }
    }
}

/// Checks a set.
pub(crate) fn of(value: Value) -> Faults {
    let mut node = Node::of(value);
    let mut found: Vec<Found> = Vec::new();
    loop {
        let (fault, path) = match checked(node.to_value()) {
            Ok(parameters) => {
                let parameters = found.is_empty().then_some(parameters);
                return Faults { found, parameters, more: false };
            }
            Err(fault) => fault,
        };
        let steps = steps(&path);
        let name = node.name_of(&steps);
        let again = found.iter().any(|earlier| earlier.path == name);
        if !again {
            found.push(Found { path: name, ..fault });
        }
        let aside = if again { node.drop_item(&steps) } else { node.set_aside(&steps) };
        if !aside || found.len() >= FOUND_MAX {
            return Faults { found, parameters: None, more: true };
        }
    }
}

/// The set, or its first fault with the path in `value`.
fn checked(value: Value) -> Result<Parameters, (Found, String)> {
    let draft: ParametersDraft = serde_path_to_error::deserialize(value).map_err(|why| {
        let path = match why.path().to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        // These words name the value: somebody may have put a card number there.
        let words = mask::digits(&why.inner().to_string());
        (Found { path: path.clone(), code: None, words }, path)
    })?;
    Parameters::new(draft).map_err(|fault| {
        let ParametersFault { path, .. } = &fault;
        let words = fault.to_string();
        let words = words.strip_prefix(path).and_then(|words| words.strip_prefix(": "));
        let words = words.map_or_else(|| fault.to_string(), str::to_owned);
        (Found { path: path.clone(), code: Some(fault.code()), words }, path.clone())
    })
}

/// A value whose list items know where they stood in the file.
enum Node {
    Object(Vec<(String, Self)>),
    List(Vec<(usize, Self)>),
    Leaf(Value),
}

impl Node {
    fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => {
                Self::Object(map.into_iter().map(|(key, value)| (key, Self::of(value))).collect())
            }
            Value::Array(items) => {
                Self::List(items.into_iter().map(Self::of).enumerate().collect())
            }
            leaf => Self::Leaf(leaf),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, node)| (key.clone(), node.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Self::List(items) => items.iter().map(|(_, node)| node.to_value()).collect(),
            Self::Leaf(value) => value.clone(),
        }
    }

    /// The path with the places of the file instead of those that are left.
    fn name_of(&self, steps: &[Step]) -> String {
        let mut name = String::new();
        let mut at = Some(self);
        for step in steps {
            match step {
                Step::Key(key) => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(key);
                    at = at.and_then(|node| node.field(key));
                }
                Step::Place(place) => {
                    let item = match at {
                        Some(Self::List(items)) => items.get(*place),
                        _ => None,
                    };
                    let original = item.map_or(*place, |(original, _)| *original);
                    name.push_str(&format!("[{original}]"));
                    at = item.map(|(_, node)| node);
                }
            }
        }
        name
    }

    /// Puts what lies at a path aside, so that the check can go on; whether that could be done.
    fn set_aside(&mut self, steps: &[Step]) -> bool {
        let keys: Vec<&str> = steps.iter().map(Step::as_str).collect();
        let harmless = match keys[..] {
            // Without one of these nothing holds: a harmless one takes its place.
            ["schema" | "institution" | "version" | "stale_after_ms" | "balance_age_max_ms"] => {
                Some(Value::from(1))
            }
            ["currency"] => Some(Value::from("USD")),
            ["effective_from_ms"] => Some(Value::from(0)),
            ["valid_until_ms"] => {
                self.put("effective_from_ms", Value::from(0));
                Some(Value::from(1))
            }
            // Rules name counters and products: these stay, with a window that is valid and a range that nothing is in.
            ["counters", _, "window" | "length_ms"] => {
                let Some(counter) = self.at(&steps[..2]) else { return false };
                counter.remove("length_ms");
                counter.put("window", Value::from("day"));
                return true;
            }
            ["ranges", _, "from" | "to"] => {
                let Some(Step::Place(place)) = steps.get(1) else { return false };
                let place = match self.field("ranges") {
                    Some(Self::List(items)) => items.get(*place).map_or(0, |(place, _)| *place),
                    _ => 0,
                };
                let Some(range) = self.at(&steps[..2]) else { return false };
                range.put("from", Value::from(place));
                range.put("to", Value::from(place));
                return true;
            }
            _ => None,
        };
        let Some((last, before)) = steps.split_last() else { return false };
        let Some(parent) = self.at(before) else { return false };
        match (last, harmless) {
            (Step::Key(key), Some(value)) => parent.put(key, value),
            // Half of a pair is as faulty as both.
            (Step::Key(key), None) if key == "velocity_count" || key == "velocity_ms" => {
                parent.remove("velocity_count");
                parent.remove("velocity_ms");
            }
            (Step::Key(key), None) => return parent.remove(key),
            (Step::Place(place), _) => return parent.take(*place),
        }
        true
    }

    /// Puts the innermost item of a list aside that the path leads through.
    fn drop_item(&mut self, steps: &[Step]) -> bool {
        let Some(at) = steps.iter().rposition(|step| matches!(step, Step::Place(_))) else {
            return false;
        };
        match (self.at(&steps[..at]), &steps[at]) {
            (Some(list), Step::Place(place)) => list.take(*place),
            _ => false,
        }
    }

    fn at(&mut self, steps: &[Step]) -> Option<&mut Self> {
        let mut node = self;
        for step in steps {
            node = match (step, node) {
                (Step::Key(key), Self::Object(fields)) => {
                    fields.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)?
                }
                (Step::Place(place), Self::List(items)) => {
                    items.get_mut(*place).map(|(_, node)| node)?
                }
                _ => return None,
            };
        }
        Some(node)
    }

    fn field(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    fn put(&mut self, key: &str, value: Value) {
        self.remove(key);
        if let Self::Object(fields) = self {
            fields.push((key.into(), Self::Leaf(value)));
        }
    }

    fn remove(&mut self, key: &str) -> bool {
        let Self::Object(fields) = self else { return false };
        let before = fields.len();
        fields.retain(|(name, _)| name != key);
        fields.len() < before
    }

    fn take(&mut self, place: usize) -> bool {
        match self {
            Self::List(items) if place < items.len() => {
                items.remove(place);
                true
            }
            _ => false,
        }
    }
}

/// A part of a path.
enum Step {
    Key(String),
    Place(usize),
}

impl Step {
    fn as_str(&self) -> &str {
        match self {
            Self::Key(key) => key,
            Self::Place(_) => "[]",
        }
    }
}

/// The parts of `rules[2].limits.single_minor`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, places) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            steps.push(Step::Key(key.into()));
        }
        let places = places.split('[').map(|place| place.trim_end_matches(']').parse());
        steps.extend(places.flatten().map(Step::Place));
    }
    steps
}

/// Whoever has so many should mend some first.
const FOUND_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{self, Starting};
    use port::Time;

    fn template() -> Value {
        let at = Time::from_s(1_780_000_000);
        let text = template::toml(&Starting {
            institution: 6222,
            currency: "CNY".into(),
            version: 1,
            issued: at,
            from: at,
            until: at.plus_ms(1),
        });
        toml::from_str(&text).expect("TOML")
    }

    fn leaves(path: &str, value: &Value, into: &mut Vec<String>) {
        let dot = if path.is_empty() { "" } else { "." };
        match value {
            Value::Object(map) => {
                map.iter()
                    .for_each(|(key, value)| leaves(&format!("{path}{dot}{key}"), value, into));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(at, value)| leaves(&format!("{path}[{at}]"), value, into));
            }
            _ => into.push(path.into()),
        }
    }

    #[test]
    fn one_fault_anywhere_is_one_fault_there() {
        let template = template();
        let mut paths = Vec::new();
        leaves("", &template, &mut paths);
        assert!(paths.len() > 50);
        for path in &paths {
            let mut node = Node::of(template.clone());
            let leaf = node.at(&steps(path)).expect("it is there");
            // No field is of this type.
            *leaf = Node::of(serde_json::json!({ "x": 1 }));
            let faults = of(node.to_value());
            let found: Vec<&str> = faults.found.iter().map(|one| one.path.as_str()).collect();
            let (first, rest) = found.split_first().expect("a fault");
            assert_eq!(first, path);
            // A limit of a counter whose number nobody knows is of nothing.
            let of_nothing = |one: &&str| path.ends_with("].id") && one.ends_with("].of");
            assert!(rest.iter().all(of_nothing), "{found:?}");
            assert!(faults.parameters.is_none());
        }
    }

    #[test]
    fn whatever_stands_in_a_set_the_search_ends() {
        let template = template();
        let mut paths = Vec::new();
        leaves("", &template, &mut paths);
        let odd = [
            Value::Null,
            true.into(),
            (-1).into(),
            u64::MAX.into(),
            "".into(),
            Value::Array(vec![]),
        ];
        for path in &paths {
            for value in &odd {
                let mut node = Node::of(template.clone());
                *node.at(&steps(path)).expect("it is there") = Node::of(value.clone());
                let faults = of(node.to_value());
                assert_eq!(faults.parameters.is_some(), faults.found.is_empty(), "{path}");
                assert!(!faults.more, "{path}: {:?}", faults.found);
            }
        }
    }
}
