//! Back-pressure: how much may be on its way.

use crate::Misuse;

/// Bytes that may be on their way to one receiver of a pool that all receivers share.
///
/// A receiver asks for no more than it has credit for, so that what arrives always has room: memory is bounded by the pool
/// whatever the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditPool {
    most: u64,
    out: u64,
}

impl CreditPool {
    /// A pool of this many bytes.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] below one group.
    pub const fn new(bytes: u64) -> Result<Self, Misuse> {
        if bytes < crate::Groups::BYTES {
            return Err(Misuse::Bounds);
        }
        Ok(Self { most: bytes, out: 0 })
    }

    /// Takes up to `bytes`, never more than a receiver's own window leaves; returns how many. Leaves a window for others: one
    /// receiver never gets more than half of what is left, unless that is less than a group.
    pub fn take(&mut self, credits: &mut Credits, bytes: u64) -> u64 {
        let left = self.most - self.out;
        let share = (left / 2).max(crate::Groups::BYTES).min(left);
        let granted = bytes.min(credits.window - credits.out).min(share);
        credits.out += granted;
        self.out += granted;
        granted
    }

    /// Gives back what arrived, or will not.
    pub fn give(&mut self, credits: &mut Credits, bytes: u64) {
        let bytes = bytes.min(credits.out);
        credits.out -= bytes;
        self.out -= bytes;
    }

    /// Bytes on their way.
    pub const fn out(&self) -> u64 {
        self.out
    }
}

impl Default for CreditPool {
    /// 32 MiB.
    fn default() -> Self {
        Self { most: 32 << 20, out: 0 }
    }
}

/// One receiver's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credits {
    window: u64,
    out: u64,
}

impl Credits {
    /// With a window of this many bytes.
    pub const fn new(window: u64) -> Self {
        Self { window, out: 0 }
    }

    /// Bytes on their way to it.
    pub const fn out(&self) -> u64 {
        self.out
    }
}

impl Default for Credits {
    /// 8 MiB.
    fn default() -> Self {
        Self::new(8 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fd15_no_more_is_on_its_way_than_the_pool(steps in prop::collection::vec((0..8_usize, any::<bool>(), 0_u64..9_000_000), 0..200)) {
            let mut pool = CreditPool::default();
            let mut all = vec![Credits::default(); 8];
            for (who, takes, bytes) in steps {
                if takes {
                    pool.take(&mut all[who], bytes);
                } else {
                    pool.give(&mut all[who], bytes);
                }
                prop_assert!(pool.out() <= 32 << 20 && all[who].out() <= 8 << 20);
                prop_assert_eq!(pool.out(), all.iter().map(Credits::out).sum::<u64>());
            }
        }
    }

    #[test]
    fn fd10_a_receiver_that_takes_nothing_back_leaves_room_for_others() {
        let mut pool = CreditPool::new(1 << 20).unwrap();
        let mut slow = Credits::new(u64::MAX);
        for _ in 0..3 {
            pool.take(&mut slow, u64::MAX);
        }
        assert!(pool.take(&mut Credits::default(), 16_384) == 16_384);
        assert_eq!(CreditPool::new(1), Err(Misuse::Bounds));
    }
}
