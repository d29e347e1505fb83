//! A node's next signing key: stored, asked for on the chain, and used when it counts there.

use crate::config::{NodeKeys, SIGNING};
use crate::failure::Failure;
use crate::hex;
use crate::keeper::Keeper;
use crate::key_file;
use crate::windows;
use ledger::{At, Body, Chain, NodeId, Refusal, RotateNode, Signer, Transaction};
use port::Time;
use seal::{Secret, SigningKey};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where a node's key stands.
pub(super) struct Rotation {
    node: NodeId,
    path: PathBuf,
    again_ms: u64,
    next: Option<(SigningKey, Secret<32>)>,
    due: Time,
    /// Whether the key in use was held against the chain.
    is_checked: bool,
}

impl Rotation {
    /// Goes on with a key that was drawn before.
    pub(super) fn open(node: NodeId, path: PathBuf, again_ms: u64) -> Result<Self, Failure> {
        let next = key_file::waiting(&path)?;
        Ok(Self { node, path, again_ms, next, due: Time::EPOCH, is_checked: false })
    }

    /// Somebody wants a next key.
    pub(super) fn begin(
        &mut self,
        now: Time,
        chain: &Chain,
        keys: &NodeKeys,
    ) -> Result<Value, String> {
        let number = keys.number.checked_add(1).ok_or("the node has had as many keys as it may")?;
        let (next, seed) =
            key_file::prepare(&self.path, &number.to_string()).map_err(|why| why.to_string())?;
        let shown = json!({
            "number": number,
            "public_key": hex::text(&next.verifying_key().to_bytes()),
        });
        let transaction = self.transaction(chain, keys, &next)?;
        let head = chain.head().map_or(now, |head| head.header.time.max(now));
        let at = At { height: chain.next_height(), time: head };
        match chain.state().judge(at, &transaction) {
            // It counts already, and is about to be used.
            Err(Refusal::StaleSequence) | Ok(_) => {}
            Err(why) => return Err(format!("the chain refuses it: {why} ({})", why.code())),
        }
        self.next = Some((next, seed));
        self.due = Time::EPOCH;
        Ok(shown)
    }

    /// Asks for the next key until it counts; then it is the one in use, which this returns.
    pub(super) fn on_tick(
        &mut self,
        now: Time,
        keeper: &mut Keeper,
        keys: &mut NodeKeys,
    ) -> Result<Option<u16>, Failure> {
        let Some(chain) = keeper.chain() else { return Ok(None) };
        self.check(chain, keys)?;
        let Some((next, seed)) = &self.next else { return Ok(None) };
        let Some(node) = chain.state().node(self.node) else { return Ok(None) };
        let number = node.ring.newest();
        if node.ring.at(number, chain.next_height()) == Some(&next.verifying_key()) {
            key_file::adopt(&self.path, keys.number)?;
            keys.soft.add_signing(SIGNING, seed);
            keys.signing = next.clone();
            keys.number = number;
            self.next = None;
            tracing::info!(event = "key.changed", number);
            keeper.rekey(number)?;
            return Ok(Some(number));
        }
        if now >= self.due && node.revoked.is_none() {
            self.due = now.plus_ms(self.again_ms.saturating_mul(3));
            let transaction = self.transaction(chain, keys, next).map_err(Failure::Run)?;
            if let Err(code) = keeper.submit(now, transaction) {
                tracing::debug!(event = "key.waits", code);
            }
        }
        Ok(None)
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.next.as_ref().map(|_| self.due)
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.next.is_some()
    }

    /// A key that the chain knows otherwise would make every signature a wrong one. A node whose rows are behind does not know yet.
    fn check(&mut self, chain: &Chain, keys: &NodeKeys) -> Result<(), Failure> {
        let Some(node) = chain.state().node(self.node) else { return Ok(()) };
        if self.is_checked || node.revoked.is_some() || node.ring.newest() < keys.number {
            return Ok(());
        }
        self.is_checked = true;
        if node.ring.at(keys.number, chain.next_height()) == Some(&keys.signing.verifying_key()) {
            return Ok(());
        }
        let why = format!(
            "on the chain, key {} of this node is another one, or counts no more",
            keys.number
        );
        Err(Failure::file(&self.path, why))
    }

    fn transaction(
        &self,
        chain: &Chain,
        keys: &NodeKeys,
        next: &SigningKey,
    ) -> Result<Transaction, String> {
        let body = Body::RotateNode(RotateNode {
            node: self.node,
            newest: keys.number,
            signing: next.verifying_key(),
            // Documents stay sealed for the key that they are sealed for.
            sealing: keys.sealing.public(),
        });
        let transaction = Transaction::new(chain.id(), windows::own(chain), body);
        let own = Signer::Key(next.verifying_key().to_bytes());
        transaction
            .sign(Signer::Node(self.node), keys.number, &keys.signing)
            .and_then(|it| it.sign(own, 0, next))
            .map_err(|why| why.to_string())
    }
}
