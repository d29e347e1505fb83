//! The payment server: what an institution sets once, and the decisions it makes.

use crate::{Misuse, Policy, Refusal};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::outbox::EntryHead;
use port::{Batch, Conclusion, Expect, Key, KeyId, Peer, Step, Tenant, Time};
use seal::{Audit, Audited};

/// The server's side of the described system, for one institution (tenant).
///
/// It holds no rows and no keys: each method makes a decision ([`port::Decision`]) to be driven with your store and key
/// holder. See the crate page for one whole payment.
#[derive(Clone, Debug)]
pub struct PaymentServer {
    pub(crate) setup: Arc<Setup>,
}

impl PaymentServer {
    /// Checks the policy and fixes it.
    ///
    /// # Errors
    /// [`Misuse::Policy`], [`Misuse::Identifier`] for the issuer's name.
    pub fn new(config: ServerConfig) -> Result<Self, Misuse> {
        config.policy.check()?;
        if config.issuer.len() > 32 || !crate::terms::is_identifier(config.issuer.as_bytes()) {
            return Err(Misuse::Identifier);
        }
        let policy_digest = config.policy.digest();
        Ok(Self { setup: Arc::new(Setup { config, policy_digest }) })
    }

    /// What it was made with.
    pub fn config(&self) -> &ServerConfig {
        &self.setup.config
    }

    /// Where its entries for the accounting system lie: the prefix for [`port::outbox::Outbox::new`].
    pub fn outbox(&self) -> Key {
        crate::table::table(self.setup.config.tenant, crate::table::OUTBOX)
    }
}

/// What an institution sets once.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Whose rows these are.
    pub tenant: Tenant,
    /// The issuer's name in signed codes, at most 32 bytes.
    pub issuer: String,
    /// The number of the signing key in signed codes.
    pub issuer_key_id: u8,
    /// The signing key at its holder.
    pub signing: KeyId,
    /// The key-encryption key for use-keys at its holder.
    pub wrapping: KeyId,
    /// A MAC key (HMAC-SHA-256) at its holder that belongs to nobody: it is asked where an account is unknown, so that the
    /// answer takes as long as for a known one.
    pub decoy: KeyId,
    /// Where debits, refunds and reversals go.
    pub accounting: Peer,
    /// Numbers and choices.
    pub policy: Policy,
}

#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: ServerConfig,
    policy_digest: [u8; 32],
}

impl Setup {
    pub(crate) fn tenant(&self) -> Tenant {
        self.config.tenant
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.config.policy
    }

    pub(crate) fn audit(&self, at: Time, action: &'static str, trail: Trail) -> Audit {
        Audit {
            at,
            tenant: self.config.tenant,
            action: action.into(),
            actor: trail.actor,
            subject: trail.subject,
            reasons: trail.refusal.map_or_else(Vec::new, |refusal| vec![refusal.code()]),
            policy: self.policy_digest,
            correlation: trail.correlation,
        }
    }

    /// Puts an entry for the accounting system into the batch of the verdict that owes it.
    pub(crate) fn owe(
        &self,
        batch: &mut Batch,
        now: Time,
        idempotency: [u8; 32],
        content: Vec<u8>,
    ) -> Result<(), crate::Error> {
        let entry = self.entry(now, &idempotency);
        let mut bytes = Vec::with_capacity(entry.bytes(content.len()));
        entry.encode(&mut bytes, content.len()).map_err(|_| Misuse::TooLong)?;
        bytes.extend_from_slice(&content);
        batch.put(self.entry_key(&entry)?, Expect::Absent, bytes);
        Ok(())
    }

    /// An entry for the accounting system, whose content is still to be written.
    pub(crate) fn entry<'a>(&'a self, now: Time, idempotency: &'a [u8; 32]) -> EntryHead<'a> {
        EntryHead { idempotency, to: &self.config.accounting, created: now }
    }

    /// Where it lies.
    pub(crate) fn entry_key(&self, entry: &EntryHead<'_>) -> Result<Key, crate::Error> {
        let mut key = crate::table::table(self.tenant(), crate::table::OUTBOX);
        entry.key(&mut key)?;
        Ok(key)
    }
}

/// The parts of an audit record that differ between verdicts of one decision.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    pub(crate) actor: Bytes,
    pub(crate) subject: Bytes,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) correlation: [u8; 16],
}

/// Granted with what was asked, or declined with the reason. A refusal is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict<T> {
    /// No, and why.
    Declined(Refusal),
    /// Yes, and what.
    Granted(T),
}

impl<T> Verdict<T> {
    /// What was granted, if it was.
    pub fn granted(self) -> Option<T> {
        match self {
            Self::Granted(what) => Some(what),
            Self::Declined(_) => None,
        }
    }

    /// Why it was declined, if it was.
    pub const fn declined(&self) -> Option<Refusal> {
        match self {
            Self::Declined(why) => Some(*why),
            Self::Granted(_) => None,
        }
    }
}

/// The end of a decision.
pub(crate) fn done<T>(
    verdict: Verdict<T>,
    audit: Audit,
    batch: Batch,
) -> Step<Audited<Verdict<T>>> {
    Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
}
