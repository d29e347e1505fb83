//! The chain as one node holds it: state, map and log after the newest block.

use crate::block::transactions_root;
use crate::body::Body;
use crate::restoring::{Restoring, digest_of};
use crate::verified::Verified;
use crate::{
    At, Block, Certificate, ChainId, Corrupt, Entry, EntryKey, Genesis, Header, Height, Log,
    NodeId, Refusal, Role, SignedHeader, State, StateMap, Transaction, VALIDATORS_MAX, Vote,
    VoteSignature, votes_needed,
};
use alloc::collections::{BTreeMap, btree_map};
use alloc::vec::Vec;
use core::fmt;
use port::{Time, WireError};
use seal::VerifyingKey;

/// What a node knows after the newest block: every block before it was verified, or was this node's own.
///
/// [`Chain::take`] verifies a block and goes on to it, or changes nothing; [`Chain::draft`] says what a block of these
/// transactions would be, and changes nothing; [`Chain::adopt`] goes on to a draft. So a chain is never ahead of what was
/// decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    state: State,
    map: StateMap,
    log: Log,
    head: Option<SignedHeader>,
    verified: Verified,
}

impl Chain {
    /// Before the first block.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what [`Genesis::new`] made.
    pub fn new(genesis: Genesis) -> Result<Self, WireError> {
        let state = State::new(genesis)?;
        let (map, log, verified) = (StateMap::new(), Log::new(), Verified::default());
        Ok(Self { state, map, log, head: None, verified })
    }

    /// From what was stored after a block: its header, all entries of the state, and all leaf hashes of the log. They have to
    /// give the roots that the header was signed for.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn restore(
        genesis: Genesis,
        head: SignedHeader,
        entries: impl IntoIterator<Item = Entry>,
        leaves: impl IntoIterator<Item = [u8; 32]>,
    ) -> Result<Self, Corrupt> {
        let mut restoring = Restoring::new(genesis)?;
        for entry in entries {
            let digest = digest_of(&entry)?;
            restoring.put(entry, digest);
        }
        leaves.into_iter().for_each(|leaf| restoring.push_leaf(leaf));
        restoring.finish(head)
    }

    /// The same of what was put together already.
    pub(crate) fn resume(
        state: State,
        map: StateMap,
        log: Log,
        head: SignedHeader,
    ) -> Result<Self, Corrupt> {
        let mut chain = Self { state, map, log, head: None, verified: Verified::default() };
        let header = &head.header;
        let is_right = header.chain == chain.state.chain()
            && header.state_root == chain.map.root()
            && header.log_size == chain.log.size()
            && header.log_root == chain.log.root();
        if !is_right || chain.check_certificate(&head).is_err() {
            return Err(Corrupt::Root);
        }
        chain.head = Some(head);
        Ok(chain)
    }

    /// Verifies the next block, and goes on to it; says what changed. On error nothing changed.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn take(&mut self, block: &Block) -> Result<Vec<Entry>, BlockError> {
        let fault = |fault| BlockError { height: block.header.header.height, fault };
        self.check_link(&block.header.header).map_err(fault)?;
        self.check_certificate(&block.header).map_err(fault)?;
        let mut undo = Undo::default();
        match self.execute_to(&block.header.header, &block.transactions, &mut undo) {
            Ok((changes, _)) => {
                self.head = Some(block.header.clone());
                Ok(changes.into_iter().map(|change| change.entry).collect())
            }
            Err(why) => {
                let size = self.log_size();
                self.roll_back(undo, size);
                Err(fault(why))
            }
        }
    }

    /// The draft that the next block is of, verified as [`Chain::take`] does. Nothing changes here.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn check_certified(&mut self, block: &Block) -> Result<Draft, BlockError> {
        let fault = |fault| BlockError { height: block.header.header.height, fault };
        self.check_link(&block.header.header).map_err(fault)?;
        self.check_certificate(&block.header).map_err(fault)?;
        self.check(block.header.header, block.transactions.clone())
    }

    /// The draft that a header and its transactions are of, if they are a block that could come next, whoever vouches for it.
    /// Nothing changes here.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn check(
        &mut self,
        header: Header,
        transactions: Vec<Transaction>,
    ) -> Result<Draft, BlockError> {
        let fault = |fault| BlockError { height: header.height, fault };
        self.check_link(&header).map_err(fault)?;
        self.check_proposer(&header).map_err(fault)?;
        self.check_length(&transactions).map_err(fault)?;
        let mut undo = Undo::default();
        let done = self.execute_to(&header, &transactions, &mut undo);
        let size = self.log_size();
        self.roll_back(undo, size);
        let (changes, leaves) = done.map_err(fault)?;
        let fates = transactions.iter().map(|_| Ok(())).collect();
        Ok(Draft { header, transactions, fates, changes, leaves })
    }

    /// What the next block would be, with those transactions that are not refused, in their order, as far as the block's
    /// limits go. At most `entries_max` names of the state change. Nothing changes here.
    pub fn draft(
        &mut self,
        time: Time,
        proposer: NodeId,
        candidates: &[Transaction],
        entries_max: usize,
    ) -> Draft {
        let height = self.next_height();
        let time = self.head.as_ref().map_or(time, |head| head.header.time.max(time));
        let at = At { height, time };
        let mut undo = Undo::default();
        let mut draft = Draft::new(self.header(at, proposer));
        let mut bytes = self.signed_header_bytes() + 16;
        for (place, transaction) in candidates.iter().enumerate() {
            let is_full = draft.transactions.len() >= Block::TRANSACTIONS_MAX;
            let is_join = matches!(transaction.body, Body::Join(_));
            if is_full || draft.is_join() || (is_join && !draft.transactions.is_empty()) {
                break;
            }
            self.state.look_ahead(candidates, place);
            let judged = self.judge(at, transaction);
            let (entries, length) = match (judged, transaction.to_bytes()) {
                (Ok(entries), Ok(bytes)) => (entries, bytes.len() + 2),
                (Err(why), _) => {
                    draft.fates.push(Err(why));
                    continue;
                }
                (_, Err(_)) => {
                    draft.fates.push(Err(Refusal::TooLong));
                    continue;
                }
            };
            let new = entries.iter().filter(|entry| !undo.before.contains_key(&entry.key()));
            if bytes + length > Block::BYTES_MAX || undo.stored + new.count() > entries_max {
                break;
            }
            bytes += length;
            self.change(entries, &mut undo);
            draft.transactions.push(transaction.clone());
            debug_assert_eq!(draft.fates.len(), place);
            draft.fates.push(Ok(()));
        }
        self.conclude(at, undo, &mut draft);
        draft
    }

    /// Goes on to a draft that was signed and is durable.
    ///
    /// # Errors
    /// [`BlockError`] with [`BlockFault::NotLinked`] if it is not a draft for this head.
    pub fn adopt(&mut self, draft: &Draft, signed: SignedHeader) -> Result<(), BlockError> {
        let header = &signed.header;
        let is_next = header.height == self.next_height() && header.previous == self.previous();
        if !is_next || *header != draft.header {
            return Err(BlockError { height: header.height, fault: BlockFault::NotLinked });
        }
        for change in &draft.changes {
            self.state.take(change.entry.clone());
        }
        self.advance(&draft.changes, &draft.leaves);
        self.head = Some(signed);
        Ok(())
    }

    /// Which chain this is.
    pub const fn id(&self) -> ChainId {
        self.state.chain()
    }

    /// The state after the newest block.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The state's map.
    pub const fn map(&self) -> &StateMap {
        &self.map
    }

    /// The log.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The newest header; `None` before the first block.
    pub const fn head(&self) -> Option<&SignedHeader> {
        self.head.as_ref()
    }

    /// The height of the block that comes next.
    pub fn next_height(&self) -> Height {
        self.head.as_ref().map_or(Height(0), |head| head.header.height.next())
    }

    /// Who decides the block of a height that is the next one or was the last one: the supervision nodes on the chain before it,
    /// in the order in which they joined; of the first block, the founder.
    pub fn validators(&self, height: Height) -> Vec<NodeId> {
        if height == Height(0) {
            return alloc::vec![NodeId::FOUNDER];
        }
        let nodes = self.state.nodes().filter(|(id, node)| {
            node.role == Role::Supervision
                && id.0 < height
                && node.is_active(height)
                && node.ring.is_live(height)
        });
        nodes.map(|(id, _)| id).take(VALIDATORS_MAX).collect()
    }

    /// The key of this number of a supervision node, if its signatures count at a height.
    pub fn supervision_key(
        &self,
        node: NodeId,
        key_number: u16,
        height: Height,
    ) -> Option<&VerifyingKey> {
        if height == Height(0) {
            let is_founder = node == NodeId::FOUNDER && key_number == 1;
            return is_founder.then(|| &self.state.genesis().founder().signing);
        }
        let node = self.state.node(node)?;
        let may = node.role == Role::Supervision && node.is_active(height);
        if may { node.ring.at(key_number, height) } else { None }
    }

    fn previous(&self) -> [u8; 32] {
        self.head.as_ref().map_or(self.id().0, |head| head.header.digest())
    }

    fn log_size(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.header.log_size)
    }

    fn header(&self, at: At, proposer: NodeId) -> Header {
        Header {
            chain: self.id(),
            height: at.height,
            previous: self.previous(),
            time: at.time,
            proposer,
            transactions_root: [0; 32],
            log_size: 0,
            log_root: [0; 32],
            state_root: [0; 32],
        }
    }

    /// Whether a header follows the newest one.
    fn check_link(&self, header: &Header) -> Result<(), BlockFault> {
        if header.chain != self.id() {
            return Err(BlockFault::WrongChain);
        }
        if header.height != self.next_height() {
            return Err(BlockFault::NotNext);
        }
        if header.previous != self.previous() {
            return Err(BlockFault::NotLinked);
        }
        if self.head.as_ref().is_some_and(|head| header.time < head.header.time) {
            return Err(BlockFault::TimeBack);
        }
        Ok(())
    }

    /// Whether who made it may make one.
    fn check_proposer(&self, header: &Header) -> Result<(), BlockFault> {
        let is_known = self.validators(header.height).contains(&header.proposer);
        if is_known { Ok(()) } else { Err(BlockFault::Proposer) }
    }

    /// Whether those vouch for a header who have to, of the chain before it or after it.
    fn check_certificate(&self, signed: &SignedHeader) -> Result<(), BlockFault> {
        let header = &signed.header;
        match &signed.certificate {
            Certificate::Authority { key_number, signature } => {
                if self.state.genesis().is_by_votes() {
                    return Err(BlockFault::Votes);
                }
                let key = self.supervision_key(header.proposer, *key_number, header.height);
                let key = key.ok_or(BlockFault::Proposer)?;
                let is_right = key.verify(&header.to_sign(), signature);
                if is_right { Ok(()) } else { Err(BlockFault::Signature) }
            }
            Certificate::Votes { round, votes } => {
                if !self.state.genesis().is_by_votes() {
                    return Err(BlockFault::Votes);
                }
                self.check_proposer(header)?;
                self.check_votes(header, *round, votes)
            }
        }
    }

    /// Whether a block of these is not too long, whoever vouches for it.
    fn check_length(&self, transactions: &[Transaction]) -> Result<(), BlockFault> {
        let mut bytes = self.signed_header_bytes() + 16;
        for transaction in transactions {
            bytes += transaction.to_bytes().map_err(|_| BlockFault::TooLong)?.len() + 2;
        }
        let fits = bytes <= Block::BYTES_MAX && transactions.len() <= Block::TRANSACTIONS_MAX;
        if fits { Ok(()) } else { Err(BlockFault::TooLong) }
    }

    fn check_votes(
        &self,
        header: &Header,
        round: u32,
        votes: &[VoteSignature],
    ) -> Result<(), BlockFault> {
        let validators = self.validators(header.height);
        let is_rising = votes.windows(2).all(|pair| pair[0].node < pair[1].node);
        if !is_rising || votes.len() < votes_needed(validators.len()) {
            return Err(BlockFault::Votes);
        }
        let digest = header.digest();
        for vote in votes {
            if !validators.contains(&vote.node) {
                return Err(BlockFault::Votes);
            }
            let key = self.supervision_key(vote.node, vote.key_number, header.height);
            let message = Vote::commit(header, vote.node, round, digest).to_sign();
            if !key.is_some_and(|key| key.verify(&message, &vote.signature)) {
                return Err(BlockFault::Signature);
            }
        }
        Ok(())
    }

    /// Goes on to what a block leads to, and says what changes and which leaves are new, if all of it is as its header says. On
    /// error there is something to undo.
    fn execute_to(
        &mut self,
        header: &Header,
        transactions: &[Transaction],
        undo: &mut Undo,
    ) -> Result<(Vec<Changed>, Vec<[u8; 32]>), BlockFault> {
        let (root, leaves) = transactions_root(header.height, header.time, transactions)
            .map_err(|_| BlockFault::TooLong)?;
        if root != header.transactions_root {
            return Err(BlockFault::TransactionsRoot);
        }
        self.execute(At { height: header.height, time: header.time }, transactions, undo)?;
        let changes = self.changes(undo).map_err(|_| BlockFault::TooLong)?;
        self.advance(&changes, &leaves);
        if self.log.size() != header.log_size || self.log.root() != header.log_root {
            return Err(BlockFault::LogRoot);
        }
        if self.map.root() != header.state_root {
            return Err(BlockFault::StateRoot);
        }
        Ok((changes, leaves))
    }

    /// How long a signed header gets at most.
    const fn signed_header_bytes(&self) -> usize {
        if self.state.genesis().is_by_votes() {
            SignedHeader::BYTES_MAX
        } else {
            SignedHeader::BYTES
        }
    }

    fn execute(
        &mut self,
        at: At,
        transactions: &[Transaction],
        undo: &mut Undo,
    ) -> Result<(), BlockFault> {
        let has_join = transactions.iter().any(|it| matches!(it.body, Body::Join(_)));
        // The first block is the founder's: without it nobody could ever propose another.
        let is_first = at.height == Height(0);
        if (has_join && transactions.len() > 1) || (is_first && !has_join) {
            return Err(BlockFault::NotAlone);
        }
        for (place, transaction) in transactions.iter().enumerate() {
            self.state.look_ahead(transactions, place);
            let entries =
                self.judge(at, transaction).map_err(|why| BlockFault::Refused(place, why))?;
            self.change(entries, undo);
        }
        Ok(())
    }

    /// As [`State::judge`]; signatures that were found right before are not verified again.
    pub(crate) fn judge(
        &mut self,
        at: At,
        transaction: &Transaction,
    ) -> Result<Vec<Entry>, Refusal> {
        let Self { state, verified, .. } = self;
        state.judge_by(at, transaction, |signature, key, message| {
            verified.is_right(signature, key, message)
        })
    }

    fn change(&mut self, entries: Vec<Entry>, undo: &mut Undo) {
        for entry in entries {
            undo.remember(&self.state, entry.key());
            self.state.followers(&entry).for_each(|key| undo.remember(&self.state, key));
            self.state.take(entry);
        }
    }

    /// What names that were touched stand for now.
    fn changes(&self, undo: &Undo) -> Result<Vec<Changed>, WireError> {
        undo.before
            .keys()
            .map(|key| {
                let entry = self.state.entry(*key).or_else(|| key.absent());
                let entry = entry.ok_or(WireError::Invalid)?;
                let digest = digest_of(&entry)?;
                Ok(Changed { entry, digest })
            })
            .collect()
    }

    fn advance(&mut self, changes: &[Changed], leaves: &[[u8; 32]]) {
        self.map.update(changes.iter().map(|it| (it.entry.key().path(), it.digest)));
        leaves.iter().for_each(|leaf| self.log.push(*leaf));
    }

    /// Fills a draft in, and takes everything back.
    fn conclude(&mut self, at: At, undo: Undo, draft: &mut Draft) {
        let size = self.log.size();
        let roots = transactions_root(at.height, at.time, &draft.transactions);
        if let (Ok((root, leaves)), Ok(changes)) = (roots, self.changes(&undo)) {
            self.advance(&changes, &leaves);
            draft.header.transactions_root = root;
            draft.header.log_size = self.log.size();
            draft.header.log_root = self.log.root();
            draft.header.state_root = self.map.root();
            draft.leaves = leaves;
            draft.changes = changes;
        }
        self.roll_back(undo, size);
    }

    fn roll_back(&mut self, undo: Undo, size: u64) {
        let mut values = Vec::with_capacity(undo.before.len());
        for (key, before) in undo.before {
            // What could be encoded once can be again.
            let digest = before.as_ref().and_then(|entry| digest_of(entry).ok().flatten());
            values.push((key.path(), digest));
            self.state.put_back(key, before);
        }
        self.map.update(values);
        self.log.truncate(size);
    }
}

/// A block that is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its header.
    pub header: Header,
    /// Its transactions.
    pub transactions: Vec<Transaction>,
    /// What became of the candidates, from the first one on; those that follow found no room.
    pub fates: Vec<Result<(), Refusal>>,
    changes: Vec<Changed>,
    leaves: Vec<[u8; 32]>,
}

impl Draft {
    const fn new(header: Header) -> Self {
        Self {
            header,
            transactions: Vec::new(),
            fates: Vec::new(),
            changes: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// What the names of the state that change stand for afterwards.
    pub fn changes(&self) -> impl Iterator<Item = &Entry> {
        self.changes.iter().map(|change| &change.entry)
    }

    /// Those of them that are rows: the others follow from these.
    pub fn stored(&self) -> impl Iterator<Item = &Entry> {
        self.changes().filter(|entry| entry.key().is_stored())
    }

    /// The leaf hashes that it adds to the log.
    pub fn leaves(&self) -> &[[u8; 32]] {
        &self.leaves
    }

    /// The block, with its proposer's signature.
    pub fn into_block(self, key_number: u16, signature: [u8; 64]) -> Block {
        let header = SignedHeader::by_authority(self.header, key_number, signature);
        Block { header, transactions: self.transactions }
    }

    /// The block, with whoever vouches for it.
    pub fn certified(self, certificate: Certificate) -> Block {
        let header = SignedHeader { header: self.header, certificate };
        Block { header, transactions: self.transactions }
    }

    fn is_join(&self) -> bool {
        self.transactions.first().is_some_and(|it| matches!(it.body, Body::Join(_)))
    }
}

/// A block that does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockError {
    /// The height it has, or says it has.
    pub height: Height,
    /// What is wrong with it.
    pub fault: BlockFault,
}

impl BlockError {
    /// Stable number, 7110 to 7122.
    pub const fn code(&self) -> u32 {
        match self.fault {
            BlockFault::WrongChain => 7_110,
            BlockFault::NotNext => 7_111,
            BlockFault::NotLinked => 7_112,
            BlockFault::TimeBack => 7_113,
            BlockFault::Proposer => 7_114,
            BlockFault::Signature => 7_115,
            BlockFault::TransactionsRoot => 7_116,
            BlockFault::NotAlone => 7_117,
            BlockFault::Refused(..) => 7_118,
            BlockFault::LogRoot => 7_119,
            BlockFault::StateRoot => 7_120,
            BlockFault::TooLong => 7_121,
            BlockFault::Votes => 7_122,
        }
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}: {}", self.height, self.fault)
    }
}

impl core::error::Error for BlockError {}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockFault {
    /// It is of another chain.
    WrongChain,
    /// Its height is not the next one.
    NotNext,
    /// It does not name the header before.
    NotLinked,
    /// It says to be older than the block before.
    TimeBack,
    /// Its proposer may not propose, or not with this key.
    Proposer,
    /// A signature is not right.
    Signature,
    /// Its transactions are not those of the header.
    TransactionsRoot,
    /// It has an identity record and something else.
    NotAlone,
    /// The transaction at this place is refused.
    Refused(usize, Refusal),
    /// The log after it is not the header's.
    LogRoot,
    /// The state after it is not the header's.
    StateRoot,
    /// It is longer than a block may be.
    TooLong,
    /// Fewer have voted for it than have to, or others; or this chain is not ordered so.
    Votes,
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongChain => f.write_str("it is of another chain"),
            Self::NotNext => f.write_str("its height is not the next one"),
            Self::NotLinked => f.write_str("it does not follow the block before"),
            Self::TimeBack => f.write_str("it is older than the block before"),
            Self::Proposer => f.write_str("its proposer may not propose"),
            Self::Signature => f.write_str("its signature is not right"),
            Self::TransactionsRoot => f.write_str("its transactions are not the header's"),
            Self::NotAlone => f.write_str("an identity record does not stand alone"),
            Self::Refused(place, why) => write!(f, "transaction {place}: {why}"),
            Self::LogRoot => f.write_str("the log after it is not the header's"),
            Self::StateRoot => f.write_str("the state after it is not the header's"),
            Self::TooLong => f.write_str("it is too long"),
            Self::Votes => f.write_str("its votes do not decide"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    entry: Entry,
    /// Of the value; `None` where the name stands for nothing.
    digest: Option<[u8; 32]>,
}

/// What names that were touched stood for before.
#[derive(Default)]
struct Undo {
    before: BTreeMap<EntryKey, Option<Entry>>,
    /// How many of them have a row.
    stored: usize,
}

impl Undo {
    fn remember(&mut self, state: &State, key: EntryKey) {
        if let btree_map::Entry::Vacant(place) = self.before.entry(key) {
            place.insert(state.entry(key));
            self.stored += usize::from(key.is_stored());
        }
    }
}
