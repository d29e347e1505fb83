//! What is stored besides the chain: one's own word in the round under way, the blocks that it is about, and lies of others.

use crate::Misconduct;
use crate::frame::{SignedClaim, SignedVote, read_block, read_polka, write_block, write_polka};
use alloc::vec::Vec;
use ledger::{ChainId, Corrupt, Header, Height, NodeId, Registrar, Transaction, VoteSignature};
use port::wire::{Reader, Writer};
use port::{Key, KeyError, WireError};

/// What this node has said at a height, and what binds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) height: Height,
    /// The newest round in which it said anything.
    pub(crate) round: u32,
    /// Its proposal in that round.
    pub(crate) claim: Option<SignedClaim>,
    /// Its votes in that round.
    pub(crate) votes: Vec<SignedVote>,
    /// The block that it may not vote against.
    pub(crate) locked: Option<Polka>,
    /// The block that it proposes.
    pub(crate) valid: Option<Polka>,
}

impl Word {
    /// Version 1, height (8), round (4), optional proposal, count of votes (1), votes, two optional polkas.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::with_capacity(1_024);
        let mut to = Writer::new(&mut bytes, 1);
        to.u64(self.height.0).u32(self.round);
        match &self.claim {
            Some(claim) => claim.write_whole(to.u8(1)),
            None => {
                to.u8(0);
            }
        }
        to.u8(u8::try_from(self.votes.len()).map_err(|_| WireError::TooLong)?);
        self.votes.iter().for_each(|vote| vote.write(&mut to));
        for polka in [&self.locked, &self.valid] {
            match polka {
                Some(polka) => {
                    to.u8(1).u32(polka.round).fixed(&polka.value);
                    write_polka(&mut to, &polka.votes)?;
                }
                None => {
                    to.u8(0);
                }
            }
        }
        Ok(bytes)
    }

    pub(crate) fn parse(chain: ChainId, bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let (height, round) = (Height(from.u64()?), from.u32()?);
        let claim =
            if from.flag()? { Some(SignedClaim::read_whole(&mut from, chain)?) } else { None };
        let count = from.u8()?;
        let votes = (0..count).map(|_| SignedVote::read(&mut from, chain, height));
        let votes = votes.collect::<Result<_, _>>()?;
        let locked = Polka::read(&mut from)?;
        let valid = Polka::read(&mut from)?;
        from.finish()?;
        Ok(Self { height, round, claim, votes, locked, valid })
    }

    /// The blocks that it is about.
    pub(crate) fn values(&self) -> impl Iterator<Item = [u8; 32]> {
        let claimed = self.claim.iter().map(|it| it.claim.value);
        claimed.chain([&self.locked, &self.valid].into_iter().flatten().map(|it| it.value))
    }
}

/// More than two thirds of the first votes of a round, for one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Polka {
    pub(crate) round: u32,
    pub(crate) value: [u8; 32],
    pub(crate) votes: Vec<VoteSignature>,
}

impl Polka {
    fn read(from: &mut Reader<'_>) -> Result<Option<Self>, WireError> {
        if !from.flag()? {
            return Ok(None);
        }
        let (round, value) = (from.u32()?, from.array()?);
        Ok(Some(Self { round, value, votes: read_polka(from)? }))
    }
}

/// Version 1, header, transactions.
pub(crate) fn block_row(
    header: &Header,
    transactions: &[Transaction],
) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(4_096);
    write_block(&mut Writer::new(&mut bytes, 1), header, transactions)?;
    Ok(bytes)
}

pub(crate) fn parse_block_row(bytes: &[u8]) -> Result<(Header, Vec<Transaction>), Corrupt> {
    let mut from = Reader::new(bytes);
    from.version(1)?;
    let block = read_block(&mut from)?;
    from.finish()?;
    Ok(block)
}

impl Misconduct {
    /// Version 1, height (8), kind (1: 1 votes, 2 proposals), both.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(384);
        let mut to = Writer::new(&mut bytes, 1);
        match self {
            Self::Votes(one, other) => {
                to.u64(one.vote.height.0).u8(1);
                one.write(&mut to);
                other.write(&mut to);
            }
            Self::Proposals(one, other) => {
                to.u64(one.claim.height.0).u8(2);
                one.write_whole(&mut to);
                other.write_whole(&mut to);
            }
        }
        bytes
    }

    /// Reads the stored form of evidence on a chain. Whether the signatures are right is not looked at.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(chain: ChainId, bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let height = Height(from.u64()?);
        let evidence = match from.u8()? {
            1 => Self::Votes(
                SignedVote::read(&mut from, chain, height)?,
                SignedVote::read(&mut from, chain, height)?,
            ),
            2 => Self::Proposals(
                SignedClaim::read_whole(&mut from, chain)?,
                SignedClaim::read_whole(&mut from, chain)?,
            ),
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(evidence)
    }
}

pub(crate) fn word_key(registrar: &Registrar) -> Key {
    registrar.table(WORD)
}

pub(crate) fn blocks_table(registrar: &Registrar) -> Key {
    registrar.table(BLOCKS)
}

pub(crate) fn block_key(registrar: &Registrar, value: &[u8; 32]) -> Result<Key, KeyError> {
    registrar.table(BLOCKS).raw(value)
}

pub(crate) fn evidence_table(registrar: &Registrar) -> Key {
    registrar.table(EVIDENCE)
}

pub(crate) fn evidence_key(registrar: &Registrar, node: NodeId) -> Result<Key, KeyError> {
    registrar.table(EVIDENCE).number(node.0.0)
}

/// The end of a key below its table.
pub(crate) fn tail<const N: usize>(key: &Key) -> Result<[u8; N], Corrupt> {
    let bytes = key.as_bytes().get(Key::HEAD_BYTES..).ok_or(WireError::Truncated)?;
    Ok(bytes.try_into().map_err(|_| WireError::Truncated)?)
}

const WORD: u8 = Registrar::OWN_TABLE;
const BLOCKS: u8 = Registrar::OWN_TABLE + 1;
const EVIDENCE: u8 = Registrar::OWN_TABLE + 2;
