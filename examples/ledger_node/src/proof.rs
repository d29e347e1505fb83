//! Proof files: who owns a thing, and how that came to be, for strangers who have nothing but the network's public file.
//!
//! JSON around the ledger's own proofs: an entry proof for the thing and one for its file (base64), and a C2SP `tlog-proof` for each
//! record of the title. All of them are of one moment: one header, one checkpoint. Where those who vouch for blocks have changed since the public
//! file was made, what changed is shown as well.

use crate::failure::Failure;
use crate::hex;
use crate::index::{self, Entry};
use crate::network::Network;
use crate::say;
use crate::vouchers::{Change, Vouchers};
use base64ct::{Base64, Encoding as _};
use ledger::{
    Certificate, Chain, EntryKey, EntryProof, Height, Note, ProofError, RecordProof, SignedHeader,
    ThingId, ThingKey, Title, TitleStep, Trust,
};
use port::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A proof file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    format: String,
    /// The thing in words, where whoever asked knew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    thing: Option<String>,
    thing_key: String,
    holding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<String>,
    /// What changed among those who vouch for blocks since the network's public file was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

impl Proof {
    /// Makes a proof at the chain's newest block; the index has to be up to date. With the checkpoint of this very block it has the
    /// history, too.
    ///
    /// Signatures beyond those that it takes are left out: nobody has to believe them, and nobody would notice a change in them.
    pub(crate) async fn make<S: Store>(
        store: &S,
        chain: &Chain,
        network: &Network,
        checkpoint: Option<&Note>,
        thing: ThingKey,
        words: Option<&ThingId>,
    ) -> Result<Self, Failure> {
        let head = chain.head().ok_or_else(|| Failure::run("the chain has no block yet"))?;
        let head = with_enough(head, &Vouchers::of(network, chain).trust(head));
        let founded = Height(u64::try_from(network.founding.len()).map_err(Failure::run)?);
        let entry = |key: EntryKey| -> Result<String, Failure> {
            let value = chain.state().entry(key).map(|entry| entry.value()).transpose();
            let value = value.map_err(Failure::run)?.flatten();
            let proof = EntryProof::new(head.clone(), key, value, chain.map().prove(&key.path()));
            let mut bytes = Vec::new();
            proof.encode(&mut bytes).map_err(Failure::run)?;
            Ok(Base64::encode_string(&bytes))
        };
        let holding = chain.state().holding(thing);
        let mut records = Vec::new();
        if let Some(checkpoint) = checkpoint {
            let size = head.header.log_size;
            let mut title = Title::new(thing, chain.state().genesis().policy().approvals);
            for Entry { record, index } in index::history(store, thing).await? {
                if !title.update(&record) {
                    continue;
                }
                let path = chain.log().inclusion(index, size);
                let path = path.ok_or_else(|| Failure::run("a record is not in the log"))?;
                let mut bytes = Vec::new();
                record.encode(&mut bytes).map_err(Failure::run)?;
                records.push(RecordProof::new(bytes, index, path, checkpoint.clone()).to_string());
            }
        }
        Ok(Self {
            format: FORMAT.into(),
            thing: words.map(ThingId::to_string),
            thing_key: hex::text(&thing.0),
            holding: entry(EntryKey::Thing(thing))?,
            file: holding.map(|holding| entry(EntryKey::File(holding.file))).transpose()?,
            records,
            changes: index::changes(store, chain, founded).await?,
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let proof: Self = serde_json::from_slice(bytes)
            .map_err(|_| Failure::Unproven("it is not in the form of a proof".into()))?;
        if proof.format == FORMAT {
            Ok(proof)
        } else {
            Err(Failure::Unproven(format!("its format is not {FORMAT}")))
        }
    }

    /// What it proves to somebody who trusts the nodes of a network.
    pub(crate) fn verify(&self, network: &Network) -> Result<Value, Failure> {
        let unproven = |why: String| Failure::Unproven(why);
        let shows = |why: ProofError| Failure::Unproven(format!("{why} ({})", why.code()));
        let mut vouchers = Vouchers::founding(network);
        for change in &self.changes {
            vouchers.learn(change).map_err(shows)?;
        }
        let key = hex::bytes::<32>(&self.thing_key).map(|key| ThingKey(*key));
        let key = key.ok_or_else(|| unproven("its thing has no name".into()))?;
        if let Some(words) = &self.thing
            && say::thing(words).map_err(Failure::Unproven)?.key() != key
        {
            return Err(unproven(format!("it is not about {words}")));
        }
        let proof = entry(&self.holding)?;
        let trust = vouchers.trust(&proof.header);
        if !vouchers.reaches(&proof.header) {
            return Err(unproven("it is older than what it shows of its signers".into()));
        }
        let seen = proof.verify_holding(&trust, key).map_err(shows)?;
        let header = proof.header.header;
        let keys = vouchers.keys(header.height);
        let mut shown = json!({
            "thing": self.thing,
            "thing_key": self.thing_key,
            "as_of": { "height": seen.height.0, "time": seen.time.to_string() },
            "owner": Value::Null,
            "file": Value::Null,
        });
        match (seen.found, &self.file) {
            (None, None) => {}
            (Some(holding), Some(file)) => {
                let proof = entry(file)?;
                let seen = proof.verify(&trust, EntryKey::File(holding.file)).map_err(shows)?;
                let Some(ledger::Entry::File(_, file)) = seen.found else {
                    return Err(unproven("its file is not on the chain".into()));
                };
                let is_one = proof.header == entry(&self.holding)?.header;
                if !is_one || file.thing != key || file.holder() != holding.owner {
                    return Err(unproven("thing and file do not belong together".into()));
                }
                shown["owner"] = hex::text(&holding.owner.0).into();
                shown["file"] = hex::text(&holding.file.0).into();
                shown["state"] = say::stage(file.stage()).into();
                shown["type"] = file.kind.as_str().into();
                shown["region"] = file.region.as_str().into();
                shown["commitment"] = hex::text(&file.commitment).into();
                shown["liens"] = file.liens.len().into();
                shown["leases"] = file.leases.len().into();
            }
            _ => return Err(unproven("thing and file do not belong together".into())),
        }
        if !self.records.is_empty() {
            let approvals = network.genesis.policy().approvals;
            let one = Trust { vouchers: 1, keys, ..trust };
            let title = self.title(&one, Title::new(key, approvals), &header)?;
            let found = seen.found.map(|holding| (holding.owner, holding.file));
            if title.owner().zip(title.file()) != found {
                return Err(unproven("its history does not end with the owner".into()));
            }
            shown["history"] = title.steps().iter().map(step).collect();
        }
        Ok(shown)
    }

    fn title(
        &self,
        // Enough vouch for the header, and it has the log's root; of the checkpoints, which say the same, one signature has to be right.
        one: &Trust,
        mut title: Title,
        header: &ledger::Header,
    ) -> Result<Title, Failure> {
        let unproven = |why: &str| Failure::Unproven(why.into());
        let mut last = None;
        for text in &self.records {
            let shows = |why: ProofError| Failure::Unproven(format!("{why} ({})", why.code()));
            let proof = RecordProof::parse(text).map_err(shows)?;
            proof.verify(one).map_err(shows)?;
            let record = proof.verify_in(header).map_err(shows)?;
            let at = (record.height, record.place);
            if last.is_some_and(|last| last >= at) || !title.update(&record) {
                return Err(unproven("its history is not in order, or not of this thing"));
            }
            last = Some(at);
        }
        Ok(title)
    }
}

/// A header with as many votes as it takes, of those who are believed.
fn with_enough(head: &SignedHeader, trust: &Trust) -> SignedHeader {
    let mut head = head.clone();
    if let Certificate::Votes { round, votes } = &mut head.certificate {
        let (round, header) = (*round, &head.header);
        votes.retain(|vote| {
            let one = Certificate::Votes { round, votes: vec![*vote] };
            one.signed_by(header, &trust.keys) == 1
        });
        votes.truncate(trust.vouchers);
    }
    head
}

fn entry(text: &str) -> Result<EntryProof, Failure> {
    let bytes = Base64::decode_vec(text).ok();
    let proof = bytes.and_then(|bytes| EntryProof::parse(&bytes).ok());
    proof.ok_or_else(|| Failure::Unproven("a part is not in the form of a proof".into()))
}

/// A step of a title, for people.
pub(crate) fn step(step: &TitleStep) -> Value {
    json!({
        "height": step.height.0,
        "owner": step.owner.map(|party| hex::text(&party.0)),
        "file": step.file.map(|file| hex::text(&file.0)),
    })
}

const FORMAT: &str = "interbank/ledger_node/proof/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{ChainId, Header, Height, NodeId, Vote, VoteKind, VoteSignature, votes_needed};
    use port::Time;
    use seal::{Secret, SigningKey};

    #[test]
    fn a_header_carries_as_many_votes_as_it_takes() {
        let chain = ChainId([1; 32]);
        let header = Header {
            chain,
            height: Height(7),
            previous: [2; 32],
            time: Time::EPOCH,
            proposer: NodeId(Height(0)),
            transactions_root: [3; 32],
            log_size: 9,
            log_root: [4; 32],
            state_root: [5; 32],
        };
        let keys: Vec<_> =
            (1..=5).map(|seed| SigningKey::from_seed(&Secret::new([seed; 32]))).collect();
        let votes = (0..).zip(&keys).map(|(at, key)| {
            let node = NodeId(Height(at));
            let (height, value) = (header.height, Some(header.digest()));
            let kind = VoteKind::Commit;
            let vote = Vote { chain, height, round: 0, kind, value, node };
            VoteSignature { node, key_number: 1, signature: key.sign(&vote.to_sign()) }
        });
        // The first one is a stranger's.
        let trusted = keys[1..].iter().map(SigningKey::verifying_key).collect();
        let vouchers = votes_needed(4);
        let trust = Trust { chain, origin: "registry.example".into(), keys: trusted, vouchers };
        let certificate = Certificate::Votes { round: 0, votes: votes.collect() };
        let head = with_enough(&SignedHeader { header, certificate }, &trust);
        assert_eq!(trust.check(&head), Ok(()));
        let Certificate::Votes { votes, .. } = &head.certificate else { panic!("no votes") };
        assert_eq!(votes.len(), 3);
        for at in 0..votes.len() {
            let mut changed = head.clone();
            if let Certificate::Votes { votes, .. } = &mut changed.certificate {
                votes[at].signature[5] ^= 1;
            }
            assert_eq!(trust.check(&changed), Err(ProofError::NotSigned), "vote {at}");
        }
    }
}
