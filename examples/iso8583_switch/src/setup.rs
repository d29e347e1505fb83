//! From options to a switch that runs: parameters accepted and loaded, machines made.

use crate::clock;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::hurry::Hurry;
use crate::network::Network;
use crate::parameters::Signed;
use crate::shelf::Shelf;
use crate::vault::Vault;
use port::{Skew, Zone, decide};
use seal::SoftKeys;
use standin::{Forwarder, InstallVerdict, Loaded, StandIn, StandInConfig, Switch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything at rest, deciding by these parameters, or by newer ones that the store has accepted already.
pub(crate) async fn exchange(
    network: Arc<Network>,
    shelf: Shelf,
    signed: &Signed,
    secret: &[u8; 32],
    hurry: Hurry,
) -> Result<Exchange, Failure> {
    let shelf = Arc::new(shelf);
    let mut config = StandInConfig {
        institution: signed.institution,
        zone: Zone::utc(),
        parameters: None,
        mac_keys: BTreeMap::new(),
        mac_required: false,
        lanes: LANES,
        skew: Skew::default(),
        journal_kept_ms: KEPT_MS,
    };
    let now = clock::now();
    let stand_in = StandIn::new(config.clone());
    let mut install = stand_in.install(now, &signed.trust, signed.sealed.clone());
    let keys = SoftKeys::new();
    let installed = decide(&*shelf, &keys, &mut install).await.map_err(Failure::run)?;
    if let InstallVerdict::Refused(why) = installed.verdict {
        return Err(Failure::Run(format!("the parameters are refused: {why}")));
    }
    let mut load = stand_in.load(now, &signed.trust);
    config.parameters = match decide(&*shelf, &keys, &mut load).await.map_err(Failure::run)? {
        Loaded::InForce { parameters, .. } => Some(parameters),
        Loaded::Distrusted(why) => {
            return Err(Failure::Run(format!("the parameters in the store are refused: {why}")));
        }
        _ => None,
    };
    let stand_in = StandIn::new(config);
    let switch = Switch::new(now, hurry.switch(signed.institution)?).map_err(Failure::run)?;
    let forwarder = Forwarder::new(now, &stand_in, hurry.forwarder()).map_err(Failure::run)?;
    Ok(Exchange::new(network, Vault::new(secret), shelf, stand_in, (switch, forwarder)))
}

const LANES: u16 = 16;
/// Two days: networks repeat no longer.
const KEPT_MS: u64 = 2 * 86_400_000;
