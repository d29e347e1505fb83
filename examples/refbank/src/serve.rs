//! Serving: listen, work, and close in order.

use crate::failure::Failure;
use crate::office::Office;
use crate::options::Serve;
use crate::web::{self, Hosts};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn serve(options: &Serve) -> Result<(), Failure> {
    let address = options.listen;
    // The port first: two programs in one folder would rather learn that.
    let listener = TcpListener::bind(address).await.map_err(|why| Failure::Listen {
        address,
        why: match why.kind() {
            std::io::ErrorKind::AddrInUse => {
                "the port is taken; stop the other program or choose another with --listen".into()
            }
            _ => why.to_string(),
        },
    })?;
    let office = Office::open(&options.data, &options.store.place()).await?;
    let bound = listener.local_addr().map_err(|why| Failure::Run(why.to_string()))?;
    if !bound.ip().is_loopback() {
        tracing::warn!(event = "serve.open", "no TLS and no login: whoever reaches it may use it");
    }
    let hosts = Hosts::new(bound, &options.host);
    let registry = options.registry();
    let app = web::router(
        office.bank.clone(),
        office.wallet.clone(),
        office.exchange.clone(),
        registry,
        office.closing(),
        hosts,
    );
    tracing::info!(event = "serve.started", address = %bound);
    // For people and for tests; logs may be off.
    let _ = writeln!(std::io::stdout(), "refbank is open: http://{bound}");
    let closing = office.announce_closing();
    tokio::spawn(async move {
        signal().await;
        tracing::info!(event = "serve.closing");
        closing.send_replace(true);
    });
    listen(listener, app, office.closing()).await;
    office.close().await;
    tracing::info!(event = "serve.closed");
    Ok(())
}

/// Takes connections until the office closes, and gives those that are open a while to end.
///
/// Whoever is slow with the head of a request is cut off, and there are only so many connections: otherwise a few idle
/// clients could hold all of them.
async fn listen(listener: TcpListener, app: Router, mut closing: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let service = TowerToHyperService::new(
        app.map_request(|request: Request<Incoming>| request.map(Body::new)),
    );
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = GracefulShutdown::new();
    loop {
        let accepted = async {
            let permit = room.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (stream, permit) = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            (stream, permit) = accepted => (stream, permit),
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(why) => {
                // Mostly too many open files: some will be closed.
                tracing::warn!(event = "serve.refused", %why);
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(why) = connection.await {
                tracing::debug!(event = "http.cut", %why);
            }
        });
    }
    drop(listener);
    if timeout(CLOSING_TIME, open.shutdown()).await.is_err() {
        tracing::warn!(event = "serve.cut", "requests did not end in time");
    }
}

/// Comes back at SIGINT or SIGTERM.
async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

const HEAD_TIME: Duration = Duration::from_secs(10);
const CLOSING_TIME: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 512;
