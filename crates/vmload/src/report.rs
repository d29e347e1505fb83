//! What both rounds say about a fleet.

use crate::digest::Hash;
use crate::{Assignment, Counts, Error, Features, Signature, Types, VmId};
use alloc::vec::Vec;

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
