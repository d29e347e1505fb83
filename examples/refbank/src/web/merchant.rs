//! The merchant's pages.

use super::App;
use super::form::{Session, Trusted, nonce};
use super::page::{WebError, page, page_with};
use crate::bank::{Bank, PAYEE, currency};
use crate::clock;
use crate::message;
use crate::picture;
use crate::shop::{NOTE_BYTES_MAX, Order, Standing};
use crate::trouble::Trouble;
use crate::wallet::Screen;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Json};
use interbank::port::{Amount, Time};
use interbank::qrpay::{RefundState, Uid, Verdict};
use interbank::standin::ResponseCode;
use serde::Deserialize;
use std::sync::Arc;

/// The orders, and the form for a new one.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    let orders = list_rows(&app.bank).await?;
    page(&MerchantPage::new(&session, orders, nonce()?)?)
}

/// Issues an order.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Trusted(form): Trusted<NewOrder>,
) -> Result<Response, WebError> {
    let amount = Amount::parse_major(&form.amount.trim().replace(',', "."), currency()?);
    let note = form.note.trim();
    let error = match &amount {
        Err(_) => Some("Write the amount like 12.50."),
        Ok(amount) if !amount.is_positive() => Some("The amount must be more than nothing."),
        Ok(amount) if amount.minor() > AMOUNT_MINOR_MAX => Some("At most 10,000.00 an order."),
        Ok(_) if note.len() > NOTE_BYTES_MAX => Some("The note is too long."),
        Ok(_) if note.chars().any(char::is_control) => Some("The note has control characters."),
        Ok(_) => None,
    };
    let (None, Ok(amount)) = (error, amount) else {
        let orders = list_rows(&app.bank).await?;
        let mut again = MerchantPage::new(&session, orders, form.key.clone())?;
        again.error = error.unwrap_or_default();
        again.amount = form.amount.clone();
        again.note = form.note.clone();
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
    };
    match app.bank.issue(&form.key, amount, note).await? {
        Verdict::Granted(issued) => {
            Ok(Redirect::to(&format!("/merchant/orders/{}", issued.uid)).into_response())
        }
        Verdict::Declined(why) => {
            let orders = list_rows(&app.bank).await?;
            let mut again = MerchantPage::new(&session, orders, nonce()?)?;
            again.error_text = why.to_string();
            page_with(StatusCode::CONFLICT, &again)
        }
    }
}

/// One order.
pub(crate) async fn order(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(uid): Path<String>,
) -> Result<Response, WebError> {
    let order = find(&app.bank, uid).await?;
    page(&OrderPage { live: OrderPart::new(&session, &order, "")? })
}

/// Shows a new code.
pub(crate) async fn refresh(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(uid): Path<String>,
    Trusted(Nothing {}): Trusted<Nothing>,
) -> Result<Response, WebError> {
    let uid = read_uid(uid)?;
    let verdict = app.bank.refresh(uid.clone()).await?;
    back(&app, &session, uid, verdict.declined()).await
}

/// Withdraws the order.
pub(crate) async fn cancel(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(uid): Path<String>,
    Trusted(Nothing {}): Trusted<Nothing>,
) -> Result<Response, WebError> {
    let uid = read_uid(uid)?;
    let verdict = app.bank.cancel(uid.clone()).await?;
    back(&app, &session, uid, verdict.declined()).await
}

/// Gives back all or part of the payment.
pub(crate) async fn refund(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(uid): Path<String>,
    Trusted(form): Trusted<RefundForm>,
) -> Result<Response, WebError> {
    let order = find(&app.bank, uid).await?;
    let complain = |status, message: &str| {
        page_with(status, &OrderPage { live: OrderPart::new(&session, &order, message)? })
    };
    let Some((payment, _)) = &order.payment else {
        return complain(StatusCode::CONFLICT, "This order is not paid.");
    };
    let amount = Amount::parse_major(&form.amount.trim().replace(',', "."), currency()?);
    let amount = match amount {
        Ok(amount) if amount.is_positive() => amount,
        _ => return complain(StatusCode::UNPROCESSABLE_ENTITY, "Write the amount like 12.50."),
    };
    let refund = app.bank.refund(order.uid.clone(), *payment, &form.key, amount).await?;
    back(&app, &session, order.uid.clone(), refund.declined()).await
}

/// What the shop's screens show now: where the pictures are, and not what is in them.
pub(crate) async fn screens(
    State(bank): State<Arc<Bank>>,
) -> Result<Json<Vec<Screen>>, StatusCode> {
    let orders = bank.orders(SCREENS_LOOKED).await;
    let orders = orders.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let now = clock::now();
    let waiting = orders.iter().filter(|order| order.standing(now) == Standing::Waiting);
    let screens = waiting.take(SCREENS_MAX).map(|order| Screen {
        picture: format!("/merchant/orders/{}/code.png", order.uid),
        label: format!("Screen at {PAYEE}, {}", clock::time_of_day(order.created)),
    });
    Ok(Json(screens.collect()))
}

/// The picture on the screen, as PNG.
pub(crate) async fn code_png(
    State(bank): State<Arc<Bank>>,
    Path(uid): Path<String>,
) -> Result<Response, StatusCode> {
    let code = shown(&bank, uid).await?;
    let png = picture::png(&code).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

/// The picture on the screen, as SVG.
pub(crate) async fn code_svg(
    State(bank): State<Arc<Bank>>,
    Path(uid): Path<String>,
) -> Result<Response, StatusCode> {
    let code = shown(&bank, uid).await?;
    let svg = picture::svg(&code, QR_TITLE).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// The form for a new order.
#[derive(Deserialize)]
pub(crate) struct NewOrder {
    key: String,
    amount: String,
    note: String,
}

/// The form for a refund.
#[derive(Deserialize)]
pub(crate) struct RefundForm {
    key: String,
    amount: String,
}

/// A form without fields.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// The part of an order's page that is kept up to date.
#[derive(Template)]
#[template(path = "order_live.html")]
pub(crate) struct OrderPart {
    csrf: String,
    uid: String,
    short: String,
    amount: String,
    payee: String,
    note: String,
    created: String,
    standing: Standing,
    svg: Option<String>,
    expires_ms: u64,
    expires: String,
    declined: Option<String>,
    payment: Option<String>,
    refundable: Option<String>,
    refunds: Vec<(String, String, &'static str)>,
    refund_key: String,
    error: String,
}

impl OrderPart {
    pub(crate) fn new(session: &Session, order: &Order, error: &str) -> Result<Self, Trouble> {
        let standing = order.standing(clock::now());
        let shown = order.shown.as_ref().filter(|_| standing == Standing::Waiting);
        let svg = shown.map(|shown| picture::svg(&shown.code, QR_TITLE)).transpose()?;
        let expires_ms = shown.map_or(0, |shown| shown.expires_s.saturating_mul(1000));
        let refunds = order.refunds.iter().map(|refund| {
            let state = match refund.state {
                RefundState::Owed => "on its way",
                RefundState::Done => "given back",
                RefundState::Declined => "declined",
            };
            (clock::readable(refund.granted), refund.amount.to_string(), state)
        });
        let declined = order.declined.filter(|_| !standing.is_paid()).map(cause_text);
        Ok(Self {
            csrf: session.token().into(),
            uid: order.uid.to_string(),
            short: short(&order.uid),
            amount: order.price.amount.to_string(),
            payee: order.price.payee.to_string(),
            note: order.note.clone(),
            created: clock::readable(order.created),
            standing,
            svg,
            expires_ms,
            expires: clock::time_of_day(Time::from_ms(expires_ms)),
            declined,
            payment: order
                .payment
                .as_ref()
                .filter(|_| standing.is_paid())
                .map(|(id, _)| id.to_string()),
            refundable: order.refundable().map(Amount::to_major),
            refunds: refunds.collect(),
            // New after each refund, so that a form sent twice is one refund.
            refund_key: format!("R-{}", order.refunds.len() + 1),
            error: error.into(),
        })
    }
}

/// The part of the list that is kept up to date.
#[derive(Template)]
#[template(path = "merchant_live.html")]
pub(crate) struct ListPart {
    rows: Vec<ListRow>,
}

/// One order in the list.
struct ListRow {
    uid: String,
    short: String,
    note: String,
    amount: String,
    created: String,
    standing: Standing,
}

/// The list as it is now.
pub(crate) async fn list_rows(bank: &Bank) -> Result<ListPart, Trouble> {
    let now = clock::now();
    let orders = bank.orders(ORDERS_SHOWN).await?;
    let rows = orders.iter().map(|order| ListRow {
        uid: order.uid.to_string(),
        short: short(&order.uid),
        note: order.note.clone(),
        amount: order.price.amount.to_string(),
        created: clock::readable(order.created),
        standing: order.standing(now),
    });
    Ok(ListPart { rows: rows.collect() })
}

#[derive(Template)]
#[template(path = "merchant.html")]
struct MerchantPage {
    csrf: String,
    key: String,
    amount: String,
    note: String,
    error: &'static str,
    error_text: String,
    payee: &'static str,
    currency: String,
    live: ListPart,
}

impl MerchantPage {
    fn new(session: &Session, live: ListPart, key: String) -> Result<Self, WebError> {
        Ok(Self {
            csrf: session.token().into(),
            key,
            amount: String::new(),
            note: String::new(),
            error: "",
            error_text: String::new(),
            payee: PAYEE,
            currency: currency()?.to_string(),
            live,
        })
    }
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    live: OrderPart,
}

/// After a form: the order's page, or the same page with the refusal.
async fn back(
    app: &App,
    session: &Session,
    uid: Uid,
    declined: Option<interbank::qrpay::Refusal>,
) -> Result<Response, WebError> {
    match declined {
        None => Ok(Redirect::to(&format!("/merchant/orders/{uid}")).into_response()),
        Some(why) => {
            let order = app.bank.order(&uid).await?.ok_or(WebError::NotFound)?;
            let message = sentence(&why.to_string());
            let live = OrderPart::new(session, &order, &message)?;
            page_with(StatusCode::CONFLICT, &OrderPage { live })
        }
    }
}

pub(crate) async fn find(bank: &Bank, uid: String) -> Result<Order, WebError> {
    bank.order(&read_uid(uid)?).await?.ok_or(WebError::NotFound)
}

pub(crate) fn read_uid(uid: String) -> Result<Uid, WebError> {
    Uid::new(uid).map_err(|_| WebError::NotFound)
}

/// A refusal as a sentence.
pub(crate) fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(chars).chain(['.']).collect()
}

/// The accounting system's code in words.
pub(crate) fn cause_text(cause: u32) -> String {
    match message::response_code(cause) {
        ResponseCode::INSUFFICIENT_FUNDS => "not enough money in the account".into(),
        ResponseCode::INVALID_CARD => "no such account".into(),
        // What only the stand-in module says.
        ResponseCode::AMOUNT_LIMIT => "above the limit while the accounting system is away".into(),
        ResponseCode::COUNT_LIMIT => "too often while the accounting system is away".into(),
        ResponseCode::INOPERATIVE => "the accounting system is away".into(),
        _ => format!("code {cause}"),
    }
}

async fn shown(bank: &Bank, uid: String) -> Result<String, StatusCode> {
    let uid = Uid::new(uid).map_err(|_| StatusCode::NOT_FOUND)?;
    let order = bank.order(&uid).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let order = order.filter(|order| order.standing(clock::now()) == Standing::Waiting);
    let shown = order.and_then(|order| order.shown).ok_or(StatusCode::NOT_FOUND)?;
    Ok(shown.code)
}

/// The first characters of an order's number, for people.
fn short(uid: &Uid) -> String {
    uid.as_str().chars().take(8).collect()
}

const AMOUNT_MINOR_MAX: i64 = 1_000_000;
const ORDERS_SHOWN: usize = 50;
const SCREENS_LOOKED: usize = 20;
const SCREENS_MAX: usize = 4;
const QR_TITLE: &str = "QR code of this order, to be scanned with the wallet";
