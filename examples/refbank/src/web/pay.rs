//! The endpoint for payers' clients: one message in, the outcome out.

use crate::bank::Bank;
use crate::gate::{Offer, Passage};
use crate::hex;
use crate::seen::{Challenged, Seen};
use crate::trouble::Trouble;
use crate::wallet::{PayReply, Progress};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use interbank::port::wire::Reader;
use interbank::qrpay::{Accepted, PaymentId, PaymentRequest, PaymentState, Uid, Verdict};
use interbank::risk_core::surroundings::{Report, TerminalId};
use interbank::seal::Account;
use serde::Deserialize;
use std::sync::Arc;

/// Takes the wire form of a payment request, `application/octet-stream`.
///
/// A refusal is an answer like any other, with status 200. The request vouches for itself; no cookie is looked at. The query
/// may name the check of surroundings that this payment, answered with the PIN, confirms.
pub(crate) async fn pay(
    State(bank): State<Arc<Bank>>,
    Query(confirms): Query<Confirms>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<PayReply>) {
    if !is_bytes(&headers) {
        return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/octet-stream");
    }
    let Ok(request) = PaymentRequest::parse(&body) else {
        return failed(StatusCode::BAD_REQUEST, "this is no payment request");
    };
    let account = request.account.clone();
    match bank.pay(request).await {
        Ok(verdict) => {
            // A repeated message says nothing about who holds the phone now.
            if let Verdict::Granted(Accepted { uid, repeated: false, .. }) = &verdict
                && let Some((terminal, check)) = confirms.check()
            {
                bank.confirmed(&account, uid, terminal, check).await;
            }
            (StatusCode::OK, Json(reply(verdict)))
        }
        Err(why) => broken(&why),
    }
}

/// Gives a phone the number that its next scan has to name. The body is the phone's name and the account, each behind its
/// length (one byte).
pub(crate) async fn challenge(
    State(bank): State<Arc<Bank>>,
    body: Bytes,
) -> Result<Json<Challenged>, StatusCode> {
    let mut reader = Reader::new(&body);
    let mut part = || reader.lp8().map_err(|_| StatusCode::BAD_REQUEST);
    let (name, account) = (part()?, part()?);
    let name = Reader::text(name).map_err(|_| StatusCode::BAD_REQUEST)?;
    let terminal = TerminalId::new(name).map_err(|_| StatusCode::BAD_REQUEST)?;
    let account = Account::new(account).map_err(|_| StatusCode::BAD_REQUEST)?;
    let challenge = bank.challenge(&account, terminal).await.map_err(|why| status(&why))?;
    Ok(Json(Challenged::of(&challenge)))
}

/// Takes a payment request that was answered without the PIN, with what the phone has around it.
///
/// The body is the number of the check (16 bytes), and behind their lengths the phone's name (one byte), the payment request
/// (two bytes) and the report (two bytes).
pub(crate) async fn without_pin(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<PayReply>) {
    if !is_bytes(&headers) {
        return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/octet-stream");
    }
    let Some(offer) = offer(&body) else {
        return failed(StatusCode::BAD_REQUEST, "this is no payment request with surroundings");
    };
    match bank.pass(offer).await {
        Ok(Passage::Turned(why)) => (
            StatusCode::OK,
            Json(PayReply {
                outcome: "refused".into(),
                message: why.into(),
                ..PayReply::default()
            }),
        ),
        Ok(Passage::Stopped(assessment)) => {
            let seen = Seen::of(&assessment);
            let reply = PayReply {
                outcome: if seen.plan == "refuse" { "refused" } else { "pin" }.into(),
                message: seen.sentence().into(),
                surroundings: Some(seen),
                ..PayReply::default()
            };
            (StatusCode::OK, Json(reply))
        }
        Ok(Passage::Through(assessment, verdict)) => {
            let surroundings = Some(Seen::of(&assessment));
            (StatusCode::OK, Json(PayReply { surroundings, ..reply(verdict) }))
        }
        Err(why) => broken(&why),
    }
}

/// Which check of surroundings a payment confirms.
#[derive(Default, Deserialize)]
pub(crate) struct Confirms {
    terminal: Option<String>,
    check: Option<String>,
}

impl Confirms {
    fn check(self) -> Option<(TerminalId, [u8; 16])> {
        let terminal = TerminalId::new(self.terminal?).ok()?;
        Some((terminal, hex::parse(&self.check?)?))
    }
}

fn offer(body: &[u8]) -> Option<Offer> {
    let mut reader = Reader::new(body);
    let check = reader.array().ok()?;
    let terminal = TerminalId::new(Reader::text(reader.lp8().ok()?).ok()?).ok()?;
    let request = PaymentRequest::parse(reader.lp16().ok()?).ok()?;
    let report = Report::parse(reader.lp16().ok()?).ok()?;
    reader.finish().ok()?;
    Some(Offer { request, terminal, check, report })
}

fn reply(verdict: Verdict<Accepted>) -> PayReply {
    match verdict {
        Verdict::Granted(accepted) => PayReply {
            outcome: "accepted".into(),
            message: "The payment was accepted.".into(),
            uid: Some(accepted.uid.to_string()),
            payment: Some(accepted.payment.to_string()),
            repeated: accepted.repeated,
            ..PayReply::default()
        },
        Verdict::Declined(why) => PayReply {
            outcome: "refused".into(),
            message: why.to_string(),
            code: Some(why.code()),
            ..PayReply::default()
        },
    }
}

fn is_bytes(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind == Some("application/octet-stream")
}

fn broken(why: &Trouble) -> (StatusCode, Json<PayReply>) {
    tracing::error!(event = "pay.failed", %why);
    failed(status(why), "the bank cannot answer now; send the same request again")
}

/// Where a payment stands. Its number cannot be guessed: it is a hash over the challenge.
pub(crate) async fn progress(
    State(bank): State<Arc<Bank>>,
    Path((uid, payment)): Path<(String, String)>,
) -> Result<Json<Progress>, StatusCode> {
    let uid = Uid::new(uid).map_err(|_| StatusCode::NOT_FOUND)?;
    let id = PaymentId::parse(&payment).ok_or(StatusCode::NOT_FOUND)?;
    let found = bank.payment(&uid, &id).await.map_err(|why| status(&why))?;
    let payment = found.ok_or(StatusCode::NOT_FOUND)?;
    let state = match payment.state {
        PaymentState::Accepted => "accepted",
        PaymentState::Paid => "paid",
        PaymentState::Declined => "declined",
        PaymentState::Lapsed => "lapsed",
        PaymentState::Reversing => "reversing",
        PaymentState::Reversed => "reversed",
        PaymentState::Unreversed => "unreversed",
    };
    Ok(Json(Progress {
        state: state.into(),
        payee: payment.price.payee.to_string(),
        amount: payment.price.amount.to_string(),
        cause: payment.cause,
    }))
}

fn status(why: &Trouble) -> StatusCode {
    match why {
        Trouble::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn failed(status: StatusCode, message: &str) -> (StatusCode, Json<PayReply>) {
    let reply =
        PayReply { outcome: "failed".into(), message: message.into(), ..PayReply::default() };
    (status, Json(reply))
}
