//! The endpoint for payers' clients: one message in, the outcome out.

use crate::bank::Bank;
use crate::trouble::Trouble;
use crate::wallet::{PayReply, Progress};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use interbank::qrpay::{PaymentId, PaymentRequest, PaymentState, Uid, Verdict};
use std::sync::Arc;

/// Takes the wire form of a payment request, `application/octet-stream`.
///
/// A refusal is an answer like any other, with status 200. The request vouches for itself; no cookie is looked at.
pub(crate) async fn pay(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<PayReply>) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind != Some("application/octet-stream") {
        return failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/octet-stream");
    }
    let Ok(request) = PaymentRequest::parse(&body) else {
        return failed(StatusCode::BAD_REQUEST, "this is no payment request");
    };
    match bank.pay(request).await {
        Ok(Verdict::Granted(accepted)) => {
            let reply = PayReply {
                outcome: "accepted".into(),
                message: "The payment was accepted.".into(),
                uid: Some(accepted.uid.to_string()),
                payment: Some(accepted.payment.to_string()),
                repeated: accepted.repeated,
                ..PayReply::default()
            };
            (StatusCode::OK, Json(reply))
        }
        Ok(Verdict::Declined(why)) => {
            let reply = PayReply {
                outcome: "refused".into(),
                message: why.to_string(),
                code: Some(why.code()),
                ..PayReply::default()
            };
            (StatusCode::OK, Json(reply))
        }
        Err(why) => {
            tracing::error!(event = "pay.failed", %why);
            failed(status(&why), "the bank cannot answer now; send the same request again")
        }
    }
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
