//! Digests that tie a result to its input.

use crate::{
    Config, Features, LoadFormula, Metrics, Samples, Scale, Seeding, TypeCount, TypeSeeding,
};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Of all that the result follows from.
pub(crate) fn input_digest(config: &Config, metrics: &Metrics, samples: &[&Samples]) -> [u8; 32] {
    let mut hash = Hash::new(b"interbank/vmload/input/v1\0");
    hash.number(config.groups);
    hash.u64(u64::from(config.lloyd.rounds_max));
    match &config.seeding {
        Seeding::Axis => hash.u64(0),
        Seeding::Vertices => hash.u64(1),
        Seeding::FarthestFirst => hash.u64(2),
        Seeding::Given(seeds) => {
            hash.u64(3);
            hash.floats(seeds.as_rows());
        }
        Seeding::Greedy(greedy) => {
            hash.u64(4);
            hash.bytes(&greedy.entropy);
            hash.u64(u64::from(greedy.restarts));
        }
    }
    let stage_two = &config.stage_two;
    match stage_two.groups {
        TypeCount::Fixed(groups) => hash.numbers(&[0, groups]),
        TypeCount::Chosen { least, most } => hash.numbers(&[1, least, most]),
    }
    match stage_two.features {
        Features::Lambda => hash.u64(0),
        Features::Profile { levels } => hash.numbers(&[1, levels]),
    }
    match &stage_two.seeding {
        TypeSeeding::Last => hash.u64(0),
        TypeSeeding::Subset(which) => {
            hash.u64(1);
            hash.numbers(which);
        }
        TypeSeeding::Drawn(greedy) => {
            hash.u64(2);
            hash.bytes(&greedy.entropy);
            hash.u64(u64::from(greedy.restarts));
        }
    }
    hash.u64(match stage_two.formula {
        LoadFormula::Norm => 0,
        LoadFormula::Mean => 1,
        LoadFormula::Highest => 2,
        LoadFormula::AlongType => 3,
    });
    hash.u64(u64::from(stage_two.lloyd.rounds_max));
    hash.number(metrics.dimension());
    for metric in metrics.iter() {
        hash.text(metric.name());
        match metric.scale() {
            Scale::Fraction => hash.u64(0),
            Scale::Allotment => hash.u64(1),
            Scale::Fixed { low, high } => {
                hash.u64(2);
                hash.floats(&[low, high]);
            }
        }
    }
    hash.number(samples.len());
    for of_vm in samples {
        hash.text(of_vm.vm().as_str());
        hash.number(of_vm.len());
        hash.number(of_vm.times().len());
        for at in of_vm.times() {
            hash.u64(at.as_ms());
        }
        hash.floats(of_vm.as_columns());
    }
    hash.finish()
}

/// Length-prefixed big-endian fields, so that no two inputs share their bytes.
pub(crate) struct Hash {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Hash {
    pub(crate) fn new(domain: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain);
        Self { hash, buffer: Vec::new() }
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
        // the hash is much faster on long stretches
        if self.buffer.len() >= 4_096 {
            self.hash.update(&self.buffer);
            self.buffer.clear();
        }
    }

    pub(crate) fn number(&mut self, value: usize) {
        self.u64(u64::try_from(value).unwrap_or(u64::MAX));
    }

    pub(crate) fn numbers(&mut self, values: &[usize]) {
        self.number(values.len());
        for &value in values {
            self.number(value);
        }
    }

    pub(crate) fn floats(&mut self, values: &[f64]) {
        self.number(values.len());
        for value in values {
            self.u64(value.to_bits());
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.buffer);
        self.hash.finalize().into()
    }
}
