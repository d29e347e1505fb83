//! Answers for people: one fact in each line, lists indented under their name.

use serde_json::Value;
use std::fmt::Write as _;

/// An answer as text.
pub(crate) fn text(answer: &Value) -> String {
    let mut shown = String::new();
    match answer {
        Value::Array(rows) if rows.is_empty() => shown.push_str("nothing"),
        Value::Array(rows) => rows.iter().for_each(|row| {
            let _ = writeln!(shown, "{}", line(row));
        }),
        Value::Object(fields) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in fields {
                let name = words(name);
                match value {
                    Value::Null => {}
                    Value::Bool(_) if name == "is over" => {}
                    Value::Array(rows) if rows.is_empty() => {
                        let _ = writeln!(shown, "{name:width$}  nothing");
                    }
                    Value::Array(rows) => {
                        let _ = writeln!(shown, "{name}");
                        for row in rows {
                            let _ = writeln!(shown, "  {}", line(row));
                        }
                    }
                    other => {
                        let _ = writeln!(shown, "{name:width$}  {}", line(other));
                    }
                }
            }
        }
        other => shown.push_str(&line(other)),
    }
    shown
}

fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let is_known = |value: &Value| !value.is_null() && *value != Value::Array(Vec::new());
            let mut known: Vec<_> = fields.iter().filter(|(_, value)| is_known(value)).collect();
            known.sort_by_key(|(name, _)| {
                FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len())
            });
            let parts = known.into_iter();
            let parts = parts.map(|(name, value)| format!("{} {}", words(name), line(value)));
            parts.collect::<Vec<_>>().join(", ")
        }
        Value::Array(values) => values.iter().map(line).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

/// What comes first in a line.
const FIRST: [&str; 5] = ["height", "time", "what", "name", "owner"];

fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_stand_in_lines_and_lists_under_their_name() {
        let answer = json!({ "state": "registered", "why": null, "history": [{ "what": "approved", "height": 3 }] });
        assert_eq!(text(&answer), "history\n  height 3, what approved\nstate    registered\n");
        assert_eq!(text(&json!([])), "nothing");
        assert_eq!(text(&json!([{ "type": "boat", "liens": [] }])), "type boat\n");
    }
}
