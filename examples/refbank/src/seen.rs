//! What the bank tells a phone about its surroundings: a challenge before, and what came of the scan after.

use crate::hex;
use interbank::risk_core::BasisPoints;
use interbank::risk_core::surroundings::{Assessment, Challenge, Mode, Nonce, Plan, Score};
use serde::{Deserialize, Serialize};

/// What the phone's next scan has to name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Challenged {
    nonce: String,
    expires_ms: u64,
}

impl Challenged {
    pub(crate) fn of(challenge: &Challenge) -> Self {
        let nonce = hex::digits(&challenge.nonce.0);
        Self { nonce, expires_ms: challenge.expires.as_ms() }
    }

    pub(crate) fn nonce(&self) -> Option<Nonce> {
        hex::parse(&self.nonce).map(Nonce)
    }
}

/// What came of a scan.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// `allow`, `ask-pin` or `refuse`.
    pub(crate) plan: String,
    /// The score that decides, as a share; absent where it says nothing.
    pub(crate) familiarity: Option<String>,
    /// Which one that is: `baseline` or `evidence`.
    pub(crate) mode: String,
    /// The other one.
    pub(crate) other: Option<String>,
    /// Why, the weightiest first.
    pub(crate) reasons: Vec<Why>,
    /// The first digits of the digest of the policy that decided.
    pub(crate) policy: String,
}

/// One reason.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Why {
    /// Its stable number.
    pub(crate) code: u32,
    /// For people.
    pub(crate) text: String,
    /// What it added to the score, as a share with its sign.
    pub(crate) adds: String,
    /// Whether it speaks against the payer.
    pub(crate) against: bool,
}

impl Seen {
    pub(crate) fn of(assessment: &Assessment) -> Self {
        let share = |score: Score| score.familiarity().map(|it| it.basis_points().to_string());
        let (mode, other) = match assessment.mode {
            Mode::Baseline => ("baseline", assessment.evidence),
            Mode::Evidence => ("evidence", assessment.baseline),
        };
        let reasons = assessment.reasons();
        let why = reasons.as_slice().iter().map(|one| Why {
            code: one.reason.code(),
            text: one.reason.to_string(),
            adds: signed(one.basis_points),
            against: one.basis_points < 0,
        });
        let mut policy = hex::digits(&assessment.policy_digest);
        policy.truncate(12);
        Self {
            plan: match assessment.plan {
                Plan::Allow { .. } => "allow",
                Plan::AskPin => "ask-pin",
                Plan::Refuse => "refuse",
            }
            .into(),
            familiarity: share(assessment.score()),
            mode: mode.into(),
            other: share(other),
            reasons: why.collect(),
            policy,
        }
    }

    /// What follows, for the payer.
    pub(crate) fn sentence(&self) -> &'static str {
        match self.plan.as_str() {
            "refuse" => "paying without the PIN is refused here",
            // Allowed, but not so much
            _ => "please enter the PIN this time",
        }
    }
}

/// A share with its sign, for people.
pub(crate) fn signed(basis_points: i32) -> String {
    let sign = if basis_points < 0 { '−' } else { '+' };
    let whole =
        u16::try_from(basis_points.unsigned_abs()).ok().and_then(|it| BasisPoints::new(it).ok());
    whole.map_or_else(|| format!("{sign}{basis_points}"), |share| format!("{sign}{share}"))
}
