//! Transactions out of what users want.

use super::drafts::Draft;
use super::offer::{Offer, sides};
use super::{Member, Way, digest, row};
use crate::clock;
use crate::control::{Payment, Wish};
use crate::documents;
use crate::hex;
use crate::rows::{self, Table};
use crate::say;
use crate::windows;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use ledger::{
    Acted, Agreed, Associate, Body, Chain, Document, EndClaim, FileId, Label, Lease, LeaseTerms,
    LienTerms, NodeId, OnFile, PartyId, PartyKind, Register, Role, RotateParty, SealedDocument,
    Settlement, Status, Through, Transaction, Transfer,
};
use port::wire::Writer;
use port::{Key, Time, WireError};
use seal::{Secret, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

impl Member {
    /// Builds what a user wants, for the user to sign. Nothing is stored.
    pub(crate) async fn build(
        &mut self,
        now: Time,
        chain: &Chain,
        wish: Wish,
    ) -> Result<Value, String> {
        let draft = self.draft(now, chain, wish).await?;
        let digest = digest(&draft.transaction).map_err(|why| why.to_string())?;
        let bytes = draft.transaction.to_bytes().map_err(|why| why.to_string())?;
        self.drafts.insert(digest, draft);
        Ok(json!({ "digest": hex::text(&digest), "transaction": hex::text(&bytes) }))
    }

    async fn draft(&self, now: Time, chain: &Chain, wish: Wish) -> Result<Draft, String> {
        if let Wish::Accept { party, offer } = &wish {
            return self.accepted(chain, party, offer).await;
        }
        let own = |party: PartyId| Through { party, member: self.node };
        let mut rows = Vec::new();
        let way = match wish {
            Wish::Offer { .. } | Wish::Lien { .. } | Wish::Lease { .. } => Way::Offer,
            // What is over needs nobody's consent.
            Wish::EndLease { ref party, ref thing, ref lease } => {
                let lease = lease_of(chain, party, thing, lease.as_deref())?;
                if now_on(now, chain) < lease.until { Way::Offer } else { Way::Chain }
            }
            _ => Way::Chain,
        };
        let body = match wish {
            Wish::Associate { name, key, is_intermediary } => {
                let associate = associate(chain, self.node, &name, &key, is_intermediary)?;
                let party = associate.through.party;
                rows.push((row(Table::Parties, &party.0)?, name.into_bytes().into()));
                Body::Associate(associate)
            }
            Wish::Register { .. } => Body::Register(self.request(now, chain, wish, &mut rows)?),
            Wish::Offer { owner, thing, to, settlement } => {
                let (on, to) = offered(chain, &owner, &thing, &to)?;
                let settlement =
                    settlement.map(|payment| settlement_of(chain, &payment)).transpose()?;
                Body::Transfer(Transfer { on, member: self.node, to, settlement })
            }
            Wish::Lien { owner, thing, to, reference } => {
                let (on, holder) = offered(chain, &owner, &thing, &to)?;
                let reference = Sha256::digest(reference.as_bytes()).into();
                Body::PlaceLien(LienTerms { on, member: self.node, holder, reference })
            }
            Wish::Lease { owner, thing, to, from_ms, until_ms, exclusive } => {
                let (on, lessee) = offered(chain, &owner, &thing, &to)?;
                let (from, until) = (Time::from_ms(from_ms), Time::from_ms(until_ms));
                let member = self.node;
                Body::Lease(LeaseTerms { on, member, lessee, from, until, exclusive })
            }
            Wish::EndLease { party, thing, lease } => {
                let lease = lease_of(chain, &party, &thing, lease.as_deref())?;
                let (_, on) = live(chain, &thing)?;
                Body::EndLease(EndClaim { on, claim: lease.id, by: own(say::party(&party)?) })
            }
            Wish::Erase { owner, file } => {
                let owner = say::party(&owner)?;
                let id = say::file(&file)?;
                let found = chain.state().file(id);
                let found = found.ok_or_else(|| format!("the chain knows no file {file}"))?;
                let on = OnFile { file: id, revision: found.revision };
                Body::Erase(Acted { on, by: own(owner) })
            }
            Wish::Retire { owner, thing } => {
                let (_, on) = live(chain, &thing)?;
                Body::Retire(Acted { on, by: own(say::party(&owner)?) })
            }
            Wish::Rotate { party, key } => {
                let id = say::party(&party)?;
                let known = chain.state().party(id);
                let known = known.ok_or_else(|| format!("the chain knows no party {party}"))?;
                let (through, key) = (own(id), public(&key)?);
                Body::RotateParty(RotateParty { through, key, sequence: known.sequence })
            }
            Wish::Release { party, thing } => {
                let holder = say::party(&party)?;
                let (file, on) = live(chain, &thing)?;
                let liens = chain.state().file(file).map(|file| &file.liens);
                let lien = liens.into_iter().flatten().find(|lien| lien.holder == holder);
                let lien = lien.ok_or_else(|| format!("{thing} is not your security"))?;
                Body::ReleaseLien(EndClaim { on, claim: lien.id, by: own(holder) })
            }
            Wish::Settle { thing } => {
                let (file, _) = live(chain, &thing)?;
                let status = chain.state().file(file).map(|file| &file.status);
                let Some(Status::Pending { agreement, .. }) = status else {
                    return Err(format!("nothing has to be settled for {thing}"));
                };
                Body::Settle(Agreed { file, agreement: *agreement })
            }
            // Above.
            Wish::Accept { .. } => return Err("an offer is not built, but accepted".into()),
        };
        let window = windows::users(chain);
        Ok(Draft { transaction: Transaction::new(chain.id(), window, body), way, rows })
    }

    /// What the other side has signed already.
    async fn accepted(&self, chain: &Chain, party: &str, offer: &str) -> Result<Draft, String> {
        let to = Through { party: say::party(party)?, member: self.node };
        let digest = say::digest(offer).ok_or("an offer has 64 digits")?;
        let row = rows::one(&*self.store, row(Table::Offers, &digest)?).await;
        let row = row.map_err(|why| why.to_string())?;
        let kept = row.and_then(|row| Offer::parse(&row.value));
        let transaction =
            kept.ok_or_else(|| format!("there is no offer {offer} here"))?.transaction;
        if sides(chain.state(), &transaction.body).is_some_and(|it| it.to == to) {
            Ok(Draft { transaction, way: Way::Chain, rows: Vec::new() })
        } else {
            Err(format!("the offer {offer} is to somebody else"))
        }
    }

    /// A request for registration, its sealed document, and the record of the instruction.
    fn request(
        &self,
        now: Time,
        chain: &Chain,
        wish: Wish,
        rows: &mut Vec<(Key, Bytes)>,
    ) -> Result<Register, String> {
        let Wish::Register { owner, thing, kind, region, media_type, document, salt } = wish else {
            return Err("this is no request".into());
        };
        let owner = say::party(&owner)?;
        let words = say::thing(&thing)?;
        let bytes = Base64::decode_vec(&document).map_err(|_| "the document is damaged")?;
        let entropy = || clock::entropy::<32>().map_err(|why| why.to_string());
        let salt = say::digest(&salt).ok_or("a salt has 64 digits")?;
        let document = Document::new(&media_type, bytes, salt)
            .map_err(|why| format!("the document: {why}"))?;
        let readers = readers(chain, self.node);
        let sealed =
            SealedDocument::seal(chain.id(), &document, &readers, &Secret::new(entropy()?))
                .map_err(|why| format!("the document cannot be sealed: {why}"))?;
        let instruction = clock::entropy::<16>().map_err(|why| why.to_string())?;
        rows.extend(documents::rows_of(&sealed.digest(), &sealed).map_err(|why| why.to_string())?);
        rows.push((
            row(Table::Instructions, &instruction)?,
            instruction_row(now, owner, &thing).map_err(|why| why.to_string())?,
        ));
        Ok(Register {
            instruction,
            thing: words.key(),
            kind: label("type", &kind)?,
            region: label("region", &region)?,
            owner: Through { party: owner, member: self.node },
            commitment: document.commitment(),
            sealed: sealed.digest(),
            predecessor: follows(chain, words.key(), owner),
        })
    }
}

fn associate(
    chain: &Chain,
    member: NodeId,
    name: &str,
    key: &str,
    is_intermediary: bool,
) -> Result<Associate, String> {
    let key = public(key)?;
    let party = PartyId::of(&key);
    if chain.state().party(party).is_some() {
        return Err(format!("{name} is known to the chain already, as {}", hex::text(&party.0)));
    }
    let kind = if is_intermediary { PartyKind::Intermediary } else { PartyKind::Individual };
    let through = Through { party, member };
    Ok(Associate { through, kind, key: Some(key), leaves: None, sequence: 0 })
}

/// What an owner offers, and to whom.
fn offered(chain: &Chain, owner: &str, thing: &str, to: &str) -> Result<(OnFile, Through), String> {
    let (owner, party) = (say::party(owner)?, say::party(to)?);
    let (file, on) = live(chain, thing)?;
    if chain.state().file(file).is_some_and(|file| file.holder() != owner) {
        return Err(format!("{thing} belongs to somebody else"));
    }
    let member = chain.state().party(party).and_then(|party| party.members.first());
    let member = *member.ok_or_else(|| format!("the chain knows no party {to}"))?;
    Ok((on, Through { party, member }))
}

/// The lease that is meant, of one side of it.
fn lease_of(chain: &Chain, party: &str, thing: &str, lease: Option<&str>) -> Result<Lease, String> {
    let (id, named) = (say::party(party)?, lease.map(say::lease).transpose()?);
    let (file, _) = live(chain, thing)?;
    let file = chain.state().file(file).ok_or("a file is missing")?;
    let concerned = file.leases.iter().filter(|it| file.owner == id || it.lessee == id);
    let mut meant = concerned.filter(|it| named.is_none_or(|named| named == it.id));
    let first = meant.next().ok_or_else(|| format!("no such lease of yours is on {thing}"))?;
    match meant.next() {
        None => Ok(*first),
        Some(_) => Err(format!("{thing} has several leases; name one with --lease")),
    }
}

/// The time of a block that is made now.
fn now_on(now: Time, chain: &Chain) -> Time {
    chain.head().map_or(now, |head| head.header.time.max(now))
}

/// The live file of a thing.
fn live(chain: &Chain, thing: &str) -> Result<(FileId, OnFile), String> {
    let holding = chain.state().holding(say::thing(thing)?.key());
    let id = holding.ok_or_else(|| format!("{thing} is not registered"))?.file;
    let file = chain.state().file(id).ok_or("a file is missing")?;
    Ok((id, OnFile { file: id, revision: file.revision }))
}

/// The file that a new owner's file follows.
fn follows(chain: &Chain, thing: ledger::ThingKey, owner: PartyId) -> Option<FileId> {
    let old = chain.state().holding(thing)?.file;
    match chain.state().file(old)?.status {
        Status::Transferred { to, .. } if to == owner => Some(old),
        _ => None,
    }
}

/// Supervision, which audits it, and this member.
fn readers(chain: &Chain, own: NodeId) -> Vec<(NodeId, [u8; 32])> {
    let height = chain.next_height();
    let nodes = chain.state().nodes().filter(|(id, node)| {
        *id == own || (node.role == Role::Supervision && node.is_active(height))
    });
    nodes.map(|(id, node)| (id, node.sealing)).collect()
}

fn settlement_of(chain: &Chain, payment: &Payment) -> Result<Settlement, String> {
    let reference = Sha256::digest(payment.reference.as_bytes()).into();
    let until = chain.next_height().after(payment.blocks);
    Ok(Settlement { reference, witness: public(&payment.witness)?, until })
}

/// What a user wanted: version 1, when (8), who (32), about which thing (`u8` length).
fn instruction_row(now: Time, owner: PartyId, thing: &str) -> Result<Bytes, WireError> {
    let mut value = Vec::with_capacity(128);
    Writer::new(&mut value, 1).u64(now.as_ms()).fixed(&owner.0).lp8(thing.as_bytes())?;
    Ok(value.into())
}

fn label(what: &str, text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|why| format!("the {what} {text:?}: {why}"))
}

fn public(text: &str) -> Result<VerifyingKey, String> {
    let key = say::digest(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| format!("{text:?} is no public key: give its 64 digits"))
}
