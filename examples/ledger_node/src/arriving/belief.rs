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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vouchers;
    use ledger::{
        Block, Body, Genesis, Identity, NodeId, NodeName, Policy, Role, RotateNode, SealingKey,
        Signer, Snapshot, Transaction, Window,
    };
    use port::Time;
    use seal::{Secret, SigningKey};

    /// A network of one node that has replaced its key, and the block in which it did.
    struct Place {
        network: Network,
        chain: Chain,
        rotated: Block,
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([seed; 32]))
    }

    fn place(origin: &str) -> Place {
        let sealing = SealingKey::from_seed(&Secret::new([9; 32])).public();
        let founder = Identity {
            name: NodeName::new("one").unwrap(),
            role: Role::Supervision,
            signing: key(1).verifying_key(),
            sealing,
        };
        let genesis = Genesis::new(origin, Policy::default(), founder.clone(), Time::EPOCH);
        let genesis = genesis.unwrap();
        let mut chain = Chain::new(genesis.clone()).unwrap();
        let own = Signer::Key(key(1).verifying_key().to_bytes());
        let window = |chain: &Chain| Window::new(chain.next_height(), 1);
        let join = Transaction::new(chain.id(), window(&chain), Body::Join(founder));
        let join = join.sign(own, 0, &key(1)).unwrap();
        grow(&mut chain, join.clone());
        let next = key(2).verifying_key();
        let rotate = RotateNode { node: NodeId::FOUNDER, newest: 1, signing: next, sealing };
        let rotate = Transaction::new(chain.id(), window(&chain), Body::RotateNode(rotate));
        let by = Signer::Node(NodeId::FOUNDER);
        let proof = Signer::Key(key(2).verifying_key().to_bytes());
        let rotate = rotate.sign(by, 1, &key(1)).unwrap().sign(proof, 0, &key(2)).unwrap();
        let rotated = grow(&mut chain, rotate);
        let network = Network::new(genesis, vec![join]).unwrap_or_else(|why| panic!("{why}"));
        Place { network, chain, rotated }
    }

    fn grow(chain: &mut Chain, transaction: Transaction) -> Block {
        let draft = chain.draft(Time::from_s(1), NodeId::FOUNDER, &[transaction], 80);
        assert_eq!(draft.fates, [Ok(())]);
        let signature = key(1).sign(&draft.header.to_sign());
        let block = draft.into_block(1, signature);
        chain.take(&block).unwrap();
        block
    }

    fn believed(place: &Place, above: u64, changes: &[Change]) -> Result<Belief, String> {
        let snapshot = Snapshot::of(&place.chain, None).unwrap();
        let mut manifest = Vec::new();
        snapshot.manifest().encode(&mut manifest).unwrap();
        let changes = serde_json::to_vec(changes).unwrap();
        let mut belief = Belief::new(&place.network, above, &manifest, &changes)?;
        while let Some(number) = belief.joining.wants() {
            belief.joining.take(&snapshot.chunk(number).unwrap().unwrap()).unwrap();
        }
        Ok(belief)
    }

    #[test]
    fn ld12_a_snapshot_is_believed_with_all_that_changed_among_its_signers() {
        let place = place("here");
        let changes = vouchers::changes(&place.chain, &place.rotated).unwrap();
        let belief = believed(&place, 1, &changes).unwrap();
        let (chain, kept, _) = belief.finish(&place.network).unwrap();
        assert_eq!((chain, kept.len()), (place.chain.clone(), 1));
        // The header is signed with the key of before: that there is another one is seen at the end.
        let belief = believed(&place, 1, &[]).unwrap();
        let said = belief.finish(&place.network).map(|_| ()).unwrap_err();
        assert!(said.contains("does not show all that changed"), "{said}");
        // Twice is not in order.
        let twice = [changes.clone(), changes].concat();
        assert!(believed(&place, 1, &twice).is_err());
    }

    #[test]
    fn ld12_a_snapshot_that_is_too_short_or_of_others_is_refused() {
        let place = place("here");
        let changes = vouchers::changes(&place.chain, &place.rotated).unwrap();
        let said = believed(&place, 2, &changes).map(|_| ()).unwrap_err();
        assert!(said.contains("shorter chain"), "{said}");
        let elsewhere = Place { network: self::place("elsewhere").network, ..place };
        assert!(believed(&elsewhere, 1, &[]).map(|_| ()).unwrap_err().contains("(7031)"));
        assert!(believed(&elsewhere, 1, &changes).is_err());
        let said = Belief::new(&elsewhere.network, 1, b"no manifest", b"[]");
        assert!(said.map(|_| ()).unwrap_err().contains("(7030)"));
    }
}
