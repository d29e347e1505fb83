//! Serving: listen, work, and close in order.

use crate::failure::Failure;
use crate::office::Office;
use crate::options::Serve;
use crate::web;
use std::io::Write as _;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

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
    let office = Office::open(&options.data).await?;
    let bound = listener.local_addr().map_err(|why| Failure::Run(why.to_string()))?;
    let app = web::router(office.bank.clone(), office.wallet.clone(), office.closing());
    tracing::info!(event = "serve.started", address = %bound);
    // For people and for tests; logs may be off.
    let _ = writeln!(std::io::stdout(), "refbank is open: http://{bound}");
    let closing = office.announce_closing();
    let signalled = async move {
        signal().await;
        tracing::info!(event = "serve.closing");
        closing.send_replace(true);
    };
    let served = axum::serve(listener, app).with_graceful_shutdown(signalled).into_future();
    let served = tokio::select! {
        served = served => served,
        () = too_long(office.closing()) => {
            tracing::warn!(event = "serve.cut", "requests did not end in time");
            Ok(())
        }
    };
    office.close().await;
    tracing::info!(event = "serve.closed");
    served.map_err(|why| Failure::Run(why.to_string()))
}

/// Requests get this long to end once the office closes.
async fn too_long(mut closing: watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
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
