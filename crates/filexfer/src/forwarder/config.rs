//! How a forwarding server works.

use crate::{Limits, Paces, PartyId, Retry, Slots};
use port::{KeyId, Tenant, outbox};

/// How a forwarding server works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderConfig {
    /// Its rows' tenant.
    pub tenant: Tenant,
    /// Itself.
    pub party: PartyId,
    /// The key that signs verdicts and receipts, and that key's number in registries.
    pub key: (KeyId, u8),
    /// Limits of the judgement.
    pub limits: Limits,
    /// When to try again.
    pub retry: Retry,
    /// How many transfers at a time.
    pub slots: Slots,
    /// How files are pulled.
    pub paces: Paces,
    /// How fast all of them together.
    pub rate: crate::Limit,
    /// Jobs under way at most.
    pub jobs_max: usize,
    /// How many portable batches the store takes as one: 1 is right for every store.
    pub batch_multiple: usize,
    /// Bytes that the spool takes.
    pub spool_bytes: u64,
    /// How often to say again what was not answered, in milliseconds.
    pub again_ms: u64,
    /// How long a far end may be silent before the attempt is given up, in milliseconds.
    pub patience_ms: u64,
    /// How often to see whether an absent party is back, in milliseconds.
    pub probe_ms: u64,
    /// How long after a client asked for its files they may begin to move, in milliseconds.
    pub call_ms: u64,
    /// How often in a row a store of files may fail one job before the job has failed; at least once.
    pub store_failures_max: u32,
    /// How notices are told.
    pub outbox: outbox::Config,
}

impl ForwarderConfig {
    /// With defaults: 100,000 jobs, 1 TiB of spool, once a second, 30 seconds of silence, a probe each minute, a
    /// minute for who asks for its files, five failures of a store.
    pub fn new(tenant: Tenant, party: PartyId, key: (KeyId, u8)) -> Self {
        Self {
            tenant,
            party,
            key,
            limits: Limits::default(),
            retry: Retry::default(),
            slots: Slots::default(),
            paces: Paces::default(),
            rate: crate::Limit::UNLIMITED,
            jobs_max: 100_000,
            batch_multiple: 1,
            spool_bytes: 1 << 40,
            again_ms: 1_000,
            patience_ms: 30_000,
            probe_ms: 60_000,
            call_ms: 60_000,
            store_failures_max: 5,
            outbox: outbox::Config::default(),
        }
    }
}
