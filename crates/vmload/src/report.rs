//! What both rounds say about a fleet.

use crate::{
    Assignment, Config, Counts, Error, Features, LoadFormula, Metrics, Samples, Scale, Seeding,
    Signature, TypeCount, TypeSeeding, Types, VmId,
};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Types and machines of one fit, by the machines' names, and digests that tie the result to its input.
///
/// Same input digest, same version of the crate: same result digest, on every platform, for any number of threads and
/// any order of the machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The types.
    pub types: Types,
    /// Every machine that came, by name.
    pub machines: Vec<Assessment>,
    /// Inertia of stage 1, all machines together.
    pub inertia: f64,
    /// Inertia of stage 2.
    pub type_inertia: f64,
    /// The silhouette that the number of types was chosen by.
    pub silhouette: Option<f64>,
    /// SHA-256 of configuration, metrics and clean samples; `None` if not asked for.
    pub input_digest: Option<[u8; 32]>,
    /// SHA-256 of types and machines.
    pub result_digest: [u8; 32],
}

impl Report {
    pub(crate) fn new(
        types: Types,
        machines: Vec<Assessment>,
        inertia: f64,
        type_inertia: f64,
        silhouette: Option<f64>,
        input_digest: Option<[u8; 32]>,
    ) -> Self {
        let result_digest = [0; 32];
        let mut report = Self {
            types,
            machines,
            inertia,
            type_inertia,
            silhouette,
            input_digest,
            result_digest,
        };
        report.result_digest = report.digest();
        report
    }

    /// One machine.
    pub fn find(&self, vm: &str) -> Option<&Assessment> {
        let at = self.machines.binary_search_by(|machine| machine.vm.as_str().cmp(vm)).ok()?;
        self.machines.get(at)
    }

    /// The digest of the result as it is.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Hash::new(b"interbank/vmload/result/v1\0");
        hash.number(self.types.len());
        for kind in self.types.iter() {
            hash.text(kind.name());
            hash.floats(kind.centre());
            hash.u64(kind.members());
            hash.floats(&[kind.load()]);
        }
        hash.number(self.machines.len());
        for machine in &self.machines {
            hash.text(machine.vm.as_str());
            match &machine.outcome {
                Err(why) => hash.u64(u64::from(why.code())),
                Ok(found) => {
                    hash.u64(0);
                    for (share, centre) in found.signature.iter() {
                        hash.u64(share.count);
                        hash.floats(centre);
                    }
                    hash.floats(&found.lambda);
                    hash.number(found.assignment.kind);
                    hash.floats(&[
                        found.load,
                        found.burstiness,
                        found.assignment.distance,
                        found.assignment.confidence,
                    ]);
                }
            }
        }
        hash.finish()
    }
}

/// What is said about one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Which.
    pub vm: VmId,
    /// What became of its samples.
    pub counts: Counts,
    /// Type and load, or why there are none.
    pub outcome: Result<Assessed, Error>,
}

/// Type and load of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessed {
    /// What stage 1 found.
    pub signature: Signature,
    /// The characteristic value.
    pub lambda: Vec<f64>,
    /// The type, and why.
    pub assignment: Assignment,
    /// The performance load value, 0 to 1.
    pub load: f64,
    /// How much more load its bursts are than its mean.
    pub burstiness: f64,
    /// Rounds of stage 1.
    pub rounds: u32,
}

impl Assessed {
    pub(crate) fn new(signature: Signature, rounds: u32, types: &Types) -> Result<Self, Error> {
        let lambda = signature.lambda();
        let assignment = match types.features() {
            Features::Lambda => types.assign(&lambda)?,
            features @ Features::Profile { .. } => types.assign(&features.of(&signature))?,
        };
        let formula = types.formula;
        let centre = types.kind(assignment.kind).map_or(&[][..], |kind| kind.lambda());
        let load = formula.load_in_type(&lambda, centre);
        let burstiness = signature.burstiness(formula);
        Ok(Self { signature, lambda, assignment, load, burstiness, rounds })
    }
}

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
struct Hash {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Hash {
    fn new(domain: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain);
        Self { hash, buffer: Vec::new() }
    }

    fn u64(&mut self, value: u64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
        // the hash is much faster on long stretches
        if self.buffer.len() >= 4_096 {
            self.hash.update(&self.buffer);
            self.buffer.clear();
        }
    }

    fn number(&mut self, value: usize) {
        self.u64(u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn numbers(&mut self, values: &[usize]) {
        self.number(values.len());
        for &value in values {
            self.number(value);
        }
    }

    fn floats(&mut self, values: &[f64]) {
        self.number(values.len());
        for value in values {
            self.u64(value.to_bits());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.buffer);
        self.hash.finalize().into()
    }
}
