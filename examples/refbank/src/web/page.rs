//! Pages, and pages that say what went wrong.

use crate::trouble::Trouble;
use askama::Template;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// Renders a page.
pub(crate) fn page(template: &impl Template) -> Result<Response, WebError> {
    let text = template.render().map_err(|why| Trouble::Inside(Box::new(why)))?;
    Ok(Html(text).into_response())
}

/// Renders a page with a status other than 200.
pub(crate) fn page_with(
    status: StatusCode,
    template: &impl Template,
) -> Result<Response, WebError> {
    Ok((status, page(template)?).into_response())
}

/// No such page.
pub(crate) async fn not_found() -> WebError {
    WebError::NotFound
}

/// Why a page could not be shown.
#[derive(Debug)]
pub(crate) enum WebError {
    /// What was sent is not what the form sends.
    BadForm(StatusCode),
    /// There is no such thing.
    NotFound,
    /// The form was not sent by a page of this session.
    Stranger,
    /// Something failed.
    Trouble(Trouble),
}

impl WebError {
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadForm(StatusCode::PAYLOAD_TOO_LARGE) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "Too large",
                "What was sent is larger than this page takes.",
            ),
            Self::BadForm(status) => {
                (*status, "Not understood", "What was sent is not what the form sends.")
            }
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "Not found", "There is nothing at this address.")
            }
            Self::Stranger => (
                StatusCode::FORBIDDEN,
                "Form refused",
                "This form is too old or was not sent from our page. Open the page again and repeat it.",
            ),
            Self::Trouble(Trouble::Busy) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Busy",
                "Too much is going on at the moment. Please try again.",
            ),
            Self::Trouble(Trouble::Misuse(_)) => {
                (StatusCode::BAD_REQUEST, "Not understood", "A value is not one that can be used.")
            }
            Self::Trouble(Trouble::Damaged) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The store is damaged",
                "Stored bytes are not what was written. Whoever runs the bank has to bring back a backup.",
            ),
            Self::Trouble(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something failed",
                "What was confirmed before is kept. The bank's log says what happened.",
            ),
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        if let Self::Trouble(why) = &self {
            tracing::error!(event = "http.failed", %why);
        }
        let (status, title, message) = self.parts();
        let shown = page_with(status, &ErrorPage { title, message });
        shown.unwrap_or_else(|_| (status, title).into_response())
    }
}

impl From<Trouble> for WebError {
    fn from(why: Trouble) -> Self {
        Self::Trouble(why)
    }
}

impl From<FormRejection> for WebError {
    fn from(why: FormRejection) -> Self {
        Self::BadForm(why.status())
    }
}

impl From<MultipartRejection> for WebError {
    fn from(why: MultipartRejection) -> Self {
        Self::BadForm(why.status())
    }
}

impl From<MultipartError> for WebError {
    fn from(why: MultipartError) -> Self {
        Self::BadForm(why.status())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: &'static str,
    message: &'static str,
}
