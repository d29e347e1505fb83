//! The state: who takes part, what is registered, who owns it. A pure function of its past transactions.

mod ahead;
mod calendar;
mod claims;
mod membership;
mod ownership;
mod plan;
mod registration;

use crate::body::Body;
use crate::digest_map::DigestMap;
use crate::{
    ChainId, Entry, EntryKey, File, FileId, Genesis, Height, Holding, Node, NodeId, Party, PartyId,
    Refusal, Role, Signature, Signer, Status, ThingKey, Transaction,
};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use calendar::Calendar;
use plan::Plan;
use port::{Time, WireError};
use seal::VerifyingKey;

/// What all transactions so far have led to.
///
/// [`State::judge`] says what a transaction would change, or why it is refused, and changes nothing;
/// [`State::take`] makes the change. Same state, same transaction, same place: the same answer everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    genesis: Genesis,
    chain: ChainId,
    nodes: BTreeMap<NodeId, Node>,
    parties: DigestMap<PartyId, Party>,
    files: DigestMap<FileId, Box<File>>,
    things: DigestMap<ThingKey, Holding>,
    /// How many things each party owns, where it owns any.
    tallies: DigestMap<PartyId, u32>,
    /// Files whose new owner has to register, by when.
    awaited: Calendar,
    /// Files that are over, since when.
    over: Calendar,
}

impl State {
    /// Before the first block.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what [`Genesis::new`] made.
    pub fn new(genesis: Genesis) -> Result<Self, WireError> {
        Ok(Self {
            chain: genesis.chain()?,
            genesis,
            nodes: BTreeMap::new(),
            parties: DigestMap::new(),
            files: DigestMap::new(),
            things: DigestMap::new(),
            tallies: DigestMap::new(),
            awaited: Calendar::default(),
            over: Calendar::default(),
        })
    }

    /// What a transaction would change in a block, or why it may not stand there. Every signature is checked.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, at: At, transaction: &Transaction) -> Result<Vec<Entry>, Refusal> {
        self.judge_by(at, transaction, Signature::is_right)
    }

    /// The same, by somebody who may know already that a signature of a key is right over a message.
    pub(crate) fn judge_by(
        &self,
        at: At,
        transaction: &Transaction,
        is_right: impl FnMut(&Signature, &VerifyingKey, &[u8]) -> bool,
    ) -> Result<Vec<Entry>, Refusal> {
        let plan = self.plan(at, transaction)?;
        self.check_signers(at.height, transaction, &plan)?;
        self.check_signatures(at.height, transaction, is_right)?;
        Ok(plan.entries)
    }

    /// The same for a transaction whose signatures were found right before, in this block: of a block that is executed again.
    /// Who has to sign is still held against who has signed.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge_verified(&self, at: At, transaction: &Transaction) -> Result<Vec<Entry>, Refusal> {
        let plan = self.plan(at, transaction)?;
        self.check_signers(at.height, transaction, &plan)?;
        Ok(plan.entries)
    }

    /// Makes a change.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Node(id, node) => {
                self.nodes.insert(id, node);
            }
            Entry::Party(id, party) => {
                self.parties.insert(id, party);
            }
            Entry::File(id, file) => {
                let now = Due::of(&file);
                let before = self.files.insert(id, file);
                let was = before.map_or(Due::Never, |before| Due::of(&before));
                self.due(id, was, now);
            }
            Entry::Gone(id) => {
                if let Some(before) = self.files.remove(&id) {
                    self.due(id, Due::of(&before), Due::Never);
                }
            }
            Entry::Thing(thing, holding) => {
                let before = match holding {
                    Some(holding) => self.things.insert(thing, holding),
                    None => self.things.remove(&thing),
                };
                count(&mut self.tallies, before, holding);
            }
            // It follows from the things.
            Entry::Tally(..) => {}
        }
    }

    /// Takes many files and things, as [`State::take`] does one after the other; quicker where there are none yet.
    pub(crate) fn fill(
        &mut self,
        files: Vec<(FileId, Box<File>)>,
        things: Vec<(ThingKey, Holding)>,
    ) {
        if !self.files.is_empty() || !self.things.is_empty() {
            files.into_iter().for_each(|(id, file)| self.take(Entry::File(id, file)));
            let things = things.into_iter();
            things.for_each(|(thing, holding)| self.take(Entry::Thing(thing, Some(holding))));
            return;
        }
        self.files = DigestMap::of(files);
        self.things = DigestMap::of(things);
        let dues = self.files.iter().map(|(id, file)| (*id, Due::of(file)));
        let dues: Vec<_> = dues.filter(|(_, due)| *due != Due::Never).collect();
        dues.into_iter().for_each(|(id, due)| self.due(id, Due::Never, due));
        for (_, holding) in self.things.iter() {
            count(&mut self.tallies, None, Some(*holding));
        }
    }

    /// What follows from an entry, beside it, if it is taken: the tallies of who owned a thing and of who will.
    pub(crate) fn followers(&self, entry: &Entry) -> impl Iterator<Item = EntryKey> + use<> {
        let parties = match entry {
            Entry::Thing(thing, after) => {
                let before = self.holding(*thing).map(|holding| holding.owner);
                let after = after.map(|holding| holding.owner);
                if before == after { [None; 2] } else { [before, after] }
            }
            _ => [None; 2],
        };
        parties.into_iter().flatten().map(EntryKey::Tally)
    }

    /// A name stands for what it stood for before.
    pub(crate) fn put_back(&mut self, key: EntryKey, before: Option<Entry>) {
        if let Some(entry) = before {
            return self.take(entry);
        }
        match key {
            EntryKey::Node(id) => {
                self.nodes.remove(&id);
            }
            EntryKey::Party(id) => {
                self.parties.remove(&id);
            }
            EntryKey::File(id) => self.take(Entry::Gone(id)),
            EntryKey::Thing(thing) => self.take(Entry::Thing(thing, None)),
            EntryKey::Tally(_) => {}
        }
    }

    /// Which chain this is.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// What the chain started from.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The node of this name.
    pub fn node_named(&self, name: &str) -> Option<(NodeId, &Node)> {
        let found = self.nodes.iter().find(|(_, node)| node.name.as_str() == name)?;
        Some((*found.0, found.1))
    }

    /// All nodes, in the order in which they joined.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// A party.
    pub fn party(&self, id: PartyId) -> Option<&Party> {
        self.parties.get(&id)
    }

    /// A file.
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(&id).map(Box::as_ref)
    }

    /// All files, by their names.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files.iter().map(|(id, file)| (*id, file.as_ref()))
    }

    /// The live file and the owner of a thing.
    pub fn holding(&self, thing: ThingKey) -> Option<Holding> {
        self.things.get(&thing).copied()
    }

    /// All things that have a live file.
    pub fn holdings(&self) -> impl Iterator<Item = (ThingKey, Holding)> {
        self.things.iter().map(|(thing, holding)| (*thing, *holding))
    }

    /// How many things a party owns.
    pub fn tally(&self, party: PartyId) -> u32 {
        self.tallies.get(&party).copied().unwrap_or(0)
    }

    /// How many things each party owns that owns any.
    pub fn tallies(&self) -> impl Iterator<Item = (PartyId, u32)> {
        self.tallies.iter().map(|(party, count)| (*party, *count))
    }

    /// Files that a block of this height may purge, those first that are over for the longest time ([`Policy::keep`]).
    ///
    /// [`Policy::keep`]: crate::Policy::keep
    pub fn purgeable(&self, height: Height) -> impl Iterator<Item = FileId> {
        let keep = self.genesis.policy().keep;
        let is_old = move |since: Height| since.after(keep) <= height;
        let over = self.over.iter().take_while(move |(since, _)| is_old(*since));
        // What is frozen stays, and is not in the way of others.
        over.map(|(_, id)| id).filter(|id| self.file(*id).is_some_and(|file| !file.frozen))
    }

    /// Files whose new owner should have registered before this height, the longest overdue first.
    pub fn overdue(&self, height: Height) -> impl Iterator<Item = FileId> {
        self.awaited.iter().take_while(move |(until, _)| *until <= height).map(|(_, file)| file)
    }

    /// The names of all entries.
    pub fn keys(&self) -> impl Iterator<Item = EntryKey> {
        let nodes = self.nodes.keys().copied().map(EntryKey::Node);
        let parties = self.parties.keys().copied().map(EntryKey::Party);
        let files = self.files.keys().copied().map(EntryKey::File);
        let things = self.things.keys().copied().map(EntryKey::Thing);
        let tallies = self.tallies.keys().copied().map(EntryKey::Tally);
        nodes.chain(parties).chain(files).chain(things).chain(tallies)
    }

    /// An entry as it is now; `None` where the name stands for nothing.
    pub fn entry(&self, key: EntryKey) -> Option<Entry> {
        match key {
            EntryKey::Node(id) => self.nodes.get(&id).map(|node| Entry::Node(id, node.clone())),
            EntryKey::Party(id) => {
                self.parties.get(&id).map(|party| Entry::Party(id, party.clone()))
            }
            EntryKey::File(id) => self.files.get(&id).map(|file| Entry::File(id, file.clone())),
            EntryKey::Thing(thing) => {
                self.holding(thing).map(|holding| Entry::Thing(thing, Some(holding)))
            }
            EntryKey::Tally(party) => {
                self.tallies.get(&party).map(|count| Entry::Tally(party, *count))
            }
        }
    }

    fn due(&mut self, id: FileId, was: Due, now: Due) {
        if was == now {
            return;
        }
        match was {
            Due::Awaited(until) => self.awaited.remove(until, id),
            Due::Over(since) => self.over.remove(since, id),
            Due::Never => {}
        }
        match now {
            Due::Awaited(until) => self.awaited.insert(until, id),
            Due::Over(since) => self.over.insert(since, id),
            Due::Never => {}
        }
    }

    fn plan(&self, at: At, transaction: &Transaction) -> Result<Plan, Refusal> {
        let digest = || transaction.digest().map_err(|_| Refusal::TooLong);
        if transaction.chain != self.chain {
            return Err(Refusal::WrongChain);
        }
        if !transaction.is_canonical() {
            return Err(Refusal::NotCanonical);
        }
        if !transaction.window.holds(at.height) {
            return Err(Refusal::OutsideWindow);
        }
        if transaction.window.blocks() > self.genesis.policy().window_max {
            return Err(Refusal::WindowTooLong);
        }
        if at.height == Height(0) && !matches!(transaction.body, Body::Join(_)) {
            return Err(Refusal::NotFounder);
        }
        match &transaction.body {
            Body::Join(identity) => self.join(at, identity),
            Body::Revoke(node) => self.revoke(at, *node),
            Body::RotateNode(it) => self.rotate_node(at, it),
            Body::Associate(it) => self.associate(at, it),
            Body::RotateParty(it) => self.rotate_party(at, it),
            Body::Register(it) => self.register(at, it, digest()?),
            Body::Judge(it) => self.verdict(at, it),
            Body::Transfer(it) => self.transfer(at, it, transaction),
            Body::Settle(it) => self.settle(at, it),
            Body::CallOff(it) => self.call_off(at, it),
            Body::Lease(it) => self.lease(at, it, digest()?),
            Body::EndLease(it) => self.end_lease(at, it),
            Body::PlaceLien(it) => self.place_lien(at, it, digest()?),
            Body::ReleaseLien(it) => self.release_lien(at, it),
            Body::Freeze(it) => self.freeze(at, it),
            Body::Unfreeze(it) => self.unfreeze(at, it),
            Body::Retire(it) => self.retire(at, it),
            Body::Reseal(it) => self.reseal(at, it),
            Body::Erase(it) => self.erase(at, it),
            Body::Purge(it) => self.purge(at, it),
        }
    }

    /// Everybody who has to sign has signed, and nobody else.
    fn check_signers(
        &self,
        height: Height,
        transaction: &Transaction,
        plan: &Plan,
    ) -> Result<(), Refusal> {
        let (mut quorum, mut found) = (0, 0);
        // Nobody signs twice, and nobody is to: whoever is found has signed once.
        for signature in &transaction.signatures {
            if plan.signers.contains(&signature.by) {
                found += 1;
            } else if plan.quorum > 0 && self.is_supervision(signature.by, height) {
                quorum += 1;
            } else {
                return Err(Refusal::Oversigned);
            }
        }
        if found < plan.signers.len() || quorum < plan.quorum {
            return Err(Refusal::Unsigned);
        }
        Ok(())
    }

    /// Each signature is right.
    fn check_signatures(
        &self,
        height: Height,
        transaction: &Transaction,
        mut is_right: impl FnMut(&Signature, &VerifyingKey, &[u8]) -> bool,
    ) -> Result<(), Refusal> {
        let message = &transaction.to_sign().map_err(|_| Refusal::TooLong)?;
        for signature in &transaction.signatures {
            let number = signature.key_number;
            let counts = match signature.by {
                Signer::Node(id) => {
                    let key = self.nodes.get(&id).and_then(|node| node.ring.at(number, height));
                    key.is_some_and(|key| is_right(signature, key, message))
                }
                Signer::Party(id) => {
                    let key = self.parties.get(&id).and_then(|it| it.ring.at(number, height));
                    key.is_some_and(|key| is_right(signature, key, message))
                }
                Signer::Key(bytes) => VerifyingKey::from_bytes(&bytes)
                    .is_ok_and(|key| is_right(signature, &key, message)),
            };
            if !counts {
                return Err(Refusal::BadSignature);
            }
        }
        Ok(())
    }

    fn is_supervision(&self, signer: Signer, height: Height) -> bool {
        let Signer::Node(id) = signer else { return false };
        self.nodes
            .get(&id)
            .is_some_and(|node| node.role == Role::Supervision && node.is_active(height))
    }

    /// A node that takes part and does this.
    fn active(&self, id: NodeId, role: Role, height: Height) -> Result<&Node, Refusal> {
        let node = self.nodes.get(&id).ok_or(Refusal::UnknownNode)?;
        if !node.is_active(height) {
            return Err(Refusal::NodeRevoked);
        }
        if node.role == role { Ok(node) } else { Err(Refusal::WrongRole) }
    }

    /// How many supervision nodes have to sign who joins and who leaves.
    fn quorum(&self, height: Height) -> usize {
        let active = self
            .nodes
            .values()
            .filter(|node| node.role == Role::Supervision && node.is_active(height));
        active.count().min(usize::from(self.genesis.policy().quorum))
    }
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// In which block.
    pub height: Height,
    /// When, by the block.
    pub time: Time,
}

/// A thing has another owner.
fn count(tallies: &mut DigestMap<PartyId, u32>, before: Option<Holding>, after: Option<Holding>) {
    let [before, after] = [before, after].map(|it| it.map(|holding| holding.owner));
    if before == after {
        return;
    }
    if let Some(owner) = before
        && let Some(count) = tallies.get_mut(&owner)
    {
        *count -= 1;
        if *count == 0 {
            tallies.remove(&owner);
        }
    }
    if let Some(owner) = after {
        match tallies.get_mut(&owner) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                tallies.insert(owner, 1);
            }
        }
    }
}

/// What becomes of a file by time alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Never,
    Awaited(Height),
    Over(Height),
}

impl Due {
    const fn of(file: &File) -> Self {
        match file.status {
            Status::Transferred { until, .. } => Self::Awaited(until),
            Status::Rejected(_) | Status::Retired { .. } => Self::Over(file.since),
            _ => Self::Never,
        }
    }
}
