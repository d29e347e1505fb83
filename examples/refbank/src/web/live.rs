//! Pages that are kept up to date: server-sent events that carry the part that changed, as the page shows it.

use super::App;
use super::form::Session;
use super::merchant::{OrderPart, find, list_rows, read_uid};
use super::operator::operator_part;
use super::page::WebError;
use super::settlement::settlement_part;
use crate::clock;
use crate::exchange::Shown;
use crate::trouble::Trouble;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use interbank::qrpay::Uid;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// Follows one order.
pub(crate) async fn order(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(uid): Path<String>,
) -> Result<Response, WebError> {
    find(&app.bank, uid.clone()).await?;
    follow(app, session, Part::Order(read_uid(uid)?))
}

/// Follows the list of orders.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    follow(app, session, Part::Orders)
}

/// Follows the switch.
pub(crate) async fn operator(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    follow(app, session, Part::Operator)
}

/// Follows the settlement files.
pub(crate) async fn settlement(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    follow(app, session, Part::Settlement)
}

fn follow(app: App, session: Session, part: Part) -> Result<Response, WebError> {
    let permit = app.streams.clone().try_acquire_owned();
    let _permit = permit.map_err(|_| WebError::Trouble(Trouble::Busy))?;
    let follower = Follower {
        changes: app.bank.watch(),
        closing: app.closing.clone(),
        exchange: app.exchange.shown(),
        app,
        session,
        part,
        last: None,
        recheck: None,
        _permit,
    };
    let events = stream::unfold(follower, async |mut follower| {
        let text = follower.next().await?;
        let event = Event::default().event("fragment").data(text);
        Some((Ok::<_, Infallible>(event), follower))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

/// What is followed.
enum Part {
    Orders,
    Order(Uid),
    Operator,
    Settlement,
}

impl Part {
    /// Whether a change of this order may show in it.
    fn shows(&self, uid: &Uid) -> bool {
        match self {
            Self::Orders | Self::Operator | Self::Settlement => true,
            Self::Order(only) => only == uid,
        }
    }
}

struct Follower {
    app: App,
    session: Session,
    part: Part,
    changes: Receiver<Uid>,
    closing: watch::Receiver<bool>,
    exchange: watch::Receiver<Shown>,
    /// What was sent last: the same is not sent again.
    last: Option<String>,
    /// When something may change without anybody doing anything, as a code that runs out.
    recheck: Option<Instant>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next text that differs from the last; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            // At once at first: something may have changed since the page was made.
            if self.last.is_some() {
                self.wait().await?;
            }
            match self.render().await {
                Ok(text) if self.last.as_ref() != Some(&text) => {
                    self.last = Some(text.clone());
                    return Some(text);
                }
                Ok(_) => {}
                Err(why) => {
                    tracing::error!(event = "live.failed", %why);
                    return None;
                }
            }
        }
    }

    /// Waits until something may have changed.
    async fn wait(&mut self) -> Option<()> {
        loop {
            let again = self.app.bank.look_again().map(|after| Instant::now() + after);
            let recheck = [self.recheck, again].into_iter().flatten().min();
            let timer = async {
                match recheck {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let files = async {
                let is_shown = matches!(self.part, Part::Settlement);
                if !is_shown || self.exchange.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = files => return Some(()),
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = timer => return Some(()),
                changed = self.changes.recv() => match changed {
                    Ok(uid) if self.part.shows(&uid) => return Some(()),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(()),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    async fn render(&mut self) -> Result<String, Trouble> {
        let bank = &self.app.bank;
        let text = match &self.part {
            Part::Orders => {
                self.recheck = Some(Instant::now() + Duration::from_secs(10));
                list_rows(bank).await?.render()
            }
            Part::Operator => {
                self.recheck = Some(Instant::now() + Duration::from_millis(300));
                operator_part(bank).await?.render()
            }
            Part::Settlement => {
                self.recheck = Some(Instant::now() + Duration::from_secs(10));
                settlement_part(bank, &self.app.exchange).await?.render()
            }
            Part::Order(uid) => {
                let Some(order) = bank.order(uid).await? else { return Ok(String::new()) };
                let expires_s = order.shown.as_ref().map_or(0, |shown| shown.expires_s);
                let left_ms = expires_s.saturating_mul(1000).saturating_sub(clock::now().as_ms());
                self.recheck =
                    (left_ms > 0).then(|| Instant::now() + Duration::from_millis(left_ms));
                OrderPart::new(&self.session, &order, "")?.render()
            }
        };
        text.map_err(|why| Trouble::Inside(Box::new(why)))
    }
}
