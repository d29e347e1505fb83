//! The web: routes, and what guards them.

mod accounts;
mod assets;
mod form;
mod fuel;
mod guard;
mod home;
mod live;
mod merchant;
mod operator;
mod page;
mod pay;
mod payer;
mod registry;
mod settlement;

pub(crate) use guard::Hosts;

use crate::bank::Bank;
use crate::exchange::Exchange;
use crate::registry::Registry;
use crate::wallet::Wallet;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use interbank::qrpay::PaymentRequest;
use interbank::risk_core::surroundings::Report;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

/// Everything that handlers share.
#[derive(Clone)]
pub(crate) struct App {
    bank: Arc<Bank>,
    wallet: Arc<Wallet>,
    exchange: Exchange,
    registry: Option<Arc<Registry>>,
    closing: watch::Receiver<bool>,
    /// Pages that are kept up to date; each holds a connection.
    streams: Arc<Semaphore>,
    /// Pictures on their way in; each is held in memory.
    uploads: Arc<Semaphore>,
}

/// All pages.
pub(crate) fn router(
    bank: Arc<Bank>,
    wallet: Arc<Wallet>,
    exchange: Exchange,
    registry: Option<Arc<Registry>>,
    closing: watch::Receiver<bool>,
    hosts: Hosts,
) -> Router {
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let uploads = Arc::new(Semaphore::new(UPLOADS_MAX));
    let app = App { bank: bank.clone(), wallet, exchange, registry, closing, streams, uploads };
    let pages = Router::new()
        .route("/", get(home::show))
        .route("/merchant", get(merchant::list))
        .route("/merchant/events", get(live::list))
        .route("/merchant/orders", post(merchant::create))
        .route("/merchant/orders/{uid}", get(merchant::order))
        .route("/merchant/orders/{uid}/events", get(live::order))
        .route("/merchant/orders/{uid}/refresh", post(merchant::refresh))
        .route("/merchant/orders/{uid}/cancel", post(merchant::cancel))
        .route("/merchant/orders/{uid}/refund", post(merchant::refund))
        .route("/wallet", get(payer::choose))
        .route("/wallet/{phone}", get(payer::phone))
        .route("/wallet/{phone}/screen", post(payer::screen))
        .route(
            "/wallet/{phone}/scan",
            post(payer::scan).layer(DefaultBodyLimit::max(PICTURE_BYTES_MAX)),
        )
        .route("/wallet/{phone}/pay", post(payer::pay))
        .route("/wallet/{phone}/pay-without-pin", post(payer::pay_without_pin))
        .route("/wallet/{phone}/weeks-at-home", post(payer::remember))
        .route("/wallet/{phone}/payments/{uid}/{payment}", get(payer::outcome))
        .route("/fuel", get(fuel::show))
        .route("/fuel/pay", post(fuel::pay))
        .route("/fuel/confirm", post(fuel::confirm))
        .route("/bank", get(accounts::show))
        .route("/bank/unlock", post(accounts::unlock))
        .route("/registry", get(registry::show))
        .route("/registry/proof", get(registry::proof))
        .route("/operator", get(operator::show))
        .route("/operator/events", get(live::operator))
        .route("/operator/report.csv", get(operator::report))
        .route("/operator/accounting", post(operator::accounting))
        .route("/operator/force", post(operator::force))
        .route("/operator/resolve", post(operator::resolve))
        .route("/settlement", get(settlement::show))
        .route("/settlement/events", get(live::settlement))
        .route("/settlement/files/{bank}/{number}", get(settlement::file))
        .route("/settlement/close", post(settlement::close))
        .route("/settlement/attend", post(settlement::attend))
        .route("/settlement/damage", post(settlement::damage))
        .route("/settlement/ask", post(settlement::ask))
        .layer(from_fn_with_state(app.clone(), form::session))
        .fallback(page::not_found)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(app);
    pages
        .merge(public(bank))
        .merge(assets::routes())
        .layer(RequestBodyTimeoutLayer::new(REQUEST_TIME))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIME,
        ))
        .layer(from_fn_with_state(hosts, guard::host))
        .layer(from_fn(guard::headers))
        .layer(from_fn(guard::log))
}

/// What the bank offers to everybody: the endpoint for payers' clients, and what the shop's screens show.
pub(crate) fn public(bank: Arc<Bank>) -> Router {
    Router::new()
        .route("/pay", post(pay::pay).layer(DefaultBodyLimit::max(PaymentRequest::BYTES_MAX)))
        .route("/pay/challenge", post(pay::challenge).layer(DefaultBodyLimit::max(160)))
        .route(
            "/pay/without-pin",
            post(pay::without_pin).layer(DefaultBodyLimit::max(OFFER_BYTES_MAX)),
        )
        .route("/pay/{uid}/{payment}", get(pay::progress))
        .route("/merchant/screens", get(merchant::screens))
        .route("/merchant/orders/{uid}/code.png", get(merchant::code_png))
        .route("/merchant/orders/{uid}/code.svg", get(merchant::code_svg))
        .route("/healthz", get(home::health))
        .with_state(bank)
}

const OFFER_BYTES_MAX: usize = PaymentRequest::BYTES_MAX + Report::BYTES_MAX + 96;
const FORM_BYTES_MAX: usize = 16 * 1024;
const PICTURE_BYTES_MAX: usize = 8 * 1024 * 1024;
const REQUEST_TIME: Duration = Duration::from_secs(15);
const STREAMS_MAX: usize = 256;
const UPLOADS_MAX: usize = 16;
