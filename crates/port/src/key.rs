//! Keys of rows: a crate tag, a tenant, a table, then parts.

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU8;

/// The key of a row, at most [`Key::BYTES_MAX`] bytes, ordered bytewise.
///
/// Every key starts with the crate's tag, the tenant and the table, so that one store serves many institutions and a
/// tenant or a table is one prefix. Short keys live inline: cloning one allocates nothing.
///
/// ```
/// use interbank_port::{CrateTag, Key, Tenant};
/// let table = Key::new(CrateTag::QRPAY, Tenant::new(3), 1);
/// let row = table.clone().text(b"ORDER-1")?;
/// assert!(row.starts_with(&table));
/// assert_eq!(row.tenant(), Some(Tenant::new(3)));
/// # Ok::<(), interbank_port::KeyError>(())
/// ```
pub struct Key(Repr);

enum Repr {
    Inline(Inline),
    Heap(Box<[u8]>),
}

/// A short key; what lies behind it is zero.
///
/// All of a [`Key`], in this order: the length is never zero, by which the two kinds are told apart, and a copy is one of
/// whole words.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Inline {
    bytes: [u8; INLINE],
    /// And one more.
    len: NonZeroU8,
}

/// Keys of up to this many bytes need no allocation.
const INLINE: usize = 63;

impl Inline {
    /// `None` if it does not fit.
    #[inline]
    fn of(first: &[u8], second: &[u8]) -> Option<Self> {
        let len = first.len() + second.len();
        let mut bytes = [0; INLINE];
        bytes.get_mut(..first.len())?.copy_from_slice(first);
        bytes.get_mut(first.len()..len)?.copy_from_slice(second);
        Some(Self { bytes, len: NonZeroU8::MIN.saturating_add(u8::try_from(len).ok()?) })
    }

    #[inline]
    const fn len(&self) -> usize {
        self.len.get() as usize - 1
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// Most keys that differ have different lengths.
    #[inline]
    fn equals(&self, other: &Self) -> bool {
        self.len == other.len && self.bytes == other.bytes
    }

    /// Whether it fitted.
    #[inline]
    fn push(&mut self, part: &[u8]) -> bool {
        let old = self.len();
        let Some(room) = self.bytes.get_mut(old..old + part.len()) else { return false };
        room.copy_from_slice(part);
        // At most `INLINE`.
        self.len = self.len.saturating_add(u8::try_from(part.len()).unwrap_or(u8::MAX));
        true
    }
}

impl Key {
    /// The longest key that a store has to take.
    pub const BYTES_MAX: usize = 256;

    /// The bytes before the first part: tag (1), tenant (8), table (1).
    pub const HEAD_BYTES: usize = 10;

    /// The prefix of one table of one tenant; add parts to name a row.
    #[inline]
    pub fn new(tag: CrateTag, tenant: Tenant, table: u8) -> Self {
        let mut bytes = [0; INLINE];
        bytes[0] = tag.0;
        bytes[1..9].copy_from_slice(&tenant.0.to_be_bytes());
        bytes[9] = table;
        Self(Repr::Inline(Inline { bytes, len: NonZeroU8::MIN.saturating_add(10) }))
    }

    /// A key read back from a store.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        Ok(Self::copied(bytes, &[]))
    }

    /// Adds a part of variable length, behind its length (`u8`), so that no two lists of parts share bytes.
    ///
    /// # Errors
    /// [`KeyError::TooLong`] if the part exceeds 255 bytes or the key its maximum.
    #[inline]
    pub fn text(mut self, part: &[u8]) -> Result<Self, KeyError> {
        let len = u8::try_from(part.len()).map_err(|_| KeyError::TooLong)?;
        self.push(&[len])?;
        self.push(part)?;
        Ok(self)
    }

    /// Adds a number, big-endian, so that keys sort by it.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    #[inline]
    pub fn number(mut self, part: u64) -> Result<Self, KeyError> {
        self.push(&part.to_be_bytes())?;
        Ok(self)
    }

    /// Adds bytes of a length that the table fixes.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    #[inline]
    pub fn raw(mut self, part: &[u8]) -> Result<Self, KeyError> {
        self.push(part)?;
        Ok(self)
    }

    /// [`Key::raw`] in place; after an error the key is as it was.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    #[inline]
    pub fn push(&mut self, part: &[u8]) -> Result<(), KeyError> {
        if let Repr::Inline(inline) = &mut self.0
            && inline.push(part)
        {
            return Ok(());
        }
        self.push_long(part)
    }

    #[cold]
    fn push_long(&mut self, part: &[u8]) -> Result<(), KeyError> {
        if self.as_bytes().len() + part.len() > Self::BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        *self = Self::copied(self.as_bytes(), part);
        Ok(())
    }

    /// Another byte at one place, if the key reaches there: rows whose keys differ in one byte need theirs built once.
    #[inline]
    pub fn set(&mut self, at: usize, byte: u8) {
        let place = match &mut self.0 {
            Repr::Inline(inline) if at >= inline.len() => None,
            Repr::Inline(inline) => inline.bytes.get_mut(at),
            Repr::Heap(bytes) => bytes.get_mut(at),
        };
        if let Some(place) = place {
            *place = byte;
        }
    }

    /// The bytes that a store sees.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(inline) => inline.as_bytes(),
            Repr::Heap(bytes) => bytes,
        }
    }

    /// All but the first eight bytes of a short key, zeros behind it and its length, in whole words: what tells it from others of
    /// its table. `None` for a long one.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn words(&self) -> Option<[u64; 7]> {
        let Repr::Inline(Inline { bytes, len }) = &self.0 else { return None };
        let (words, rest) = bytes.get(8..)?.as_chunks::<8>();
        let [a, b, c, d, e, f] = *words else { return None };
        let [t, u, v, w, x, y, z] = *rest else { return None };
        Some([a, b, c, d, e, f, [t, u, v, w, x, y, z, len.get()]].map(u64::from_le_bytes))
    }

    /// Whether `prefix` begins this key.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.as_bytes().starts_with(prefix.as_bytes())
    }

    /// Whose row this is, if the key has a head.
    pub fn tenant(&self) -> Option<Tenant> {
        let head = self.as_bytes().get(1..9)?;
        head.try_into().ok().map(|bytes| Tenant(u64::from_be_bytes(bytes)))
    }

    fn copied(first: &[u8], second: &[u8]) -> Self {
        match Inline::of(first, second) {
            Some(inline) => Self(Repr::Inline(inline)),
            None => Self(Repr::Heap([first, second].concat().into_boxed_slice())),
        }
    }
}

impl Clone for Key {
    /// Not inlined: where the two kinds meet again in a caller, the words of a short key are taken apart.
    #[inline(never)]
    fn clone(&self) -> Self {
        match &self.0 {
            Repr::Inline(inline) => Self(Repr::Inline(*inline)),
            Repr::Heap(bytes) => Self(Repr::Heap(bytes.clone())),
        }
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // All of the room at once: what lies behind a key is zero.
            (Repr::Inline(one), Repr::Inline(other)) => one.equals(other),
            _ => self.as_bytes() == other.as_bytes(),
        }
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Which crate a row belongs to: the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrateTag(u8);

impl CrateTag {
    /// `filexfer`.
    pub const FILEXFER: Self = Self(0x14);
    /// `ledger`.
    pub const LEDGER: Self = Self(0x16);
    /// `port` and the applications' own rows.
    pub const PORT: Self = Self(0x01);
    /// `qrpay`.
    pub const QRPAY: Self = Self(0x12);
    /// `risk-core`.
    pub const RISK_CORE: Self = Self(0x11);
    /// `seal`.
    pub const SEAL: Self = Self(0x02);
    /// `standin`.
    pub const STANDIN: Self = Self(0x13);
    /// `vmload`.
    pub const VMLOAD: Self = Self(0x15);

    /// A tag of the integrator's own, `0x80` to `0xFF`, for rows that share our batches.
    pub const fn foreign(tag: u8) -> Option<Self> {
        if tag >= 0x80 { Some(Self(tag)) } else { None }
    }

    /// The byte.
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// An institution that shares the store with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(u64);

impl Tenant {
    /// By the number that the integrator gave it (an institution identification code fits).
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Why bytes cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Longer than [`Key::BYTES_MAX`], or a part longer than 255 bytes.
    TooLong,
}

impl KeyError {
    /// Stable number: 120.
    pub const fn code(self) -> u32 {
        120
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is at most 256 bytes, a part of it 255")
    }
}

impl core::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn table() -> Key {
        Key::new(CrateTag::QRPAY, Tenant::new(7), 1)
    }

    #[test]
    fn limits_are_exact() {
        assert_eq!(table().raw(&[0; 246]).unwrap().as_bytes().len(), Key::BYTES_MAX);
        assert_eq!(table().raw(&[0; 247]).err(), Some(KeyError::TooLong));
        assert_eq!(table().text(&[0; 256]).err(), Some(KeyError::TooLong));
        assert_eq!(Key::from_bytes(&[0; 257]).err(), Some(KeyError::TooLong));
    }

    #[test]
    fn one_byte_changes_and_no_other() {
        for len in [4, 200] {
            let key = table().raw(&vec![7; len]).unwrap();
            let mut bytes = key.as_bytes().to_vec();
            bytes[12] = 9;
            let mut other = key.clone();
            other.set(10 + len, 9);
            assert_eq!(other, key);
            other.set(12, 9);
            assert_eq!(other.as_bytes(), bytes);
        }
    }

    #[test]
    fn a_key_takes_one_cache_line() {
        assert_eq!(size_of::<Key>(), 64);
    }

    proptest! {
        #[test]
        fn different_parts_give_different_keys(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..4),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..4),
        ) {
            let build = |parts: &[Vec<u8>]| parts.iter().fold(table(), |key, part| key.text(part).unwrap());
            prop_assert_eq!(build(&a) == build(&b), a == b);
            // However it came about: in pieces, or read back whole.
            let (x, y) = (build(&a), build(&b));
            let whole = Key::from_bytes(y.as_bytes()).unwrap();
            prop_assert_eq!(x == whole, x.as_bytes() == whole.as_bytes());
            prop_assert!(y == whole);
        }

        #[test]
        fn order_and_bytes_survive(a in prop::collection::vec(any::<u8>(), 0..200), b in prop::collection::vec(any::<u8>(), 0..200)) {
            let (x, y) = (Key::from_bytes(&a).unwrap(), Key::from_bytes(&b).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.as_bytes(), &a[..]);
            prop_assert_eq!(x.clone().raw(&[]).unwrap(), x);
        }
    }
}
