//! The server's side over a store: what an institution sets once, and the decisions it makes.

mod challenge;
mod check;
mod error;
mod forget;
mod learn;
mod purge;
mod revoke;
mod rows;

pub use crate::Purged;
pub use challenge::{Challenge, SetChallenge};
pub use check::{Check, CheckRequest, Checked};
pub use error::{Error, Misuse, Refusal, Verdict};
pub use forget::{Forget, Forgotten};
pub use learn::{Learn, Learned};
pub use purge::{Purge, PurgeTable};
pub use revoke::{Reinstate, Revoke, RevokedPage};

use super::{Policy, PolicyBook, Reason, Scan, TerminalId};
use crate::DAY_MS;
use crate::verdict::done;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Key, Skew, Tenant, Time};
use seal::Audit;

/// Judges the surroundings of payments for one institution (tenant), and learns from those that were confirmed.
///
/// It holds no rows: each method makes a decision ([`port::Decision`]) to be driven with your store. Many instances may share
/// one store: whatever a verdict rests on is required at its version.
///
/// | row | key | written by |
/// |---|---|---|
/// | terminal | terminal | all that write; owns the rows below |
/// | challenge | terminal | [`challenge`](Self::challenge), taken by [`check`](Self::check) |
/// | profile | terminal, period | [`confirm`](Self::confirm), [`learn`](Self::learn), [`revoke`](Self::revoke) |
/// | history | terminal, period | the same |
/// | request | terminal, id | `check`, `confirm`, `learn` |
#[derive(Clone, Debug)]
pub struct SurroundingsServer {
    setup: Arc<Setup>,
}

impl SurroundingsServer {
    /// For one institution.
    ///
    /// # Errors
    /// [`Misuse::Retention`] if requests would be forgotten before any policy lets them be confirmed.
    pub fn new(config: SurroundingsConfig) -> Result<Self, Misuse> {
        if config.request_kept_ms < LONGEST_CONFIRMATION_MS || config.profile_kept_ms < DAY_MS {
            return Err(Misuse::Retention);
        }
        Ok(Self { setup: Arc::new(Setup { config }) })
    }

    /// What it was made with.
    pub fn config(&self) -> &SurroundingsConfig {
        &self.setup.config
    }

    /// Sets the challenge that the terminal's next scan has to answer; an open one is replaced.
    pub fn challenge(&self, now: Time, terminal: TerminalId, entropy: [u8; 32]) -> SetChallenge {
        SetChallenge::new(self.setup.clone(), now, terminal, entropy)
    }

    /// Judges a payment's scan. The same request asked again gets the same answer.
    pub fn check(&self, now: Time, request: CheckRequest) -> Check {
        Check::new(self.setup.clone(), now, request)
    }

    /// Learns the scan of a checked payment, which has now been confirmed by the PIN (or in another way that a thief of the
    /// terminal could not).
    pub fn confirm(&self, now: Time, terminal: TerminalId, id: RequestId) -> Learn {
        Learn::new(self.setup.clone(), now, terminal, id, None)
    }

    /// Learns a scan of a payment that was confirmed without being checked: how a terminal becomes known at first.
    pub fn learn(&self, now: Time, terminal: TerminalId, id: RequestId, scan: Scan) -> Learn {
        Learn::new(self.setup.clone(), now, terminal, id, Some(scan))
    }

    /// Takes back all that was learned from scans made at `from` or later, and refuses the terminal until it is
    /// [reinstated](Self::reinstate): it was lost at `from`. A page of periods at a time; go on with [`RevokedPage::next`]
    /// until it is `None`. The terminal is refused from the first page on.
    pub fn revoke(
        &self,
        now: Time,
        terminal: TerminalId,
        from: Time,
        after: Option<Key>,
    ) -> Revoke {
        Revoke::new(self.setup.clone(), now, terminal, from, after)
    }

    /// The terminal is back with its owner. What was scanned meanwhile is never learned.
    pub fn reinstate(&self, now: Time, terminal: TerminalId) -> Reinstate {
        Reinstate::new(self.setup.clone(), now, terminal)
    }

    /// Deletes everything about a terminal, a page at a time: ask again until [`Forgotten::is_done`].
    pub fn forget(&self, now: Time, terminal: TerminalId) -> Forget {
        Forget::new(self.setup.clone(), now, terminal)
    }

    /// Deletes what is over in one table, a page at a time; go on with [`Purged::next`] until it is `None`.
    pub fn purge(&self, now: Time, table: PurgeTable, after: Option<Key>) -> Purge {
        Purge::new(self.setup.clone(), now, table, after)
    }
}

/// What an institution sets once.
#[derive(Clone, Debug)]
pub struct SurroundingsConfig {
    /// Whose rows these are.
    pub tenant: Tenant,
    /// Its policies, by the time from which they decide.
    pub policies: PolicyBook,
    /// How long requests are kept, so that the same one gets the same answer: at least 7 days, the longest time for a
    /// confirmation.
    pub request_kept_ms: u64,
    /// How long a period's profile is kept after its last confirmed scan: at least 1 day; 400 days is a year with slack.
    pub profile_kept_ms: u64,
    /// How far clocks of instances may differ.
    pub skew: Skew,
}

impl SurroundingsConfig {
    /// With 7 and 400 days.
    pub fn new(tenant: Tenant, policies: PolicyBook) -> Self {
        Self {
            tenant,
            policies,
            request_kept_ms: LONGEST_CONFIRMATION_MS,
            profile_kept_ms: 400 * DAY_MS,
            skew: Skew::default(),
        }
    }
}

/// Names a payment request within its terminal: drawn at random by whoever asks, and the same when asked again.
pub type RequestId = [u8; 16];

#[derive(Debug)]
struct Setup {
    config: SurroundingsConfig,
}

impl Setup {
    fn tenant(&self) -> Tenant {
        self.config.tenant
    }

    fn policy(&self, at: Time) -> Result<&Policy, Error> {
        self.config.policies.at(at).ok_or(Error::Misuse(Misuse::NoPolicy))
    }

    fn audit(&self, at: Time, action: &'static str, terminal: &TerminalId) -> Audit {
        let policy = self.config.policies.at(at).map_or([0; 32], Policy::digest);
        Audit {
            at,
            tenant: self.config.tenant,
            action: action.into(),
            actor: Bytes::copy_from_slice(terminal.as_bytes()),
            subject: Bytes::new(),
            reasons: Vec::new(),
            policy,
            correlation: [0; 16],
        }
    }

    fn audit_of(
        &self,
        at: Time,
        action: &'static str,
        terminal: &TerminalId,
        id: &RequestId,
        reasons: Vec<u32>,
    ) -> Audit {
        let subject = Bytes::copy_from_slice(id);
        Audit { subject, reasons, correlation: *id, ..self.audit(at, action, terminal) }
    }
}

fn codes(reasons: &crate::Reasons<Reason>) -> Vec<u32> {
    reasons.as_slice().iter().map(|one| one.reason.code()).collect()
}

/// The longest `learning.confirm_within_ms` of any policy.
const LONGEST_CONFIRMATION_MS: u64 = 7 * DAY_MS;
