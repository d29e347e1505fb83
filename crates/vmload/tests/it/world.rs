//! Machines for tests: seeded and small.

use interbank_vmload::{Metrics, Policy, Samples, VmId};

/// SplitMix64, for data alone.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Around 0, about as wide as `width`.
    pub(crate) fn noise(&mut self, width: f64) -> f64 {
        (self.unit() + self.unit() + self.unit() - 1.5) * width
    }
}

pub(crate) fn vm(name: &str) -> VmId {
    VmId::new(name).unwrap()
}

/// A machine of three metrics whose readings are loads already.
pub(crate) fn machine(name: &str, rows: &[[f64; 3]]) -> Samples {
    let rows: Vec<f64> = rows.iter().flatten().copied().collect();
    Samples::from_rows(vm(name), &Metrics::fractions(), &rows, &[], &Policy::default()).unwrap()
}

/// A machine that moves between some regimes.
pub(crate) fn restless(name: &str, len: usize, seed: u64) -> Samples {
    let mut rng = Rng(seed);
    let regimes: Vec<[f64; 3]> = (0..4).map(|_| [0; 3].map(|_| rng.unit())).collect();
    let rows: Vec<[f64; 3]> = (0..len)
        .map(|_| {
            let regime = regimes[(rng.next() % 4) as usize];
            regime.map(|load| (load + rng.noise(0.1)).clamp(0.0, 1.0))
        })
        .collect();
    machine(name, &rows)
}

/// How far two groupings agree beyond chance: 1 for the same, about 0 for unrelated ones (Hubert and Arabie 1985).
pub(crate) fn adjusted_rand(a: &[usize], b: &[usize]) -> f64 {
    let pairs = |n: f64| n * (n - 1.0) / 2.0;
    let (rows, columns) = (a.iter().max().unwrap() + 1, b.iter().max().unwrap() + 1);
    let mut table = vec![vec![0.0; columns]; rows];
    for (&a, &b) in a.iter().zip(b) {
        table[a][b] += 1.0;
    }
    let both: f64 = table.iter().flatten().map(|&n| pairs(n)).sum();
    let in_a: f64 = table.iter().map(|row| pairs(row.iter().sum())).sum();
    let in_b: f64 = (0..columns).map(|j| pairs(table.iter().map(|row| row[j]).sum())).sum();
    let expected = in_a * in_b / pairs(a.len() as f64);
    let most = (in_a + in_b) / 2.0;
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}
