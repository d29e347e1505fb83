//! The operator's page: how the accounting system does, what was decided without it, and whether the books agree.

use super::App;
use super::form::{Session, Trusted};
use super::page::{WebError, page};
use crate::accounting::Mood;
use crate::bank::{Bank, CURRENCY, currency};
use crate::clock;
use crate::hex;
use crate::manual_override::ManualOverride;
use crate::message::INSTITUTION;
use crate::movement::Movement;
use crate::parameters::Limits;
use crate::trouble::Trouble;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use interbank::port::Amount;
use interbank::standin::{
    Entry, EntryState, Forced, Found, HealthState, Line, Loaded, Parameters, Report, RequestKey,
};
use serde::Deserialize;

/// Everything at a glance.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    let bank = &app.bank;
    let journal = bank.stood_in().await?;
    let report = bank.reconcile(&journal).await?;
    let exceptions = journal.iter().filter(|entry| entry.state == EntryState::Exception);
    page(&OperatorPage {
        csrf: session.token().into(),
        // A character of a form field has three bytes at most.
        reason_max: ManualOverride::REASON_BYTES_MAX / 3,
        live: operator_part(bank).await?.render().map_err(unpainted)?,
        decided: journal.len(),
        exceptions: exceptions.map(Decision::new).collect(),
        decisions: journal.iter().rev().take(LINES).map(Decision::new).collect(),
        findings: FINDINGS.iter().map(|found| (found.word(), report.count(*found))).collect(),
        agrees: report.count(Found::Matched) == report.lines.len(),
        differences: differences(&report),
        digest: hex::digits(&report.digest[..8]),
    })
}

/// The reconciliation as a file.
pub(crate) async fn report(State(app): State<App>) -> Result<Response, WebError> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"reconciliation.csv\""),
        ),
    ];
    let journal = app.bank.stood_in().await?;
    Ok((headers, app.bank.reconcile(&journal).await?.to_csv()).into_response())
}

/// Takes the accounting system down, makes it slow or late, or brings it back.
pub(crate) async fn accounting(
    State(app): State<App>,
    Trusted(form): Trusted<MoodForm>,
) -> Result<Response, WebError> {
    let ms = || form.ms.trim().parse().ok().filter(|ms| (1..=Mood::MS_MAX).contains(ms));
    let mood = match &*form.mood {
        "up" => Some(Mood::Up),
        "down" => Some(Mood::Down),
        "slow" => ms().map(|ms| Mood::Slow { ms }),
        "late" => ms().map(|ms| Mood::Late { ms }),
        _ => None,
    };
    app.bank.book().behave(mood.ok_or(UNUSABLE)?).await?;
    Ok(Redirect::to("/operator").into_response())
}

/// Orders who decides, or leaves it to detection again.
pub(crate) async fn force(
    State(app): State<App>,
    Trusted(form): Trusted<ForceForm>,
) -> Result<Response, WebError> {
    let forced = match &*form.forced {
        "stand-in" => Some(Forced::StandIn),
        "online" => Some(Forced::Online),
        "release" => None,
        _ => return Err(UNUSABLE),
    };
    let reason = form.reason.trim().to_owned();
    if reason.len() > ManualOverride::REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        return Err(UNUSABLE);
    }
    app.bank.set_manual_override(&ManualOverride { forced, at: clock::now(), reason }).await?;
    Ok(Redirect::to("/operator").into_response())
}

/// A person dealt with an exception.
pub(crate) async fn resolve(
    State(app): State<App>,
    Trusted(form): Trusted<ResolveForm>,
) -> Result<Response, WebError> {
    let key = hex::bytes(&form.key).and_then(|bytes| RequestKey::parse(&bytes).ok());
    let key = key.ok_or(WebError::NotFound)?;
    app.bank.resolve(&key).await?.ok_or(WebError::NotFound)?;
    Ok(Redirect::to("/operator").into_response())
}

/// The part that is kept up to date.
pub(crate) async fn operator_part(bank: &Bank) -> Result<OperatorPart, Trouble> {
    let mood = bank.book().mood().await?;
    let order = bank.manual_override().await?;
    let reading = *bank.reading().borrow();
    let lanes = bank.exposure().await?;
    let parameters = match bank.load_parameters(clock::now()).await? {
        Loaded::InForce { parameters, .. } => Some(parameters),
        _ => None,
    };
    let out_minor = lanes.iter().fold(0_i64, |sum, (out, _)| sum.saturating_add(*out));
    let state = reading.map(|reading| reading.standing.state);
    // What the switch obeys already, which may be a moment after the order.
    let obeyed = reading.and_then(|reading| reading.standing.forced);
    let (word, tone, sentence) = match (obeyed, state) {
        (Some(Forced::StandIn), _) => ("forced stand-in", "warn", FORCED_STAND_IN),
        (Some(Forced::Online), _) => ("forced online", "pending", FORCED_ONLINE),
        (None, None) => ("starting", "pending", "The switch is starting."),
        (None, Some(state)) => (state.word(), tone(state), sentence(state)),
    };
    Ok(OperatorPart {
        institution: INSTITUTION.to_string(),
        mood: match mood {
            Mood::Up => "answers".into(),
            Mood::Down => "does not answer".into(),
            Mood::Slow { ms } => format!("takes {ms} ms"),
            Mood::Late { ms } => format!("answers {ms} ms late"),
        },
        mood_tone: if mood == Mood::Up { "good" } else { "warn" },
        state: word,
        sentence,
        tone,
        forced: match order.forced {
            None => None,
            Some(Forced::Online) => Some("online"),
            Some(Forced::StandIn) => Some("stand-in"),
        },
        reason: order.reason,
        since: reading.map(|reading| clock::readable(reading.standing.since)).unwrap_or_default(),
        epoch: reading.map_or(0, |reading| reading.standing.epoch),
        share: percent(reading.map_or(0, |reading| reading.standing.host_share_bp.into()), 10_000),
        in_flight: reading.map_or(0, |reading| reading.standing.in_flight),
        pending: reading.map_or(0, |reading| reading.pending),
        p99: reading.and_then(|reading| reading.standing.p99_ms),
        owed: reading.map_or(0, |reading| reading.owed),
        on_the_way: reading.map_or(0, |reading| reading.on_the_way),
        window: reading.map_or(0, |reading| reading.window),
        drained: reading.is_none_or(|reading| reading.drained),
        out: major(out_minor)?,
        limits: parameters.map(|set| LimitsShown::new(&set, out_minor)).transpose()?,
        currency: CURRENCY,
        lanes: lanes
            .iter()
            .map(|(out, granted)| Ok((major(*out)?, major(*granted)?)))
            .collect::<Result<_, Trouble>>()?,
    })
}

/// How the accounting system is to behave.
#[derive(Deserialize)]
pub(crate) struct MoodForm {
    mood: String,
    #[serde(default)]
    ms: String,
}

/// Who is to decide.
#[derive(Deserialize)]
pub(crate) struct ForceForm {
    forced: String,
    #[serde(default)]
    reason: String,
}

/// Which exception.
#[derive(Deserialize)]
pub(crate) struct ResolveForm {
    key: String,
}

#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorPage {
    csrf: String,
    reason_max: usize,
    live: String,
    decided: usize,
    exceptions: Vec<Decision>,
    decisions: Vec<Decision>,
    findings: Vec<(&'static str, usize)>,
    agrees: bool,
    differences: Vec<Difference>,
    digest: String,
}

/// What changes by itself.
#[derive(Template)]
#[template(path = "operator_live.html")]
pub(crate) struct OperatorPart {
    institution: String,
    mood: String,
    mood_tone: &'static str,
    state: &'static str,
    sentence: &'static str,
    tone: &'static str,
    forced: Option<&'static str>,
    reason: String,
    since: String,
    epoch: u64,
    share: i64,
    in_flight: usize,
    pending: usize,
    p99: Option<u64>,
    owed: usize,
    on_the_way: usize,
    window: usize,
    drained: bool,
    out: String,
    limits: Option<LimitsShown>,
    currency: &'static str,
    lanes: Vec<(String, String)>,
}

/// The parameters in force, in words.
struct LimitsShown {
    version: u64,
    holds: bool,
    stale_at: String,
    used: i64,
    cap: String,
    single: Option<String>,
    day: Option<String>,
}

impl LimitsShown {
    fn new(parameters: &Parameters, out_minor: i64) -> Result<Self, Trouble> {
        let limits = Limits::of(parameters);
        Ok(Self {
            version: parameters.version(),
            holds: parameters.holds(clock::now()),
            stale_at: clock::readable(parameters.stale_at()),
            used: percent(out_minor, limits.exposure_minor),
            cap: major(limits.exposure_minor)?,
            single: limits.single_minor.map(major).transpose()?,
            day: limits.day_minor.map(major).transpose()?,
        })
    }
}

struct Decision {
    key: String,
    at: String,
    kind: &'static str,
    order: String,
    amount: String,
    code: String,
    words: &'static str,
    tone: &'static str,
    delivery: &'static str,
    delivery_tone: &'static str,
}

impl Decision {
    fn new(entry: &Entry) -> Self {
        let request = &entry.request;
        Self {
            key: hex::digits(&request.key.to_bytes()),
            at: clock::readable(entry.at),
            kind: Movement::asked(request).map_or("Other", |movement| movement.way.word()),
            order: request.retrieval_ref.map(|text| text.to_string()).unwrap_or_default(),
            amount: request.amount.to_major(),
            code: entry.response.code.to_string(),
            words: entry.response.code.words(),
            tone: if entry.response.is_approval() { "good" } else { "warn" },
            delivery: delivery(entry.state),
            delivery_tone: match entry.state {
                EntryState::Queued => "pending",
                EntryState::Exception | EntryState::PostedNegative => "warn",
                _ => "quiet",
            },
        }
    }
}

/// Where the delivery of an entry stands, for people.
const fn delivery(state: EntryState) -> &'static str {
    match state {
        EntryState::NotOwed => "nothing owed",
        EntryState::Queued => "waits",
        EntryState::Posted => "posted",
        EntryState::AlreadyPosted => "was posted",
        EntryState::PostedNegative => "posted, overdrawn",
        EntryState::Exception => "exception",
        EntryState::Resolved => "resolved",
    }
}

struct Difference {
    found: &'static str,
    trace: u64,
    journal: String,
    posted: String,
    initiator: String,
}

fn differences(report: &Report) -> Vec<Difference> {
    let major = |amount: Option<Amount>| amount.map_or_else(|| "–".into(), Amount::to_major);
    let differs = |line: &&Line| line.found != Found::Matched;
    let of = |line: &Line| Difference {
        found: line.found.word(),
        trace: line.key.trace(),
        journal: major(line.journal),
        posted: major(line.posted),
        initiator: major(line.initiator),
    };
    report.lines.iter().filter(differs).take(LINES).map(of).collect()
}

const fn tone(state: HealthState) -> &'static str {
    match state {
        HealthState::Online => "good",
        HealthState::StandIn => "warn",
        HealthState::Suspect | HealthState::Draining => "pending",
    }
}

const fn sentence(state: HealthState) -> &'static str {
    match state {
        HealthState::Online => "The accounting system decides.",
        HealthState::Suspect => "The accounting system decides still, and is watched.",
        HealthState::StandIn => "The stand-in module decides, by signed parameters.",
        HealthState::Draining => {
            "It is back: traffic returns in steps, and what was decided without it is delivered."
        }
    }
}

fn percent(part: i64, whole: i64) -> i64 {
    part.saturating_mul(100) / whole.max(1)
}

fn major(minor: i64) -> Result<String, Trouble> {
    Ok(Amount::new(minor, currency()?).to_major())
}

fn unpainted(why: askama::Error) -> Trouble {
    Trouble::Inside(Box::new(why))
}

const FORCED_STAND_IN: &str = "The stand-in module decides, since an operator ordered it.";
const FORCED_ONLINE: &str = "The accounting system decides, since an operator ordered it.";
const UNUSABLE: WebError = WebError::BadForm(StatusCode::UNPROCESSABLE_ENTITY);
const LINES: usize = 25;
const FINDINGS: [Found; 7] = [
    Found::Matched,
    Found::Missing,
    Found::Extra,
    Found::AmountDiffers,
    Found::Duplicate,
    Found::InitiatorDiffers,
    Found::InitiatorOnly,
];
