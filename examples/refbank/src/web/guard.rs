//! What every response carries, and what is logged about it.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The host names that are answered; `None` for all.
#[derive(Clone)]
pub(crate) struct Hosts(Option<Arc<[String]>>);

impl Hosts {
    /// This machine's own names for its own address, and the names given.
    pub(crate) fn new(bound: SocketAddr, named: &[String]) -> Self {
        if !bound.ip().is_loopback() && named.is_empty() {
            return Self(None);
        }
        let port = bound.port();
        let own = [bound.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}")];
        let named = named.iter().map(|name| name.to_ascii_lowercase());
        Self(Some(own.into_iter().chain(named).collect()))
    }

    fn answers(&self, host: Option<&str>) -> bool {
        let Some(hosts) = &self.0 else { return true };
        host.is_some_and(|host| hosts.contains(&host.to_ascii_lowercase()))
    }
}

/// Refuses requests for another host: a foreign page whose name was pointed at this machine.
pub(crate) async fn host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    if hosts.answers(host) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "this host name is not answered here\n").into_response()
    }
}

/// Adds the security headers.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Assets say themselves how long they may be kept.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Logs one line a request: the route and not the address, which names orders.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let ms = begun.elapsed().as_millis();
    let route = route.as_deref().unwrap_or("none");
    let status = response.status().as_u16();
    tracing::debug!(event = "http", %method, route, status, ms);
    response
}

const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];
