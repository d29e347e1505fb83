//! A scan judged.

use super::{Coverage, Findings, Moment, Part, Plan, Policy, Reason, Score, TypeScore};
use crate::{BasisPoints, Contribution, Reasons};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A scan judged: both scores, what they rest on, and what to do. [`Assessment::reasons`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// When it was judged.
    pub at: Time,
    /// By which policy.
    pub policy_version: u32,
    /// The digest of that policy.
    pub policy_digest: [u8; 32],
    /// Where the scan's time lies in the week.
    pub when: Moment,
    pub(super) types: u8,
    pub(super) weights: [u16; Policy::TYPES_MAX],
    /// What the period itself says, and the adjacent one.
    pub parts: [Part; 2],
    /// Which score decides.
    pub mode: Mode,
    /// The baseline score: per-type containment.
    pub baseline: Score,
    /// The evidence score: log-likelihood with population shares.
    pub evidence: Score,
    /// On how much both rest.
    pub coverage: Coverage,
    /// What is odd about the scan or the request.
    pub findings: Findings,
    /// What to do.
    pub plan: Plan,
}

impl Assessment {
    /// The score that decides.
    pub const fn score(&self) -> Score {
        match self.mode {
            Mode::Baseline => self.baseline,
            Mode::Evidence => self.evidence,
        }
    }

    /// The scores of the dwell types of one part, shortest dwell first; [`recombined`](super::recombined) makes the part's baseline of them
    /// (spec R16).
    pub fn types<'a>(&'a self, part: &'a Part) -> impl Iterator<Item = TypeScore> + 'a {
        (0..usize::from(self.types)).map(|at| TypeScore {
            hits: part.hits[at],
            size: part.sizes[at],
            weight: self.weights[at],
        })
    }

    /// Why, the weightiest reason first. This allocates; assessing does not.
    pub fn reasons(&self) -> Reasons<Reason> {
        let mut all = Vec::new();
        let mut add = |reason, basis_points| all.push(Contribution { reason, basis_points });
        for finding in self.findings.iter() {
            add(finding.reason(), -10_000);
        }
        match (self.score(), self.mode) {
            (Score::NoEvidence(why), _) if self.findings.has_reason(why.reason()) => {}
            (Score::NoEvidence(why), _) => add(why.reason(), -10_000),
            (Score::Familiar(familiarity), Mode::Evidence) => {
                let net = i32::from(familiarity.basis_points().as_u16()) - 5_000;
                add(if net < 0 { Reason::EvidenceAgainst } else { Reason::EvidenceFor }, net);
            }
            (Score::Familiar(_), Mode::Baseline) => {
                for at in 0..self.types {
                    let (present, missing) = self.type_shares(usize::from(at));
                    if present > 0 {
                        add(Reason::TypePresent(at), present);
                    }
                    if missing > 0 {
                        add(Reason::TypeMissing(at), -missing);
                    }
                }
            }
        }
        Reasons::new(all)
    }

    /// What a type adds to the blended baseline, and what it leaves out, in basis points.
    fn type_shares(&self, at: usize) -> (i32, i32) {
        let (mut present, mut missing) = (0, 0);
        for part in self.parts.iter().filter(|part| part.has_evidence()) {
            let weight: u64 =
                self.types(part).filter(|one| one.size > 0).map(|one| u64::from(one.weight)).sum();
            let (hits, size) = (u64::from(part.hits[at]), u64::from(part.sizes[at]));
            let whole = size * weight * u64::from(self.coverage.weight.as_u16());
            let scale = u64::from(self.weights[at]) * u64::from(part.weight_bp);
            present += i32::from(BasisPoints::of(hits * scale, whole).as_u16());
            missing += i32::from(BasisPoints::of((size - hits) * scale, whole).as_u16());
        }
        (present, missing)
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.at.as_ms()).u32(self.policy_version).fixed(&self.policy_digest);
        let Moment { day, period, adjacent, adjacent_bp, grid } = self.when;
        writer.u16(day).u16(period).u16(adjacent).u16(adjacent_bp).u8(grid.to_u8());
        writer.u8(self.types);
        self.weights.iter().for_each(|weight| {
            writer.u16(*weight);
        });
        for part in &self.parts {
            part.encode(writer);
        }
        writer.u8(u8::from(self.mode == Mode::Evidence));
        for score in [self.baseline, self.evidence] {
            score.encode(writer);
        }
        writer.u16(self.coverage.weight.as_u16()).u16(self.coverage.occurrences);
        writer.u8(self.coverage.references).u8(self.coverage.present).u16(self.findings.0);
        match self.plan {
            Plan::Refuse => writer.u8(0),
            Plan::AskPin => writer.u8(1),
            Plan::Allow { limit_minor } => writer.u8(2).i64(limit_minor),
        };
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let share = |basis_points| BasisPoints::new(basis_points).map_err(|_| WireError::Invalid);
        let at = Time::from_ms(reader.u64()?);
        let (policy_version, policy_digest) = (reader.u32()?, reader.array()?);
        let [day, period, adjacent, adjacent_bp] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let grid = super::Grid::from_u8(reader.u8()?).ok_or(WireError::Invalid)?;
        let when = Moment { day, period, adjacent, adjacent_bp, grid };
        let types = reader.u8()?;
        if usize::from(types) > Policy::TYPES_MAX {
            return Err(WireError::Invalid);
        }
        let mut weights = [0; Policy::TYPES_MAX];
        for weight in &mut weights {
            *weight = reader.u16()?;
        }
        let parts = [Part::read(reader)?, Part::read(reader)?];
        let mode = match reader.u8()? {
            0 => Mode::Baseline,
            1 => Mode::Evidence,
            _ => return Err(WireError::Invalid),
        };
        let (baseline, evidence) = (Score::read(reader)?, Score::read(reader)?);
        let coverage = Coverage {
            weight: share(reader.u16()?)?,
            occurrences: reader.u16()?,
            references: reader.u8()?,
            present: reader.u8()?,
        };
        let findings = Findings::from_bits(reader.u16()?).ok_or(WireError::Invalid)?;
        let plan = match reader.u8()? {
            0 => Plan::Refuse,
            1 => Plan::AskPin,
            2 => Plan::Allow { limit_minor: reader.i64()? },
            _ => return Err(WireError::Invalid),
        };
        Ok(Self {
            at,
            policy_version,
            policy_digest,
            when,
            types,
            weights,
            parts,
            mode,
            baseline,
            evidence,
            coverage,
            findings,
            plan,
        })
    }
}

/// Which score decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Per-type containment.
    Baseline,
    /// Log-likelihood with population shares.
    Evidence,
}
