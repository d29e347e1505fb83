//! Forms that only our own pages can send.

use super::App;
use super::page::WebError;
use crate::hex;
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use interbank::port::MacAlgorithm;
use interbank::seal::{PreparedMac, derive};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A browser's session: a random number in a cookie, and the token that forms of this session carry.
///
/// The token is a MAC of the number: whoever can neither read the page nor the key cannot make one.
#[derive(Clone)]
pub(crate) struct Session {
    token: String,
}

impl Session {
    /// What forms carry.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether this form is of this session.
    pub(crate) fn check(&self, token: &str) -> Result<(), WebError> {
        if interbank::seal::equal(self.token.as_bytes(), token.as_bytes()) {
            Ok(())
        } else {
            Err(WebError::Stranger)
        }
    }
}

/// Finds the session of a request, or begins one; refuses posts that another site's page sent.
pub(crate) async fn session(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, WebError> {
    if !request.method().is_safe() && is_cross_site(request.headers()) {
        return Err(WebError::Stranger);
    }
    let known = cookie(request.headers());
    let id = match &known {
        Some(id) => id.clone(),
        None => {
            let drawn = crate::clock::entropy()?;
            hex::digits(derive::<16>(&drawn, "refbank/session/v1", &[]).expose())
        }
    };
    let mac = PreparedMac::new(MacAlgorithm::HmacSha256, app.bank.forms().expose());
    let token = hex::digits(mac.tag(id.as_bytes()).as_bytes());
    request.extensions_mut().insert(Session { token });
    let mut response = next.run(request).await;
    if known.is_none() {
        let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict");
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    Ok(response)
}

/// The fields of a form that our own page sent.
pub(crate) struct Trusted<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Trusted<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, app: &App) -> Result<Self, WebError> {
        let session = request.extensions().get::<Session>().cloned().ok_or(WebError::Stranger)?;
        let Form(sealed) = Form::<Sealed<T>>::from_request(request, app).await?;
        session.check(&sealed.csrf)?;
        Ok(Self(sealed.fields))
    }
}

#[derive(Deserialize)]
struct Sealed<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    fields: T,
}

/// Browsers say where a request comes from; old ones do not, and the token decides alone.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, id)| id.to_owned())
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A fresh number for a form, so that sending it twice is one request.
pub(crate) fn nonce() -> Result<String, WebError> {
    let drawn = crate::clock::entropy()?;
    Ok(hex::digits(&drawn[..8]))
}

const COOKIE: &str = "refbank_session";
