//! Keys over time: which key of a node or a party signs at which height.

use crate::Height;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::VerifyingKey;

/// The keys of a node or a party, each with the heights at which its signatures count.
///
/// What a block decides about keys holds from the next block on, so that no signature's worth depends on its place
/// within a block. Whoever was revoked at a height signs nothing after it; what was signed before stays signed (spec Ld13).
///
/// ```
/// use interbank_ledger::{Height, KeyRing};
/// use seal::{Secret, SigningKey};
/// let key = |n| SigningKey::from_seed(&Secret::new([n; 32])).verifying_key();
/// let mut ring = KeyRing::new(key(1), Height(5));
/// ring.rotate(key(2), Height(7), 10);
/// assert_eq!(ring.at(1, Height(17)), Some(&key(1)));
/// assert_eq!(ring.at(1, Height(18)), None);
/// assert_eq!(ring.at(2, Height(7)), None);
/// assert_eq!(ring.at(2, Height(8)), Some(&key(2)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// In order of their numbers, at least one.
    keys: Vec<RingKey>,
}

impl KeyRing {
    /// At most this many keys are remembered; the oldest is forgotten first. When a ring has as many, its oldest one counts no more
    /// from the next block on.
    pub const KEYS_MAX: usize = 16;

    /// With a first key, number 1, that counts from `from` on.
    pub fn new(key: VerifyingKey, from: Height) -> Self {
        Self { keys: alloc::vec![RingKey { number: 1, key, from, until: FOREVER }] }
    }

    /// A new key from the next block on; the others count for `overlap` more blocks.
    pub fn rotate(&mut self, key: VerifyingKey, at: Height, overlap: u64) {
        let from = at.next();
        self.end(from.after(overlap));
        if self.keys.len() >= Self::KEYS_MAX {
            self.keys.remove(0);
        }
        let number = self.newest().saturating_add(1);
        self.keys.push(RingKey { number, key, from, until: FOREVER });
        let is_full = self.keys.len() >= Self::KEYS_MAX;
        if let [oldest, ..] = &mut self.keys[..]
            && is_full
        {
            oldest.until = oldest.until.min(from);
        }
    }

    /// Whether a rotation would forget a key that counts at this height: that has to be known to whoever verifies what it signed
    /// there.
    pub fn is_full(&self, at: Height) -> bool {
        self.keys.len() >= Self::KEYS_MAX && self.keys.first().is_some_and(|key| at < key.until)
    }

    /// No key counts after this block.
    pub fn revoke(&mut self, at: Height) {
        self.end(at.next());
    }

    /// The key of this number, if its signatures count at this height.
    pub fn at(&self, number: u16, height: Height) -> Option<&VerifyingKey> {
        let key = self.keys.iter().find(|key| key.number == number)?;
        (key.from <= height && height < key.until).then_some(&key.key)
    }

    /// From which height on the key of this number counts. Of one that was forgotten: from when on the oldest one counts that is
    /// remembered, which is later. `None` for a number that no key has had yet.
    pub fn since(&self, number: u16) -> Option<Height> {
        let oldest = self.keys.first()?;
        let key = self.keys.iter().find(|key| key.number == number);
        match key {
            Some(key) => Some(key.from),
            None => (number < oldest.number).then_some(oldest.from),
        }
    }

    /// Whether any key counts at this height.
    pub fn is_live(&self, height: Height) -> bool {
        self.keys.iter().any(|key| key.from <= height && height < key.until)
    }

    /// The number of the newest key.
    pub fn newest(&self) -> u16 {
        self.keys.last().map_or(0, |key| key.number)
    }

    fn end(&mut self, until: Height) {
        for key in &mut self.keys {
            key.until = key.until.min(until);
        }
    }

    /// Count (1), then number (2), key (32), first height and the height after the last (8 each).
    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.u8(u8::try_from(self.keys.len()).map_err(|_| WireError::TooLong)?);
        for key in &self.keys {
            to.u16(key.number).fixed(&key.key.to_bytes()).u64(key.from.0).u64(key.until.0);
        }
        Ok(())
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = usize::from(from.u8()?);
        if !(1..=Self::KEYS_MAX).contains(&count) {
            return Err(WireError::Invalid);
        }
        let mut keys: Vec<RingKey> = Vec::with_capacity(count);
        for _ in 0..count {
            let number = from.u16()?;
            if keys.last().is_some_and(|before| before.number >= number) {
                return Err(WireError::Invalid);
            }
            let key = key(from)?;
            let (first, until) = (Height(from.u64()?), Height(from.u64()?));
            keys.push(RingKey { number, key, from: first, until });
        }
        Ok(Self { keys })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct RingKey {
    number: u16,
    key: VerifyingKey,
    /// The first height.
    from: Height,
    /// The first height after it.
    until: Height,
}

pub(crate) fn key(from: &mut Reader<'_>) -> Result<VerifyingKey, WireError> {
    VerifyingKey::from_bytes(&from.array()?).map_err(|_| WireError::Invalid)
}

const FOREVER: Height = Height(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use seal::{Secret, SigningKey};

    fn key_of(n: u8) -> VerifyingKey {
        SigningKey::from_seed(&Secret::new([n; 32])).verifying_key()
    }

    #[test]
    fn ld13_a_revoked_ring_signs_nothing_later_and_keeps_what_it_signed() {
        let mut ring = KeyRing::new(key_of(1), Height(3));
        assert_eq!(ring.at(1, Height(2)), None);
        ring.revoke(Height(9));
        assert_eq!(ring.at(1, Height(9)), Some(&key_of(1)));
        assert_eq!(ring.at(1, Height(10)), None);
        assert!(!ring.is_live(Height(10)));
        // A later rotation revives the ring only for the new key.
        ring.rotate(key_of(2), Height(20), 100);
        assert_eq!(ring.at(1, Height(21)), None);
        assert_eq!(ring.at(2, Height(21)), Some(&key_of(2)));
    }

    #[test]
    fn the_oldest_key_is_forgotten_first() {
        let mut ring = KeyRing::new(key_of(1), Height(0));
        for n in 2..=20 {
            let at = Height(u64::from(n));
            assert!(!ring.is_full(at));
            ring.rotate(key_of(n), at, u64::MAX);
        }
        // The last one that ended is there for what it signed in that block.
        assert_eq!(ring.at(4, Height(20)), None);
        assert_eq!(ring.at(5, Height(20)), Some(&key_of(5)));
        assert!(ring.is_full(Height(20)) && !ring.is_full(Height(21)));
        assert_eq!(ring.at(5, Height(21)), None);
        assert_eq!(ring.at(6, Height(30)), Some(&key_of(6)));
        assert_eq!(ring.newest(), 20);
        // Of one that was forgotten, a height at which it did count already.
        let since = |number| ring.since(number);
        assert_eq!(since(20), Some(Height(21)));
        assert_eq!([since(1), since(5)], [Some(Height(6)); 2]);
        assert_eq!(since(21), None);
    }

    #[test]
    fn stored_rings_come_back() {
        let mut ring = KeyRing::new(key_of(1), Height(3));
        ring.rotate(key_of(2), Height(7), 2);
        let mut bytes = Vec::new();
        ring.write(&mut Writer::new(&mut bytes, 1)).unwrap();
        let mut reader = Reader::new(&bytes[1..]);
        assert_eq!(KeyRing::read(&mut reader), Ok(ring));
        reader.finish().unwrap();
        // The second key's number brought down to the first's.
        bytes[3 + 50] = 1;
        assert_eq!(KeyRing::read(&mut Reader::new(&bytes[1..])), Err(WireError::Invalid));
    }
}
