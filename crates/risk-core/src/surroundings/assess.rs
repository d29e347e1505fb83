//! From a scan and what is known to two scores and a plan.

use super::odds::share_of;
use super::weigh::{Said, weigh};
use super::{
    Abstention, Assessment, Coverage, Familiarity, Finding, Findings, Mode, Part, Plan, Policy,
    Profile, Scan, Score,
};
use crate::BasisPoints;
use port::Time;

impl Policy {
    /// Judges a scan (spec R13): a pure function of its arguments, in integers, without an allocation.
    ///
    /// `own` is what is known of the period that contains the scan's time (spec R15), `adjacent` of the one next to it; both
    /// are named by [`Scan::when`]. A profile of another period or grid counts as none.
    pub fn assess(&self, now: Time, scan: &Scan, known: Known<'_>, facts: Facts) -> Assessment {
        self.judge(now, scan, known, facts, |_, _| ())
    }

    /// The same, telling what the neighbours of each profile say, and whether it is of the adjacent period.
    #[inline]
    pub(super) fn judge(
        &self,
        now: Time,
        scan: &Scan,
        known: Known<'_>,
        facts: Facts,
        mut told: impl FnMut(Said, bool),
    ) -> Assessment {
        let tables = self.tables();
        let when = scan.when();
        let adjacent_bp = if tables.blend { when.adjacent_bp } else { 0 };
        let weighing = |weight_bp| Part { weight_bp, ..Part::NONE };
        let mut parts = [weighing(10_000 - adjacent_bp), weighing(adjacent_bp)];
        let fits =
            |profile: &&Profile, period| (profile.grid(), profile.period()) == (when.grid, period);
        if let Some(profile) = known.own.filter(|profile| fits(profile, when.period)) {
            weigh(profile, scan, tables, &mut parts[0], false, &mut told);
        }
        let adjacent = known.adjacent.filter(|_| adjacent_bp > 0);
        if let Some(profile) = adjacent.filter(|profile| fits(profile, when.adjacent)) {
            weigh(profile, scan, tables, &mut parts[1], true, &mut told);
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
        let (mode, decides) = if tables.evidence_decides {
            (Mode::Evidence, evidence)
        } else {
            (Mode::Baseline, baseline)
        };
        let (plan, findings) = self.plan(decides, findings, facts);
        Assessment {
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
            plan,
        }
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
        let mixed = familiar >= 3 && fixed >= 6 && {
            let unfamiliar = share_of((fixed - familiar.min(fixed)).into(), fixed.into());
            let usual = u32::from(own.novelty.max(adjacent.novelty)) * 10_000 / 255;
            unfamiliar >= tables.unfamiliar_max && u32::from(unfamiliar.as_u16()) >= 2 * usual
        };
        note(Finding::TwoPlaces, mixed);
        let present = own.present.max(adjacent.present);
        let companions = own.companions.max(adjacent.companions);
        note(Finding::OnlyCompanions, companions > 0 && present == 0);
        findings
    }

    /// What to do, and whether the amount is one of the reasons.
    fn plan(&self, score: Score, findings: Findings, facts: Facts) -> (Plan, Findings) {
        let tables = self.tables();
        let plan = if findings.has(Finding::TerminalLost) {
            Plan::Refuse
        } else if findings.is_suspicious() {
            tables.suspicious
        } else {
            match score {
                Score::NoEvidence(_) => tables.no_evidence,
                Score::Familiar(_) if findings.has(Finding::OnlyCompanions) => tables.no_evidence,
                Score::Familiar(familiarity) => self.band(familiarity).plan,
            }
        };
        let Plan::Allow { limit_minor } = plan else { return (plan, findings) };
        // The tighter of the two limits wins.
        let limit_minor = facts.account_limit_minor.map_or(limit_minor, |of| of.min(limit_minor));
        // A payment of less than nothing is none that could go without a PIN.
        if facts.amount_minor > limit_minor || facts.amount_minor < 0 {
            (Plan::AskPin, findings.with(Finding::AboveLimit))
        } else {
            (Plan::Allow { limit_minor }, findings)
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

/// The shares of both parts, by what these weigh.
fn blend(parts: &[Part; 2], of: fn(&Part) -> Option<BasisPoints>) -> Score {
    let [own, adjacent] = parts;
    let share = |part: &Part| of(part).filter(|_| part.has_evidence());
    let share = match (share(own), share(adjacent)) {
        (None, None) => return Score::NoEvidence(Abstention::TooFewReferences),
        (Some(share), None) | (None, Some(share)) => share,
        (Some(own_share), Some(adjacent_share)) => {
            let weigh = |share: BasisPoints, part: &Part| {
                u64::from(share.as_u16()) * u64::from(part.weight_bp)
            };
            let weight = u64::from(own.weight_bp) + u64::from(adjacent.weight_bp);
            share_of(weigh(own_share, own) + weigh(adjacent_share, adjacent), weight * 10_000)
        }
    };
    Score::Familiar(Familiarity::new(share))
}
