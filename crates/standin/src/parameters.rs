//! Parameters: what the accounting system allows while it is away. Authored, checked and signed there; here only read.

mod check;
mod delta;
mod draft;
mod explain;
mod fault;
mod findings;
mod head;
mod known;
mod resolve;
mod sealed;

pub(crate) use check::VELOCITY_MAX;
pub use delta::ParametersDelta;
pub use draft::{
    CounterDraft, ExposureDraft, LimitDraft, ParametersDraft, RangeDraft, RuleDraft,
    RuleLimitsDraft, ScopeDraft, Unknown,
};
pub use fault::{Fault, Finding, ParametersFault};
pub use head::Mark;
pub(crate) use head::{Head, Installed};
pub(crate) use known::KnownCounters;
pub use resolve::{Limit, PerCounter, Resolution, Velocities, Verification};
pub use sealed::{SealError, SealedParameters};

use crate::{Bin, Channel, Country, EntryMode, InstitutionId, Kind, Mcc, ResponseCode};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use port::{Currency, Time};
use seal::AccountRef;

/// A checked parameter set of one institution (spec: parameter set). Immutable and cheap to clone; each decision names its
/// version and digest.
///
/// Rules apply together: a request is judged by every rule whose scope covers it. A rule that denies wins over all; limits
/// combine by their minimum; a capability is taken from the rule with the most specific scope (among equals the smaller
/// permission counts); what no rule allows is declined.
///
/// ```
/// use interbank_standin::{Parameters, ParametersDraft};
/// let draft: ParametersDraft = serde_json::from_str(r#"{
///     "schema": 1, "institution": 6222, "version": 7, "currency": "CNY", "issued_at_ms": 0,
///     "effective_from_ms": 0, "valid_until_ms": 4102444800000, "stale_after_ms": 86400000,
///     "ranges": [{ "from": 62220000, "to": 62229999 }],
///     "exposure": { "institution_minor": 100000000 },
///     "rules": [{ "number": 1, "approve": true, "limits": { "single_minor": 50000, "flor": 1 } }]
/// }"#)?;
/// assert_eq!(Parameters::new(draft).unwrap_err().to_string(), "rules[0].limits.flor: no such field");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Parameters(Arc<Checked>);

pub(crate) struct Checked {
    pub(crate) draft: ParametersDraft,
    pub(crate) institution: InstitutionId,
    pub(crate) version: u64,
    pub(crate) currency: Currency,
    pub(crate) ranges: Vec<Range>,
    pub(crate) initiators: Vec<InstitutionId>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) exposure: Exposure,
    pub(crate) rules: Vec<Rule>,
    pub(crate) velocity_ms_max: u64,
    pub(crate) digest: [u8; 32],
}

impl Parameters {
    /// The most rules of a set.
    pub const RULES_MAX: usize = 1_000;

    /// The most counters of a set.
    pub const COUNTERS_MAX: usize = 8;

    /// Checks a draft and prepares it. Only sets that pass through [`SealedParameters::open`] decide anything.
    ///
    /// # Errors
    /// [`ParametersFault`] with the path of the first fault.
    pub fn new(draft: ParametersDraft) -> Result<Self, ParametersFault> {
        check::check(draft).map(|checked| Self(Arc::new(checked)))
    }

    /// What its author should look at before signing: conflicts, shadowed rules, gaps (spec: load report).
    pub fn findings(&self) -> Vec<Finding> {
        findings::findings(&self.0)
    }

    /// The counters of this set that mean something else under the same number in an earlier one: another window, length or
    /// currency. Such a set is refused when it is offered ([`SealError::Counter`]): what accounts have counted under the number
    /// would be read wrongly.
    pub fn redefined(&self, before: &Self) -> Vec<u8> {
        let differs = |one: &&Counter, other: &Counter| {
            one.window != other.window || self.currency() != before.currency()
        };
        let redefined = self.counters().iter().filter(|one| {
            before.counters().iter().any(|other| other.id == one.id && differs(one, other))
        });
        redefined.map(|counter| counter.id).collect()
    }

    /// What it was made of.
    pub fn draft(&self) -> &ParametersDraft {
        &self.0.draft
    }

    /// Whose it is.
    pub fn institution(&self) -> InstitutionId {
        self.0.institution
    }

    /// Its number; a later set has a higher one.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// In which currency its amounts are.
    pub fn currency(&self) -> Currency {
        self.0.currency
    }

    /// SHA-256 over all of it.
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    /// Whether it may decide now: effective, not past its end, not older than its own staleness limit.
    pub fn holds(&self, now: Time) -> bool {
        let draft = &self.0.draft;
        now >= Time::from_ms(draft.effective_from_ms)
            && now < Time::from_ms(draft.valid_until_ms)
            && now < self.stale_at()
    }

    /// From when on it is too old to decide.
    pub fn stale_at(&self) -> Time {
        Time::from_ms(self.0.draft.issued_at_ms).plus_ms(self.0.draft.stale_after_ms)
    }

    /// What names it.
    pub fn mark(&self) -> Mark {
        Mark { version: self.0.version, digest: self.0.digest }
    }

    /// How long a pre-authorization holds its amount.
    pub(crate) fn hold_ms(&self) -> u64 {
        match self.0.draft.pre_authorization_ms {
            0 => 30 * 86_400_000,
            ms => ms,
        }
    }

    /// The longest time of a velocity limit; 0 without one.
    pub(crate) fn velocity_ms_max(&self) -> u64 {
        self.0.velocity_ms_max
    }

    /// Wrong PINs before code 75.
    pub(crate) fn pin_tries(&self) -> u8 {
        match self.0.draft.pin_tries {
            0 => 3,
            tries => tries,
        }
    }

    /// Whether an initiator has an exposure cap of its own.
    pub(crate) fn is_capped(&self, initiator: InstitutionId) -> bool {
        self.0.exposure.initiators.iter().any(|(who, _)| *who == initiator)
    }

    /// How long anything that was counted may count.
    pub(crate) fn counted_ms_max(&self) -> u64 {
        let windows = self.0.counters.iter().map(|counter| match counter.window {
            // Forgotten a bucket later at most.
            Window::Sliding(ms) => ms + ms / 23 + 24,
            Window::Day | Window::Week | Window::Month => 32 * 86_400_000,
        });
        windows.max().unwrap_or(0).max(self.0.velocity_ms_max)
    }

    /// The counters of its windows.
    pub(crate) fn counters(&self) -> &[Counter] {
        &self.0.counters
    }

    pub(crate) fn exposure(&self) -> &Exposure {
        &self.0.exposure
    }

    /// Whether this initiator may use the set (check 5); an empty list admits all.
    pub(crate) fn admits(&self, initiator: InstitutionId) -> bool {
        self.0.initiators.is_empty() || self.0.initiators.binary_search(&initiator).is_ok()
    }

    /// The range that a card number lies in (check 6).
    pub(crate) fn range(&self, bin: Bin) -> Option<&Range> {
        let after = self.0.ranges.partition_point(|range| range.from <= bin);
        self.0.ranges.get(after.checked_sub(1)?).filter(|range| bin <= range.to)
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Parameters {}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0.digest;
        write!(f, "Parameters({} version {}, ", self.0.institution, self.0.version)?;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// An allowed range of card numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Bin,
    pub(crate) to: Bin,
    pub(crate) check_digit: bool,
    pub(crate) product: Option<String>,
}

/// Something that is counted for each account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) id: u8,
    pub(crate) window: Window,
    pub(crate) kinds: Vec<Kind>,
}

impl Counter {
    /// Whether it counts transactions of this kind; one without kinds counts all that spend.
    pub(crate) fn counts(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Over what time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// The last so many milliseconds, in 24 buckets: conservative, see [`crate::Counts`].
    Sliding(u64),
    /// The day of the institution's calendar.
    Day,
    /// The week of the institution's calendar, from Monday.
    Week,
    /// The month of the institution's calendar.
    Month,
}

/// How much may be approved and not yet posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) institution_minor: i64,
    pub(crate) initiators: Vec<(InstitutionId, i64)>,
}

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) number: u32,
    pub(crate) scope: Scope,
    /// Which dimensions the scope has.
    pub(crate) dimensions: u32,
    /// How specific the scope is.
    pub(crate) weight: u32,
    pub(crate) deny: Option<ResponseCode>,
    pub(crate) until: Option<Time>,
    pub(crate) approve: Option<bool>,
    pub(crate) partial: Option<bool>,
    pub(crate) without_expiry: Option<bool>,
    pub(crate) pin: Option<Verification>,
    pub(crate) cvn: Option<Verification>,
    pub(crate) arqc: Option<Verification>,
    /// Whether it says anything of the six before.
    pub(crate) grants: bool,
    pub(crate) single_minor: Option<i64>,
    pub(crate) floor_minor: Option<i64>,
    pub(crate) risk_bp_max: Option<u16>,
    pub(crate) velocity: Option<(u8, u64)>,
    pub(crate) windows: Vec<(u8, Option<u32>, Option<i64>)>,
}

/// What a rule is about: every dimension that is there must fit. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) accounts: Vec<AccountRef>,
    pub(crate) bins: Vec<(Bin, Bin)>,
    pub(crate) products: Vec<String>,
    pub(crate) initiators: Vec<InstitutionId>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) entries: Vec<EntryMode>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) mccs: Vec<Mcc>,
    pub(crate) countries: Vec<Country>,
    pub(crate) vip: Option<bool>,
}
