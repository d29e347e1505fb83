//! What things are called on the chain: chains, heights, nodes, parties, files.

use core::cmp::Ordering;
use core::fmt;

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 32]);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                cmp_digests(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("..)")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

digest_id! {
    /// Names a chain: the digest of its [`crate::Genesis`]. Every signature is bound to it.
    ChainId
}

digest_id! {
    /// Names an individual or an intermediary: the digest of its first key, whatever keys follow.
    PartyId
}

digest_id! {
    /// Names a resource file for ever: the digest of the request that registers it.
    FileId
}

digest_id! {
    /// Names a lease or a lien: the digest of the transaction that made it.
    ClaimId
}

/// How many blocks come before a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

impl Height {
    /// The height of the block that comes next.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// So many blocks later.
    #[must_use]
    pub const fn after(self, blocks: u64) -> Self {
        Self(self.0.saturating_add(blocks))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a node: the height of the block that holds its identity record and nothing else (spec L1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub Height);

impl NodeId {
    /// The node that founded the chain.
    pub const FOUNDER: Self = Self(Height(0));
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As arrays of bytes are compared; of two digests nearly always the first eight bytes tell.
#[inline]
pub(crate) fn cmp_digests(one: &[u8; 32], other: &[u8; 32]) -> Ordering {
    let first = |[a, b, c, d, e, f, g, h, ..]: &[u8; 32]| {
        u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
    };
    first(one).cmp(&first(other)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_bytes() {
        let mut names = alloc::vec![[0; 32], [0x7F; 32], [0x80; 32], [0xFF; 32]];
        for at in [0, 7, 8, 31] {
            for byte in [1, 0x80, 0xFF] {
                let mut name = [0; 32];
                name[at] = byte;
                names.push(name);
            }
        }
        for one in &names {
            for other in &names {
                assert_eq!(FileId(*one).cmp(&FileId(*other)), one.cmp(other), "{one:?} {other:?}");
            }
        }
    }
}
