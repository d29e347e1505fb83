//! The pump's page: a car pays by how it is driven.

use super::App;
use super::form::{Session, Trusted};
use super::merchant::sentence;
use super::page::{WebError, page, page_with};
use crate::bank::currency;
use crate::car::Trip;
use crate::clock;
use crate::forecourt::{FUEL_MINOR, Fuelled};
use crate::hex;
use crate::seen::signed;
use crate::trouble::Trouble;
use crate::wallet::{PAYERS, Payer, Phone};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use interbank::port::Amount;
use interbank::qrpay::{Pin, Uid, Verdict};
use interbank::risk_core::driving::{Deviation, Evaluated, Line, RiskLevel, Ruling, Standing};
use serde::Deserialize;

/// The pump.
pub(crate) async fn show(Extension(session): Extension<Session>) -> Result<Response, WebError> {
    page(&FuelPage::new(&session)?)
}

/// The car pays, after one of the trips.
pub(crate) async fn pay(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Trusted(form): Trusted<TripForm>,
) -> Result<Response, WebError> {
    let Some(trip) = Trip::named(&form.trip) else {
        let again = FuelPage { error: "Choose a trip.".into(), ..FuelPage::new(&session)? };
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
    };
    let (owner, phone) = owner(&app)?;
    let number = hex::digits(clock::entropy()?.get(..8).unwrap_or_default());
    let amount = fuel()?;
    let issued = app.bank.issue_fuel(&format!("fuel-{number}")).await?;
    let Verdict::Granted(issued) = issued else { return Err(Trouble::Busy.into()) };
    let code = issued.code.to_text();
    let scanned = phone.read(&code).map_err(|why| Trouble::Inside(Box::new(why)))?;
    let request = phone.answer_as_car(&scanned)?;
    let fuelled = app.bank.fuel(trip, amount, request).await?;
    let mut page = FuelPage { chosen: trip, ..FuelPage::new(&session)? };
    match fuelled {
        Fuelled::Turned(why) => {
            page.end("warn", "Not paid", sentence(&why.to_string()));
            withdraw(&app, issued.uid).await?;
        }
        Fuelled::Ruled { id, evaluated, ruled, paid } => {
            let why = sentence(&ruled.why.to_string());
            match (ruled.ruling, paid) {
                (Ruling::Pay, Some(Verdict::Granted(_))) => {
                    page.end("good", "Paid by the car", why)
                }
                (Ruling::Pay, Some(Verdict::Declined(why))) => {
                    page.end("warn", "Not paid", sentence(&why.to_string()));
                }
                (Ruling::AskOwner, _) => {
                    page.end("pending", "The owner is asked", why);
                    page.ask = Some(Asked { code, id: hex::digits(&id), hint: owner.pin });
                }
                (Ruling::Refuse { alert }, _) => {
                    page.end("warn", "Refused", why);
                    page.alert = alert;
                    withdraw(&app, issued.uid).await?;
                }
                // What pays was asked
                (Ruling::Pay, None) => return Err(Trouble::Busy.into()),
            }
            page.judged = Some(Judged::of(&evaluated));
        }
    }
    page_with(StatusCode::OK, &page)
}

/// The owner confirms on the phone what the car could not pay by itself.
pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Trusted(form): Trusted<OwnerForm>,
) -> Result<Response, WebError> {
    let (owner, phone) = owner(&app)?;
    let mut page = FuelPage::new(&session)?;
    let scanned = match phone.read(&form.code) {
        Ok(scanned) => scanned,
        Err(why) => {
            page.error = sentence(&why.to_string());
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let reply = match Pin::new(form.pin.into_bytes()) {
        Ok(pin) => app.wallet.pay(phone, &scanned, pin, None).await?,
        Err(why) => {
            page.error = sentence(&why.to_string());
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    if reply.outcome != "accepted" {
        page.error = sentence(&reply.message);
        page.ask = Some(Asked { code: form.code, id: form.id, hint: owner.pin });
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let learned = match hex::parse(&form.id) {
        Some(id) => app.bank.fuel_confirmed(id).await?,
        None => false,
    };
    let message = if learned {
        "Ava confirmed with her PIN. The car learns a little from this trip."
    } else {
        "Ava confirmed with her PIN."
    };
    page.end("good", "Paid by the owner", message.into());
    page_with(StatusCode::OK, &page)
}

#[derive(Deserialize)]
pub(crate) struct TripForm {
    trip: String,
}

#[derive(Deserialize)]
pub(crate) struct OwnerForm {
    code: String,
    id: String,
    pin: String,
}

#[derive(Template)]
#[template(path = "fuel.html")]
struct FuelPage<'a> {
    csrf: &'a str,
    amount: String,
    trips: [Trip; 5],
    chosen: Trip,
    error: String,
    tone: &'static str,
    title: &'static str,
    message: String,
    alert: bool,
    judged: Option<Judged>,
    ask: Option<Asked>,
}

impl<'a> FuelPage<'a> {
    fn new(session: &'a Session) -> Result<Self, Trouble> {
        Ok(Self {
            csrf: session.token(),
            amount: fuel()?.to_string(),
            trips: Trip::ALL,
            chosen: Trip::Usual,
            error: String::new(),
            tone: "quiet",
            title: "",
            message: String::new(),
            alert: false,
            judged: None,
            ask: None,
        })
    }

    fn end(&mut self, tone: &'static str, title: &'static str, message: String) {
        (self.tone, self.title, self.message) = (tone, title, message);
    }
}

/// What the phone is asked.
struct Asked {
    code: String,
    id: String,
    hint: &'static str,
}

/// A level and what it is made of.
struct Judged {
    level: &'static str,
    conformity: String,
    pieces: Vec<Drawn>,
    reasons: Vec<(String, String, bool)>,
}

impl Judged {
    fn of(evaluated: &Evaluated) -> Self {
        let evaluation = evaluated.outcome.evaluation();
        let reasons = evaluation.map(|it| it.reasons());
        let reasons = reasons.iter().flat_map(|all| all.as_slice());
        Self {
            level: match evaluated.notice.level {
                RiskLevel::Low => "low",
                RiskLevel::Medium => "medium",
                RiskLevel::High => "high",
            },
            conformity: evaluated.notice.conformity.to_string(),
            pieces: evaluation.iter().flat_map(|it| it.lines()).map(Drawn::of).collect(),
            reasons: reasons
                .map(|one| {
                    let adds = signed(one.basis_points);
                    (one.reason.to_string(), adds, one.basis_points < 0)
                })
                .collect(),
        }
    }
}

/// One attribute beside its usual band, drawn 200 wide: what is usual ends at [`Drawn::USUAL`].
struct Drawn {
    name: String,
    said: String,
    /// Where the mark is; `None` where nothing was compared.
    at: Option<u32>,
    usual: bool,
}

impl Drawn {
    /// Two spreads, of five that are drawn.
    const USUAL: u32 = 80;

    fn of(line: &Line) -> Self {
        let name = line.attribute.to_string();
        let place = |deviation: &Deviation| match deviation {
            Deviation::Spreads(hundredths) => (hundredths * 2 / 5).min(200),
            // The usual ends where 95 % of what was seen is more frequent.
            Deviation::Rarity(share) if share.as_u16() > 9_500 => 160,
            Deviation::Rarity(share) => u32::from(share.as_u16()) * Self::USUAL / 9_500,
        };
        let (said, at, usual) = match &line.standing {
            Standing::Matches(off) => (off.to_string(), Some(place(off)), true),
            Standing::Deviates(off) => (off.to_string(), Some(place(off)), false),
            Standing::TooLittle => ("observed for too short a time".into(), None, true),
            Standing::NoStrategy => ("not learned".into(), None, true),
            Standing::Faulty(_) => ("the sensor cannot be believed".into(), None, true),
        };
        Self { name, said, at, usual }
    }
}

/// Nobody pays this order any more.
async fn withdraw(app: &App, uid: Uid) -> Result<(), Trouble> {
    // It may have been paid meanwhile, and then it stays so.
    let _ = app.bank.cancel(uid).await?;
    Ok(())
}

fn owner(app: &App) -> Result<(&'static Payer, &Phone), WebError> {
    let owner = PAYERS.iter().find(|payer| payer.has_car).ok_or(WebError::NotFound)?;
    Ok((owner, app.wallet.phone(owner.slug).ok_or(WebError::NotFound)?))
}

fn fuel() -> Result<Amount, Trouble> {
    Ok(Amount::new(FUEL_MINOR, currency()?))
}
