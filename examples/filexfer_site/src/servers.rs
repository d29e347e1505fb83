//! Starting servers, and stopping them.

pub(crate) mod assembly;

use crate::config::{ClientFile, Config, Server};
use crate::control;
use crate::failure::Failure;
use crate::lines::Lines;
use crate::options::Options;
use crate::rows::{self, Left};
use crate::station::{Role, Station};
use assembly::{
    Around, access, backstage, client_server, credentials, folder, forwarding, id_of, open_rows,
};
use filexfer::{Forwarder, Place};
use port::{MemoryStore, Store};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Runs servers of a site until SIGINT or SIGTERM, or until one of them cannot go on.
pub(crate) fn run(config: &Config, ids: &[String], options: &Options) -> Result<(), Failure> {
    // Only this program's own steps are told in detail.
    let level = if options.verbose { Level::DEBUG } else { Level::INFO };
    let whose = Targets::new().with_default(Level::INFO);
    let whose = whose.with_target(env!("CARGO_CRATE_NAME"), level);
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level);
    // A second subscriber in one process is no reason not to serve.
    let _ = if options.json {
        log.json().finish().with(whose).try_init()
    } else {
        log.with_target(false).finish().with(whose).try_init()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::run)?.block_on(serve(config, ids))
}

async fn serve(config: &Config, ids: &[String]) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut stations = JoinSet::new();
    let mut links = Vec::new();
    for id in ids {
        let server = config.server(id).ok_or_else(|| {
            Failure::Usage(format!("{id} is no server of this site; it has {}", list(config)))
        })?;
        links.extend(start(config, id, server, &mut stations, &stopped).await?);
    }
    // Before anybody is told that it is ready: until then SIGHUP would end it.
    let told = unix::signal(unix::SignalKind::hangup()).map_err(Failure::run)?;
    // For people and for scripts that wait; logs go to standard error.
    let _ = writeln!(std::io::stdout(), "ready: {}", ids.join(" "));
    let ended = tokio::select! {
        () = signal() => Ok(()),
        () = renew(config, &links, told) => Ok(()),
        Some(ended) = stations.join_next() => ended.unwrap_or_else(|why| Err(Failure::run(why))),
    };
    stop.send_replace(true);
    let rest = async { while stations.join_next().await.is_some() {} };
    if tokio::time::timeout(CLOSING, rest).await.is_err() {
        tracing::warn!(event = "stop.cut", "a server did not end in time");
    }
    for (id, _) in &links {
        let _ = std::fs::remove_file(config.socket(id));
    }
    ended
}

/// Starts a server; returns the links of each party that it runs.
async fn start(
    config: &Config,
    id: &str,
    server: Server<'_>,
    stations: &mut JoinSet<Result<(), Failure>>,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<(String, Arc<Lines>)>, Failure> {
    folder(&config.state(id))?;
    let party = id_of(id)?;
    let running = match server {
        Server::Forwarder => {
            let stores = config.file.backstage.iter().map(|one| id_of(&one.store.id));
            let places = stores.map(|id| Ok(Place::Store(id?))).chain([Ok(Place::Spool)]);
            let places = places.collect::<Result<Vec<_>, Failure>>()?;
            let (role, around) = forwarding(config, party).await?;
            let store = open_rows(config, id)?;
            rows::sweep(
                &store,
                around.files.as_deref(),
                &places,
                Left::Unless(Forwarder::under_way(rows::TENANT)),
            )
            .await
            .map_err(Failure::Run)?;
            begin(stations, stop, id, role, store, around)?
        }
        Server::Access(client) => {
            let (role, around) = access(config, party, client).await?;
            begin(stations, stop, id, role, MemoryStore::new(), around)?
        }
        Server::Backstage => {
            let store = open_rows(config, id)?;
            let (role, around) = backstage(config, party, &store).await?;
            begin(stations, stop, id, role, store, around)?
        }
        Server::Client(ClientFile { sftp: Some(_), .. }) => {
            let why = format!("{id} is served by the SFTP server, which runs instead");
            return Err(Failure::Usage(why));
        }
        Server::Sftp(sftp) => return crate::sftp::start(config, sftp, stations, stop).await,
        Server::Client(client) => {
            let (role, around, store) = client_server(config, party, client).await?;
            begin(stations, stop, id, role, store, around)?
        }
    };
    Ok(vec![(id.to_owned(), running.lines)])
}

/// A station that was started.
pub(crate) struct Running {
    /// Where it can be asked.
    pub(crate) asks: mpsc::Sender<control::Asked>,
    pub(crate) lines: Arc<Lines>,
}

/// Starts a station.
pub(crate) fn begin<R: Role + 'static, S: Store + Send + Sync + 'static>(
    stations: &mut JoinSet<Result<(), Failure>>,
    stop: &watch::Receiver<bool>,
    id: &str,
    role: R,
    store: S,
    around: Around,
) -> Result<Running, Failure> {
    let Around { keys, link: (link, inbox), files, packs, socket, purging } = around;
    let (asked, questions) = mpsc::channel(16);
    let listener = control::listen(&socket)?;
    let asks = asked.clone();
    let link = Arc::new(link);
    let name = id.to_owned();
    let lines = Arc::clone(&link);
    let store = Arc::new(store);
    let purged = purging.map(|purging| purging.run(name.clone(), Arc::clone(&store), stop.clone()));
    let station = Station { name, role, store, keys, link, inbox, files, questions };
    let stop = stop.clone();
    stations.spawn(async move {
        let control = tokio::spawn(control::serve(listener, asked, packs));
        let purged = purged.map(tokio::spawn);
        let ended = station.run(stop).await;
        control.abort();
        if let Some(purged) = purged {
            // Not in the middle of a page.
            let _ = purged.await;
        }
        ended
    });
    Ok(Running { asks, lines })
}

pub(crate) fn list(config: &Config) -> String {
    config.servers().collect::<Vec<_>>().join(", ")
}

/// Reads certificates, keys and roots again at each SIGHUP; what cannot be used changes nothing.
async fn renew(config: &Config, links: &[(String, Arc<Lines>)], mut told: unix::Signal) {
    while told.recv().await.is_some() {
        for (id, lines) in links {
            let renewed = credentials(config, id).and_then(|(identity, roots)| {
                let file = config.certificate(id).0;
                lines.renew(&identity, &roots).map_err(|why| Failure::file(&file, why))
            });
            match renewed {
                Ok(()) => tracing::info!(event = "certificate.renewed", server = %id),
                Err(why) => tracing::error!(event = "certificate.kept", server = %id, %why),
            }
        }
    }
    std::future::pending().await
}

/// Comes back at SIGINT or SIGTERM.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

const CLOSING: Duration = Duration::from_secs(10);
