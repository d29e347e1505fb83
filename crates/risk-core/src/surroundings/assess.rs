//! From a scan and what is known to two scores and a plan.

use super::neighbours::Neighbours;
use super::odds::{logistic, share_of};
use super::policy::{Plan, Policy, Tables};
use super::population::{Population, SURPRISE};
use super::profile::{Neighbour, ONE, Profile, scaled};
use super::scan::{Scan, TokenTag};
use super::{Familiarity, Kind, Moment, Protocol, Reason};
use crate::{BasisPoints, Contribution, LogRatio, Reasons};
use alloc::vec::Vec;
use port::Time;
use port::WireError;
use port::wire::{Reader, Writer};

impl Policy {
    /// Judges a scan (spec R13): a pure function of its arguments, in integers, without an allocation.
    ///
    /// `own` is what is known of the period that contains the scan's time (spec R15), `adjacent` of the one next to it; both
    /// are named by [`Scan::when`]. A profile of another period or grid counts as none.
    pub fn assess(&self, now: Time, scan: &Scan, known: Known<'_>, facts: Facts) -> Assessment {
        self.judge(now, scan, known, facts, |_, _, _| {})
    }

    /// The same, telling what the neighbours of each profile say, and whether it is of the adjacent period.
    pub(super) fn judge(
        &self,
        now: Time,
        scan: &Scan,
        known: Known<'_>,
        facts: Facts,
        mut told: impl FnMut(&Profile, &Said<'_>, bool),
    ) -> Assessment {
        let tables = self.tables();
        let when = scan.when();
        let adjacent_bp = if tables.blend { when.adjacent_bp } else { 0 };
        let mut parts = [Part::NONE; 2];
        let profiles = [
            (known.own, when.period, 10_000 - adjacent_bp),
            (known.adjacent, when.adjacent, adjacent_bp),
        ];
        for (at, (profile, period, weight_bp)) in profiles.into_iter().enumerate() {
            let profile =
                profile.filter(|profile| (profile.grid(), profile.period()) == (when.grid, period));
            parts[at] = match profile {
                Some(profile) if weight_bp > 0 => {
                    weigh(profile, scan, tables, |said| told(profile, said, at == 1))
                }
                _ => Part::NONE,
            };
            parts[at].weight_bp = weight_bp;
        }
        let findings = self.findings(now, scan, &parts, facts);
        let coverage = Coverage::of(&parts);
        let refused = if findings.has(Finding::Stale) {
            Some(Abstention::Stale)
        } else if findings.has(Finding::NotAnswered) {
            Some(Abstention::NotAnswered)
        } else if scan.scanned().as_bits() == 0 {
            Some(Abstention::NotScanned)
        } else if coverage.weight.as_u16() < tables.coverage_min.max(1) {
            parts[0].abstention.or(Some(Abstention::TooLittleCoverage))
        } else {
            None
        };
        let score = |of: fn(&Part) -> Option<BasisPoints>| {
            refused.map_or_else(|| blend(&parts, of), Score::NoEvidence)
        };
        let (baseline, evidence) = (score(|part| part.baseline), score(|part| part.evidence_share));
        let mode = if tables.evidence_decides { Mode::Evidence } else { Mode::Baseline };
        let mut assessment = Assessment {
            at: now,
            policy_version: self.version(),
            policy_digest: self.digest(),
            when,
            // at most 8
            types: u8::try_from(tables.types).unwrap_or(0),
            weights: tables.weights,
            parts,
            mode,
            baseline,
            evidence,
            coverage,
            findings,
            plan: Plan::Refuse,
        };
        self.plan(&mut assessment, facts);
        assessment
    }

    /// Whether neighbours are together that nobody ever saw together: pairs of one that the profile knows and one that it does
    /// not know but the institution's other terminals do. `None` where there are too few pairs to tell; zero where only one
    /// stranger is apart from more than a tenth of what is familiar, since a hotspot that passes is no second place.
    ///
    /// Asked is about a sample of a large scan: pairs are kept of a few neighbours of each, the same ones for all terminals.
    /// The scan has to be [taken](Scan::take) with the population. The answer goes into [`Facts::strange_pairs`].
    pub fn strange_pairs(
        &self,
        scan: &Scan,
        known: Known<'_>,
        population: &Population,
    ) -> Option<BasisPoints> {
        let (mut familiar, mut strangers) = (Vec::new(), Vec::new());
        let below = Population::asked_below(scan.population_names());
        for (seen, name) in scan.fixed_names().filter(|(_, name)| *name < below) {
            let knows = |profile: Option<&Profile>| {
                profile.is_some_and(|profile| {
                    let mut keys = profile.neighbours().map(|neighbour| neighbour.key.needle());
                    keys.any(|key| key == seen.key.needle() || key == seen.previous)
                })
            };
            if knows(known.own) || knows(known.adjacent) {
                familiar.push(name);
            } else if population.count(name) >= 2 {
                strangers.push(name);
            }
        }
        let (mut pairs, mut strange, mut foreign) = (0_u64, 0_u64, 0_u64);
        for other in &strangers {
            let apart =
                familiar.iter().filter(|one| !population.were_together(**one, *other)).count();
            pairs += familiar.len() as u64;
            strange += apart as u64;
            foreign += u64::from(10 * apart > familiar.len());
        }
        if foreign < 2 {
            strange = 0;
        }
        let enough = pairs >= u64::from(self.tables().strange_pairs_min);
        enough.then(|| BasisPoints::of(strange, pairs))
    }

    fn findings(&self, now: Time, scan: &Scan, parts: &[Part; 2], facts: Facts) -> Findings {
        let tables = self.tables();
        let mut findings = Findings::default();
        let mut note = |finding, holds: bool| {
            if holds {
                findings = findings.with(finding);
            }
        };
        note(Finding::TerminalLost, facts.lost);
        note(Finding::Stale, now.since_ms(scan.taken()) > tables.age_max_ms);
        note(Finding::FromFuture, scan.taken().since_ms(now) > tables.ahead_max_ms);
        note(Finding::NotAnswered, tables.nonce_required && facts.answer == Answer::Missing);
        note(Finding::WrongNonce, facts.answer == Answer::Wrong);
        note(Finding::Copied, facts.repeated && scan.len() >= tables.copied_min);
        note(Finding::TooManyNeighbours, scan.reported() > tables.plausible_max);
        let strange = facts.strange_pairs.is_some_and(|share| share >= tables.strange_pairs_max);
        note(Finding::StrangePairs, strange);
        let [own, adjacent] = parts;
        let fixed = u32::from(scan.fixed());
        let familiar = u32::from(own.fixed_present.max(adjacent.fixed_present));
        let unfamiliar = share_of((fixed - familiar.min(fixed)).into(), fixed.into());
        let usual = u32::from(own.novelty.max(adjacent.novelty)) * 10_000 / 255;
        let mixed = familiar >= 3
            && fixed >= 6
            && unfamiliar >= tables.unfamiliar_max
            && u32::from(unfamiliar.as_u16()) >= 2 * usual;
        note(Finding::TwoPlaces, mixed);
        let present = own.present.max(adjacent.present);
        let companions = own.companions.max(adjacent.companions);
        note(Finding::OnlyCompanions, companions > 0 && present == 0);
        findings
    }

    fn plan(&self, assessment: &mut Assessment, facts: Facts) {
        let tables = self.tables();
        let findings = assessment.findings;
        assessment.plan = if findings.has(Finding::TerminalLost) {
            Plan::Refuse
        } else if findings.is_suspicious() {
            tables.suspicious
        } else {
            match assessment.score() {
                Score::NoEvidence(_) => tables.no_evidence,
                Score::Familiar(_) if findings.has(Finding::OnlyCompanions) => tables.no_evidence,
                Score::Familiar(familiarity) => self.band(familiarity).plan,
            }
        };
        if let Plan::Allow { limit_minor } = assessment.plan {
            // The tighter of the two limits wins.
            let limit_minor =
                facts.account_limit_minor.map_or(limit_minor, |of| of.min(limit_minor));
            // A payment of less than nothing is none that could go without a PIN.
            assessment.plan = if facts.amount_minor > limit_minor || facts.amount_minor < 0 {
                assessment.findings = findings.with(Finding::AboveLimit);
                Plan::AskPin
            } else {
                Plan::Allow { limit_minor }
            };
        }
    }
}

/// What is known of the two periods that a moment lies between.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Of the period that contains it.
    pub own: Option<&'a Profile>,
    /// Of the period on the nearer side.
    pub adjacent: Option<&'a Profile>,
}

/// What is known of a request besides its scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What is to be paid, in minor units.
    pub amount_minor: i64,
    /// What the account still allows without a password, if it has such a limit.
    pub account_limit_minor: Option<i64>,
    /// Whether the scan answers the server's challenge.
    pub answer: Answer,
    /// Whether a scan with this [fingerprint](Scan::fingerprint) was assessed before.
    pub repeated: bool,
    /// Whether the terminal was reported lost.
    pub lost: bool,
    /// The share of pairs that nobody ever saw together ([`Policy::strange_pairs`]).
    pub strange_pairs: Option<BasisPoints>,
}

impl Facts {
    /// A payment of this amount, with nothing against it.
    pub const fn of(amount_minor: i64) -> Self {
        Self {
            amount_minor,
            account_limit_minor: None,
            answer: Answer::Right,
            repeated: false,
            lost: false,
            strange_pairs: None,
        }
    }
}

/// How a scan answers the server's challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It names none, or the one that is open has expired.
    Missing,
    /// It names the one that is open.
    Right,
    /// It names another one than the one that is open, or none is open: a challenge is answered once.
    Wrong,
}

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
    types: u8,
    weights: [u16; Policy::TYPES_MAX],
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

    /// The scores of the dwell types of one part, shortest dwell first; [`recombined`] makes the part's baseline of them
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

/// A score, or that there can be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// How much it looks as usual.
    Familiar(Familiarity),
    /// Nothing can be said, and why: neither a low score nor a middle one.
    NoEvidence(Abstention),
}

impl Score {
    /// The familiarity, if there is one.
    pub const fn familiarity(self) -> Option<Familiarity> {
        match self {
            Self::Familiar(familiarity) => Some(familiarity),
            Self::NoEvidence(_) => None,
        }
    }

    fn encode(self, writer: &mut Writer<'_>) {
        match self {
            Self::Familiar(familiarity) => writer.u8(0).u16(familiarity.basis_points().as_u16()),
            Self::NoEvidence(why) => writer.u8(why as u8).u16(0),
        };
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (kind, basis_points) = (reader.u8()?, reader.u16()?);
        if kind == 0 {
            let share = BasisPoints::new(basis_points).map_err(|_| WireError::Invalid)?;
            return Ok(Self::Familiar(Familiarity::new(share)));
        }
        let why = Abstention::from_u8(kind).filter(|_| basis_points == 0);
        why.map(Self::NoEvidence).ok_or(WireError::Invalid)
    }
}

/// Why there is no score. Numbers are stable; they stand in stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Abstention {
    /// Nothing was ever learned for this period.
    NoProfile = 1,
    /// Too few occurrences were observed.
    TooFewOccurrences = 2,
    /// Too few neighbours are known that this scan could have found.
    TooFewReferences = 3,
    /// Nothing was searched for.
    NotScanned = 4,
    /// What is known was learned under keys that the scan was not made with.
    KeysTooOld = 5,
    /// The periods with evidence weigh too little at this moment.
    TooLittleCoverage = 6,
    /// The scan is too old to be current.
    Stale = 7,
    /// The scan answers no challenge, so that nobody knows when it was made.
    NotAnswered = 8,
}

impl Abstention {
    /// As a reason.
    pub const fn reason(self) -> Reason {
        match self {
            Self::NoProfile => Reason::NoProfile,
            Self::TooFewOccurrences => Reason::TooFewOccurrences,
            Self::TooFewReferences => Reason::TooFewReferences,
            Self::NotScanned => Reason::NotScanned,
            Self::KeysTooOld => Reason::KeysTooOld,
            Self::TooLittleCoverage => Reason::TooLittleCoverage,
            Self::Stale => Reason::Stale,
            Self::NotAnswered => Reason::NotAnswered,
        }
    }

    const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::NoProfile,
            2 => Self::TooFewOccurrences,
            3 => Self::TooFewReferences,
            4 => Self::NotScanned,
            5 => Self::KeysTooOld,
            6 => Self::TooLittleCoverage,
            7 => Self::Stale,
            8 => Self::NotAnswered,
            _ => return None,
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
    fn of(parts: &[Part; 2]) -> Self {
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
    fixed_present: u8,
    companions: u8,
    novelty: u8,
    sizes: [u8; Policy::TYPES_MAX],
    hits: [u8; Policy::TYPES_MAX],
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
    const NONE: Self = Self {
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

    fn encode(&self, writer: &mut Writer<'_>) {
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

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
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

/// What one dwell type says: `hits` of `size` references are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeScore {
    /// How many of its references are here.
    pub hits: u8,
    /// How many references it has.
    pub size: u8,
    /// What it weighs.
    pub weight: u16,
}

/// The baseline score: the weighted mean of what each type has, over the types that have anything; `None` if none has.
///
/// Exact, and rounded once at the end. Up to [`Policy::TYPES_MAX`] types of up to 64 references.
///
/// ```
/// use interbank_risk_core::surroundings::{TypeScore, recombined};
/// let types = [(2, 6, 1), (3, 4, 3), (3, 3, 6)];
/// let types = types.map(|(hits, size, weight)| TypeScore { hits, size, weight });
/// assert_eq!(recombined(types).map(|score| score.as_u16()), Some(8_583));
/// ```
pub fn recombined(types: impl IntoIterator<Item = TypeScore>) -> Option<BasisPoints> {
    // A sum of fractions, kept as one fraction. Few types fit 64 bits; 64⁸ × 8 × 65,535 × 20,000 stays below 2¹²⁸.
    let (mut part, mut whole, mut weights) = (0_u64, 1_u64, 0_u64);
    let mut types = types.into_iter().take(Policy::TYPES_MAX).filter(|one| one.size > 0);
    for one in types.by_ref() {
        let (hits, size) = (u64::from(one.hits.min(one.size)), u64::from(one.size));
        let weight = u64::from(one.weight);
        if whole > 1 << 18 {
            let before = (part.into(), whole.into(), weights.into());
            return recombined_long(before, core::iter::once(one).chain(types));
        }
        part = part * size + hits * weight * whole;
        whole *= size;
        weights += weight;
    }
    let whole = whole * weights;
    if whole == 0 { None } else { share((part * 20_000 + whole) / (2 * whole)) }
}

#[cold]
fn recombined_long(
    (mut part, mut whole, mut weights): (u128, u128, u128),
    types: impl Iterator<Item = TypeScore>,
) -> Option<BasisPoints> {
    for one in types {
        let (size, weight) = (u128::from(one.size), u128::from(one.weight));
        part = part * size + u128::from(one.hits.min(one.size)) * weight * whole;
        whole *= size;
        weights += weight;
    }
    let whole = whole * weights;
    if whole == 0 {
        return None;
    }
    share(u64::try_from((part * 20_000 + whole) / (2 * whole)).unwrap_or(0))
}

/// What one neighbour says about the place, in the exact form of the spec: present in `present` of `observed` occurrences, and
/// seen by this share of all terminals.
///
/// ```
/// use interbank_risk_core::surroundings::evidence;
/// assert_eq!(evidence(true, 18, 20, (2, 1_000)).to_string(), "+6.068");
/// assert_eq!(evidence(false, 18, 20, (2, 1_000)).to_string(), "-1.990");
/// ```
pub fn evidence(is_here: bool, present: u64, observed: u64, share: (u64, u64)) -> LogRatio {
    let (seen, all) = share;
    let observed = observed.max(present);
    let counted = if is_here { present } else { observed - present };
    let surprise = LogRatio::of(if is_here { seen } else { all - seen.min(all) }, all);
    LogRatio::of(counted.saturating_add(1), observed.saturating_add(2)) - surprise
}

/// What is odd about a scan or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Finding {
    /// The terminal was reported lost.
    TerminalLost = 0,
    /// The scan is too old.
    Stale = 1,
    /// The scan was made later than now.
    FromFuture = 2,
    /// The scan answers no challenge though it must.
    NotAnswered = 3,
    /// The scan answers another challenge.
    WrongNonce = 4,
    /// The very same scan was assessed before.
    Copied = 5,
    /// More neighbours than anybody could find.
    TooManyNeighbours = 6,
    /// Neighbours are together that nobody ever saw together.
    StrangePairs = 7,
    /// Half of it is the usual place, half of it another one.
    TwoPlaces = 8,
    /// All that is familiar are things that are carried along.
    OnlyCompanions = 9,
    /// The amount is above the limit.
    AboveLimit = 10,
}

impl Finding {
    const ALL: [Self; 11] = [
        Self::TerminalLost,
        Self::Stale,
        Self::FromFuture,
        Self::NotAnswered,
        Self::WrongNonce,
        Self::Copied,
        Self::TooManyNeighbours,
        Self::StrangePairs,
        Self::TwoPlaces,
        Self::OnlyCompanions,
        Self::AboveLimit,
    ];

    /// As a reason.
    pub const fn reason(self) -> Reason {
        match self {
            Self::TerminalLost => Reason::TerminalLost,
            Self::Stale => Reason::Stale,
            Self::FromFuture => Reason::FromFuture,
            Self::NotAnswered => Reason::NotAnswered,
            Self::WrongNonce => Reason::WrongNonce,
            Self::Copied => Reason::Copied,
            Self::TooManyNeighbours => Reason::TooManyNeighbours,
            Self::StrangePairs => Reason::StrangePairs,
            Self::TwoPlaces => Reason::TwoPlaces,
            Self::OnlyCompanions => Reason::OnlyCompanions,
            Self::AboveLimit => Reason::AboveLimit,
        }
    }
}

/// A set of [`Finding`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings(u16);

impl Findings {
    /// Whether this one is in it.
    pub const fn has(self, finding: Finding) -> bool {
        self.0 >> finding as u16 & 1 == 1
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of them says that the scan may be forged.
    pub const fn is_suspicious(self) -> bool {
        const SUSPICIOUS: u16 = 1 << Finding::FromFuture as u16
            | 1 << Finding::WrongNonce as u16
            | 1 << Finding::Copied as u16
            | 1 << Finding::TooManyNeighbours as u16
            | 1 << Finding::StrangePairs as u16
            | 1 << Finding::TwoPlaces as u16;
        self.0 & SUSPICIOUS != 0
    }

    /// Those that are in it.
    pub fn iter(self) -> impl Iterator<Item = Finding> {
        Finding::ALL.into_iter().filter(move |finding| self.has(*finding))
    }

    const fn with(self, finding: Finding) -> Self {
        Self(self.0 | 1 << finding as u16)
    }

    fn has_reason(self, reason: Reason) -> bool {
        self.iter().any(|finding| finding.reason() == reason)
    }

    const fn from_bits(bits: u16) -> Option<Self> {
        if bits >> Finding::ALL.len() == 0 { Some(Self(bits)) } else { None }
    }
}

/// One neighbour's part in an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is of the adjacent period.
    pub is_adjacent: bool,
    /// What is known of it.
    pub neighbour: Neighbour,
    /// Whether the scan has it.
    pub is_here: bool,
    /// Whether it took part: protocols that were not searched, neighbours that travel and tokens of old keys do not.
    pub counts: bool,
    /// What it says, weighed, before the cap of its device.
    pub evidence: LogRatio,
}

/// Compares one profile with a scan; `told` gets what each neighbour says.
///
/// Column by column, in short loops without a branch: most of them are left to vector instructions. Places behind the last
/// neighbour take part in them and say nothing, since no scan searches for their kind.
#[inline]
fn weigh(profile: &Profile, scan: &Scan, tables: &Tables, told: impl FnOnce(&Said<'_>)) -> Part {
    let days = scan.when().day.saturating_sub(profile.day());
    let factor = if days == 0 { 1 << 16 } else { tables.fading.factor(days) };
    let observed = u32::from(profile.occurrences());
    // (k f + 1) / (n f + 2) is (k + 1/f) / (n + 2/f): so no count has to be scaled.
    let one = (u32::from(ONE) << 16).checked_div(factor).map_or(ONE_MAX, |one| one.min(ONE_MAX));
    let all = ln(observed + 2 * one);
    let usable = usable(profile, scan);
    let columns = profile.columns();
    // Read before the search, so that a profile that is not in the cache is fetched all at once.
    let mut known = [0; SIZE];
    for (known, (&count, share)) in known.iter_mut().zip(columns.counts.iter().zip(&columns.shares))
    {
        *known = u32::from(count) | u32::from(share.as_u8()) << 16;
    }
    let mut lanes = [0; SIZE];
    scan.needles().mark(&columns.tags, &mut lanes);
    let mut here = [0_u8; SIZE];
    for (here, lane) in here.iter_mut().zip(lanes) {
        *here = lane.to_le_bytes()[0];
    }
    // Where in the two tables to look. The count where it is here, the rest where it is not.
    let mut places = [0; SIZE];
    for at in 0..SIZE {
        let here = lanes[at];
        let (count, absent) = (known[at] & 0xFFFF, here.wrapping_sub(1));
        let count = (observed & absent).wrapping_add(count ^ absent).wrapping_sub(absent);
        let surprise = here << 8 | known[at] >> 16;
        places[at] = ln_place(count.wrapping_add(one)) | surprise << 23;
    }
    let mut classes = UNUSABLE;
    use_classes(&mut classes, tables, usable);
    let (mut marks, mut evidence) = ([0; SIZE], [0; SIZE]);
    for four in 0..SIZE / 4 {
        for at in 4 * four..4 * four + 4 {
            let class = classes[columns.tags[at].0 as usize % classes.len()];
            marks[at] = class.marks();
            let says = ln_at(places[at]) - all + SURPRISES[(places[at] >> 23) as usize];
            evidence[at] = (says * class.weight()) >> 7;
        }
    }
    let said = Said { here: &here, marks: &marks, evidence: &evidence };
    let total = said.total(columns, tables);
    let (sizes, hits) = said.types(columns, tables);
    let [references, present, fixed_present, companions] = said.tally();
    told(&said);
    let occurrences = scaled(profile.occurrences(), factor);
    let abstention = if profile.is_empty() {
        Some(Abstention::NoProfile)
    } else if u32::from(occurrences) < tables.occurrences_min {
        Some(Abstention::TooFewOccurrences)
    } else if usable == 0 && scan.scanned().as_bits() != 0 {
        Some(Abstention::KeysTooOld)
    } else if references < tables.references_min.max(1) {
        Some(Abstention::TooFewReferences)
    } else {
        None
    };
    let types = (0..tables.types.min(Policy::TYPES_MAX)).map(|at| TypeScore {
        hits: hits[at],
        size: sizes[at],
        weight: tables.weights[at],
    });
    let tempered = i64::from(total) * tables.temper / 1_000;
    let tempered = LogRatio::from_units(i32::try_from(tempered).unwrap_or(0));
    Part {
        weight_bp: 0,
        occurrences,
        references,
        present,
        fixed_present,
        companions,
        novelty: profile.novelty(),
        sizes,
        hits,
        evidence: LogRatio::from_units(total),
        baseline: recombined(types),
        evidence_share: Some(logistic(tables.prior + tempered)),
        abstention,
    }
}

/// What the neighbours of a profile say, place by place.
pub(super) struct Said<'a> {
    /// Whether it is here: 0 or 1.
    here: &'a [u8; SIZE],
    /// Bits of [`Class::marks`].
    marks: &'a [u8; SIZE],
    /// What it says, weighed, before the cap of its device.
    evidence: &'a [i32; SIZE],
}

impl Said<'_> {
    /// Each neighbour's part in it, in their order.
    pub(super) fn lines(&self, profile: &Profile, is_adjacent: bool) -> impl Iterator<Item = Line> {
        let parts = self.here.iter().zip(self.marks).zip(self.evidence);
        profile.neighbours().zip(parts).map(move |(neighbour, ((here, marks), evidence))| Line {
            is_adjacent,
            neighbour,
            is_here: *here == 1,
            counts: marks & Class::COUNTS != 0,
            evidence: LogRatio::from_units(*evidence),
        })
    }

    /// The sum of all evidence: for each device at most so much for and against it, and so much at most for all that is missing.
    fn total(&self, columns: &Neighbours, tables: &Tables) -> i32 {
        let tags = &columns.tags;
        let same = |at: usize| tags[at].group() == tags[at + 1].group() && tags[at + 1].0 != 0;
        let (present, missing) = if (0..SIZE - 1).fold(false, |any, at| any | same(at)) {
            capped(&joined(self.evidence, tags), tables)
        } else {
            capped(self.evidence, tables)
        };
        // One period can hold several places, and whoever is at one of them misses all of the others.
        present + missing.max(tables.all_absent_min)
    }

    /// For each dwell type, how many references it has, and how many of them are here.
    fn types(&self, columns: &Neighbours, tables: &Tables) -> ([u8; 8], [u8; 8]) {
        let (mut sizes, mut hits) = ([0; Policy::TYPES_MAX], [0; Policy::TYPES_MAX]);
        let (mut size_before, mut hits_before) = (0, 0);
        let ends = &tables.type_ends[..tables.types.min(Policy::TYPES_MAX)];
        for (at, end) in ends.iter().enumerate() {
            let (mut size, mut hit) = (0_u8, 0_u8);
            for place in 0..SIZE {
                let counts = u8::from(columns.dwells[place].0 < *end) & self.marks[place];
                size += counts & Class::COUNTS;
                hit += counts & Class::COUNTS & self.here[place];
            }
            (sizes[at], hits[at]) = (size - size_before, hit - hits_before);
            (size_before, hits_before) = (size, hit);
        }
        (sizes, hits)
    }

    /// How many references there are, how many of them are here, how many of those are fixed, and how much is carried along.
    fn tally(&self) -> [u8; 4] {
        let mut tally = [0_u8; 4];
        for (marks, here) in self.marks.iter().zip(self.here) {
            let is_here = 0_u8.wrapping_sub(*here);
            tally[0] += marks & 1;
            tally[1] += marks >> 1 & is_here & 1;
            tally[2] += marks >> 2 & is_here & 1;
            tally[3] += marks >> 3 & is_here & 1;
        }
        tally
    }
}

/// With the last one of a device speaking for all of them.
#[cold]
fn joined(evidence: &[i32; SIZE], tags: &[TokenTag; SIZE]) -> [i32; SIZE] {
    let mut joined = *evidence;
    for (at, pair) in tags.windows(2).enumerate() {
        if let [one, next] = pair
            && one.group() == next.group()
        {
            joined[at + 1] += joined[at];
            joined[at] = 0;
        }
    }
    joined
}

/// What speaks for the place and what against it, each device within its bounds.
#[inline]
fn capped(evidence: &[i32; SIZE], tables: &Tables) -> (i32, i32) {
    let (mut all, mut missing) = (0, 0);
    for said in *evidence {
        let said = said.min(tables.present_max).max(tables.absent_min);
        all += said;
        missing += said.min(0);
    }
    (all - missing, missing)
}

/// What an assessment makes of a neighbour by the lowest byte of its tag: key generation, kind, relation, whether it travels.
type Classes = [Class; 256];

#[inline]
fn use_classes(classes: &mut Classes, tables: &Tables, usable: u32) {
    let (kinds, mut rest) = (classes.as_chunks_mut::<8>().0, usable);
    while rest != 0 {
        let at = rest.trailing_zeros() as usize;
        kinds[at] = tables.classes[at % 8];
        rest &= rest - 1;
    }
}

/// What a neighbour of one kind and relation counts for: what its evidence weighs, in 128ths, and above that its marks.
#[derive(Clone, Copy)]
pub(super) struct Class(u16);

impl Class {
    const fn new(weight: u8, marks: u8) -> Self {
        Self(weight as u16 | (marks as u16) << 8)
    }

    const fn weight(self) -> i32 {
        (self.0 & 0xFF) as i32
    }

    const fn marks(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// It takes part.
    const COUNTS: u8 = 1;
    /// If it is here, it is a reference that is.
    const PRESENT: u8 = 2;
    /// And one that stays where it is.
    const FIXED: u8 = 4;
    /// If it is here, it came along.
    const COMPANION: u8 = 8;

    /// By relation and whether it travels, as they stand in a tag.
    pub(super) const fn of_kind(kind: Kind, weight: u8) -> [Self; 8] {
        let mut all = UNUSABLE_KIND;
        let mut relation = 0;
        while relation < 4 {
            let marks = match (kind.is_fixed(), relation >> 1) {
                (true, _) => Self::COUNTS | Self::PRESENT | Self::FIXED,
                (false, 0) => Self::COUNTS | Self::PRESENT,
                (false, _) => Self::COUNTS | Self::COMPANION,
            };
            all[2 * relation] = Self::new(weight, marks);
            relation += 1;
        }
        all
    }

    /// Of a kind that was not searched for.
    pub(super) const fn none() -> [Self; 8] {
        UNUSABLE_KIND
    }
}

/// What travels came along, whatever was searched for; the rest says nothing.
const UNUSABLE_KIND: [Class; 8] = {
    let mut all = [Class(0); 8];
    let mut at = 1;
    while at < 8 {
        all[at] = Class::new(0, Class::COMPANION);
        at += 2;
    }
    all
};

const UNUSABLE: Classes = {
    let mut all = [Class(0); 256];
    let mut at = 0;
    while at < 256 {
        all[at] = UNUSABLE_KIND[at % 8];
        at += 1;
    }
    all
};

/// [`SURPRISE`] in one row: by whether it is here, then by the share.
const SURPRISES: [i32; 512] = {
    let mut row = [0; 512];
    let mut at = 0;
    while at < 512 {
        row[at] = SURPRISE[at >> 8][at & 0xFF];
        at += 1;
    }
    row
};

const SIZE: usize = Profile::NEIGHBOURS_MAX;

/// A bit for each generation of keys (two bits) and kind (three): whether the scan can have found such neighbours.
fn usable(profile: &Profile, scan: &Scan) -> u32 {
    let (scanned, mut kinds) = (scan.scanned().as_bits(), u32::from(scan.scanned().as_bits()));
    kinds |= u32::from(scanned >> Protocol::Wifi as u8 & 1) << 7;
    let at = |key_id: u8| kinds << (8 * u32::from(key_id & 3));
    let mut usable = 0;
    if profile.key_id() == scan.key_id() {
        usable |= at(scan.key_id());
    }
    let back = scan.key_id().checked_sub(profile.key_id());
    if scan.is_rotating() && back.is_some_and(|back| back <= 1) {
        usable |= at(scan.key_id().wrapping_sub(1));
    }
    usable
}

fn blend(parts: &[Part; 2], of: fn(&Part) -> Option<BasisPoints>) -> Score {
    let (mut sum, mut weight) = (0, 0);
    for part in parts.iter().filter(|part| part.has_evidence()) {
        if let Some(share) = of(part) {
            sum += u64::from(share.as_u16()) * u64::from(part.weight_bp);
            weight += u64::from(part.weight_bp);
        }
    }
    if weight == 0 {
        return Score::NoEvidence(Abstention::TooFewReferences);
    }
    Score::Familiar(Familiarity::new(share_of(sum, weight * 10_000)))
}

fn share(basis_points: u64) -> Option<BasisPoints> {
    BasisPoints::new(u16::try_from(basis_points).ok()?).ok()
}

/// `ln(x)` in units of 2⁻¹⁶, for `x` from 128 to 2²² − 1, from its highest nine bits: exact to a unit or two below 2⁹ and for
/// their multiples by powers of two, at most 2⁻⁸ too low elsewhere.
///
/// The conversion to floating point is exact for such numbers on every platform, and no more than a way to shift the highest
/// bit into its place: nothing is computed with it.
#[inline]
fn ln(x: u32) -> i32 {
    ln_at(ln_place(x))
}

#[inline]
fn ln_place(x: u32) -> u32 {
    // Signed, for which more processors have a vector instruction.
    (x.cast_signed() as f32).to_bits() >> 15
}

#[inline]
fn ln_at(place: u32) -> i32 {
    LN[place as usize % LN.len()]
}

/// By the lowest four bits of a float's exponent and the highest eight of its mantissa: powers from 2⁷ to 2²².
const LN: [i32; 16 * 256] = {
    let mut table = [0; 16 * 256];
    let mut at = 0;
    while at < table.len() {
        // 2⁷ has the exponent 134, whose lowest four bits are 6
        let exponent = 7 + (at / 256 + 10) % 16;
        table[at] = LogRatio::of((256 + at as u64 % 256) << exponent, 256).as_units();
        at += 1;
    }
    table
};

/// A profile that has faded to a 512th says nothing more.
const ONE_MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::super::population::Share;
    use super::super::{PolicyDraft, Scanned};
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use proptest::prelude::*;

    /// What [`weigh`] does, neighbour by neighbour.
    fn weighed(profile: &Profile, scan: &Scan, policy: &Policy) -> (Part, Vec<Line>) {
        let (draft, tables) = (policy.draft(), policy.tables());
        let days = scan.when().day.saturating_sub(profile.day());
        let factor = if days == 0 { 1 << 16 } else { policy.learning().fading.factor(days) };
        let one =
            (u32::from(ONE) << 16).checked_div(factor).map_or(1 << 16, |one| one.min(1 << 16));
        let observed = u32::from(profile.occurrences());
        let needles: BTreeSet<u32> = scan
            .seen()
            .iter()
            .flat_map(|seen| [seen.key.needle(), seen.previous])
            .filter(|needle| *needle != 0)
            .collect();
        let usable = usable(profile, scan);
        let mut part = Part { novelty: profile.novelty(), ..Part::NONE };
        let (mut lines, mut groups) = (Vec::new(), BTreeMap::new());
        for neighbour in profile.neighbours() {
            let key = neighbour.key;
            let is_here = needles.contains(&key.needle());
            let searched = usable >> (key.needle() & 0x1F) & 1 == 1;
            let counts = searched && !key.travels();
            let mut said = 0;
            if counts {
                let stays = neighbour.kind().is_fixed();
                part.references += 1;
                if is_here && (stays || neighbour.relation() != super::super::Relation::Connected) {
                    part.present += 1;
                    part.fixed_present += u8::from(stays);
                } else if is_here {
                    part.companions += 1;
                }
                if let Some(dwell_s) = neighbour.dwell_s(profile.grid()) {
                    let types = &draft.types;
                    let at = types.iter().position(|one| i64::from(dwell_s) < one.to_s);
                    let at = at.unwrap_or(types.len() - 1);
                    part.sizes[at] += 1;
                    part.hits[at] += u8::from(is_here);
                }
                let count = u32::from(neighbour.count);
                let counted = if is_here { count } else { observed - count };
                let share = neighbour.share;
                let surprise = if is_here { share.surprise() } else { share.absence() };
                let says = ln(counted + one) - ln(observed + 2 * one) + surprise.as_units();
                let percent = match neighbour.kind() {
                    Kind::Wifi => draft.evidence.wifi_percent,
                    Kind::WifiLocal => draft.evidence.wifi_local_percent,
                    Kind::Bluetooth => draft.evidence.bluetooth_percent,
                    Kind::BlePublic => draft.evidence.ble_public_percent,
                    Kind::BleRandom => draft.evidence.ble_random_percent,
                    Kind::Lan => draft.evidence.lan_percent,
                    Kind::Cell => draft.evidence.cell_percent,
                };
                said = (says * i32::try_from(percent * 128 / 100).unwrap()) >> 7;
            } else if key.travels() && is_here {
                part.companions += 1;
            }
            *groups.entry(key.group()).or_insert(0) += said;
            let evidence = LogRatio::from_units(said);
            lines.push(Line { is_adjacent: false, neighbour, is_here, counts, evidence });
        }
        let present: i32 = groups.values().map(|said| (*said).max(0).min(tables.present_max)).sum();
        let missing: i32 = groups.values().map(|said| (*said).min(0).max(tables.absent_min)).sum();
        let total = present + missing.max(tables.all_absent_min);
        let tempered = i64::from(total) * tables.temper / 1_000;
        part.occurrences = scaled(profile.occurrences(), factor);
        part.evidence = LogRatio::from_units(total);
        part.evidence_share =
            Some(logistic(tables.prior + LogRatio::from_units(i32::try_from(tempered).unwrap())));
        part.baseline = recombined((0..draft.types.len()).map(|at| TypeScore {
            hits: part.hits[at],
            size: part.sizes[at],
            weight: tables.weights[at],
        }));
        part.abstention = if profile.is_empty() {
            Some(Abstention::NoProfile)
        } else if u32::from(part.occurrences) < tables.occurrences_min {
            Some(Abstention::TooFewOccurrences)
        } else if usable == 0 && scan.scanned().as_bits() != 0 {
            Some(Abstention::KeysTooOld)
        } else if part.references < tables.references_min.max(1) {
            Some(Abstention::TooFewReferences)
        } else {
            None
        };
        (part, lines)
    }

    prop_compose! {
        /// A token of few devices, under one key or the one before it, of any kind and relation.
        fn tag(generation: u32)(device in 0_u32..40, member in 0_u32..3, kind in 1_u32..8, relation in 0_u32..3) -> u32 {
            device << 24 | device << 16 | member << 8 | generation << 6 | kind << 3 | relation << 1
        }
    }

    prop_compose! {
        fn profile()(
            key_id in 3_u8..5,
            day in 90_u16..=100,
            occurrences in prop_oneof![0_u16..2_000, Just(u16::MAX)],
            known in prop::collection::vec((tag(3), tag(0), any::<(bool, bool, u16, u8, u8)>(), 1_u8..=255), 0..=64),
        ) -> Profile {
            let mut neighbours = BTreeMap::new();
            for (old, new, (is_old, travels, count, dwell, age), share) in known {
                let tag = if is_old || key_id == 3 { old } else { new } | u32::from(travels && age < 60);
                let dwell = if dwell > 240 { 255 } else { dwell };
                let count = u16::try_from(u32::from(count) * u32::from(occurrences) / 65_535).unwrap();
                neighbours.insert(tag >> 3, (tag, count, [dwell, dwell, share, age]));
            }
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, 1);
            let count = u8::try_from(neighbours.len()).unwrap();
            let grid = Policy::new(PolicyDraft::default()).unwrap().grid();
            writer.u8(grid.to_u8()).u16(0).u8(key_id).u16(day).u16(occurrences).u8(9).u8(count);
            for (tag, count, rest) in neighbours.into_values() {
                writer.u32(tag).u16(count).fixed(&rest);
            }
            Profile::parse(&bytes).unwrap()
        }
    }

    prop_compose! {
        fn scan()(
            scanned in prop_oneof![Just(Scanned::ALL.as_bits()), Just(0b110), Just(0)],
            rotating: bool,
            found in prop::collection::vec((tag(0), tag(3), any::<bool>()), 0..120),
        ) -> Scan {
            let mut seen = BTreeMap::new();
            for (new, old, has_old) in found {
                let old = if rotating && has_old { old >> 3 } else { 0 };
                seen.insert(new >> 3, (new, old));
            }
            let mut bytes = Vec::new();
            let mut writer = Writer::bare(&mut bytes);
            let grid = Policy::new(PolicyDraft::default()).unwrap().grid();
            writer.u64(0).u8(0).u16(100).u16(0).u16(1).u16(0).u8(grid.to_u8()).u8(scanned).u8(4);
            writer.u8(rotating.into()).u16(0).u16(0).u16(u16::try_from(seen.len()).unwrap());
            for (new, old) in seen.into_values() {
                writer.u32(new).u32(old).u8(7).u8(143);
            }
            Scan::read(&mut Reader::new(&bytes)).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn columns_weigh_what_neighbours_do_one_by_one(profile in profile(), scan in scan()) {
            let policy = Policy::new(PolicyDraft::default()).unwrap();
            let (part, lines) = weighed(&profile, &scan, &policy);
            let mut told = Vec::new();
            let fast = weigh(&profile, &scan, policy.tables(), |said| {
                told.extend(said.lines(&profile, false));
            });
            prop_assert_eq!(fast, part);
            prop_assert_eq!(told, lines);
        }
    }

    proptest! {
        #[test]
        fn fast_logarithms_are_near_the_exact_ones(x in 128_u32..1 << 22) {
            let off = ln(x) - LogRatio::of(u64::from(x), 1).as_units();
            prop_assert!((-258..=3).contains(&off), "{off} for {x}");
        }

        #[test]
        fn fast_evidence_is_near_the_exact_one(
            present in 0_u16..390,
            more in 0_u16..100,
            seen in 1_u64..900,
            is_here: bool,
        ) {
            let observed = present + more;
            let share = Share::of(seen, 1_000);
            let counted = if is_here { present } else { more };
            let one = u32::from(ONE);
            let fast = ln(u32::from(counted) * one + one) - ln(u32::from(observed) * one + 2 * one)
                + SURPRISE[usize::from(is_here)][usize::from(share.as_u8())];
            let exact = evidence(is_here, present.into(), observed.into(), (seen, 1_000)).as_units();
            // shares are kept in steps of 2.2 % either way, which matters more for 1 - q where q is large
            let slack = if is_here { 0.03 } else { 0.03 + 0.022 * seen as f64 / (1_000 - seen) as f64 };
            prop_assert!((f64::from(fast - exact) / 65_536.0).abs() < slack, "{fast} for {exact}");
        }
    }
}
