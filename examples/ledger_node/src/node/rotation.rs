//! A node's next keys: stored, asked for on the chain, and used when they count there.
//!
//! Its signing key is replaced, and its sealing key with it if that is wished. What is asked for follows from the files: while
//! `sealing.seed.next` is there, the change names that key, and it is there before `signing.seed.next` is. So no change is ever under
//! way whose sealing key is not in a file, whenever the node stops.

use crate::config::{Config, NodeKeys, SIGNING};
use crate::failure::Failure;
use crate::hex;
use crate::keeper::Keeper;
use crate::key_file;
use crate::windows;
use ledger::{At, Body, Chain, NodeId, Refusal, RotateNode, SealingKey, Signer, Transaction};
use port::Time;
use seal::{Secret, SigningKey};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where a node's keys stand.
pub(super) struct Rotation {
    node: NodeId,
    signing: PathBuf,
    sealing: PathBuf,
    again_ms: u64,
    next: Option<Next>,
    due: Time,
    /// Whether the keys in use were held against the chain.
    is_checked: bool,
}

/// The keys that are to follow.
struct Next {
    key: SigningKey,
    seed: Secret<32>,
    /// If it is replaced, too.
    sealing: Option<SealingKey>,
}

impl Rotation {
    /// Goes on with keys that were drawn before.
    pub(super) fn open(config: &Config, keys: &NodeKeys) -> Result<Self, Failure> {
        let mut rotation = Self {
            node: config.node()?,
            signing: config.signing(),
            sealing: config.sealing(),
            again_ms: config.file.pace.again_ms,
            next: None,
            due: Time::EPOCH,
            is_checked: false,
        };
        let is_under_way = key_file::waiting(&rotation.signing)?.is_some()
            || key_file::waiting(&rotation.sealing)?.is_some();
        if is_under_way {
            rotation.next = Some(rotation.prepare(keys)?);
        }
        Ok(rotation)
    }

    /// Somebody wants next keys.
    pub(super) fn begin(
        &mut self,
        now: Time,
        chain: &Chain,
        keys: &NodeKeys,
        with_sealing: bool,
    ) -> Result<Value, String> {
        let number = following(keys).map_err(|why| why.to_string())?;
        // The chain has to be asked in any case whether it allows this; a key is drawn only then.
        self.judge(now, chain, keys)?;
        if with_sealing {
            if self.next.as_ref().is_some_and(|next| next.sealing.is_none()) {
                return Err("a new signing key alone is under way; ask again when it counts".into());
            }
            if keys.sealing.is_full() {
                return Err("as many former sealing keys are kept as may be; `ledger_node rewrap` deletes those that nothing needs".into());
            }
            let drawn = key_file::prepare(&self.sealing, &number.to_string());
            drawn.map_err(|why| why.to_string())?;
        }
        let next = self.prepare(keys).map_err(|why| why.to_string())?;
        let mut shown = json!({
            "number": number,
            "public_key": hex::text(&next.key.verifying_key().to_bytes()),
        });
        if let Some(sealing) = &next.sealing {
            shown["sealing_public_key"] = hex::text(&sealing.public()).into();
        }
        self.next = Some(next);
        self.due = Time::EPOCH;
        Ok(shown)
    }

    /// Asks for the next keys until they count; then they are those in use. Returns the number that they have.
    pub(super) fn on_tick(
        &mut self,
        now: Time,
        keeper: &mut Keeper,
        keys: &mut NodeKeys,
    ) -> Result<Option<u16>, Failure> {
        let Some(chain) = keeper.chain() else { return Ok(None) };
        self.check(chain, keys)?;
        let Some(next) = &self.next else { return Ok(None) };
        let Some(node) = chain.state().node(self.node) else { return Ok(None) };
        let number = node.ring.newest();
        if node.ring.at(number, chain.next_height()) == Some(&next.key.verifying_key()) {
            // The signing key last: as long as its next one waits, this is done again.
            if let Some(sealing) = &next.sealing {
                if sealing.public() != node.sealing {
                    return Err(Failure::file(&self.sealing, FOREIGN));
                }
                key_file::adopt(&self.sealing, keys.sealing.number())?;
                keys.sealing.rotate(number, sealing.clone()).map_err(Failure::run)?;
            }
            key_file::adopt(&self.signing, keys.number)?;
            keys.soft.add_signing(SIGNING, &next.seed);
            keys.signing = next.key.clone();
            keys.number = number;
            self.next = None;
            let sealing = keys.sealing.number();
            tracing::info!(event = "key.changed", number, sealing);
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

    /// The next keys from their files; the signing key is drawn if there is none.
    fn prepare(&self, keys: &NodeKeys) -> Result<Next, Failure> {
        let seed = key_file::prepare(&self.signing, &following(keys)?.to_string())?;
        let sealing = key_file::waiting(&self.sealing)?;
        let sealing = sealing.map(|seed| SealingKey::from_seed(&seed));
        Ok(Next { key: SigningKey::from_seed(&seed), seed, sealing })
    }

    /// Whether the chain would take a change of this node's keys now.
    fn judge(&self, now: Time, chain: &Chain, keys: &NodeKeys) -> Result<(), String> {
        // Which keys it names is no matter here.
        let trial = Next { key: keys.signing.clone(), seed: Secret::new([0; 32]), sealing: None };
        let transaction = self.transaction(chain, keys, &trial)?;
        let head = chain.head().map_or(now, |head| head.header.time.max(now));
        let at = At { height: chain.next_height(), time: head };
        match chain.state().judge(at, &transaction) {
            // It counts already, and is about to be used.
            Err(Refusal::StaleSequence) | Ok(_) => Ok(()),
            Err(why) => Err(format!("the chain refuses it: {why} ({})", why.code())),
        }
    }

    /// Keys that the chain knows otherwise would make every signature a wrong one, and documents that nobody opens. A node whose rows
    /// are behind does not know yet.
    fn check(&mut self, chain: &Chain, keys: &NodeKeys) -> Result<(), Failure> {
        let Some(node) = chain.state().node(self.node) else { return Ok(()) };
        let newest = node.ring.newest();
        if self.is_checked
            || node.revoked.is_some()
            || newest < keys.number
            || newest < keys.sealing.number()
        {
            return Ok(());
        }
        self.is_checked = true;
        if node.ring.at(keys.number, chain.next_height()) != Some(&keys.signing.verifying_key()) {
            let why = format!(
                "on the chain, key {} of this node is another one, or counts no more",
                keys.number
            );
            return Err(Failure::file(&self.signing, why));
        }
        let next = self.next.as_ref().and_then(|next| next.sealing.as_ref());
        let known = [Some(keys.sealing.newest()), next];
        if known.into_iter().flatten().all(|key| key.public() != node.sealing) {
            return Err(Failure::file(&self.sealing, FOREIGN));
        }
        Ok(())
    }

    fn transaction(
        &self,
        chain: &Chain,
        keys: &NodeKeys,
        next: &Next,
    ) -> Result<Transaction, String> {
        let sealing = next.sealing.as_ref().unwrap_or(keys.sealing.newest());
        let body = Body::RotateNode(RotateNode {
            node: self.node,
            newest: keys.number,
            signing: next.key.verifying_key(),
            sealing: sealing.public(),
        });
        let transaction = Transaction::new(chain.id(), windows::own(chain), body);
        let own = Signer::Key(next.key.verifying_key().to_bytes());
        transaction
            .sign(Signer::Node(self.node), keys.number, &keys.signing)
            .and_then(|it| it.sign(own, 0, &next.key))
            .map_err(|why| why.to_string())
    }
}

/// The number that the next keys will have.
fn following(keys: &NodeKeys) -> Result<u16, Failure> {
    let number = keys.number.checked_add(1);
    number.ok_or_else(|| Failure::usage("the node has had as many keys as it may"))
}

const FOREIGN: &str = "on the chain, the sealing key of this node is another one";
