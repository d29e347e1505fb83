//! Certificates: who vouches for a header, and how many of them it takes.

use crate::{ChainId, Header, Height, NodeId};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{KeyId, KeyQuestion, WireError};
use seal::VerifyingKey;

/// Who vouches for a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Its proposer, who orders alone.
    Authority {
        /// With which of the proposer's keys it is signed.
        key_number: u16,
        /// Ed25519 over [`Header::to_sign`].
        signature: [u8; 64],
    },
    /// More than two thirds of the supervision nodes, by their votes to commit it in one round.
    Votes {
        /// In which round.
        round: u32,
        /// In the order of the voters, none twice.
        votes: Vec<VoteSignature>,
    },
}

impl Certificate {
    /// The longest stored form, in bytes.
    pub const BYTES_MAX: usize = 1 + 4 + 1 + VALIDATORS_MAX * VoteSignature::BYTES;

    /// Appends the stored form: kind (1), then 1: key number (2), signature (64); 2: round (4), count of votes (1), and for each
    /// node (8), key number (2), signature (64).
    pub(crate) fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::bare(to);
        match self {
            Self::Authority { key_number, signature } => {
                to.u8(BY_AUTHORITY).u16(*key_number).fixed(signature);
            }
            Self::Votes { round, votes } => {
                let count = u8::try_from(votes.len()).map_err(|_| WireError::TooLong)?;
                to.u8(BY_VOTES).u32(*round).u8(count);
                for vote in votes {
                    to.u64(vote.node.0.0).u16(vote.key_number).fixed(&vote.signature);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        match from.u8()? {
            BY_AUTHORITY => {
                Ok(Self::Authority { key_number: from.u16()?, signature: from.array()? })
            }
            BY_VOTES => {
                let round = from.u32()?;
                let count = usize::from(from.u8()?);
                if !(1..=VALIDATORS_MAX).contains(&count) {
                    return Err(WireError::Invalid);
                }
                let mut votes: Vec<VoteSignature> = Vec::with_capacity(count);
                for _ in 0..count {
                    let node = NodeId(Height(from.u64()?));
                    if votes.last().is_some_and(|before| before.node >= node) {
                        return Err(WireError::Invalid);
                    }
                    let (key_number, signature) = (from.u16()?, from.array()?);
                    votes.push(VoteSignature { node, key_number, signature });
                }
                Ok(Self::Votes { round, votes })
            }
            _ => Err(WireError::Invalid),
        }
    }

    /// How many of the signatures for a header are right under these keys, each key's counted once. It says nothing about whose
    /// keys they are.
    pub fn signed_by<'k>(
        &self,
        header: &Header,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> usize {
        match self {
            Self::Authority { signature, .. } => {
                let message = header.to_sign();
                usize::from(keys.into_iter().any(|key| key.verify(&message, signature)))
            }
            Self::Votes { round, votes } => {
                let digest = header.digest();
                let mut left: Vec<_> = votes.iter().collect();
                let mut count = 0;
                for key in keys {
                    let found = left.iter().position(|it| {
                        let vote = Vote::commit(header, it.node, *round, digest);
                        key.verify(&vote.to_sign(), &it.signature)
                    });
                    if let Some(found) = found {
                        left.swap_remove(found);
                        count += 1;
                    }
                }
                count
            }
        }
    }
}

/// A validator's signature under a vote, within something that says which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteSignature {
    /// Whose it is.
    pub node: NodeId,
    /// With which of its keys it is signed.
    pub key_number: u16,
    /// Ed25519 over [`Vote::to_sign`].
    pub signature: [u8; 64],
}

impl VoteSignature {
    /// How long the stored form is.
    pub const BYTES: usize = 8 + 2 + 64;
}

/// What a validator says about a header, or that it will not have any, in one round at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// On which chain.
    pub chain: ChainId,
    /// At which height.
    pub height: Height,
    /// In which round.
    pub round: u32,
    /// First or second vote.
    pub kind: VoteKind,
    /// [`Header::digest`]; `None`: no block in this round.
    pub value: Option<[u8; 32]>,
    /// Whose it is.
    pub node: NodeId,
}

impl Vote {
    pub(crate) const fn commit(
        header: &Header,
        node: NodeId,
        round: u32,
        digest: [u8; 32],
    ) -> Self {
        let Header { chain, height, .. } = *header;
        Self { chain, height, round, kind: VoteKind::Commit, value: Some(digest), node }
    }

    /// What is signed: the domain `interbank/ledger/vote/v1`, a zero byte, chain (32), height (8), round (4), kind (1: 1 prepare,
    /// 2 commit), 0, or 1 and the header's digest (32), node (8).
    pub fn to_sign(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(96);
        let mut to = Writer::bare(&mut body);
        to.fixed(&self.chain.0).u64(self.height.0).u32(self.round).u8(self.kind.as_u8());
        match &self.value {
            Some(digest) => to.u8(1).fixed(digest),
            None => to.u8(0),
        };
        to.u64(self.node.0.0);
        seal::in_domain("interbank/ledger/vote/v1", &body)
    }

    /// The question whose answer is the voter's signature.
    pub fn question(&self, key: KeyId) -> KeyQuestion {
        KeyQuestion::Sign { key, message: self.to_sign().into() }
    }
}

/// Which of a round's two votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VoteKind {
    /// The first one: the block is good, and the voter is not bound to another.
    Prepare,
    /// The second one: more than two thirds said so. As many of these decide.
    Commit,
}

impl VoteKind {
    /// The byte of signed and sent forms.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Prepare => 1,
            Self::Commit => 2,
        }
    }

    /// The kind of a byte.
    ///
    /// # Errors
    /// [`WireError::Invalid`].
    pub const fn from_u8(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::Prepare),
            2 => Ok(Self::Commit),
            _ => Err(WireError::Invalid),
        }
    }
}

/// How many of so many validators have to vote alike: more than two thirds.
pub const fn votes_needed(validators: usize) -> usize {
    validators * 2 / 3 + 1
}

/// At most this many supervision nodes order together: those that joined first among those that take part.
pub const VALIDATORS_MAX: usize = 64;

const BY_AUTHORITY: u8 = 1;
const BY_VOTES: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ld10_more_than_two_thirds_decide() {
        let needed: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 10, 64].map(votes_needed).into();
        assert_eq!(needed, [1, 2, 3, 3, 4, 5, 5, 7, 43]);
        for n in 1..=VALIDATORS_MAX {
            // Two such majorities share more than a third, so at least one that does not lie.
            let faulty = (n - 1) / 3;
            assert!(2 * votes_needed(n) > n + faulty && votes_needed(n) <= n - faulty);
        }
    }

    #[test]
    fn every_part_of_a_vote_is_signed() {
        let one = Vote {
            chain: ChainId([1; 32]),
            height: Height(2),
            round: 3,
            kind: VoteKind::Prepare,
            value: Some([4; 32]),
            node: NodeId(Height(5)),
        };
        let others = [
            Vote { chain: ChainId([2; 32]), ..one },
            Vote { height: Height(3), ..one },
            Vote { round: 4, ..one },
            Vote { kind: VoteKind::Commit, ..one },
            Vote { value: None, ..one },
            Vote { value: Some([5; 32]), ..one },
            Vote { node: NodeId(Height(6)), ..one },
        ];
        assert!(others.iter().all(|other| other.to_sign() != one.to_sign()));
    }

    #[test]
    fn certificates_come_back_in_one_form() {
        let vote = |node, byte| VoteSignature {
            node: NodeId(Height(node)),
            key_number: 1,
            signature: [byte; 64],
        };
        let votes = Certificate::Votes { round: 7, votes: alloc::vec![vote(1, 2), vote(3, 4)] };
        let mut bytes = Vec::new();
        votes.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 6 + 2 * VoteSignature::BYTES);
        assert_eq!(Certificate::read(&mut Reader::new(&bytes)), Ok(votes));
        // The second voter before the first.
        bytes[6 + VoteSignature::BYTES + 7] = 0;
        assert_eq!(Certificate::read(&mut Reader::new(&bytes)), Err(WireError::Invalid));
    }
}
