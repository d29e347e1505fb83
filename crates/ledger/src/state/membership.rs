//! Who takes part: nodes and parties.

use super::plan::Plan;
use super::{At, State};
use crate::body::{Associate, RotateNode, RotateParty};
use crate::sealed::is_usable;
use crate::{
    Entry, Height, Identity, KeyRing, Members, Node, NodeId, Party, PartyId, Refusal, Role, Signer,
};

impl State {
    pub(super) fn join(&self, at: At, identity: &Identity) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        if at.height == Height(0) {
            if identity != self.genesis.founder() {
                return Err(Refusal::NotFounder);
            }
        } else {
            plan.quorum = self.quorum(at.height);
        }
        let id = NodeId(at.height);
        if self.nodes.contains_key(&id) {
            return Err(Refusal::NotAlone);
        }
        if self.nodes.values().any(|node| node.name == identity.name) {
            return Err(Refusal::NameTaken);
        }
        // One such key would keep everybody from sealing for all readers.
        if !is_usable(&identity.sealing) {
            return Err(Refusal::UnusableKey);
        }
        plan.signer(Signer::Key(identity.signing.to_bytes()));
        plan.entries.push(Entry::Node(id, Node::joined(identity, at.height)));
        Ok(plan)
    }

    pub(super) fn revoke(&self, at: At, id: NodeId) -> Result<Plan, Refusal> {
        let node = self.nodes.get(&id).ok_or(Refusal::UnknownNode)?;
        if node.revoked.is_some() {
            return Err(Refusal::NodeRevoked);
        }
        // What is decided here holds from the next block on.
        let next = at.height.next();
        let is_other = |(other, node): (&NodeId, &Node)| {
            *other != id && node.role == Role::Supervision && node.is_active(next)
        };
        if node.role == Role::Supervision && !self.nodes.iter().any(is_other) {
            return Err(Refusal::LastSupervision);
        }
        let mut node = node.clone();
        node.ring.revoke(at.height);
        node.revoked = Some(at.height);
        Ok(Plan {
            entries: alloc::vec![Entry::Node(id, node)],
            quorum: self.quorum(at.height),
            ..Plan::default()
        })
    }

    pub(super) fn rotate_node(&self, at: At, it: &RotateNode) -> Result<Plan, Refusal> {
        let node = self.nodes.get(&it.node).ok_or(Refusal::UnknownNode)?;
        if node.revoked.is_some() {
            return Err(Refusal::NodeRevoked);
        }
        if node.ring.newest() != it.newest || it.newest == u16::MAX {
            return Err(Refusal::StaleSequence);
        }
        if node.ring.is_full(at.height) {
            return Err(Refusal::TooManyKeys);
        }
        if !is_usable(&it.sealing) {
            return Err(Refusal::UnusableKey);
        }
        let mut node = node.clone();
        node.ring.rotate(it.signing.clone(), at.height, self.genesis.policy().overlap);
        node.sealing = it.sealing;
        let mut plan = Plan::default();
        plan.signer(Signer::Node(it.node));
        plan.signer(Signer::Key(it.signing.to_bytes()));
        plan.entries.push(Entry::Node(it.node, node));
        Ok(plan)
    }

    pub(super) fn associate(&self, at: At, it: &Associate) -> Result<Plan, Refusal> {
        let (id, member) = (it.through.party, it.through.member);
        self.active(member, Role::Member, at.height)?;
        let mut plan = Plan::default();
        let mut party = match (&it.key, self.parties.get(&id)) {
            (Some(key), None) => {
                if PartyId::of(key) != id {
                    return Err(Refusal::KnownParty);
                }
                plan.signer(Signer::Key(key.to_bytes()));
                Party {
                    kind: it.kind,
                    // The key signs this very transaction as itself, and as the party's from the next block on.
                    ring: KeyRing::new(key.clone(), at.height.next()),
                    members: Members::default(),
                    sequence: 0,
                }
            }
            (None, Some(party)) => {
                if party.kind != it.kind {
                    return Err(Refusal::KnownParty);
                }
                plan.signer(Signer::Party(id));
                party.clone()
            }
            (None, None) => return Err(Refusal::UnknownParty),
            (Some(_), Some(_)) => return Err(Refusal::KnownParty),
        };
        plan.signer(Signer::Node(member));
        next_sequence(&mut party, it.sequence)?;
        if let Some(left) = it.leaves
            && !party.members.remove(left)
        {
            return Err(Refusal::NotAssociated);
        }
        party.members.insert(member)?;
        plan.entries.push(Entry::Party(id, party));
        Ok(plan)
    }

    pub(super) fn rotate_party(&self, at: At, it: &RotateParty) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.through)?;
        plan.signer(Signer::Key(it.key.to_bytes()));
        let mut party =
            self.parties.get(&it.through.party).cloned().ok_or(Refusal::UnknownParty)?;
        next_sequence(&mut party, it.sequence)?;
        if party.ring.is_full(at.height) {
            return Err(Refusal::TooManyKeys);
        }
        party.ring.rotate(it.key.clone(), at.height, self.genesis.policy().overlap);
        plan.entries.push(Entry::Party(it.through.party, party));
        Ok(plan)
    }
}

fn next_sequence(party: &mut Party, seen: u32) -> Result<(), Refusal> {
    if party.sequence != seen {
        return Err(Refusal::StaleSequence);
    }
    party.sequence = seen.checked_add(1).ok_or(Refusal::StaleSequence)?;
    Ok(())
}
