//! What the rules of Malachite are told about: heights, values, votes. A value is a block's digest, and everything has one weight.

use alloc::vec::Vec;
use arc_malachitebft_core_types as rules;
use core::fmt;
use ledger::{Height, NodeId, VoteKind};
use rules::{NilOrVal, Round};

/// The rules with this crate's types.
#[derive(Clone, Debug)]
pub(crate) struct Context;

pub(crate) type Driver = arc_malachitebft_core_driver::Driver<Context>;
pub(crate) type Input = arc_malachitebft_core_driver::Input<Context>;
pub(crate) type Output = arc_malachitebft_core_driver::Output<Context>;
pub(crate) type SignedVote = rules::SignedVote<Context>;
pub(crate) type SignedProposal = rules::SignedProposal<Context>;

impl rules::Context for Context {
    type Address = Voter;
    type Height = At;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = rules::LinearTimeouts;
    type Value = Digest;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: At,
        round: Round,
    ) -> &'a Validator {
        let round = round.as_u32().unwrap_or(0);
        &validators.0[proposer(validators.0.len(), Height(height.0), round)]
    }

    fn new_proposal(
        &self,
        height: At,
        round: Round,
        value: Digest,
        pol_round: Round,
        address: Voter,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, voter: address }
    }

    fn new_prevote(
        &self,
        height: At,
        round: Round,
        value_id: NilOrVal<Digest>,
        address: Voter,
    ) -> Vote {
        Vote { height, round, kind: VoteKind::Prepare, value: value_id, voter: address }
    }

    fn new_precommit(
        &self,
        height: At,
        round: Round,
        value_id: NilOrVal<Digest>,
        address: Voter,
    ) -> Vote {
        Vote { height, round, kind: VoteKind::Commit, value: value_id, voter: address }
    }
}

/// Whose turn it is, by its place among the validators: one after the other, over heights and rounds.
pub(crate) fn proposer(validators: usize, height: Height, round: u32) -> usize {
    let validators = (validators as u64).max(1);
    let turn = (height.0 % validators + u64::from(round) % validators) % validators;
    usize::try_from(turn).unwrap_or(0)
}

/// A supervision node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Voter(pub(crate) NodeId);

impl fmt::Display for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl rules::Address for Voter {}

/// A height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At(pub(crate) u64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl rules::Height for At {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(0);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// The digest of a block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl rules::Value for Digest {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// Who may vote. All weigh 1, so that no sum can overflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators(Vec<Validator>);

impl Validators {
    pub(crate) fn new(nodes: &[NodeId]) -> Self {
        Self(nodes.iter().map(|node| Validator(Voter(*node))).collect())
    }
}

impl rules::ValidatorSet<Context> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> rules::VotingPower {
        self.0.len() as u64
    }

    fn get_by_address(&self, address: &Voter) -> Option<&Validator> {
        self.0.iter().find(|validator| validator.0 == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator(Voter);

impl rules::Validator<Context> for Validator {
    fn address(&self) -> &Voter {
        &self.0
    }

    fn public_key(&self) -> &() {
        // Signatures are checked before the rules see anything.
        &()
    }

    fn voting_power(&self) -> rules::VotingPower {
        1
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) height: At,
    pub(crate) round: Round,
    pub(crate) value: Digest,
    pub(crate) pol_round: Round,
    pub(crate) voter: Voter,
}

impl rules::Proposal<Context> for Proposal {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Digest {
        &self.value
    }

    fn take_value(self) -> Digest {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Voter {
        &self.voter
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) height: At,
    pub(crate) round: Round,
    pub(crate) kind: VoteKind,
    pub(crate) value: NilOrVal<Digest>,
    pub(crate) voter: Voter,
}

impl rules::Vote<Context> for Vote {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Digest> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Digest> {
        self.value
    }

    fn vote_type(&self) -> rules::VoteType {
        match self.kind {
            VoteKind::Prepare => rules::VoteType::Prevote,
            VoteKind::Commit => rules::VoteType::Precommit,
        }
    }

    fn validator_address(&self) -> &Voter {
        &self.voter
    }

    fn extension(&self) -> Option<&rules::SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<rules::SignedExtension<Context>> {
        None
    }

    fn extend(self, _: rules::SignedExtension<Context>) -> Self {
        self
    }
}

/// Blocks travel whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPart {}

impl rules::ProposalPart<Context> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// The rules carry signatures about and look at none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// A signature, and with which of the signer's keys it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature {
    pub(crate) key_number: u16,
    pub(crate) bytes: [u8; 64],
}

impl rules::SigningScheme for Ed25519 {
    type DecodingError = fmt::Error;
    type Signature = Signature;
    type PublicKey = ();
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, fmt::Error> {
        let (number, bytes) = bytes.split_first_chunk().ok_or(fmt::Error)?;
        let bytes = bytes.try_into().map_err(|_| fmt::Error)?;
        Ok(Signature { key_number: u16::from_be_bytes(*number), bytes })
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        [&signature.key_number.to_be_bytes()[..], &signature.bytes].concat()
    }

    fn decode_public_key(_: &[u8]) -> Result<(), fmt::Error> {
        Ok(())
    }

    fn encode_public_key((): &()) -> Vec<u8> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_its_turn() {
        for validators in 1..=7 {
            for height in [0, 5, u64::MAX] {
                let count = u32::try_from(validators).unwrap();
                let mut turns: Vec<_> =
                    (0..count).map(|round| proposer(validators, Height(height), round)).collect();
                turns.sort_unstable();
                assert!(turns.into_iter().eq(0..validators));
            }
        }
        assert_ne!(proposer(4, Height(8), 0), proposer(4, Height(9), 0));
    }
}
