//! What supervision nodes say to each other besides [`ledger::Message`]: proposals, votes, transactions passed on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use ledger::{
    Block, ChainId, Header, Height, NodeId, Transaction, VALIDATORS_MAX, Vote, VoteKind,
    VoteSignature,
};
use port::WireError;
use port::wire::{Reader, Writer};

/// A frame between supervision nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The block that a proposer wants at a height, in a round.
    Propose(Box<Proposal>),
    /// Votes, anybody's, of one height.
    Votes(Height, Vec<SignedVote>),
    /// A transaction that a member submitted at the sender; nobody answers it.
    PassOn(Box<Transaction>),
    /// The sender's signature under the checkpoint after a block.
    Cosign(Height, VoteSignature),
}

impl Frame {
    /// The most votes in one frame.
    pub const VOTES_MAX: usize = 255;

    /// Whether bytes say to be one of these, and not a [`ledger::Message`].
    pub fn is_one(bytes: &[u8]) -> bool {
        matches!(bytes, [1, PROPOSE..=COSIGN, ..])
    }

    /// The sent form: version 1, kind (1), and the fields in their order.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn to_bytes(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(256);
        let mut to = Writer::new(&mut bytes, 1);
        match self {
            Self::Propose(proposal) => {
                to.u8(PROPOSE);
                proposal.write(&mut to)?;
            }
            Self::Votes(height, votes) => {
                let count = u8::try_from(votes.len()).map_err(|_| WireError::TooLong)?;
                to.u8(VOTES).u64(height.0).u8(count);
                votes.iter().for_each(|vote| vote.write(&mut to));
            }
            Self::PassOn(transaction) => {
                to.u8(PASS_ON).lp16(&transaction.to_bytes()?)?;
            }
            Self::Cosign(height, it) => {
                to.u8(COSIGN).u64(height.0);
                to.u64(it.node.0.0).u16(it.key_number).fixed(&it.signature);
            }
        }
        Ok(bytes.into())
    }

    /// Reads the sent form. No signature is checked.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(chain: ChainId, bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let frame = match from.u8()? {
            PROPOSE => Self::Propose(Box::new(Proposal::read(&mut from)?)),
            VOTES => {
                let height = Height(from.u64()?);
                let count = from.u8()?;
                let votes = (0..count).map(|_| SignedVote::read(&mut from, chain, height));
                Self::Votes(height, votes.collect::<Result<_, _>>()?)
            }
            PASS_ON => Self::PassOn(Box::new(Transaction::parse(from.lp16()?)?)),
            COSIGN => {
                let (height, node) = (Height(from.u64()?), NodeId(Height(from.u64()?)));
                let (key_number, signature) = (from.u16()?, from.array()?);
                Self::Cosign(height, VoteSignature { node, key_number, signature })
            }
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(frame)
    }
}

/// A block that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The claim.
    pub claim: SignedClaim,
    /// The block's header.
    pub header: Header,
    /// Its transactions.
    pub transactions: Vec<Transaction>,
    /// The first votes of the round that the claim names, which bind those who gave them.
    pub polka: Vec<VoteSignature>,
}

impl Proposal {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        self.claim.write(to);
        write_block(to, &self.header, &self.transactions)?;
        write_polka(to, &self.polka)
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let (claim, node, signature) = SignedClaim::read(from)?;
        let (header, transactions) = read_block(from)?;
        let polka = read_polka(from)?;
        let Round { height, round, pol_round } = claim;
        let value = header.digest();
        let claim = Claim { chain: header.chain, height, round, pol_round, value, node };
        let (key_number, bytes) = signature;
        let claim = SignedClaim { claim, key_number, signature: bytes };
        if height != header.height || polka.is_empty() != pol_round.is_none() {
            return Err(WireError::Invalid);
        }
        Ok(Self { claim, header, transactions, polka })
    }
}

/// What a proposer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// On which chain.
    pub chain: ChainId,
    /// At which height.
    pub height: Height,
    /// In which round.
    pub round: u32,
    /// The earlier round in which more than two thirds gave this block their first vote; `None`: it is a new one.
    pub pol_round: Option<u32>,
    /// The digest of its header.
    pub value: [u8; 32],
    /// Who proposes.
    pub node: NodeId,
}

impl Claim {
    /// What is signed: the domain `interbank/ledger/proposal/v1`, a zero byte, chain (32), height (8), round (4), 0, or 1 and the
    /// earlier round (4), digest (32), node (8).
    pub fn to_sign(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(96);
        let mut to = Writer::bare(&mut body);
        to.fixed(&self.chain.0);
        write_round(&mut to, self.height, self.round, self.pol_round);
        to.fixed(&self.value).u64(self.node.0.0);
        seal::in_domain("interbank/ledger/proposal/v1", &body)
    }
}

/// A claim with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedClaim {
    /// The claim.
    pub claim: Claim,
    /// With which of the proposer's keys it is signed.
    pub key_number: u16,
    /// Ed25519 over [`Claim::to_sign`].
    pub signature: [u8; 64],
}

impl SignedClaim {
    /// Height (8), round (4), optional earlier round (4), node (8), key number (2), signature (64). The digest is the block's.
    fn write(&self, to: &mut Writer<'_>) {
        let Claim { height, round, pol_round, node, .. } = self.claim;
        write_round(to, height, round, pol_round);
        to.u64(node.0.0).u16(self.key_number).fixed(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<(Round, NodeId, (u16, [u8; 64])), WireError> {
        let round = Round {
            height: Height(from.u64()?),
            round: from.u32()?,
            pol_round: if from.flag()? { Some(from.u32()?) } else { None },
        };
        let node = NodeId(Height(from.u64()?));
        Ok((round, node, (from.u16()?, from.array()?)))
    }

    /// As above, and the digest at the end.
    pub(crate) fn write_whole(&self, to: &mut Writer<'_>) {
        self.write(to);
        to.fixed(&self.claim.value);
    }

    pub(crate) fn read_whole(from: &mut Reader<'_>, chain: ChainId) -> Result<Self, WireError> {
        let (Round { height, round, pol_round }, node, (key_number, signature)) = Self::read(from)?;
        let value = from.array()?;
        let claim = Claim { chain, height, round, pol_round, value, node };
        Ok(Self { claim, key_number, signature })
    }
}

struct Round {
    height: Height,
    round: u32,
    pol_round: Option<u32>,
}

/// A vote with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// With which of the voter's keys it is signed.
    pub key_number: u16,
    /// Ed25519 over [`Vote::to_sign`].
    pub signature: [u8; 64],
}

impl SignedVote {
    /// Round (4), kind (1), 0, or 1 and the digest (32), node (8), key number (2), signature (64). The height stands before.
    pub(crate) fn write(&self, to: &mut Writer<'_>) {
        let Vote { round, kind, value, node, .. } = self.vote;
        to.u32(round).u8(kind.as_u8());
        match value {
            Some(digest) => to.u8(1).fixed(&digest),
            None => to.u8(0),
        };
        to.u64(node.0.0).u16(self.key_number).fixed(&self.signature);
    }

    pub(crate) fn read(
        from: &mut Reader<'_>,
        chain: ChainId,
        height: Height,
    ) -> Result<Self, WireError> {
        let vote = Vote {
            chain,
            height,
            round: from.u32()?,
            kind: VoteKind::from_u8(from.u8()?)?,
            value: if from.flag()? { Some(from.array()?) } else { None },
            node: NodeId(Height(from.u64()?)),
        };
        Ok(Self { vote, key_number: from.u16()?, signature: from.array()? })
    }
}

fn write_round(to: &mut Writer<'_>, height: Height, round: u32, pol_round: Option<u32>) {
    to.u64(height.0).u32(round);
    match pol_round {
        Some(round) => to.u8(1).u32(round),
        None => to.u8(0),
    };
}

/// Header (193), count of transactions (2), each (`u16` length).
pub(crate) fn write_block(
    to: &mut Writer<'_>,
    header: &Header,
    transactions: &[Transaction],
) -> Result<(), WireError> {
    let mut bytes = Vec::with_capacity(Header::BYTES);
    header.encode(&mut bytes);
    let count = u16::try_from(transactions.len()).map_err(|_| WireError::TooLong)?;
    to.fixed(&bytes).u16(count);
    transactions.iter().try_for_each(|it| to.lp16(&it.to_bytes()?).map(|_| ()))
}

pub(crate) fn read_block(from: &mut Reader<'_>) -> Result<(Header, Vec<Transaction>), WireError> {
    let header = Header::read(from)?;
    let count = usize::from(from.u16()?);
    if count > Block::TRANSACTIONS_MAX {
        return Err(WireError::TooLong);
    }
    let transactions = (0..count).map(|_| Transaction::parse(from.lp16()?));
    Ok((header, transactions.collect::<Result<_, _>>()?))
}

/// Count (1), and for each in rising order node (8), key number (2), signature (64).
pub(crate) fn write_polka(to: &mut Writer<'_>, votes: &[VoteSignature]) -> Result<(), WireError> {
    to.u8(u8::try_from(votes.len()).map_err(|_| WireError::TooLong)?);
    for vote in votes {
        to.u64(vote.node.0.0).u16(vote.key_number).fixed(&vote.signature);
    }
    Ok(())
}

pub(crate) fn read_polka(from: &mut Reader<'_>) -> Result<Vec<VoteSignature>, WireError> {
    let count = usize::from(from.u8()?);
    if count > VALIDATORS_MAX {
        return Err(WireError::TooLong);
    }
    let mut votes: Vec<VoteSignature> = Vec::with_capacity(count);
    for _ in 0..count {
        let node = NodeId(Height(from.u64()?));
        if votes.last().is_some_and(|before| before.node >= node) {
            return Err(WireError::Invalid);
        }
        votes.push(VoteSignature { node, key_number: from.u16()?, signature: from.array()? });
    }
    Ok(votes)
}

const PROPOSE: u8 = 32;
const VOTES: u8 = 33;
const PASS_ON: u8 = 34;
const COSIGN: u8 = 35;
