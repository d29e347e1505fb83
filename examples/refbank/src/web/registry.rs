//! The registry's page: vehicles and property as security, with history, and proofs to take away.

use super::App;
use super::page::{WebError, page, page_with};
use crate::registry::{Registry, Unanswered};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

/// What the bank holds, and one thing in full.
pub(crate) async fn show(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, WebError> {
    let thing = asked.thing.trim();
    let mut shown = RegistryPage { asked: thing.into(), ..RegistryPage::default() };
    let Some(registry) = &app.registry else { return page(&shown) };
    shown.is_there = true;
    shown.party = registry.party().map(short);
    let mut status = StatusCode::OK;
    match registry.securities().await {
        Ok(rows) => shown.securities = list(&rows).iter().map(Security::new).collect(),
        Err(why) => (status, shown.problem) = problem(why),
    }
    if !thing.is_empty() && shown.problem.is_empty() {
        match registry.show(thing).await {
            Ok(found) => shown.found = Some(Found::new(&found, registry)),
            Err(why) => (status, shown.problem) = problem(why),
        }
    }
    page_with(status, &shown)
}

/// A proof file about a thing, as the node made it.
pub(crate) async fn proof(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, WebError> {
    let registry = app.registry.as_ref().ok_or(WebError::NotFound)?;
    let proof = match registry.prove(asked.thing.trim()).await {
        Ok(proof) => proof,
        Err(why) => {
            let (status, problem) = problem(why);
            let asked = asked.thing.trim().into();
            let shown = RegistryPage { is_there: true, asked, problem, ..RegistryPage::default() };
            return page_with(status, &shown);
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"proof.json\""),
        ),
    ];
    Ok((headers, format!("{proof:#}\n")).into_response())
}

/// Which thing.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    thing: String,
}

#[derive(Default, Template)]
#[template(path = "registry.html")]
struct RegistryPage {
    is_there: bool,
    party: Option<String>,
    asked: String,
    problem: String,
    found: Option<Found>,
    securities: Vec<Security>,
}

struct Security {
    /// Its name on the chain, by which it is asked for.
    file: String,
    kind: String,
    region: String,
    state: String,
    owner: String,
}

impl Security {
    fn new(row: &Value) -> Self {
        Self {
            file: text(row, "file"),
            kind: text(row, "type"),
            region: text(row, "region"),
            state: text(row, "state"),
            owner: short(&text(row, "owner")),
        }
    }
}

struct Found {
    thing: String,
    state: String,
    tone: &'static str,
    owner: String,
    kind: String,
    region: String,
    liens: Vec<Lien>,
    history: Vec<Step>,
}

struct Lien {
    holder: String,
    is_ours: bool,
    height: String,
}

struct Step {
    at: String,
    height: String,
    what: String,
    who: String,
}

impl Found {
    fn new(found: &Value, registry: &Registry) -> Self {
        let state = text(found, "state");
        let thing = match text(found, "thing") {
            empty if empty.is_empty() => short(&text(found, "thing_key")),
            thing => thing,
        };
        let liens = list(&found["liens"]).iter().map(|lien| Lien {
            holder: party(&lien["holder"]),
            is_ours: registry.party().is_some_and(|own| digits(&lien["holder"]) == own),
            height: lien["placed"].to_string(),
        });
        let history = list(&found["history"]).iter().map(|step| Step {
            at: text(step, "time").chars().take(19).collect::<String>().replace('T', " "),
            height: step["height"].to_string(),
            what: text(step, "what"),
            who: match step["owner"] {
                Value::Null => text(step, "auditor"),
                ref owner => party(owner),
            },
        });
        Self {
            tone: match state.as_str() {
                "registered" => "good",
                "encumbered" => "pending",
                _ => "warn",
            },
            thing,
            state,
            owner: party(&found["owner"]),
            kind: text(found, "type"),
            region: text(found, "region"),
            liens: liens.collect(),
            history: history.collect(),
        }
    }
}

/// What the page says of an answer that did not come, and with which status.
fn problem(why: Unanswered) -> (StatusCode, String) {
    match why {
        Unanswered::Away => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The registry’s member node does not answer. Nothing is lost by that; look again later.".into(),
        ),
        Unanswered::Refused(why) => (StatusCode::NOT_FOUND, why),
    }
}

/// A party: by its name where the node knows one.
fn party(value: &Value) -> String {
    match value["name"].as_str() {
        Some(name) => name.to_owned(),
        None => short(digits(value)),
    }
}

fn digits(value: &Value) -> &str {
    value.as_str().or_else(|| value["party"].as_str()).unwrap_or_default()
}

fn short(digits: &str) -> String {
    if digits.len() > 12 { digits.chars().take(12).chain(['…']).collect() } else { digits.into() }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
