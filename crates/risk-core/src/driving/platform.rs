//! The platform's side: what a level is good for (spec V14). The evaluator does not know this policy.

use super::{LevelNotice, RequestId, RiskLevel, VehicleId};
use crate::surroundings::Unknown;
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Amount, Currency, Time, WireError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A checked policy of a transaction platform: low risk is paid, medium up to a cap or after the owner's phone was asked,
/// high is refused and tells somebody.
///
/// ```
/// use interbank_risk_core::driving::{PlatformDraft, PlatformPolicy};
/// let draft: PlatformDraft = serde_json::from_str(r#"{
///     "schema": 1, "version": 3, "name": "pump", "valid_from_ms": 0, "currency": "EUR",
///     "medium": { "cap_minor": 5000, "above": "shrug" }
/// }"#)?;
/// assert_eq!(PlatformPolicy::new(draft).unwrap_err().to_string(), "medium.above: no such word");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformPolicy {
    draft: PlatformDraft,
    currency: Currency,
    digest: [u8; 32],
}

impl PlatformPolicy {
    /// Checks a draft.
    ///
    /// # Errors
    /// [`PlatformFault`] with the path of the first fault.
    pub fn new(draft: PlatformDraft) -> Result<Self, PlatformFault> {
        let sections = [
            ("", &draft.unknown),
            ("low.", &draft.low.unknown),
            ("medium.", &draft.medium.unknown),
            ("high.", &draft.high.unknown),
        ];
        for (section, unknown) in sections {
            if let Some(field) = unknown.keys().next() {
                // Foreign text: enough of it to be found.
                let field: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
                let path = format!("{section}{field}");
                return Err(PlatformFault::new(path, PlatformFlaw::UnknownField));
            }
        }
        let medium = draft.medium.cap_minor;
        let low = draft.low.limit_minor.unwrap_or(i64::MAX);
        for (path, number, min, max) in [
            ("schema", draft.schema, 1, 1),
            ("version", draft.version, 1, u32::MAX.into()),
            ("valid_from_ms", draft.valid_from_ms, 0, i64::MAX),
            ("low.limit_minor", low, 0, i64::MAX),
            ("medium.cap_minor", medium, 0, i64::MAX),
        ] {
            if !(min..=max).contains(&number) {
                return Err(PlatformFault::new(path, PlatformFlaw::Range { min, max }));
            }
        }
        if !(1..=64).contains(&draft.name.len()) {
            return Err(PlatformFault::new("name", PlatformFlaw::Length));
        }
        if medium > low {
            // A riskier level would be allowed more.
            return Err(PlatformFault::new("medium.cap_minor", PlatformFlaw::NotMonotone));
        }
        for (path, word) in [("low.above", &draft.low.above), ("medium.above", &draft.medium.above)]
        {
            if !["ask_owner", "refuse"].contains(&word.as_str()) {
                return Err(PlatformFault::new(path, PlatformFlaw::UnknownWord));
            }
        }
        if draft.low.above == "refuse" && draft.medium.above == "ask_owner" {
            return Err(PlatformFault::new("low.above", PlatformFlaw::NotMonotone));
        }
        let currency = Currency::parse(&draft.currency)
            .map_err(|_| PlatformFault::new("currency", PlatformFlaw::UnknownWord))?;
        let mut bytes = Vec::with_capacity(128);
        draft.encode(&mut bytes);
        let head = b"interbank/risk-core/platform-policy/v1\0";
        let digest = Sha256::new().chain_update(head).chain_update(&bytes).finalize().into();
        Ok(Self { draft, currency, digest })
    }

    /// Decides on a payment with the level that the evaluator sent for it. A notice for another request, vehicle or amount, or
    /// one that has expired, is good for nothing.
    pub fn decide(&self, now: Time, payment: &VehiclePayment, notice: &LevelNotice) -> Ruled {
        let ruled =
            |ruling, why| Ruled { ruling, why, version: self.version(), policy: self.digest };
        let refuse = |why| ruled(Ruling::Refuse { alert: false }, why);
        if notice.request != payment.request {
            return refuse(PlatformReason::OtherRequest);
        }
        if notice.vehicle != payment.vehicle {
            return refuse(PlatformReason::OtherVehicle);
        }
        if notice.amount != payment.amount || !payment.amount.is_positive() {
            return refuse(PlatformReason::OtherAmount);
        }
        if payment.amount.currency() != self.currency {
            return refuse(PlatformReason::OtherCurrency);
        }
        if now >= notice.expires {
            return refuse(PlatformReason::Expired);
        }
        let minor = payment.amount.minor();
        let above = |word: &str, why| {
            let ask = word == "ask_owner";
            ruled(if ask { Ruling::AskOwner } else { Ruling::Refuse { alert: false } }, why)
        };
        let (low, medium) = (&self.draft.low, &self.draft.medium);
        match notice.level {
            RiskLevel::Low if low.limit_minor.is_none_or(|limit| minor <= limit) => {
                ruled(Ruling::Pay, PlatformReason::LowRisk)
            }
            RiskLevel::Low => above(&low.above, PlatformReason::AboveLimit),
            RiskLevel::Medium if minor <= medium.cap_minor => {
                ruled(Ruling::Pay, PlatformReason::MediumWithinCap)
            }
            RiskLevel::Medium => above(&medium.above, PlatformReason::MediumAboveCap),
            RiskLevel::High => {
                ruled(Ruling::Refuse { alert: self.draft.high.alert }, PlatformReason::HighRisk)
            }
        }
    }

    /// What it was made of.
    pub const fn draft(&self) -> &PlatformDraft {
        &self.draft
    }

    /// Its number.
    pub fn version(&self) -> u32 {
        u32::try_from(self.draft.version).unwrap_or(0)
    }

    /// SHA-256 over all of it.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// From when on it decides.
    pub fn valid_from(&self) -> Time {
        Time::from_ms(u64::try_from(self.draft.valid_from_ms).unwrap_or(0))
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.draft.encode(to);
    }

    /// Reads the stored form and checks it.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Invalid`] also for a policy that is not valid.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        Self::new(PlatformDraft::parse(bytes)?).map_err(|_| WireError::Invalid)
    }
}

/// Policies by the time from which they decide: any past decision can be made again as of its own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformBook(Vec<PlatformPolicy>);

impl PlatformBook {
    /// Puts policies into their order.
    ///
    /// # Errors
    /// [`PlatformFault`] if there is none, or if later ones do not have higher versions; the path counts policies in the order
    /// of their times.
    pub fn new(mut policies: Vec<PlatformPolicy>) -> Result<Self, PlatformFault> {
        if policies.is_empty() {
            return Err(PlatformFault::new("", PlatformFlaw::Length));
        }
        policies.sort_by_key(PlatformPolicy::valid_from);
        for (at, pair) in policies.windows(2).enumerate() {
            let [one, next] = pair else { continue };
            let what = if one.valid_from() == next.valid_from() {
                "valid_from_ms"
            } else if one.version() >= next.version() {
                "version"
            } else {
                continue;
            };
            return Err(PlatformFault::new(format!("[{}].{what}", at + 1), PlatformFlaw::Order));
        }
        Ok(Self(policies))
    }

    /// The policy that decides at this time, if any does yet.
    pub fn at(&self, time: Time) -> Option<&PlatformPolicy> {
        let after = self.0.partition_point(|policy| policy.valid_from() <= time);
        self.0.get(after.checked_sub(1)?)
    }
}

/// A payment from a vehicle, as the platform knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VehiclePayment {
    /// Which request it is.
    pub request: RequestId,
    /// From which vehicle.
    pub vehicle: VehicleId,
    /// What is to be paid.
    pub amount: Amount,
}

/// What the platform does, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ruled {
    /// What it does.
    pub ruling: Ruling,
    /// Why.
    pub why: PlatformReason,
    /// Version of the policy that decided.
    pub version: u32,
    /// Digest of the policy that decided.
    pub policy: [u8; 32],
}

/// What a platform does with a payment, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ruling {
    /// It pays.
    Pay,
    /// It asks the owner on the phone.
    AskOwner,
    /// It refuses.
    Refuse {
        /// Whether somebody is told that the vehicle may be stolen.
        alert: bool,
    },
}

/// Why a platform does what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PlatformReason {
    /// Low risk, but more than this policy pays at once.
    AboveLimit,
    /// The level has expired.
    Expired,
    /// High risk.
    HighRisk,
    /// Low risk.
    LowRisk,
    /// Medium risk, and too much for that.
    MediumAboveCap,
    /// Medium risk, and not much at stake.
    MediumWithinCap,
    /// The level was made for another amount, or for none.
    OtherAmount,
    /// This policy knows another currency.
    OtherCurrency,
    /// The level was made for another request.
    OtherRequest,
    /// The level was made for another vehicle.
    OtherVehicle,
}

impl PlatformReason {
    /// Stable number, 3560 to 3569.
    pub const fn code(self) -> u32 {
        match self {
            Self::AboveLimit => 3_560,
            Self::Expired => 3_561,
            Self::HighRisk => 3_562,
            Self::LowRisk => 3_563,
            Self::MediumAboveCap => 3_564,
            Self::MediumWithinCap => 3_565,
            Self::OtherAmount => 3_566,
            Self::OtherCurrency => 3_567,
            Self::OtherRequest => 3_568,
            Self::OtherVehicle => 3_569,
        }
    }
}

impl fmt::Display for PlatformReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveLimit => "the amount is above the limit for vehicles",
            Self::Expired => "the evaluation is too old",
            Self::HighRisk => "the vehicle is not driven as usual",
            Self::LowRisk => "the vehicle is driven as usual",
            Self::MediumAboveCap => {
                "the vehicle is not quite driven as usual, and the amount is high"
            }
            Self::MediumWithinCap => {
                "the vehicle is not quite driven as usual, but the amount is low"
            }
            Self::OtherAmount => "the evaluation was made for another amount",
            Self::OtherCurrency => "vehicles pay in another currency here",
            Self::OtherRequest => "the evaluation was made for another payment",
            Self::OtherVehicle => "the evaluation was made for another vehicle",
        })
    }
}

/// A policy as it is written down, in any format of `serde` that describes itself; nothing is checked yet.
///
/// Numbers are wide and words are texts on purpose, and unknown fields are kept: so [`PlatformPolicy::new`] can say what is
/// wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformDraft {
    /// The version of this form: 1.
    pub schema: i64,
    /// The policy's own number, 1 to 2³² − 1.
    pub version: i64,
    /// A name for people, 1 to 64 bytes.
    pub name: String,
    /// From when on it decides, in milliseconds since the Unix epoch.
    pub valid_from_ms: i64,
    /// The currency of its limits, by ISO 4217.
    pub currency: String,
    /// What low risk is good for.
    #[serde(default)]
    pub low: LowDraft,
    /// What medium risk is good for.
    #[serde(default)]
    pub medium: MediumDraft,
    /// What high risk leads to, beside the refusal.
    #[serde(default)]
    pub high: HighDraft,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

impl PlatformDraft {
    /// The spec's default in a currency: low pays, medium pays up to a cap and asks the owner above it, high refuses and
    /// alerts.
    pub fn of(currency: Currency, cap_minor: i64) -> Self {
        let [a, b, c] = currency.letters().map(char::from);
        Self {
            schema: 1,
            version: 1,
            name: "default".to_owned(),
            valid_from_ms: 0,
            currency: String::from_iter([a, b, c]),
            low: LowDraft::default(),
            medium: MediumDraft { cap_minor, ..MediumDraft::default() },
            high: HighDraft::default(),
            unknown: Unknown::new(),
        }
    }

    /// Texts too long for the form are cut: such a draft is never valid.
    fn encode(&self, to: &mut Vec<u8>) {
        let mut writer = Writer::new(to, 1);
        let text = |writer: &mut Writer<'_>, text: &str| {
            let bytes = text.as_bytes();
            let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
            writer.u8(len).fixed(bytes.get(..usize::from(len)).unwrap_or_default());
        };
        writer.i64(self.schema).i64(self.version);
        text(&mut writer, &self.name);
        writer.i64(self.valid_from_ms);
        text(&mut writer, &self.currency);
        match self.low.limit_minor {
            None => writer.u8(0),
            Some(limit_minor) => writer.u8(1).i64(limit_minor),
        };
        text(&mut writer, &self.low.above);
        writer.i64(self.medium.cap_minor);
        text(&mut writer, &self.medium.above);
        writer.u8(u8::from(self.high.alert));
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let text = |reader: &mut Reader<'_>| {
            reader.lp8().and_then(|bytes| Reader::text(bytes).map(str::to_owned))
        };
        let flag = |byte: u8| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Invalid),
        };
        let (schema, version) = (reader.i64()?, reader.i64()?);
        let name = text(&mut reader)?;
        let valid_from_ms = reader.i64()?;
        let currency = text(&mut reader)?;
        let limit_minor = if flag(reader.u8()?)? { Some(reader.i64()?) } else { None };
        let low = LowDraft { limit_minor, above: text(&mut reader)?, unknown: Unknown::new() };
        let cap_minor = reader.i64()?;
        let medium = MediumDraft { cap_minor, above: text(&mut reader)?, unknown: Unknown::new() };
        let high = HighDraft { alert: flag(reader.u8()?)?, unknown: Unknown::new() };
        reader.finish()?;
        let unknown = Unknown::new();
        Ok(Self { schema, version, name, valid_from_ms, currency, low, medium, high, unknown })
    }
}

/// What low risk is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LowDraft {
    /// What is paid at most without asking, in minor units; everything, where it is not given.
    pub limit_minor: Option<i64>,
    /// What happens above: `ask_owner` or `refuse`.
    pub above: String,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

impl Default for LowDraft {
    fn default() -> Self {
        Self { limit_minor: None, above: "ask_owner".to_owned(), unknown: Unknown::new() }
    }
}

/// What medium risk is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediumDraft {
    /// What is paid at most without asking, in minor units; not more than the limit of low risk.
    pub cap_minor: i64,
    /// What happens above: `ask_owner` or `refuse`.
    pub above: String,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

impl Default for MediumDraft {
    fn default() -> Self {
        Self { cap_minor: 0, above: "ask_owner".to_owned(), unknown: Unknown::new() }
    }
}

/// What high risk leads to, beside the refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HighDraft {
    /// Whether somebody is told that the vehicle may be stolen.
    pub alert: bool,
    /// Fields that nobody knows: they are faults.
    #[serde(flatten, skip_serializing)]
    pub unknown: Unknown,
}

impl Default for HighDraft {
    fn default() -> Self {
        Self { alert: true, unknown: Unknown::new() }
    }
}

/// What is wrong with a platform's policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlatformFault {
    /// The path of the fault, such as `medium.cap_minor`.
    pub path: String,
    /// What it is.
    pub flaw: PlatformFlaw,
}

impl PlatformFault {
    fn new(path: impl Into<String>, flaw: PlatformFlaw) -> Self {
        Self { path: path.into(), flaw }
    }

    /// Stable number, 3570 to 3575.
    pub const fn code(&self) -> u32 {
        match self.flaw {
            PlatformFlaw::Length => 3_570,
            PlatformFlaw::NotMonotone => 3_571,
            PlatformFlaw::Order => 3_572,
            PlatformFlaw::Range { .. } => 3_573,
            PlatformFlaw::UnknownField => 3_574,
            PlatformFlaw::UnknownWord => 3_575,
        }
    }
}

impl fmt::Display for PlatformFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match self.flaw {
            PlatformFlaw::Length => f.write_str("is empty or too long"),
            PlatformFlaw::NotMonotone => {
                f.write_str("a riskier level would be treated more mildly")
            }
            PlatformFlaw::Order => f.write_str("does not rise"),
            PlatformFlaw::Range { min, max } => write!(f, "must be from {min} to {max}"),
            PlatformFlaw::UnknownField => f.write_str("no such field"),
            PlatformFlaw::UnknownWord => f.write_str("no such word"),
        }
    }
}

impl core::error::Error for PlatformFault {}

/// What can be wrong with a platform's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlatformFlaw {
    /// A text or a list is empty or too long.
    Length,
    /// A riskier level would be treated more mildly.
    NotMonotone,
    /// Something does not rise that should.
    Order,
    /// A number is outside its range.
    Range {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// No version of the form knows this field.
    UnknownField,
    /// A word is none of those that are known there.
    UnknownWord,
}
