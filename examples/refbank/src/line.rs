//! The line from the wallet to the world: HTTP messages, and nothing else.

use crate::trouble::Trouble;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use tower::ServiceExt as _;

/// Carries requests to what the bank offers to everybody, and responses back.
///
/// Wallet and bank live in one process here. What passes between them are whole HTTP messages, as they would pass through
/// a socket: the wallet sees no order, no key and no row of the bank.
#[derive(Clone)]
pub(crate) struct Line {
    public: Router,
}

impl Line {
    /// To these routes.
    pub(crate) const fn new(public: Router) -> Self {
        Self { public }
    }

    /// Fetches something.
    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), Trouble> {
        self.send(Method::GET, path, None, Body::empty()).await
    }

    /// Sends bytes.
    pub(crate) async fn post(
        &self,
        path: &str,
        content: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let kind = Some("application/octet-stream");
        self.send(Method::POST, path, kind, Body::from(content)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        body: Body,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body).map_err(|why| Trouble::Inside(Box::new(why)))?;
        let Ok(response) = self.public.clone().oneshot(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), RESPONSE_BYTES_MAX).await;
        Ok((status, bytes.map_err(|why| Trouble::Inside(Box::new(why)))?))
    }
}

const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
