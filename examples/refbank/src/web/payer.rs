//! The payer's pages: what the phone shows.

use super::App;
use super::form::{Session, Trusted};
use super::merchant::{cause_text, sentence};
use super::page::{WebError, page, page_with};
use crate::around::Place;
use crate::clock;
use crate::hex;
use crate::seen::Seen;
use crate::trouble::Trouble;
use crate::wallet::{PAYERS, Payer, Phone, Screen, Wallet};
use askama::Template;
use axum::Extension;
use axum::extract::{FromRequest as _, Multipart, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use interbank::port::Time;
use interbank::qrpay::{Pin, Scanned};
use serde::Deserialize;
use std::time::Duration;

/// Whose phone?
pub(crate) async fn choose() -> Result<Response, WebError> {
    page(&WalletPage { payers: &PAYERS })
}

/// A phone, ready to scan.
pub(crate) async fn phone(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    page(&PhonePage::new(&app.wallet, phone, &session, "").await?)
}

/// Points the phone's camera at a screen in the shop.
pub(crate) async fn screen(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
    Trusted(form): Trusted<ScreenForm>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    match app.wallet.look(&form.picture).await? {
        Some(picture) => read(&app, phone, &session, picture).await,
        None => {
            let message = "This screen shows something else by now. Choose again.";
            complain(&app, phone, &session, message).await
        }
    }
}

/// Reads a picture that was uploaded or pasted.
pub(crate) async fn scan(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
    request: Request,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    let _upload = app.uploads.try_acquire().map_err(|_| Trouble::Busy)?;
    let mut parts = Multipart::from_request(request, &app).await?;
    let mut token = String::new();
    let mut picture = Vec::new();
    while let Some(part) = parts.next_field().await? {
        match part.name() {
            Some("csrf") => token = part.text().await?,
            Some("picture") => {
                // The form is ours before its picture is worth any memory.
                session.check(&token)?;
                picture = part.bytes().await?.to_vec();
            }
            _ => {}
        }
    }
    session.check(&token)?;
    if picture.is_empty() {
        return complain(&app, phone, &session, "Choose a picture first.").await;
    }
    read(&app, phone, &session, picture).await
}

/// Asks to pay without the PIN, by what the phone has around it.
pub(crate) async fn pay_without_pin(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
    Trusted(form): Trusted<AroundForm>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    let scanned = match phone.read(&form.code) {
        Ok(scanned) => scanned,
        Err(why) => return complain(&app, phone, &session, &sentence(&why.to_string())).await,
    };
    let Some(place) = Place::named(&form.place) else {
        let again = ApprovePage::new(phone, &session, &scanned, "Choose where the phone is.");
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
    };
    let (reply, check) = app.wallet.pay_without_pin(phone, &scanned, place).await?;
    if let (Some(uid), Some(payment)) = (&reply.uid, &reply.payment) {
        wait_for_end(&app.wallet, uid, payment).await?;
        return show_outcome(&app, phone, uid, payment, reply.surroundings.as_ref()).await;
    }
    let message = sentence(&reply.message);
    let page = ApprovePage::new(phone, &session, &scanned, &message);
    let page = ApprovePage {
        check: hex::digits(&check),
        closed: reply.outcome == "refused" && reply.surroundings.is_some(),
        seen: reply.surroundings.as_ref(),
        ..page
    };
    page_with(StatusCode::OK, &page)
}

/// Plays four weeks at home, each with a payment that the PIN confirmed.
pub(crate) async fn remember(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
    Trusted(_): Trusted<PlainForm>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    app.bank.remember_weeks_at_home(&phone.terminal()?, clock::now()).await?;
    let notice =
        "The bank now knows this hour of four past weeks at home, each confirmed by the PIN.";
    let page = PhonePage { notice, ..PhonePage::new(&app.wallet, phone, &session, "").await? };
    page_with(StatusCode::OK, &page)
}

/// Answers with the PIN.
pub(crate) async fn pay(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(slug): Path<String>,
    Trusted(form): Trusted<PinForm>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    let scanned = match phone.read(&form.code) {
        Ok(scanned) => scanned,
        Err(why) => return complain(&app, phone, &session, &sentence(&why.to_string())).await,
    };
    let again = |message| {
        let page = ApprovePage::new(phone, &session, &scanned, message);
        let page = ApprovePage { check: form.check.clone(), ..page };
        page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let Ok(pin) = Pin::new(form.pin.into_bytes()) else {
        return again("A PIN has at least four digits.");
    };
    let reply = app.wallet.pay(phone, &scanned, pin, hex::parse(&form.check)).await?;
    match (reply.uid, reply.payment) {
        (Some(uid), Some(payment)) => {
            wait_for_end(&app.wallet, &uid, &payment).await?;
            let to = format!("/wallet/{}/payments/{uid}/{payment}", phone.slug);
            Ok(Redirect::to(&to).into_response())
        }
        _ => again(&sentence(&reply.message)),
    }
}

/// What became of a payment.
pub(crate) async fn outcome(
    State(app): State<App>,
    Path((slug, uid, payment)): Path<(String, String, String)>,
) -> Result<Response, WebError> {
    let phone = find(&app.wallet, &slug)?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(&uid) || !plain(&payment) {
        return Err(WebError::NotFound);
    }
    show_outcome(&app, phone, &uid, &payment, None).await
}

async fn show_outcome(
    app: &App,
    phone: &Phone,
    uid: &str,
    payment: &str,
    seen: Option<&Seen>,
) -> Result<Response, WebError> {
    let progress = app.wallet.progress(uid, payment).await?.ok_or(WebError::NotFound)?;
    let (tone, title, message) = match progress.state.as_str() {
        "paid" => ("good", "Paid", "Your account was debited.".to_owned()),
        "accepted" => ("pending", "Accepted", "Your bank is debiting your account.".to_owned()),
        "declined" => {
            let cause = cause_text(progress.cause);
            ("warn", "Declined", format!("Your account was not debited: {cause}."))
        }
        "lapsed" => (
            "warn",
            "Not settled",
            "Your bank did not answer in time. A late debit goes back.".to_owned(),
        ),
        "unreversed" => (
            "warn",
            "Being looked at",
            "The debit came too late and could not be given back by itself. Your bank sees to it."
                .to_owned(),
        ),
        _ => ("quiet", "Given back", "The debit came too late and goes back to you.".to_owned()),
    };
    page(&OutcomePage {
        slug: &phone.slug,
        name: &phone.name,
        tone,
        title,
        message,
        payee: progress.payee,
        amount: progress.amount,
        uid,
        payment,
        seen,
    })
}

/// The form of a screen.
#[derive(Deserialize)]
pub(crate) struct ScreenForm {
    picture: String,
}

/// The form of the PIN.
#[derive(Deserialize)]
pub(crate) struct PinForm {
    code: String,
    pin: String,
    /// The check of surroundings that the PIN confirms, if there was one.
    #[serde(default)]
    check: String,
}

#[derive(Deserialize)]
pub(crate) struct AroundForm {
    code: String,
    place: String,
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub(crate) struct PlainForm {}

#[derive(Template)]
#[template(path = "wallet.html")]
struct WalletPage {
    payers: &'static [Payer],
}

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage<'a> {
    csrf: &'a str,
    slug: &'a str,
    name: &'a str,
    tail: String,
    screens: Vec<Screen>,
    notice: &'a str,
    error: &'a str,
}

impl<'a> PhonePage<'a> {
    async fn new(
        wallet: &Wallet,
        phone: &'a Phone,
        session: &'a Session,
        error: &'a str,
    ) -> Result<Self, Trouble> {
        let (csrf, slug, name) = (session.token(), &*phone.slug, &*phone.name);
        let (tail, screens) = (phone.account_tail(), wallet.screens().await?);
        Ok(Self { csrf, slug, name, tail, screens, notice: "", error })
    }
}

#[derive(Template)]
#[template(path = "approve.html")]
struct ApprovePage<'a> {
    csrf: &'a str,
    slug: &'a str,
    name: &'a str,
    tail: String,
    payee: String,
    amount: String,
    expires: String,
    expires_ms: u64,
    issuer: String,
    code: String,
    hint: &'static str,
    error: &'a str,
    places: [Place; 4],
    /// What the bank made of the surroundings, if it was asked.
    seen: Option<&'a Seen>,
    check: String,
    /// The bank lets nobody go on from here.
    closed: bool,
}

impl<'a> ApprovePage<'a> {
    fn new(phone: &'a Phone, session: &'a Session, scanned: &Scanned, error: &'a str) -> Self {
        let code = scanned.code();
        let price = code.terms.price.as_ref();
        let expires = Time::from_s(code.terms.expires_s.unwrap_or(0));
        let payer = PAYERS.iter().find(|payer| payer.slug == phone.slug);
        Self {
            csrf: session.token(),
            slug: &phone.slug,
            name: &phone.name,
            tail: phone.account_tail(),
            payee: price.map(|price| price.payee.to_string()).unwrap_or_default(),
            amount: price.map(|price| price.amount.to_string()).unwrap_or_default(),
            expires: clock::time_of_day(expires),
            expires_ms: expires.as_ms(),
            issuer: code
                .signature
                .as_ref()
                .map(|signature| format!("{} (key {})", signature.issuer(), signature.key_id))
                .unwrap_or_default(),
            code: code.to_text(),
            hint: payer.map_or("", |payer| payer.pin),
            error,
            places: Place::ALL,
            seen: None,
            check: String::new(),
            closed: false,
        }
    }
}

#[derive(Template)]
#[template(path = "outcome.html")]
struct OutcomePage<'a> {
    slug: &'a str,
    name: &'a str,
    tone: &'static str,
    title: &'static str,
    message: String,
    payee: String,
    amount: String,
    uid: &'a str,
    payment: &'a str,
    seen: Option<&'a Seen>,
}

/// Decodes a picture and shows what its code says, once the signature was checked.
async fn read(
    app: &App,
    phone: &Phone,
    session: &Session,
    picture: Vec<u8>,
) -> Result<Response, WebError> {
    let text = match app.wallet.scan(picture).await? {
        Ok(text) => text,
        Err(why) => return complain(app, phone, session, &why.to_string()).await,
    };
    match phone.read(&text) {
        Ok(scanned) => page(&ApprovePage::new(phone, session, &scanned, "")),
        Err(why) => complain(app, phone, session, &sentence(&why.to_string())).await,
    }
}

async fn complain(
    app: &App,
    phone: &Phone,
    session: &Session,
    message: &str,
) -> Result<Response, WebError> {
    let again = PhonePage::new(&app.wallet, phone, session, message).await?;
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

/// Gives the accounting system a moment, so that the first thing shown is mostly the last word.
async fn wait_for_end(wallet: &Wallet, uid: &str, payment: &str) -> Result<(), Trouble> {
    for _ in 0..20 {
        match wallet.progress(uid, payment).await? {
            Some(progress) if progress.state == "accepted" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => break,
        }
    }
    Ok(())
}

fn find<'a>(wallet: &'a Wallet, slug: &str) -> Result<&'a Phone, WebError> {
    wallet.phone(slug).ok_or(WebError::NotFound)
}
