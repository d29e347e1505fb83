//! One shape of audit record for all crates, and the chain that makes gaps and changes visible.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{Tenant, Time, WireError};
use sha2::{Digest as _, Sha256};

/// Who did what, why, under which policy. Crates return records as data beside each verdict; where they go is the
/// embedder's choice. No clear account number, secret or PIN is ever in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When it was decided: the `now` that the crate was given.
    pub at: Time,
    /// At whose institution.
    pub tenant: Tenant,
    /// A stable name such as `qrpay.redeem.accepted`; all names are listed in `docs/observability.md`.
    pub action: Cow<'static, str>,
    /// On whose behalf: an account token, a merchant id; may be empty. At most 255 bytes.
    pub actor: Bytes,
    /// On what: an order id, a refund id. At most 255 bytes.
    pub subject: Bytes,
    /// Stable codes of the reasons; empty where all went well. At most 255.
    pub reasons: Vec<u32>,
    /// Digest of the policy or parameter set that decided; zeros where none did.
    pub policy: [u8; 32],
    /// Ties records of one request together: an idempotency key, or its first half.
    pub correlation: [u8; 16],
}

impl Audit {
    /// Appends the stored form: version 1, time in milliseconds (`u64`), tenant (`u64`), action, actor and subject (`u8`
    /// length each), reasons (`u8` count, `u32` each), policy (32), correlation (16).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = u8::try_from(self.reasons.len()).map_err(|_| WireError::TooLong)?;
        let mut writer = Writer::new(to, 1);
        writer
            .u64(self.at.as_ms())
            .u64(self.tenant.as_u64())
            .lp8(self.action.as_bytes())?
            .lp8(&self.actor)?
            .lp8(&self.subject)?
            .u8(count);
        for reason in &self.reasons {
            writer.u32(*reason);
        }
        writer.fixed(&self.policy).fixed(&self.correlation);
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let at = Time::from_ms(reader.u64()?);
        let tenant = Tenant::new(reader.u64()?);
        let action = Cow::Owned(Reader::text(reader.lp8()?)?.into());
        let actor = Bytes::copy_from_slice(reader.lp8()?);
        let subject = Bytes::copy_from_slice(reader.lp8()?);
        let count = reader.u8()?;
        let reasons = (0..count).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        let policy = reader.array()?;
        let correlation = reader.array()?;
        reader.finish()?;
        Ok(Self { at, tenant, action, actor, subject, reasons, policy, correlation })
    }
}

/// A verdict, and the record of how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Audited<V> {
    /// What was decided.
    pub verdict: V,
    /// The record.
    pub audit: Audit,
}

/// Links records: each link is SHA-256 over the domain, the link before, and the record.
///
/// Whoever knows one link can check everything before it; a record that was changed, left out or inserted changes every
/// later link. Save [`AuditChain::head`] and go on from it.
///
/// ```
/// # use interbank_seal::{Audit, AuditChain};
/// # use port::{Tenant, Time};
/// # let record = |s| Audit { at: Time::from_s(s), tenant: Tenant::new(1), action: "example".into(), actor: Default::default(),
/// #     subject: Default::default(), reasons: vec![], policy: [0; 32], correlation: [0; 16] };
/// let mut chain = AuditChain::new();
/// chain.update(&record(1))?;
/// let head = chain.head();
/// let mut resumed = AuditChain::resume(head);
/// assert_eq!(chain.update(&record(2))?, resumed.update(&record(2))?);
/// # Ok::<(), port::WireError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditChain {
    head: Head,
}

impl AuditChain {
    /// An empty chain.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from a saved head.
    pub const fn resume(head: Head) -> Self {
        Self { head }
    }

    /// Adds a record and returns its link.
    ///
    /// # Errors
    /// [`WireError::TooLong`]; the chain is unchanged.
    pub fn update(&mut self, record: &Audit) -> Result<[u8; 32], WireError> {
        let mut bytes = Vec::with_capacity(160);
        record.encode(&mut bytes)?;
        let link = Sha256::new()
            .chain_update(b"interbank/seal/audit/v1\0")
            .chain_update(self.head.link)
            .chain_update(self.head.count.to_be_bytes())
            .chain_update(&bytes)
            .finalize();
        self.head = Head { link: link.into(), count: self.head.count + 1 };
        Ok(self.head.link)
    }

    /// Where the chain stands.
    pub const fn head(&self) -> Head {
        self.head
    }
}

/// The last link of a chain, and how many records it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last link; zeros for an empty chain.
    pub link: [u8; 32],
    /// How many records.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn record(n: u32) -> Audit {
        Audit {
            at: Time::from_ms(u64::from(n)),
            tenant: Tenant::new(9),
            action: "seal.test".into(),
            actor: Bytes::from_static(b"actor"),
            subject: Bytes::from_static(b"subject"),
            reasons: vec![n, 7],
            policy: [3; 32],
            correlation: [4; 16],
        }
    }

    #[test]
    fn stored_form_comes_back() {
        let mut bytes = vec![];
        record(5).encode(&mut bytes).unwrap();
        assert_eq!(Audit::parse(&bytes), Ok(record(5)));
        for cut in 0..bytes.len() {
            assert!(Audit::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn every_change_of_the_past_shows() {
        let link = |records: &[Audit]| {
            let mut chain = AuditChain::new();
            records.iter().for_each(|record| {
                chain.update(record).unwrap();
            });
            chain.head()
        };
        let whole = link(&[record(1), record(2), record(3)]);
        assert_ne!(whole, link(&[record(1), record(3)]));
        assert_ne!(whole, link(&[record(2), record(1), record(3)]));
        let mut changed = record(1);
        changed.reasons.clear();
        assert_ne!(whole, link(&[changed, record(2), record(3)]));
    }

    #[test]
    fn a_record_that_cannot_be_stored_changes_nothing() {
        let mut chain = AuditChain::new();
        let mut long = record(1);
        long.subject = vec![0; 256].into();
        assert_eq!(chain.update(&long), Err(WireError::TooLong));
        assert_eq!(chain, AuditChain::new());
    }
}
