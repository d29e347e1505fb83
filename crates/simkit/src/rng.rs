//! Seeded randomness: the same everywhere, for ever.

/// A stream of numbers drawn from a seed (SplitMix64).
///
/// Good enough to spread test steps, and never to be used for secrets.
///
/// ```
/// use interbank_simkit::Rng;
/// let (mut a, mut b) = (Rng::new(7), Rng::new(7));
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert_ne!(a.fork("payer").next_u64(), a.fork("merchant").next_u64());
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    state: u64,
}

impl Rng {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// A stream of its own for one purpose. It depends on the seed and the label, not on what was drawn before, so that
    /// one more draw here does not change everything there.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        // FNV-1a (64 bits) spreads the label, the mixer does the rest.
        let hash = label.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Self::new(mix(self.seed ^ mix(hash)))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        // The high half of a product of two 64-bit numbers fits 64 bits.
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A place in something of `len` parts; 0 if it has none.
    pub fn index(&mut self, len: usize) -> usize {
        let bound = u64::try_from(len).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// True in `part` of `whole` cases.
    pub fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// One of them; `None` if there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.index(from.len()))
    }

    /// Any order is as likely as any other.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.index(at + 1));
        }
    }

    /// `N` bytes; `bytes::<32>()` is the entropy that a decision takes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next_u64().to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        bytes
    }

    /// What it was made from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_generator() {
        // The first outputs of SplitMix64 for the seed 1234567, as published with the reference code.
        let mut rng = Rng::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn stays_below_its_bound_and_reaches_all_of_it() {
        let mut rng = Rng::new(3);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[rng.index(7)] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!((rng.below(0), rng.index(0), rng.pick::<u8>(&[])), (0, 0, None));
        assert!(!rng.chance(0, 5) && rng.chance(5, 5));
    }

    #[test]
    fn forks_do_not_depend_on_what_was_drawn() {
        let fresh = Rng::new(9);
        let mut used = Rng::new(9);
        used.next_u64();
        assert_eq!(fresh.fork("a").next_u64(), used.fork("a").next_u64());
        assert_ne!(fresh.fork("a").next_u64(), fresh.fork("b").next_u64());
    }

    #[test]
    fn shuffles_keep_everything() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::new(1).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
