//! Numbers drawn from given entropy.

use crate::kernel::BLOCK;
use sha2::{Digest, Sha256};

/// A stream of numbers out of entropy (SplitMix64 behind SHA-256).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(entropy: &[u8; 32], label: &[u8], round: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"interbank/vmload/draw/v1\0");
        hash.update(entropy);
        hash.update(round.to_be_bytes());
        hash.update(label);
        let digest: [u8; 32] = hash.finalize().into();
        Self(digest.iter().take(8).fold(0, |state, &byte| state << 8 | u64::from(byte)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `n − 1`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * u128::try_from(n).unwrap_or(u128::MAX);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index, with chances proportional to `weights`; `sums` are those of each block of them, and `total` is that of
    /// all.
    pub(crate) fn weighted(&mut self, weights: &[f64], sums: &[f64], total: f64) -> usize {
        let target = self.unit() * total;
        let mut passed = 0.0;
        let mut last = 0;
        let mut start = 0;
        // by blocks and stretches first: what is in most of them does not matter
        let blocks = weights.len().div_ceil(BLOCK);
        for &sum in sums.iter().take(blocks.saturating_sub(1)) {
            if passed + sum > target {
                break;
            }
            passed += sum;
            start += BLOCK;
        }
        let weights = weights.get(start..).unwrap_or_default();
        for stretch in weights.chunks(64) {
            let mut lanes = [0.0; 8];
            for eight in stretch.chunks(8) {
                for (lane, weight) in lanes.iter_mut().zip(eight) {
                    *lane += weight;
                }
            }
            let sum: f64 = lanes.iter().sum();
            if passed + sum > target {
                for (at, weight) in stretch.iter().enumerate() {
                    if *weight > 0.0 {
                        last = start + at;
                    }
                    passed += weight;
                    if passed > target && *weight > 0.0 {
                        return last;
                    }
                }
                // rounding within the stretch: its last point of weight
                return last;
            }
            if sum > 0.0 {
                last = start + stretch.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
            }
            passed += sum;
            start += stretch.len();
        }
        last
    }

    /// 0 to 1, 1 excluded.
    #[allow(clippy::cast_precision_loss)] // 53 bits are exact
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }
}
