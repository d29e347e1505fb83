//! All three in one process over loopback: load, switch and host, outages, the drain, and the comparison.

use crate::comparison::Comparison;
use crate::failure::Failure;
use crate::host::Host;
use crate::hurry::Hurry;
use crate::load;
use crate::network::Network;
use crate::news;
use crate::options::RunOptions;
use crate::outages;
use crate::parameters::Signed;
use crate::progress::{self, Progress};
use crate::report::Report;
use crate::serve::{RECONNECT_MS, TEST_SECRET};
use crate::setup;
use crate::shelf::Shelf;
use crate::tally::Standing;
use standin::HostConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Runs until everything was answered and delivered, and reports.
pub(crate) async fn run(options: &RunOptions) -> Result<Report, Failure> {
    let hurry = Hurry::new(options.common.hurry);
    let network = Arc::new(Network::new(options.common.codings.get())?);
    let signed = Signed::for_tests()?;
    let host = Arc::new(Host::new(
        network.clone(),
        signed.institution,
        options.opening_minor,
        options.traffic.seed,
    ));
    let (host_listener, host_at) = loopback().await?;
    let hosting = tokio::spawn(host.clone().serve(host_listener));

    let shelf = Shelf::open_empty(&options.store)?;
    let exchange = setup::exchange(network.clone(), shelf, &signed, &TEST_SECRET, hurry).await?;
    let mut standing = exchange.standing();
    let (listener, switch_at) = loopback().await?;
    let (inbox, tasks) = news::open(listener, host_at, hurry.wait(RECONNECT_MS));
    let (close, closing) = watch::channel(false);
    let exchanging = tokio::spawn(exchange.run(inbox, closing));

    let progress = Arc::new(Progress::default());
    let watching = tokio::spawn(show(
        options.traffic.messages,
        progress.clone(),
        standing.clone(),
        host.clone(),
    ));
    let script = outages::script(
        options.traffic.seed,
        options.outages,
        options.traffic.messages,
        Duration::from_millis(options.outage_ms),
        hurry.wait(HostConfig::new(signed.institution).answer_within_ms),
    );
    let troubling = tokio::spawn(outages::play(script, host.clone(), progress.clone()));
    let start = Instant::now();
    let keeper = signed.institution;
    let truth = load::play(switch_at, &network, &options.traffic, hurry, &progress, keeper).await;
    let carried_in = start.elapsed();
    // The last outage may outlast the load.
    let truth = match truth {
        Ok(truth) => {
            troubling.await.map_err(Failure::run)?;
            Ok(truth)
        }
        Err(why) => {
            troubling.abort();
            Err(why)
        }
    };
    let end = Instant::now();
    let rest =
        timeout(Duration::from_secs(options.drain_s), standing.wait_for(Standing::is_at_rest));
    let drained_in = matches!(rest.await, Ok(Ok(_))).then(|| end.elapsed());
    watching.abort();
    close.send_replace(true);
    let tally = exchanging.await.map_err(Failure::run)??;
    drop(tasks);
    hosting.abort();
    let truth = truth?;
    let comparison = host.look(|books| Comparison::new(&truth, books));
    Ok(Report {
        seed: options.traffic.seed,
        store: options.store.clone(),
        asked: (options.traffic.messages, options.outages),
        carried_in,
        drained_in,
        truth,
        tally,
        host: host.look(crate::accounting::Accounting::counts),
        comparison,
    })
}

/// Moves the bar until it is told to stop.
async fn show(
    messages: u64,
    progress: Arc<Progress>,
    standing: watch::Receiver<Standing>,
    host: Arc<Host>,
) {
    let bar = progress::bar(messages);
    loop {
        bar.set_position(progress.count());
        let now = *standing.borrow();
        bar.set_message(progress::words(&now, &host.mood().to_string()));
        sleep(Duration::from_millis(200)).await;
    }
}

async fn loopback() -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = news::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr().map_err(Failure::run)?;
    Ok((listener, address))
}
