//! The stand-in module of one institution: what is set once, and the decisions it makes.

use crate::{EntryRef, Error, InstitutionId, Parameters, lease, table};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use port::{Key, KeyId, Row, Skew, Zone};
use seal::AccountRef;

/// Stands in for one institution's accounting system. It holds no rows and no keys: each method makes a decision
/// ([`port::Decision`]) to be driven with your store and key holder. It offers no way to author parameters (spec S3).
#[derive(Clone, Debug)]
pub struct StandIn {
    pub(crate) setup: Arc<Setup>,
}

impl StandIn {
    /// With this configuration. Make a new one when parameters change.
    pub fn new(config: StandInConfig) -> Self {
        Self { setup: Arc::new(Setup { config }) }
    }

    /// What it was made with.
    pub fn config(&self) -> &StandInConfig {
        &self.setup.config
    }

    /// The row that says which parameters are in force, and which come next; [`StandIn::install`] writes it.
    pub fn head_key(&self) -> Key {
        table::head(self.setup.config.institution)
    }

    /// The row of an account: [`crate::AccountState`].
    pub fn account_key(&self, account: &AccountRef) -> Key {
        table::account(self.setup.config.institution, account)
    }

    /// The prefix of the journal: first what waits for delivery ([`StandIn::open_entries`]), then the rest; in each part entries
    /// of one account lie together, and their order is that of [`crate::Entry::seq`]. Who reads it in pages meets an entry that
    /// ends meanwhile twice at most, never not at all; the later reading counts. A decline that is owed after all, since the
    /// accounting system was asked meanwhile, moves the other way: it may be met the next time only.
    pub fn journal(&self) -> Key {
        table::journal(self.setup.config.institution)
    }

    /// The prefix of the entries that wait for delivery: that, and no more, is what the accounting system is owed.
    pub fn open_entries(&self) -> Key {
        table::open(self.setup.config.institution)
    }

    /// The two rows that a journal entry ([`crate::Entry`]) may have, never both: [`EntryRef::keys`].
    pub fn entry_keys(&self, entry: &EntryRef) -> [Key; 2] {
        entry.keys(self.setup.config.institution)
    }

    /// The row of a lane: [`crate::Lane`].
    pub fn lane_key(&self, lane: u16) -> Key {
        table::lane(self.setup.config.institution, lane)
    }

    /// The lane of an account.
    pub fn lane(&self, account: &AccountRef) -> u16 {
        self.setup.lane(account)
    }
}

/// What is set once.
#[derive(Clone, Debug)]
pub struct StandInConfig {
    /// Whose accounts.
    pub institution: InstitutionId,
    /// Where its days begin.
    pub zone: Zone,
    /// The parameters that this instance decides by; `None` until there are some.
    pub parameters: Option<Parameters>,
    /// The message keys (HMAC-SHA-256, possibly truncated) of initiators at the key holder.
    pub mac_keys: BTreeMap<InstitutionId, KeyId>,
    /// Whether a message without an authentication code is refused. Off where the link itself is authentic.
    pub mac_required: bool,
    /// Into how many lanes accounts fall; at least 1, and no more than [`StandInConfig::check`] allows. Change it only while nothing waits for delivery and after each lane gave
    /// back ([`StandIn::give_back`]): what is out stays with the lane that it was charged to.
    pub lanes: u16,
    /// How far the clocks of instances may differ.
    pub skew: Skew,
    /// How long entries of the journal are kept after they ended, in milliseconds: as long as a message may come again. A message
    /// that was sent earlier is refused, since nothing could tell it from a repeat.
    pub journal_kept_ms: u64,
}

impl StandInConfig {
    /// Whether exposure can be leased to so many lanes under these parameters. Look at start: a module for which it cannot
    /// approves nothing, and that would show in the middle of an outage. [`StandIn::install`] refuses such a set as well.
    ///
    /// # Errors
    /// [`Error::Lanes`].
    pub fn check(&self) -> Result<(), Error> {
        match &self.parameters {
            Some(set) if !self.has_room(set) => Err(Error::Lanes),
            _ => Ok(()),
        }
    }

    /// Whether one row holds what each lane was granted of each cap.
    pub(crate) fn has_room(&self, set: &Parameters) -> bool {
        let caps = set.exposure().initiators.len() + 1;
        lease::pool_bytes(caps.saturating_mul(self.lanes.max(1).into())) <= Row::VALUE_BYTES_MAX
    }
}

#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: StandInConfig,
}

impl Setup {
    pub(crate) fn lane(&self, account: &AccountRef) -> u16 {
        // A token is spread evenly already.
        let [a, b, ..] = *account.as_bytes();
        u16::from_be_bytes([a, b]) % self.config.lanes.max(1)
    }
}
