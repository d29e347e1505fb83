//! The policy of an institution: data that is checked before it decides anything.

use super::profile::{Fading, Learning};
use super::role::{self, KindRoles, Roles};
use super::scan::Dwell;
use super::{Familiarity, Fold, Grid, Kind};
use crate::draft::{self, drafts, read_text, write_text};
use crate::{BasisPoints, DAY_MS, LogRatio, Unknown};
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A checked policy. It is immutable and cheap to clone; each assessment names its version and digest.
///
/// ```
/// use interbank_risk_core::surroundings::{Policy, PolicyDraft};
/// let draft: PolicyDraft = serde_json::from_str(r#"{
///     "schema": 1, "version": 7, "name": "shop", "valid_from_ms": 0, "score": "evidence",
///     "grid": { "slot_min": 60, "fold": "week" },
///     "types": [
///         { "from_s": 0, "to_s": 300, "weight": 1 },
///         { "from_s": 300, "to_s": 1800, "weight": 3 },
///         { "from_s": 1800, "to_s": 3600, "weight": 6 }
///     ],
///     "bands": [
///         { "from": 0, "to": 1999, "then": "refuse" },
///         { "from": 2500, "to": 6999, "then": "pin" },
///         { "from": 7000, "to": 10000, "then": "allow", "limit_minor": 20000 }
///     ]
/// }"#)?;
/// assert_eq!(Policy::new(draft).unwrap_err().to_string(), "bands[1].from: leaves a gap");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Policy(Arc<Checked>);

impl Policy {
    /// Checks a draft and prepares it.
    ///
    /// # Errors
    /// [`PolicyFault`] with the path of the first fault.
    pub fn new(draft: PolicyDraft) -> Result<Self, PolicyFault> {
        let (grid, learning) = check(&draft)?;
        let mut bytes = Vec::with_capacity(512);
        draft.encode(&mut bytes);
        let digest = Sha256::new()
            .chain_update(b"interbank/risk-core/surroundings-policy/v1\0")
            .chain_update(&bytes)
            .finalize()
            .into();
        let bands = draft.bands.iter().map(Band::of).collect();
        let tables = Tables::new(&draft, grid, learning);
        Ok(Self(Arc::new(Checked { draft, grid, learning, bands, tables, digest })))
    }

    /// What it was made of.
    pub fn draft(&self) -> &PolicyDraft {
        &self.0.draft
    }

    /// Its number.
    pub fn version(&self) -> u32 {
        u32::try_from(self.0.draft.version).unwrap_or(0)
    }

    /// SHA-256 over all of it.
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    /// Into which periods it cuts the week.
    pub fn grid(&self) -> Grid {
        self.0.grid
    }

    /// How profiles learn.
    pub fn learning(&self) -> Learning {
        self.0.learning
    }

    /// From when on it decides.
    pub fn valid_from(&self) -> Time {
        Time::from_ms(unsigned(self.0.draft.valid_from_ms))
    }

    /// Which band a familiarity lies in: a pure function of the two (spec R14).
    pub fn band(&self, familiarity: Familiarity) -> Band {
        let bands = &self.0.bands;
        let at = bands.partition_point(|band| band.from <= familiarity.basis_points().as_u16());
        bands.get(at.wrapping_sub(1)).copied().unwrap_or(Band { from: 0, plan: Plan::Refuse })
    }

    /// How long learning can be taken back.
    pub fn revocable_ms(&self) -> u64 {
        unsigned(self.0.draft.learning.revocable_days) * DAY_MS
    }

    /// How old a scan may be.
    pub fn scan_age_max_ms(&self) -> u64 {
        unsigned(self.0.draft.scan.age_max_ms)
    }

    /// How long an assessed payment may wait for its confirmation.
    pub fn confirm_within_ms(&self) -> u64 {
        unsigned(self.0.draft.learning.confirm_within_ms)
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-surroundings.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.0.draft.encode(to);
    }

    /// Reads the stored form and checks it.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Invalid`] also for a policy that is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Self::new(PolicyDraft::parse(bytes)?).map_err(|_| WireError::Invalid)
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.0.tables
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Policy {}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0.digest;
        write!(f, "Policy({:?} {}, ", self.0.draft.name, self.0.draft.version)?;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// Policies by the time from which they decide: any past decision can be made again as of its own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBook(Vec<Policy>);

impl PolicyBook {
    /// Puts policies into their order.
    ///
    /// # Errors
    /// [`PolicyFault`] if there is none, or if two have one `valid_from_ms` or one `version`; the path counts policies in the
    /// order of their times.
    pub fn new(mut policies: Vec<Policy>) -> Result<Self, PolicyFault> {
        if policies.is_empty() {
            return Err(PolicyFault::new("", Fault::Empty));
        }
        policies.sort_by_key(Policy::valid_from);
        for (at, pair) in policies.windows(2).enumerate() {
            let what = if pair[0].valid_from() == pair[1].valid_from() {
                "valid_from_ms"
            } else if pair[0].version() >= pair[1].version() {
                "version"
            } else {
                continue;
            };
            return Err(PolicyFault::new(format!("[{}].{what}", at + 1), Fault::Order));
        }
        Ok(Self(policies))
    }

    /// The policy that decides at this time, if any does yet.
    pub fn at(&self, time: Time) -> Option<&Policy> {
        let after = self.0.partition_point(|policy| policy.valid_from() <= time);
        self.0.get(after.checked_sub(1)?)
    }
}

/// A stretch of familiarity and what the bank does in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its lowest familiarity in basis points; the next band's `from` ends it.
    pub from: u16,
    /// What to do.
    pub plan: Plan,
}

impl Band {
    fn of(draft: &BandDraft) -> Self {
        let plan = match draft.then.as_str() {
            "allow" => Plan::Allow { limit_minor: draft.limit_minor.unwrap_or(0) },
            "pin" => Plan::AskPin,
            _ => Plan::Refuse,
        };
        Self { from: u16::try_from(draft.from).unwrap_or(0), plan }
    }
}

/// What the bank does with a payment, the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// The passwordless way is closed.
    Refuse,
    /// The password or PIN is asked for.
    AskPin,
    /// Paid without a password, up to this amount.
    Allow {
        /// Minor units of the account's currency.
        limit_minor: i64,
    },
}

/// A policy as it is written down, in any format of `serde` that describes itself (JSON, TOML, YAML); nothing is checked yet.
///
/// Numbers are wide and words are texts on purpose, and unknown fields are kept: so [`Policy::new`] can say what is wrong,
/// and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDraft {
    /// The version of this form: 1.
    pub schema: i64,
    /// The policy's own number, 1 to 2³² − 1.
    pub version: i64,
    /// A name for people, 1 to 64 bytes.
    pub name: String,
    /// From when on it decides, in milliseconds since the Unix epoch.
    pub valid_from_ms: i64,
    /// Which score decides: `baseline` or `evidence`. Both are always reported.
    pub score: String,
    /// The periods.
    #[serde(default)]
    pub grid: GridDraft,
    /// The dwell types, shortest dwell first: they cover the slot from 0 to its whole length.
    pub types: Vec<TypeDraft>,
    /// How profiles learn.
    #[serde(default)]
    pub learning: LearningDraft,
    /// How the evidence score is made.
    #[serde(default)]
    pub evidence: EvidenceDraft,
    /// What scans are believed.
    #[serde(default)]
    pub scan: ScanDraft,
    /// What to do by familiarity, lowest first: they cover 0 to 10,000.
    pub bands: Vec<BandDraft>,
    /// What to do where there is no evidence: `pin` or `refuse`.
    #[serde(default = "pin")]
    pub no_evidence: String,
    /// What to do where a scan looks forged: `pin` or `refuse`.
    #[serde(default = "refuse")]
    pub suspicious: String,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

impl Default for PolicyDraft {
    /// The baseline of the spec: three types of 5 and 30 minutes with weights 1, 3 and 6; from 70 % allow up to 200.00, from
    /// 20 % ask the PIN, below refuse.
    fn default() -> Self {
        let dwell =
            |from_s, to_s, weight| TypeDraft { from_s, to_s, weight, unknown: Unknown::new() };
        let band = |from, to, then: &str, limit_minor| BandDraft {
            from,
            to,
            then: then.to_owned(),
            limit_minor,
            unknown: Unknown::new(),
        };
        Self {
            schema: 1,
            version: 1,
            name: "default".to_owned(),
            valid_from_ms: 0,
            score: "baseline".to_owned(),
            grid: GridDraft::default(),
            types: vec![dwell(0, 300, 1), dwell(300, 1_800, 3), dwell(1_800, 3_600, 6)],
            learning: LearningDraft::default(),
            evidence: EvidenceDraft::default(),
            scan: ScanDraft::default(),
            bands: vec![
                band(0, 1_999, "refuse", None),
                band(2_000, 6_999, "pin", None),
                band(7_000, 10_000, "allow", Some(20_000)),
            ],
            no_evidence: pin(),
            suspicious: refuse(),
            unknown: Unknown::new(),
        }
    }
}

drafts! {
    /// The periods of the week.
    GridDraft {
        /// Minutes in a slot: 30, 60, 120, 180, 240, 360, 480, 720 or 1440.
        slot_min: i64 = 60,
        /// `week`, `weekend` (working days share slots, weekend days share theirs) or `day`.
        fold: String = "week".to_owned(),
    }

    /// How profiles learn.
    LearningDraft {
        /// Counts fade by half in so many days, 1 to 180.
        half_life_days: i64 = 56,
        /// How many neighbours a profile keeps, 8 to 64.
        neighbours_max: i64 = 64,
        /// For how many days learning can be taken back, 1 to 90.
        revocable_days: i64 = 14,
        /// How long after its scan a payment may be confirmed, 1 minute to 7 days.
        confirm_within_ms: i64 = 86_400_000,
        /// So many hundredths of an occurrence, at least, make a profile that says anything: 10 to 2000.
        occurrences_min_hundredths: i64 = 200,
        /// So many references, at least, make a profile that says anything: 1 to 64.
        references_min: i64 = 1,
        /// Of the two periods that a moment lies between, those with evidence weigh at least so much, in basis points.
        coverage_min: i64 = 2_500,
        /// Whether adjacent periods are blended.
        blend: bool = true,
    }

    /// How the evidence score is made. Thousandths are of natural logarithms.
    EvidenceDraft {
        /// What one device can add at most, with all its addresses: 0 to 20,000.
        group_present_max_milli: i64 = 7_000,
        /// What one device can take away at most: 0 to 20,000.
        group_absent_max_milli: i64 = 3_000,
        /// What all missing devices together can take away at most: 0 to 100,000.
        absent_max_milli: i64 = 8_000,
        /// By how much the sum is tempered, since neighbours depend on each other: 1 to 1,000 thousandths.
        temper_permille: i64 = 250,
        /// Log-odds before anything is seen: -10,000 to 10,000.
        prior_milli: i64 = -1_000,
        /// Percent of weight, 0 to 100, of Wi-Fi access points.
        wifi_percent: i64 = 100,
        /// Of access points under locally administered addresses.
        wifi_local_percent: i64 = 50,
        /// Of Bluetooth devices.
        bluetooth_percent: i64 = 50,
        /// Of Bluetooth Low Energy devices with public addresses.
        ble_public_percent: i64 = 50,
        /// Of Bluetooth Low Energy devices with static random addresses.
        ble_random_percent: i64 = 25,
        /// Of hosts in the same network.
        lan_percent: i64 = 100,
        /// Of cells.
        cell_percent: i64 = 25,
    }

    /// What scans are believed.
    ScanDraft {
        /// How old a scan may be: 30 seconds (platforms throttle scans) to 1 hour.
        age_max_ms: i64 = 120_000,
        /// How far ahead of the server a terminal's clock may be, up to 1 hour.
        ahead_max_ms: i64 = 5_000,
        /// Whether a scan must answer a challenge of the server.
        nonce_required: bool = true,
        /// How long a challenge may be answered: 10 seconds to 1 hour.
        challenge_ttl_ms: i64 = 120_000,
        /// More neighbours than this are not believed: 16 to 256.
        plausible_max: i64 = 200,
        /// A scan of at least so many neighbours is not believed a second time: 1 to 256.
        copied_min: i64 = 4,
        /// So many basis points of unfamiliar fixed neighbours, beside familiar ones, are one place too many: 1 to 10,000.
        unfamiliar_max: i64 = 4_500,
        /// The same for pairs of neighbours that nobody ever saw together: 1 to 10,000.
        strange_pairs_max: i64 = 1_000,
        /// So many pairs, at least, make that share: 1 to 1,000.
        strange_pairs_min: i64 = 3,
    }
}

/// One dwell type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDraft {
    /// From this dwell on, in seconds.
    pub from_s: i64,
    /// Up to this one, in seconds; not itself part of it, except for the last type.
    pub to_s: i64,
    /// What it weighs in the baseline score, 0 to 1,000.
    pub weight: i64,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

/// One band of familiarity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandDraft {
    /// Its lowest familiarity in basis points.
    pub from: i64,
    /// Its highest.
    pub to: i64,
    /// `refuse`, `pin` or `allow`.
    pub then: String,
    /// The limit of `allow`, in minor units.
    #[serde(default)]
    pub limit_minor: Option<i64>,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyFault {
    /// The path of the fault, such as `bands[2].from`.
    pub path: String,
    /// What it is.
    pub fault: Fault,
}

impl PolicyFault {
    fn new(path: impl Into<String>, fault: Fault) -> Self {
        Self { path: path.into(), fault }
    }

    /// Stable number, 3310 to 3319.
    pub const fn code(&self) -> u32 {
        match self.fault {
            Fault::Empty => 3_310,
            Fault::Gap => 3_311,
            Fault::NotMonotone => 3_312,
            Fault::Order => 3_313,
            Fault::Overlap => 3_314,
            Fault::Range { .. } => 3_315,
            Fault::Resolution => 3_316,
            Fault::TooMany => 3_317,
            Fault::UnknownField => 3_318,
            Fault::UnknownWord => 3_319,
        }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match self.fault {
            Fault::Empty => f.write_str("has nothing in it"),
            Fault::Gap => f.write_str("leaves a gap"),
            Fault::NotMonotone => f.write_str("is stricter than what a lower score gets"),
            Fault::Order => f.write_str("does not rise"),
            Fault::Overlap => f.write_str("overlaps what is before it"),
            Fault::Range { min, max } => write!(f, "must be from {min} to {max}"),
            Fault::Resolution => f.write_str("is finer than a 240th of the slot"),
            Fault::TooMany => f.write_str("has too many"),
            Fault::UnknownField => f.write_str("no such field"),
            Fault::UnknownWord => f.write_str("no such word"),
        }
    }
}

impl core::error::Error for PolicyFault {}

/// What can be wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A list or a text has nothing in it.
    Empty,
    /// Something is not covered.
    Gap,
    /// A higher score would be treated more strictly.
    NotMonotone,
    /// Something does not rise that should.
    Order,
    /// Something is covered twice.
    Overlap,
    /// A number is outside its range.
    Range {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// A cut point falls between two dwells that can be told apart.
    Resolution,
    /// A list or a text is too long.
    TooMany,
    /// No version of the form knows this field.
    UnknownField,
    /// A word is none of those that are known there.
    UnknownWord,
}

struct Checked {
    draft: PolicyDraft,
    grid: Grid,
    learning: Learning,
    bands: Vec<Band>,
    tables: Tables,
    digest: [u8; 32],
}

/// What assessments look up.
pub(super) struct Tables {
    /// For each type, above all of its dwells, in 240ths.
    pub(super) type_ends: [u8; Policy::TYPES_MAX],
    pub(super) types: usize,
    pub(super) fading: Fading,
    pub(super) weights: [u16; Policy::TYPES_MAX],
    /// By kind.
    pub(super) roles: [KindRoles; 8],
    /// By generation of keys, where everything was searched for: most scans do.
    pub(super) roles_of_all: [Roles; 4],
    pub(super) present_max: i32,
    pub(super) absent_min: i32,
    pub(super) all_absent_min: i32,
    pub(super) temper: i64,
    pub(super) prior: LogRatio,
    pub(super) occurrences_min: u32,
    pub(super) references_min: u8,
    pub(super) coverage_min: u16,
    pub(super) blend: bool,
    pub(super) evidence_decides: bool,
    pub(super) no_evidence: Plan,
    pub(super) suspicious: Plan,
    pub(super) unfamiliar_max: BasisPoints,
    pub(super) strange_pairs_max: BasisPoints,
    pub(super) strange_pairs_min: u32,
    pub(super) plausible_max: u16,
    pub(super) copied_min: usize,
    pub(super) age_max_ms: u64,
    pub(super) ahead_max_ms: u64,
    pub(super) challenge_ttl_ms: u64,
    pub(super) nonce_required: bool,
}

impl Policy {
    /// A policy has at most this many dwell types (spec R8 asks for any positive number; this is the bound of ours).
    pub const TYPES_MAX: usize = 8;
    /// A policy has at most this many bands.
    pub const BANDS_MAX: usize = 32;
}

impl Tables {
    fn new(draft: &PolicyDraft, grid: Grid, learns: Learning) -> Self {
        let mut type_ends = [0; Policy::TYPES_MAX];
        for units in 0..=Dwell::WHOLE {
            let dwell_s = i64::from(Dwell(units).seconds(grid.slot_s()).unwrap_or(0));
            let last = draft.types.len().saturating_sub(1);
            let at = draft.types.iter().position(|one| dwell_s < one.to_s).unwrap_or(last);
            // Longer dwells are of later types; one without any ends where the one before it does.
            for end in type_ends.iter_mut().skip(at) {
                *end = units + 1;
            }
        }
        let mut weights = [0; Policy::TYPES_MAX];
        for (weight, one) in weights.iter_mut().zip(&draft.types) {
            *weight = u16::try_from(one.weight).unwrap_or(0);
        }
        let evidence = &draft.evidence;
        let mut roles = [role::UNUSED; 8];
        for (kind, percent) in [
            (Kind::Wifi, evidence.wifi_percent),
            (Kind::WifiLocal, evidence.wifi_local_percent),
            (Kind::Bluetooth, evidence.bluetooth_percent),
            (Kind::BlePublic, evidence.ble_public_percent),
            (Kind::BleRandom, evidence.ble_random_percent),
            (Kind::Lan, evidence.lan_percent),
            (Kind::Cell, evidence.cell_percent),
        ] {
            // a hundred percent at most
            let weight = u8::try_from(percent * 128 / 100).unwrap_or(0);
            roles[kind as usize] = role::used(kind, weight);
        }
        let milli = |milli: i64| i32::try_from(milli * 65_536 / 1_000).unwrap_or(0);
        let plan = |word: &str| if word == "pin" { Plan::AskPin } else { Plan::Refuse };
        let share = |basis_points: i64| {
            BasisPoints::new(u16::try_from(basis_points).unwrap_or(10_000))
                .unwrap_or(BasisPoints::ONE)
        };
        let (learning, scan) = (&draft.learning, &draft.scan);
        let small = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
        Self {
            type_ends,
            types: draft.types.len(),
            fading: learns.fading,
            weights,
            roles,
            roles_of_all: [0, 8, 16, 24].map(|at| Roles::new(&roles, Roles::ALL_KINDS << at)),
            present_max: milli(evidence.group_present_max_milli),
            absent_min: -milli(evidence.group_absent_max_milli),
            all_absent_min: -milli(evidence.absent_max_milli),
            temper: evidence.temper_permille,
            prior: LogRatio::from_units(milli(evidence.prior_milli)),
            occurrences_min: u32::from(small(learning.occurrences_min_hundredths)) * 128 / 100,
            references_min: u8::try_from(learning.references_min).unwrap_or(u8::MAX),
            coverage_min: small(learning.coverage_min),
            blend: learning.blend,
            evidence_decides: draft.score == "evidence",
            no_evidence: plan(&draft.no_evidence),
            suspicious: plan(&draft.suspicious),
            unfamiliar_max: share(scan.unfamiliar_max),
            strange_pairs_max: share(scan.strange_pairs_max),
            strange_pairs_min: small(scan.strange_pairs_min).into(),
            plausible_max: small(scan.plausible_max),
            copied_min: small(scan.copied_min).into(),
            age_max_ms: unsigned(scan.age_max_ms),
            ahead_max_ms: unsigned(scan.ahead_max_ms),
            challenge_ttl_ms: unsigned(scan.challenge_ttl_ms),
            nonce_required: scan.nonce_required,
        }
    }
}

/// Checks everything, in the order of the form.
fn check(draft: &PolicyDraft) -> Result<(Grid, Learning), PolicyFault> {
    known("", &draft.unknown)?;
    let sections = [
        ("grid.", &draft.grid.unknown),
        ("learning.", &draft.learning.unknown),
        ("evidence.", &draft.evidence.unknown),
        ("scan.", &draft.scan.unknown),
    ];
    sections.iter().try_for_each(|(path, unknown)| known(path, unknown))?;
    within("schema", draft.schema, 1, 1)?;
    within("version", draft.version, 1, u32::MAX.into())?;
    if !(1..=64).contains(&draft.name.len()) {
        let fault = if draft.name.is_empty() { Fault::Empty } else { Fault::TooMany };
        return Err(PolicyFault::new("name", fault));
    }
    within("valid_from_ms", draft.valid_from_ms, 0, i64::MAX)?;
    word("score", &draft.score, &["baseline", "evidence"])?;
    let fold = match draft.grid.fold.as_str() {
        "week" => Fold::Week,
        "weekend" => Fold::Weekend,
        "day" => Fold::Day,
        _ => return Err(PolicyFault::new("grid.fold", Fault::UnknownWord)),
    };
    let grid =
        u16::try_from(draft.grid.slot_min).ok().and_then(|slot_min| Grid::new(slot_min, fold));
    let range = Fault::Range { min: 30, max: 1_440 };
    let grid = grid.ok_or_else(|| PolicyFault::new("grid.slot_min", range))?;
    check_types(&draft.types, i64::from(grid.slot_s()))?;
    let learning = &draft.learning;
    within("learning.half_life_days", learning.half_life_days, 1, 180)?;
    within("learning.neighbours_max", learning.neighbours_max, 8, 64)?;
    within("learning.revocable_days", learning.revocable_days, 1, 90)?;
    within("learning.confirm_within_ms", learning.confirm_within_ms, 60_000, 604_800_000)?;
    let hundredths = learning.occurrences_min_hundredths;
    within("learning.occurrences_min_hundredths", hundredths, 10, 2_000)?;
    within("learning.references_min", learning.references_min, 1, 64)?;
    within("learning.coverage_min", learning.coverage_min, 0, 10_000)?;
    let evidence = &draft.evidence;
    for (path, number, min, max) in [
        ("evidence.group_present_max_milli", evidence.group_present_max_milli, 0, 20_000),
        ("evidence.group_absent_max_milli", evidence.group_absent_max_milli, 0, 20_000),
        ("evidence.absent_max_milli", evidence.absent_max_milli, 0, 100_000),
        ("evidence.temper_permille", evidence.temper_permille, 1, 1_000),
        ("evidence.prior_milli", evidence.prior_milli, -10_000, 10_000),
        ("evidence.wifi_percent", evidence.wifi_percent, 0, 100),
        ("evidence.wifi_local_percent", evidence.wifi_local_percent, 0, 100),
        ("evidence.bluetooth_percent", evidence.bluetooth_percent, 0, 100),
        ("evidence.ble_public_percent", evidence.ble_public_percent, 0, 100),
        ("evidence.ble_random_percent", evidence.ble_random_percent, 0, 100),
        ("evidence.lan_percent", evidence.lan_percent, 0, 100),
        ("evidence.cell_percent", evidence.cell_percent, 0, 100),
        ("scan.age_max_ms", draft.scan.age_max_ms, 30_000, 3_600_000),
        ("scan.ahead_max_ms", draft.scan.ahead_max_ms, 0, 3_600_000),
        ("scan.challenge_ttl_ms", draft.scan.challenge_ttl_ms, 10_000, 3_600_000),
        ("scan.plausible_max", draft.scan.plausible_max, 16, 256),
        ("scan.copied_min", draft.scan.copied_min, 1, 256),
        ("scan.unfamiliar_max", draft.scan.unfamiliar_max, 1, 10_000),
        ("scan.strange_pairs_max", draft.scan.strange_pairs_max, 1, 10_000),
        ("scan.strange_pairs_min", draft.scan.strange_pairs_min, 1, 1_000),
    ] {
        within(path, number, min, max)?;
    }
    check_bands(&draft.bands)?;
    word("no_evidence", &draft.no_evidence, &["pin", "refuse"])?;
    word("suspicious", &draft.suspicious, &["pin", "refuse"])?;
    let range = || PolicyFault::new("learning", Fault::Range { min: 1, max: 180 });
    let small = |number: i64| u8::try_from(number).unwrap_or(0);
    let fading = Fading::new(small(learning.half_life_days)).ok_or_else(range)?;
    Ok((grid, Learning { fading, neighbours_max: small(learning.neighbours_max) }))
}

fn check_types(types: &[TypeDraft], slot_s: i64) -> Result<(), PolicyFault> {
    if types.is_empty() {
        return Err(PolicyFault::new("types", Fault::Empty));
    }
    if types.len() > Policy::TYPES_MAX {
        return Err(PolicyFault::new("types", Fault::TooMany));
    }
    let mut covered = 0;
    for (at, one) in types.iter().enumerate() {
        let path = |field: &str| format!("types[{at}].{field}");
        known(&path(""), &one.unknown)?;
        within(path("from_s"), one.from_s, 0, slot_s - 1)?;
        if one.from_s < covered {
            return Err(PolicyFault::new(path("from_s"), Fault::Overlap));
        }
        if one.from_s > covered {
            return Err(PolicyFault::new(path("from_s"), Fault::Gap));
        }
        within(path("to_s"), one.to_s, one.from_s + 1, slot_s)?;
        if one.to_s * i64::from(Dwell::WHOLE) % slot_s != 0 {
            return Err(PolicyFault::new(path("to_s"), Fault::Resolution));
        }
        within(path("weight"), one.weight, 0, 1_000)?;
        covered = one.to_s;
    }
    if covered < slot_s {
        return Err(PolicyFault::new(format!("types[{}].to_s", types.len() - 1), Fault::Gap));
    }
    if types.iter().all(|one| one.weight == 0) {
        return Err(PolicyFault::new("types[0].weight", Fault::Range { min: 1, max: 1_000 }));
    }
    Ok(())
}

fn check_bands(bands: &[BandDraft]) -> Result<(), PolicyFault> {
    if bands.is_empty() {
        return Err(PolicyFault::new("bands", Fault::Empty));
    }
    if bands.len() > Policy::BANDS_MAX {
        return Err(PolicyFault::new("bands", Fault::TooMany));
    }
    let mut next = 0;
    let mut loosest = Plan::Refuse;
    for (at, band) in bands.iter().enumerate() {
        let path = |field: &str| format!("bands[{at}].{field}");
        known(&path(""), &band.unknown)?;
        within(path("from"), band.from, 0, 10_000)?;
        if band.from < next {
            return Err(PolicyFault::new(path("from"), Fault::Overlap));
        }
        if band.from > next {
            return Err(PolicyFault::new(path("from"), Fault::Gap));
        }
        within(path("to"), band.to, band.from, 10_000)?;
        word(path("then"), &band.then, &["refuse", "pin", "allow"])?;
        match (band.then.as_str(), band.limit_minor) {
            ("allow", None) => return Err(PolicyFault::new(path("limit_minor"), Fault::Empty)),
            ("allow", Some(limit)) => within(path("limit_minor"), limit, 0, i64::MAX)?,
            (_, Some(_)) => return Err(PolicyFault::new(path("limit_minor"), Fault::UnknownField)),
            (_, None) => {}
        }
        let plan = Band::of(band).plan;
        if plan < loosest {
            let allows = matches!(plan, Plan::Allow { .. });
            let field = if allows { "limit_minor" } else { "then" };
            return Err(PolicyFault::new(path(field), Fault::NotMonotone));
        }
        (next, loosest) = (band.to + 1, plan);
    }
    if next == 10_001 {
        Ok(())
    } else {
        Err(PolicyFault::new(format!("bands[{}].to", bands.len() - 1), Fault::Gap))
    }
}

fn known(path: &str, unknown: &Unknown) -> Result<(), PolicyFault> {
    match draft::first(unknown) {
        None => Ok(()),
        Some(field) => Err(PolicyFault::new(format!("{path}{field}"), Fault::UnknownField)),
    }
}

fn within(path: impl Into<String>, number: i64, min: i64, max: i64) -> Result<(), PolicyFault> {
    if (min..=max).contains(&number) {
        Ok(())
    } else {
        Err(PolicyFault::new(path, Fault::Range { min, max }))
    }
}

fn word(path: impl Into<String>, word: &str, known: &[&str]) -> Result<(), PolicyFault> {
    if known.contains(&word) { Ok(()) } else { Err(PolicyFault::new(path, Fault::UnknownWord)) }
}

fn pin() -> String {
    "pin".to_owned()
}

fn refuse() -> String {
    "refuse".to_owned()
}

/// Numbers that were checked to be positive.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

macro_rules! numbers {
    ($draft:expr) => {
        [
            &mut $draft.grid.slot_min,
            &mut $draft.learning.half_life_days,
            &mut $draft.learning.neighbours_max,
            &mut $draft.learning.revocable_days,
            &mut $draft.learning.confirm_within_ms,
            &mut $draft.learning.occurrences_min_hundredths,
            &mut $draft.learning.references_min,
            &mut $draft.learning.coverage_min,
            &mut $draft.evidence.group_present_max_milli,
            &mut $draft.evidence.group_absent_max_milli,
            &mut $draft.evidence.absent_max_milli,
            &mut $draft.evidence.temper_permille,
            &mut $draft.evidence.prior_milli,
            &mut $draft.evidence.wifi_percent,
            &mut $draft.evidence.wifi_local_percent,
            &mut $draft.evidence.bluetooth_percent,
            &mut $draft.evidence.ble_public_percent,
            &mut $draft.evidence.ble_random_percent,
            &mut $draft.evidence.lan_percent,
            &mut $draft.evidence.cell_percent,
            &mut $draft.scan.age_max_ms,
            &mut $draft.scan.ahead_max_ms,
            &mut $draft.scan.challenge_ttl_ms,
            &mut $draft.scan.plausible_max,
            &mut $draft.scan.copied_min,
            &mut $draft.scan.unfamiliar_max,
            &mut $draft.scan.strange_pairs_max,
            &mut $draft.scan.strange_pairs_min,
        ]
    };
}

impl PolicyDraft {
    /// The stored form of a checked draft: every text and list is bounded.
    fn encode(&self, to: &mut Vec<u8>) {
        let mut numbers = self.clone();
        let mut writer = Writer::new(to, 1);
        writer.i64(self.version);
        write_text(&mut writer, &self.name);
        writer.i64(self.valid_from_ms);
        for word in [&self.score, &self.grid.fold, &self.no_evidence, &self.suspicious] {
            write_text(&mut writer, word);
        }
        for number in numbers!(numbers) {
            writer.i64(*number);
        }
        writer.u8(u8::from(self.learning.blend)).u8(u8::from(self.scan.nonce_required));
        writer.u8(u8::try_from(self.types.len()).unwrap_or(u8::MAX));
        for one in &self.types {
            writer.i64(one.from_s).i64(one.to_s).i64(one.weight);
        }
        writer.u8(u8::try_from(self.bands.len()).unwrap_or(u8::MAX));
        for band in &self.bands {
            writer.i64(band.from).i64(band.to);
            write_text(&mut writer, &band.then);
            match band.limit_minor {
                None => writer.u8(0),
                Some(limit) => writer.u8(1).i64(limit),
            };
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let mut draft = Self { version: reader.i64()?, ..Self::default() };
        draft.name = read_text(&mut reader)?;
        draft.valid_from_ms = reader.i64()?;
        let draft_words =
            [&mut draft.score, &mut draft.grid.fold, &mut draft.no_evidence, &mut draft.suspicious];
        for word in draft_words {
            *word = read_text(&mut reader)?;
        }
        for number in numbers!(draft) {
            *number = reader.i64()?;
        }
        draft.learning.blend = reader.flag()?;
        draft.scan.nonce_required = reader.flag()?;
        draft.types.clear();
        for _ in 0..reader.u8()? {
            let (from_s, to_s, weight) = (reader.i64()?, reader.i64()?, reader.i64()?);
            draft.types.push(TypeDraft { from_s, to_s, weight, unknown: Unknown::new() });
        }
        draft.bands.clear();
        for _ in 0..reader.u8()? {
            let (from, to) = (reader.i64()?, reader.i64()?);
            let then = read_text(&mut reader)?;
            let limit_minor = if reader.flag()? { Some(reader.i64()?) } else { None };
            draft.bands.push(BandDraft { from, to, then, limit_minor, unknown: Unknown::new() });
        }
        reader.finish()?;
        Ok(draft)
    }
}
