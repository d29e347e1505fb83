//! What neighbours of one kind and relation count for.

use super::Kind;
use super::scan::TokenTag;

/// What neighbours of one kind and relation count for: their marks, and in the upper byte what their evidence weighs, in 128ths.
#[derive(Clone, Copy)]
pub(super) struct Role(u16);

impl Role {
    /// It says nothing.
    pub(super) const NONE: Self = Self(0);

    /// It takes part. Twice, so that in one byte two numbers can be added up: how many take part, and how many of them are here.
    pub(super) const COUNTS: u8 = 0x11;
    /// If it is here, it is a reference that is.
    pub(super) const PRESENT: u8 = 0x02;
    /// And one that stays where it is.
    pub(super) const FIXED: u8 = 0x20;
    /// If it is here, it came along.
    pub(super) const COMPANION: u8 = 0x04;

    const fn new(weight: u8, marks: u8) -> Self {
        Self(u16::from_le_bytes([marks, weight]))
    }

    #[inline]
    pub(super) fn weight(self) -> i32 {
        i32::from(self.0 >> 8)
    }

    #[inline]
    pub(super) const fn marks(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

/// The roles of one kind, by relation and whether it travels, as they stand in a tag.
pub(super) type KindRoles = [Role; 8];

/// Of a kind that the scan can have found.
pub(super) const fn used(kind: Kind, weight: u8) -> KindRoles {
    let mut all = UNUSED;
    let mut relation = 0;
    while relation < 4 {
        let marks = match (kind.is_fixed(), relation >> 1) {
            (true, _) => Role::COUNTS | Role::PRESENT | Role::FIXED,
            (false, 0) => Role::COUNTS | Role::PRESENT,
            (false, _) => Role::COUNTS | Role::COMPANION,
        };
        all[2 * relation] = Role::new(weight, marks);
        relation += 1;
    }
    all
}

/// Of a kind that was not searched for. What travels came along, whatever was searched for; the rest says nothing.
pub(super) const UNUSED: KindRoles = {
    let mut all = [Role::NONE; 8];
    let mut at = 1;
    while at < 8 {
        all[at] = Role::new(0, Role::COMPANION);
        at += 2;
    }
    all
};

/// The roles of all neighbours, by the lowest byte of their tags: key generation, kind, relation, whether they travel.
pub(super) struct Roles([KindRoles; 32]);

impl Roles {
    /// The bits of all kinds of one generation.
    pub(super) const ALL_KINDS: u32 = 0xFE;

    /// From those of each kind, and a bit for each generation of keys and kind that can be used.
    #[inline]
    pub(super) fn new(kinds: &[KindRoles; 8], usable: u32) -> Self {
        let (mut all, mut rest) = ([UNUSED; 32], usable);
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            all[at % 32] = kinds[at % 8];
            rest &= rest - 1;
        }
        Self(all)
    }

    #[inline]
    pub(super) fn of(&self, tag: TokenTag) -> Role {
        self.0.as_flattened()[tag.0 as usize % 256]
    }
}
