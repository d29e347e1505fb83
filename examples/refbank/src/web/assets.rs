//! Style and scripts: files of this program, sent as they are.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;

/// The files' routes.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/static/style.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/static/live.js", get(async || asset("text/javascript; charset=utf-8", LIVE)))
        .route("/static/scan.js", get(async || asset("text/javascript; charset=utf-8", SCAN)))
        .route("/static/mark.svg", get(async || asset("image/svg+xml", MARK)))
        .route("/favicon.ico", get(async || asset("image/svg+xml", MARK)))
}

type Asset = ([(HeaderName, HeaderValue); 2], &'static str);

fn asset(kind: &'static str, text: &'static str) -> Asset {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // A new version must show at once, and the files are small.
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=60")),
    ];
    (headers, text)
}

const STYLE: &str = include_str!("../../static/style.css");
const LIVE: &str = include_str!("../../static/live.js");
const SCAN: &str = include_str!("../../static/scan.js");
const MARK: &str = include_str!("../../static/mark.svg");
