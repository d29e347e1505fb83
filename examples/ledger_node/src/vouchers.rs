//! Whose signatures under a block count: the supervision nodes with their keys, as they were at its height.
//!
//! Whoever has the network's public file knows the first ones. What changed since is shown, change by change: a header with enough
//! signatures of those known so far, and the record of the change under its root of transactions.

use crate::failure::Failure;
use crate::hex;
use crate::network::{Network, Ordering};
use base64ct::{Base64, Encoding as _};
use ledger::{
    Block, Body, Certificate, Chain, Height, Identity, KeyRing, Log, Node, NodeId, ProofError,
    Record, Role, SignedHeader, Trust, VALIDATORS_MAX, leaf_hash, verify_inclusion, votes_needed,
};
use seal::VerifyingKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Those who vouch for blocks.
#[derive(Clone, Debug)]
pub(crate) struct Vouchers<'n> {
    network: &'n Network,
    nodes: BTreeMap<NodeId, Node>,
    /// Where the newest change stands that was shown.
    shown: Option<(Height, u32)>,
}

/// A change among them, as it is shown to a stranger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Signed header, in base64.
    header: String,
    /// In base64.
    record: String,
    /// How many transactions the block has.
    count: u64,
    path: Vec<String>,
}

impl<'n> Vouchers<'n> {
    /// As the public file says.
    pub(crate) fn founding(network: &'n Network) -> Self {
        let nodes = network.nodes().filter(|(_, it)| it.role == Role::Supervision);
        let nodes = nodes.map(|(id, identity)| (id, joined(id, identity))).collect();
        Self { network, nodes, shown: None }
    }

    /// As a chain says that was verified.
    pub(crate) fn of(network: &'n Network, chain: &Chain) -> Self {
        let nodes = chain.state().nodes().filter(|(_, it)| it.role == Role::Supervision);
        let nodes = nodes.map(|(id, node)| (id, node.clone())).collect();
        Self { network, nodes, shown: None }
    }

    /// What has to be believed for a header: of each node that may vouch, the key with which it did.
    pub(crate) fn trust(&self, signed: &SignedHeader) -> Trust {
        let height = signed.header.height;
        let voters: Vec<_> = self.voters(height).collect();
        let key = |(id, node): &(NodeId, &Node)| {
            let number = match &signed.certificate {
                Certificate::Authority { key_number, .. } => Some(*key_number),
                Certificate::Votes { votes, .. } => {
                    votes.iter().find(|vote| vote.node == *id).map(|vote| vote.key_number)
                }
            };
            node.ring.at(number?, height).cloned()
        };
        let keys = voters.iter().filter_map(key).collect();
        let vouchers = match self.network.ordering {
            Ordering::Single => 1,
            Ordering::Bft => votes_needed(voters.len()),
        };
        let origin = self.network.genesis.origin().into();
        Trust { chain: self.network.chain, origin, keys, vouchers }
    }

    /// All keys of theirs that count at a height or at the next one: a block's checkpoint may be signed with either.
    pub(crate) fn keys(&self, height: Height) -> Vec<VerifyingKey> {
        let mut keys = Vec::new();
        for at in [height, height.next()] {
            for (_, node) in self.voters(at) {
                let ring = &node.ring;
                let own = (1..=ring.newest()).rev().take(KeyRing::KEYS_MAX);
                keys.extend(own.filter_map(|number| ring.at(number, at)).cloned());
            }
        }
        keys.sort_unstable_by_key(VerifyingKey::to_bytes);
        keys.dedup();
        keys
    }

    /// Believes a change that is shown; they come in their order.
    pub(crate) fn learn(&mut self, change: &Change) -> Result<(), ProofError> {
        let form = |text: &str| Base64::decode_vec(text).map_err(|_| ProofError::Form);
        let signed = SignedHeader::parse(&form(&change.header)?)?;
        let header = &signed.header;
        self.trust(&signed).check(&signed)?;
        let bytes = form(&change.record)?;
        let path = change.path.iter().map(|text| hex::bytes::<32>(text).map(|hash| *hash));
        let path: Vec<_> = path.collect::<Option<_>>().ok_or(ProofError::Form)?;
        let record = Record::parse(&bytes)?;
        let (root, leaf) = (&header.transactions_root, leaf_hash(&bytes));
        let place = u64::from(record.place);
        if record.height != header.height
            || !verify_inclusion(root, change.count, place, &leaf, &path)
        {
            return Err(ProofError::NotIncluded);
        }
        let at = Some((record.height, record.place));
        if self.shown >= at {
            return Err(ProofError::NotAsked);
        }
        self.shown = at;
        let overlap = self.network.genesis.policy().overlap;
        match record.transaction.body {
            Body::Join(identity) if identity.role == Role::Supervision => {
                let id = NodeId(header.height);
                self.nodes.insert(id, joined(id, &identity));
            }
            Body::Revoke(id) => {
                let node = self.nodes.get_mut(&id).ok_or(ProofError::NotAsked)?;
                node.ring.revoke(header.height);
                node.revoked = Some(header.height);
            }
            Body::RotateNode(it) => {
                let node = self.nodes.get_mut(&it.node).ok_or(ProofError::NotAsked)?;
                node.ring.rotate(it.signing, header.height, overlap);
            }
            _ => return Err(ProofError::NotAsked),
        }
        Ok(())
    }

    /// Whether a header is not older than what was shown.
    pub(crate) fn reaches(&self, header: &SignedHeader) -> bool {
        self.shown.is_none_or(|(height, _)| height <= header.header.height)
    }

    fn voters(&self, height: Height) -> impl Iterator<Item = (NodeId, &Node)> {
        let most = match self.network.ordering {
            Ordering::Single => 1,
            Ordering::Bft => VALIDATORS_MAX,
        };
        let has_joined = move |id: NodeId| id.0 < height || height == Height(0);
        let nodes = self.nodes.iter().map(|(id, node)| (*id, node));
        nodes
            .filter(move |(id, node)| {
                has_joined(*id) && node.is_active(height) && node.ring.is_live(height)
            })
            .take(most)
    }
}

/// Whether a transaction changes who vouches for blocks: the node that it is about.
pub(crate) fn is_change(chain: &Chain, body: &Body) -> bool {
    let supervises =
        |id: &NodeId| chain.state().node(*id).is_some_and(|it| it.role == Role::Supervision);
    match body {
        Body::Join(identity) => identity.role == Role::Supervision,
        Body::Revoke(id) => supervises(id),
        Body::RotateNode(it) => supervises(&it.node),
        _ => false,
    }
}

/// The changes of a block.
pub(crate) fn changes(chain: &Chain, block: &Block) -> Result<Vec<Change>, Failure> {
    let mut log = Log::new();
    let mut records = Vec::new();
    for record in block.records() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).map_err(Failure::run)?;
        log.push(leaf_hash(&bytes));
        records.push((record, bytes));
    }
    let mut header = Vec::new();
    block.header.encode(&mut header).map_err(Failure::run)?;
    let header = Base64::encode_string(&header);
    let changes = records.iter().filter(|(record, _)| is_change(chain, &record.transaction.body));
    let changes = changes.map(|(record, bytes)| {
        let path = log.inclusion(u64::from(record.place), log.size());
        let path = path.ok_or_else(|| Failure::run("a record is not in its block"))?;
        Ok(Change {
            header: header.clone(),
            record: Base64::encode_string(bytes),
            count: log.size(),
            path: path.iter().map(|hash| hex::text(hash)).collect(),
        })
    });
    changes.collect()
}

fn joined(id: NodeId, identity: &Identity) -> Node {
    Node {
        name: identity.name.clone(),
        role: identity.role,
        ring: KeyRing::new(identity.signing.clone(), id.0),
        sealing: identity.sealing,
        revoked: None,
    }
}
