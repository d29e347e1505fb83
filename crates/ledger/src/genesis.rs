//! What a chain starts from, and what names it.

use crate::{ChainId, Identity, Misuse, Role};
use alloc::string::String;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use sha2::{Digest as _, Sha256};

/// What a chain starts from: fixed for ever, and known to everybody who verifies anything of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    origin: String,
    policy: Policy,
    founder: Identity,
    founded: Time,
    is_by_votes: bool,
}

impl Genesis {
    /// Of a chain whose log is called `origin`: a URL without scheme, such as `registry.example/vehicles` (C2SP
    /// `tlog-checkpoint`), 1 to 100 visible ASCII characters without `+`.
    ///
    /// # Errors
    /// [`Misuse::Name`] for the origin, [`Misuse::Bounds`] for a policy that cannot work or a founder that is not a
    /// supervision node.
    pub fn new(
        origin: &str,
        policy: Policy,
        founder: Identity,
        founded: Time,
    ) -> Result<Self, Misuse> {
        let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        if !(1..=100).contains(&origin.len()) || !origin.bytes().all(is_visible) {
            return Err(Misuse::Name);
        }
        if !policy.can_work() || founder.role != Role::Supervision {
            return Err(Misuse::Bounds);
        }
        Ok(Self { origin: origin.into(), policy, founder, founded, is_by_votes: false })
    }

    /// The same for a chain whose blocks are decided by votes of its supervision nodes, and not by the signature of one.
    #[must_use]
    pub const fn by_votes(mut self) -> Self {
        self.is_by_votes = true;
        self
    }

    /// The chain's name: SHA-256 of the domain `interbank/ledger/genesis/v1`, a zero byte, and the stored form.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what [`Genesis::new`] made.
    pub fn chain(&self) -> Result<ChainId, WireError> {
        let mut bytes = Vec::with_capacity(256);
        self.encode(&mut bytes)?;
        let hash = Sha256::new_with_prefix(b"interbank/ledger/genesis/v1\0");
        Ok(ChainId(hash.chain_update(&bytes).finalize().into()))
    }

    /// What the log is called in checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The rules that are numbers.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The first node; its identity record is the first block.
    pub const fn founder(&self) -> &Identity {
        &self.founder
    }

    /// When.
    pub const fn founded(&self) -> Time {
        self.founded
    }

    /// Whether blocks are decided by votes of the supervision nodes.
    pub const fn is_by_votes(&self) -> bool {
        self.is_by_votes
    }

    /// Appends the stored form: version (1: one node orders, 2: by votes), origin (`u8` length), policy, founder, time in
    /// milliseconds (8).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, if self.is_by_votes { BY_VOTES } else { BY_AUTHORITY });
        to.lp8(self.origin.as_bytes())?;
        self.policy.write(&mut to);
        self.founder.write(&mut to)?;
        to.u64(self.founded.as_ms());
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let is_by_votes = bytes.first() == Some(&BY_VOTES);
        from.version(if is_by_votes { BY_VOTES } else { BY_AUTHORITY })?;
        let origin = Reader::text(from.lp8()?)?;
        let policy = Policy::read(&mut from)?;
        let founder = Identity::read(&mut from)?;
        let founded = Time::from_ms(from.u64()?);
        from.finish()?;
        let genesis =
            Self::new(origin, policy, founder, founded).map_err(|_| WireError::Invalid)?;
        Ok(if is_by_votes { genesis.by_votes() } else { genesis })
    }
}

/// The rules of a chain that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many supervision nodes have to approve a request. 1 to 16.
    pub approvals: u8,
    /// How many have to reject it. 1 to 16.
    pub rejections: u8,
    /// How many supervision nodes have to sign who joins and who is revoked; all that take part, where fewer do. 1 to 16.
    pub quorum: u8,
    /// For how many blocks a replaced key still counts.
    pub overlap: u64,
    /// A transaction may wait for at most this many blocks. At least 1.
    pub window_max: u64,
    /// Within how many blocks a new owner has to register; then supervision is told.
    pub register_within: u64,
    /// For how many blocks rejected requests and retired files stay in the state at least. Not less than `window_max`: a
    /// request that was forgotten must not come again.
    pub keep: u64,
}

impl Policy {
    const fn can_work(&self) -> bool {
        let counts = [self.approvals, self.rejections, self.quorum];
        let mut at = 0;
        while at < counts.len() {
            if counts[at] == 0 || counts[at] > 16 {
                return false;
            }
            at += 1;
        }
        self.window_max > 0 && self.keep >= self.window_max
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(self.approvals)
            .u8(self.rejections)
            .u8(self.quorum)
            .u64(self.overlap)
            .u64(self.window_max)
            .u64(self.register_within)
            .u64(self.keep);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            approvals: from.u8()?,
            rejections: from.u8()?,
            quorum: from.u8()?,
            overlap: from.u64()?,
            window_max: from.u64()?,
            register_within: from.u64()?,
            keep: from.u64()?,
        })
    }
}

impl Default for Policy {
    /// One approval and one rejection decide, two nodes admit, keys overlap for 1,000 blocks, transactions wait for at most
    /// 10,000, new owners have 100,000, and what is over stays for 100,000.
    fn default() -> Self {
        Self {
            approvals: 1,
            rejections: 1,
            quorum: 2,
            overlap: 1_000,
            window_max: 10_000,
            register_within: 100_000,
            keep: 100_000,
        }
    }
}

const BY_AUTHORITY: u8 = 1;
const BY_VOTES: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeName;
    use seal::{Secret, SigningKey};

    fn founder(role: Role) -> Identity {
        let signing = SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
        Identity { name: NodeName::new("s-1").unwrap(), role, signing, sealing: [2; 32] }
    }

    fn genesis(origin: &str, policy: Policy, role: Role) -> Result<Genesis, Misuse> {
        Genesis::new(origin, policy, founder(role), Time::from_s(1_800_000_000))
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let good = Policy::default();
        for origin in ["", "a b", "a+b", "ä", &"x".repeat(101)] {
            assert_eq!(genesis(origin, good, Role::Supervision).err(), Some(Misuse::Name));
        }
        for bad in [
            Policy { approvals: 0, ..good },
            Policy { rejections: 17, ..good },
            Policy { quorum: 0, ..good },
            Policy { window_max: 0, ..good },
            Policy { keep: good.window_max - 1, ..good },
        ] {
            assert_eq!(genesis("a", bad, Role::Supervision).err(), Some(Misuse::Bounds));
        }
        assert_eq!(genesis("a", good, Role::Member).err(), Some(Misuse::Bounds));
    }

    #[test]
    fn every_part_names_the_chain_and_comes_back() {
        let one = genesis("a.example/log", Policy::default(), Role::Supervision).unwrap();
        let mut bytes = Vec::new();
        one.encode(&mut bytes).unwrap();
        assert_eq!(Genesis::parse(&bytes), Ok(one.clone()));
        let other = Policy { overlap: 1_001, ..Policy::default() };
        let other = genesis("a.example/log", other, Role::Supervision).unwrap();
        assert_ne!(one.chain().unwrap(), other.chain().unwrap());
        // The same chain ordered in another way is another chain.
        let voted = one.clone().by_votes();
        assert_ne!(one.chain().unwrap(), voted.chain().unwrap());
        let mut form = Vec::new();
        voted.encode(&mut form).unwrap();
        assert_eq!(Genesis::parse(&form), Ok(voted));
        bytes.push(0);
        assert_eq!(Genesis::parse(&bytes), Err(WireError::Trailing));
    }
}
