//! What each of two periods says, and on how much an assessment rests.

use super::{Abstention, Policy};
use crate::{BasisPoints, LogRatio};
use port::WireError;
use port::wire::{Reader, Writer};

/// What one period says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it weighs at this moment, in basis points.
    pub weight_bp: u16,
    /// How many occurrences it was learned from, faded to the scan's day, in 128ths.
    pub occurrences: u16,
    /// How many neighbours the scan could have found.
    pub references: u8,
    /// How many of them it found.
    pub present: u8,
    pub(super) fixed_present: u8,
    pub(super) companions: u8,
    pub(super) novelty: u8,
    pub(super) sizes: [u8; Policy::TYPES_MAX],
    pub(super) hits: [u8; Policy::TYPES_MAX],
    /// The sum of all evidence, capped by device, before it is tempered.
    pub evidence: LogRatio,
    /// The baseline score of this period alone.
    pub baseline: Option<BasisPoints>,
    /// The evidence score of this period alone.
    pub evidence_share: Option<BasisPoints>,
    /// Why it says nothing, if it does not.
    pub abstention: Option<Abstention>,
}

impl Part {
    pub(super) const NONE: Self = Self {
        weight_bp: 0,
        occurrences: 0,
        references: 0,
        present: 0,
        fixed_present: 0,
        companions: 0,
        novelty: 0,
        sizes: [0; Policy::TYPES_MAX],
        hits: [0; Policy::TYPES_MAX],
        evidence: LogRatio::ZERO,
        baseline: None,
        evidence_share: None,
        abstention: Some(Abstention::NoProfile),
    };

    /// Whether it has a say.
    pub const fn has_evidence(&self) -> bool {
        self.abstention.is_none()
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        let share = |share: Option<BasisPoints>| share.map_or(u16::MAX, BasisPoints::as_u16);
        writer.u16(self.weight_bp).u16(self.occurrences).fixed(&[
            self.references,
            self.present,
            self.fixed_present,
            self.companions,
            self.novelty,
        ]);
        writer.fixed(&self.sizes).fixed(&self.hits).fixed(&self.evidence.as_units().to_be_bytes());
        writer.u16(share(self.baseline)).u16(share(self.evidence_share));
        writer.u8(self.abstention.map_or(0, |why| why as u8));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let share = |basis_points| match basis_points {
            u16::MAX => Ok(None),
            _ => BasisPoints::new(basis_points).map(Some).map_err(|_| WireError::Invalid),
        };
        let (weight_bp, occurrences) = (reader.u16()?, reader.u16()?);
        let [references, present, fixed_present, companions, novelty] = reader.array()?;
        let (sizes, hits): ([u8; 8], [u8; 8]) = (reader.array()?, reader.array()?);
        if weight_bp > 10_000 || hits.iter().zip(&sizes).any(|(hits, size)| hits > size) {
            return Err(WireError::Invalid);
        }
        let evidence = LogRatio::from_units(i32::from_be_bytes(reader.array()?));
        let (baseline, evidence_share) = (share(reader.u16()?)?, share(reader.u16()?)?);
        let abstention = match reader.u8()? {
            0 => None,
            number => Some(Abstention::from_u8(number).ok_or(WireError::Invalid)?),
        };
        Ok(Self {
            weight_bp,
            occurrences,
            references,
            present,
            fixed_present,
            companions,
            novelty,
            sizes,
            hits,
            evidence,
            baseline,
            evidence_share,
            abstention,
        })
    }
}

/// On how much an assessment rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// What the periods with evidence weigh at this moment.
    pub weight: BasisPoints,
    /// How many occurrences they were learned from, faded, in 128ths.
    pub occurrences: u16,
    /// How many neighbours the scan could have found.
    pub references: u8,
    /// How many of them it found.
    pub present: u8,
}

impl Coverage {
    pub(super) fn of(parts: &[Part; 2]) -> Self {
        let mut coverage =
            Self { weight: BasisPoints::ZERO, occurrences: 0, references: 0, present: 0 };
        let mut weight = 0;
        for part in parts.iter().filter(|part| part.has_evidence()) {
            weight += part.weight_bp;
            coverage.occurrences = coverage.occurrences.saturating_add(part.occurrences);
            coverage.references = coverage.references.saturating_add(part.references);
            coverage.present = coverage.present.saturating_add(part.present);
        }
        coverage.weight = BasisPoints::new(weight).unwrap_or(BasisPoints::ONE);
        coverage
    }
}
