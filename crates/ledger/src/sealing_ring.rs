//! A node's own sealing keys over time: the newest one, and former ones that something may still be sealed for.

use crate::{ChainId, Document, KeyRing, Misuse, NodeId, SealError, SealedDocument, SealingKey};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use seal::Secret;

/// A node's X25519 keys in software: opens what is sealed for any of them, and wraps anew what is sealed for a former one.
///
/// The chain names one sealing key of a node at a time, from the block after its change on. What was sealed before stays sealed for
/// the key before, and a wrapped key does not say for which key it is: so all that are kept are tried, newest first. A key has the
/// number of the change that brought it ([`crate::RotateNode`]); the first one's is 1.
///
/// ```
/// use interbank_ledger::*;
/// use seal::Secret;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = |n| SealingKey::from_seed(&Secret::new([n; 32]));
/// let (chain, node) = (ChainId([1; 32]), NodeId(Height(2)));
/// let deed = Document::new("text/plain", b"it is hers".to_vec(), [3; 32])?;
/// let readers = [(node, key(1).public())];
/// let mut sealed = SealedDocument::seal(chain, &deed, &readers, &Secret::new([4; 32]))?;
/// let mut ring = SealingRing::new(1, key(1));
/// ring.rotate(2, key(2))?;
/// assert_eq!(ring.open(&sealed, chain, &deed.commitment(), node)?, deed);
/// assert!(ring.rewrap(&mut sealed, chain, &deed.commitment(), node, &Secret::new([5; 32]))?);
/// assert!(ring.forget(1));
/// assert_eq!(ring.open(&sealed, chain, &deed.commitment(), node)?, deed);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SealingRing {
    newest: Kept,
    /// Newest first.
    former: Vec<Kept>,
}

impl SealingRing {
    /// At most this many keys are kept, the newest one included.
    pub const KEYS_MAX: usize = KeyRing::KEYS_MAX;

    /// With one key and its number.
    pub fn new(number: u16, key: SealingKey) -> Self {
        Self { newest: Kept { number, key: Box::new(key) }, former: Vec::new() }
    }

    /// A new key; the one before is a former one from now on.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] if its number does not rise, or as many keys are kept as may be.
    pub fn rotate(&mut self, number: u16, key: SealingKey) -> Result<(), Misuse> {
        if number <= self.newest.number || self.is_full() {
            return Err(Misuse::Bounds);
        }
        let before = core::mem::replace(&mut self.newest, Kept { number, key: Box::new(key) });
        self.former.insert(0, before);
        Ok(())
    }

    /// Forgets a former key; says whether it was kept. What is sealed for that one alone does not open any more.
    pub fn forget(&mut self, number: u16) -> bool {
        let before = self.former.len();
        self.former.retain(|kept| kept.number != number);
        self.former.len() < before
    }

    /// The number of the newest key.
    pub const fn number(&self) -> u16 {
        self.newest.number
    }

    /// The newest key: what others seal with.
    pub fn newest(&self) -> &SealingKey {
        &self.newest.key
    }

    /// The numbers of former keys, newest first, each with the number of the key that took its place, as far as that is kept.
    pub fn former(&self) -> impl Iterator<Item = (u16, u16)> {
        let next = core::iter::once(self.newest.number);
        let next = next.chain(self.former.iter().map(|kept| kept.number));
        self.former.iter().map(|kept| kept.number).zip(next)
    }

    /// Whether there is no room for another key until a former one is forgotten.
    pub fn is_full(&self) -> bool {
        self.former.len() + 1 >= Self::KEYS_MAX
    }

    /// Opens a document that is sealed for any of the keys, as [`SealedDocument::open`].
    ///
    /// # Errors
    /// As there; [`SealError::NotForYou`] if it is sealed for none of them.
    pub fn open(
        &self,
        sealed: &SealedDocument,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
    ) -> Result<Document, SealError> {
        self.first(|key| sealed.open(chain, commitment, node, key))
    }

    /// Lets another node in, as [`SealedDocument::share`]. `entropy` must be fresh.
    ///
    /// # Errors
    /// As there; [`SealError::NotForYou`] if the document is sealed for none of the keys.
    pub fn share(
        &self,
        sealed: &mut SealedDocument,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
        reader: (NodeId, [u8; 32]),
        entropy: &Secret<32>,
    ) -> Result<(), SealError> {
        self.first(|key| sealed.share(chain, commitment, (node, key), reader, entropy))
    }

    /// Wraps a document's key anew for the newest key, where it is wrapped for a former one; says whether it was. Other readers, the
    /// ciphertext and the digest stay as they are. `entropy` must be fresh.
    ///
    /// # Errors
    /// [`SealError::NotForYou`] if the document is sealed for none of the keys; [`SealError::BadKey`] never for keys made from
    /// seeds.
    pub fn rewrap(
        &self,
        sealed: &mut SealedDocument,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
        entropy: &Secret<32>,
    ) -> Result<bool, SealError> {
        if sealed.is_for(chain, commitment, node, self.newest()) {
            return Ok(false);
        }
        let newest = (node, self.newest().public());
        self.share(sealed, chain, commitment, node, newest, entropy).map(|()| true)
    }

    /// The first answer that is not that a document is not for this key.
    fn first<T>(
        &self,
        mut attempt: impl FnMut(&SealingKey) -> Result<T, SealError>,
    ) -> Result<T, SealError> {
        let mut answer = attempt(self.newest());
        for kept in &self.former {
            if !matches!(answer, Err(SealError::NotForYou)) {
                break;
            }
            answer = attempt(&kept.key);
        }
        answer
    }
}

impl fmt::Debug for SealingRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let former = self.former.iter().map(|kept| kept.number);
        write!(f, "SealingRing({}, former {:?})", self.newest.number, former.collect::<Vec<_>>())
    }
}

#[derive(Clone)]
struct Kept {
    number: u16,
    /// Where it stays until it is erased: what a list moves leaves no copy behind.
    key: Box<SealingKey>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn key(seed: u8) -> SealingKey {
        SealingKey::from_seed(&Secret::new([seed; 32]))
    }

    #[test]
    fn numbers_rise_and_former_keys_are_bounded() {
        let mut ring = SealingRing::new(1, key(1));
        assert_eq!(ring.rotate(1, key(2)), Err(Misuse::Bounds));
        for number in 2..=16 {
            assert!(!ring.is_full());
            ring.rotate(number * 2, key(2)).unwrap();
        }
        assert!(ring.is_full());
        assert_eq!(ring.rotate(40, key(3)), Err(Misuse::Bounds));
        assert_eq!(ring.former().next(), Some((30, 32)));
        assert_eq!(ring.former().last(), Some((1, 4)));
        assert!(ring.forget(4) && !ring.forget(4) && !ring.forget(32));
        // What followed it is not kept: the next one that is.
        assert_eq!(ring.former().last(), Some((1, 6)));
        assert_eq!((ring.rotate(40, key(3)), ring.number()), (Ok(()), 40));
    }

    #[test]
    fn a_ring_shows_numbers_and_no_key() {
        let mut ring = SealingRing::new(1, key(7));
        ring.rotate(4, key(8)).unwrap();
        assert_eq!(format!("{ring:?}"), "SealingRing(4, former [1])");
    }
}
