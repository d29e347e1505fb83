//! Evidence that a validator spoke with two tongues.

use crate::frame::{SignedClaim, SignedVote};
use ledger::{Height, NodeId};
use seal::VerifyingKey;

/// Two things that one validator signed and may not both have said: enough for supervision to revoke it, and for anybody to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misconduct {
    /// Two votes of one kind in one round.
    Votes(SignedVote, SignedVote),
    /// Two proposals in one round.
    Proposals(SignedClaim, SignedClaim),
}

impl Misconduct {
    /// Who did it.
    pub const fn node(&self) -> NodeId {
        match self {
            Self::Votes(one, _) => one.vote.node,
            Self::Proposals(one, _) => one.claim.node,
        }
    }

    /// At which height.
    pub const fn height(&self) -> Height {
        match self {
            Self::Votes(one, _) => one.vote.height,
            Self::Proposals(one, _) => one.claim.height,
        }
    }

    /// Whether it shows what it says, given the validator's keys by their numbers.
    pub fn is_proof<'k>(&self, key: impl Fn(u16) -> Option<&'k VerifyingKey>) -> bool {
        let is_right = |number, message: &[u8], signature: &[u8; 64]| {
            key(number).is_some_and(|key| key.verify(message, signature))
        };
        match self {
            Self::Votes(one, other) => {
                let (first, second) = (one.vote, other.vote);
                let is_same = (first.chain, first.height, first.round, first.kind, first.node)
                    == (second.chain, second.height, second.round, second.kind, second.node);
                is_same
                    && first.value != second.value
                    && is_right(one.key_number, &first.to_sign(), &one.signature)
                    && is_right(other.key_number, &second.to_sign(), &other.signature)
            }
            Self::Proposals(one, other) => {
                let (first, second) = (one.claim, other.claim);
                let is_same = (first.chain, first.height, first.round, first.node)
                    == (second.chain, second.height, second.round, second.node);
                is_same
                    && first != second
                    && is_right(one.key_number, &first.to_sign(), &one.signature)
                    && is_right(other.key_number, &second.to_sign(), &other.signature)
            }
        }
    }
}
