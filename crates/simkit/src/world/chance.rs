//! Draws beyond the uniform one, in integers.

use crate::Rng;

/// About normal with mean 0 and standard deviation 1,000: the sum of eight uniform draws. Never beyond ±4,900.
pub(super) fn normal(rng: &mut Rng) -> i32 {
    let sum = [rng.next_u64(), rng.next_u64()]
        .into_iter()
        .flat_map(|bits| [bits, bits >> 16, bits >> 32, bits >> 48])
        .map(|part| part & 0xFFFF)
        .sum::<u64>();
    // eight uniform numbers of 16 bits: mean 262,140, standard deviation 53,510
    let off = i32::try_from(sum).unwrap_or(0) - 262_140;
    // at most 262,140 thousand, which fits
    off * 1_000 / 53_510
}

/// Normal with this mean and deviation.
pub(super) fn around(rng: &mut Rng, mean: i64, deviation: i64) -> i64 {
    mean + i64::from(normal(rng)) * deviation / 1_000
}

/// Any number from `low` to `high`, both included.
pub(super) fn between(rng: &mut Rng, (low, high): (u32, u32)) -> u32 {
    let width = u64::from(high.saturating_sub(low)) + 1;
    low + u32::try_from(rng.below(width)).unwrap_or(0)
}

/// True in so many of a thousand cases.
pub(super) fn permille(rng: &mut Rng, of_1000: u32) -> bool {
    rng.chance(u64::from(of_1000), 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_draw_has_its_mean_and_deviation() {
        let mut rng = Rng::new(1);
        let drawn: Vec<i64> = (0..50_000).map(|_| i64::from(normal(&mut rng))).collect();
        let mean = drawn.iter().sum::<i64>() / 50_000;
        let variance = drawn.iter().map(|x| (x - mean).pow(2)).sum::<i64>() / 50_000;
        assert!(mean.abs() < 20 && (980_000..1_020_000).contains(&variance), "{mean} {variance}");
        let within_one = drawn.iter().filter(|x| x.abs() <= 1_000).count();
        assert!((33_500..34_800).contains(&within_one), "{within_one}");
    }

    #[test]
    fn ranges_include_both_ends() {
        let mut rng = Rng::new(2);
        let drawn: Vec<u32> = (0..500).map(|_| between(&mut rng, (3, 5))).collect();
        assert!(
            [3, 4, 5].iter().all(|n| drawn.contains(n))
                && drawn.iter().all(|n| (3..=5).contains(n))
        );
        assert!(!permille(&mut rng, 0) && permille(&mut rng, 1_000));
    }
}
