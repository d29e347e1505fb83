//! The first page, and the health of the bank.

use super::page::{WebError, page};
use crate::bank::Bank;
use crate::wallet::{PAYERS, Payer};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What this is and how to try it.
pub(crate) async fn show() -> Result<Response, WebError> {
    page(&HomePage { payers: &PAYERS })
}

/// Whether the bank can work: the store answers.
pub(crate) async fn health(State(bank): State<Arc<Bank>>) -> Response {
    if bank.is_healthy().await {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    payers: &'static [Payer],
}
