//! Why a snapshot is believed: its header is signed by enough of those who vouch for blocks, as the public file names them and as what
//! changed since is shown.

use crate::network::Network;
use crate::rows::TENANT;
use crate::vouchers::{Change, Vouchers};
use bytes::Bytes;
use ledger::{Chain, Joining, Manifest, ProofError};
use port::Batch;
use seal::VerifyingKey;

/// A snapshot whose header is believed, and what of it was verified.
pub(super) struct Belief {
    pub(super) joining: Joining,
    name: [u8; 32],
    changes: Vec<Change>,
    /// Of those who vouch, as what was shown says.
    keys: Vec<VerifyingKey>,
}

impl Belief {
    /// Of a snapshot after more than so many blocks.
    pub(super) fn new(
        network: &Network,
        above: u64,
        manifest: &[u8],
        changes: &[u8],
    ) -> Result<Self, String> {
        let shows = |why: ProofError| format!("{why} ({})", why.code());
        let manifest = Manifest::parse(manifest).map_err(|why| shows(why.into()))?;
        let changes: Vec<Change> =
            serde_json::from_slice(changes).map_err(|_| shows(ProofError::Form))?;
        let signed = &manifest.header;
        if signed.header.height.next().0 <= above {
            return Err("it is of a shorter chain than was asked for".into());
        }
        let mut vouchers = Vouchers::founding(network);
        for change in &changes {
            vouchers.learn(change).map_err(shows)?;
        }
        if !vouchers.reaches(signed) {
            return Err("it is older than what it shows of its signers".into());
        }
        let (trust, keys) = (vouchers.trust(signed), vouchers.keys(signed.header.height));
        let name = manifest.name();
        let joining = Joining::new(network.genesis.clone(), &trust, TENANT, manifest);
        Ok(Self { joining: joining.map_err(shows)?, name, changes, keys })
    }

    pub(super) const fn name(&self) -> [u8; 32] {
        self.name
    }

    /// The chain, the changes as rows keep them, and the last batch; if those who vouch by the chain itself are those who were shown.
    pub(super) fn finish(self, network: &Network) -> Result<(Chain, Vec<Bytes>, Batch), String> {
        let (chain, last) = self.joining.finish().map_err(|why| why.to_string())?;
        let height = chain.head().map(|head| head.header.height).unwrap_or_default();
        if Vouchers::of(network, &chain).keys(height) != self.keys {
            return Err("it does not show all that changed among its signers".into());
        }
        let changes = self.changes.iter().map(|change| {
            serde_json::to_vec(change).map(Bytes::from).map_err(|why| why.to_string())
        });
        Ok((chain, changes.collect::<Result<_, _>>()?, last))
    }
}
