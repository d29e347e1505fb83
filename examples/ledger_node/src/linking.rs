//! The link of a node.

use crate::config::Config;
use crate::failure::Failure;
use crate::keeper::peer;
use link_tls::{Contact, Identity, Inbox, Limits, Options, TlsLink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Listens, and dials whom the configuration names.
pub(crate) async fn open(config: &Config) -> Result<(TlsLink, Inbox), Failure> {
    let read = |path: PathBuf| std::fs::read(&path).map_err(|why| Failure::file(&path, why));
    let (certificate, key) = config.certificate();
    let key = crate::secrets::read(&key)?;
    let contacts = config
        .file
        .peer
        .iter()
        .map(|it| Ok(Contact { peer: peer(&it.name)?, address: it.address.clone() }));
    let options = Options {
        name: peer(&config.file.name)?,
        identity: Identity::new(read(certificate)?, &key[..]),
        roots: read(config.roots())?,
        listen: Some(config.file.listen),
        contacts: contacts.collect::<Result<_, Failure>>()?,
        limits: Limits {
            frame_bytes_max: ledger::Document::BYTES_MAX + (1 << 20),
            outgoing_bytes_max: 32 << 20,
            incoming_bytes_max: 32 << 20,
            backoff_most_ms: BACKOFF_MS,
            ..Limits::default()
        },
    };
    let open = TlsLink::open(options).await;
    open.map_err(|why| Failure::run(format!("the link of {}: {why}", config.file.name)))
}

/// The same where this process has listened before: the port is free a moment later.
pub(crate) async fn open_again(config: &Config) -> Result<(TlsLink, Inbox), Failure> {
    let until = Instant::now() + CLOSING;
    loop {
        match open(config).await {
            Err(_) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

const CLOSING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// Nodes of one network are looked for again at least this often.
const BACKOFF_MS: u64 = 1_000;
