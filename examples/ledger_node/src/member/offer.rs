//! Offers: what two parties sign, each through its member, before it is anybody else's business.

use super::{Member, digest};
use crate::clock;
use crate::config::NodeKeys;
use crate::documents::{self, commit};
use crate::failure::Failure;
use crate::hex;
use crate::keeper::peer;
use crate::rows::{self, Table};
use crate::word::Word;
use bytes::Bytes;
use ledger::{
    Body, Chain, ChainId, Height, NodeId, OnFile, Party, PartyId, SealingRing, Signer, State,
    Through, Transaction,
};
use port::wire::{Reader, Writer};
use port::{Batch, Expect, Key, Peer, Time};
use seal::Secret;
use serde_json::{Value, json};
use store_redb::RedbStore;

/// An offer as it is kept: version 1, whose (1), whether the other side has it (1), transaction (`u16` length).
pub(super) struct Offer {
    pub(super) is_own: bool,
    pub(super) is_kept: bool,
    pub(super) transaction: Transaction,
}

impl Offer {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        from.version(1).ok()?;
        let (is_own, is_kept) = (from.flag().ok()?, from.flag().ok()?);
        let transaction = Transaction::parse(from.lp16().ok()?).ok()?;
        Some(Self { is_own, is_kept, transaction })
    }

    pub(super) fn to_row(&self) -> Result<(Key, Bytes), Failure> {
        let mut value = Vec::with_capacity(640);
        let bytes = self.transaction.to_bytes().map_err(Failure::run)?;
        let mut to = Writer::new(&mut value, 1);
        to.u8(u8::from(self.is_own)).u8(u8::from(self.is_kept));
        to.lp16(&bytes).map_err(Failure::run)?;
        Ok((Table::Offers.row(&digest(&self.transaction)?)?, value.into()))
    }

    pub(super) async fn keep(&self, store: &RedbStore) -> Result<(), Failure> {
        let (key, value) = self.to_row()?;
        let mut batch = Batch::with_capacity(1);
        batch.put(key, Expect::Any, value);
        commit(store, &batch).await
    }
}

impl Member {
    /// Offers that wait.
    pub(crate) async fn offers(&self, chain: &Chain) -> Result<Value, String> {
        let all = rows::all(&*self.store, Table::Offers.prefix()).await;
        let all = all.map_err(|why| why.to_string())?;
        let mut shown = Vec::new();
        for offer in all.iter().filter_map(|(_, row)| Offer::parse(&row.value)) {
            let Some(it) = sides(chain.state(), &offer.transaction.body) else { continue };
            if stands(chain, &offer.transaction).is_none() {
                continue;
            }
            let file = chain.state().file(it.on.file);
            let digest = digest(&offer.transaction).map_err(|why| why.to_string())?;
            shown.push(json!({
                "offer": hex::text(&digest),
                "file": hex::text(&it.on.file.0),
                "thing_key": file.map(|file| hex::text(&file.thing.0)),
                "type": file.map(|file| file.kind.as_str()),
                "from": hex::text(&it.from.0),
                "to": hex::text(&it.to.party.0),
                "is_own": offer.is_own,
                "has_arrived": offer.is_kept,
                "what": it.what,
                "reference": it.reference.map(|reference| hex::text(&reference)),
                "from_time": it.lease.map(|(from, _, _)| from.to_string()),
                "until_time": it.lease.map(|(_, until, _)| until.to_string()),
                "exclusive": it.lease.map(|(_, _, exclusive)| exclusive),
            }));
        }
        Ok(shown.into())
    }

    /// Somebody offers something to a party of this member.
    pub(super) async fn on_offer(
        &mut self,
        chain: &Chain,
        from: &Peer,
        transaction: Transaction,
    ) -> Result<(), Failure> {
        let Some(it) = sides(chain.state(), &transaction.body) else { return Ok(()) };
        let sender = chain.state().node(it.member).map(|node| node.name.as_str());
        let is_ours = it.to.member == self.node && chain.state().party(it.to.party).is_some();
        let is_meant = transaction.chain == chain.id() && sender == Some(from.as_str());
        // Nobody can make this node keep what is not, or no longer, to be decided here. The chain may still be behind: it comes
        // again.
        let is_theirs = is_by(chain, &transaction, it.from);
        if !is_ours || !is_meant || !is_theirs || stands(chain, &transaction).is_none() {
            return Ok(());
        }
        let digest = digest(&transaction)?;
        let known = rows::one(&*self.store, Table::Offers.row(&digest)?).await?.is_some();
        if let Some(file) = chain.state().file(it.on.file)
            && file.erased.is_none()
            && documents::load(&*self.store, &file.sealed).await?.is_none()
        {
            self.wanted.insert(file.sealed);
            self.sends.push_back((from.clone(), Word::WantDocument(file.sealed)));
        }
        if !known {
            Offer { is_own: false, is_kept: true, transaction }.keep(&self.store).await?;
        }
        self.sends.push_back((from.clone(), Word::OfferKept(digest)));
        Ok(())
    }

    /// An acceptance goes back to who made the offer, so that either side can bring it to the chain.
    pub(super) fn pass_on(
        &mut self,
        chain: &Chain,
        transaction: &Transaction,
    ) -> Result<(), Failure> {
        if let Some(it) = sides(chain.state(), &transaction.body)
            && it.member != self.node
            && let Some(member) = chain.state().node(it.member)
        {
            let to = peer(member.name.as_str())?;
            self.sends.push_back((to, Word::Accepted(Box::new(transaction.clone()))));
        }
        Ok(())
    }
}

/// What two parties sign, each through its member: one offers, the other side accepts.
#[derive(Clone, Copy)]
pub(super) struct Sides {
    what: &'static str,
    on: OnFile,
    /// Who offers: of a lease that is to end, either side; otherwise the owner.
    from: PartyId,
    /// Through which member.
    pub(super) member: NodeId,
    pub(super) to: Through,
    reference: Option<[u8; 32]>,
    lease: Option<(Time, Time, bool)>,
}

pub(super) fn sides(state: &State, body: &Body) -> Option<Sides> {
    let of = |what, on: OnFile, member, to| {
        let from = state.file(on.file)?.holder();
        Some(Sides { what, on, from, member, to, reference: None, lease: None })
    };
    match body {
        Body::Transfer(it) => {
            let reference = it.settlement.as_ref().map(|settlement| settlement.reference);
            Some(Sides { reference, ..of("transfer", it.on, it.member, it.to)? })
        }
        Body::PlaceLien(it) => {
            let reference = Some(it.reference);
            Some(Sides { reference, ..of("lien", it.on, it.member, it.holder)? })
        }
        Body::Lease(it) => {
            let lease = Some((it.from, it.until, it.exclusive));
            Some(Sides { lease, ..of("lease", it.on, it.member, it.lessee)? })
        }
        Body::EndLease(it) => {
            let file = state.file(it.on.file)?;
            let lease = file.leases.iter().find(|lease| lease.id == it.claim)?;
            let party = if it.by.party == lease.lessee { file.owner } else { lease.lessee };
            let member = *state.party(party)?.members.first()?;
            let terms = Some((lease.from, lease.until, lease.exclusive));
            let sides = of("end of a lease", it.on, it.by.member, Through { party, member })?;
            Some(Sides { from: it.by.party, lease: terms, ..sides })
        }
        _ => None,
    }
}

/// Whether somebody has signed an offer.
fn is_by(chain: &Chain, offer: &Transaction, id: PartyId) -> bool {
    let party = chain.state().party(id);
    party.is_some_and(|party| is_signed_by(offer, id, party, chain.next_height()))
}

fn is_signed_by(offer: &Transaction, id: PartyId, party: &Party, height: Height) -> bool {
    let Ok(message) = offer.to_sign() else { return false };
    offer.signatures.iter().filter(|it| it.by == Signer::Party(id)).any(|it| {
        let key = party.ring.at(it.key_number, height);
        key.is_some_and(|key| it.is_right(key, &message))
    })
}

/// The node of the other side, as long as what an offer is about is as it was.
pub(super) fn stands<'a>(chain: &'a Chain, offer: &Transaction) -> Option<&'a str> {
    let state = chain.state();
    let it = sides(state, &offer.body)?;
    let file = state.file(it.on.file)?;
    let is_as_it_was = file.revision == it.on.revision && file.check_usable().is_ok();
    let is_in_time = chain.next_height() < offer.window.until;
    let member = state.node(it.to.member)?;
    (is_as_it_was && is_in_time).then_some(member.name.as_str())
}

/// Somebody who may read a document from now on: the other side of an offer.
pub(super) struct Share {
    sealed: [u8; 32],
    commitment: [u8; 32],
    chain: ChainId,
    own: (NodeId, SealingRing),
    reader: (NodeId, [u8; 32]),
}

impl Share {
    pub(super) fn of(chain: &Chain, keys: &NodeKeys, own: NodeId, it: Sides) -> Option<Self> {
        let file = chain.state().file(it.on.file)?;
        let reader = chain.state().node(it.to.member)?;
        Some(Self {
            sealed: file.sealed,
            commitment: file.commitment,
            chain: chain.id(),
            own: (own, keys.sealing.clone()),
            reader: (it.to.member, reader.sealing),
        })
    }

    /// Adds it to a batch, which does not apply if the document was put under other keys meanwhile.
    pub(super) async fn add(&self, store: &RedbStore, batch: &mut Batch) -> Result<(), Failure> {
        // A document that this member never had is nothing that it could show.
        let Some(kept) = documents::load(store, &self.sealed).await? else { return Ok(()) };
        let (mut sealed, entropy) = (kept.sealed.clone(), Secret::new(clock::entropy::<32>()?));
        let (own, ring) = &self.own;
        ring.share(&mut sealed, self.chain, &self.commitment, *own, self.reader, &entropy)
            .map_err(|why| Failure::run(format!("the document cannot be shared: {why}")))?;
        documents::replace(batch, &self.sealed, &kept, &sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Agreed, ClaimId, FileId, KeyRing, Members, PartyKind, Window};
    use seal::SigningKey;

    #[test]
    fn an_offer_counts_with_the_owners_own_signature_alone() {
        let [hers, his] = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
        let id = PartyId::of(&hers.verifying_key());
        let party = Party {
            kind: PartyKind::Individual,
            ring: KeyRing::new(hers.verifying_key(), Height(0)),
            members: Members::default(),
            sequence: 0,
        };
        let body = Body::Settle(Agreed { file: FileId([1; 32]), agreement: ClaimId([2; 32]) });
        let offer = Transaction::new(ChainId([3; 32]), Window::new(Height(0), 9), body);
        let is_hers = |offer: &Transaction| is_signed_by(offer, id, &party, Height(4));
        assert!(!is_hers(&offer));
        let by = Signer::Party(id);
        assert!(is_hers(&offer.clone().sign(by, 1, &hers).unwrap()));
        assert!(!is_hers(&offer.clone().sign(by, 1, &his).unwrap()));
        assert!(!is_hers(&offer.clone().sign(by, 2, &hers).unwrap()));
        let other = Signer::Party(PartyId::of(&his.verifying_key()));
        assert!(!is_hers(&offer.sign(other, 1, &his).unwrap()));
    }
}
