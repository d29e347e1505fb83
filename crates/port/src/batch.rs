//! What is written: all of it or nothing, and only if what it rests on still holds.

use crate::{Key, Row, Version};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// Requirements and writes that apply together or not at all.
///
/// One operation names one key: what the row must be for the batch to apply, and what happens to it. Naming a key twice
/// is a misuse that [`Batch::check`] reports.
///
/// ```
/// use interbank_port::{Batch, CrateTag, Expect, Key, Tenant};
/// let key = Key::new(CrateTag::PORT, Tenant::new(1), 9).text(b"lock")?;
/// let mut batch = Batch::new();
/// batch.put(key, Expect::Absent, &b"mine"[..]);
/// assert!(batch.check().is_ok());
/// # Ok::<(), interbank_port::KeyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
}

impl Batch {
    /// A portable batch has at most this many operations.
    pub const OPS_MAX: usize = 100;

    /// A portable batch has at most this many bytes of keys and values: 1 MiB.
    pub const BYTES_MAX: usize = 1024 * 1024;

    /// Nothing to do.
    pub const fn new() -> Self {
        Self { ops: Vec::new() }
    }

    /// Room for `ops` operations.
    #[inline]
    pub fn with_capacity(ops: usize) -> Self {
        Self { ops: Vec::with_capacity(ops) }
    }

    /// Applies only if the row is as expected; leaves it as it is.
    #[inline]
    pub fn require(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.push(key, expect, Change::Keep)
    }

    /// Writes a row if it is as expected.
    #[inline]
    pub fn put(&mut self, key: Key, expect: Expect, value: impl Into<Bytes>) -> &mut Self {
        self.push(key, expect, Change::Put(value.into()))
    }

    /// Deletes a row if it is as expected.
    #[inline]
    pub fn delete(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.push(key, expect, Change::Delete)
    }

    /// All operations, in the order in which they were added.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether there is nothing to require and nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether it changes any row.
    pub fn writes(&self) -> bool {
        self.ops.iter().any(|op| op.change != Change::Keep)
    }

    /// Checks the limits that every store can rely on; the drive loops do it before each commit.
    ///
    /// # Errors
    /// [`BatchError::TooManyOps`], [`BatchError::TooLarge`], [`BatchError::ValueTooLarge`], [`BatchError::KeyTwice`].
    pub fn check(&self) -> Result<(), BatchError> {
        self.check_multiple(1)
    }

    /// The same for a store that takes more: so many times the operations and the bytes of a portable batch.
    ///
    /// # Errors
    /// As [`Batch::check`].
    pub fn check_multiple(&self, times: usize) -> Result<(), BatchError> {
        if self.ops.len() > Self::OPS_MAX.saturating_mul(times) {
            return Err(BatchError::TooManyOps);
        }
        let mut bytes = 0;
        for op in &self.ops {
            if let Change::Put(value) = &op.change {
                if value.len() > Row::VALUE_BYTES_MAX {
                    return Err(BatchError::ValueTooLarge);
                }
                bytes += value.len();
            }
            bytes += op.key.as_bytes().len();
        }
        if self.names_a_key_twice() {
            return Err(BatchError::KeyTwice);
        }
        if bytes > Self::BYTES_MAX.saturating_mul(times) {
            return Err(BatchError::TooLarge);
        }
        Ok(())
    }

    fn names_a_key_twice(&self) -> bool {
        if self.ops.len() <= Self::OPS_MAX {
            let mut ops = self.ops.iter().enumerate();
            return ops.any(|(at, op)| self.ops[..at].iter().any(|earlier| earlier.key == op.key));
        }
        let mut keys: Vec<&Key> = self.ops.iter().map(|op| &op.key).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn push(&mut self, key: Key, expect: Expect, change: Change) -> &mut Self {
        self.ops.push(Op { key, expect, change });
        self
    }
}

/// What one row must be, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Which row.
    pub key: Key,
    /// What it must be for the batch to apply.
    pub expect: Expect,
    /// What happens to it.
    pub change: Change,
}

/// What a row must be for a batch to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such row.
    Absent,
    /// Anything.
    Any,
    /// The row was written by exactly this commit.
    At(Version),
}

impl Expect {
    /// Whether a row at this version (`None`: no row) is as expected.
    pub fn holds(self, found: Option<Version>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Any => true,
            Self::At(version) => found == Some(version),
        }
    }
}

/// What happens to a row. Exhaustive: a store that overlooks one loses data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row goes; deleting an absent row is no error.
    Delete,
    /// The row stays as it is.
    Keep,
    /// The row becomes this value at the commit's version.
    Put(Bytes),
}

/// What became of a commit. Exhaustive: there is no third answer, only an error that says [`crate::Fault::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// Everything was written and is durable; each row put carries this version.
    Applied(Version),
    /// A requirement did not hold; nothing was written.
    Conflict,
}

/// A batch that no store has to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// One key stands in two operations.
    KeyTwice,
    /// More than [`Batch::BYTES_MAX`] bytes.
    TooLarge,
    /// More than [`Batch::OPS_MAX`] operations.
    TooManyOps,
    /// A value of more than [`Row::VALUE_BYTES_MAX`] bytes.
    ValueTooLarge,
}

impl BatchError {
    /// Stable number, 130 to 133.
    pub const fn code(self) -> u32 {
        match self {
            Self::KeyTwice => 130,
            Self::TooLarge => 131,
            Self::TooManyOps => 132,
            Self::ValueTooLarge => 133,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyTwice => "a batch names one key twice",
            Self::TooLarge => "a batch has more bytes than the store takes; 1 MiB is portable",
            Self::TooManyOps => {
                "a batch has more operations than the store takes; 100 are portable"
            }
            Self::ValueTooLarge => "a value is at most 64 KiB",
        })
    }
}

impl core::error::Error for BatchError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrateTag, Tenant};
    use alloc::vec;

    fn key(n: u64) -> Key {
        Key::new(CrateTag::PORT, Tenant::new(0), 0).number(n).unwrap()
    }

    #[test]
    fn limits_are_exact() {
        let mut batch = Batch::new();
        for n in 0..100 {
            batch.put(key(n), Expect::Any, Bytes::new());
        }
        assert_eq!(batch.check(), Ok(()));
        batch.require(key(100), Expect::Absent);
        assert_eq!(batch.check(), Err(BatchError::TooManyOps));

        let mut batch = Batch::new();
        batch.put(key(0), Expect::Any, vec![0; 65_536]);
        assert_eq!(batch.check(), Ok(()));
        batch.put(key(1), Expect::Any, vec![0; 65_537]);
        assert_eq!(batch.check(), Err(BatchError::ValueTooLarge));

        let mut batch = Batch::new();
        for n in 0..16 {
            batch.put(key(n), Expect::Any, vec![0; 65_536]);
        }
        assert_eq!(batch.check(), Err(BatchError::TooLarge));
    }

    #[test]
    fn a_key_may_stand_once() {
        let mut batch = Batch::new();
        batch.require(key(1), Expect::Absent).put(key(1), Expect::Any, Bytes::new());
        assert_eq!(batch.check(), Err(BatchError::KeyTwice));
    }

    #[test]
    fn a_store_that_takes_more_has_limits_in_proportion() {
        let mut batch = Batch::new();
        for n in 0..300 {
            batch.put(key(n), Expect::Any, vec![0; 10_000]);
        }
        assert_eq!(batch.check_multiple(2), Err(BatchError::TooManyOps));
        assert_eq!(batch.check_multiple(3), Ok(()));
        batch.put(key(299), Expect::Any, Bytes::new());
        assert_eq!(batch.check_multiple(4), Err(BatchError::KeyTwice));
        let mut batch = Batch::new();
        for n in 0..200 {
            batch.put(key(n), Expect::Any, vec![0; 10_500]);
        }
        assert_eq!(batch.check_multiple(2), Err(BatchError::TooLarge));
        assert_eq!(batch.check_multiple(3), Ok(()));
    }

    #[test]
    fn expectations() {
        let five = Some(Version::new(5));
        assert!(Expect::Absent.holds(None) && !Expect::Absent.holds(five));
        assert!(Expect::Any.holds(None) && Expect::Any.holds(five));
        let at = Expect::At(Version::new(5));
        assert!(at.holds(five) && !at.holds(None) && !at.holds(Some(Version::new(6))));
    }
}
