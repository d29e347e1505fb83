//! The settlement page: which files went to which merchants' bank, with verdict, root and receipts, and whether the books agree.

use super::App;
use super::form::{Session, Trusted};
use super::page::{WebError, page};
use crate::agreement::Agreement;
use crate::bank::{Bank, CURRENCY, currency};
use crate::clock;
use crate::exchange::{
    BankShown, Exchange, REPORTING_DESK, SETTLEMENT_DESK, Standing, Transfer, Wish,
};
use crate::hex;
use crate::merchant_bank::MerchantBank;
use crate::trouble::Trouble;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use interbank::filexfer::{OnConflict, Registry, Stage, State as JobState};
use interbank::port::Amount;
use serde::Deserialize;

/// Everything at a glance.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    let shown = app.exchange.shown().borrow().clone();
    let trail = match shown.standing {
        Standing::Open => app.exchange.audit().await.ok(),
        _ => None,
    };
    let mut names: Vec<String> =
        shown.transfers.iter().map(|one| one.sent.request.file.name.clone()).collect();
    names.sort();
    names.dedup();
    page(&SettlementPage {
        csrf: session.token().into(),
        live: settlement_part(&app.bank, &app.exchange).await?.render().map_err(unpainted)?,
        is_open: shown.standing == Standing::Open,
        banks: shown.banks.iter().map(|one| (one.bank.id, one.bank.name, one.is_present)).collect(),
        names,
        trail,
    })
}

/// Closes the business day.
pub(crate) async fn close(
    State(app): State<App>,
    Trusted(_): Trusted<Nothing>,
) -> Result<Response, WebError> {
    app.exchange.close_day().await?;
    Ok(Redirect::to("/settlement").into_response())
}

/// Takes a merchant's bank off the line, or brings it back.
pub(crate) async fn attend(
    State(app): State<App>,
    Trusted(form): Trusted<AttendForm>,
) -> Result<Response, WebError> {
    let bank = MerchantBank::named(&form.bank).ok_or(UNUSABLE)?;
    app.exchange.attend(bank, form.present == "yes").await?;
    Ok(Redirect::to("/settlement").into_response())
}

/// Damages the next part of a file on its way.
pub(crate) async fn damage(
    State(app): State<App>,
    Trusted(_): Trusted<Nothing>,
) -> Result<Response, WebError> {
    app.exchange.damage(1).await?;
    Ok(Redirect::to("/settlement").into_response())
}

/// Asks for a transfer, legitimate or not.
pub(crate) async fn ask(
    State(app): State<App>,
    Trusted(form): Trusted<AskForm>,
) -> Result<Response, WebError> {
    let requester = [SETTLEMENT_DESK, REPORTING_DESK].into_iter().find(|desk| *desk == form.desk);
    if form.name.len() > NAME_BYTES_MAX || form.to.len() > NAME_BYTES_MAX {
        return Err(UNUSABLE);
    }
    let requester = requester.ok_or(UNUSABLE)?;
    let on_conflict = OnConflict::Version;
    let wish = Wish { requester, name: form.name, to: form.to, is: None, on_conflict };
    app.exchange.ask(wish).await?;
    Ok(Redirect::to("/settlement").into_response())
}

/// A settlement file, as the bank writes it.
pub(crate) async fn file(
    State(app): State<App>,
    Path((bank, number)): Path<(String, u32)>,
) -> Result<Response, WebError> {
    let to = MerchantBank::named(&bank).ok_or(WebError::NotFound)?;
    let day = app.bank.day(number).await?.filter(|day| day.is_gathered);
    let day = day.ok_or(WebError::NotFound)?;
    let file = app.bank.settlement_file(&day, to).await?.ok_or(WebError::NotFound)?;
    let text = file.to_text().map_err(|why| Trouble::Inside(Box::new(why)))?;
    let name = format!("attachment; filename=\"{bank}-{number:06}.csv\"");
    let name = HeaderValue::try_from(name).map_err(|_| WebError::NotFound)?;
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=absent");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

/// The part that is kept up to date.
pub(crate) async fn settlement_part(
    bank: &Bank,
    exchange: &Exchange,
) -> Result<SettlementPart, Trouble> {
    let shown = exchange.shown().borrow().clone();
    let agreements = bank.agreements(&shown.banks).await?;
    let (state, tone, sentence) = standing(&shown.standing);
    let is_late = shown.banks.iter().any(|one| !one.waiting.is_empty());
    let entered = agreements.iter().all(Agreement::is_entered);
    let (files, tone_of_files) = match (entered, is_late) {
        (true, false) => ("all entered", "good"),
        (_, true) => ("not all entered", "warn"),
        (false, false) => ("on their way", "pending"),
    };
    let mut refused = 0;
    let transfers: Vec<TransferRow> = shown
        .transfers
        .iter()
        .map(|one| {
            let row = TransferRow::new(one, shown.registry.as_deref());
            refused += usize::from(row.code.is_some());
            row
        })
        .collect();
    Ok(SettlementPart {
        state,
        tone,
        sentence,
        agree: agreements.iter().all(Agreement::books_agree),
        files,
        tone_of_files,
        entered: shown.banks.iter().map(|one| one.books.last).max().unwrap_or(0),
        refused,
        parts: shown.parts,
        currency: CURRENCY,
        merchants: agreements.iter().map(MerchantRow::new).collect::<Result<_, _>>()?,
        problems: shown.banks.iter().flat_map(problems).collect(),
        absent: shown.banks.iter().filter(|one| !one.is_present).map(|one| one.bank.name).collect(),
        transfers,
    })
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// Which bank, and whether it is there.
#[derive(Deserialize)]
pub(crate) struct AttendForm {
    bank: String,
    present: String,
}

/// What is asked for.
#[derive(Deserialize)]
pub(crate) struct AskForm {
    desk: String,
    name: String,
    to: String,
}

#[derive(Template)]
#[template(path = "settlement.html")]
struct SettlementPage {
    csrf: String,
    live: String,
    is_open: bool,
    banks: Vec<(&'static str, &'static str, bool)>,
    names: Vec<String>,
    trail: Option<(usize, bool)>,
}

/// What changes by itself.
#[derive(Template)]
#[template(path = "settlement_live.html")]
pub(crate) struct SettlementPart {
    state: &'static str,
    tone: &'static str,
    sentence: String,
    agree: bool,
    files: &'static str,
    tone_of_files: &'static str,
    entered: u32,
    refused: usize,
    parts: (u32, u32),
    currency: &'static str,
    merchants: Vec<MerchantRow>,
    problems: Vec<(&'static str, String, String)>,
    absent: Vec<&'static str>,
    transfers: Vec<TransferRow>,
}

struct MerchantRow {
    merchant: String,
    bank: &'static str,
    moved: String,
    filed: String,
    unfiled: String,
    entered: String,
    word: &'static str,
    tone: &'static str,
}

impl MerchantRow {
    fn new(one: &Agreement) -> Result<Self, Trouble> {
        let (word, tone) = match (one.books_agree(), one.is_entered()) {
            (true, true) => ("agree", "good"),
            (true, false) => ("on its way", "pending"),
            (false, _) => ("do not agree", "warn"),
        };
        Ok(Self {
            merchant: one.merchant.clone(),
            bank: one.bank.name,
            moved: major(one.moved)?,
            filed: major(one.filed)?,
            unfiled: major(one.unfiled)?,
            entered: major(one.entered)?,
            word,
            tone,
        })
    }
}

struct TransferRow {
    id: String,
    at: String,
    name: String,
    to: String,
    by: &'static str,
    /// The day's number and the bank, if it is a day's file.
    file: Option<(String, u32)>,
    state: &'static str,
    tone: &'static str,
    code: Option<u32>,
    why: String,
    verdict: Option<(u32, bool)>,
    root: String,
    size: Option<u64>,
    receipts: Vec<(&'static str, String, bool)>,
}

impl TransferRow {
    fn new(one: &Transfer, registry: Option<&Registry>) -> Self {
        let sent = &one.sent;
        let request = &sent.request;
        let state = match (sent.state(), one.state) {
            (Some(JobState::Accepted), Some(now)) => Some(now),
            (known, _) => known,
        };
        let (word, tone, code, why) = words(state, sent.handed_over.is_some());
        let receipts = registry.map(|registry| sent.receipts(registry)).unwrap_or_default();
        let verdict = sent.verdict.as_ref().zip(registry);
        let size = sent.result.as_ref().and_then(|notice| notice.file).map(|(size, _)| size);
        Self {
            id: sent.id().to_string(),
            at: clock::readable(request.made),
            name: request.file.name.clone(),
            to: request.destination.clone(),
            by: if request.requester.as_str() == REPORTING_DESK {
                "reporting"
            } else {
                "settlement"
            },
            file: (sent.day > 0).then(|| (request.destination.clone(), sent.day)),
            state: word,
            tone,
            code,
            why,
            verdict: verdict
                .map(|(signed, registry)| (signed.verdict.rules.version, sent.is_judged(registry))),
            root: sent.root().map(|root| hex::digits(&root[..8])).unwrap_or_default(),
            size: size.or(request.file.size),
            receipts: receipts
                .into_iter()
                .map(|(signed, is_right)| {
                    (stage(signed.receipt.stage), signed.receipt.party.to_string(), is_right)
                })
                .collect(),
        }
    }
}

fn problems(one: &BankShown) -> impl Iterator<Item = (&'static str, String, String)> + '_ {
    one.waiting.iter().map(|(name, why)| (one.bank.name, name.clone(), why.to_string()))
}

fn words(
    state: Option<JobState>,
    is_handed_over: bool,
) -> (&'static str, &'static str, Option<u32>, String) {
    let quiet = |word, tone| (word, tone, None, String::new());
    match state {
        None | Some(JobState::Received) => quiet("asked", "pending"),
        Some(JobState::Refused(why)) => ("refused", "warn", Some(why.code()), why.to_string()),
        Some(JobState::Failed(why)) => ("failed", "warn", Some(why.code()), why.to_string()),
        Some(JobState::Accepted | JobState::Scheduled) => quiet("accepted", "pending"),
        Some(JobState::Waiting) => quiet("waits for the bank", "pending"),
        Some(JobState::Transferring) => quiet("moving", "pending"),
        Some(JobState::Verifying) => quiet("being verified", "pending"),
        Some(JobState::Delivered | JobState::Acknowledged) if is_handed_over => {
            quiet("entered", "good")
        }
        Some(JobState::Delivered | JobState::Acknowledged) => quiet("delivered", "good"),
        Some(JobState::Cancelled) => quiet("called off", "quiet"),
        Some(JobState::Expired) => quiet("expired", "warn"),
    }
}

fn standing(standing: &Standing) -> (&'static str, &'static str, String) {
    match standing {
        Standing::Starting => ("starting", "pending", "The exchange is starting.".into()),
        Standing::Open => ("open", "good", "Files move when a business day is closed.".into()),
        Standing::Elsewhere => {
            ("elsewhere", "quiet", "Another process of this bank runs the exchange.".into())
        }
        Standing::Failed(why) => ("closed", "warn", format!("It cannot be opened: {why}.")),
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Origin => "sent",
        Stage::Received => "received",
        Stage::Verified => "verified",
        Stage::HandedOver => "entered",
    }
}

fn major(minor: i64) -> Result<String, Trouble> {
    Ok(Amount::new(minor, currency()?).to_major())
}

fn unpainted(why: askama::Error) -> Trouble {
    Trouble::Inside(Box::new(why))
}

const UNUSABLE: WebError = WebError::BadForm(StatusCode::UNPROCESSABLE_ENTITY);
const NAME_BYTES_MAX: usize = 200;
