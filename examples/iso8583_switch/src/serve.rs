//! The switch and the simulated host as processes of their own, until they are interrupted.

use crate::control;
use crate::failure::Failure;
use crate::file;
use crate::host::Host;
use crate::hurry::Hurry;
use crate::network::Network;
use crate::news;
use crate::options::{HostOptions, SwitchOptions};
use crate::parameters::Signed;
use crate::say;
use crate::setup;
use crate::shelf::Shelf;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// The switch.
pub(crate) async fn switch(options: &SwitchOptions) -> Result<(), Failure> {
    let hurry = Hurry::new(options.common.hurry);
    let network = Arc::new(Network::new(options.common.codings.get())?);
    let signed = match (&options.parameters, &options.issuer, &options.public_key) {
        (Some(path), Some(issuer), Some(key)) => {
            Signed::read(path, options.institution, issuer, options.key_id, key)?
        }
        _ => Signed::for_tests()?,
    };
    if signed.institution != options.institution {
        let own = signed.institution;
        return Err(Failure::Usage(format!("--institution other than {own} needs --parameters")));
    }
    let secret = match &options.secret {
        Some(path) => read_secret(path)?,
        None => Zeroizing::new(TEST_SECRET),
    };
    let shelf = Shelf::open(&options.store)?;
    let exchange = setup::exchange(network, shelf, &signed, &secret, hurry).await?;
    let listener = news::bind(options.listen).await?;
    let at = listener.local_addr().map_err(Failure::run)?;
    let mut standing = exchange.standing();
    let (inbox, _tasks) = news::open(listener, options.host, hurry.wait(RECONNECT_MS));
    let (close, closing) = watch::channel(false);
    let exchanging = tokio::spawn(exchange.run(inbox, closing));
    say(&format!("acquirers connect to {at}, the host is at {}", options.host))?;
    let mut said = None;
    loop {
        let state = standing.borrow_and_update().state;
        if said.replace(state) != Some(state) {
            say(&format!("the host is taken for {state}"))?;
        }
        tokio::select! {
            changed = standing.changed() => if changed.is_err() { break },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    close.send_replace(true);
    let tally = exchanging.await.map_err(Failure::run)??;
    say(&format!(
        "{} messages, {} answers, {} of them by stand-in; {} entries delivered",
        tally.received, tally.answered, tally.stood_in, tally.delivered
    ))
}

/// The simulated host.
pub(crate) async fn host(options: &HostOptions) -> Result<(), Failure> {
    let network = Arc::new(Network::new(options.codings.get())?);
    let host =
        Arc::new(Host::new(network, options.institution, options.opening_minor, options.seed));
    let listener = news::bind(options.listen).await?;
    let orders = news::bind(options.control).await?;
    let at = listener.local_addr().map_err(Failure::run)?;
    let orders_at = orders.local_addr().map_err(Failure::run)?;
    say(&format!("the switch connects to {at}, orders to {orders_at}"))?;
    tokio::select! {
        served = host.clone().serve(listener) => served,
        () = control::serve(host, orders) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let bytes = file::read(path, 32)?;
    let bad = |_| Failure::File { path: path.into(), why: "it has not 32 bytes".into() };
    <[u8; 32]>::try_from(&bytes[..]).map(Zeroizing::new).map_err(bad)
}

/// Of what is only tried out: everybody knows it.
pub(crate) const TEST_SECRET: [u8; 32] = [7; 32];
pub(crate) const RECONNECT_MS: u64 = 500;
