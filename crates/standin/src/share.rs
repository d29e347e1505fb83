//! Which requests belong to a share of all: the same for everybody who asks, and for each repeat.

use crate::RequestKey;

/// Whether a request is in a share of all, in basis points. `seed` tells purposes apart; nothing is drawn.
pub(crate) fn is_in(key: &RequestKey, seed: u64, share_bp: u16) -> bool {
    spread(key, seed) % 10_000 < u64::from(share_bp)
}

/// A number of the key, spread evenly (FNV-1a over the key's bytes, then the finalizer of SplitMix64).
pub(crate) fn spread(key: &RequestKey, seed: u64) -> u64 {
    let hash = key.to_bytes().iter().fold(0xCBF2_9CE4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, InstitutionId, Text};
    use port::Time;

    #[test]
    fn shares_are_what_they_say_and_nest() {
        let keys: alloc::vec::Vec<RequestKey> = (0..20_000)
            .map(|trace| {
                let terminal = Text::new("T1").unwrap();
                let who = InstitutionId::new(7).unwrap();
                RequestKey::new(Class::Financial, who, trace, Time::from_s(1), terminal).unwrap()
            })
            .collect();
        for share in [1_000, 2_500, 5_000] {
            let found = keys.iter().filter(|key| is_in(key, 3, share)).count();
            let right = 2 * usize::from(share);
            assert!(found.abs_diff(right) < 250, "{share}: {found}");
        }
        // What went back in one step stays back in the next.
        assert!(keys.iter().all(|key| !is_in(key, 3, 1_000) || is_in(key, 3, 2_500)));
        assert!(keys.iter().all(|key| is_in(key, 3, 10_000) && !is_in(key, 3, 0)));
        let differ = keys.iter().filter(|key| is_in(key, 3, 5_000) != is_in(key, 4, 5_000)).count();
        assert!(differ.abs_diff(10_000) < 400, "{differ}");
    }
}
